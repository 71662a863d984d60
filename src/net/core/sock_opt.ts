// SOL_SOCKET options and the ancillary data every socket can have. Mirrors sk_setsockopt() of net/core/sock.c.
// Way in: sock_setsockopt(), sock_getsockopt(), sock_recv_cmsgs().

import { EDOM, EINVAL, ENODEV, ENOPROTOOPT, ENOTSUPP, EPERM } from "../../uapi/errno.ts";
import * as S from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { put_cmsg } from "./datagram.ts";
import type { SkBuff } from "./skbuff.ts";
import {
  SOCK_BROADCAST,
  SOCK_DBG,
  SOCK_FILTER_LOCKED,
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_LOCALROUTE,
  SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF,
  SOCK_RCVBUF_LOCK,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_RXQ_OVFL,
  SOCK_SNDBUF_LOCK,
  SOCK_URGINLINE,
  SOCK_ZEROCOPY,
  type Sock,
  type Socket,
  sk_dst_reset,
  sock_flag,
  sock_valbool_flag,
  TCP_LISTEN,
} from "./sock.ts";
import { parse_sock_fprog, sk_attach_filter, sk_detach_filter } from "./sock_filter.ts";

export const optval_int = (v: Uint8Array): number =>
  v.length >= 4 ? new DataView(v.buffer, v.byteOffset, v.byteLength).getInt32(0, true) : v.length > 0 ? v[0]! : 0;

/** Writes an int as far as the program's buffer goes; returns the length. */
export function put_int(optval: Uint8Array, val: number): number {
  const n = Math.min(4, optval.length);
  for (let i = 0; i < n; i++) optval[i] = (val >> (8 * i)) & 0xff;
  return n;
}

/** struct timeval in 64-bit layout → ms, Infinity for 0. -EDOM when it is none. */
function timeo_of(v: Uint8Array): number {
  if (v.length < 16) return -EINVAL;
  const dv = new DataView(v.buffer, v.byteOffset, v.byteLength);
  const sec = Number(dv.getBigInt64(0, true));
  const usec = Number(dv.getBigInt64(8, true));
  if (usec < 0 || usec >= 1_000_000) return -EDOM;
  if (sec < 0) return 0;
  if (sec === 0 && usec === 0) return Number.POSITIVE_INFINITY;
  return sec * 1000 + Math.ceil(usec / 1000);
}

/** A struct as far as the program's buffer goes. */
function put_struct(optval: Uint8Array, size: number, fill: (dv: DataView) => void): number {
  const b = new Uint8Array(size);
  fill(new DataView(b.buffer));
  const n = Math.min(size, optval.length);
  optval.set(b.subarray(0, n));
  return n;
}

function put_timeo(optval: Uint8Array, ms: number): number {
  const v = ms === Number.POSITIVE_INFINITY ? 0 : ms;
  return put_struct(optval, 16, (dv) => {
    dv.setBigInt64(0, BigInt(Math.floor(v / 1000)), true);
    dv.setBigInt64(8, BigInt((v % 1000) * 1000), true);
  });
}

function text_of(v: Uint8Array): string {
  let s = "";
  for (let i = 0; i < v.length && v[i] !== 0; i++) s += String.fromCharCode(v[i]!);
  return s;
}

export function sock_bindtoindex(sk: Sock, ifindex: number): number {
  if (ifindex < 0) return -EINVAL;
  sk.sk_bound_dev_if = ifindex;
  sk.prot.rehash?.(sk);
  sk_dst_reset(sk);
  return 0;
}

/**
 * What asking for `val` bytes of buffer gives, `max` being the sysctl (-1: forced). The kernel's own bookkeeping is paid from
 * the same purse: it doubles what was asked for.
 */
const buffer_of = (val: number, max: number): number =>
  2 * Math.min(max >= 0 ? Math.min(val >>> 0, max) : Math.max(val, 0), 0x3fffffff);

/** A socket whose protocol paces. DIFF: TCP alone does; Linux keeps the rate in every socket, for sch_fq. */
interface Paced {
  sk_max_pacing_rate?: number;
  sk_pacing_rate: number;
  sk_pacing_status: number;
}
const SK_PACING_NEEDED = 1;

