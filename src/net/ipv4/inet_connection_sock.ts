// What every connection-oriented socket has: local ports, listening and accepting, its timers, when to acknowledge.
// Mirrors net/ipv4/inet_connection_sock.c and include/net/inet_connection_sock.h. Read first: RFC 9293 section 3.10.7.2, listen(2).
// Way in: inet_csk_get_port(), inet_csk_listen_start(), inet_csk_accept(); requests: inet_csk_reqsk_queue_hash_add().

import { jiffies } from "../../kernel/kernel.ts";
import { mod_timer, type TimerList, timer_delete, timer_setup } from "../../kernel/time/timer.ts";
import { EADDRINUSE, EAGAIN, EINVAL } from "../../uapi/errno.ts";
import { O_NONBLOCK } from "../../uapi/fcntl.ts";
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from "../../uapi/rtnetlink.ts";
import { type DstEntry, dst_release } from "../core/dst.ts";
import type { Net } from "../core/net_namespace.ts";
import {
  IPSTATS_MIB_OUTNOROUTES,
  LINUX_MIB_TCPMIGRATEREQFAILURE,
  LINUX_MIB_TCPMIGRATEREQSUCCESS,
} from "../core/snmp.ts";
import {
  __sk_dst_check,
  SK_FLAGS_TIMESTAMP,
  SOCK_DEAD,
  type Sock,
  sk_alloc,
  sk_dst_reset,
  sk_dst_set,
  sock_hold,
  sock_orphan,
  sock_put,
  sock_set_flag,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_TIME_WAIT,
} from "../core/sock.ts";
import {
  type InetBindBucket,
  type InetBindOwner,
  inet_bind_bucket_create,
  inet_bind_bucket_destroy,
  inet_bind_bucket_find,
  inet_bind_hash,
  inet_ehash_insert,
  inet_ehash_unlink,
  inet_is_local_reserved_port,
  inet_random_below,
  inet_sk_get_local_port_range,
  reuseport_migrate_sock,
} from "./inet_hashtables.ts";
import { type InetSock, inet_rcv_saddr_equal, inet_sk } from "./inet_sock.ts";
import { FLOWI_FLAG_ANYSRC, type Flowi4 } from "./ip_fib.ts";
import {
  type RequestSock,
  RequestSockQueue,
  reqsk_put,
  reqsk_queue_added,
  reqsk_queue_empty,
  reqsk_queue_remove,
  reqsk_queue_removed,
} from "./request_sock.ts";
import { flowi4_init_output, ip_route_output_flow, type Rtable } from "./route.ts";
import { ip_rt_update_pmtu } from "./route_exceptions.ts";
import { sk_sockets_allocated_inc, sk_stream_kill_queues, sk_stream_write_space } from "./tcp_mem.ts";
import { tcp_rtx_synack } from "./tcp_output_ctl.ts";
import {
  ICSK_ACK_SCHED,
  ICSK_ACK_TIMER,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  type TcpSock,
  tcp_sk,
} from "./tcp_sock.ts";
import { tcp_syn_ack_timeout } from "./tcp_timer.ts";

export { InetBindBucket, InetListenHashbucket } from "./inet_hashtables.ts";
export {
  FastopenQueue,
  inet_reqsk_alloc,
  RequestSock,
  RequestSockQueue,
  reqsk_fastopen_remove,
  reqsk_free,
  reqsk_put,
} from "./request_sock.ts";

/** inet_csk_reset_xmit_timer(): the delayed ACK. The others are ICSK_TIME_* of tcp_sock.ts. */
export const ICSK_TIME_DACK = 2;

// --- local ports --------------------------------------------------------------------------------------------------

/**
 * Do the two want the same port of the same address, where they may not? Both with SO_REUSEADDR share it while the other one
 * does not listen; both with SO_REUSEPORT if one user made them. A port chosen by us (`relax` false) is not shared by
 * SO_REUSEADDR, nor (`reuseport_ok` false) by SO_REUSEPORT.
 */
