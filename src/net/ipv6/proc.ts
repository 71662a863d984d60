// /proc/net/{tcp6,udp6,udplite6,raw6,sockstat6,if_inet6} and the sysctls of net.ipv6. Mirrors net/ipv6/proc.c, sysctl_net_ipv6.c and
// the proc halves of tcp_ipv6.c, udp.c, raw.c. Read first: proc_net(5). Way in: ipv6_misc_proc_init() in inet6_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { proc_dointvec, register_sysctl } from "../../kernel/sysctl.ts";
import { AF_INET6 } from "../../uapi/socket.ts";
import type { Net } from "../core/net_namespace.ts";
import { proc_create_net } from "../core/net-procfs.ts";
import type { InetSock } from "../ipv4/inet_sock.ts";
import { tcp_seq_show } from "../ipv4/tcp_proc.ts";
import { inet_sock_seq_line } from "../ipv4/udp_proc.ts";
import { type UdpTable, udp_bucket_of, udp_sockets } from "../ipv4/udp_table.ts";
import type { NetnsIpv6 } from "./af_inet6.ts";
import { raw6_sockets } from "./raw.ts";

const TCP6 =
  "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const DGRAM6 = `${TCP6} ref pointer drops`;

function dgram6_seq_show(socks: Iterable<InetSock>, bucket_of: (sk: InetSock) => number): string {
  let s = `${DGRAM6}\n`;
  for (const sk of socks) {
    if (sk.family === AF_INET6) s += `${inet_sock_seq_line(sk, String(bucket_of(sk)).padStart(5))}\n`;
  }
  return s;
}
const udp6_seq_show = (table: UdpTable): string =>
  dgram6_seq_show(udp_sockets(table), (sk) => udp_bucket_of(sk.inet_num));

/** /proc/net/sockstat6. DIFF: nothing of IPv6 is reassembled yet. */
const sockstat6_seq_show = (net: Net): string =>
  `TCP6: inuse ${net.tcp_hashinfo.inuse6}\nUDP6: inuse ${net.udp_table.count6}\n` +
  `UDPLITE6: inuse ${net.udplite_table.count6}\nRAW6: inuse ${net.ipv6_raw.size}\nFRAG6: inuse 0 memory 0\n`;

export function ipv6_misc_proc_init(k: Kernel): void {
  proc_create_net(k, "tcp6", (net) => tcp_seq_show(net, AF_INET6, TCP6, 0));
  proc_create_net(k, "udp6", (net) => udp6_seq_show(net.udp_table));
  proc_create_net(k, "udplite6", (net) => udp6_seq_show(net.udplite_table));
  proc_create_net(k, "raw6", (net) => dgram6_seq_show(raw6_sockets(net), (sk) => sk.inet_num));
  proc_create_net(k, "sockstat6", sockstat6_seq_show);
  // No device has an address of IPv6.
  proc_create_net(k, "if_inet6", () => "");
}

const BOOL = { min: 0, max: 1 };
const ints: readonly (readonly [string, keyof NetnsIpv6, { min: number; max: number }])[] = [
  ["bindv6only", "sysctl_bindv6only", BOOL],
  ["ip_nonlocal_bind", "sysctl_ip_nonlocal_bind", BOOL],
  ["auto_flowlabels", "sysctl_auto_flowlabels", { min: 0, max: 3 }],
  ["flowlabel_reflect", "sysctl_flowlabel_reflect", { min: 0, max: 7 }],
];

export function ipv6_sysctl_net(net: Net): void {
  for (const [name, key, range] of ints)
    register_sysctl(net.sysctl_table, proc_dointvec(`net/ipv6/${name}`, net.ipv6, key, range));
}
