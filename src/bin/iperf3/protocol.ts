// What goes over iperf3's control connection: a cookie, states of one byte, JSON behind its length. As a trace of iperf3 3.12
// shows it. Way in: readState(), sendState(), sendJson(), readJson(), parameters(), applyParameters().

import { EAGAIN, EINTR } from "../../uapi/errno.ts";
import { POLLIN, POLLOUT } from "../../uapi/fcntl.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { view } from "../lib/inet.ts";
import { decode, encode } from "../lib/io.ts";
import { JsonObject, numberField, parseObject, stringify } from "./json.ts";
import { LENGTH_MAX, PARALLEL_MAX, type Settings, TCP_LENGTH, UDP_LENGTH_MAX, WINDOW_MAX } from "./options.ts";

export const TEST_START = 1;
export const TEST_RUNNING = 2;
export const TEST_END = 4;
export const PARAM_EXCHANGE = 9;
export const CREATE_STREAMS = 10;
export const SERVER_TERMINATE = 11;
export const CLIENT_TERMINATE = 12;
export const EXCHANGE_RESULTS = 13;
export const DISPLAY_RESULTS = 14;
export const IPERF_DONE = 16;
export const ACCESS_DENIED = -1;
export const SERVER_ERROR = -2;

/** With the NUL at its end. */
export const COOKIE_LEN = 37;
/** The first datagram of a stream, and the answer to it: where a datagram of a test begins with its time. */
export const UDP_HELLO: Uint8Array = Uint8Array.of(0x39, 0x38, 0x37, 0x36);
export const UDP_REPLY: Uint8Array = Uint8Array.of(0x36, 0x37, 0x38, 0x39);

export const VERSION = "3.12";
const PARAMETERS_MAX = 8 * 1024;
const RESULTS_MAX = 16 * 1024 * 1024;
const COOKIE_LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** Letters and digits, and a NUL. */
export function makeCookie(sys: Sys): Uint8Array {
  const bytes = new Uint8Array(COOKIE_LEN);
  sys.getrandom(bytes);
  for (let i = 0; i < COOKIE_LEN - 1; i++) bytes[i] = COOKIE_LETTERS.charCodeAt(bytes[i] & 31);
  bytes[COOKIE_LEN - 1] = 0;
  return bytes;
}

/** Ends a wait: a signal came (-EINTR), or the limit in time passed (-EAGAIN). */
export function* waitReady(sys: Sys, fd: number, events: number, until: number, stop: () => boolean): Blocking<number> {
  for (;;) {
    if (stop()) return -EINTR;
    const left = until === Infinity ? -1 : Math.max(0, (until - sys.clock_gettime(1)) / 1e6);
    const n = yield* sys.poll([{ fd, events, revents: 0 }], left);
    if (n > 0) return 0;
    if (n === 0) return -EAGAIN;
    if (n !== -EINTR) return n;
  }
}

/** The control connection of one test. */
export class Control {
  readonly sys: Sys;
  readonly fd: number;
  /** A signal came: nothing is waited for any more. */
  readonly stop: () => boolean;
  /** CLOCK_MONOTONIC until which the other end must have said what is read; Infinity for ever. */
  until = Infinity;
  constructor(sys: Sys, fd: number, stop: () => boolean) {
    this.sys = sys;
    this.fd = fd;
    this.stop = stop;
  }

