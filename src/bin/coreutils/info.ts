// true, false, echo, printf, test, pwd, date, uname, id, which, clear, nproc: small answers.

import type { Program } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { print, printError, readFile } from "../lib/io.ts";
import { formatPrintf, unescape } from "../lib/printf.ts";
import { evalTestArgs } from "../lib/test_expr.ts";
import { usageError } from "./input.ts";

export const trueProgram: Program = function* () {
  return 0;
};

export const falseProgram: Program = function* () {
  return 1;
};

export const echo: Program = function* (sys, argv) {
  let at = 1;
  let newline = true;
  let escapes = false;
  for (; at < argv.length && /^-[neE]+$/.test(argv[at]); at++) {
    if (argv[at].includes("n")) newline = false;
    if (argv[at].includes("e")) escapes = true;
    if (argv[at].includes("E")) escapes = false;
  }
  const text = argv.slice(at).join(" ");
  const e = escapes ? unescape(text) : { text, stop: false };
  return (yield* print(sys, e.text + (newline && !e.stop ? "\n" : ""))) < 0 ? 1 : 0;
};

export const printf: Program = function* (sys, argv) {
  if (argv.length < 2) return yield* usageError(sys, argv, "missing operand");
  const { text, errors } = formatPrintf(argv[1], argv.slice(2));
  yield* print(sys, text);
  for (const e of errors) yield* printError(sys, `printf: ${e}\n`);
  return errors.length > 0 ? 1 : 0;
};

export const test: Program = function* (sys, argv) {
  let args = argv.slice(1);
  if (argv[0] === "[") {
    if (args.at(-1) !== "]") {
      yield* printError(sys, "[: missing ']'\n");
      return 2;
    }
    args = args.slice(0, -1);
  }
  const r = evalTestArgs(sys, args);
  if (typeof r === "boolean") return r ? 0 : 1;
  yield* printError(sys, `${argv[0]}: ${r.error}\n`);
  return 2;
};

export const pwd: Program = function* (sys) {
  yield* print(sys, `${sys.getcwd()}\n`);
  return 0;
};

