// iperf3's command line. Read first: iperf3(1). Way in: parseOptions(argv).

import { getopt, type Options } from "../lib/getopt.ts";
import { parseCNumber, parseInteger, parseRate, parseSize } from "./units.ts";
import { USAGE } from "./usage.ts";

export interface Settings {
  role: "client" | "server";
  host: string;
  port: number;
  udp: boolean;
  /** Seconds; 0 without an end in time. */
  time: number;
  /** What ends the test instead of time; 0 does not. */
  bytes: number;
  blocks: number;
  omit: number;
  parallel: number;
  reverse: boolean;
  bidir: boolean;
  /** Bytes of a write; 0: chosen by protocol. */
  length: number;
  /** SO_SNDBUF and SO_RCVBUF; 0 as they are. */
  window: number;
  mss: number;
  noDelay: boolean;
  /** Bits per second of a stream; 0 as fast as it goes. */
  rate: number;
  burst: number;
  /** Microseconds between looks at the rate. */
  pacingTimer: number;
  fqRate: number;
  tos: number;
  dontFragment: boolean;
  title: string;
  extraData: string;
  congestion: string;
  getServerOutput: boolean;
  counters64: boolean;
  repeatingPayload: boolean;
  /** sendfile(2) instead of write(2). */
  zeroCopy: boolean;
  /** Seconds between reports; 0 none. */
  interval: number;
  format: string;
  json: boolean;
  verbose: boolean;
  oneOff: boolean;
  daemon: boolean;
  /** Seconds; 0 for ever. */
  idleTimeout: number;
  bind: string;
  device: string;
  cport: number;
  /** ms; -1 the kernel's. */
  connectTimeout: number;
  rcvTimeout: number;
  /** ms; 0 the kernel's. */
  sndTimeout: number;
  logfile: string;
  pidfile: string;
  /** strftime(3); "" none. */
  timestamps: string;
  /** CPU; -1 none. */
  affinity: number;
  serverAffinity: number;
  version4: boolean;
  version6: boolean;
}

/** Something to print instead of a test. */
export interface Refusal {
  status: number;
  stdout: string;
  stderr: string;
}

export const UDP_RATE = 1024 * 1024;
export const TCP_LENGTH = 128 * 1024;
export const LENGTH_MAX = 1024 * 1024;
export const UDP_LENGTH_MIN = 16;
export const UDP_LENGTH_MAX = 65507;
export const PARALLEL_MAX = 128;
export const WINDOW_MAX = 512 * 1024 * 1024;
const MSS_MAX = 9 * 1024;
const BURST_MAX = 1000;
const TIME_MAX = 86400;
const OMIT_MAX = 600;

const SHORT = "p:f:i:D1VJvsc:ub:t:n:k:l:P:Rw:B:M:N46S:L:ZO:F:A:T:C:dI:hX:";
const LONG: readonly string[] = [
  "port:=p",
  "format:=f",
  "interval:=i",
  "daemon=D",
  "one-off=1",
  "verbose=V",
  "json=J",
  "version=v",
  "server=s",
  "client:=c",
  "udp=u",
  "bitrate:=b",
  "bandwidth:=b",
  "server-bitrate-limit:",
  "time:=t",
  "bytes:=n",
  "blockcount:=k",
  "length:=l",
  "parallel:=P",
  "reverse=R",
  "bidir",
  "window:=w",
  "bind:=B",
  "bind-dev:",
  "cport:",
  "set-mss:=M",
  "no-delay=N",
  "version4=4",
  "version6=6",
  "tos:=S",
  "dscp:",
  "extra-data:",
  "flowlabel:=L",
  "zerocopy=Z",
  "omit:=O",
  "file:=F",
  "repeating-payload",
  "timestamps::",
  "affinity:=A",
  "title:=T",
  "congestion:=C",
  "linux-congestion:=C",
  "sctp",
  "nstreams:",
  "xbind:=X",
  "pidfile:=I",
  "logfile:",
  "forceflush",
  "get-server-output",
  "udp-counters-64bit",
  "no-fq-socket-pacing",
  "fq-rate:",
  "pacing-timer:",
  "connect-timeout:",
  "idle-timeout:",
  "rcv-timeout:",
  "snd-timeout:",
  "debug::=d",
  "dont-fragment",
  "username:",
  "rsa-public-key-path:",
  "rsa-private-key-path:",
  "authorized-users-path:",
  "time-skew-threshold:",
  "help=h",
];

