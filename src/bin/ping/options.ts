// ping's command line. Read first: ping(8). Way in: parseOptions(argv).

import { IP_PMTUDISC_DO, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT } from "../../uapi/socket.ts";
import { getopt } from "../lib/getopt.ts";
import { inetAton } from "../lib/inet.ts";
import { NODE_INFO, USAGE, VERSION } from "./usage.ts";

export type TimestampMode = "tsonly" | "tsandaddr" | "tsprespec";

export interface PingOptions {
  /** Milliseconds between probes; 0 sends as replies come. */
  interval: number;
  /** 0: without end. */
  count: number;
  /** Seconds, 0: none. */
  deadline: number;
  /** Milliseconds that ping waits for a first reply after the last probe; 0: for ever. */
  linger: number;
  size: number;
  preload: number;
  ttl: number | undefined;
  tos: number | undefined;
  mark: number | undefined;
  sndbuf: number | undefined;
  ident: number | undefined;
  pmtudisc: number | undefined;
  pattern: Uint8Array | undefined;
  /** -I with a name, or with an int32 address. */
  device: string | undefined;
  source: number | undefined;
  timestamp: TimestampMode | undefined;
  family: 0 | 4 | 6;
  adaptive: boolean;
  audible: boolean;
  broadcast: boolean;
  connect: boolean;
  dontroute: boolean;
  flood: boolean;
  latency: boolean;
  noLoop: boolean;
  numeric: boolean;
  outstanding: boolean;
  printTime: boolean;
  quiet: boolean;
  recordRoute: boolean;
  sticky: boolean;
  verbose: boolean;
  operands: string[];
  /** Warnings for standard error that do not stop it. */
  warnings: string;
}

/** Stops the program at once. */
export interface Refusal {
  stdout: string;
  stderr: string;
  status: number;
}

const SHORT = "h?4bRT:6F:N:aABc:CdDe:fi:I:l:Lm:M:nOp:qQ:rs:S:t:UvVw:W:";
const NODE_QUERY =
  /^(name|ipv6(-all|-compatible|-global|-linklocal|-sitelocal)?|ipv4(-all)?|subject-(ipv6|ipv4|name|fqdn)=.*)$/;
const INT_MAX = "2147483647";
const LONG_MAX = "9223372036854775807";

