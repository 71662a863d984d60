// nstat(8) of iproute2 6.1: the counters of /proc/net/snmp and /proc/net/netstat since it last ran.
// Read first: nstat(8). Way in: `nstat`. The history is in /tmp/.nstat.u0.

import type { Blocking, Program, Sys } from "../uapi/sys.ts";
import { getopt } from "./lib/getopt.ts";
import { print, printError, readFile, writeFile } from "./lib/io.ts";
import { NSTAT_USAGE } from "./lib/usage_procps.ts";

const HISTORY = "/tmp/.nstat.u0";
/** Constants and gauges, which no difference makes sense of. */
const LEFT_OUT = new Set([
  "IpForwarding",
  "IpDefaultTTL",
  "TcpRtoAlgorithm",
  "TcpRtoMin",
  "TcpRtoMax",
  "TcpMaxConn",
  "TcpCurrEstab",
]);

export const nstat: Program = function* (sys, argv) {
  const o = getopt(argv, "h?vVzrnasd:t:jp", [
    "help=h",
    "ignore=a",
    "scan:=d",
    "nooutput=n",
    "json=j",
    "reset=r",
    "noupdate=s",
    "pretty=p",
    "interval:=t",
    "version=V",
    "zeros=z",
  ]);
  if (o.error !== undefined || o.has("h") || o.has("?")) {
    yield* printError(sys, `${o.error === undefined ? "" : `${o.error}\n`}${NSTAT_USAGE}`);
    return 255;
  }
  if (o.has("V") || o.has("v")) {
    yield* print(sys, "nstat utility, iproute2-6.1.0\n");
    return 0;
  }
  const now = yield* counters(sys);
  const history = o.has("a") || o.has("r") ? new Map<string, number>() : yield* readHistory(sys);
  const patterns = o.operands.map(glob);
  const wanted = (name: string): boolean => patterns.length === 0 || patterns.some((p) => p.test(name));
  const shown: [string, number][] = [];
  for (const [name, value] of now) {
    if (!wanted(name)) continue;
    // A counter that went down has started anew.
    const before = history.get(name) ?? 0;
    const delta = value >= before ? value - before : value;
    if (delta !== 0 || o.has("z")) shown.push([name, delta]);
  }
  if (!o.has("n")) {
    let text = "";
    if (o.has("j")) {
      const pretty = o.has("p");
      const body = shown.map(([n, v]) => (pretty ? `        "${n}": ${v}` : `"${n}":${v}`)).join(pretty ? ",\n" : ",");
      text = pretty ? `{\n    "kernel": {\n${body}\n    }\n}\n` : `{"kernel":{${body}}}\n`;
    } else {
      text = "#kernel\n";
      for (const [name, value] of shown) text += line(name, value);
    }
    yield* print(sys, text);
  }
  if (!o.has("s")) yield* writeHistory(sys, now);
  return 0;
};

function line(name: string, value: number): string {
  return `${name.padEnd(32)}${String(value).padEnd(16)}${"0.0".padStart(6)}\n`;
}

function glob(text: string): RegExp {
  const body = text
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${body}$`, "i");
}

/** Names and values in the order of the files; the name is the table's and the counter's in one word. */
export function* counters(sys: Sys): Blocking<Map<string, number>> {
  const out = new Map<string, number>();
  for (const path of ["/proc/net/snmp", "/proc/net/snmp6", "/proc/net/netstat"]) {
    const text = yield* readFile(sys, path);
    if (typeof text === "number") continue;
    const lines = text.split("\n");
    if (path === "/proc/net/snmp6") {
      for (const row of lines) {
        const [name, value] = row.split(/\s+/);
        if (value !== undefined && value !== "") out.set(name, Number(value));
      }
      continue;
    }
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const names = lines[i].split(/\s+/);
      const values = lines[i + 1].split(/\s+/);
      const table = names[0].replace(":", "");
      for (let k = 1; k < names.length; k++) {
        const name = table + names[k];
        if (names[k] !== "" && !LEFT_OUT.has(name)) out.set(name, Number(values[k]));
      }
    }
  }
  return out;
}

function* readHistory(sys: Sys): Blocking<Map<string, number>> {
  const out = new Map<string, number>();
  const text = yield* readFile(sys, HISTORY);
  if (typeof text === "number") return out;
  for (const row of text.split("\n")) {
    const [name, value] = row.split(/\s+/);
    if (value !== undefined && !name.startsWith("#")) out.set(name, Number(value));
  }
  return out;
}

function* writeHistory(sys: Sys, now: ReadonlyMap<string, number>): Blocking<void> {
  let text = "#kernel\n";
  for (const [name, value] of now) if (value !== 0) text += line(name, value);
  yield* writeFile(sys, HISTORY, text);
}