const CLIENT_ONLY =
  "u b t n k l P R w M N S Z O T C cport connect-timeout bidir get-server-output udp-counters-64bit ".concat(
    "no-fq-socket-pacing fq-rate repeating-payload dont-fragment extra-data dscp",
  );
const SERVER_ONLY = "D 1 idle-timeout";
// DIFF: what only makes sense with SCTP, IPv6, files or passwords is refused as a build without it does.
const NOT_HERE =
  "sctp X nstreams F L d server-bitrate-limit username rsa-public-key-path rsa-private-key-path authorized-users-path time-skew-threshold";

/** RFC 2474, 2597, 3246, 5865, 8622. */
const DSCP: Readonly<Record<string, number>> = {
  cs0: 0,
  cs1: 8,
  cs2: 16,
  cs3: 24,
  cs4: 32,
  cs5: 40,
  cs6: 48,
  cs7: 56,
  af11: 10,
  af12: 12,
  af13: 14,
  af21: 18,
  af22: 20,
  af23: 22,
  af31: 26,
  af32: 28,
  af33: 30,
  af41: 34,
  af42: 36,
  af43: 38,
  ef: 46,
  "voice-admit": 44,
  va: 44,
  le: 1,
};

export function parseOptions(argv: readonly string[]): Settings | Refusal {
  const o = getopt(argv, SHORT, LONG);
  if (o.error !== undefined) return { status: 1, stdout: "", stderr: `${o.error}\n${USAGE}` };
  if (o.has("h")) return { status: 0, stdout: USAGE, stderr: "" };
  const has = (names: string): boolean => names.split(" ").some((n) => o.has(n));
  const client = o.has("c");
  const server = o.has("s");
  if (client && server) return bad("cannot be both server and client");
  const s = read(o, client ? "client" : "server");
  if (typeof s === "string") return bad(s);
  if (!client && has(CLIENT_ONLY)) return bad("some option you are trying to set is client only");
  if (!server && has(SERVER_ONLY)) return bad("some option you are trying to set is server only");
  if (has(NOT_HERE)) return bad("an option you are trying to set is not implemented yet");
  if (!client && !server) return bad("must either be a client (-c) or server (-s)");
  return s;
}

function bad(text: string): Refusal {
  return { status: 1, stdout: USAGE, stderr: `iperf3: parameter error - ${text}\n\n` };
}

