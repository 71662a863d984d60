// nc's command line. Read first: nc(1). Way in: parseOptions(argv).

import { getopt } from "../lib/getopt.ts";
import { HELP, USAGE } from "./usage.ts";

export interface NcOptions {
  listen: boolean;
  keep: boolean;
  udp: boolean;
  numeric: boolean;
  verbose: boolean;
  scan: boolean;
  broadcast: boolean;
  crlf: boolean;
  noStdin: boolean;
  shutdownAfterEof: boolean;
  randomPorts: boolean;
  debug: boolean;
  family4: boolean;
  family6: boolean;
  /** ms; -1 none. */
  timeout: number;
  /** ms between lines and ports; 0 none. */
  interval: number;
  /** ms after end of input; -1 never. */
  quit: number;
  recvLimit: number;
  sourcePort: string | undefined;
  source: string | undefined;
  ttl: number | undefined;
  minttl: number | undefined;
  tos: number | undefined;
  sndbuf: number | undefined;
  rcvbuf: number | undefined;
  host: string | undefined;
  /** Ports or ranges, unparsed. */
  ports: string[];
}

export interface Refusal {
  stderr: string;
  status: number;
}

const TOS: Readonly<Record<string, number>> = {
  critical: 0xa0,
  inetcontrol: 0xc0,
  lowcost: 0x02,
  lowdelay: 0x10,
  netcontrol: 0xe0,
  reliability: 0x04,
  throughput: 0x08,
  ef: 0xb8,
};

export function parseOptions(argv: readonly string[]): NcOptions | Refusal {
  const parsed = getopt(argv, "46bCDdFhI:i:klM:m:NnO:P:p:q:rSs:T:tUuV:vW:w:X:x:Zz");
  const refuse = (stderr: string): Refusal => ({ stderr, status: 1 });
  if (parsed.error !== undefined) return refuse(`${parsed.error}\n${USAGE}`);
  if (parsed.has("h")) return { stderr: HELP, status: 0 };
  const o: NcOptions = {
    listen: parsed.has("l"),
    keep: parsed.has("k"),
    udp: parsed.has("u"),
    numeric: parsed.has("n"),
    verbose: parsed.has("v"),
    scan: parsed.has("z"),
    broadcast: parsed.has("b"),
    crlf: parsed.has("C"),
    noStdin: parsed.has("d"),
    shutdownAfterEof: parsed.has("N"),
    randomPorts: parsed.has("r"),
    debug: parsed.has("D"),
    family4: parsed.has("4"),
    family6: parsed.has("6"),
    timeout: -1,
    interval: 0,
    quit: -1,
    recvLimit: 0,
    sourcePort: parsed.get("p"),
    source: parsed.get("s"),
    ttl: undefined,
    minttl: undefined,
    tos: undefined,
    sndbuf: undefined,
    rcvbuf: undefined,
    host: undefined,
    ports: [],
  };
  let bad = "";
  const number = (name: string, what: string, min: number, max: number): number | undefined => {
    const text = parsed.get(name);
    if (text === undefined) return undefined;
    if (!/^\s*[-+]?\d+$/.test(text)) bad ||= `nc: ${what} invalid: ${text}\n`;
    else if (Number(text) < min) bad ||= `nc: ${what} too small: ${text}\n`;
    else if (Number(text) > max) bad ||= `nc: ${what} too large: ${text}\n`;
    return Number(text);
  };
  const INT_MAX = 2147483647;
  const seconds = (value: number | undefined, none: number): number => (value === undefined ? none : value * 1000);
  o.timeout = seconds(number("w", "timeout", 0, INT_MAX / 1000), -1);
  o.interval = seconds(number("i", "interval", 0, INT_MAX), 0);
  o.quit = seconds(number("q", "quit timer", -INT_MAX, INT_MAX), -1);
  o.recvLimit = number("W", "receive limit", 1, INT_MAX) ?? 0;
  o.ttl = number("M", "ttl", 0, 255);
  o.minttl = number("m", "minttl", 0, 255);
  o.rcvbuf = number("I", "TCP receive window", 1, 65536 << 14);
  o.sndbuf = number("O", "TCP send window", 1, 65536 << 14);
  if (bad !== "") return refuse(bad);
  if (o.quit >= 0) o.shutdownAfterEof = true;
  const tos = parsed.get("T");
  if (tos !== undefined) {
    o.tos = trafficClass(tos);
    if (o.tos === undefined) return refuse(`nc: illegal tos value ${tos}\n`);
  }
  for (const [flag, what] of [
    ["U", "UNIX-domain sockets"],
    ["x", "proxies"],
    ["Z", "DCCP"],
    ["S", "TCP MD5 signatures"],
    ["V", "alternate routing tables"],
  ]) {
    // DIFF: what a lab has no use for says so.
    if (parsed.has(flag)) return refuse(`nc: ${what} are not supported\n`);
  }

  const words = parsed.operands;
  if (words.length === 0 && !o.listen) return refuse(USAGE);
  if (o.listen) {
    if (o.sourcePort !== undefined && words.length > 1) return refuse(USAGE);
    if (o.sourcePort !== undefined) {
      o.host = words[0] ?? o.source;
      o.ports = [o.sourcePort];
    } else if (words.length === 1 && /^\d+$/.test(words[0])) {
      o.host = o.source;
      o.ports = [words[0]];
    } else if (words.length === 1) {
      o.host = o.source;
      o.ports = [words[0]];
    } else {
      o.host = words[0];
      o.ports = words.slice(1, 2);
    }
    if (o.scan) return refuse("nc: cannot use -z and -l\n");
  } else {
    o.host = words[0];
    o.ports = words.slice(1);
  }
  if (o.keep && !o.listen) return refuse("nc: must use -l with -k\n");
  if (o.ports.length === 0) return refuse("nc: missing port number\n");
  return o;
}

function trafficClass(word: string): number | undefined {
  if (TOS[word] !== undefined) return TOS[word];
  const af = /^af([1-4])([1-3])$/.exec(word);
  if (af !== null) return (Number(af[1]) << 5) | (Number(af[2]) << 3);
  const cs = /^cs([0-7])$/.exec(word);
  if (cs !== null) return Number(cs[1]) << 5;
  const n = Number(word);
  return word !== "" && Number.isInteger(n) && n >= 0 && n <= 255 ? n : undefined;
}
