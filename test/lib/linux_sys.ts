// A Sys over the real Linux underneath (libc by koffi): programs of src/bin run against the kernel they imitate, so that
// what they print can be compared with Debian's tools. Needs what the program needs (root, a namespace). Blocks the process.
// With `recording`, keeps every call and its answer for a ScriptedSys.

import fs from "node:fs";
import os from "node:os";
import koffi from "koffi";
import { EBADF, ECHILD, ENOSYS } from "../../src/uapi/errno.ts";
import { SIOCADDRT, SIOCDELRT, SIOCETHTOOL, SIOCGIFCONF } from "../../src/uapi/if.ts";
import type { Blocking, MsgHdr, Program, Sys } from "../../src/uapi/sys.ts";

const ARENA = 1 << 20;
/** Requests whose struct holds a pointer: where it is, and where here the thing pointed to follows. */
const INLINE: Readonly<Record<number, { at: number; to: number }>> = {
  [SIOCETHTOOL]: { at: 16, to: 40 },
  [SIOCGIFCONF]: { at: 8, to: 16 },
  [SIOCADDRT]: { at: 88, to: 120 },
  [SIOCDELRT]: { at: 88, to: 120 },
};

export interface Recorded {
  call: string;
  args: unknown[];
  ret: number;
  /** What the kernel filled in, base64. */
  out?: Record<string, string | number>;
}

