// Pluggable congestion control, and reno (RFC 5681), which is always there. Mirrors net/ipv4/tcp_cong.c.
// Read first: RFC 5681 section 3.1. Way in: tcp_register_congestion_control() at boot, tcp_assign_congestion_control().

import type { Kernel } from "../../kernel/kernel.ts";
import { EEXIST, EINVAL, ENOENT, EPERM } from "../../uapi/errno.ts";
import { RTAX_CC_ALGO, RTAX_LOCK } from "../../uapi/rtnetlink.ts";
import type { DstEntry } from "../core/dst.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { type Sock, TCP_CLOSE, TCP_LISTEN } from "../core/sock.ts";
import type { RateSample } from "./tcp_rate.ts";
import { type TcpSock, tcp_in_slow_start, tcp_sk } from "./tcp_sock.ts";

/** TCP_CA_NAME_MAX: names are shorter than this. */
export const TCP_CA_NAME_MAX = 16;

// tcp_congestion_ops.flags
/** Any user may choose it. */
export const TCP_CONG_NON_RESTRICTED = 1;
/** It does not work without ECN: ask for it, and mark every packet as capable. */
export const TCP_CONG_NEEDS_ECN = 2;

// What tcp_ca_event() tells.
/** The first packet is sent while nothing is in flight. */
export const CA_EVENT_TX_START = 0;
export const CA_EVENT_CWND_RESTART = 1;
export const CA_EVENT_COMPLETE_CWR = 2;
export const CA_EVENT_LOSS = 3;
export const CA_EVENT_ECN_NO_CE = 4;
export const CA_EVENT_ECN_IS_CE = 5;

// Flags of in_ack_event().
export const CA_ACK_SLOWPATH = 1;
export const CA_ACK_WIN_UPDATE = 2;
export const CA_ACK_ECE = 4;

/** What pkts_acked() learns from an ACK: packets, RTT in us (negative: none), packets in flight when they were sent. */
export class AckSample {
  pkts_acked = 0;
  rtt_us = 0;
  in_flight = 0;
}

export interface TcpCongestionOps {
  readonly name: string;
  flags: number;
  /** Number by which a route's metric refers to it. */
  readonly key: number;
  init?(sk: Sock): void;
  release?(sk: Sock): void;
  /** The slow start threshold after a loss, in packets. */
  ssthresh(sk: Sock): number;
  cong_avoid?(sk: Sock, ack: number, acked: number): void;
  set_state?(sk: Sock, new_state: number): void;
  cwnd_event?(sk: Sock, event: number): void;
  in_ack_event?(sk: Sock, flags: number): void;
  pkts_acked?(sk: Sock, sample: AckSample): void;
  min_tso_segs?(sk: Sock): number;
  /** In the place of all that tcp_ack() would do with cwnd and the pacing rate. */
  cong_control?(sk: Sock, ack: number, flag: number, rs: RateSample): void;
  undo_cwnd(sk: Sock): number;
  /** How many windows the send buffer should hold. */
  sndbuf_expand?(sk: Sock): number;
  /** Writes its part of tcp_cc_info when `ext` (INET_DIAG_* bits) asks for it; returns the length, 0 for nothing. */
  get_info?(sk: Sock, ext: number, out: DataView): number;
  /** INET_DIAG_* attribute of what get_info() writes. */
  readonly info_attr?: number;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** In order of registration (tcp_cong_list). */
    tcp_cong_list: TcpCongestionOps[];
  }
}
declare module "../core/net_namespace.ts" {
  interface Net {
    tcp_congestion_control: TcpCongestionOps;
  }
}

// --- reno -----------------------------------------------------------------------------------------------------------

/**
 * Slow start: one packet more per packet acknowledged, up to ssthresh (RFC 3465 with no limit L, as pacing and TSO take
 * care of bursts). Returns how many of the acknowledged ones are left for congestion avoidance.
 */
export function tcp_slow_start(tp: TcpSock, acked: number): number {
  const cwnd = Math.min(tp.snd_cwnd + acked, tp.snd_ssthresh);
  acked -= cwnd - tp.snd_cwnd;
  tp.snd_cwnd = Math.min(cwnd, tp.snd_cwnd_clamp);
  return acked;
}

/** Congestion avoidance: one packet more for every `w` acknowledged. */
export function tcp_cong_avoid_ai(tp: TcpSock, w: number, acked: number): void {
  let cwnd = tp.snd_cwnd;
  // Credit that was earned with a larger w counts for one packet at once.
  if (tp.snd_cwnd_cnt >= w) {
    tp.snd_cwnd_cnt = 0;
    cwnd++;
  }
  tp.snd_cwnd_cnt += acked;
  if (tp.snd_cwnd_cnt >= w) {
    const delta = Math.floor(tp.snd_cwnd_cnt / w);
    tp.snd_cwnd_cnt -= delta * w;
    cwnd += delta;
  }
  tp.snd_cwnd = Math.min(cwnd, tp.snd_cwnd_clamp);
}

