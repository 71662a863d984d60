// The calls of libc that Node has not, by koffi. Way in: loadLibc().

import { createRequire } from "node:module";

export interface Libc {
  open(path: string, flags: number): number;
  close(fd: number): number;
  ioctl(fd: number, request: number, arg: Uint8Array): number;
  /** The same for those that take a number. */
  ioctl_num(fd: number, request: number, arg: number): number;
  read(fd: number, buf: Uint8Array, len: number): number;
  write(fd: number, buf: Uint8Array, len: number): number;
  eventfd(initval: number, flags: number): number;
  poll: { async(fds: Uint8Array, n: number, timeout: number, cb: (err: Error | null, n: number) => void): void };
  errno(): number;
}

/** Null when koffi is not installed. */
export function loadLibc(): Libc | null {
  const require = createRequire(import.meta.url);
  let koffi: typeof import("koffi");
  try {
    koffi = require("koffi") as typeof import("koffi");
  } catch {
    return null;
  }
  const lib = koffi.load(null as unknown as string);
  return {
    open: lib.func("int open(const char *path, int flags)") as unknown as Libc["open"],
    close: lib.func("int close(int fd)") as unknown as Libc["close"],
    ioctl: lib.func("int ioctl(int fd, ulong request, void *arg)") as unknown as Libc["ioctl"],
    ioctl_num: lib.func("int ioctl(int fd, ulong request, ulong arg)") as unknown as Libc["ioctl_num"],
    read: lib.func("long read(int fd, void *buf, size_t len)") as unknown as Libc["read"],
    write: lib.func("long write(int fd, const void *buf, size_t len)") as unknown as Libc["write"],
    eventfd: lib.func("int eventfd(uint initval, int flags)") as unknown as Libc["eventfd"],
    poll: lib.func("int poll(void *fds, ulong n, int timeout)") as unknown as Libc["poll"],
    errno: () => koffi.errno(),
  };
}
