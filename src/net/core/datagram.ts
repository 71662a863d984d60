// Between a program's buffers and packets: copying in and out, taking datagrams from a queue.
// Mirrors net/core/datagram.c and lib/iov_iter.c. Way in: skb_copy_datagram_msg(), memcpy_from_msg(), __skb_recv_datagram().

import type { File } from "../../kernel/fs/file.ts";
import { EAGAIN, EFAULT } from "../../uapi/errno.ts";
import { O_NONBLOCK } from "../../uapi/fcntl.ts";
import { MSG_CTRUNC, MSG_DONTWAIT, MSG_PEEK, RCV_SHUTDOWN } from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { __skb_unlink, copy_bytes, type SkBuff, skb_copy_bits, skb_get } from "./skbuff.ts";
import { type Sock, sock_error } from "./sock.ts";

/** Total bytes of the program's buffers. */
export function iov_length(iov: readonly Uint8Array[]): number {
  if (iov.length === 1) return iov[0]!.length;
  let n = 0;
  for (let i = 0; i < iov.length; i++) n += iov[i]!.length;
  return n;
}

/** Copies `len` bytes from byte `from` of the message into `dst`. The message holds that much. */
export function memcpy_from_msg(dst: Uint8Array, dst_off: number, msg: MsgHdr, from: number, len: number): void {
  const iov = msg.msg_iov;
  const first = iov[0]!;
  if (iov.length === 1) {
    copy_bytes(dst, dst_off, first, from, len);
    return;
  }
  for (let i = 0; i < iov.length && len > 0; i++) {
    const buf = iov[i]!;
    if (from >= buf.length) {
      from -= buf.length;
      continue;
    }
    const n = Math.min(len, buf.length - from);
    copy_bytes(dst, dst_off, buf, from, n);
    dst_off += n;
    len -= n;
    from = 0;
  }
}

/** Copies bytes into the program's buffers from byte `at` on; returns how many fitted. */
export function memcpy_to_msg(msg: MsgHdr, at: number, src: Uint8Array, src_off: number, len: number): number {
  const iov = msg.msg_iov;
  let done = 0;
  for (let i = 0; i < iov.length && done < len; i++) {
    const buf = iov[i]!;
    if (at >= buf.length) {
      at -= buf.length;
      continue;
    }
    const n = Math.min(len - done, buf.length - at);
    copy_bytes(buf, at, src, src_off + done, n);
    done += n;
    at = 0;
  }
  return done;
}

/** Copies `len` bytes from `offset` of the packet into the program's buffers. Returns 0 or -EFAULT. */
export function skb_copy_datagram_msg(skb: SkBuff, offset: number, msg: MsgHdr, len: number): number {
  const iov = msg.msg_iov;
  if (iov.length === 1 && len <= iov[0]!.length) return skb_copy_bits(skb, offset, iov[0]!, 0, len);
  for (let i = 0; i < iov.length && len > 0; i++) {
    const buf = iov[i]!;
    const n = Math.min(len, buf.length);
    const err = skb_copy_bits(skb, offset, buf, 0, n);
    if (err < 0) return err;
    offset += n;
    len -= n;
  }
  return len === 0 ? 0 : -EFAULT;
}

/** Who does not wait is told to try again, even of a socket that will never have anything. */
export const sock_nonblock = (sk: Sock, flags: number): boolean =>
  (flags & MSG_DONTWAIT) !== 0 || (((sk.sk_socket?.file as File | null)?.f_flags ?? 0) & O_NONBLOCK) !== 0;

/** The packet that MSG_PEEK reads at byte `off` of the queue; in err[0] the byte within it. Each has `header` bytes in front. */
function skb_peek_offset(first: SkBuff | null, off: number, header: number, err: Int32Array): SkBuff | null {
  let skb = first;
  for (; skb !== null; skb = skb.next) {
    const len = skb.len - (skb.transport_header - skb.data) - header;
    // An empty datagram counts once.
    if (off < len || (len === 0 && off === 0 && !skb.peeked)) break;
    off -= len;
  }
  err[0] = off;
  return skb;
}

/**
 * The next packet of the receive queue, or null with `err[0]` = 0 (shut down), the pending error, or -EAGAIN.
 * MSG_PEEK leaves it there and takes a reference. With SO_PEEK_OFF err[0] is the byte of it to begin at.
 */
export function __skb_recv_datagram(sk: Sock, flags: number, err: Int32Array, header = 0): SkBuff | null {
  const e = sock_error(sk);
  if (e !== 0) {
    err[0] = e;
    return null;
  }
  let skb = sk.sk_receive_queue.next;
  if (skb !== null && (flags & MSG_PEEK) !== 0 && sk.sk_peek_off >= 0) {
    skb = skb_peek_offset(skb, sk.sk_peek_off, header, err);
  } else err[0] = 0;
  if (skb !== null) {
    if ((flags & MSG_PEEK) !== 0) {
      skb.peeked = true;
      return skb_get(skb);
    }
    __skb_unlink(skb, sk.sk_receive_queue);
    return skb;
  }
  err[0] = (sk.sk_shutdown & RCV_SHUTDOWN) !== 0 && !sock_nonblock(sk, flags) ? 0 : -EAGAIN;
  return null;
}
export const skb_recv_datagram = __skb_recv_datagram;

/** Appends one control message (struct cmsghdr, 64-bit layout); sets MSG_CTRUNC when it does not fit. */
export function put_cmsg(msg: MsgHdr, level: number, type: number, data: Uint8Array): void {
  const ctl = msg.msg_control;
  const at = msg.msg_controllen;
  const len = 16 + data.length;
  if (ctl === null || at + 16 > ctl.length) {
    msg.msg_flags |= MSG_CTRUNC;
    return;
  }
  const room = ctl.length - at;
  const n = Math.min(len, room);
  if (n < len) msg.msg_flags |= MSG_CTRUNC;
  const dv = new DataView(ctl.buffer, ctl.byteOffset + at, room);
  dv.setUint32(0, n, true);
  dv.setUint32(4, 0, true);
  dv.setInt32(8, level, true);
  dv.setInt32(12, type, true);
  ctl.set(data.subarray(0, n - 16), at + 16);
  msg.msg_controllen = Math.min(ctl.length, at + ((len + 7) & ~7));
}

/** The control messages a program gave, as [level, type, data]; stops at the first that is not well formed. */
export function* for_each_cmsg(msg: MsgHdr): Generator<[number, number, Uint8Array], void> {
  const ctl = msg.msg_control;
  if (ctl === null) return;
  const end = Math.min(ctl.length, msg.msg_controllen);
  const dv = new DataView(ctl.buffer, ctl.byteOffset, end);
  let at = 0;
  while (at + 16 <= end) {
    const len = dv.getUint32(at, true);
    if (len < 16 || at + len > end) return;
    yield [dv.getInt32(at + 8, true), dv.getInt32(at + 12, true), ctl.subarray(at + 16, at + len)];
    at += (len + 7) & ~7;
  }
}
