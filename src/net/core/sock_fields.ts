// The fields of a socket that most sockets never change: they share one set of them until one is written (sock_rare.ts, which
// tools/gen-rare.mjs writes, has the accessors). Mirrors include/net/sock.h. Way in: class Sock.

import type { BpfProg } from "./filter.ts";
import type { UbufInfo } from "./zerocopy.ts";

export class SockRare {
  sk_lingertime = 0;
  sk_omem_alloc = 0;
  /** SO_BUSY_POLL: kept for programs that ask; there is nothing to poll busily for. */
  sk_ll_usec = 0;
  sk_stamp = 0;
  /** The number of the next time stamp, or of the first byte (TCP). */
  sk_tskey = 0;
  /** SO_PEEK_OFF: where the next MSG_PEEK begins; negative: at the front, always. */
  sk_peek_off = -1;
  /** ms; Infinity waits for ever. */
  sk_rcvtimeo = Number.POSITIVE_INFINITY;
  sk_sndtimeo = Number.POSITIVE_INFINITY;
  sk_max_ack_backlog = 0;
  sk_ack_backlog = 0;
  sk_uid = 0;
  sk_forward_alloc = 0;
  sk_busy_poll_budget = 8;
  sk_clockid = 0;
  /** SOF_TXTIME_*. */
  sk_txtime_flags = 0;
  sk_bind_phc = -1;
  sk_txrehash = 1;
  /** SO_ATTACH_REUSEPORT_CBPF: which member of the group has a packet. All of them have the same. */
  sk_reuseport_prog: BpfProg | null = null;
  /** MSG_ZEROCOPY: number of the next send; a send that waits for room, with what it has written. */
  sk_zckey = 0;
  sk_zc_waits: UbufInfo | null = null;
  /** bytes/s */
  sk_max_pacing_rate = Number.POSITIVE_INFINITY;
}

/** What the rare fields are before anybody writes them. Never written. */
export const SOCK_RARE: SockRare = new SockRare();
