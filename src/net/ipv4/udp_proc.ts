// /proc/net/udp and udplite, and the line format that raw and ping sockets share. Mirrors the proc half of net/ipv4/udp.c.
// Read first: proc_net(5). Way in: udp4_seq_show(), inet_sock_seq_line().

import type { InetSock } from "./inet_sock.ts";
import { type UdpTable, udp_bucket_of, udp_sockets } from "./udp_table.ts";

const hex = (v: number, width: number): string => (v >>> 0).toString(16).toUpperCase().padStart(width, "0");

/** An address as x86-64 prints the bytes that are in network order: 127.0.0.1 is 0100007F. */
export function proc_addr(addr: number): string {
  return hex(((addr & 0xff) << 24) | ((addr & 0xff00) << 8) | ((addr >>> 8) & 0xff00) | (addr >>> 24), 8);
}

/** " 126: LOCAL:PORT REMOTE:PORT ST TX:RX …" without padding and newline; `bucket` is already in its column. */
export function inet_sock_seq_line(sk: InetSock, bucket: string): string {
  // A hashed socket has the table's reference beside its owner's.
  const refs = sk.sk_refcnt + 1;
  return (
    `${bucket}: ${proc_addr(sk.inet_rcv_saddr)}:${hex(sk.inet_num, 4)} ${proc_addr(sk.inet_daddr)}:${hex(sk.inet_dport, 4)} ` +
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
