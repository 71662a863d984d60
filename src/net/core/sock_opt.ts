// SOL_SOCKET options and the ancillary data every socket can have. Mirrors sk_setsockopt() of net/core/sock.c.
// Way in: sock_setsockopt(), sock_getsockopt(), sock_recv_cmsgs().

import { SKF_AD_MAX } from "../../uapi/bpf.ts";
import { EBADF, EDOM, EINVAL, ENODATA, ENODEV, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPERM } from "../../uapi/errno.ts";
import * as S from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { put_cmsg } from "./datagram.ts";
import type { SkBuff } from "./skbuff.ts";
import {
  SK_FLAGS_TIMESTAMP,
  SOCK_BROADCAST,
  SOCK_DBG,
  SOCK_FILTER_LOCKED,
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_LOCALROUTE,
  SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF,
  SOCK_NOFCS,
  SOCK_PREFER_BUSY_POLL,
  SOCK_RCVBUF_LOCK,
  SOCK_RCVMARK,
  SOCK_RCVPRIORITY,
  SOCK_RXQ_OVFL,
  SOCK_SELECT_ERR_QUEUE,
  SOCK_SNDBUF_LOCK,
  SOCK_TSTAMP_NEW,
  SOCK_TXTIME,
  SOCK_URGINLINE,
  SOCK_WIFI_STATUS,
  SOCK_ZEROCOPY,
  type Sock,
  type Socket,
  sk_dst_reset,
  sk_get_meminfo,
  sock_flag,
  sock_valbool_flag,
  TCP_LISTEN,
} from "./sock.ts";
import {
  parse_sock_fprog,
  reuseport_attach_prog,
  reuseport_detach_prog,
  sk_attach_filter,
  sk_detach_filter,
} from "./sock_filter.ts";
import { sock_get_timestamp, sock_recv_timestamp, sock_set_timestamp, sock_set_timestamping } from "./sock_tstamp.ts";

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

/** A socket whose protocol paces: TCP. For others the rate is kept for who asks; there is no qdisc that would pace them. */
interface Paced {
  sk_max_pacing_rate: number;
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
  [S.SO_WIFI_STATUS, SOCK_WIFI_STATUS],
  [S.SO_NOFCS, SOCK_NOFCS],
  [S.SO_SELECT_ERR_QUEUE, SOCK_SELECT_ERR_QUEUE],
  [S.SO_PREFER_BUSY_POLL, SOCK_PREFER_BUSY_POLL],
  [S.SO_RCVMARK, SOCK_RCVMARK],
  [S.SO_RCVPRIORITY, SOCK_RCVPRIORITY],
]);
const flags_of_options: ReadonlyMap<number, number> = new Map([
  ...switch_flags,
  [S.SO_DONTROUTE, SOCK_LOCALROUTE],
  [S.SO_LOCK_FILTER, SOCK_FILTER_LOCKED],
  [S.SO_ZEROCOPY, SOCK_ZEROCOPY],
]);

const is_tcp = (sk: Sock): boolean => sk.sk_type === S.SOCK_STREAM && sk.sk_protocol === S.IPPROTO_TCP;
const paced_of = (sk: Sock): Paced | null => (is_tcp(sk) ? (sk as Sock & Paced) : null);

/** Credentials travel over AF_UNIX and AF_NETLINK alone. DIFF: there they are not told either. */
const not_here: readonly number[] = [S.SO_PASSCRED, S.SO_PASSSEC, S.SO_PASSPIDFD, S.SO_PASSRIGHTS];
/** Told, never set. */
const read_only: readonly number[] = [S.SO_TYPE, S.SO_PROTOCOL, S.SO_DOMAIN, S.SO_ERROR];

/** LONG_MAX jiffies in seconds, as far as an int goes: what a linger without end shows. */
const LINGER_FOREVER = 0xa5e353f7 | 0;
const NSEC_TAI = 11;
/** 128 tokens of 8 bytes. */
const DEVMEM_TOKENS_MAX = 1024;

function set_linger(sk: Sock, optval: Uint8Array): number {
  if (optval.length < 8) return -EINVAL;
  const dv = new DataView(optval.buffer, optval.byteOffset, optval.byteLength);
  const on = dv.getInt32(0, true) !== 0;
  sock_valbool_flag(sk, SOCK_LINGER, on);
  if (!on) return 0;
  const t = dv.getInt32(4, true);
  // Negative seconds are more than there can be: as long as a timer goes.
  sk.sk_lingertime = t < 0 ? Number.POSITIVE_INFINITY : t;
  return 0;
}

