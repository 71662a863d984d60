// `--trace=SET` of lab and walk: each system call of the programs on stderr, as strace -f prints it. Way in: syscallTrace().

import { parse_trace } from "../bin/strace/classes.ts";
import { traced_children } from "../bin/strace/table.ts";
import { Tracer } from "../bin/strace/tracer.ts";
import type { Program } from "../uapi/sys.ts";

/** What wraps a command's programs, or what is wrong with the set. "syscalls" is all of them. */
export function syscallTrace(set: string): ((program: Program) => Program) | string {
  const filter = parse_trace(set === "syscalls" ? "all" : set);
  if (typeof filter === "string") {
    return `--trace ${set}: ${filter} (syscalls, names as sendto,recvfrom, or a class: network, desc, file, process, signal)`;
  }
  const tracer = new Tracer({ filter, follow: true, quiet: 1, out: (text) => process.stderr.write(text) });
  // The shell that runs the command line is ours, not the user's.
  return (shell) => traced_children(shell, tracer);
}