function inet_bind_conflict(sk: TcpSock, o: InetBindOwner, relax: boolean, reuseport_ok: boolean): boolean {
  if (o === (sk as InetBindOwner)) return false;
  if (sk.sk_bound_dev_if !== 0 && o.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== o.sk_bound_dev_if) return false;
  if (!inet_rcv_saddr_equal(sk, o)) return false;
  const both_reuseport = sk.sk_reuseport && o.sk_reuseport && (o.sk_state === TCP_TIME_WAIT || sk.sk_uid === o.sk_uid);
  if (sk.sk_reuse !== 0 && o.sk_reuse !== 0 && o.sk_state !== TCP_LISTEN) {
    return !relax || (!reuseport_ok && both_reuseport);
  }
  return !(reuseport_ok && both_reuseport);
}

function inet_csk_bind_conflict(sk: TcpSock, tb: InetBindBucket, relax: boolean, reuseport_ok: boolean): boolean {
  for (let o = tb.owners; o !== null; o = o.bind_next) {
    if (inet_bind_conflict(sk, o, relax, reuseport_ok)) return true;
  }
  return false;
}

/**
 * A free port of the range: odd distances from its start first, which connect() takes last; with SO_REUSEADDR the lower half
 * first. Null when there is none.
 */
function inet_csk_find_open_port(sk: TcpSock): InetBindBucket | null {
  const net = sk.net;
  const h = net.tcp_hashinfo;
  let relax = false;
  for (;;) {
    for (let half = sk.sk_reuse !== 0 ? 1 : 0; half < 3; half++) {
      let [low, high] = inet_sk_get_local_port_range(sk);
      high++;
      if (high - low < 4) half = 0;
      if (half !== 0) {
        const middle = low + (((high - low) >> 2) << 1);
        if (half === 1) high = middle;
        else low = middle;
      }
      let remaining = high - low;
      if (remaining > 1) remaining &= ~1;
      let offset = inet_random_below(h, remaining) | 1;
      for (let parity = 0; parity < 2; parity++, offset--) {
        let port = low + offset;
        for (let i = 0; i < remaining; i += 2, port += 2) {
          if (port >= high) port -= remaining;
          if (inet_is_local_reserved_port(net, port)) continue;
          const tb = inet_bind_bucket_find(net, port);
          if (tb === null) return inet_bind_bucket_create(net, port);
          if (!inet_csk_bind_conflict(sk, tb, relax, false)) return tb;
        }
      }
      if (half === 0) break;
    }
    if (net.ipv4.sysctl_ip_autobind_reuse === 0 || relax) return null;
    relax = true;
  }
}

/** What the next one who wants this port need not look up. */
function inet_csk_update_fastreuse(tb: InetBindBucket, sk: TcpSock, reuse: boolean): void {
  if (tb.owners === null) {
    tb.fastreuse = reuse ? 1 : 0;
    tb.fastreuseport = sk.sk_reuseport ? 1 : 0;
  } else {
    if (!reuse) tb.fastreuse = 0;
    if (!sk.sk_reuseport) tb.fastreuseport = 0;
  }
}

/** sk_reuse of a socket under repair. */
const SK_FORCE_REUSE = 2;

/** proto->get_port: binds to `snum`, or to a free port when that is 0. Also how listen(2) asks whether it may. 0 or -EADDRINUSE. */
export function inet_csk_get_port(sk: Sock, snum: number): number {
  const tp = tcp_sk(sk);
  const reuse = tp.sk_reuse !== 0 && tp.sk_state !== TCP_LISTEN;
  let tb: InetBindBucket | null;
  if (snum === 0) {
    tb = inet_csk_find_open_port(tp);
    if (tb === null) return -EADDRINUSE;
  } else {
    tb = inet_bind_bucket_find(tp.net, snum);
    if (tb === null) tb = inet_bind_bucket_create(tp.net, snum);
    // TCP_REPAIR binds over whatever is there.
    else if (
      tp.sk_reuse !== SK_FORCE_REUSE &&
      tb.owners !== null &&
      !(tb.fastreuse > 0 && reuse) &&
      inet_csk_bind_conflict(tp, tb, true, true)
    ) {
      return -EADDRINUSE;
    }
  }
  inet_csk_update_fastreuse(tb, tp, reuse);
  if (tp.icsk_bind_hash === null) inet_bind_hash(tp, tb, tb.port);
  else if (tb.owners === null) inet_bind_bucket_destroy(tb);
  return 0;
}

// --- listening ----------------------------------------------------------------------------------------------------

