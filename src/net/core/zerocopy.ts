// MSG_ZEROCOPY: numbers of sends, and the notifications that their buffers may be used again. Mirrors msg_zerocopy_*() of
// net/core/skbuff.c. Read first: Documentation/networking/msg_zerocopy.rst of Linux. Way in: msg_zerocopy_realloc() for a send;
// skb_zcopy_set() for each packet that has data of it; net_zcopy_put() when one of those goes.
// DIFF: a program's memory is never lent to the network here: the data is copied, which each notification says
// (SO_EE_CODE_ZEROCOPY_COPIED, as Linux does on loopback, veth and TUN). It still comes when Linux's would: when the data is acknowledged.

import { SO_EE_CODE_ZEROCOPY_COPIED, SO_EE_ORIGIN_ZEROCOPY, SOCK_STREAM } from "../../uapi/socket.ts";
import type {} from "./errqueue.ts";
import { alloc_skb, type SkBuff } from "./skbuff.ts";
import { SOCK_DEAD, type Sock, sock_flag, sock_queue_err_skb } from "./sock.ts";

/** struct ubuf_info_msgzc: sends that share one notification, and who still has data of them. */
export class UbufInfo {
  readonly sk: Sock;
  /** Numbers id to id + len - 1. */
  readonly id: number;
  len = 1;
  bytelen: number;
  refcnt = 1;
  constructor(sk: Sock, id: number, size: number) {
    this.sk = sk;
    this.id = id;
    this.bytelen = size;
  }
}

/** A few TSO packets: more than that is told apart. */
const BYTE_LIMIT = 1 << 19;
const USHRT_MAX = 0xffff;

/** The numbers of a send of `size` bytes, with a reference for the caller; `tail`: those of the packet it is appended to. */
export function msg_zerocopy_realloc(sk: Sock, size: number, tail: UbufInfo | null): UbufInfo {
  const next = sk.sk_zckey;
  sk.sk_zckey = (next + 1) >>> 0;
  if (
    tail !== null &&
    sk.sk_type === SOCK_STREAM &&
    tail.len < USHRT_MAX - 1 &&
    tail.bytelen + size <= BYTE_LIMIT &&
    (tail.id + tail.len) >>> 0 === next
  ) {
    tail.len++;
    tail.bytelen += size;
    tail.refcnt++;
    return tail;
  }
  return new UbufInfo(sk, next, size);
}

/** The send failed: its number goes to the next one. */
export function net_zcopy_put_abort(uarg: UbufInfo): void {
  uarg.sk.sk_zckey = (uarg.sk.sk_zckey - 1) >>> 0;
  uarg.len--;
  net_zcopy_put(uarg);
}

export function skb_zcopy_set(skb: SkBuff, uarg: UbufInfo | null): void {
  if (uarg === null || skb.uarg === uarg) return;
  uarg.refcnt++;
  skb.uarg = uarg;
}

export function skb_zcopy_clear(skb: SkBuff): void {
  const uarg = skb.uarg;
  if (uarg === null) return;
  skb.uarg = null;
  net_zcopy_put(uarg);
}

export function net_zcopy_put(uarg: UbufInfo): void {
  if (--uarg.refcnt === 0) msg_zerocopy_complete(uarg);
}

/** The error queue tells. Numbers that follow each other share one notification. */
function msg_zerocopy_complete(uarg: UbufInfo): void {
  const { sk, id, len } = uarg;
  if (len === 0 || sock_flag(sk, SOCK_DEAD)) return;
  const hi = (id + len - 1) >>> 0;
  const last = sk.sk_error_queue.prev?.exterr;
  if (last !== undefined && last.ee_origin === SO_EE_ORIGIN_ZEROCOPY && (last.ee_data! + 1) >>> 0 === id) {
    last.ee_data = hi;
    sk.sk_error_report(sk);
    return;
  }
  const skb = alloc_skb(sk.net.kernel, 0);
  if (skb === null) return;
  skb.exterr = {
    ee_errno: 0,
    ee_origin: SO_EE_ORIGIN_ZEROCOPY,
    ee_type: 0,
    ee_code: SO_EE_CODE_ZEROCOPY_COPIED,
    ee_info: id,
    ee_data: hi,
    rfc4884: 0,
    addr: 0,
    port: 0,
    offender: 0,
  };
  sock_queue_err_skb(sk, skb);
}
