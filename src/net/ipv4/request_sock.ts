// A connection that is not one yet: what a listener remembers between SYN and ACK, and its two queues.
// Mirrors include/net/request_sock.h, include/linux/tcp.h (tcp_request_sock), net/core/request_sock.c.
// Read first: RFC 9293 section 3.10.7.2 and .4. Way in: inet_reqsk_alloc(), reqsk_put(); inet_connection_sock.ts has the queues' rules.

import { jiffies } from "../../kernel/kernel.ts";
import { type TimerList, timer_delete } from "../../kernel/time/timer.ts";
import type { IpOptions } from "../core/ip_options_type.ts";
import type { Net } from "../core/net_namespace.ts";
import { sock_hold, sock_put, TCP_LISTEN, TCP_NEW_SYN_RECV } from "../core/sock.ts";
import type { InetEhashEntry } from "./inet_hashtables.ts";
import type { TcpSock } from "./tcp_sock.ts";

/**
 * struct request_sock, inet_request_sock and tcp_request_sock in one. The first fields are those of every entry of the
 * hash of connections (struct sock_common); ir_* are Linux's other names of them.
 *
 * References: one for who made it (reqsk_put() when done), one while it is hashed, one while it is in the accept queue.
 * A lookup takes none: nothing interleaves.
 */
export class RequestSock implements InetEhashEntry {
  readonly net: Net;
  readonly family: number;
  sk_state: number = TCP_NEW_SYN_RECV;
  sk_hash = 0;
  hash_next: InetEhashEntry | null = null;
  hash_prev: InetEhashEntry | null = null;
  hashed = 0;
  inet_daddr = 0;
  inet_rcv_saddr = 0;
  inet_dport = 0;
  inet_num = 0;
  sk_bound_dev_if = 0;

  rsk_refcnt = 1;
  /** Held while `attached`. */
  rsk_listener: TcpSock;
  attached: boolean;
  /** The next one in the accept queue, or in the list of TFO requests that were reset. */
  dl_next: RequestSock | null = null;
  /** The connection it became. */
  sk: TcpSock | null = null;
  /** Resends the SYN-ACK; null for requests that are not kept (cookies) and those of Fast Open. */
  timer: TimerList | null = null;
  /** ms: the first timeout; doubled each time. */
  timeout = 0;
  num_retrans = 0;
  num_timeout = 0;
  mss = 0;
  ts_recent = 0;
  rsk_rcv_wnd = 0;
  rsk_window_clamp = 0;
  /** The SYN-ACK carries a cookie, and nothing of this is kept. */
  syncookie = false;
  /** The timestamp of the SYN-ACK is cookie_tsval: it carries options for the cookie. */
  cookie_ts = false;
  cookie_tsval = 0;
  saved_syn: Uint8Array | null = null;

  // inet_request_sock
  snd_wscale = 0;
  rcv_wscale = 0;
  tstamp_ok = false;
  sack_ok = false;
  wscale_ok = false;
  ecn_ok = false;
  /** The ACK came, but no socket could be made of it yet (full accept queue, deferred accept). */
  acked = false;
  no_srccheck = false;
  ir_mark = 0;
  ireq_opt: IpOptions | null = null;

  // tcp_request_sock
  /** us: when the SYN-ACK was sent first. */
  snt_synack = 0;
  tfo_listener = false;
  is_mptcp = false;
  req_usec_ts = false;
  drop_req = false;
  txhash = 0;
  rcv_isn = 0;
  snt_isn = 0;
  ts_off = 0;
  /** Timestamps that our SYN-ACKs carried, oldest and newest: an echo must lie between (0, 0: not recorded). */
  snt_tsval_first = 0;
  snt_tsval_last = 0;
  last_oow_ack_time = 0;
  rcv_nxt = 0;
  syn_tos = 0;
  tos = 0;

  constructor(listener: TcpSock, attached: boolean) {
    this.net = listener.net;
    this.family = listener.family;
    this.rsk_listener = listener;
    this.attached = attached;
  }

  get ir_rmt_addr(): number {
    return this.inet_daddr;
  }
  set ir_rmt_addr(v: number) {
    this.inet_daddr = v;
  }
  get ir_loc_addr(): number {
    return this.inet_rcv_saddr;
  }
  set ir_loc_addr(v: number) {
    this.inet_rcv_saddr = v;
  }
  get ir_rmt_port(): number {
    return this.inet_dport;
  }
  set ir_rmt_port(v: number) {
    this.inet_dport = v;
  }
  get ir_num(): number {
    return this.inet_num;
  }
  set ir_num(v: number) {
    this.inet_num = v;
  }
  get ir_iif(): number {
    return this.sk_bound_dev_if;
  }
  set ir_iif(v: number) {
    this.sk_bound_dev_if = v;
  }
  get listener(): TcpSock {
    return this.rsk_listener;
  }
}

