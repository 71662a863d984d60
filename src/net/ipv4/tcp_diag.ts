// TCP for ss: listeners, connections, requests, TIME_WAIT. Mirrors net/ipv4/tcp_diag.c and the icsk half of inet_diag.c.
// Read first: sock_diag(7), ss(8). Way in: tcp_diag_init().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { ECONNABORTED } from "../../uapi/errno.ts";
import * as D from "../../uapi/inet_diag.ts";
import { NLM_F_MULTI } from "../../uapi/netlink.ts";
import { type NlMsgWriter, nla_put, nla_put_string, nla_put_u32, nlmsg_end, nlmsg_put } from "../../uapi/nlattr.ts";
import { IPPROTO_TCP } from "../../uapi/socket.ts";
import type { Net } from "../core/net_namespace.ts";
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_TIME_WAIT } from "../core/sock.ts";
import type { NetlinkDump, NlRequest } from "../netlink/af_netlink.ts";
import {
  type InetDiagHandler,
  type InetDiagReq,
  inet_diag_bc_sk,
  inet_diag_put_id,
  inet_diag_register,
  inet_diag_wanted,
  inet_sk_diag_fill,
} from "./inet_diag.ts";
import { inet_bound_sockets, inet_ehash_entries, inet_listeners } from "./inet_hashtables.ts";
import type { InetSock } from "./inet_sock.ts";
import type { InetTimewaitSock } from "./inet_timewait_sock.ts";
import type { RequestSock } from "./request_sock.ts";
import { tcp_abort, tcp_get_info } from "./tcp.ts";
import { tcp_timer_of } from "./tcp_proc.ts";
import { type TcpSock, tcp_sk } from "./tcp_sock.ts";

const TCPF_LISTEN = 1 << TCP_LISTEN;
const TCPF_SYN_RECV = 1 << TCP_SYN_RECV;
const TCPF_NEW_SYN_RECV = 1 << TCP_NEW_SYN_RECV;
/** Bound, and neither listening nor connected: a state only for asking. */
const TCPF_BOUND_INACTIVE = 1 << 13;

const TIMER_RETRANS = 1;
const TIMER_TIME_WAIT = 3;
/** struct tcp_info of 6.18, with room to grow. */
const TCP_INFO_MAX = 512;
/** union tcp_cc_info. */
const TCP_CC_INFO_MAX = 64;

/** A listener shows its accept queue and its limit, a connection what is unread and what is not acknowledged. */
function queues(sk: InetSock): [number, number] {
  const tp = tcp_sk(sk);
  if (tp.sk_state === TCP_LISTEN) return [tp.sk_ack_backlog, tp.sk_max_ack_backlog];
  return [Math.max(0, (tp.rcv_nxt - tp.copied_seq) | 0), (tp.write_seq - tp.snd_una) | 0];
}

/** idiag_timer, idiag_retrans, idiag_expires (ms). */
function timer(sk: InetSock): [number, number, number] {
  const tp = tcp_sk(sk);
  const [which, expires] = tcp_timer_of(tp);
  if (which === 0) return [0, 0, 0];
  const retrans = which === TIMER_RETRANS ? tp.icsk_retransmits : tp.icsk_probes_out;
  return [which, retrans & 0xff, Math.max(0, expires - jiffies(tp.net.kernel))];
}

const wants = (ext: number, attr: number): boolean => (ext & (1 << (attr - 1))) !== 0;

function fill_aux(sk: InetSock, w: NlMsgWriter, ext: number): void {
  const tp = tcp_sk(sk);
  if (wants(ext, D.INET_DIAG_INFO)) {
    const info = new Uint8Array(TCP_INFO_MAX);
    nla_put(w, D.INET_DIAG_INFO, info.subarray(0, tcp_get_info(tp, new DataView(info.buffer))));
  }
  const ca = tp.icsk_ca_ops;
  if (ca === null) return;
  if (wants(ext, D.INET_DIAG_CONG)) nla_put_string(w, D.INET_DIAG_CONG, ca.name);
  if (ca.get_info === undefined || ca.info_attr === undefined) return;
  const cc = new Uint8Array(TCP_CC_INFO_MAX);
  const len = ca.get_info(tp, ext, new DataView(cc.buffer));
  if (len > 0) nla_put(w, ca.info_attr, cc.subarray(0, len));
}

// --- what is no full socket ---------------------------------------------------------------------------------------

/** A request or a TIME_WAIT in the form that filters and messages take. */
function as_sock(e: RequestSock | InetTimewaitSock, state: number, mark: number, cookie: number): InetSock {
  return {
    family: e.family,
    sk_state: state,
    inet_sport: e.inet_num,
    inet_dport: e.inet_dport,
    inet_rcv_saddr: e.inet_rcv_saddr,
    inet_daddr: e.inet_daddr,
    sk_bound_dev_if: e.sk_bound_dev_if,
    sk_mark: mark,
    sk_userlocks: 0,
    sk_cookie: cookie,
  } as unknown as InetSock;
}