export const sk_acceptq_removed = (sk: Sock): void => {
  sk.sk_ack_backlog--;
};
export const sk_acceptq_added = (sk: Sock): void => {
  sk.sk_ack_backlog++;
};
/** One more than listen(2) said fits. */
export const sk_acceptq_is_full = (sk: Sock): boolean => sk.sk_ack_backlog > sk.sk_max_ack_backlog;

const queue_of = (sk: Sock): RequestSockQueue => {
  const tp = tcp_sk(sk);
  return (tp.icsk_accept_queue ??= new RequestSockQueue());
};

export const inet_csk_reqsk_queue_len = (sk: Sock): number => queue_of(sk).qlen;
export const inet_csk_reqsk_queue_is_full = (sk: Sock): boolean => queue_of(sk).qlen > sk.sk_max_ack_backlog;

/** listen(2): sk_max_ack_backlog is set. TCP_DEFER_ACCEPT and the like said before stay. 0 or -errno. */
export function inet_csk_listen_start(sk: Sock): number {
  const tp = tcp_sk(sk);
  queue_of(sk);
  sk.sk_ack_backlog = 0;
  inet_csk_delack_init(sk);
  // Two may be bound to one port, but only one can listen there: whose state is LISTEN wins the question.
  sk.sk_state = TCP_LISTEN;
  const err = inet_csk_get_port(sk, tp.inet_num);
  if (err === 0) {
    tp.inet_sport = tp.inet_num;
    sk_dst_reset(sk);
    const e = sk.prot.hash !== undefined ? sk.prot.hash(sk) : 0;
    if (e === 0) return 0;
  }
  sk.sk_state = TCP_CLOSE;
  return err !== 0 ? err : -EADDRINUSE;
}

/** A connection that nobody will accept: it is reset. */
function inet_child_forget(sk: TcpSock, req: RequestSock, child: TcpSock): void {
  sock_hold(child);
  child.prot.disconnect?.(child, O_NONBLOCK);
  sock_orphan(child);
  sk.net.kernel.tcp_orphan_count++;
  if (req.tfo_listener) {
    // Its request goes with the accept queue.
    child.fastopen_rsk = null;
    req.tfo_listener = false;
  }
  inet_csk_destroy_sock(child);
  sock_put(child);
}

/** The listener is closed: connections in the accept queue are reset, unless another one of its group takes them. */
export function inet_csk_listen_stop(sk: Sock): void {
  const tp = tcp_sk(sk);
  const queue = tp.icsk_accept_queue;
  if (queue === null) return;
  const mib = sk.net.mib.linux;
  for (let req = reqsk_queue_remove(queue); req !== null; req = reqsk_queue_remove(queue)) {
    sk_acceptq_removed(sk);
    const child = req.sk;
    if (child === null) {
      reqsk_put(req);
      continue;
    }
    const nsk = reuseport_migrate_sock(tp, tp.sk_reuseport_cb, child.sk_hash);
    if (nsk !== null && !req.tfo_listener && !sk_acceptq_is_full(nsk)) {
      move_to_listener(req, nsk);
      if (inet_csk_reqsk_queue_add(nsk, req, child) !== null) {
        mib[LINUX_MIB_TCPMIGRATEREQSUCCESS]!++;
        nsk.sk_data_ready(nsk);
        continue;
      }
    }
    if (nsk !== null) mib[LINUX_MIB_TCPMIGRATEREQFAILURE]!++;
    inet_child_forget(tp, req, child);
    reqsk_put(req);
  }
  const fastopenq = queue.fastopenq;
  let rst = fastopenq.rskq_rst_head;
  fastopenq.rskq_rst_head = null;
  fastopenq.rskq_rst_tail = null;
  while (rst !== null) {
    const next: RequestSock | null = rst.dl_next;
    rst.dl_next = null;
    reqsk_put(rst);
    rst = next;
  }
}

function move_to_listener(req: RequestSock, nsk: TcpSock): void {
  const old = req.rsk_listener;
  const attached = req.attached;
  sock_hold(nsk);
  req.rsk_listener = nsk;
  req.attached = true;
  if (attached) sock_put(old);
}

/**
 * accept(2): the oldest connection, with its reference for the caller. -EAGAIN while there is none, -EINVAL when the socket does
 * not listen.
 */
