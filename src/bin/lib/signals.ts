// Signal names as kill(1) and trap know them.

import { SIGTERM } from "../../uapi/fcntl.ts";

const NAMES: readonly string[] = [
  "EXIT",
  "HUP",
  "INT",
  "QUIT",
  "ILL",
  "TRAP",
  "ABRT",
  "BUS",
  "FPE",
  "KILL",
  "USR1",
  "SEGV",
  "USR2",
  "PIPE",
  "ALRM",
  "TERM",
  "STKFLT",
  "CHLD",
  "CONT",
  "STOP",
  "TSTP",
  "TTIN",
  "TTOU",
  "URG",
  "XCPU",
  "XFSZ",
  "VTALRM",
  "PROF",
  "WINCH",
  "IO",
  "PWR",
  "SYS",
];
const TEXTS: Readonly<Record<number, string>> = {
  1: "Hangup",
  2: "Interrupt",
  3: "Quit",
  6: "Aborted",
  9: "Killed",
  10: "User defined signal 1",
  11: "Segmentation fault",
  12: "User defined signal 2",
  13: "Broken pipe",
  14: "Alarm clock",
  15: "Terminated",
  19: "Stopped (signal)",
  20: "Stopped",
  21: "Stopped (tty input)",
  22: "Stopped (tty output)",
};

/** "INT", "SIGINT", "int" or "2"; -1 when there is no such signal. EXIT is 0. */
export function signalNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) < NAMES.length ? Number(text) : -1;
  return NAMES.indexOf(text.toUpperCase().replace(/^SIG/, ""));
}

/** "INT" for 2. */
export function signalName(sig: number): string {
  return NAMES[sig] ?? String(sig);
}

export function signalNames(): readonly string[] {
  return NAMES;
}

export interface KillArguments {
  /** What `kill -l` prints. */
  list?: string;
  /** -1: `given` is no signal. */
  sig: number;
  given: string;
  targets: string[];
}

/** `kill [-s SIG | -n SIG | -SIG] [--] TARGET…`, `kill -l [SIG…]`. */
export function killArguments(argv: readonly string[]): KillArguments {
  const [, first] = argv;
  if (first === "-l" || first === "-L") {
    // A number may also be an exit status: 128 + the signal.
    const one = (a: string): string | number => (/^\d+$/.test(a) ? signalName(Number(a) % 128) : signalNumber(a));
    const list = argv.length > 2 ? argv.slice(2).map((a) => `${one(a)}\n`) : [`${NAMES.slice(1).join(" ")}\n`];
    return { list: list.join(""), sig: 0, given: "", targets: [] };
  }
  const named = first === "-s" || first === "-n";
  const given = named ? (argv[2] ?? "") : first?.startsWith("-") && first !== "--" ? first.slice(1) : undefined;
  const targets = argv.slice(given === undefined ? 1 : named ? 3 : 2);
  if (targets[0] === "--") targets.shift();
  return { sig: given === undefined ? SIGTERM : signalNumber(given), given: given ?? "", targets };
}

export function signalText(sig: number): string {
  return TEXTS[sig] ?? `Signal ${sig}`;
}
