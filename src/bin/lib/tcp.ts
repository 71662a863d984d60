// A TCP connection for clients: the addresses of a name one after another, with a limit in time.
// Read first: connect(2). Way in: `yield* dial(sys, addrs, port, timeout_ms)`.

import { EINPROGRESS, EINTR, ETIMEDOUT } from "../../uapi/errno.ts";
import { F_GETFL, F_SETFL, O_NONBLOCK, POLLOUT } from "../../uapi/fcntl.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { sockaddrIn, view } from "./inet.ts";

/** One address: a connected, blocking socket, or -errno. `timeout` in ms, -1 for the kernel's own. */
export function* dial(sys: Sys, addr: number, port: number, timeout = -1): Blocking<number> {
  const fd = sys.socket(S.AF_INET, S.SOCK_STREAM | S.SOCK_CLOEXEC | S.SOCK_NONBLOCK, 0);
  if (fd < 0) return fd;
  let err = yield* sys.connect(fd, sockaddrIn(addr, port));
  if (err === -EINPROGRESS) {
    let ready = -EINTR;
    while (ready === -EINTR) ready = yield* sys.poll([{ fd, events: POLLOUT, revents: 0 }], timeout);
    const value = new Uint8Array(4);
    sys.getsockopt(fd, S.SOL_SOCKET, S.SO_ERROR, value);
    err = ready === 0 ? -ETIMEDOUT : -view(value).getInt32(0, true);
  }
  if (err < 0) {
    sys.close(fd);
    return err;
  }
  sys.fcntl(fd, F_SETFL, sys.fcntl(fd, F_GETFL, 0) & ~O_NONBLOCK);
  return fd;
}