export function inet_csk_accept(sk: Sock): TcpSock | number {
  if (sk.sk_state !== TCP_LISTEN) return -EINVAL;
  const queue = queue_of(sk);
  const req = reqsk_queue_remove(queue);
  if (req === null) return -EAGAIN;
  sk_acceptq_removed(sk);
  const newsk = req.sk!;
  req.sk = null;
  // Fast Open: the handshake's last ACK still needs the request; then reqsk_fastopen_remove() frees it.
  if (!req.tfo_listener) reqsk_put(req);
  return newsk;
}

// --- requests -----------------------------------------------------------------------------------------------------

/** Keeps a request, and resends its SYN-ACK after `timeout` ms. */
export function inet_csk_reqsk_queue_hash_add(sk: Sock, req: RequestSock, timeout: number): boolean {
  const k = req.net.kernel;
  req.timeout = timeout;
  req.timer = timer_setup(k, reqsk_timer_handler, req);
  mod_timer(req.timer, jiffies(k) + timeout);
  inet_ehash_insert(req, null);
  req.rsk_refcnt++;
  reqsk_queue_added(queue_of(sk));
  return true;
}

/** ms until the SYN-ACK is sent again. */
const tcp_reqsk_timeout = (req: RequestSock): number =>
  Math.min(req.timeout * 2 ** req.num_timeout, req.rsk_listener.icsk_rto_max);

export { tcp_reqsk_timeout };

/** Out of the hash. False when it was not there any more. */
function reqsk_queue_unlink(req: RequestSock): boolean {
  const found = inet_ehash_unlink(req);
  if (req.timer !== null) timer_delete(req.timer);
  return found;
}

/** The request is over. True when it was still there. */
export function inet_csk_reqsk_queue_drop(_sk: Sock, req: RequestSock): boolean {
  const unlinked = reqsk_queue_unlink(req);
  if (unlinked) {
    const queue = req.rsk_listener.icsk_accept_queue;
    if (queue !== null) reqsk_queue_removed(queue, req);
    reqsk_put(req);
  }
  return unlinked;
}

/**
 * How many SYN-ACKs a request may cost. While the queue is at least half full, old requests make room for young ones: the
 * fewer are young, the fewer timeouts are granted, down to two.
 */
function synack_retries(lsk: TcpSock, queue: RequestSockQueue): number {
  let max = lsk.icsk_syn_retries !== 0 ? lsk.icsk_syn_retries : lsk.net.ipv4.sysctl_tcp_synack_retries;
  if (queue.qlen * 2 > Math.max(8, lsk.sk_max_ack_backlog)) {
    let young = queue.young * 2;
    while (max > 2 && queue.qlen >= young) {
      max--;
      young *= 2;
    }
  }
  return max;
}

/** The ACK did not come: the SYN-ACK again, or the end. With deferred accept a client that acknowledged is only told again at last. */
function reqsk_timer_handler(timer: TimerList): void {
  const req = timer.owner as RequestSock;
  let lsk = req.rsk_listener;
  const mib = lsk.net.mib.linux;
  if (lsk.sk_state !== TCP_LISTEN) {
    const nsk = reuseport_migrate_sock(lsk, lsk.sk_reuseport_cb, req.sk_hash);
    if (nsk === null) {
      inet_csk_reqsk_queue_drop(lsk, req);
      return;
    }
    reqsk_migrate(req, nsk);
    mib[LINUX_MIB_TCPMIGRATEREQSUCCESS]!++;
    lsk = nsk;
  }
  const queue = queue_of(lsk);
  const max = synack_retries(lsk, queue);
  const defer = queue.rskq_defer_accept;
  const n = req.num_timeout;
  const expire = n >= max && (defer === 0 || !req.acked || n >= defer);
  const resend = defer === 0 || !req.acked || n >= defer - 1;
  tcp_syn_ack_timeout(req);
  if (!expire && (!resend || tcp_rtx_synack(lsk, req) === 0 || req.acked)) {
    if (req.num_timeout++ === 0) queue.young--;
    mod_timer(timer, jiffies(req.net.kernel) + tcp_reqsk_timeout(req));
    return;
  }
  inet_csk_reqsk_queue_drop(lsk, req);
}

/** A request goes over to another listener of the group. */
export function reqsk_migrate(req: RequestSock, nsk: TcpSock): void {
  const old = req.rsk_listener.icsk_accept_queue;
  if (old !== null) reqsk_queue_removed(old, req);
  const queue = queue_of(nsk);
  queue.qlen++;
  if (req.num_timeout === 0) queue.young++;
  move_to_listener(req, nsk);
}