/** Fast Open's part of a listener (struct fastopen_queue). */
export class FastopenQueue {
  /** Requests whose connection was reset before the handshake ended: they count for a while, against floods. */
  rskq_rst_head: RequestSock | null = null;
  rskq_rst_tail: RequestSock | null = null;
  qlen = 0;
  /** TCP_FASTOPEN; 0: off. */
  max_qlen = 0;
  /** TCP_FASTOPEN_KEY: keys of this listener, or null for those of the namespace. */
  ctx: unknown = null;
}

/** struct request_sock_queue: the accept queue, and what is counted of the SYN queue (which lives in the hash). */
export class RequestSockQueue {
  rskq_accept_head: RequestSock | null = null;
  rskq_accept_tail: RequestSock | null = null;
  /** Requests without their ACK; of these, how many never saw a timeout. */
  qlen = 0;
  young = 0;
  /** SYN-ACK timeouts during which a bare ACK does not make a connection (TCP_DEFER_ACCEPT). */
  rskq_defer_accept = 0;
  /** One warning per listener: "Possible SYN flooding". */
  synflood_warned = false;
  readonly fastopenq: FastopenQueue = new FastopenQueue();
}

/** A request of a listener, with the caller's reference. Cookies do not keep their listener (`attach_listener` false). */
export function inet_reqsk_alloc(sk: TcpSock, attach_listener = true): RequestSock {
  if (attach_listener) sock_hold(sk);
  return new RequestSock(sk, attach_listener);
}

/** Gives back what a request holds; its numbers stay readable. */
export function reqsk_free(req: RequestSock): void {
  req.rsk_refcnt = 0;
  req.saved_syn = null;
  req.ireq_opt = null;
  if (req.timer !== null) timer_delete(req.timer);
  if (!req.attached) return;
  req.attached = false;
  sock_put(req.rsk_listener);
}

export function reqsk_put(req: RequestSock): void {
  if (req.rsk_refcnt > 0 && --req.rsk_refcnt === 0) reqsk_free(req);
}

export const reqsk_queue_empty = (q: RequestSockQueue): boolean => q.rskq_accept_head === null;

/** Takes the oldest request whose connection nobody has accepted yet. */
export function reqsk_queue_remove(q: RequestSockQueue): RequestSock | null {
  const req = q.rskq_accept_head;
  if (req === null) return null;
  q.rskq_accept_head = req.dl_next;
  if (q.rskq_accept_head === null) q.rskq_accept_tail = null;
  req.dl_next = null;
  return req;
}

/** A request left the SYN queue. */
export function reqsk_queue_removed(q: RequestSockQueue, req: RequestSock): void {
  if (req.num_timeout === 0) q.young--;
  q.qlen--;
}

export function reqsk_queue_added(q: RequestSockQueue): void {
  q.young++;
  q.qlen++;
}

/** How long a reset Fast Open request goes on counting (ms). */
const TFO_RST_HOLD = 60 * 1000;

/**
 * A Fast Open connection has its ACK, or was `reset`: its request has done its work. It is freed by the second of the two
 * that know it: this, and accept(2). Mirrors reqsk_fastopen_remove().
 */
export function reqsk_fastopen_remove(sk: TcpSock, req: RequestSock, reset: boolean): void {
  const lsk = req.rsk_listener;
  sk.fastopen_rsk = null;
  const fastopenq = lsk.icsk_accept_queue!.fastopenq;
  fastopenq.qlen--;
  req.tfo_listener = false;
  // Not accepted yet: the accept queue still holds it.
  if (req.sk !== null) return;
  if (!reset || lsk.sk_state !== TCP_LISTEN) {
    reqsk_put(req);
    return;
  }
  // A RST may be an attack with forged addresses: the place in the queue is free again after a minute only.
  req.timeout = jiffies(req.net.kernel) + TFO_RST_HOLD;
  req.dl_next = null;
  if (fastopenq.rskq_rst_head === null) fastopenq.rskq_rst_head = req;
  else fastopenq.rskq_rst_tail!.dl_next = req;
  fastopenq.rskq_rst_tail = req;
  fastopenq.qlen++;
}
