// inet_init(): IPv4 registers with everything below it. Mirrors inet_init() and ipv4_proc_init() of net/ipv4/af_inet.c.
// Way in: fs_initcall in init/main.ts.

import type { Kernel } from "../../kernel/kernel.ts";
import { KERN_INFO, printk } from "../../kernel/printk.ts";
import { ETH_P_IP } from "../../uapi/ip.ts";
import {
  IPPROTO_ICMP,
  IPPROTO_IGMP,
  IPPROTO_IP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from "../../uapi/socket.ts";
import { dev_add_pack } from "../core/dev.ts";
import { register_pernet_subsys } from "../core/net_namespace.ts";
import { pskb_expand_head } from "../core/skbuff.ts";
import { proto_register, sk_free, sock_register } from "../core/sock.ts";
import { SockcmCookie } from "../core/sock_cmsg.ts";
import {
  INET_PROTOSW_ICSK,
  INET_PROTOSW_PERMANENT,
  INET_PROTOSW_REUSE,
  inet_dgram_ops,
  inet_family_ops,
  inet_proto_init,
  inet_register_protosw,
  inet_sockraw_ops,
  inet_stream_ops,
} from "./af_inet.ts";
import { arp_init } from "./arp.ts";
import { devinet_init } from "./devinet.ts";
import { ip_fib_init } from "./fib_frontend.ts";
import { inet_offload_init } from "./gro.ts";
import { icmp_err, icmp_init, icmp_rcv } from "./icmp.ts";
import { igmp_init, igmp_rcv } from "./igmp.ts";
import { inet_hashinfo_init } from "./inet_hashtables.ts";
import { inet_netlink_init } from "./inet_netlink.ts";
import { IpcmCookie } from "./ip_append.ts";
import { ipfrag_init } from "./ip_fragment.ts";
import { ip_rcv } from "./ip_input.ts";
import { ip_mc_loopback_init } from "./ip_mc_loopback.ts";
import { IP_IDENTS_SZ } from "./ip_output.ts";
import { ip_sockglue_init } from "./ip_sockglue.ts";
import { NetnsIpv4 } from "./netns_ipv4.ts";
import { nexthop_init } from "./nexthop.ts";
import { ping_init, ping_prot } from "./ping.ts";
import { ip_misc_proc_init } from "./proc.ts";
import { inet_add_protocol, type NetProtocol, protocol_init } from "./protocol.ts";
import { raw_init, raw_prot } from "./raw.ts";
import { ip_rt_init } from "./route.ts";
import { tcp_init } from "./tcp.ts";
import { tcp_bbr } from "./tcp_bbr.ts";
import { AckSample, tcp_cong_init } from "./tcp_cong.ts";
import { tcp_cubic } from "./tcp_cubic.ts";
import { tcp_dctcp } from "./tcp_dctcp.ts";
import { tcp_prot, tcp_protocol, tcp_v4_init } from "./tcp_ipv4.ts";
import { tcp_metrics_init } from "./tcp_metrics.ts";
import { tcp_metrics_genl_init } from "./tcp_metrics_netlink.ts";
import { tcpv4_offload_init } from "./tcp_offload.ts";
import { TcpOutOptions } from "./tcp_options.ts";
import { tcp_tasklet_init } from "./tcp_output.ts";
import { tcp4_proc_init } from "./tcp_proc.ts";
import { RateSample } from "./tcp_rate.ts";
import { TcpSacktagState } from "./tcp_sack.ts";
import { udp_err, udp_prot, udp_rcv, udp_v4_early_demux, udplite_err, udplite_prot, udplite_rcv } from "./udp.ts";
import { udpv4_offload_init } from "./udp_offload.ts";
import { UdpTable } from "./udp_table.ts";

const udp_protocol: NetProtocol = {
  name: "UDP",
  early_demux: udp_v4_early_demux,
  handler: udp_rcv,
  err_handler: udp_err,
  no_policy: true,
};
const udplite_protocol: NetProtocol = {
  name: "UDPLITE",
  handler: udplite_rcv,
  err_handler: udplite_err,
  no_policy: true,
};
const icmp_protocol: NetProtocol = { name: "ICMP", handler: icmp_rcv, err_handler: icmp_err, no_policy: true };
const igmp_protocol: NetProtocol = { name: "IGMP", handler: igmp_rcv };

/** Seeds of a namespace: hashes and IP IDs that nobody outside can guess. */
function ipv4_init_net(k: Kernel): void {
  register_pernet_subsys(k, {
    init: (net) => {
      net.ipv4 = new NetnsIpv4(net);
      const rnd = new Uint8Array(8);
      k.host.random_bytes(rnd);
      const dv = new DataView(rnd.buffer);
      net.ipv4.hash_secret = dv.getInt32(0, true);
      net.ipv4.ip_id_key = dv.getInt32(4, true);
      net.ipv4_idents = new Uint16Array(IP_IDENTS_SZ);
      k.host.random_bytes(new Uint8Array(net.ipv4_idents.buffer));
      net.ipv4_raw_users = 0;
      net.udp_table = new UdpTable();
      net.udplite_table = new UdpTable();
      net.sysctl_rmem_max = 4 << 20;
      net.sysctl_wmem_max = 4 << 20;
      net.sysctl_rmem_default = 212992;
      net.sysctl_wmem_default = 212992;
      net.sysctl_optmem_max = 131072;
      net.sysctl_somaxconn = 4096;
    },
  });
}

function add_protocol(k: Kernel, prot: NetProtocol, protocol: number): void {
  inet_add_protocol(k, prot, protocol);
  printk(k, KERN_INFO, `inet_add_protocol: ${prot.name} (${protocol}) → inet_protos`);
}

export function inet_init(k: Kernel): void {
  k.udp_ipc = new IpcmCookie();
  k.udp_err = new Int32Array(1);
  k.sk_free_hook = sk_free;
  k.pskb_expand_head_hook = pskb_expand_head;
  inet_proto_init(k);
  protocol_init(k);
  ipv4_init_net(k);
  inet_hashinfo_init(k);
  tcp_v4_init(k);
  for (const prot of [tcp_prot, udp_prot, raw_prot, ping_prot, udplite_prot]) proto_register(k, prot);
  sock_register(k, inet_family_ops);
  add_protocol(k, icmp_protocol, IPPROTO_ICMP);
  add_protocol(k, udp_protocol, IPPROTO_UDP);
  add_protocol(k, tcp_protocol, IPPROTO_TCP);
  add_protocol(k, udplite_protocol, IPPROTO_UDPLITE);
  add_protocol(k, igmp_protocol, IPPROTO_IGMP);
  inet_register_protosw(k, {
    type: SOCK_STREAM,
    protocol: IPPROTO_TCP,
    prot: tcp_prot,
    ops: inet_stream_ops,
    flags: INET_PROTOSW_PERMANENT | INET_PROTOSW_ICSK,
  });
  inet_register_protosw(k, {
    type: SOCK_DGRAM,
    protocol: IPPROTO_UDP,
    prot: udp_prot,
    ops: inet_dgram_ops,
    flags: INET_PROTOSW_PERMANENT,
  });
  inet_register_protosw(k, {
    type: SOCK_DGRAM,
    protocol: IPPROTO_ICMP,
    prot: ping_prot,
    ops: inet_sockraw_ops,
    flags: INET_PROTOSW_REUSE,
  });
  inet_register_protosw(k, {
    type: SOCK_RAW,
    protocol: IPPROTO_IP,
    prot: raw_prot,
    ops: inet_sockraw_ops,
    flags: INET_PROTOSW_REUSE,
  });
  inet_register_protosw(k, {
    type: SOCK_DGRAM,
    protocol: IPPROTO_UDPLITE,
    prot: udplite_prot,
    ops: inet_dgram_ops,
    flags: INET_PROTOSW_PERMANENT,
  });
  ip_rt_init(k);
  arp_init(k);
  // ip_init(): addresses, the FIB, nexthops, multicast.
  devinet_init(k);
  ip_fib_init(k);
  nexthop_init(k);
  igmp_init(k);
  inet_netlink_init(k);
  ip_sockglue_init(k);
  ip_mc_loopback_init(k);
  raw_init(k);
  ping_init(k);
  // tcp_init(): memory, congestion control, metrics, the queue of those whose device drained.
  tcp_init(k);
  k.tcp_out = new TcpOutOptions();
  k.tcp_init_win = { rcv_wnd: 0, window_clamp: 0, rcv_wscale: 0 };
  k.tcp_rs = new RateSample();
  k.tcp_ack_sample = new AckSample();
  k.tcp_sockc = new SockcmCookie();
  k.tcp_sack = new TcpSacktagState();
  tcp_cong_init(k, [tcp_cubic(), tcp_bbr(), tcp_dctcp()]);
  tcp_metrics_init(k);
  tcp_metrics_genl_init(k);
  tcp_tasklet_init(k);
  icmp_init(k);
  ipfrag_init(k);
  ip_misc_proc_init(k);
  tcp4_proc_init(k);
  inet_offload_init(k);
  tcpv4_offload_init(k);
  udpv4_offload_init(k);
  dev_add_pack(k, { type: ETH_P_IP, dev: null, net: null, func: ip_rcv, name: "ip_rcv", af_packet_priv: null });
  printk(k, KERN_INFO, "dev_add_pack: ETH_P_IP → ip_rcv (ptype_base)");
}