/**
 * A connection is ready to be accepted: the caller's reference on `req` goes to the queue. Null when nobody listens any more;
 * then `child` is dead, and the caller has its references on both still.
 */
export function inet_csk_reqsk_queue_add(sk: Sock, req: RequestSock, child: Sock): TcpSock | null {
  const ctp = tcp_sk(child);
  if (sk.sk_state !== TCP_LISTEN) {
    inet_child_forget(tcp_sk(sk), req, ctp);
    return null;
  }
  const queue = queue_of(sk);
  req.sk = ctp;
  req.dl_next = null;
  if (queue.rskq_accept_head === null) queue.rskq_accept_head = req;
  else queue.rskq_accept_tail!.dl_next = req;
  queue.rskq_accept_tail = req;
  sk_acceptq_added(sk);
  return ctp;
}

/** The request has become `child`: from the SYN queue to the accept queue. */
export function inet_csk_complete_hashdance(sk: Sock, child: Sock, req: RequestSock, own_req: boolean): TcpSock | null {
  if (!own_req) {
    sock_put(child);
    return null;
  }
  // It left the hash when the child took its place.
  if (req.timer !== null) timer_delete(req.timer);
  reqsk_queue_removed(queue_of(req.rsk_listener), req);
  // The reference of the hash is now that of the accept queue.
  if (inet_csk_reqsk_queue_add(sk, req, child) !== null) return tcp_sk(child);
  sock_put(child);
  reqsk_put(req);
  return null;
}

// --- timers -------------------------------------------------------------------------------------------------------

/** A pending timer holds a reference on its socket; its function gives it back (sock_put). */
export function sk_reset_timer(sk: Sock, timer: TimerList, expires: number): void {
  if (!mod_timer(timer, expires)) sk.sk_refcnt++;
}
export function sk_stop_timer(sk: Sock, timer: TimerList): void {
  if (timer_delete(timer)) sock_put(sk);
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    tcp_xmit_timers: XmitTimers;
    /** Scratch: in it a connection asks for a route. */
    tcp_fl4: Flowi4;
  }
}

/** What the timers of a connection do. Each is made when it is first armed: most connections never need all three. */
export interface XmitTimers {
  retransmit(t: TimerList): void;
  delack(t: TimerList): void;
  keepalive(t: TimerList): void;
}

const retransmit_timer = (tp: TcpSock): TimerList => {
  if (tp.icsk_retransmit_timer === null) {
    const k = tp.net.kernel;
    tp.icsk_retransmit_timer = timer_setup(k, k.tcp_xmit_timers.retransmit, tp);
  }
  return tp.icsk_retransmit_timer;
};
export const inet_csk_delack_timer = (tp: TcpSock): TimerList => {
  if (tp.icsk_delack_timer === null) {
    const k = tp.net.kernel;
    tp.icsk_delack_timer = timer_setup(k, k.tcp_xmit_timers.delack, tp);
  }
  return tp.icsk_delack_timer;
};

export function inet_csk_clear_xmit_timers(sk: Sock): void {
  const tp = tcp_sk(sk);
  tp.icsk_pending = 0;
  tp.ack_pending = 0;
  // The caller's reference keeps the socket.
  if (tp.icsk_retransmit_timer !== null) sk_stop_timer(sk, tp.icsk_retransmit_timer);
  if (tp.icsk_delack_timer !== null) sk_stop_timer(sk, tp.icsk_delack_timer);
  if (tp.sk_timer !== null) sk_stop_timer(sk, tp.sk_timer);
}

/**
 * Arms the timer that `what` shares with others. It is moved on each ACK, and always to a later time: so while it is pending for
 * an earlier one it stays there, fires, sees icsk_timeout (ack_timeout) ahead and arms itself for that.
 */
export function inet_csk_reset_xmit_timer(sk: Sock, what: number, when: number, max_when: number): void {
  const tp = tcp_sk(sk);
  if (when > max_when) when = max_when;
  const expires = jiffies(sk.net.kernel) + Math.ceil(when);
  switch (what) {
    case ICSK_TIME_RETRANS:
    case ICSK_TIME_PROBE0:
    case ICSK_TIME_LOSS_PROBE:
    case ICSK_TIME_REO_TIMEOUT: {
      tp.icsk_pending = what;
      tp.icsk_timeout = expires;
      const t = retransmit_timer(tp);
      if (t.index < 0 || t.expires > expires) sk_reset_timer(sk, t, expires);
      return;
    }
    case ICSK_TIME_DACK: {
      tp.ack_pending |= ICSK_ACK_TIMER;
      tp.ack_timeout = expires;
      const t = inet_csk_delack_timer(tp);
      if (t.index < 0 || t.expires > expires) sk_reset_timer(sk, t, expires);
      return;
    }
  }
}