export function parseOptions(argv: readonly string[]): PingOptions | Refusal {
  const parsed = getopt(argv, SHORT);
  const refuse = (stderr: string, status: number, stdout = ""): Refusal => ({ stdout, stderr, status });
  const o: PingOptions = {
    interval: 1000,
    count: 0,
    deadline: 0,
    linger: 10000,
    size: 56,
    preload: 1,
    ttl: undefined,
    tos: undefined,
    mark: undefined,
    sndbuf: undefined,
    ident: undefined,
    pmtudisc: undefined,
    pattern: undefined,
    device: undefined,
    source: undefined,
    timestamp: undefined,
    family: 0,
    adaptive: parsed.has("A"),
    audible: parsed.has("a"),
    broadcast: parsed.has("b"),
    connect: parsed.has("C"),
    dontroute: parsed.has("r"),
    flood: parsed.has("f"),
    latency: parsed.has("U"),
    noLoop: parsed.has("L"),
    numeric: parsed.has("n"),
    outstanding: parsed.has("O"),
    printTime: parsed.has("D"),
    quiet: parsed.has("q"),
    recordRoute: parsed.has("R"),
    sticky: parsed.has("B"),
    verbose: parsed.has("v"),
    operands: parsed.operands,
    warnings: "",
  };
  if (o.flood) o.interval = 0;

  for (const { name, value = "" } of parsed.list) {
    const range = RANGES[name];
    if (range !== undefined) {
      const n = integer(value, range);
      if (typeof n === "string") return refuse(`ping: ${n}\n`, 1);
      range.set(o, n);
      continue;
    }
    switch (name) {
      case "4":
        o.family = 4;
        break;
      case "6":
        o.family = 6;
        break;
      case "i":
      case "W": {
        const seconds = real(value, o);
        if (seconds < 0 || seconds * 1000 > 2147483647) {
          return refuse(`ping: bad ${name === "i" ? "timing interval" : "linger time"}: ${value}\n`, 2);
        }
        if (name === "i") o.interval = Math.floor(seconds * 1000);
        else o.linger = Math.floor(seconds * 1000);
        break;
      }
      case "I": {
        const addr = inetAton(value);
        if (addr !== undefined) o.source = addr;
        else o.device = value;
        break;
      }
      case "N":
        // Node information (RFC 4620) is IPv6's: what is asked for is looked at, and then nothing is.
        if (value === "help") return refuse("", 0, NODE_INFO);
        if (!NODE_QUERY.test(value)) return refuse(NODE_INFO, 2);
        break;
      case "M": {
        const mode = PMTU[value];
        if (mode === undefined) return refuse(`ping: invalid -M argument: ${value}\n`, 2);
        o.pmtudisc = mode;
        break;
      }
      case "p": {
        if (!/^[0-9a-fA-F]*$/.test(value)) {
          return refuse(`ping: patterns must be specified as hex digits: ${value}\n`, 2);
        }
        o.pattern = Uint8Array.from(value.slice(0, 32).match(/..?/g) ?? [], (pair) => Number.parseInt(pair, 16));
        break;
      }
      case "Q": {
        const tos = Number(value);
        if (value === "" || !Number.isInteger(tos)) return refuse(`ping: bad TOS value: ${value}\n`, 2);
        if (tos < 0 || tos > 255) {
          return refuse(`ping: the decimal value of TOS bits must be in range 0-255: ${value}\n`, 2);
        }
        o.tos = tos;
        break;
      }
      case "R":
        if (o.timestamp !== undefined) return refuse("ping: only one of -T or -R may be used\n", 2);
        break;
      case "T":
        if (o.recordRoute) return refuse("ping: only one of -T or -R may be used\n", 2);
        if (value !== "tsonly" && value !== "tsandaddr" && value !== "tsprespec") {
          return refuse(`ping: invalid timestamp type: ${value}\n`, 2);
        }
        o.timestamp = value;
        break;
      case "V":
        return refuse("", 0, VERSION);
      case "h":
      case "?":
        return refuse(USAGE, 2);
    }
  }
  if (parsed.error !== undefined) return refuse(`${parsed.error}\n${USAGE}`, 2);
  if (o.operands.length === 0) return refuse("ping: usage error: Destination address required\n", 1);
  return o;
}

interface Range {
  min: string;
  max: string;
  set(o: PingOptions, n: number): void;
}

const RANGES: Readonly<Record<string, Range>> = {
  c: { min: "1", max: LONG_MAX, set: (o, n) => (o.count = n) },
  e: { min: "0", max: "65535", set: (o, n) => (o.ident = n) },
  l: { min: "1", max: "65536", set: (o, n) => (o.preload = n) },
  m: { min: "0", max: "4294967295", set: (o, n) => (o.mark = n) },
  s: { min: "0", max: INT_MAX, set: (o, n) => (o.size = n) },
  S: { min: "1", max: INT_MAX, set: (o, n) => (o.sndbuf = n) },
  t: { min: "0", max: "255", set: (o, n) => (o.ttl = n) },
  w: { min: "0", max: INT_MAX, set: (o, n) => (o.deadline = n) },
};

/** A decimal, 0x or 0 number in its range, or what to say about it. */
function integer(text: string, range: Range): number | string {
  if (!/^[-+]?(0[xX][0-9a-fA-F]+|\d+)$/.test(text)) return `invalid argument: '${text}'`;
  const n = Number(text);
  if (n < Number(range.min) || n > Number(range.max)) {
    return `invalid argument: '${text}': out of range: ${range.min} <= value <= ${range.max}`;
  }
  return n;
}

function real(text: string, o: PingOptions): number {
  const m = /^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?/.exec(text);
  if (m === null || m[0].length !== text.length) {
    o.warnings += `ping: option argument contains garbage: ${text.slice(m === null ? 0 : m[0].length)}\n`;
    o.warnings += "ping: this will become fatal error in the future\n";
  }
  return m === null ? 0 : Number(m[0]);
}

// DIFF: Debian 12's ping lacks `-M probe`; later ones have it.
const PMTU: Readonly<Record<string, number>> = {
  do: IP_PMTUDISC_DO,
  dont: IP_PMTUDISC_DONT,
  want: IP_PMTUDISC_WANT,
  probe: IP_PMTUDISC_PROBE,
};
