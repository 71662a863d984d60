// Waiting for a child. Read first: wait(2). Way in: `yield* waitFor(sys, pid)`, `exitStatus(status)`.

import { EINTR } from "../../uapi/errno.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";

/** Of a waitpid(2) status: the exit code, or 128 + the signal. */
export function exitStatus(wait: number): number {
  return (wait & 0x7f) === 0 ? (wait >> 8) & 0xff : 128 + (wait & 0x7f);
}

/** Waits for one child, whatever signals come meanwhile: its exit status; 127 when there is no such child. */
export function* waitFor(sys: Sys, pid: number): Blocking<number> {
  for (;;) {
    const [got, status] = yield* sys.wait4(pid, 0);
    if (got === pid) return exitStatus(status);
    if (got !== -EINTR) return 127;
  }
}