/** Nothing is due any more; the timer itself may fire once, and finds that out. */
export function inet_csk_clear_xmit_timer(sk: Sock, what: number): void {
  const tp = tcp_sk(sk);
  if (what === ICSK_TIME_DACK) {
    tp.ack_pending = 0;
    tp.ack_retry = 0;
  } else {
    tp.icsk_pending = 0;
  }
}

export function inet_csk_reset_keepalive_timer(sk: Sock, len: number): void {
  const tp = tcp_sk(sk);
  const k = sk.net.kernel;
  if (tp.sk_timer === null) tp.sk_timer = timer_setup(k, k.tcp_xmit_timers.keepalive, sk);
  sk_reset_timer(sk, tp.sk_timer, jiffies(k) + Math.ceil(len));
}
export function inet_csk_delete_keepalive_timer(sk: Sock): void {
  const t = tcp_sk(sk).sk_timer;
  if (t !== null) sk_stop_timer(sk, t);
}

// --- when to acknowledge ------------------------------------------------------------------------------------------

export const inet_csk_schedule_ack = (sk: Sock): void => {
  tcp_sk(sk).ack_pending |= ICSK_ACK_SCHED;
};
export const inet_csk_ack_scheduled = (sk: Sock): boolean => (tcp_sk(sk).ack_pending & ICSK_ACK_SCHED) !== 0;

export function inet_csk_delack_init(sk: Sock): void {
  const tp = tcp_sk(sk);
  tp.ack_pending = 0;
  tp.ack_quick = 0;
  tp.ack_pingpong = 0;
  tp.ack_retry = 0;
  tp.ack_ato = 0;
  tp.ack_timeout = 0;
  tp.ack_lrcvtime = 0;
  tp.ack_last_seg_size = 0;
  tp.ack_rcv_mss = 0;
}

// Both sides send in turn: an ACK is better delayed, it travels with the answer.
export const inet_csk_in_pingpong_mode = (sk: Sock): boolean =>
  tcp_sk(sk).ack_pingpong >= sk.net.ipv4.sysctl_tcp_pingpong_thresh;
export const inet_csk_enter_pingpong_mode = (sk: Sock): void => {
  tcp_sk(sk).ack_pingpong = sk.net.ipv4.sysctl_tcp_pingpong_thresh;
};
export const inet_csk_exit_pingpong_mode = (sk: Sock): void => {
  tcp_sk(sk).ack_pingpong = 0;
};
export const inet_csk_inc_pingpong_cnt = (sk: Sock): void => {
  const tp = tcp_sk(sk);
  if (tp.ack_pingpong < 255) tp.ack_pingpong++;
};

// --- birth and death ----------------------------------------------------------------------------------------------

