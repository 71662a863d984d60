// SO_TIMESTAMP and SO_TIMESTAMPING: stamps of packets that come and go. Mirrors the time stamp parts of net/core/skbuff.c,
// net/core/sock.c and net/socket.c. Read first: Documentation/networking/timestamping.rst of Linux.
// Way in: sock_set_timestamping(); sock_tx_timestamp() → skb_tx_timestamp() of a driver → the error queue → sock_recv_timestamp().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENOMSG, EOPNOTSUPP } from "../../uapi/errno.ts";
import * as S from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { put_cmsg } from "./datagram.ts";
import type {} from "./errqueue.ts";
import { alloc_skb, type SkBuff, skb_clone, skb_put } from "./skbuff.ts";
import {
  SK_FLAGS_TIMESTAMP,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_TIMESTAMPING_RX_SOFTWARE,
  SOCK_TSTAMP_NEW,
  type Sock,
  sock_flag,
  sock_queue_err_skb,
  sock_valbool_flag,
  TCP_CLOSE,
  TCP_LISTEN,
} from "./sock.ts";

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** net_enable_timestamp / net_disable_timestamp. */
    rx_timestamps_users: (delta: number) => void;
  }
}

// skb.tx_flags: which stamps the packet's sender asked for.
const SKBTX_SW_TSTAMP = 1 << 1;
export const SKBTX_SCHED_TSTAMP = 1 << 6;
export const SKBTX_ANY_TSTAMP = SKBTX_SW_TSTAMP | SKBTX_SCHED_TSTAMP;

/** Changes flags that decide whether arriving packets are stamped. */
function set_flags(sk: Sock, change: () => void): void {
  const had = (sk.sk_flags & SK_FLAGS_TIMESTAMP) !== 0;
  change();
  const has = (sk.sk_flags & SK_FLAGS_TIMESTAMP) !== 0;
  if (has !== had) sk.net.kernel.rx_timestamps_users(has ? 1 : -1);
}

/** SO_TIMESTAMP, SO_TIMESTAMPNS and their _NEW forms: one at a time. */
export function sock_set_timestamp(sk: Sock, optname: number, on: boolean): void {
  const ns = optname === S.SO_TIMESTAMPNS || optname === S.SO_TIMESTAMPNS_NEW;
  const time64 = optname === S.SO_TIMESTAMP_NEW || optname === S.SO_TIMESTAMPNS_NEW;
  set_flags(sk, () => {
    if (on) sock_valbool_flag(sk, SOCK_TSTAMP_NEW, time64);
    sock_valbool_flag(sk, SOCK_RCVTSTAMPNS, on && ns);
    sock_valbool_flag(sk, SOCK_RCVTSTAMP, on);
  });
}

export function sock_get_timestamp(sk: Sock, optname: number): boolean {
  const ns = optname === S.SO_TIMESTAMPNS || optname === S.SO_TIMESTAMPNS_NEW;
  const time64 = optname === S.SO_TIMESTAMP_NEW || optname === S.SO_TIMESTAMPNS_NEW;
  if (!sock_flag(sk, SOCK_RCVTSTAMP) || sock_flag(sk, SOCK_TSTAMP_NEW) !== time64) return false;
  // SO_TIMESTAMP_NEW is told with nanoseconds as well.
  return sock_flag(sk, SOCK_RCVTSTAMPNS) === ns || (time64 && !ns);
}

/** A socket of TCP: where its numbers of bytes begin. */
interface ByteNumbers {
  snd_una: number;
  write_seq: number;
}