/** RFC 7661 in spirit: a window that was not used is no evidence that it is right. */
export function tcp_is_cwnd_limited(sk: Sock): boolean {
  const tp = tcp_sk(sk);
  if (tp.is_cwnd_limited) return true;
  // In slow start the window may grow to twice what was used, so that it keeps ahead of a sender that is speeding up.
  return tcp_in_slow_start(tp) && tp.snd_cwnd < 2 * tp.max_packets_out;
}

export function tcp_reno_cong_avoid(sk: Sock, _ack: number, acked: number): void {
  if (!tcp_is_cwnd_limited(sk)) return;
  const tp = tcp_sk(sk);
  if (tcp_in_slow_start(tp)) {
    acked = tcp_slow_start(tp, acked);
    if (acked === 0) return;
  }
  tcp_cong_avoid_ai(tp, tp.snd_cwnd, acked);
}

export const tcp_reno_ssthresh = (sk: Sock): number => Math.max(tcp_sk(sk).snd_cwnd >> 1, 2);

export const tcp_reno_undo_cwnd = (sk: Sock): number => Math.max(tcp_sk(sk).snd_cwnd, tcp_sk(sk).prior_cwnd);

/** A new object per machine, as `flags` may change. */
export const tcp_reno = (): TcpCongestionOps => ({
  name: "reno",
  flags: TCP_CONG_NON_RESTRICTED,
  key: tcp_ca_key("reno"),
  ssthresh: tcp_reno_ssthresh,
  cong_avoid: tcp_reno_cong_avoid,
  undo_cwnd: tcp_reno_undo_cwnd,
});

// --- the table ------------------------------------------------------------------------------------------------------

/** Number of a name: FNV-1a, so that the same name has the same number on every machine; 0 is "unspecified". */
export function tcp_ca_key(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h | 0 || 1;
}

export const tcp_ca_find = (k: Kernel, name: string): TcpCongestionOps | null =>
  k.tcp_cong_list.find((ca) => ca.name === name) ?? null;

const tcp_ca_find_key = (k: Kernel, key: number): TcpCongestionOps | null =>
  k.tcp_cong_list.find((ca) => ca.key === key) ?? null;

/** 0, or -EEXIST. */
function tcp_register_congestion_control(k: Kernel, ops: TcpCongestionOps): number {
  if (ops.name === "" || ops.name.length >= TCP_CA_NAME_MAX) return -EINVAL;
  if (tcp_ca_find(k, ops.name) !== null || tcp_ca_find_key(k, ops.key) !== null) return -EEXIST;
  k.tcp_cong_list.push(ops);
  return 0;
}

/** After the modules have registered. Namespaces begin with what the initial one uses. */
export function tcp_cong_init(k: Kernel, modules: readonly TcpCongestionOps[]): void {
  k.tcp_cong_list = [];
  tcp_register_congestion_control(k, tcp_reno());
  for (const ops of modules) tcp_register_congestion_control(k, ops);
  register_pernet_subsys(k, {
    init: (net) => {
      if (net.id === 0) tcp_set_default_congestion_control(net, tcp_ca_find(k, "cubic") !== null ? "cubic" : "reno");
      else net.tcp_congestion_control = k.init_net.tcp_congestion_control;
    },
  });
}

export const tcp_get_available_congestion_control = (k: Kernel): string =>
  k.tcp_cong_list.map((ca) => ca.name).join(" ");

export const tcp_get_allowed_congestion_control = (k: Kernel): string =>
  k.tcp_cong_list
    .filter((ca) => (ca.flags & TCP_CONG_NON_RESTRICTED) !== 0)
    .map((ca) => ca.name)
    .join(" ");

/** All names must exist, else nothing changes. */
export function tcp_set_allowed_congestion_control(k: Kernel, text: string): number {
  const names = text.split(" ").filter((n) => n !== "");
  if (names.some((n) => tcp_ca_find(k, n) === null)) return -ENOENT;
  for (const ca of k.tcp_cong_list) {
    if (names.includes(ca.name)) ca.flags |= TCP_CONG_NON_RESTRICTED;
    else ca.flags &= ~TCP_CONG_NON_RESTRICTED;
  }
  return 0;
}

export const tcp_get_default_congestion_control = (net: Net): string => net.tcp_congestion_control.name;