/** sk_clone_lock(): what a connection inherits from its listener is what a program set there. */
function sk_clone(sk: TcpSock): TcpSock {
  const n = sk_alloc(sk.net, sk.family, sk.prot) as TcpSock;
  n.sk_type = sk.sk_type;
  n.sk_protocol = sk.sk_protocol;
  n.sk_reuse = sk.sk_reuse;
  n.sk_reuseport = sk.sk_reuseport;
  n.sk_bound_dev_if = sk.sk_bound_dev_if;
  n.sk_flags = sk.sk_flags;
  n.sk_userlocks = sk.sk_userlocks;
  n.sk_no_check_tx = sk.sk_no_check_tx;
  n.sk_rcvbuf = sk.sk_rcvbuf;
  n.sk_sndbuf = sk.sk_sndbuf;
  n.sk_rcvlowat = sk.sk_rcvlowat;
  n.sk_rcvtimeo = sk.sk_rcvtimeo;
  n.sk_sndtimeo = sk.sk_sndtimeo;
  n.sk_lingertime = sk.sk_lingertime;
  n.sk_mark = sk.sk_mark;
  n.sk_filter = sk.sk_filter;
  n.sk_uid = sk.sk_uid;
  n.sk_tsflags = sk.sk_tsflags;
  n.sk_ll_usec = sk.sk_ll_usec;
  n.sk_peek_off = sk.sk_peek_off;
  n.sk_txrehash = sk.sk_txrehash;
  n.fastopen_no_cookie = sk.fastopen_no_cookie;
  n.sk_owner_pid = sk.sk_owner_pid;
  n.sk_data_ready = sk.sk_data_ready;
  n.sk_state_change = sk.sk_state_change;
  n.sk_error_report = sk.sk_error_report;
  n.sk_destruct = sk.sk_destruct;
  // inet_sock
  if (sk.pinet6 !== null) n.pinet6 = sk.pinet6.clone_mapped();
  n.inet_rcv_saddr = sk.inet_rcv_saddr;
  n.inet_saddr = sk.inet_saddr;
  n.uc_ttl = sk.uc_ttl;
  n.mc_ttl = sk.mc_ttl;
  n.tos = sk.tos;
  n.min_ttl = sk.min_ttl;
  n.pmtudisc = sk.pmtudisc;
  n.recverr = sk.recverr;
  n.recverr_rfc4884 = sk.recverr_rfc4884;
  n.freebind = sk.freebind;
  n.mc_loop = sk.mc_loop;
  n.mc_all = sk.mc_all;
  n.transparent = sk.transparent;
  n.nodefrag = sk.nodefrag;
  n.bind_address_no_port = sk.bind_address_no_port;
  n.uc_index = sk.uc_index;
  n.mc_index = sk.mc_index;
  n.mc_addr = sk.mc_addr;
  n.cmsg_flags = sk.cmsg_flags;
  n.local_port_range = sk.local_port_range;
  // inet_connection_sock, tcp_sock
  n.icsk_rto_min = sk.icsk_rto_min;
  n.icsk_rto_max = sk.icsk_rto_max;
  n.icsk_delack_max = sk.icsk_delack_max;
  n.icsk_ca_ops = sk.icsk_ca_ops;
  n.icsk_ca_setsockopt = sk.icsk_ca_setsockopt;
  n.icsk_ca_dst_locked = sk.icsk_ca_dst_locked;
  n.icsk_syn_retries = sk.icsk_syn_retries;
  n.icsk_user_timeout = sk.icsk_user_timeout;
  n.nonagle = sk.nonagle;
  n.thin_lto = sk.thin_lto;
  n.recvmsg_inq = sk.recvmsg_inq;
  n.tcp_tx_delay = sk.tcp_tx_delay;
  n.save_syn = sk.save_syn;
  n.keepalive_probes = sk.keepalive_probes;
  n.keepalive_time = sk.keepalive_time;
  n.keepalive_intvl = sk.keepalive_intvl;
  n.linger2 = sk.linger2;
  n.reordering = sk.reordering;
  n.notsent_lowat = sk.notsent_lowat;
  n.window_clamp = sk.window_clamp;
  n.scaling_ratio = sk.scaling_ratio;
  n.snd_cwnd_clamp = sk.snd_cwnd_clamp;
  n.sk_max_pacing_rate = sk.sk_max_pacing_rate;
  n.sk_pacing_rate = sk.sk_pacing_rate;
  n.sk_pacing_status = sk.sk_pacing_status;
  n.sk_pacing_shift = sk.sk_pacing_shift;
  n.rx_opt.user_mss = sk.rx_opt.user_mss;
  n.app_limited = -1;
  n.rate_app_limited = true;
  return n;
}

/**
 * The connection that a request becomes: a copy of the listener's settings with the request's addresses, in SYN_RECV. It has
 * two references: one goes to the accept queue and on to who accepts it, one is the caller's (tcp_child_process() ends it).
 */
export function inet_csk_clone_lock(sk: Sock, req: RequestSock): TcpSock {
  const n = sk_clone(tcp_sk(sk));
  n.sk_refcnt = 2;
  n.sk_state = TCP_SYN_RECV;
  n.inet_daddr = req.inet_daddr;
  n.inet_rcv_saddr = req.inet_rcv_saddr;
  n.inet_saddr = req.inet_rcv_saddr;
  n.inet_dport = req.inet_dport;
  n.inet_num = req.inet_num;
  n.inet_sport = req.inet_num;
  n.sk_bound_dev_if = req.sk_bound_dev_if;
  n.sk_write_space = sk_stream_write_space;
  n.sk_mark = req.ir_mark;
  if ((n.sk_flags & SK_FLAGS_TIMESTAMP) !== 0) sk.net.kernel.rx_timestamps++;
  sk_sockets_allocated_inc(n);
  return n;
}

