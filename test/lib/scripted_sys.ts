// A Sys of files and recorded ioctls, for programs that only read and ask: what they print can be pinned without a machine.

import { EAGAIN, EBADF, ENOENT, ENOTTY } from "../../src/uapi/errno.ts";
import type { Program, Sys } from "../../src/uapi/sys.ts";

/** One recorded call (test/lib/linux_sys.ts): the buffer before, the answer, and the buffer after. */
export interface RecordedIoctl {
  args: [request: number, before: string];
  ret: number;
  out?: { arg?: string };
}

export interface Script {
  files?: Readonly<Record<string, string>>;
  ioctls?: readonly RecordedIoctl[];
}

export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
  /** Ioctls that the recording does not have. */
  unexpected: string[];
}

/** Runs a program to its end. It must not wait: nothing ever arrives. */
export function runScripted(program: Program, argv: string[], script: Script): Ran {
  const out: Buffer[][] = [[], [], []];
  const files = new Map<number, { bytes: Buffer; at: number }>();
  const ioctls = [...(script.ioctls ?? [])];
  const unexpected: string[] = [];
  let nextFd = 3;
  let clock = 1.7e18;
  const sys: Partial<Sys> = {
    env: {},
    getpid: () => 4242,
    isatty: () => false,
    winsize: () => [80, 24],
    clock_gettime: () => (clock += 1000),
    uname: () => ({ sysname: "Linux", nodename: "pc1", release: "6.18.0", version: "#1", machine: "x86_64" }),
    socket: () => nextFd++,
    setsockopt: () => 0,
    close(fd) {
      files.delete(fd);
      return 0;
    },
    readdir: () => -ENOENT,
    stat: (path) => (path in (script.files ?? {}) ? { st_mode: 0o100644, st_size: 0, st_ino: 1 } : -ENOENT),
    open(path) {
      const text = script.files?.[path];
      if (text === undefined) return -ENOENT;
      files.set(nextFd, { bytes: Buffer.from(text), at: 0 });
      return nextFd++;
    },
    *read(fd, buf) {
      const f = files.get(fd);
      if (f === undefined) return fd === 0 ? 0 : -EBADF;
      const n = f.bytes.copy(buf, 0, f.at, f.at + buf.length);
      f.at += n;
      return n;
    },
    *write(fd, buf) {
      out[fd].push(Buffer.from(buf));
      return buf.length;
    },
    *recvmsg() {
      return -EAGAIN;
    },
    ioctl(_fd, request, arg) {
      const before = Buffer.from(arg).toString("hex");
      const at = ioctls.findIndex((r) => r.args[0] === request && r.args[1] === before);
      if (at < 0) {
        unexpected.push(`${request.toString(16)} ${before}`);
        return -ENOTTY;
      }
      const [r] = ioctls.splice(at, 1);
      if (r.out?.arg !== undefined) arg.set(Buffer.from(r.out.arg, "base64"));
      return r.ret;
    },
    *ioctl_wait(fd, request, arg) {
      return this.ioctl!(fd, request, arg);
    },
  };
  const it = program(sys as Sys, argv);
  let r = it.next();
  for (let n = 0; !r.done && n < 1000; n++) r = it.next();
  const text = (fd: number): string => Buffer.concat(out[fd]).toString();
  return { status: r.done ? r.value : -1, stdout: text(1), stderr: text(2), unexpected };
}