function set_max_pacing_rate(sk: Sock, val: number, optval: Uint8Array): number {
  // bytes/s, in 4 bytes or in 8; all ones: no limit.
  let rate = val === -1 ? Number.POSITIVE_INFINITY : val >>> 0;
  if (optval.length >= 8) {
    const wide = new DataView(optval.buffer, optval.byteOffset, optval.byteLength).getBigUint64(0, true);
    rate = wide === 0xffffffffffffffffn ? Number.POSITIVE_INFINITY : Number(wide);
  }
  const p = paced_of(sk);
  if (p === null) {
    sk.sk_max_pacing_rate = rate;
    return 0;
  }
  if (rate !== Number.POSITIVE_INFINITY && p.sk_pacing_status === 0) p.sk_pacing_status = SK_PACING_NEEDED;
  p.sk_max_pacing_rate = rate;
  p.sk_pacing_rate = Math.min(p.sk_pacing_rate, rate);
  return 0;
}

/** SO_TXTIME: the qdisc takes a packet's time (SCM_TXTIME) as one of this clock. */
function set_txtime(sk: Sock, optval: Uint8Array): number {
  if (optval.length !== 8) return -EINVAL;
  const dv = new DataView(optval.buffer, optval.byteOffset, 8);
  const clock = dv.getInt32(0, true);
  const flags = dv.getUint32(4, true);
  if ((flags & ~3) !== 0 || (clock !== 0 && clock !== 1 && clock !== NSEC_TAI)) return -EINVAL;
  sock_valbool_flag(sk, SOCK_TXTIME, true);
  sk.sk_clockid = clock;
  sk.sk_txtime_flags = flags;
  return 0;
}

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
    case S.SO_ATTACH_REUSEPORT_CBPF: {
      const insns = parse_sock_fprog(optval);
      return typeof insns === "number" ? insns : reuseport_attach_prog(sk, insns);
    }
    case S.SO_RCVTIMEO:
    case S.SO_SNDTIMEO:
    case S.SO_RCVTIMEO_NEW:
    case S.SO_SNDTIMEO_NEW: {
      const ms = timeo_of(optval);
      if (ms < 0) return ms;
      if (optname === S.SO_RCVTIMEO || optname === S.SO_RCVTIMEO_NEW) sk.sk_rcvtimeo = ms;
      else sk.sk_sndtimeo = ms;
      return 0;
    }
    case S.SO_LINGER:
      return set_linger(sk, optval);
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
  if (not_here.includes(optname)) return -EOPNOTSUPP;
  if (read_only.includes(optname)) return -ENOPROTOOPT;
  return set_int(sock, optname, val, optval);
}

function set_int(sock: Socket, optname: number, val: number, optval: Uint8Array): number {
  const sk = sock.sk;
  const net = sk.net;
  const on = val !== 0;
  switch (optname) {
    case S.SO_REUSEADDR:
      sk.sk_reuse = on ? 1 : 0;
      return 0;
    case S.SO_REUSEPORT:
      sk.sk_reuseport = on;
      return 0;
    case S.SO_BSDCOMPAT:
      return 0;
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
    case S.SO_BUF_LOCK:
      if ((val & ~(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK)) !== 0) return -EINVAL;
      sk.sk_userlocks = (sk.sk_userlocks & ~(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK)) | val;
      return 0;
    case S.SO_RESERVE_MEM:
      // Memory is reserved with a cgroup, and there are none.
      return val < 0 ? -EINVAL : -EOPNOTSUPP;
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
    case S.SO_ZEROCOPY: {
      const udp = sk.sk_type === S.SOCK_DGRAM && sk.sk_protocol === S.IPPROTO_UDP;
      if (!is_tcp(sk) && !udp) return -EOPNOTSUPP;
      if (val < 0 || val > 1) return -EINVAL;
      sock_valbool_flag(sk, SOCK_ZEROCOPY, on);
      return 0;
    }
    case S.SO_MAX_PACING_RATE:
      return set_max_pacing_rate(sk, val, optval);
    case S.SO_TIMESTAMP:
    case S.SO_TIMESTAMPNS:
    case S.SO_TIMESTAMP_NEW:
    case S.SO_TIMESTAMPNS_NEW:
      sock_set_timestamp(sk, optname, on);
      return 0;
    case S.SO_TIMESTAMPING:
    case S.SO_TIMESTAMPING_NEW: {
      // struct so_timestamping when it is exactly that long, else flags alone.
      const dv = new DataView(optval.buffer, optval.byteOffset, optval.byteLength);
      return sock_set_timestamping(sk, optname, val, optval.length === 8 ? dv.getInt32(4, true) : 0);
    }
    case S.SO_TXTIME:
      return set_txtime(sk, optval);
    case S.SO_PEEK_OFF:
      return sock.ops.set_peek_off ? sock.ops.set_peek_off(sk, val) : -EOPNOTSUPP;
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
    case S.SO_BUSY_POLL_BUDGET:
      if (val < 0 || val > 0xffff) return -EINVAL;
      sk.sk_busy_poll_budget = val;
      return 0;
    case S.SO_DETACH_REUSEPORT_BPF:
      return reuseport_detach_prog(sk);
    case S.SO_TXREHASH:
      if (!is_tcp(sk)) return -EOPNOTSUPP;
      if (val < -1 || val > 1) return -EINVAL;
      // -1: what net.core.txrehash says, which is 1.
      sk.sk_txrehash = val === -1 ? 1 : val;
      return 0;
    case S.SO_CNX_ADVISE:
      // What is cached of the way there is looked up anew.
      if (val === 1) sk_dst_reset(sk);
      return 0;
    case S.SO_DEVMEM_DONTNEED:
      // No packet's data lies in a device's memory: there is nothing to give back.
      if (!is_tcp(sk)) return -EBADF;
      return optval.length % 8 !== 0 || optval.length > DEVMEM_TOKENS_MAX ? -EINVAL : 0;
    default:
      return -ENOPROTOOPT;
  }
}