/** A half-made connection that will not do: the caller's reference ends here, and tcp_done() destroys it next. */
export function inet_csk_prepare_forced_close(sk: Sock): void {
  sock_put(sk);
  sock_set_flag(sk, SOCK_DEAD);
  sk.net.kernel.tcp_orphan_count++;
  if (tcp_sk(sk).icsk_bind_hash === null) inet_sk(sk).inet_num = 0;
}

/** The end of an orphan: nobody has it open, and its state is CLOSE. */
export function inet_csk_destroy_sock(sk: Sock): void {
  sk.prot.destroy?.(sk);
  sk_stream_kill_queues(sk);
  sk.net.kernel.tcp_orphan_count--;
  sock_put(sk);
}

// --- routes -------------------------------------------------------------------------------------------------------

function flow_of_req(sk: InetSock, fl4: Flowi4, req: RequestSock): void {
  const opt = req.ireq_opt;
  const strict = opt !== null && opt.is_strictroute;
  flowi4_init_output(
    fl4,
    req.ir_iif,
    req.ir_mark,
    sk.tos,
    strict ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    sk.sk_protocol,
    sk.freebind || sk.transparent ? FLOWI_FLAG_ANYSRC : 0,
    opt !== null && opt.srr !== 0 ? opt.faddr : req.inet_daddr,
    req.inet_rcv_saddr,
    req.inet_dport,
    req.inet_num,
  );
}

/** The route for a SYN-ACK, with a reference; null when there is none. */
export function inet_csk_route_req(sk: Sock, fl4: Flowi4, req: RequestSock): Rtable | null {
  const net: Net = sk.net;
  flow_of_req(inet_sk(sk), fl4, req);
  const rt = ip_route_output_flow(net, fl4, sk);
  if (typeof rt !== "number") {
    const opt = req.ireq_opt;
    if (!(opt !== null && opt.is_strictroute && rt.rt_uses_gateway)) return rt;
    dst_release(rt);
  }
  net.mib.ip[IPSTATS_MIB_OUTNOROUTES]!++;
  return null;
}

/** The same for the new connection itself. */
export const inet_csk_route_child_sock = (_sk: Sock, newsk: Sock, req: RequestSock): Rtable | null =>
  inet_csk_route_req(newsk, inet_sk(newsk).fl4, req);

function flow_of_sock(inet: InetSock): void {
  const opt = inet.inet_opt;
  flowi4_init_output(
    inet.fl4,
    inet.sk_bound_dev_if,
    inet.sk_mark,
    inet.tos,
    RT_SCOPE_UNIVERSE,
    inet.sk_protocol,
    inet.freebind || inet.transparent ? FLOWI_FLAG_ANYSRC : 0,
    opt !== null && opt.srr !== 0 ? opt.faddr : inet.inet_daddr,
    inet.inet_saddr,
    inet.inet_dport,
    inet.inet_sport,
  );
}

/** The socket's route looked up anew, and kept there; null when there is none. */
export function inet_csk_rebuild_route(sk: Sock): DstEntry | null {
  const inet = inet_sk(sk);
  flow_of_sock(inet);
  const rt = ip_route_output_flow(sk.net, inet.fl4, sk);
  if (typeof rt === "number") {
    sk_dst_reset(sk);
    return null;
  }
  sk_dst_set(sk, rt);
  return rt;
}

/** The path became narrower (RFC 1191): the route learns it, and the socket gets the route that knows. Null: no route. */
export function inet_csk_update_pmtu(sk: Sock, mtu: number): DstEntry | null {
  let dst = __sk_dst_check(sk, 0);
  if (dst === null) {
    dst = inet_csk_rebuild_route(sk);
    if (dst === null) return null;
  } else flow_of_sock(inet_sk(sk));
  ip_rt_update_pmtu(dst as Rtable, inet_sk(sk).fl4, mtu);
  dst = __sk_dst_check(sk, 0);
  return dst !== null ? dst : inet_csk_rebuild_route(sk);
}

export { reqsk_queue_empty };