function read(o: Options, role: "client" | "server"): Settings | string {
  const integer = (name: string, fallback: number): number => {
    const text = o.get(name);
    return text === undefined ? fallback : parseInteger(text);
  };
  const size = (name: string): number => {
    const text = o.get(name);
    return text === undefined ? 0 : parseSize(text);
  };
  const [host, device] = withDevice(o.get("c") ?? "");
  const [bind, bindDevice] = withDevice(o.get("B") ?? "");
  const udp = o.has("u");
  const [rate, burst] = (o.get("b") ?? "").split("/");
  const ends = ["t", "n", "k"].filter((n) => o.has(n) && (n === "t" || size(n) > 0)).length;
  const stamps = o.list.findLast((x) => x.name === "timestamps");
  const cpus = o.get("A")?.split(",");
  const s: Settings = {
    role,
    host,
    port: integer("p", 5201),
    udp,
    time: ends > 0 ? integer("t", 0) : 10,
    bytes: size("n"),
    blocks: size("k"),
    omit: integer("O", 0),
    parallel: integer("P", 1),
    reverse: o.has("R"),
    bidir: o.has("bidir"),
    length: size("l"),
    window: size("w"),
    mss: integer("M", 0),
    noDelay: o.has("N"),
    rate: o.has("b") ? parseRate(rate) : udp ? UDP_RATE : 0,
    burst: burst === undefined ? 0 : parseInteger(burst),
    pacingTimer: size("pacing-timer") || 1000,
    fqRate: o.has("fq-rate") ? parseRate(o.get("fq-rate")!) : 0,
    tos: 0,
    dontFragment: o.has("dont-fragment"),
    title: o.get("T") ?? "",
    extraData: o.get("extra-data") ?? "",
    congestion: o.get("C") ?? "",
    getServerOutput: o.has("get-server-output"),
    counters64: o.has("udp-counters-64bit"),
    repeatingPayload: o.has("repeating-payload"),
    zeroCopy: o.has("Z"),
    interval: o.has("i") ? Number.parseFloat(o.get("i")!) || 0 : 1,
    format: o.get("f") ?? "",
    json: o.has("J"),
    verbose: o.has("V"),
    oneOff: o.has("1"),
    daemon: o.has("D"),
    idleTimeout: integer("idle-timeout", 0),
    bind,
    device: o.get("bind-dev") ?? bindDevice ?? device ?? "",
    cport: integer("cport", 0),
    connectTimeout: integer("connect-timeout", -1),
    rcvTimeout: integer("rcv-timeout", 120_000),
    sndTimeout: integer("snd-timeout", 0),
    logfile: o.get("logfile") ?? "",
    pidfile: o.get("I") ?? "",
    timestamps: stamps === undefined ? "" : (stamps.value ?? "%c "),
    affinity: cpus === undefined ? -1 : parseInteger(cpus[0]),
    serverAffinity: cpus === undefined || cpus.length < 2 ? -1 : parseInteger(cpus[1]),
    version4: o.has("4"),
    version6: o.has("6"),
  };
  const tos = o.get("S");
  const dscp = o.get("dscp");
  if (tos !== undefined) s.tos = parseCNumber(tos);
  if (dscp !== undefined) s.tos = (DSCP[dscp.toLowerCase()] ?? parseCNumber(dscp)) * 4;
  if (!(s.tos >= 0 && s.tos <= 255)) return "bad TOS value (must be between 0 and 255 inclusive)";
  return wrong(o, s, ends) ?? s;
}

function wrong(o: Options, s: Settings, ends: number): string | undefined {
  const port = "port number must be between 1 and 65535 inclusive";
  if (s.port < 1 || s.port > 65535) return port;
  if (o.has("cport") && (s.cport < 1 || s.cport > 65535)) return port;
  if (!/^[kmgtKMGT]?$/.test(s.format)) return "bad format specifier (valid formats are in the set [kmgtKMGT])";
  if (s.interval !== 0 && (s.interval < 0.1 || s.interval > 60))
    return "invalid report interval (min = 0.1, max = 60 seconds)";
  if (s.burst < 0 || s.burst > BURST_MAX) return `invalid burst count (maximum = ${BURST_MAX})`;
  if (s.time > TIME_MAX || s.time < 0) return `test duration too long (maximum = ${TIME_MAX} seconds)`;
  if (s.parallel > PARALLEL_MAX) return `number of parallel streams too large (maximum = ${PARALLEL_MAX})`;
  if (s.omit < 0 || s.omit > OMIT_MAX) return "bogus value for --omit";
  if (s.window > WINDOW_MAX) return `socket buffer size too large (maximum = ${WINDOW_MAX} bytes)`;
  if (s.mss > MSS_MAX) return `TCP MSS too large (maximum = ${MSS_MAX} bytes)`;
  if (s.reverse && s.bidir) return "cannot be both reverse and bidirectional";
  if (s.length > LENGTH_MAX) return `block size too large (maximum = ${LENGTH_MAX} bytes)`;
  if (s.udp && s.length > 0 && (s.length < UDP_LENGTH_MIN || s.length > UDP_LENGTH_MAX))
    return `block size invalid (minimum = ${UDP_LENGTH_MIN} bytes, maximum = ${UDP_LENGTH_MAX} bytes)`;
  if (ends > 1) return "only one test end condition (-t, -n, -k) may be specified";
  return undefined;
}

/** "host%device". */
function withDevice(text: string): [string, string | undefined] {
  const at = text.indexOf("%");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
