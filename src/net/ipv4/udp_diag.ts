// UDP, UDP-Lite and raw sockets for ss. Mirrors net/ipv4/udp_diag.c and raw_diag.c. Way in: udp_diag_init(), raw_diag_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { ECONNABORTED } from "../../uapi/errno.ts";
import { IPPROTO_RAW, IPPROTO_UDP, IPPROTO_UDPLITE } from "../../uapi/socket.ts";
import { inet_diag_register } from "./inet_diag.ts";
import type { InetSock } from "./inet_sock.ts";
import { raw_sockets } from "./raw.ts";
import { udp_sockets } from "./udp_table.ts";

const queues = (sk: InetSock): [number, number] => [sk.sk_rmem_alloc, sk.sk_wmem_alloc];

/** Linux's table has a slot per port. */
const by_port = (socks: Iterable<InetSock>): InetSock[] => [...socks].sort((a, b) => a.inet_num - b.inet_num);

/** `ss -K`: whoever uses the socket learns that it was aborted, and it has no peer any more. */
function udp_abort(sk: InetSock): number {
  sk.sk_err = ECONNABORTED;
  sk.sk_error_report(sk);
  sk.prot.disconnect?.(sk, 0);
  return 0;
}

export function udp_diag_init(k: Kernel): void {
  inet_diag_register(k, {
    protocol: IPPROTO_UDP,
    sockets: (net) => by_port(udp_sockets(net.udp_table)),
    queues,
    destroy: udp_abort,
  });
  inet_diag_register(k, {
    protocol: IPPROTO_UDPLITE,
    sockets: (net) => by_port(udp_sockets(net.udplite_table)),
    queues,
    destroy: udp_abort,
  });
}

export function raw_diag_init(k: Kernel): void {
  inet_diag_register(k, { protocol: IPPROTO_RAW, sockets: (net) => raw_sockets(net), queues, destroy: udp_abort });
}