export const date: Program = function* (sys, argv) {
  const o = getopt(argv, "uRI::d:", ["utc=u", "iso-8601::=I", "date:=d"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  let ns = sys.clock_gettime(0);
  const given = o.get("d");
  if (given !== undefined) {
    if (!/^@\d+(\.\d+)?$/.test(given)) {
      yield* printError(sys, `date: invalid date '${given}'\n`);
      return 1;
    }
    ns = Number(given.slice(1)) * 1e9;
  }
  const fallback = o.has("R") ? "+%a, %d %b %Y %H:%M:%S +0000" : o.has("I") ? "+%Y-%m-%d" : "+%a %b %e %H:%M:%S UTC %Y";
  const format = o.operands[0] ?? fallback;
  if (!format.startsWith("+")) {
    yield* printError(sys, `date: invalid date '${format}'\n`);
    return 1;
  }
  yield* print(sys, `${strftime(format.slice(1), ns)}\n`);
  return 0;
};

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = "January February March April May June July August September October November December".split(" ");

/** strftime(3) in UTC: the date is computed here, as programs have no clock but the machine's. */
export function strftime(format: string, ns: number): string {
  const seconds = Math.floor(ns / 1e9);
  const days = Math.floor(seconds / 86400);
  const inDay = seconds - days * 86400;
  const { year, month, day } = civil(days);
  const weekday = (((days + 4) % 7) + 7) % 7;
  const two = (n: number): string => String(n).padStart(2, "0");
  const hour = Math.floor(inDay / 3600);
  const minute = Math.floor(inDay / 60) % 60;
  const one = (c: string): string | undefined => {
    switch (c) {
      case "Y":
        return String(year);
      case "y":
        return two(year % 100);
      case "m":
        return two(month);
      case "d":
        return two(day);
      case "e":
        return String(day).padStart(2);
      case "H":
        return two(hour);
      case "I":
        return two(hour % 12 || 12);
      case "p":
        return hour < 12 ? "AM" : "PM";
      case "M":
        return two(minute);
      case "S":
        return two(inDay % 60);
      case "N":
        return String(Math.floor(ns - seconds * 1e9)).padStart(9, "0");
      case "s":
        return String(seconds);
      case "a":
        return DAYS[weekday].slice(0, 3);
      case "A":
        return DAYS[weekday];
      case "b":
      case "h":
        return MONTHS[month - 1].slice(0, 3);
      case "B":
        return MONTHS[month - 1];
      case "u":
        return String(weekday || 7);
      case "w":
        return String(weekday);
      case "F":
        return `${year}-${two(month)}-${two(day)}`;
      case "T":
        return `${two(hour)}:${two(minute)}:${two(inDay % 60)}`;
      case "R":
        return `${two(hour)}:${two(minute)}`;
      case "D":
        return `${two(month)}/${two(day)}/${two(year % 100)}`;
      case "Z":
        return "UTC";
      case "z":
        return "+0000";
      case "n":
        return "\n";
      case "t":
        return "\t";
      case "%":
        return "%";
      default:
        return undefined;
    }
  };
  return format.replace(/%([1-9]?)([A-Za-z%])/g, (all, digits: string, c: string) => {
    const t = one(c);
    if (t === undefined) return all;
    return c === "N" && digits !== "" ? t.slice(0, Number(digits)) : t;
  });
}

/** Days since 1970-01-01 to a date of the Gregorian calendar, by eras of 400 years that start in March. */
function civil(days: number): { year: number; month: number; day: number } {
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const dayOfEra = z - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const m = Math.floor((5 * dayOfYear + 2) / 153);
  const month = m < 10 ? m + 3 : m - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * m + 2) / 5) + 1,
  };
}

export const uname: Program = function* (sys, argv) {
  const o = getopt(argv, "asnrvmpio", [
    "all=a",
    "kernel-name=s",
    "nodename=n",
    "kernel-release=r",
    "machine=m",
    "operating-system=o",
  ]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  const u = sys.uname();
  const all = o.has("a");
  const parts = [
    all || o.has("s") || o.list.length === 0 ? u.sysname : "",
    all || o.has("n") ? u.nodename : "",
    all || o.has("r") ? u.release : "",
    all || o.has("v") ? u.version : "",
    all || o.has("m") ? u.machine : "",
    o.has("p") || o.has("i") ? "unknown" : "",
    all || o.has("o") ? "GNU/Linux" : "",
  ];
  yield* print(sys, `${parts.filter((p) => p !== "").join(" ")}\n`);
  return 0;
};

export const id: Program = function* (sys, argv) {
  const o = getopt(argv, "ugnG");
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.list.length === 0) yield* print(sys, "uid=0(root) gid=0(root) groups=0(root)\n");
  else yield* print(sys, o.has("n") ? "root\n" : "0\n");
  return 0;
};

export const whoami: Program = function* (sys) {
  yield* print(sys, "root\n");
  return 0;
};

export const which: Program = function* (sys, argv) {
  let status = argv.length > 1 ? 0 : 1;
  for (const name of argv.slice(1)) {
    if (name.startsWith("-")) continue;
    if (sys.lookup_program(name) !== null) yield* print(sys, `/usr/bin/${name}\n`);
    else status = 1;
  }
  return status;
};

export const clear: Program = function* (sys) {
  yield* print(sys, "\x1b[H\x1b[2J\x1b[3J");
  return 0;
};

export const nproc: Program = function* (sys) {
  const stat = yield* readFile(sys, "/proc/stat");
  const n = typeof stat === "number" ? 1 : (stat.match(/^cpu\d/gm) ?? []).length;
  yield* print(sys, `${Math.max(1, n)}\n`);
  return 0;
};
