// traceroute's command line. Read first: traceroute(8). Way in: parseOptions(argv).

import { getopt } from "../lib/getopt.ts";
import { HELP, VERSION } from "./usage.ts";

export interface TracerouteOptions {
  icmp: boolean;
  /** -U: one destination port for all probes. */
  constantPort: boolean;
  numeric: boolean;
  dontFragment: boolean;
  discoverMtu: boolean;
  backward: boolean;
  dontroute: boolean;
  first: number;
  max: number;
  queries: number;
  simultaneous: number;
  port: number | undefined;
  sourcePort: number;
  tos: number | undefined;
  mark: number | undefined;
  /** Seconds at most; factors of the round trip of the same hop and of a next one (0: not used). */
  waitMax: number;
  waitHere: number;
  waitNear: number;
  /** ns between probes. */
  sendWait: number;
  source: string | undefined;
  device: string | undefined;
  host: string;
  hostAt: number;
  packetLen: number | undefined;
}

export interface Refusal {
  stdout: string;
  stderr: string;
  status: number;
}

const LONG = [
  "help",
  "debug=d",
  "dont-fragment=F",
  "first:=f",
  "gateway:=g",
  "icmp=I",
  "tcp=T",
  "interface:=i",
  "max-hops:=m",
  "sim-queries:=N",
  "port:=p",
  "tos:=t",
  "wait:=w",
  "queries:=q",
  "source:=s",
  "sendwait:=z",
  "extensions=e",
  "module:=M",
  "sport:",
  "fwmark:",
  "udp=U",
  "mtu",
  "back",
  "version=V",
];

const MAX_PACKET = 65000;

export function parseOptions(argv: readonly string[]): TracerouteOptions | Refusal {
  const parsed = getopt(argv, "46dFf:g:ITi:m:N:np:t:l:w:q:rs:z:eAM:O:UDP:V", LONG);
  const refuse = (text: string, status = 2): Refusal => ({ stdout: "", stderr: `${text}\n`, status });
  if (argv.length === 1) return { stdout: "", stderr: HELP, status: 0 };
  if (parsed.has("help")) return { stdout: "", stderr: HELP, status: 0 };
  if (parsed.has("V")) return { stdout: "", stderr: VERSION, status: 0 };
  if (parsed.error !== undefined) {
    const word = /'-{0,2}([^']*)'/.exec(parsed.error)?.[1] ?? "";
    const at = argv.findIndex((a, i) => i > 0 && a.startsWith("-") && a.includes(word));
    if (parsed.error.includes("requires")) return refuse(`Option \`${argv[at]}' (argc ${at}) requires an argument`);
    return refuse(`Bad option \`${argv[at]}' (argc ${at})`);
  }

  const o: TracerouteOptions = {
    icmp: parsed.has("I") || parsed.get("M") === "icmp",
    constantPort: parsed.has("U"),
    numeric: parsed.has("n"),
    dontFragment: parsed.has("F") || parsed.has("mtu"),
    discoverMtu: parsed.has("mtu"),
    backward: parsed.has("back"),
    dontroute: parsed.has("r"),
    first: 1,
    max: 30,
    queries: 3,
    simultaneous: parsed.has("mtu") || parsed.has("sport") ? 1 : 16,
    port: undefined,
    sourcePort: 0,
    tos: undefined,
    mark: undefined,
    waitMax: 5,
    waitHere: parsed.has("sport") ? 0 : 3,
    waitNear: parsed.has("sport") ? 0 : 10,
    sendWait: 0,
    source: parsed.get("s"),
    device: parsed.get("i"),
    host: "",
    hostAt: 0,
    packetLen: undefined,
  };
  let bad = "";
  const number = (name: string): number | undefined => {
    const text = parsed.get(name);
    if (text === undefined) return undefined;
    if (!/^(0[xX][0-9a-fA-F]+|\d+(\.\d*)?)$/.test(text)) {
      const at = argv.indexOf(text);
      const shown = name.length === 1 ? `-${name}` : `--${name}`;
      bad ||= `Cannot handle \`${shown}' option with arg \`${text}' (argc ${at < 0 ? 1 : at})`;
    }
    return Number(text);
  };
  o.first = number("f") ?? o.first;
  o.max = number("m") ?? o.max;
  o.queries = number("q") ?? o.queries;
  o.simultaneous = number("N") ?? o.simultaneous;
  o.port = number("p");
  o.tos = number("t");
  o.mark = number("fwmark");
  o.sourcePort = number("sport") ?? 0;
  const gap = number("z") ?? 0;
  o.sendWait = gap > 10 ? gap * 1e6 : gap * 1e9;
  const wait = parsed.get("w");
  if (wait !== undefined) {
    const parts = wait.split(/[,/]/);
    if (parts.length > 3 || !parts.every((p) => /^(\d+\.?\d*|\.\d+)$/.test(p))) {
      bad ||= `Cannot handle \`-w' option with arg \`${wait}' (argc ${argv.indexOf(wait)})`;
    }
    [o.waitMax, o.waitHere, o.waitNear] = [Number(parts[0]), Number(parts[1] ?? 0), Number(parts[2] ?? 0)];
  }
  if (bad !== "") return refuse(bad);
  for (const [flag, what] of [
    ["T", "TCP SYN probes"],
    ["D", "DCCP probes"],
    ["P", "raw protocol probes"],
    ["6", "IPv6"],
    ["g", "source routes"],
  ]) {
    // DIFF: these methods are not here.
    if (parsed.has(flag)) return refuse(`traceroute: ${what} are not supported`);
  }

  const words = parsed.operands;
  if (words.length === 0) return refuse('Specify "host" missing argument.');
  const at = (word: string): number => argv.lastIndexOf(word);
  if (words.length > 2) return refuse(`Extra arg \`${words[2]}' (position 3, argc ${at(words[2])})`);
  o.host = words[0];
  o.hostAt = argv.indexOf(words[0]);
  if (words[1] !== undefined) {
    if (!/^\d+$/.test(words[1])) {
      return refuse(`Cannot handle "packetlen" cmdline arg \`${words[1]}' on position 2 (argc ${at(words[1])})`);
    }
    o.packetLen = Number(words[1]);
  }
  if (o.first < 1 || o.first > o.max) return refuse("first hop out of range");
  if (o.max > 255) return refuse("max hops cannot be more than 255");
  if (o.queries < 1 || o.queries > 10) return refuse("no more than 10 probes per hop");
  if (o.waitMax < 0 || o.waitHere < 0 || o.waitNear < 0) return refuse("bad wait specifications `' used");
  if ((o.packetLen ?? 0) > MAX_PACKET) return refuse(`too big packetlen ${o.packetLen} specified`);
  if (o.discoverMtu) o.packetLen = MAX_PACKET;
  return o;
}
