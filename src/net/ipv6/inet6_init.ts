// inet6_init(): AF_INET6 registers beside IPv4. Mirrors inet6_init() of net/ipv6/af_inet6.c. Way in: device_initcall in init/main.ts.

import type { Kernel } from "../../kernel/kernel.ts";
import { IPPROTO_ICMPV6 } from "../../uapi/in6.ts";
import {
  IPPROTO_IP,
  IPPROTO_RAW,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from "../../uapi/socket.ts";
import { register_pernet_subsys } from "../core/net_namespace.ts";
import { proto_register, sock_register } from "../core/sock.ts";
import { INET_PROTOSW_ICSK, INET_PROTOSW_PERMANENT, INET_PROTOSW_REUSE } from "../ipv4/af_inet.ts";
import { inet_diag_register } from "../ipv4/inet_diag.ts";
import {
  inet6_dgram_ops,
  inet6_family_ops,
  inet6_register_protosw,
  inet6_sockraw_ops,
  inet6_stream_ops,
  NetnsIpv6,
} from "./af_inet6.ts";
import { ip6_datagram_recv, ipv6_recv_error } from "./datagram.ts";
import { ipv6_misc_proc_init, ipv6_sysctl_net } from "./proc.ts";
import { pingv6_prot, raw6_sockets, rawv6_prot } from "./raw.ts";
import { tcpv6_prot } from "./tcp_ipv6.ts";
import { udplitev6_prot, udpv6_prot } from "./udp.ts";

/** Before the first namespace. */
export function inet6_init(k: Kernel): void {
  k.inetsw6 = Array.from({ length: 11 }, () => []);
  k.ipv6_stub = { recv_error: ipv6_recv_error, datagram_recv: ip6_datagram_recv };
  register_pernet_subsys(k, {
    init: (net) => {
      net.ipv6 = new NetnsIpv6();
      net.ipv6_raw = new Set();
      ipv6_sysctl_net(net);
    },
  });
  for (const prot of [tcpv6_prot, udpv6_prot, udplitev6_prot, rawv6_prot, pingv6_prot]) proto_register(k, prot);
  const permanent = INET_PROTOSW_PERMANENT;
  inet6_register_protosw(k, {
    type: SOCK_STREAM,
    protocol: IPPROTO_TCP,
    prot: tcpv6_prot,
    ops: inet6_stream_ops,
    flags: permanent | INET_PROTOSW_ICSK,
  });
  const dgram = { type: SOCK_DGRAM, ops: inet6_dgram_ops, flags: permanent };
  inet6_register_protosw(k, { ...dgram, protocol: IPPROTO_UDP, prot: udpv6_prot });
  inet6_register_protosw(k, { ...dgram, protocol: IPPROTO_UDPLITE, prot: udplitev6_prot });
  const raw = { ops: inet6_sockraw_ops, flags: INET_PROTOSW_REUSE };
  inet6_register_protosw(k, { ...raw, type: SOCK_DGRAM, protocol: IPPROTO_ICMPV6, prot: pingv6_prot });
  inet6_register_protosw(k, { ...raw, type: SOCK_RAW, protocol: IPPROTO_IP, prot: rawv6_prot });
  sock_register(k, inet6_family_ops);
  const diag = k.inet_diag_handlers.get(IPPROTO_RAW)!;
  inet_diag_register(k, { ...diag, sockets: (net) => [...diag.sockets(net), ...raw6_sockets(net)] });
  ipv6_misc_proc_init(k);
}
