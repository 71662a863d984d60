// Data Center TCP: the window shrinks by as much as packets were marked. Mirrors net/ipv4/tcp_dctcp.c.
// Read first: RFC 8257. Way in: tcp_dctcp(), registered at boot; dctcp_update_alpha() per ACK, dctcp_cwnd_event() per CE.

import { type Sock, TCP_CLOSE, TCP_LISTEN } from "../core/sock.ts";
import {
  CA_EVENT_ECN_IS_CE,
  CA_EVENT_ECN_NO_CE,
  CA_EVENT_LOSS,
  TCP_CONG_NEEDS_ECN,
  type TcpCongestionOps,
  tcp_ca_key,
  tcp_reno_cong_avoid,
  tcp_reno_ssthresh,
  tcp_reno_undo_cwnd,
} from "./tcp_cong.ts";
import { __tcp_send_ack } from "./tcp_output_ctl.ts";
import {
  before,
  ICSK_ACK_NOW,
  ICSK_ACK_TIMER,
  TCP_CA_Recovery,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_OK,
  type TcpSock,
  tcp_sk,
} from "./tcp_sock.ts";

/** alpha is a fraction of this. */
const DCTCP_MAX_ALPHA = 1024;
/** The gain g of the moving average: 1/16. */
const dctcp_shift_g = 4;
const INET_DIAG_DCTCPINFO = 9;
const INET_DIAG_VEGASINFO = 3;

class Dctcp {
  old_delivered = 0;
  old_delivered_ce = 0;
  prior_rcv_nxt = 0;
  dctcp_alpha = DCTCP_MAX_ALPHA;
  next_seq = 0;
  ce_state = false;
  loss_cwnd = 0;
}

/** Also before dctcp_init(): during the handshake. */
function dctcp(tp: TcpSock): Dctcp {
  tp.icsk_ca_priv ??= new Dctcp();
  return tp.icsk_ca_priv as Dctcp;
}

function dctcp_reset(tp: TcpSock, ca: Dctcp): void {
  ca.next_seq = tp.snd_nxt;
  ca.old_delivered = tp.delivered;
  ca.old_delivered_ce = tp.delivered_ce;
}

/** What is left when the peer has no ECN. */
const dctcp_reno: TcpCongestionOps = {
  name: "dctcp-reno",
  flags: 0,
  key: tcp_ca_key("dctcp-reno"),
  ssthresh: tcp_reno_ssthresh,
  cong_avoid: tcp_reno_cong_avoid,
  undo_cwnd: tcp_reno_undo_cwnd,
  get_info: (_sk, ext, out) => dctcp_fill_info(null, null, ext, out),
  info_attr: INET_DIAG_DCTCPINFO,
};

function dctcp_init(sk: Sock): void {
  const tp = tcp_sk(sk);
  if ((tp.ecn_flags & TCP_ECN_OK) === 0 && sk.sk_state !== TCP_LISTEN && sk.sk_state !== TCP_CLOSE) {
    tp.icsk_ca_ops = dctcp_reno;
    return;
  }
  const ca = new Dctcp();
  tp.icsk_ca_priv = ca;
  ca.prior_rcv_nxt = tp.rcv_nxt;
  dctcp_reset(tp, ca);
}

/** cwnd * (1 - alpha / 2), RFC 8257 section 3.4. */
function dctcp_ssthresh(sk: Sock): number {
  const tp = tcp_sk(sk);
  const ca = dctcp(tp);
  ca.loss_cwnd = tp.snd_cwnd;
  return Math.max(tp.snd_cwnd - Math.floor((tp.snd_cwnd * ca.dctcp_alpha) / (2 * DCTCP_MAX_ALPHA)), 2);
}

/** Once per window: the share of packets that were marked, averaged (RFC 8257 section 3.3). */
function dctcp_update_alpha(sk: Sock): void {
  const tp = tcp_sk(sk);
  const ca = dctcp(tp);
  if (before(tp.snd_una, ca.next_seq)) return;
  const ce = (tp.delivered_ce - ca.old_delivered_ce) | 0;
  let alpha = ca.dctcp_alpha;
  // When the shift leaves nothing to take away, all goes: alpha reaches 0.
  alpha -= alpha >> dctcp_shift_g || alpha;
  if (ce !== 0) {
    const delivered = (tp.delivered - ca.old_delivered) | 0;
    const share = Math.floor((ce * (DCTCP_MAX_ALPHA >> dctcp_shift_g)) / Math.max(1, delivered));
    alpha = Math.min(alpha + share, DCTCP_MAX_ALPHA);
  }
  ca.dctcp_alpha = alpha;
  dctcp_reset(tp, ca);
}

