// ps: processes, from /proc/PID/stat and cmdline, in the columns of procps 4.0. Read first: ps(1), proc(5).
// Way in: `ps(sys, argv)`. BSD options (`ps aux`), UNIX options (`ps -ef`), and -o.

import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { strftime } from "../coreutils/info.ts";
import { print, printError, readFile } from "../lib/io.ts";
import { processes } from "../lib/processes.ts";

const HZ = 100;
const DAY = 86400;

interface Proc {
  pid: number;
  comm: string;
  state: string;
  ppid: number;
  pgid: number;
  sid: number;
  tty: number;
  tpgid: number;
  /** Seconds of CPU time, and since it started. */
  cpu: number;
  elapsed: number;
  /** Seconds since 1970. */
  started: number;
  psr: number;
  /** kB: all of its memory, what of it is used, and the machine's. */
  vsz: number;
  rss: number;
  total: number;
  args: string;
  /** What the forest shows in front of it. */
  branch: string;
}

interface Column {
  header: string;
  width: number;
  left?: boolean;
  value(p: Proc, now: number): string;
}

const clock = (seconds: number): string =>
  [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
    .map((n) => String(Math.floor(n)).padStart(2, "0"))
    .join(":");
const share = (p: Proc): number => (p.elapsed > 0 ? (100 * p.cpu) / p.elapsed : 0);
const tty = (p: Proc): string => (p.tty === 0 ? "?" : `pts/${p.tty & 0xff}`);
/** Today's by the hour, older ones by the day. */
const start = (p: Proc, now: number): string => strftime(now - p.started < DAY ? "%H:%M" : "%b%d", p.started * 1e9);

function elapsed(seconds: number): string {
  const days = Math.floor(seconds / DAY);
  const text = clock(seconds % DAY).replace(/^00:/, "");
  return days > 0 ? `${days}-${clock(seconds % DAY)}` : text;
}

function stat(p: Proc): string {
  return `${p.state}${p.sid === p.pid ? "s" : ""}${p.tty !== 0 && p.tpgid === p.pgid ? "+" : ""}`;
}

/** Share of the machine's memory. */
const memory = (p: Proc): string => ((100 * p.rss) / p.total).toFixed(1);

const num = (header: string, width: number, value: (p: Proc) => number | string): Column => ({
  header,
  width,
  value: (p) => String(value(p)),
});
const text = (header: string, width: number, value: (p: Proc, now: number) => string): Column => ({
  header,
  width,
  left: true,
  value,
});

const user = (header: string): Column => text(header, 8, () => "root");
const args = (header: string): Column => text(header, 27, (p) => p.branch + p.args);
const comm = (header: string): Column =>
  text(header, 15, (p) => `${p.branch}${p.comm}${p.state === "Z" ? " <defunct>" : ""}`);

/** ps(1), STANDARD FORMAT SPECIFIERS. */
const COLUMNS: Readonly<Record<string, Column>> = {
  pid: num("PID", 5, (p) => p.pid),
  ppid: num("PPID", 5, (p) => p.ppid),
  pgid: num("PGID", 5, (p) => p.pgid),
  sid: num("SID", 5, (p) => p.sid),
  tpgid: num("TPGID", 5, (p) => p.tpgid),
  uid: num("UID", 5, () => 0),
  user: user("USER"),
  uname: user("USER"),
  pcpu: num("%CPU", 4, (p) => share(p).toFixed(1)),
  "%cpu": num("%CPU", 4, (p) => share(p).toFixed(1)),
  c: num("C", 2, (p) => Math.min(99, Math.floor(share(p)))),
  pmem: num("%MEM", 4, memory),
  "%mem": num("%MEM", 4, memory),
  vsz: num("VSZ", 6, (p) => p.vsz),
  vsize: num("VSZ", 6, (p) => p.vsz),
  rss: num("RSS", 5, (p) => p.rss),
  rssize: num("RSS", 5, (p) => p.rss),
  rsz: num("RSZ", 5, (p) => p.rss),
  sz: num("SZ", 5, (p) => p.vsz / 4),
  tty: text("TT", 8, tty),
  tt: text("TT", 8, tty),
  tname: text("TTY", 8, tty),
  stat: text("STAT", 4, stat),
  state: text("S", 1, (p) => p.state),
  s: text("S", 1, (p) => p.state),
  bsdstart: { header: "START", width: 5, value: start },
  start_time: { header: "START", width: 5, value: start },
  stime: { header: "STIME", width: 5, value: start },
  etime: num("ELAPSED", 11, (p) => elapsed(p.elapsed)),
  etimes: num("ELAPSED", 7, (p) => Math.floor(p.elapsed)),
  bsdtime: num("TIME", 6, (p) => `${Math.floor(p.cpu / 60)}:${String(Math.floor(p.cpu % 60)).padStart(2, "0")}`),
  time: num("TIME", 8, (p) => clock(p.cpu)),
  psr: num("PSR", 3, (p) => p.psr),
  ni: num("NI", 3, () => 0),
  nlwp: num("NLWP", 4, () => 1),
  comm: comm("COMMAND"),
  ucmd: comm("CMD"),
  args: args("COMMAND"),
  command: args("COMMAND"),
  cmd: args("CMD"),
};

const DEFAULT = ["pid", "tname", "time", "ucmd"];
const FULL = ["user=UID", "pid", "ppid", "c", "stime", "tname", "time", "cmd"];
const BSD = ["pid", "tname", "stat", "bsdtime", "args"];
const BSD_USER = ["user", "pid", "pcpu", "pmem", "vsz", "rss", "tname", "stat", "bsdstart", "bsdtime", "args"];

const HELP = `
Usage:
 ps [options]

Basic options:
 -A, -e               all processes
 -a                   all with tty, except session leaders
  a                   all with tty, including other users
 -d                   all except session leaders
  r                   only running processes
  T                   all processes on this terminal
  x                   processes without controlling ttys

Selection by list:
 -C <command>         command name
 -p, p, --pid <PID>   process id
     --ppid <PID>     parent process id

Output formats:
 -f                   full-format, including command lines
  f, --forest         ascii art process tree
 -o, o, --format <format>
                      user-defined format
  u                   user-oriented format
     --no-headers     do not print header at all
 -w, w                unlimited output width

For more details see ps(1).
`;

class PsError {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

interface Request {
  all: boolean;
  withTty: boolean;
  withoutTty: boolean;
  noLeaders: boolean;
  running: boolean;
  thisTty: boolean;
  pids: number[] | undefined;
  parents: number[] | undefined;
  names: string[] | undefined;
  format: string[] | undefined;
  full: boolean;
  bsd: boolean;
  user: boolean;
  forest: boolean;
  headers: boolean;
  wide: boolean;
  help: boolean;
}

function parse(argv: readonly string[]): Request {
  const r: Request = {
    ...{ all: false, withTty: false, withoutTty: false, noLeaders: false, running: false, thisTty: false },
    ...{ pids: undefined, parents: undefined, names: undefined, format: undefined },
    ...{ full: false, bsd: false, user: false, forest: false, headers: true, wide: false, help: false },
  };
  let at = 1;
  const numbers = (list: string): number[] => {
    const words = list.split(/[\s,]+/).filter((w) => w !== "");
    if (words.length === 0 || words.some((w) => !/^\d+$/.test(w))) throw new PsError("process ID list syntax error");
    return words.map(Number);
  };
  const value = (rest: string, what: string): string => {
    const v = rest !== "" ? rest : argv[at++];
    if (v === undefined) throw new PsError(what);
    return v;
  };
  const pidList = (rest: string): void => {
    r.pids = [...(r.pids ?? []), ...numbers(value(rest, "list of process IDs must follow -p"))];
  };
  const format = (rest: string): void => {
    r.format = [...(r.format ?? []), ...formatList(value(rest, "format specification must follow -o"))];
  };
  const long = (word: string): void => {
    const [name, given] = word.split(/=(.*)/s, 2);
    const v = (): string => value(given ?? "", "long option requires an argument");
    if (name === "forest") r.forest = true;
    else if (name === "no-headers" || name === "no-heading") r.headers = false;
    else if (name === "help") r.help = true;
    else if (name === "pid") pidList(v());
    else if (name === "ppid") r.parents = numbers(v());
    else if (name === "format") format(v());
    else throw new PsError("unknown gnu long option");
  };
  while (at < argv.length) {
    const word = argv[at++];
    if (word.startsWith("--")) {
      long(word.slice(2));
      continue;
    }
    const dash = word.startsWith("-");
    const letters = dash ? word.slice(1) : word;
    if (/^\d/.test(letters)) {
      r.pids = [...(r.pids ?? []), ...numbers(letters)];
      continue;
    }
    for (let i = 0; i < letters.length; i++) {
      const c = letters[i];
      const rest = letters.slice(i + 1);
      if (c === "o" || c === "p" || (c === "C" && dash)) {
        if (c === "o") format(rest);
        else if (c === "p") pidList(rest);
        else r.names = value(rest, "list of command names must follow -C").split(",");
        break;
      }
      if (c === "w") r.wide = true;
      else if (!(dash ? unixOption(r, c) : bsdOption(r, c))) {
        throw new PsError(dash ? "unsupported SysV option" : "unsupported option (BSD syntax)");
      }
    }
  }
  return r;
}

function unixOption(r: Request, c: string): boolean {
  if (c === "e" || c === "A") r.all = true;
  else if (c === "a") Object.assign(r, { withTty: true, noLeaders: true });
  else if (c === "d") Object.assign(r, { all: true, noLeaders: true });
  else if (c === "f") r.full = true;
  else return false;
  return true;
}

function bsdOption(r: Request, c: string): boolean {
  r.bsd = true;
  if (c === "a") r.withTty = true;
  else if (c === "x") r.withoutTty = true;
  else if (c === "u") r.user = true;
  else if (c === "r") r.running = true;
  else if (c === "f") r.forest = true;
  else if (c === "T") r.thisTty = true;
  else if (c === "h") r.headers = false;
  else return false;
  return true;
}

/** "pid,stat=State,args" or "pid args" → each with its header, if one is given. */
function formatList(list: string): string[] {
  const items = list.includes("=") ? list.split(",") : list.split(/[\s,]+/).filter((item) => item !== "");
  for (const item of items) {
    const m = /^([%\w]+)(?:=.*)?$/s.exec(item);
    if (m === null) throw new PsError("improper format list");
    if (!Object.hasOwn(COLUMNS, m[1])) throw new PsError(`unknown user-defined format specifier "${m[1]}"`);
  }
  return items;
}

function select(r: Request, all: Proc[], own: Proc | undefined): Proc[] {
  const listed = r.pids ?? r.parents ?? r.names;
  return all.filter((p) => {
    if (r.running && p.state !== "R") return false;
    if (r.pids?.includes(p.pid) || r.parents?.includes(p.ppid) || r.names?.includes(p.comm)) return true;
    if (r.noLeaders && p.sid === p.pid) return false;
    // The simple selections and the lists add up.
    if (r.all || (r.withTty && p.tty !== 0) || (r.withoutTty && (p.tty === 0 || r.withTty || p.tty === own?.tty)))
      return true;
    if (r.withTty || r.withoutTty || (listed !== undefined && !r.thisTty)) return false;
    return p.tty === own?.tty;
  });
}

function* readProcs(sys: Sys): Blocking<Proc[]> {
  const procs: Proc[] = [];
  const now = sys.clock_gettime(0) / 1e9;
  const uptime = sys.clock_gettime(1) / 1e9;
  const meminfo = yield* readFile(sys, "/proc/meminfo");
  const total = Number(/^MemTotal:\s+(\d+)/m.exec(String(meminfo))?.[1] ?? Number.POSITIVE_INFINITY);
  for (const pid of processes(sys)) {
    const line = yield* readFile(sys, `/proc/${pid}/stat`);
    const cmdline = yield* readFile(sys, `/proc/${pid}/cmdline`);
    if (typeof line === "number" || typeof cmdline === "number") continue;
    const comm = line.slice(line.indexOf("(") + 1, line.lastIndexOf(")"));
    const f = line.slice(line.lastIndexOf(")") + 2).split(" ");
    // Field N of proc(5) is n(N).
    const n = (field: number): number => Number(f[field - 3]);
    const began = n(22) / HZ;
    const words = cmdline.replaceAll("\0", " ").trim();
    procs.push({
      pid,
      comm,
      state: f[0],
      ppid: n(4),
      pgid: n(5),
      sid: n(6),
      tty: n(7),
      tpgid: n(8),
      cpu: Math.floor((n(14) + n(15)) / HZ),
      elapsed: Math.max(0, uptime - began),
      started: now - uptime + began,
      psr: n(39),
      vsz: n(23) / 1024,
      rss: n(24) * 4,
      total,
      args: f[0] === "Z" ? `[${comm}] <defunct>` : words === "" ? `[${comm}]` : words,
      branch: "",
    });
  }
  return procs.sort((a, b) => a.pid - b.pid);
}

/** Parents before their children, with branches drawn; the children of init stand for themselves. */
function forest(procs: Proc[]): Proc[] {
  const out: Proc[] = [];
  const add = (p: Proc, indent: string, last: boolean, root: boolean): void => {
    p.branch = root ? "" : `${indent} \\_ `;
    out.push(p);
    const children = procs.filter((c) => c.ppid === p.pid && p.pid !== 1);
    const below = root ? indent : `${indent}${last ? "    " : " |  "}`;
    children.forEach((c, i) => {
      add(c, below, i === children.length - 1, false);
    });
  };
  for (const p of procs) if (!procs.some((o) => o.pid === p.ppid && o.pid !== 1)) add(p, "", true, true);
  return out;
}

export const ps: Program = function* (sys, argv) {
  let r: Request;
  try {
    r = parse(argv);
  } catch (e) {
    if (!(e instanceof PsError)) throw e;
    yield* printError(
      sys,
      `error: ${e.text}\n\nUsage:\n ps [options]\n\n Try 'ps --help <simple|list|output|threads|misc|all>'\n  or 'ps --help <s|l|o|t|m|a>'\n for additional help text.\n\nFor more details see ps(1).\n`,
    );
    return 1;
  }
  if (r.help) {
    yield* print(sys, HELP);
    return 0;
  }
  const all = yield* readProcs(sys);
  const chosen = select(
    r,
    all,
    all.find((p) => p.pid === sys.getpid()),
  );
  const names = r.format ?? (r.user ? BSD_USER : r.full ? FULL : r.bsd ? BSD : DEFAULT);
  const columns = names.map((name) => {
    const [key, header] = name.split(/=(.*)/s, 2);
    const c = COLUMNS[key];
    return header === undefined ? c : { ...c, header, width: Math.max(c.width, header.length) };
  });
  const width = r.wide || !sys.isatty(1) ? Number.POSITIVE_INFINITY : sys.winsize()[0];
  const row = (cells: string[]): string =>
    cells
      .map((cell, i) => {
        const c = columns[i];
        if (c.left === true) return i === columns.length - 1 ? cell : cell.padEnd(c.width);
        return cell.padStart(c.width);
      })
      .join(" ")
      .slice(0, width);
  const now = sys.clock_gettime(0) / 1e9;
  let out = "";
  if (r.headers && columns.some((c) => c.header !== "")) out += `${row(columns.map((c) => c.header))}\n`;
  for (const p of r.forest ? forest(chosen) : chosen) out += `${row(columns.map((c) => c.value(p, now)))}\n`;
  yield* print(sys, out);
  return chosen.length > 0 ? 0 : 1;
};