export function linuxSys(programs: Record<string, Program> = {}, recording?: Recorded[]): Sys {
  const libc = koffi.load("libc.so.6");
  const syscallFn = libc.func("long syscall(long, long, long, long, long, long, long)");
  const errno = (): number => koffi.errno();
  const call = (nr: number, ...a: (number | bigint)[]): number => {
    const args = [...a, 0, 0, 0, 0, 0, 0].slice(0, 6);
    const r = Number(syscallFn(nr, ...args));
    return r < 0 ? -errno() : r;
  };
  const arena = koffi.alloc("uint8_t", ARENA);
  const base = koffi.address(arena);
  const mem = new Uint8Array(koffi.view(arena, ARENA));
  const dv = new DataView(mem.buffer);
  let at = 0;
  const put = (bytes: Uint8Array, room = bytes.length): bigint => {
    const here = at;
    mem.fill(0, here, here + room);
    mem.set(bytes, here);
    at += (room + 15) & ~15;
    return base + BigInt(here);
  };
  const back = (addr: bigint, into: Uint8Array): void => {
    const from = Number(addr - base);
    into.set(mem.subarray(from, from + into.length));
  };
  const note = (name: string, args: unknown[], ret: number, out?: Record<string, Uint8Array | number>): number => {
    if (recording === undefined) return ret;
    const enc: Record<string, string | number> = {};
    for (const [k, v] of Object.entries(out ?? {}))
      enc[k] = typeof v === "number" ? v : Buffer.from(v).toString("base64");
    recording.push({ call: name, args, ret, ...(out === undefined ? {} : { out: enc }) });
    return ret;
  };
  const hex = (b: Uint8Array | null): string | null => (b === null ? null : Buffer.from(b).toString("hex"));
  const children = new Map<number, number>();

  const msgCall = (nr: number, fd: number, msg: MsgHdr, flags: number, receive: boolean): number => {
    at = 0;
    const name = msg.msg_name === null ? 0n : put(msg.msg_name);
    const control = msg.msg_control === null ? 0n : put(msg.msg_control);
    const iovs = msg.msg_iov.map((b) => put(b));
    const vec = put(new Uint8Array(16 * iovs.length));
    iovs.forEach((a, i) => {
      dv.setBigUint64(Number(vec - base) + i * 16, a, true);
      dv.setBigUint64(Number(vec - base) + i * 16 + 8, BigInt(msg.msg_iov[i].length), true);
    });
    const hdr = put(new Uint8Array(56));
    const h = Number(hdr - base);
    dv.setBigUint64(h, name, true);
    dv.setUint32(h + 8, msg.msg_name === null ? 0 : msg.msg_namelen, true);
    dv.setBigUint64(h + 16, vec, true);
    dv.setBigUint64(h + 24, BigInt(iovs.length), true);
    dv.setBigUint64(h + 32, control, true);
    dv.setBigUint64(h + 40, BigInt(msg.msg_control === null ? 0 : msg.msg_controllen), true);
    const r = call(nr, fd, hdr, flags);
    if (!receive) return r;
    if (r >= 0) {
      if (msg.msg_name !== null) back(name, msg.msg_name);
      if (msg.msg_control !== null) back(control, msg.msg_control);
      msg.msg_iov.forEach((b, i) => void back(iovs[i], b));
      msg.msg_namelen = dv.getUint32(h + 8, true);
      msg.msg_controllen = Number(dv.getBigUint64(h + 40, true));
      msg.msg_flags = dv.getInt32(h + 48, true);
    }
    return r;
  };

  const err = (e: unknown): number => -(os.constants.errno[(e as { code: "ENOENT" }).code] ?? EBADF);
  const guard = <T>(f: () => T): T | number => {
    try {
      return f();
    } catch (e) {
      return err(e);
    }
  };

  const done = (f: () => void): number => {
    try {
      f();
      return 0;
    } catch (e) {
      return err(e);
    }
  };

  const sys: Partial<Sys> = {
    env: { ...process.env } as Record<string, string>,
    getpid: () => process.pid,
    getppid: () => process.ppid,
    lookup_program: (name) => programs[name] ?? null,
    programs: () => Object.keys(programs).sort(),
    spawn(program, argv) {
      const it = program(sys as Sys, argv);
      let r = it.next();
      while (!r.done) r = it.next();
      const pid = 10000 + children.size;
      children.set(pid, r.value);
      return pid;
    },
    *wait4(pid) {
      const status = children.get(pid);
      return status === undefined ? [-ECHILD, 0] : [pid, status << 8];
    },
    kill: (pid, sig) => call(62, pid, sig),
    sigaction(sig, handler) {
      const name = Object.entries(os.constants.signals).find(([, n]) => n === sig)?.[0] as NodeJS.Signals;
      if (typeof handler === "function") process.on(name, () => handler(sig));
      return 0;
    },
    sched_setaffinity: () => 0,
    *sched_yield() {},
    uname: () => ({
      sysname: os.type(),
      nodename: os.hostname(),
      release: os.release(),
      version: os.version(),
      machine: os.machine(),
    }),
    sethostname(name) {
      at = 0;
      return call(170, put(Buffer.from(name)), name.length);
    },
    netns_list: () => [],
    syslog: () => [],
    clock_gettime: (clock) =>
      clock === 0 ? Math.round((performance.timeOrigin + performance.now()) * 1e6) : Number(process.hrtime.bigint()),
    *nanosleep(ns) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ns / 1e6);
      return 0;
    },
    getrandom(buf) {
      crypto.getRandomValues(buf);
      return buf.length;
    },
    open: (path, flags, mode) => guard(() => fs.openSync(path, flags, mode)) as number,
    close: (fd) => call(3, fd),
    *read(fd, buf) {
      at = 0;
      const size = Math.min(buf.length, ARENA >> 1);
      const a = put(new Uint8Array(size));
      const r = call(0, fd, a, size);
      if (r > 0) back(a, buf.subarray(0, r));
      return r;
    },
    *write(fd, buf) {
      at = 0;
      return call(1, fd, put(buf), buf.length);
    },
    lseek: (fd, offset, whence) => call(8, fd, offset, whence),
    dup: (fd) => call(32, fd),
    dup2: (fd, newfd) => call(33, fd, newfd),
    stat(path) {
      return guard(() => {
        const s = fs.statSync(path);
        return { st_mode: s.mode, st_size: s.size, st_ino: s.ino };
      });
    },
    lstat(path) {
      return guard(() => {
        const s = fs.lstatSync(path);
        return { st_mode: s.mode, st_size: s.size, st_ino: s.ino };
      });
    },
    readlink: (path) => guard(() => fs.readlinkSync(path)),
    readdir: (path) => guard(() => fs.readdirSync(path)),
    mkdir: (path, mode) => done(() => fs.mkdirSync(path, mode)),
    unlink: (path) => done(() => fs.unlinkSync(path)),
    getcwd: () => process.cwd(),
    isatty: () => false,
    winsize: () => [80, 24],
    fcntl: (fd, cmd, arg) => call(72, fd, cmd, arg),
    ioctl(fd, request, arg) {
      at = 0;
      const before = hex(arg);
      const a = put(arg);
      // The one-buffer convention of uapi/ethtool.ts: what ifr_data points to follows the ifreq.
      // So do the entries of struct ifconf and the device name of struct rtentry.
      const pointer = INLINE[request];
      const target = Number(a - base) + (pointer?.at ?? 0);
      if (pointer !== undefined && (request !== SIOCETHTOOL ? arg.length > pointer.to : true)) {
        dv.setBigUint64(target, a + BigInt(pointer.to), true);
      }
      const r = call(16, fd, request, a);
      if (pointer !== undefined) dv.setBigUint64(target, 0n, true);
      if (r >= 0) back(a, arg);
      return note("ioctl", [request, before], r, r >= 0 ? { arg } : {});
    },
    socket: (family, type, protocol) => note("socket", [family, type, protocol], call(41, family, type, protocol)),
    bind(fd, addr) {
      at = 0;
      return note("bind", [hex(addr)], call(49, fd, put(addr), addr.length));
    },
    *connect(fd, addr) {
      at = 0;
      return note("connect", [hex(addr)], call(42, fd, put(addr), addr.length));
    },
    listen: (fd, backlog) => call(50, fd, backlog),
    *accept4(fd, addr, flags) {
      at = 0;
      const len = put(Uint8Array.of(addr?.length ?? 0, 0, 0, 0));
      const a = addr === null ? 0n : put(addr);
      const r = call(288, fd, a, addr === null ? 0n : len, flags);
      if (r >= 0 && addr !== null) back(a, addr);
      return r;
    },
    shutdown: (fd, how) => call(48, fd, how),
    getsockname: (fd, addr) => nameCall("getsockname", 51, fd, addr),
    getpeername: (fd, addr) => nameCall("getpeername", 52, fd, addr),
    setsockopt(fd, level, optname, optval) {
      at = 0;
      const bytes = typeof optval === "number" ? new Uint8Array(Int32Array.of(optval).buffer) : optval;
      return note("setsockopt", [level, optname, hex(bytes)], call(54, fd, level, optname, put(bytes), bytes.length));
    },
    getsockopt(fd, level, optname, optval) {
      at = 0;
      const len = put(Uint8Array.of(optval.length & 255, optval.length >> 8, 0, 0));
      const a = put(optval);
      const r = call(55, fd, level, optname, a, len);
      if (r < 0) return r;
      back(a, optval);
      return dv.getUint32(Number(len - base), true);
    },
    *sendto(fd, buf, flags, addr) {
      at = 0;
      const b = put(buf);
      const a = addr === null ? 0n : put(addr);
      return call(44, fd, b, buf.length, flags, a, addr === null ? 0 : addr.length);
    },
    *recvfrom(fd, buf, flags, addr) {
      at = 0;
      const b = put(buf);
      const len = put(Uint8Array.of(addr?.length ?? 0, 0, 0, 0));
      const a = addr === null ? 0n : put(addr);
      const r = call(45, fd, b, buf.length, flags, a, addr === null ? 0n : len);
      if (r >= 0) {
        back(b, buf.subarray(0, Math.min(r, buf.length)));
        if (addr !== null) back(a, addr);
      }
      return r;
    },
    *sendmsg(fd, msg, flags) {
      return msgCall(46, fd, msg, flags, false);
    },
    *recvmsg(fd, msg, flags) {
      return msgCall(47, fd, msg, flags, true);
    },
    *poll(fds, timeout) {
      at = 0;
      const bytes = new Uint8Array(fds.length * 8);
      const view = new DataView(bytes.buffer);
      fds.forEach((f, i) => {
        view.setInt32(i * 8, f.fd, true);
        view.setInt16(i * 8 + 4, f.events, true);
      });
      const a = put(bytes);
      const r = call(7, a, fds.length, timeout);
      fds.forEach((f, i) => {
        f.revents = dv.getInt16(Number(a - base) + i * 8 + 6, true);
      });
      return r;
    },
  };
  const nameCall = (name: string, nr: number, fd: number, addr: Uint8Array): number => {
    at = 0;
    const len = put(Uint8Array.of(addr.length, 0, 0, 0));
    const a = put(addr);
    const r = call(nr, fd, a, len);
    if (r < 0) return note(name, [], r);
    back(a, addr);
    note(name, [], r, { addr });
    return dv.getUint32(Number(len - base), true);
  };
  return new Proxy(sys, {
    get: (target, key) => Reflect.get(target, key) ?? (() => -ENOSYS),
  }) as Sys;
}

/** Runs a program to its end. */
export function runToEnd(sys: Sys, program: Program, argv: string[]): number {
  const it: Blocking<number> = program(sys, argv);
  let r = it.next();
  while (!r.done) r = it.next();
  return r.value;
}
