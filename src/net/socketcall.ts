// socketcall(2): all calls of sockets behind one number, as 32-bit x86 enters them. Mirrors sys_socketcall of net/socket.c.
// Read first: socketcall(2). Way in: sys_socketcall(table, call, args), from TaskSys.socketcall().

import { EFAULT, EINVAL, EOPNOTSUPP } from "../uapi/errno.ts";
import {
  SYS_ACCEPT,
  SYS_ACCEPT4,
  SYS_BIND,
  SYS_CONNECT,
  SYS_GETPEERNAME,
  SYS_GETSOCKNAME,
  SYS_GETSOCKOPT,
  SYS_LISTEN,
  SYS_RECV,
  SYS_RECVFROM,
  SYS_RECVMMSG,
  SYS_RECVMSG,
  SYS_SEND,
  SYS_SENDMMSG,
  SYS_SENDMSG,
  SYS_SENDTO,
  SYS_SETSOCKOPT,
  SYS_SHUTDOWN,
  SYS_SOCKET,
  SYS_SOCKETPAIR,
} from "../uapi/socket.ts";
import type { Blocking, MsgHdr, SocketcallArg, Sys } from "../uapi/sys.ts";

/** Words that each call takes from the array (the kernel's nargs[]); 0 is not a call. */
const nargs: readonly number[] = [0, 3, 3, 3, 2, 3, 3, 3, 4, 4, 4, 6, 6, 2, 5, 5, 3, 3, 4, 5, 4];

export type SocketCalls = Pick<
  Sys,
  | "socket"
  | "bind"
  | "connect"
  | "listen"
  | "accept4"
  | "getsockname"
  | "getpeername"
  | "sendto"
  | "recvfrom"
  | "shutdown"
  | "setsockopt"
  | "getsockopt"
  | "sendmsg"
  | "recvmsg"
>;

const num = (a: SocketcallArg | undefined): number => (typeof a === "number" ? a | 0 : 0);
/** A pointer: null is NULL, and a number is one to nowhere. */
const mem = (a: SocketcallArg | undefined): Uint8Array | null | number =>
  a instanceof Uint8Array ? a : a === null || a === 0 || a === undefined ? null : -EFAULT;
const hdr = (a: SocketcallArg | undefined): MsgHdr | null =>
  typeof a === "object" && a !== null && "msg_iov" in a ? a : null;

/**
 * The direct call that `call` (SYS_SOCKET …) names, with its arguments out of the array. -EINVAL for a number that is none,
 * -EFAULT when the array, or what it points at, is not there. Lengths come after their buffer, as in C: a shorter one cuts it.
 */
export function* sys_socketcall(
  sys: SocketCalls,
  call: number,
  args: readonly SocketcallArg[] | null,
): Blocking<number> {
  if (call < SYS_SOCKET || call > SYS_SENDMMSG) return -EINVAL;
  if (args === null || args.length < nargs[call]!) return -EFAULT;
  const fd = num(args[0]);
  /** The buffer at `i` of the length at `i + 1`; `null` where NULL may stand. */
  const buf = (i: number): Uint8Array | null | number => {
    const b = mem(args[i]);
    if (b === null || typeof b === "number") return b;
    const len = num(args[i + 1]);
    return len < 0 ? -EINVAL : len > b.length ? -EFAULT : b.subarray(0, len);
  };
  switch (call) {
    case SYS_SOCKET:
      return sys.socket(fd, num(args[1]), num(args[2]));
    case SYS_BIND:
    case SYS_CONNECT: {
      const addr = buf(1);
      if (addr === null) return -EFAULT;
      if (typeof addr === "number") return addr;
      return call === SYS_BIND ? sys.bind(fd, addr) : yield* sys.connect(fd, addr);
    }
    case SYS_LISTEN:
      return sys.listen(fd, num(args[1]));
    case SYS_ACCEPT:
    case SYS_ACCEPT4: {
      const addr = mem(args[1]);
      if (typeof addr === "number") return addr;
      return yield* sys.accept4(fd, addr, call === SYS_ACCEPT4 ? num(args[3]) : 0);
    }
    case SYS_GETSOCKNAME:
    case SYS_GETPEERNAME: {
      const addr = mem(args[1]);
      if (addr === null) return -EFAULT;
      if (typeof addr === "number") return addr;
      return Math.min(0, call === SYS_GETSOCKNAME ? sys.getsockname(fd, addr) : sys.getpeername(fd, addr));
    }
    // The families here have no pairs.
    case SYS_SOCKETPAIR:
      return -EOPNOTSUPP;
    case SYS_SEND:
    case SYS_SENDTO: {
      const data = buf(1);
      if (data === null || typeof data === "number") return data ?? -EFAULT;
      const addr = call === SYS_SENDTO ? buf(4) : null;
      if (typeof addr === "number") return addr;
      return yield* sys.sendto(fd, data, num(args[3]), addr);
    }
    case SYS_RECV:
    case SYS_RECVFROM: {
      const data = buf(1);
      if (data === null || typeof data === "number") return data ?? -EFAULT;
      const addr = call === SYS_RECVFROM ? mem(args[4]) : null;
      if (typeof addr === "number") return addr;
      return yield* sys.recvfrom(fd, data, num(args[3]), addr);
    }
    case SYS_SHUTDOWN:
      return sys.shutdown(fd, num(args[1]));
    case SYS_SETSOCKOPT: {
      const v = buf(3);
      if (v === null || typeof v === "number") return v ?? -EFAULT;
      return sys.setsockopt(fd, num(args[1]), num(args[2]), v);
    }
    case SYS_GETSOCKOPT: {
      const v = mem(args[3]);
      if (v === null || typeof v === "number") return v ?? -EFAULT;
      return Math.min(0, sys.getsockopt(fd, num(args[1]), num(args[2]), v));
    }
    case SYS_SENDMSG:
    case SYS_RECVMSG: {
      const m = hdr(args[1]);
      if (m === null) return -EFAULT;
      return call === SYS_SENDMSG ? yield* sys.sendmsg(fd, m, num(args[2])) : yield* sys.recvmsg(fd, m, num(args[2]));
    }
    case SYS_SENDMMSG:
    case SYS_RECVMMSG:
      return yield* mmsg(sys, call === SYS_SENDMMSG, fd, args[1], num(args[2]), num(args[3]));
    default:
      return -EINVAL;
  }
}

const MSG_DONTWAIT = 0x40;
const MSG_WAITFORONE = 0x10000;

/** What sendmmsg takes at the most; recvmmsg has no limit. */
const UIO_MAXIOV = 1024;

/** sendmmsg and recvmmsg where each message may have to wait: how many went well; the error only when that is none. */
function* mmsg(
  sys: SocketCalls,
  send: boolean,
  fd: number,
  vec: SocketcallArg | undefined,
  vlen: number,
  flags: number,
): Blocking<number> {
  if (!Array.isArray(vec)) return -EFAULT;
  let done = 0;
  let how = flags & ~MSG_WAITFORONE;
  for (const m of vec.slice(0, Math.min(vlen >>> 0, send ? UIO_MAXIOV : vec.length))) {
    const n = send ? yield* sys.sendmsg(fd, m.msg_hdr, how) : yield* sys.recvmsg(fd, m.msg_hdr, how);
    if (n < 0) return done > 0 ? done : n;
    m.msg_len = n;
    done++;
    if (!send && (flags & MSG_WAITFORONE) !== 0) how |= MSG_DONTWAIT;
  }
  return done;
}
