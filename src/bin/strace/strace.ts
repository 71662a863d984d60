// strace(1) of 6.1: runs a program and prints each of its system calls. Read first: strace(1). Way in: `strace`.
// DIFF: no ptrace(2), so no -p: a program is traced from its start, by the table of system calls that it is given.

import { strerror } from "../../uapi/errno.ts";
import { O_CREAT, O_TRUNC, O_WRONLY } from "../../uapi/fcntl.ts";
import type { Blocking, Program } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { print, printError } from "../lib/io.ts";
import { parse_trace } from "./classes.ts";
import { sig_of } from "./names.ts";
import { TRACE_FD, traced_program } from "./table.ts";
import { Tracer, type TracerOptions } from "./tracer.ts";

const USAGE = `Usage: strace [-fhqrttTVzZ] [-e EXPR]... [-a COLUMN] [-o FILE] [-s STRSIZE]
              [-E VAR=VAL]... PROG [ARGS]

Startup:
  -E VAR=VAL, --env=VAR=VAL
                 put VAR=VAL in the environment for command
  -E VAR, --env=VAR
                 remove VAR from the environment for command

Tracing:
  -f, --follow-forks
                 follow forks

Filtering:
  -e trace=[!][?]{{SYSCALL|GROUP|all|/REGEX}|none},
   --trace=[!][?]{{SYSCALL|GROUP|all|/REGEX}|none}
                 trace only specified syscalls.
     groups:     %clock, %creds, %desc, %file, %fstat, %ipc, %memory, %net,
                 %process, %pure, %signal, %stat
  -z, --successful-only
                 print only syscalls that returned without an error code
  -Z, --failed-only
                 print only syscalls that returned with an error code

Output format:
  -a COLUMN, --columns=COLUMN
                 alignment COLUMN for printing syscall results (default 40)
  -o FILE, --output=FILE
                 send trace output to FILE instead of stderr
  -q, --quiet    suppress messages about attaching and detaching; twice: about exit, too
  -r             print relative timestamp
  -s STRSIZE, --string-limit=STRSIZE
                 limit length of print strings to STRSIZE chars (default 32)
  -t             print absolute timestamp; -tt with microseconds, -ttt since the epoch
  -T             print time spent in each syscall

Miscellaneous:
  -h, --help     print help message
  -V, --version  print version
`;

const CLOCKS = [undefined, "time", "time_us", "epoch_us"] as const;

export const strace: Program = function* (sys, argv) {
  const o = getopt(argv, "+a:E:e:fho:qrs:tTVzZ", [
    ..."columns:=a env:=E follow-forks=f help=h output:=o quiet=q string-limit:=s trace:".split(" "),
    ..."successful-only=z failed-only=Z version=V".split(" "),
  ]);
  const fail = function* (text: string, hint = false): Blocking<number> {
    yield* printError(sys, `strace: ${text}\n${hint ? "Try 'strace -h' for more information.\n" : ""}`);
    return 1;
  };
  if (o.error !== undefined) {
    yield* printError(sys, `${o.error}\n`);
    return yield* fail("bad option", true);
  }
  if (o.has("h")) {
    yield* print(sys, USAGE);
    return 0;
  }
  if (o.has("V")) {
    yield* print(sys, "strace -- version 6.1\n");
    return 0;
  }
  const env = { ...sys.env };
  let filter: TracerOptions["filter"] = () => true;
  for (const { name, value } of o.list) {
    if (name === "E") {
      const eq = value!.indexOf("=");
      if (eq < 0) delete env[value!];
      else env[value!.slice(0, eq)] = value!.slice(eq + 1);
    }
    if (name !== "e" && name !== "trace") continue;
    const expr = name === "trace" ? `trace=${value}` : value!;
    const m =
      /^(trace|t|abbrev|verbose|raw|signal|signals|read|write|fault|inject|status|quiet|kvm|decode-fds)=(.*)$/s.exec(
        expr,
      );
    if (m !== null && m[1] !== "trace" && m[1] !== "t")
      return yield* fail(`-e ${m[1]}= is not supported here: only -e trace=`);
    const f = parse_trace(m !== null ? m[2]! : expr);
    if (typeof f === "string") return yield* fail(f);
    filter = f;
  }
  for (const [flag, min] of [
    ["s", 0],
    ["a", 0],
  ] as const) {
    const v = o.get(flag);
    if (v !== undefined && (!/^\d+$/.test(v) || Number(v) < min || Number(v) > 0x7fffffff)) {
      return yield* fail(`invalid -${flag} argument: '${v}'`, true);
    }
  }
  const words = o.operands;
  if (words.length === 0) return yield* fail("must have PROG [ARGS] or -p PID", true);
  const program = sys.lookup_program(words[0]!.replace(/^\/(usr\/)?s?bin\//, ""));
  if (program === null) return yield* fail(`Can't stat '${words[0]}': ${strerror(2)}`);

  let out = 2;
  const file = o.get("o");
  if (file !== undefined) {
    out = sys.open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o666);
    if (out < 0) return yield* fail(`Can't fopen '${file}': ${strerror(out)}`);
  }
  const ts = Math.min(3, o.count("t"));
  const tracer = new Tracer({
    filter,
    fd: TRACE_FD,
    follow: o.has("f"),
    strsize: Number(o.get("s") ?? 32),
    columns: Number(o.get("a") ?? 40),
    ...(ts > 0 ? { clock: CLOCKS[ts]! } : o.has("r") && { clock: "relative" as const }),
    spent: o.has("T"),
    quiet: o.count("q"),
    to_file: file !== undefined,
    ...(o.has("z") ? { status: "successful" as const } : o.has("Z") && { status: "failed" as const }),
  });
  const fds = [0, 1, 2];
  while (fds.length < TRACE_FD) fds.push(-1);
  fds.push(out);
  // Ctrl-C ends the program; strace outlives it, to say so.
  sys.sigaction(2, () => {});
  const child = sys.spawn(traced_program(program, tracer), words, { fds, env });
  if (child < 0) return yield* fail(`exec: ${strerror(child)}`);
  for (;;) {
    const [got, status] = yield* sys.wait4(child, 0);
    if (got === -4) continue;
    yield* tracer.flush(sys, out);
    if (out !== 2) sys.close(out);
    if (got < 0) return 1;
    const sig = status & 0x7f;
    if (sig === 0) return (status >> 8) & 255;
    // As the program ended, so does strace, where its parent looks at the status.
    sys.sigaction(sig, "SIG_DFL");
    if (sig !== 0 && sig_of(sig) !== "SIG0") sys.kill(sys.getpid(), sig);
    return 128 + sig;
  }
};