/** A lost packet halves the window as ever (RFC 8257 section 3.5). */
function dctcp_react_to_loss(tp: TcpSock): void {
  dctcp(tp).loss_cwnd = tp.snd_cwnd;
  tp.snd_ssthresh = Math.max(tp.snd_cwnd >> 1, 2);
}

function dctcp_state(sk: Sock, new_state: number): void {
  const tp = tcp_sk(sk);
  // A timeout is told by CA_EVENT_LOSS.
  if (new_state === TCP_CA_Recovery && new_state !== tp.icsk_ca_state) dctcp_react_to_loss(tp);
}

function dctcp_ece_ack_cwr(tp: TcpSock, ce: boolean): void {
  if (ce) tp.ecn_flags |= TCP_ECN_DEMAND_CWR;
  else tp.ecn_flags &= ~TCP_ECN_DEMAND_CWR;
}

/** The receiver's state machine (RFC 8257 section 3.2): ECE says of each ACK exactly whether its packets were marked. */
function dctcp_ece_ack_update(tp: TcpSock, ca: Dctcp, ce: boolean): void {
  if (ca.ce_state !== ce) {
    // An ACK that was put off belongs to the packets before the change.
    if ((tp.ack_pending & ICSK_ACK_TIMER) !== 0) {
      dctcp_ece_ack_cwr(tp, ca.ce_state);
      __tcp_send_ack(tp, ca.prior_rcv_nxt);
    }
    tp.ack_pending |= ICSK_ACK_NOW;
  }
  ca.prior_rcv_nxt = tp.rcv_nxt;
  ca.ce_state = ce;
  dctcp_ece_ack_cwr(tp, ce);
}

function dctcp_cwnd_event(sk: Sock, event: number): void {
  const tp = tcp_sk(sk);
  if (event === CA_EVENT_ECN_IS_CE || event === CA_EVENT_ECN_NO_CE) {
    dctcp_ece_ack_update(tp, dctcp(tp), event === CA_EVENT_ECN_IS_CE);
  } else if (event === CA_EVENT_LOSS) {
    dctcp_react_to_loss(tp);
  }
}

/** struct tcp_dctcp_info: enabled, ce_state, alpha, bytes marked and bytes in all. */
function dctcp_fill_info(tp: TcpSock | null, ca: Dctcp | null, ext: number, out: DataView): number {
  if ((ext & ((1 << (INET_DIAG_DCTCPINFO - 1)) | (1 << (INET_DIAG_VEGASINFO - 1)))) === 0) return 0;
  for (let i = 0; i < 16; i += 4) out.setUint32(i, 0, true);
  if (tp !== null && ca !== null) {
    out.setUint16(0, 1, true);
    out.setUint16(2, ca.ce_state ? 1 : 0, true);
    out.setUint32(4, ca.dctcp_alpha, true);
    out.setUint32(8, Math.imul(tp.mss_cache, tp.delivered_ce - ca.old_delivered_ce), true);
    out.setUint32(12, Math.imul(tp.mss_cache, tp.delivered - ca.old_delivered), true);
  }
  return 16;
}

export const tcp_dctcp = (): TcpCongestionOps => ({
  name: "dctcp",
  flags: TCP_CONG_NEEDS_ECN,
  key: tcp_ca_key("dctcp"),
  init: dctcp_init,
  in_ack_event: dctcp_update_alpha,
  cwnd_event: dctcp_cwnd_event,
  ssthresh: dctcp_ssthresh,
  cong_avoid: tcp_reno_cong_avoid,
  undo_cwnd: (sk) => Math.max(tcp_sk(sk).snd_cwnd, dctcp(tcp_sk(sk)).loss_cwnd),
  set_state: dctcp_state,
  get_info: (sk, ext, out) => dctcp_fill_info(tcp_sk(sk), dctcp(tcp_sk(sk)), ext, out),
  info_attr: INET_DIAG_DCTCPINFO,
});