export function sock_getsockopt(sock: Socket, optname: number, optval: Uint8Array): number {
  const sk = sock.sk;
  const flag = flags_of_options.get(optname);
  if (flag !== undefined) return put_int(optval, sock_flag(sk, flag) ? 1 : 0);
  if (not_here.includes(optname)) return -EOPNOTSUPP;
  const val = get_int(sock, optname);
  return val !== null ? put_int(optval, val) : get_struct(sock, optname, optval);
}

/** The value of an option that is an int; null for any other. */
function get_int(sock: Socket, optname: number): number | null {
  const sk = sock.sk;
  switch (optname) {
    case S.SO_SNDBUF:
      return sk.sk_sndbuf;
    case S.SO_RCVBUF:
      return sk.sk_rcvbuf;
    case S.SO_BUF_LOCK:
      return sk.sk_userlocks & (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
    case S.SO_REUSEADDR:
      return sk.sk_reuse;
    case S.SO_REUSEPORT:
      return sk.sk_reuseport ? 1 : 0;
    case S.SO_BSDCOMPAT:
    case S.SO_RESERVE_MEM:
      return 0;
    case S.SO_TYPE:
      return sk.sk_type;
    case S.SO_PROTOCOL:
      return sk.sk_protocol;
    case S.SO_DOMAIN:
      return sk.family;
    case S.SO_ERROR: {
      let err = sk.sk_err;
      sk.sk_err = 0;
      if (err === 0) {
        err = sk.sk_err_soft;
        sk.sk_err_soft = 0;
      }
      return err;
    }
    case S.SO_NO_CHECK:
      return sk.sk_no_check_tx ? 1 : 0;
    case S.SO_PRIORITY:
      return sk.sk_priority;
    case S.SO_RCVLOWAT:
      return sk.sk_rcvlowat;
    case S.SO_SNDLOWAT:
      return 1;
    case S.SO_ACCEPTCONN:
      return sk.sk_state === TCP_LISTEN ? 1 : 0;
    case S.SO_MARK:
      return sk.sk_mark;
    case S.SO_PEEK_OFF:
      return sock.ops.set_peek_off ? sk.sk_peek_off : null;
    case S.SO_TIMESTAMP:
    case S.SO_TIMESTAMPNS:
    case S.SO_TIMESTAMP_NEW:
    case S.SO_TIMESTAMPNS_NEW:
      return sock_get_timestamp(sk, optname) ? 1 : 0;
    case S.SO_BPF_EXTENSIONS:
      return SKF_AD_MAX;
    case S.SO_INCOMING_CPU:
      return sk.sk_incoming_cpu;
    case S.SO_INCOMING_NAPI_ID:
      // Numbers of CPUs are no NAPI: a packet of loopback has none.
      return sk.sk_napi_id > sk.net.kernel.cpus.length ? sk.sk_napi_id : 0;
    case S.SO_BINDTOIFINDEX:
      return sk.sk_bound_dev_if;
    case S.SO_BUSY_POLL:
      return sk.sk_ll_usec;
    case S.SO_TXREHASH:
      return is_tcp(sk) ? sk.sk_txrehash : null;
    default:
      return null;
  }
}

/** What is more than an int, and what there is not. */
function get_struct(sock: Socket, optname: number, optval: Uint8Array): number {
  const sk = sock.sk;
  switch (optname) {
    case S.SO_PEEK_OFF:
    case S.SO_TXREHASH:
      return -EOPNOTSUPP;
    case S.SO_PEERGROUPS:
    case S.SO_PEERPIDFD:
      return -ENODATA;
    case S.SO_PEERCRED:
      // struct ucred: nobody of this machine is known to be there, or root.
      return put_struct(optval, 12, (dv) => {
        dv.setInt32(0, sk.sk_peer_pid, true);
        dv.setInt32(4, sk.sk_peer_pid === 0 ? -1 : 0, true);
        dv.setInt32(8, sk.sk_peer_pid === 0 ? -1 : 0, true);
      });
    case S.SO_PEERNAME: {
      const name = new Uint8Array(128);
      const n = sock.ops.getname(sock, name, 2);
      if (n < 0) return -ENOTCONN;
      if (n < optval.length) return -EINVAL;
      optval.set(name.subarray(0, optval.length));
      return optval.length;
    }
    case S.SO_MAX_PACING_RATE: {
      const rate = sk.sk_max_pacing_rate;
      if (optval.length < 8) return put_int(optval, rate > 0xfffffffe ? -1 : rate);
      return put_struct(optval, 8, (dv) => {
        dv.setBigUint64(0, rate === Number.POSITIVE_INFINITY ? 0xffffffffffffffffn : BigInt(Math.floor(rate)), true);
      });
    }
    case S.SO_LINGER:
      return put_struct(optval, 8, (dv) => {
        dv.setInt32(0, sock_flag(sk, SOCK_LINGER) ? 1 : 0, true);
        dv.setInt32(4, sk.sk_lingertime === Number.POSITIVE_INFINITY ? LINGER_FOREVER : sk.sk_lingertime, true);
      });
    case S.SO_RCVTIMEO:
    case S.SO_RCVTIMEO_NEW:
      return put_timeo(optval, sk.sk_rcvtimeo);
    case S.SO_SNDTIMEO:
    case S.SO_SNDTIMEO_NEW:
      return put_timeo(optval, sk.sk_sndtimeo);
    case S.SO_TIMESTAMPING:
    case S.SO_TIMESTAMPING_NEW:
      // Who asks for the new layout is only told what was set with it.
      return put_struct(optval, 8, (dv) => {
        if (optname === S.SO_TIMESTAMPING_NEW && !sock_flag(sk, SOCK_TSTAMP_NEW)) return;
        dv.setInt32(0, sk.sk_tsflags, true);
      });
    case S.SO_TXTIME:
      return put_struct(optval, 8, (dv) => {
        dv.setInt32(0, sk.sk_clockid, true);
        dv.setUint32(4, sk.sk_txtime_flags, true);
      });
    case S.SO_MEMINFO:
      return put_struct(optval, 36, (dv) => {
        sk_get_meminfo(sk).forEach((v, i) => {
          dv.setUint32(4 * i, v, true);
        });
      });
    case S.SO_COOKIE:
    case S.SO_NETNS_COOKIE: {
      if (optval.length < 8) return -EINVAL;
      const id = optname === S.SO_COOKIE ? sk.sk_cookie : sk.net.id + 1;
      new DataView(optval.buffer, optval.byteOffset, optval.byteLength).setBigUint64(0, BigInt(id), true);
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

/** Time stamp, drop count, mark and priority of the packet just taken, for those who asked. */
export function sock_recv_cmsgs(msg: MsgHdr, sk: Sock, skb: SkBuff): void {
  const flags = sk.sk_flags;
  if ((flags & SK_FLAGS_TIMESTAMP) !== 0 || sk.sk_tsflags !== 0) sock_recv_timestamp(msg, sk, skb, false);
  const u32 = (type: number, v: number): void => {
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, v >>> 0, true);
    put_cmsg(msg, S.SOL_SOCKET, type, data);
  };
  if ((flags & SOCK_RXQ_OVFL) !== 0 && skb.dropcount !== 0) u32(S.SO_RXQ_OVFL, skb.dropcount);
  if ((flags & SOCK_RCVMARK) !== 0) u32(S.SO_MARK, skb.mark);
  if ((flags & SOCK_RCVPRIORITY) !== 0) u32(S.SO_PRIORITY, skb.priority);
}
