// udpflood and udpsink: load for labs. The flood sends numbered datagrams at a rate or as fast as they go; the sink counts them
// and tells what is missing, came twice or out of order. Way in: `udpflood`, `udpsink`.

import { EAGAIN, EINTR, ENOBUFS, strerror } from "../uapi/errno.ts";
import { CLOCK_MONOTONIC, SIGINT, SIGTERM } from "../uapi/fcntl.ts";
import * as S from "../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../uapi/sys.ts";
import { getopt, type Options } from "./lib/getopt.ts";
import { sockaddrIn, timeval, view } from "./lib/inet.ts";
import { print, printError } from "./lib/io.ts";
import { gaiStrerror, resolve } from "./lib/resolve.ts";

const FLOOD_USAGE = `usage: udpflood [-r pps] [-c count] [-t seconds] [-s size] [-p port] [-P source-port] [-q] host
  -r pps      datagrams per second (default: as fast as they go)
  -c count    stop after count datagrams
  -t seconds  stop after this time (default 10 where there is no -c)
  -s size     bytes of data (default 18: a frame of 64 bytes with the FCS)
  -p port     destination port (default 9, discard)
  -P port     source port
  -q          print nothing
`;
const SINK_USAGE = `usage: udpsink [-p port] [-c count] [-t seconds] [-i seconds] [-b bytes] [-w ns] [-q]
  -p port     (default 9, discard)
  -c count    stop after count datagrams
  -t seconds  stop after this time
  -i seconds  stop when nothing came for this time after the first
  -b bytes    receive buffer (SO_RCVBUF)
  -w ns       work: time to spend on each datagram
  -q          print nothing
`;
/** Numbered datagrams start with this, then the number (u32). */
const MAGIC = 0x736b6266;
/** Datagrams sent between looks at the clock where no rate is set. */
const BATCH = 32;
/** A batch that took no time at all takes this: virtual time must move. */
const STANDSTILL_NS = 1000;

function* number(sys: Sys, o: Options, name: string, usage: string, prog: string): Blocking<number | undefined | null> {
  const text = o.get(name);
  if (text === undefined) return undefined;
  const n = Number(text);
  if (text !== "" && Number.isFinite(n) && n >= 0) return n;
  yield* printError(sys, `${prog}: -${name}: not a number: '${text}'\n${usage}`);
  return null;
}

export const udpflood: Program = function* (sys, argv) {
  const o = getopt(argv, "r:c:t:s:p:P:qh");
  if (o.error !== undefined || o.has("h") || o.operands.length !== 1) {
    yield* printError(sys, `${o.error === undefined ? "" : `${o.error}\n`}${FLOOD_USAGE}`);
    return o.has("h") ? 0 : 2;
  }
  const values: Record<string, number | undefined> = {};
  for (const name of "rctspP") {
    const n = yield* number(sys, o, name, FLOOD_USAGE, "udpflood");
    if (n === null) return 2;
    values[name] = n;
  }
  const found = yield* resolve(sys, o.operands[0]);
  if (typeof found === "number") {
    yield* printError(sys, `udpflood: ${o.operands[0]}: ${gaiStrerror(found)}\n`);
    return 2;
  }
  const { r: rate, c: count } = values;
  const seconds = values.t ?? (count === undefined ? 10 : undefined);
  const size = Math.min(values.s ?? 18, 65507);

  const fd = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
  const fail = function* (what: string, err: number): Blocking<number> {
    yield* printError(sys, `udpflood: ${what}: ${strerror(err)}\n`);
    return 1;
  };
  if (fd < 0) return yield* fail("socket", fd);
  sys.setsockopt(fd, S.SOL_SOCKET, S.SO_BROADCAST, 1);
  let err = values.P === undefined ? 0 : sys.bind(fd, sockaddrIn(0, values.P));
  if (err < 0) return yield* fail("bind", err);
  err = yield* sys.connect(fd, sockaddrIn(found.addrs[0], values.p ?? 9));
  if (err < 0) return yield* fail("connect", err);

  let stopped = false;
  const stop = (): void => void (stopped = true);
  sys.sigaction(SIGINT, stop);
  sys.sigaction(SIGTERM, stop);
  const data = new Uint8Array(size);
  const dv = view(data);
  if (size >= 8) dv.setUint32(0, MAGIC);
  const start = sys.clock_gettime(CLOCK_MONOTONIC);
  const end = seconds === undefined ? Infinity : start + seconds * 1e9;
  let now = start;
  let tried = 0;
  let sent = 0;
  let refused = 0;
  let full = 0;
  while (!stopped && now < end && (count === undefined || tried < count)) {
    const before = now;
    let batch = BATCH;
    if (rate !== undefined) {
      // What the rate allows by now; at most a batch, so that signals and the end are seen.
      const allowed = Math.floor(((now - start) * rate) / 1e9) + 1 - tried;
      batch = Math.min(BATCH, allowed);
      if (batch <= 0) {
        const due = start + (tried * 1e9) / rate;
        yield* sys.nanosleep(Math.max(1, Math.ceil(Math.min(due, end) - now)));
        now = sys.clock_gettime(CLOCK_MONOTONIC);
        continue;
      }
    }
    for (let i = 0; i < batch && (count === undefined || tried < count); i++) {
      if (size >= 8) dv.setUint32(4, tried);
      tried++;
      const n = yield* sys.sendto(fd, data, 0, null);
      if (n >= 0) sent++;
      else if (n === -EAGAIN || n === -ENOBUFS) full++;
      else if (n !== -EINTR) refused++;
    }
    now = sys.clock_gettime(CLOCK_MONOTONIC);
    if (rate === undefined) {
      if (now === before) yield* sys.nanosleep(STANDSTILL_NS);
      else yield* sys.sched_yield();
      now = sys.clock_gettime(CLOCK_MONOTONIC);
    }
  }
  sys.close(fd);
  if (!o.has("q")) {
    let text = `${sent} datagrams sent, ${sent * size} bytes, in ${secondsText(now - start)} s: ${pps(sent, now - start)} pps`;
    if (full > 0) text += `, ${full} found no buffer`;
    if (refused > 0) text += `, ${refused} refused`;
    yield* print(sys, `${text}\n`);
  }
  return sent > 0 ? 0 : 1;
};