/** SO_TIMESTAMPING. 0 or -errno. */
export function sock_set_timestamping(sk: Sock, optname: number, val: number, bind_phc: number): number {
  if ((val & ~S.SOF_TIMESTAMPING_MASK) !== 0) return -EINVAL;
  const id = (val & S.SOF_TIMESTAMPING_OPT_ID) !== 0;
  if ((val & S.SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 && !id) return -EINVAL;
  const tcp = sk.sk_protocol === S.IPPROTO_TCP && sk.sk_type === S.SOCK_STREAM;
  let tskey = sk.sk_tskey;
  if (id && (sk.sk_tsflags & S.SOF_TIMESTAMPING_OPT_ID) === 0) {
    if (tcp) {
      // Bytes are counted from here on: there must be a connection.
      if (sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_LISTEN) return -EINVAL;
      const tp = sk as unknown as ByteNumbers;
      tskey = (val & S.SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 ? tp.write_seq : tp.snd_una;
    } else tskey = 0;
  }
  if ((val & S.SOF_TIMESTAMPING_OPT_STATS) !== 0 && (val & S.SOF_TIMESTAMPING_OPT_TSONLY) === 0) return -EINVAL;
  sk.sk_tskey = tskey;
  // No card here has a clock that could be bound to.
  if ((val & S.SOF_TIMESTAMPING_BIND_PHC) !== 0) return -EOPNOTSUPP;
  if (bind_phc !== 0 && (val & S.SOF_TIMESTAMPING_BIND_PHC) !== 0) {
    sk.sk_bind_phc = bind_phc;
  }
  sk.sk_tsflags = val;
  set_flags(sk, () => {
    sock_valbool_flag(sk, SOCK_TSTAMP_NEW, optname === S.SO_TIMESTAMPING_NEW);
    sock_valbool_flag(sk, SOCK_TIMESTAMPING_RX_SOFTWARE, (val & S.SOF_TIMESTAMPING_RX_SOFTWARE) !== 0);
  });
  return 0;
}

// --- sending ------------------------------------------------------------------------------------------------------

/** SOF_TIMESTAMPING_TX_* of a send → skb.tx_flags. No card of ours stamps by itself. */
export const sock_tx_timestamp = (tsflags: number): number =>
  ((tsflags & S.SOF_TIMESTAMPING_TX_SOFTWARE) !== 0 ? SKBTX_SW_TSTAMP : 0) |
  ((tsflags & S.SOF_TIMESTAMPING_TX_SCHED) !== 0 ? SKBTX_SCHED_TSTAMP : 0);

/** A driver takes the packet over: called in its ndo_start_xmit. */
export function skb_tx_timestamp(skb: SkBuff): void {
  if ((skb.tx_flags & SKBTX_SW_TSTAMP) !== 0) __skb_tstamp_tx(skb, skb.sk, S.SCM_TSTAMP_SND, null);
}

/** net.core.tstamp_allow_data: a stamp may bring back the packet that it is of. */
const TSTAMP_ALLOW_DATA = true;

/** The stamp of `tstype` (SCM_TSTAMP_*) of a packet goes to its sender's error queue. `ack`: the packet that brought the ACK. */
export function __skb_tstamp_tx(orig: SkBuff, sk: Sock | null, tstype: number, ack: SkBuff | null): void {
  if (sk === null) return;
  const tsflags = sk.sk_tsflags;
  const tsonly = (tsflags & S.SOF_TIMESTAMPING_OPT_TSONLY) !== 0;
  if (!tsonly && !TSTAMP_ALLOW_DATA) return;
  let skb: SkBuff | null;
  let opt_stats = false;
  if (tsonly) {
    const stats =
      (tsflags & S.SOF_TIMESTAMPING_OPT_STATS) !== 0 ? (sk.prot.timestamping_opt_stats?.(sk, orig, ack) ?? null) : null;
    skb = alloc_skb(sk.net.kernel, stats !== null ? stats.length : 0);
    if (skb === null) return;
    if (stats !== null) {
      const off = skb_put(skb, stats.length);
      skb.head.u8.set(stats, off);
      opt_stats = true;
    }
  } else skb = skb_clone(orig);
  skb.tstamp = sk.net.kernel.now;
  const iif = skb.dev !== null ? skb.dev.ifindex : 0;
  const with_id = (tsflags & S.SOF_TIMESTAMPING_OPT_ID) !== 0;
  const tcp = sk.sk_protocol === S.IPPROTO_TCP && sk.sk_type === S.SOCK_STREAM;
  skb.exterr = {
    ee_errno: ENOMSG,
    ee_origin: S.SO_EE_ORIGIN_TIMESTAMPING,
    ee_type: 0,
    ee_code: 0,
    ee_info: tstype,
    ee_data: with_id ? (orig.tskey - (tcp ? sk.sk_tskey : 0)) >>> 0 : 0,
    rfc4884: 0,
    addr: 0,
    port: 0,
    offender: 0,
    opt_stats,
    iif,
  };
  skb.dev = null;
  sock_queue_err_skb(sk, skb);
}

// --- receiving ----------------------------------------------------------------------------------------------------

/** Wall clock of a moment of k.now, in ns. */
const ktime_mono_to_real = (k: Kernel, mono: number): bigint =>
  BigInt(Math.round(k.host.realtime_ms() * 1000)) * 1000n - BigInt(Math.max(0, Math.round(k.now - mono)));

function put_time(dv: DataView, at: number, wall_ns: bigint, unit: bigint): void {
  dv.setBigInt64(at, wall_ns / 1_000_000_000n, true);
  dv.setBigInt64(at + 8, (wall_ns % 1_000_000_000n) / unit, true);
}

/** The control messages that tell when the packet came, or went (`err_queue`). */
export function sock_recv_timestamp(msg: MsgHdr, sk: Sock, skb: SkBuff, err_queue: boolean): void {
  const k = sk.net.kernel;
  const time64 = sock_flag(sk, SOCK_TSTAMP_NEW);
  let stamp = skb.tstamp;
  if (sock_flag(sk, SOCK_RCVTSTAMP)) {
    // A packet that nobody stamped on arrival is stamped now.
    if (stamp === 0) stamp = k.now;
    const ns = sock_flag(sk, SOCK_RCVTSTAMPNS);
    const data = new Uint8Array(16);
    put_time(new DataView(data.buffer), 0, ktime_mono_to_real(k, stamp), ns ? 1n : 1000n);
    const old = ns ? S.SO_TIMESTAMPNS : S.SO_TIMESTAMP;
    put_cmsg(msg, S.SOL_SOCKET, time64 ? (ns ? S.SO_TIMESTAMPNS_NEW : S.SO_TIMESTAMP_NEW) : old, data);
  }
  const tsflags = sk.sk_tsflags;
  if (
    stamp !== 0 &&
    (tsflags & S.SOF_TIMESTAMPING_SOFTWARE) !== 0 &&
    ((tsflags & S.SOF_TIMESTAMPING_RX_SOFTWARE) !== 0 ||
      err_queue ||
      (tsflags & S.SOF_TIMESTAMPING_OPT_RX_FILTER) === 0)
  ) {
    // struct scm_timestamping: software, (unused), hardware.
    const data = new Uint8Array(48);
    put_time(new DataView(data.buffer), 0, ktime_mono_to_real(k, stamp), 1n);
    put_cmsg(msg, S.SOL_SOCKET, time64 ? S.SO_TIMESTAMPING_NEW : S.SO_TIMESTAMPING, data);
    if (err_queue && skb.exterr?.opt_stats === true)
      put_cmsg(msg, S.SOL_SOCKET, S.SCM_TIMESTAMPING_OPT_STATS, skb.head.u8.slice(skb.data, skb.data + skb.len));
  }
}
