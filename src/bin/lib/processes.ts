// Processes as /proc shows them: which there are, and which sockets they have open. Read first: proc(5).
// Way in: processes(), openSockets().

import { S_IFMT, S_IFSOCK } from "../../uapi/fcntl.ts";
import type { Sys } from "../../uapi/sys.ts";

/** Their numbers, ascending. */
export function processes(sys: Sys): number[] {
  const names = sys.readdir("/proc");
  if (typeof names === "number") return [];
  return names
    .filter((n) => /^\d+$/.test(n))
    .map(Number)
    .sort((a, b) => a - b);
}

export interface OpenSocket {
  readonly fd: number;
  readonly ino: number;
}

/** The sockets among the descriptors of a process; none when it is gone. */
export function openSockets(sys: Sys, pid: number): OpenSocket[] {
  const fds = sys.readdir(`/proc/${pid}/fd`);
  const out: OpenSocket[] = [];
  for (const fd of typeof fds === "number" ? [] : fds) {
    const st = sys.stat(`/proc/${pid}/fd/${fd}`);
    if (typeof st !== "number" && (st.st_mode & S_IFMT) === S_IFSOCK) out.push({ fd: Number(fd), ino: st.st_ino });
  }
  return out;
}
