// /proc/net/udp and udplite, and the line format that raw and ping sockets share. Mirrors the proc half of net/ipv4/udp.c.
// Read first: proc_net(5). Way in: udp4_seq_show(), inet_sock_seq_line().

import { AF_INET, AF_INET6 } from "../../uapi/socket.ts";
import { type In6Addr, type Ipv6Pinfo, sk_v6_daddr, sk_v6_rcv_saddr } from "../core/in6.ts";
import type { InetSock } from "./inet_sock.ts";
import { type UdpTable, udp_bucket_of, udp_sockets } from "./udp_table.ts";

type InetNamed = Pick<InetSock, "family" | "inet_rcv_saddr" | "inet_num" | "inet_daddr" | "inet_dport"> & {
  readonly pinet6?: Ipv6Pinfo | null;
};

const hex = (v: number, width: number): string => (v >>> 0).toString(16).toUpperCase().padStart(width, "0");

/** An address as x86-64 prints the bytes that are in network order: 127.0.0.1 is 0100007F. */
export function proc_addr(addr: number): string {
  return hex(((addr & 0xff) << 24) | ((addr & 0xff00) << 8) | ((addr >>> 8) & 0xff00) | (addr >>> 24), 8);
}

/** The same of IPv6: each word as the machine has it. */
export const proc_addr6 = (a: In6Addr): string => a.map(proc_addr).join("");
/** LOCAL:PORT REMOTE:PORT of a socket, request or TIME_WAIT of either family. */
export const proc_addresses = (e: InetNamed): string =>
  e.family === AF_INET6
    ? `${proc_addr6(sk_v6_rcv_saddr(e))}:${hex(e.inet_num, 4)} ${proc_addr6(sk_v6_daddr(e))}:${hex(e.inet_dport, 4)}`
    : `${proc_addr(e.inet_rcv_saddr)}:${hex(e.inet_num, 4)} ${proc_addr(e.inet_daddr)}:${hex(e.inet_dport, 4)}`;

/** " 126: LOCAL:PORT REMOTE:PORT ST TX:RX …" without padding and newline; `bucket` is already in its column. */
export function inet_sock_seq_line(sk: InetSock, bucket: string): string {
  // A hashed socket has the table's reference beside its owner's.
  const refs = sk.sk_refcnt + 1;
  return (
    `${bucket}: ${proc_addresses(sk)} ` +
    `${hex(sk.sk_state, 2)} ${hex(sk.sk_wmem_alloc, 8)}:${hex(sk.sk_rmem_alloc, 8)} 00:00000000 00000000 ` +
    `${String(sk.sk_uid).padStart(5)} ${"0".padStart(8)} ${sk.sk_cookie} ${refs} ` +
    `${sk.sk_cookie.toString(16).padStart(16, "0")} ${sk.sk_drops}`
  );
}

const HEADER =
  "sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";

/** Text of /proc/net/udp or udplite: each line is padded to 127. */
export function udp4_seq_show(table: UdpTable): string {
  let s = `${`   ${HEADER}`.padEnd(127)}\n`;
  for (const sk of udp_sockets(table)) {
    if (sk.family !== AF_INET) continue;
    s += `${inet_sock_seq_line(sk, String(udp_bucket_of(sk.inet_num)).padStart(5)).padEnd(127)}\n`;
  }
  return s;
}

/** /proc/net/icmp: padded, with the heading two columns from the left. */
export function ping_seq_text(socks: Iterable<InetSock>, bucket_of: (sk: InetSock) => number): string {
  let s = `${`  ${HEADER}`.padEnd(127)}\n`;
  for (const sk of socks) s += `${inet_sock_seq_line(sk, String(bucket_of(sk)).padStart(5)).padEnd(127)}\n`;
  return s;
}

/** /proc/net/raw: not padded. */
export function raw_seq_text(socks: Iterable<InetSock>, bucket_of: (sk: InetSock) => number): string {
  let s = `  ${HEADER}\n`;
  for (const sk of socks) s += `${inet_sock_seq_line(sk, String(bucket_of(sk)).padStart(4))}\n`;
  return s;
}