  /** So many bytes; fewer at the end of the stream. Or -errno. */
  *read(buf: Uint8Array): Blocking<number> {
    let done = 0;
    while (done < buf.length) {
      const err = yield* waitReady(this.sys, this.fd, POLLIN, this.until, this.stop);
      if (err < 0) return err;
      const n = yield* this.sys.read(this.fd, buf.subarray(done));
      if (n === -EINTR || n === -EAGAIN) continue;
      if (n < 0) return n;
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  *write(bytes: Uint8Array): Blocking<number> {
    let done = 0;
    while (done < bytes.length) {
      const err = yield* waitReady(this.sys, this.fd, POLLOUT, this.until, this.stop);
      if (err < 0) return err;
      const n = yield* this.sys.write(this.fd, bytes.subarray(done));
      if (n === -EINTR || n === -EAGAIN) continue;
      if (n < 0) return n;
      done += n;
    }
    return done;
  }

  /** The next state; an error of 0: the connection has ended. */
  *readState(): Blocking<{ state: number } | { err: number }> {
    const byte = new Uint8Array(1);
    const n = yield* this.read(byte);
    if (n < 0) return { err: n };
    return n === 0 ? { err: 0 } : { state: (byte[0] << 24) >> 24 };
  }

  sendState(state: number): Blocking<number> {
    return this.write(Uint8Array.of(state));
  }

  /** i_errno and errno behind SERVER_ERROR. */
  *sendError(code: number, errno: number): Blocking<number> {
    const b = new Uint8Array(9);
    b[0] = SERVER_ERROR;
    view(b).setInt32(1, code);
    view(b).setInt32(5, Math.abs(errno));
    return yield* this.write(b);
  }

  *readError(): Blocking<[number, number] | undefined> {
    const b = new Uint8Array(8);
    const n = yield* this.read(b);
    return n < 8 ? undefined : [view(b).getInt32(0), view(b).getInt32(4)];
  }

  *sendJson(value: JsonObject): Blocking<number> {
    const text = encode(stringify(value, false));
    const length = new Uint8Array(4);
    view(length).setUint32(0, text.length);
    const n = yield* this.write(length);
    return n < 0 ? n : yield* this.write(text);
  }

  /** An object, undefined for what is none, or -errno. */
  *readJson(limit: number): Blocking<Record<string, unknown> | undefined | number> {
    const head = new Uint8Array(4);
    const n = yield* this.read(head);
    if (n < 4) return n < 0 ? n : undefined;
    const length = view(head).getUint32(0);
    if (length > limit) return undefined;
    const text = new Uint8Array(length);
    const got = yield* this.read(text);
    if (got < length) return got < 0 ? got : undefined;
    return parseObject(decode(text));
  }

  readParameters(): Blocking<Record<string, unknown> | undefined | number> {
    return this.readJson(PARAMETERS_MAX);
  }
  readResults(): Blocking<Record<string, unknown> | undefined | number> {
    return this.readJson(RESULTS_MAX);
  }
}

/** What the client asks for, in iperf3's order. */
export function parameters(s: Settings): JsonObject {
  const o = new JsonObject();
  o.set(s.udp ? "udp" : "tcp", true);
  o.set("omit", s.omit);
  if (s.serverAffinity >= 0) o.set("server_affinity", s.serverAffinity);
  o.set("time", s.time).set("num", s.bytes).set("blockcount", s.blocks);
  if (s.mss > 0) o.set("MSS", s.mss);
  if (s.noDelay) o.set("nodelay", true);
  o.set("parallel", s.parallel);
  if (s.reverse) o.set("reverse", true);
  if (s.bidir) o.set("bidirectional", true);
  if (s.window > 0) o.set("window", s.window);
  o.set("len", s.length);
  if (s.rate > 0) o.set("bandwidth", s.rate);
  if (s.fqRate > 0) o.set("fqrate", s.fqRate);
  o.set("pacing_timer", s.pacingTimer);
  if (s.burst > 0) o.set("burst", s.burst);
  if (s.tos > 0) o.set("TOS", s.tos);
  if (s.title !== "") o.set("title", s.title);
  if (s.extraData !== "") o.set("extra_data", s.extraData);
  if (s.congestion !== "") o.set("congestion", s.congestion);
  if (s.getServerOutput) o.set("get_server_output", 1);
  if (s.counters64) o.set("udp_counters_64bit", 1);
  if (s.repeatingPayload) o.set("repeating_payload", 1);
  if (s.zeroCopy) o.set("zerocopy", 1);
  if (s.dontFragment) o.set("dont_fragment", 1);
  return o.set("client_version", VERSION);
}

/** A server's settings for the test that was asked for; nothing out of bounds gets through. */
export function applyParameters(base: Settings, p: Record<string, unknown>): Settings {
  const n = (key: string, least: number, most: number, fallback: number): number => {
    const v = Math.trunc(numberField(p, key, fallback));
    return v >= least ? Math.min(v, most) : fallback;
  };
  const text = (key: string): string => (typeof p[key] === "string" ? (p[key] as string).slice(0, 4096) : "");
  const flag = (key: string): boolean => numberField(p, key, 0) > 0;
  const udp = flag("udp");
  const most = Number.MAX_SAFE_INTEGER;
  return {
    ...base,
    udp,
    omit: n("omit", 0, 600, 0),
    time: n("time", 0, 86400, 0),
    bytes: n("num", 0, most, 0),
    blocks: n("blockcount", 0, most, 0),
    mss: n("MSS", 0, 65535, 0),
    noDelay: flag("nodelay"),
    parallel: n("parallel", 1, PARALLEL_MAX, 1),
    reverse: flag("reverse"),
    bidir: flag("bidirectional"),
    window: n("window", 0, WINDOW_MAX, 0),
    length: n("len", 1, udp ? UDP_LENGTH_MAX : LENGTH_MAX, udp ? 1460 : TCP_LENGTH),
    rate: n("bandwidth", 0, most, 0),
    fqRate: n("fqrate", 0, most, 0),
    pacingTimer: n("pacing_timer", 1, 60e6, 1000),
    burst: n("burst", 0, 1000, 0),
    tos: n("TOS", 0, 255, 0),
    title: text("title"),
    extraData: text("extra_data"),
    congestion: text("congestion"),
    getServerOutput: flag("get_server_output"),
    counters64: flag("udp_counters_64bit"),
    repeatingPayload: flag("repeating_payload"),
    zeroCopy: flag("zerocopy"),
    dontFragment: flag("dont_fragment"),
    serverAffinity: n("server_affinity", 0, 1023, -1),
  };
}