/** Options that are a flag of the socket: those that a set only switches, and those where it does more. */
const switch_flags: ReadonlyMap<number, number> = new Map([
  [S.SO_DEBUG, SOCK_DBG],
  [S.SO_BROADCAST, SOCK_BROADCAST],
  [S.SO_KEEPALIVE, SOCK_KEEPOPEN],
  [S.SO_OOBINLINE, SOCK_URGINLINE],
  [S.SO_RXQ_OVFL, SOCK_RXQ_OVFL],
]);
const flags_of_options: ReadonlyMap<number, number> = new Map([
  ...switch_flags,
  [S.SO_DONTROUTE, SOCK_LOCALROUTE],
  [S.SO_TIMESTAMP, SOCK_RCVTSTAMP],
  [S.SO_TIMESTAMPNS, SOCK_RCVTSTAMPNS],
  [S.SO_LOCK_FILTER, SOCK_FILTER_LOCKED],
  [S.SO_ZEROCOPY, SOCK_ZEROCOPY],
]);

export function sock_setsockopt(sock: Socket, optname: number, optval: Uint8Array): number {
  const sk = sock.sk;
  const net = sk.net;
  switch (optname) {
    case S.SO_BINDTODEVICE: {
      const name = text_of(optval.subarray(0, 16));
      if (name === "") return sock_bindtoindex(sk, 0);
      const dev = net.dev_by_name.get(name);
      return dev === undefined ? -ENODEV : sock_bindtoindex(sk, dev.ifindex);
    }
    case S.SO_ATTACH_FILTER: {
      const insns = parse_sock_fprog(optval);
      return typeof insns === "number" ? insns : sk_attach_filter(sk, insns);
    }
    case S.SO_RCVTIMEO:
    case S.SO_SNDTIMEO: {
      const ms = timeo_of(optval);
      if (ms < 0) return ms;
      if (optname === S.SO_RCVTIMEO) sk.sk_rcvtimeo = ms;
      else sk.sk_sndtimeo = ms;
      return 0;
    }
    case S.SO_LINGER: {
      if (optval.length < 8) return -EINVAL;
      const dv = new DataView(optval.buffer, optval.byteOffset, optval.byteLength);
      sock_valbool_flag(sk, SOCK_LINGER, dv.getInt32(0, true) !== 0);
      sk.sk_lingertime = dv.getInt32(4, true);
      return 0;
    }
    case S.SO_DETACH_FILTER:
      return sk_detach_filter(sk);
  }
  if (optval.length < 4) return -EINVAL;
  const val = optval_int(optval);
  const on = val !== 0;
  const switched = switch_flags.get(optname);
  if (switched !== undefined) {
    if (optname === S.SO_KEEPALIVE) sk.prot.keepalive?.(sk, on);
    sock_valbool_flag(sk, switched, on);
    return 0;
  }
  switch (optname) {
    case S.SO_REUSEADDR:
      sk.sk_reuse = on ? 1 : 0;
      return 0;
    case S.SO_REUSEPORT:
      sk.sk_reuseport = on;
      return 0;
    case S.SO_TYPE:
    case S.SO_PROTOCOL:
    case S.SO_DOMAIN:
    case S.SO_ERROR:
      return -ENOPROTOOPT;
    case S.SO_DONTROUTE:
      sock_valbool_flag(sk, SOCK_LOCALROUTE, on);
      sk_dst_reset(sk);
      return 0;
    case S.SO_SNDBUF:
    case S.SO_SNDBUFFORCE:
      sk.sk_userlocks |= SOCK_SNDBUF_LOCK;
      sk.sk_sndbuf = Math.max(buffer_of(val, optname === S.SO_SNDBUF ? net.sysctl_wmem_max : -1), SOCK_MIN_SNDBUF);
      sk.sk_write_space(sk);
      return 0;
    case S.SO_RCVBUF:
    case S.SO_RCVBUFFORCE:
      sk.sk_userlocks |= SOCK_RCVBUF_LOCK;
      sk.sk_rcvbuf = Math.max(buffer_of(val, optname === S.SO_RCVBUF ? net.sysctl_rmem_max : -1), SOCK_MIN_RCVBUF);
      return 0;
    case S.SO_NO_CHECK:
      sk.sk_no_check_tx = on;
      return 0;
    case S.SO_PRIORITY:
      sk.sk_priority = val;
      return 0;
    case S.SO_RCVLOWAT: {
      const lowat = val < 0 ? 0x7fffffff : val;
      if (sk.prot.set_rcvlowat) return sk.prot.set_rcvlowat(sk, lowat);
      sk.sk_rcvlowat = lowat || 1;
      return 0;
    }
    case S.SO_ZEROCOPY:
      // DIFF: of datagram sockets Linux has UDP as well.
      if (sk.sk_type !== S.SOCK_STREAM) return -ENOTSUPP;
      if (val < 0 || val > 1) return -EINVAL;
      sock_valbool_flag(sk, SOCK_ZEROCOPY, on);
      return 0;
    case S.SO_MAX_PACING_RATE: {
      const p = sk as Sock & Paced;
      if (p.sk_max_pacing_rate === undefined) return -ENOPROTOOPT;
      // bytes/s, in 4 bytes or 8; all ones: no limit.
      let rate = val === -1 ? Number.POSITIVE_INFINITY : val >>> 0;
      if (optval.length >= 8) {
        const wide = new DataView(optval.buffer, optval.byteOffset, optval.byteLength).getBigUint64(0, true);
        rate = wide === 0xffffffffffffffffn ? Number.POSITIVE_INFINITY : Number(wide);
      }
      if (rate !== Number.POSITIVE_INFINITY && p.sk_pacing_status === 0) p.sk_pacing_status = SK_PACING_NEEDED;
      p.sk_max_pacing_rate = rate;
      p.sk_pacing_rate = Math.min(p.sk_pacing_rate, rate);
      return 0;
    }
    case S.SO_TIMESTAMP:
    case S.SO_TIMESTAMPNS: {
      const flag = optname === S.SO_TIMESTAMP ? SOCK_RCVTSTAMP : SOCK_RCVTSTAMPNS;
      const had = (sk.sk_flags & (SOCK_RCVTSTAMP | SOCK_RCVTSTAMPNS)) !== 0;
      sk.sk_flags &= ~(SOCK_RCVTSTAMP | SOCK_RCVTSTAMPNS);
      if (on) sk.sk_flags |= flag;
      if (on !== had) net.kernel.rx_timestamps_users(on ? 1 : -1);
      return 0;
    }
    case S.SO_MARK:
      if (sk.sk_mark !== val) {
        sk.sk_mark = val;
        sk_dst_reset(sk);
      }
      return 0;
    case S.SO_LOCK_FILTER:
      if (sock_flag(sk, SOCK_FILTER_LOCKED) && !on) return -EPERM;
      sock_valbool_flag(sk, SOCK_FILTER_LOCKED, on);
      return 0;
    case S.SO_INCOMING_CPU:
      sk.sk_incoming_cpu = val;
      return 0;
    case S.SO_BINDTOIFINDEX:
      return sock_bindtoindex(sk, val);
    case S.SO_BUSY_POLL:
      if (val < 0) return -EINVAL;
      sk.sk_ll_usec = val;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

export function sock_getsockopt(sock: Socket, optname: number, optval: Uint8Array): number {
  const sk = sock.sk;
  const flag = flags_of_options.get(optname);
  if (flag !== undefined) return put_int(optval, sock_flag(sk, flag) ? 1 : 0);
  switch (optname) {
    case S.SO_SNDBUF:
      return put_int(optval, sk.sk_sndbuf);
    case S.SO_RCVBUF:
      return put_int(optval, sk.sk_rcvbuf);
    case S.SO_REUSEADDR:
      return put_int(optval, sk.sk_reuse);
    case S.SO_REUSEPORT:
      return put_int(optval, sk.sk_reuseport ? 1 : 0);
    case S.SO_TYPE:
      return put_int(optval, sk.sk_type);
    case S.SO_PROTOCOL:
      return put_int(optval, sk.sk_protocol);
    case S.SO_DOMAIN:
      return put_int(optval, sk.family);
    case S.SO_ERROR: {
      let err = sk.sk_err;
      sk.sk_err = 0;
      if (err === 0) {
        err = sk.sk_err_soft;
        sk.sk_err_soft = 0;
      }
      return put_int(optval, err);
    }
    case S.SO_NO_CHECK:
      return put_int(optval, sk.sk_no_check_tx ? 1 : 0);
    case S.SO_PRIORITY:
      return put_int(optval, sk.sk_priority);
    case S.SO_MAX_PACING_RATE: {
      const rate = (sk as Sock & Paced).sk_max_pacing_rate;
      if (rate === undefined) return -ENOPROTOOPT;
      if (optval.length < 8) return put_int(optval, rate > 0xfffffffe ? -1 : rate);
      return put_struct(optval, 8, (dv) => {
        dv.setBigUint64(0, rate === Number.POSITIVE_INFINITY ? 0xffffffffffffffffn : BigInt(Math.floor(rate)), true);
      });
    }
    case S.SO_LINGER:
      return put_struct(optval, 8, (dv) => {
        dv.setInt32(0, sock_flag(sk, SOCK_LINGER) ? 1 : 0, true);
        dv.setInt32(4, sk.sk_lingertime, true);
      });
    case S.SO_RCVTIMEO:
      return put_timeo(optval, sk.sk_rcvtimeo);
    case S.SO_SNDTIMEO:
      return put_timeo(optval, sk.sk_sndtimeo);
    case S.SO_RCVLOWAT:
      return put_int(optval, sk.sk_rcvlowat);
    case S.SO_SNDLOWAT:
      return put_int(optval, 1);
    case S.SO_ACCEPTCONN:
      return put_int(optval, sk.sk_state === TCP_LISTEN ? 1 : 0);
    case S.SO_MARK:
      return put_int(optval, sk.sk_mark);
    case S.SO_INCOMING_CPU:
      return put_int(optval, sk.sk_incoming_cpu);
    case S.SO_BINDTOIFINDEX:
      return put_int(optval, sk.sk_bound_dev_if);
    case S.SO_BUSY_POLL:
      return put_int(optval, sk.sk_ll_usec);
    case S.SO_COOKIE: {
      if (optval.length < 8) return -EINVAL;
      new DataView(optval.buffer, optval.byteOffset, optval.byteLength).setBigUint64(0, BigInt(sk.sk_cookie), true);
      return 8;
    }
    case S.SO_BINDTODEVICE: {
      if (sk.sk_bound_dev_if === 0) return 0;
      const dev = sk.net.dev_by_index.get(sk.sk_bound_dev_if);
      if (dev === undefined) return -ENODEV;
      const n = dev.name.length + 1;
      if (optval.length < 16) return -EINVAL;
      for (let i = 0; i < n; i++) optval[i] = i < dev.name.length ? dev.name.charCodeAt(i) : 0;
      return n;
    }
    default:
      return -ENOPROTOOPT;
  }
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** net_enable_timestamp / net_disable_timestamp. */
    rx_timestamps_users: (delta: number) => void;
  }
}

/** Timestamp and drop count of the packet just taken, for those who asked. */
export function sock_recv_cmsgs(msg: MsgHdr, sk: Sock, skb: SkBuff): void {
  const flags = sk.sk_flags;
  if ((flags & (SOCK_RCVTSTAMP | SOCK_RCVTSTAMPNS)) !== 0) {
    const k = sk.net.kernel;
    // A packet nobody stamped on arrival is stamped now; stamps are wall clock.
    const mono = skb.tstamp !== 0 ? skb.tstamp : k.now;
    const wall_ns =
      BigInt(Math.round(k.host.realtime_ms() * 1000)) * 1000n - BigInt(Math.max(0, Math.round(k.now - mono)));
    const data = new Uint8Array(16);
    const dv = new DataView(data.buffer);
    const ns = (flags & SOCK_RCVTSTAMPNS) !== 0;
    dv.setBigInt64(0, wall_ns / 1_000_000_000n, true);
    dv.setBigInt64(8, ns ? wall_ns % 1_000_000_000n : (wall_ns % 1_000_000_000n) / 1000n, true);
    put_cmsg(msg, S.SOL_SOCKET, ns ? S.SO_TIMESTAMPNS : S.SO_TIMESTAMP, data);
  }
  if ((flags & SOCK_RXQ_OVFL) !== 0 && skb.dropcount !== 0) {
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, skb.dropcount, true);
    put_cmsg(msg, S.SOL_SOCKET, S.SO_RXQ_OVFL, data);
  }
}
