// Signal names as kill(1) and trap know them.

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

export function signalText(sig: number): string {
  return TEXTS[sig] ?? `Signal ${sig}`;
}