/** What is the default of the whole machine is allowed for everybody. */
export function tcp_set_default_congestion_control(net: Net, name: string): number {
  const ca = tcp_ca_find(net.kernel, name);
  if (ca === null) return -ENOENT;
  if (net.id === 0) ca.flags |= TCP_CONG_NON_RESTRICTED;
  net.tcp_congestion_control = ca;
  return 0;
}

// --- one connection -------------------------------------------------------------------------------------------------

export const tcp_ca_needs_ecn = (sk: Sock): boolean => (tcp_sk(sk).icsk_ca_ops.flags & TCP_CONG_NEEDS_ECN) !== 0;

export function tcp_set_ca_state(sk: Sock, state: number): void {
  const tp = tcp_sk(sk);
  tp.icsk_ca_ops.set_state?.(sk, state);
  tp.icsk_ca_state = state;
}

export function tcp_ca_event(sk: Sock, event: number): void {
  tcp_sk(sk).icsk_ca_ops.cwnd_event?.(sk, event);
}

/** `flags`: CA_ACK_*; only modules that look at each ACK have it. */
export function tcp_in_ack_event(sk: Sock, flags: number): void {
  tcp_sk(sk).icsk_ca_ops.in_ack_event?.(sk, flags);
}

/** ECT(0) on every packet, or on none that TCP itself does not mark (INET_ECN_xmit, INET_ECN_dontxmit). */
function ca_ecn(tp: TcpSock): void {
  if (tcp_ca_needs_ecn(tp)) tp.tos |= 2;
  else tp.tos &= ~3;
}

/** A new socket: the namespace's default. */
export function tcp_assign_congestion_control(sk: Sock): void {
  const tp = tcp_sk(sk);
  tp.icsk_ca_ops = sk.net.tcp_congestion_control;
  tp.icsk_ca_priv = null;
  tp.icsk_ca_initialized = false;
  ca_ecn(tp);
}

/** The connection is established: what the algorithm needs is made now, when the RTT is known. */
export function tcp_init_congestion_control(sk: Sock): void {
  const tp = tcp_sk(sk);
  tp.prior_ssthresh = 0;
  tp.icsk_ca_ops.init?.(sk);
  ca_ecn(tp);
  tp.icsk_ca_initialized = true;
}

export function tcp_cleanup_congestion_control(sk: Sock): void {
  const tp = tcp_sk(sk);
  // Not yet assigned when the socket was never made.
  if (tp.icsk_ca_ops === null) return;
  if (tp.icsk_ca_initialized) tp.icsk_ca_ops.release?.(sk);
  tp.icsk_ca_initialized = false;
  tp.icsk_ca_priv = null;
}

function tcp_reinit_congestion_control(sk: Sock, ca: TcpCongestionOps): void {
  const tp = tcp_sk(sk);
  tcp_cleanup_congestion_control(sk);
  tp.icsk_ca_ops = ca;
  tp.icsk_ca_setsockopt = true;
  ca_ecn(tp);
  if (sk.sk_state !== TCP_CLOSE && sk.sk_state !== TCP_LISTEN) tcp_init_congestion_control(sk);
}

/**
 * TCP_CONGESTION. `load`: a module may be loaded for it (there is nothing to load here); `cap`: CAP_NET_ADMIN. Returns 0, -ENOENT for
 * a name that nobody registered, -EPERM for one that needs CAP_NET_ADMIN or where the route has locked its own.
 */
export function tcp_set_congestion_control(sk: Sock, name: string, _load: boolean, cap: boolean): number {
  const tp = tcp_sk(sk);
  if (tp.icsk_ca_dst_locked) return -EPERM;
  const ca = tcp_ca_find(sk.net.kernel, name);
  if (ca === tp.icsk_ca_ops) {
    tp.icsk_ca_setsockopt = true;
    return 0;
  }
  if (ca === null) return -ENOENT;
  if ((ca.flags & TCP_CONG_NON_RESTRICTED) === 0 && !cap) return -EPERM;
  tcp_reinit_congestion_control(sk, ca);
  return 0;
}

/** The RTAX_CC_ALGO of a route. False when it has none. */
export function tcp_ca_dst_init(sk: Sock, dst: DstEntry): boolean {
  const key = dst.metrics[RTAX_CC_ALGO]!;
  const ca = key === 0 ? null : tcp_ca_find_key(sk.net.kernel, key);
  if (ca === null) return false;
  const tp = tcp_sk(sk);
  tp.icsk_ca_dst_locked = (dst.metrics[RTAX_LOCK]! & (1 << RTAX_CC_ALGO)) !== 0;
  tp.icsk_ca_ops = ca;
  tp.icsk_ca_priv = null;
  return true;
}