/** The bare message: queues, user and inode are 0. */
function put_mini(
  w: NlMsgWriter,
  req: NlRequest,
  sk: InetSock,
  which: number,
  retrans: number,
  left: number,
  mark: number,
): void {
  const at = nlmsg_put(w, D.SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, req.msg.seq, req.portid, D.INET_DIAG_MSG_LEN);
  w.buf[at] = sk.family;
  w.buf[at + 1] = sk.sk_state;
  w.buf[at + 2] = which;
  w.buf[at + 3] = retrans & 0xff;
  inet_diag_put_id(w, at + D.INET_DIAG_MSG_ID, sk);
  w.dv.setUint32(at + D.INET_DIAG_MSG_EXPIRES, Math.max(0, left), true);
  if (mark >= 0) nla_put_u32(w, D.INET_DIAG_MARK, mark);
  nlmsg_end(w);
}

function mini_wanted(sk: InetSock, r: InetDiagReq): boolean {
  if (sk.family !== r.family) return false;
  if ((r.sport !== 0 && r.sport !== sk.inet_sport) || (r.dport !== 0 && r.dport !== sk.inet_dport)) return false;
  return inet_diag_bc_sk(r.bc, sk);
}

// --- the dump -----------------------------------------------------------------------------------------------------

const handler: InetDiagHandler = {
  protocol: IPPROTO_TCP,
  sockets: tcp_sockets,
  queues,
  timer,
  fill_aux,
  dump: tcp_diag_dump,
  destroy: (sk) => tcp_abort(sk, ECONNABORTED),
};

/** Full sockets: those that a request by addresses and ports may name. */
function* tcp_sockets(net: Net): Generator<TcpSock, void> {
  yield* inet_listeners(net);
  for (const e of inet_ehash_entries(net)) {
    if (e.sk_state !== TCP_TIME_WAIT && e.sk_state !== TCP_NEW_SYN_RECV) yield e as TcpSock;
  }
}

/** Listeners, bound ones, then the hash of connections by bucket. What goes while the reader is away is left out. */
function* tcp_diag_dump(req: NlRequest, r: InetDiagReq, w: NlMsgWriter): NetlinkDump {
  const net = req.net;
  if ((r.states & TCPF_LISTEN) !== 0 && r.dport === 0) {
    for (const sk of [...inet_listeners(net)]) {
      if (sk.sk_state !== TCP_LISTEN || !inet_diag_wanted(sk, r)) continue;
      inet_sk_diag_fill(w, sk, handler, req, r, NLM_F_MULTI);
      yield;
    }
  }
  if ((r.states & TCPF_BOUND_INACTIVE) !== 0 && r.dport === 0) {
    for (const sk of [...inet_bound_sockets(net)]) {
      if (sk.sk_refcnt === 0 || sk.inet_num === 0 || !mini_wanted(sk, r)) continue;
      inet_sk_diag_fill(w, sk, handler, req, r, NLM_F_MULTI);
      yield;
    }
  }
  const states = (r.states & TCPF_SYN_RECV) !== 0 ? r.states | TCPF_NEW_SYN_RECV : r.states;
  if ((states & ~(TCPF_LISTEN | TCPF_BOUND_INACTIVE)) === 0) return 0;
  for (const e of [...inet_ehash_entries(net)]) {
    if (e.hashed === 0) continue;
    if (e.sk_state === TCP_TIME_WAIT) {
      const tw = e as InetTimewaitSock;
      if ((states & (1 << tw.tw_substate)) === 0) continue;
      const sk = as_sock(tw, tw.tw_substate, tw.tw_mark, tw.sk_cookie);
      if (!mini_wanted(sk, r)) continue;
      put_mini(w, req, sk, TIMER_TIME_WAIT, 0, tw.tw_timer.expires - jiffies(net.kernel), -1);
    } else if (e.sk_state === TCP_NEW_SYN_RECV) {
      if ((states & TCPF_NEW_SYN_RECV) === 0) continue;
      const rsk = e as RequestSock;
      const sk = as_sock(rsk, TCP_SYN_RECV, rsk.ir_mark, rsk.sk_hash >>> 0);
      if (!mini_wanted(sk, r)) continue;
      const left = rsk.timer !== null ? rsk.timer.expires - jiffies(net.kernel) : 0;
      put_mini(w, req, sk, TIMER_RETRANS, rsk.num_retrans, left, rsk.ir_mark);
    } else {
      const sk = e as TcpSock;
      if (!inet_diag_wanted(sk, r)) continue;
      // tcp_mem.ts derives what Linux counts.
      sk.sk_forward_alloc = Math.max(0, sk.sk_mem_allocated - sk.sk_wmem_queued - sk.sk_rmem_alloc);
      inet_sk_diag_fill(w, sk, handler, req, r, NLM_F_MULTI);
    }
    yield;
  }
  return 0;
}

export function tcp_diag_init(k: Kernel): void {
  inet_diag_register(k, handler);
}