function secondsText(ns: number): string {
  return (ns / 1e9).toFixed(3);
}

function pps(n: number, ns: number): string {
  return ns <= 0 ? "-" : String(Math.round(n / (ns / 1e9)));
}

export const udpsink: Program = function* (sys, argv) {
  const o = getopt(argv, "p:c:t:i:b:w:qh");
  if (o.error !== undefined || o.has("h") || o.operands.length > 0) {
    yield* printError(sys, `${o.error === undefined ? "" : `${o.error}\n`}${SINK_USAGE}`);
    return o.has("h") ? 0 : 2;
  }
  const values: Record<string, number | undefined> = {};
  for (const name of "pctibw") {
    const n = yield* number(sys, o, name, SINK_USAGE, "udpsink");
    if (n === null) return 2;
    values[name] = n;
  }
  const fd = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
  if (fd >= 0) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEADDR, 1);
  if (fd >= 0 && values.b !== undefined) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_RCVBUF, values.b);
  const err = fd < 0 ? fd : sys.bind(fd, sockaddrIn(0, values.p ?? 9));
  if (err < 0) {
    yield* printError(sys, `udpsink: port ${values.p ?? 9}: ${strerror(err)}\n`);
    return 1;
  }
  let stopped = false;
  const stop = (): void => void (stopped = true);
  sys.sigaction(SIGINT, stop);
  sys.sigaction(SIGTERM, stop);

  const start = sys.clock_gettime(CLOCK_MONOTONIC);
  const end = values.t === undefined ? Infinity : start + values.t * 1e9;
  const buf = new Uint8Array(65536);
  const dv = view(buf);
  const tally = new Tally();
  let received = 0;
  let bytes = 0;
  let first = 0;
  let last = start;
  let timeout = -1;
  while (!stopped && (values.c === undefined || received < values.c)) {
    const idleEnd = values.i === undefined || received === 0 ? Infinity : last + values.i * 1e9;
    const until = Math.min(end, idleEnd);
    if (until < Infinity) {
      const left = until - sys.clock_gettime(CLOCK_MONOTONIC);
      if (left <= 0) break;
      // Coarse, so that it is set seldom.
      const wanted = Math.min(1e9, left);
      if (wanted !== timeout) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_RCVTIMEO, timeval(Math.max(1000, wanted)));
      timeout = wanted;
    }
    const n = yield* sys.recvfrom(fd, buf, 0, null);
    if (n === -EAGAIN || n === -EINTR) continue;
    if (n < 0) continue;
    last = sys.clock_gettime(CLOCK_MONOTONIC);
    if (received === 0) first = last;
    received++;
    bytes += n;
    if (n >= 8 && dv.getUint32(0) === MAGIC) tally.take(dv.getUint32(4));
    if (values.w !== undefined && values.w > 0) yield* sys.nanosleep(values.w);
  }
  sys.close(fd);
  if (!o.has("q")) {
    const span = last - first;
    let text = `${received} datagrams received, ${bytes} bytes`;
    if (received > 1) text += `, in ${secondsText(span)} s: ${pps(received - 1, span)} pps`;
    yield* print(sys, `${text}${tally.text()}\n`);
  }
  return 0;
};

/** What the numbers say: a window of the last ones tells a late one from one that came twice. */
class Tally {
  private static readonly WINDOW = 65536;
  private readonly seen = new Uint32Array(Tally.WINDOW);
  private numbered = 0;
  private next = 0;
  private late = 0;
  private twice = 0;

  take(seq: number): void {
    this.numbered++;
    const slot = seq % Tally.WINDOW;
    // The number itself plus one, so that 0 means empty.
    if (this.seen[slot] === seq + 1) {
      this.twice++;
      return;
    }
    this.seen[slot] = seq + 1;
    if (seq >= this.next) this.next = seq + 1;
    else this.late++;
  }

  text(): string {
    if (this.numbered === 0) return "";
    const lost = this.next - (this.numbered - this.twice);
    let text = `; ${Math.max(0, lost)} of ${this.next} lost`;
    if (this.late > 0) text += `, ${this.late} out of order`;
    if (this.twice > 0) text += `, ${this.twice} twice`;
    return text;
  }
}
