// A test as both ends see it: settings, streams, clocks, and the loop that moves the data. Read first: iperf3(1).
// Way in: new Test(); begin(), transfer(), finish().

import { EPIPE } from "../../uapi/errno.ts";
import { CLOCK_MONOTONIC, POLLERR, POLLHUP, POLLIN, POLLOUT } from "../../uapi/fcntl.ts";
import type { Blocking, PollFd, Sys } from "../../uapi/sys.ts";
import { readFile } from "../lib/io.ts";
import { IERCVTIMEOUT, IESTREAMREAD, IESTREAMWRITE, IperfError } from "./errors.ts";
import { type Json, JsonObject, numberField } from "./json.ts";
import type { Settings } from "./options.ts";
import type { Output } from "./output.ts";
import type { Control } from "./protocol.ts";
import { isSoft, Stream } from "./stream.ts";

/** Blocks before the next look at the control connection and the clock. */
const BLOCKS_PER_TURN = 10;
const READS_PER_TURN = 16;
/** Turns with something to do after which the outside has its own: clock and network stand still in between. */
const TURNS = 8;
/**
 * So much at one instant, more than socket buffers hold, and the clock is one that moves only while everybody sleeps: over
 * loopback in virtual time nothing else would make it move.
 */
const STILL_BYTES = 8 * 1024 * 1024;
const STILL_SLEEP_NS = 1e6;
const CLOCK_TICKS = 100;

export interface CpuUse {
  total: number;
  user: number;
  system: number;
}

/** Why transfer() returned: its time is over, the other end spoke, somebody else knocked, a signal, or an error. */
export type Outcome = "over" | "control" | "visitor" | "signal" | IperfError;

export class Test {
  readonly sys: Sys;
  readonly settings: Settings;
  readonly out: Output;
  readonly control: Control;
  readonly cookie: Uint8Array;
  readonly streams: Stream[] = [];
  /** MSS of the control connection. */
  controlMss = 0;
  sndbuf = 0;
  rcvbuf = 0;
  /** The congestion control in use, and the other end's. */
  congestion = "";
  peerCongestion = "";
  /** Whether the sender counts retransmissions: -1 not known. */
  senderHasRetransmits = -1;
  localCpu: CpuUse = { total: 0, user: 0, system: 0 };
  peerCpu: CpuUse = { total: 0, user: 0, system: 0 };
  serverOutputText: string | undefined;
  serverOutputJson: JsonObject | undefined;
  /** Descriptors that are held for the sake of their numbers. */
  readonly held: number[] = [];
  /** Intervals printed so far. */
  reported = 0;
  ended = false;
  closed = false;
  /** The summary is printed. */
  shown = false;

  omitting = false;
  private begun = 0;
  private wallStart = 0;
  private cpuStart = { user: 0, system: 0 };
  private intervalStart = 0;
  private nextReport = Infinity;
  private omitUntil = Infinity;
  private doneAt = Infinity;
  private lastReceived = 0;
  /** Sent since the clock last moved. */
  private stillBytes = 0;
  /** Seconds. */
  endTime = 0;

  constructor(sys: Sys, settings: Settings, out: Output, control: Control, cookie: Uint8Array) {
    this.sys = sys;
    this.settings = settings;
    this.out = out;
    this.control = control;
    this.cookie = cookie;
  }

  get client(): boolean {
    return this.settings.role === "client";
  }
  get now(): number {
    return this.sys.clock_gettime(CLOCK_MONOTONIC);
  }
  /** A test in one direction: does this end send? */
  get sends(): boolean {
    return this.client !== this.settings.reverse;
  }

  addStream(fd: number, sender: boolean, buf: Uint8Array): Stream {
    const s = this.settings;
    // The first has 1, the second 3: whoever looks a stream up by its number counts on it.
    const index = this.streams.length;
    const stream = new Stream(index === 0 ? 1 : index + 2, fd, sender, s.udp, s.counters64, buf);
    this.streams.push(stream);
    return stream;
  }

  /** The data begins to flow. */
  *begin(): Blocking<void> {
    const s = this.settings;
    if (this.streams.some((x) => x.sender)) this.senderHasRetransmits = s.udp ? 0 : 1;
    this.cpuStart = yield* cpuTimes(this.sys);
    const now = this.now;
    this.wallStart = now;
    this.begun = now;
    this.intervalStart = now;
    this.lastReceived = now;
    this.omitting = s.omit > 0;
    if (s.omit > 0) this.omitUntil = now + s.omit * 1e9;
    if (this.client && s.time > 0) this.doneAt = now + (s.omit + s.time) * 1e9;
    if (s.interval > 0) this.nextReport = now + s.interval * 1e9;
  }

  private limitReached(): boolean {
    const { bytes, blocks } = this.settings;
    if (!this.client || this.omitting || (bytes === 0 && blocks === 0)) return false;
    let sentBytes = 0;
    let sentBlocks = 0;
    let gotBytes = 0;
    let gotBlocks = 0;
    for (const x of this.streams) {
      if (x.sender) {
        sentBytes += x.bytes;
        sentBlocks += x.blocks;
      } else {
        gotBytes += x.bytes;
        gotBlocks += x.blocks;
      }
    }
    return bytes > 0 ? Math.max(sentBytes, gotBytes) >= bytes : Math.max(sentBlocks, gotBlocks) >= blocks;
  }

  /** Moves data until something else is to be done. `listener`: where others may knock, or -1; `limit`: when it is over at the latest. */
  *transfer(listener: number, limit = Infinity): Blocking<Outcome> {
    this.doneAt = Math.min(this.doneAt, limit);
    const { sys, settings, streams } = this;
    const control: PollFd = { fd: this.control.fd, events: POLLIN, revents: 0 };
    const door: PollFd = { fd: listener, events: POLLIN, revents: 0 };
    const all: PollFd[] = [control, door, ...streams.map((s) => ({ fd: s.fd, events: 0, revents: 0 }))];
    const perTurn = settings.burst > 0 ? settings.burst : settings.rate === 0 ? BLOCKS_PER_TURN : 1;
    const receives = streams.some((s) => !s.sender);
    for (const s of streams) s.ready = true;
    let before = -1;
    let turns = 0;
    for (;;) {
      const now = this.now;
      if (this.control.stop()) return "signal";
      if (now >= this.doneAt || this.limitReached()) return "over";
      if (now >= this.omitUntil) yield* this.endOmit();
      else if (now >= this.nextReport) yield* this.report();
      let moved = false;
      let more = false;
      let wake = Math.min(this.doneAt, this.omitUntil, this.nextReport);
      for (let i = 0; i < streams.length; i++) {
        const s = streams[i];
        if (!s.ready) continue;
        const due = !s.sender || settings.rate === 0 || this.mayPass(s, now);
        if (due) {
          const n = s.sender ? yield* this.sendTo(s, perTurn) : yield* this.receiveFrom(s);
          if (n instanceof IperfError) return n;
          if (n > 0) {
            moved = true;
            if (!s.sender) this.lastReceived = now;
          }
        }
        if (s.ready && due) more = true;
        else if (s.ready) wake = Math.min(wake, s.pausedUntil);
        // What is not ready is tried again when poll() says so.
        all[i + 2].events = s.ready ? 0 : s.sender ? POLLOUT : POLLIN;
        if (s.ended) all[i + 2].fd = -1;
      }
      if (moved) {
        if (now !== before) this.stillBytes = 0;
        else if (this.stillBytes > STILL_BYTES) yield* sys.nanosleep(STILL_SLEEP_NS);
        before = now;
      }
      if (receives) {
        const idle = this.lastReceived + settings.rcvTimeout * 1e6;
        if (now >= idle) return new IperfError(IERCVTIMEOUT);
        wake = Math.min(wake, idle);
      }
      if (more && ++turns % TURNS === 0) yield* sys.sched_yield();
      yield* sys.poll(all, more ? 0 : wake === Infinity ? -1 : Math.max(0, (wake - now) / 1e6));
      if (control.revents !== 0) return "control";
      if (door.revents !== 0) return "visitor";
      for (let i = 0; i < streams.length; i++) if (all[i + 2].revents !== 0) streams[i].ready = true;
    }
  }

  /** -b: is the stream behind its rate? */
  private mayPass(s: Stream, now: number): boolean {
    const { rate, pacingTimer } = this.settings;
    if (now < s.pausedUntil) return false;
    if (s.bytes * 8e9 <= rate * (now - this.begun)) return true;
    s.pausedUntil = now + pacingTimer * 1000;
    return false;
  }

  /** What it took at once, at most so many blocks. It is not ready any more when its socket is full. */
  private *sendTo(s: Stream, blocks: number): Blocking<number | IperfError> {
    let moved = 0;
    for (let i = 0; i < blocks && s.ready; i++) {
      const n = yield* s.send(this.sys);
      if (n < 0) {
        if (isSoft(n)) return moved;
        return new IperfError(IESTREAMWRITE, n, n === -EPIPE);
      }
      moved += n;
      this.stillBytes += n;
      if (this.limitReached()) break;
    }
    return moved;
  }

  private *receiveFrom(s: Stream): Blocking<number | IperfError> {
    let moved = 0;
    for (let i = 0; i < READS_PER_TURN && s.ready; i++) {
      const n = yield* s.receive(this.sys, true);
      // A UDP port that nobody has any more: the control connection says what it means.
      if (n < 0) return isSoft(n) || s.udp ? moved : new IperfError(IESTREAMREAD, n);
      moved += n;
      if (this.client && this.limitReached()) break;
    }
    return moved;
  }

  /** The test is over here, not yet at the sender: what still comes is taken and not counted. */
  *drain(): Blocking<void> {
    const receivers = this.streams.filter((s) => !s.sender && !s.ended);
    const control: PollFd = { fd: this.control.fd, events: POLLIN, revents: 0 };
    const all: PollFd[] = [control, ...receivers.map((s) => ({ fd: s.fd, events: POLLIN, revents: 0 }))];
    while (!this.control.stop()) {
      yield* this.sys.poll(all, -1);
      if (control.revents !== 0) return;
      for (let i = 0; i < receivers.length; i++) {
        if (all[i + 1].revents === 0) continue;
        const n = yield* receivers[i].receive(this.sys, false);
        if (n <= 0 && (!isSoft(n) || (all[i + 1].revents & (POLLERR | POLLHUP)) !== 0)) all[i + 1].fd = -1;
      }
    }
  }

  private seconds(at: number): number {
    return Math.round((at - this.begun) / 1000) / 1e6;
  }

  private gather(now: number): void {
    for (const s of this.streams)
      s.gather(this.sys, this.seconds(this.intervalStart), this.seconds(now), this.omitting);
    this.intervalStart = now;
  }

  private *report(): Blocking<void> {
    this.gather(this.now);
    this.nextReport += this.settings.interval * 1e9;
    yield* this.out.interval(this);
  }

  /** -O is over: what was counted so far is shown, and forgotten. */
  private *endOmit(): Blocking<void> {
    const now = this.now;
    this.gather(now);
    yield* this.out.interval(this);
    for (const s of this.streams) s.reset(this.sys);
    this.omitting = false;
    this.omitUntil = Infinity;
    this.begun = now;
    this.intervalStart = now;
    if (this.settings.interval > 0) this.nextReport = now + this.settings.interval * 1e9;
    this.cpuStart = yield* cpuTimes(this.sys);
    this.wallStart = now;
  }

  /** The data has flowed. A last interval in which nothing did is not worth a line. */
  *finish(): Blocking<void> {
    if (this.ended) return;
    this.ended = true;
    const now = this.now;
    this.endTime = this.seconds(now);
    const before = this.streams[0]?.intervals.length ?? 0;
    const first = this.streams[0]?.intervals.every((i) => i.omitted) ?? true;
    const whole = this.settings.interval * 1e9;
    this.gather(now);
    const empty = this.streams.every((s) => s.intervals[before].bytes === 0);
    const start = this.streams[0]?.intervals[before].start ?? 0;
    if (!first && empty && whole > 0 && this.endTime - start < whole / 1e10) {
      for (const s of this.streams) s.intervals.pop();
    }
    const cpu = yield* cpuTimes(this.sys);
    const wall = Math.max(1e-9, (now - this.wallStart) / 1e9);
    const user = (100 * (cpu.user - this.cpuStart.user)) / wall;
    const system = (100 * (cpu.system - this.cpuStart.system)) / wall;
    this.localCpu = { total: user + system, user, system };
  }

  /** Its streams, and what is held for them. */
  close(): void {
    if (this.closed) return;
    for (const s of this.streams) this.sys.close(s.fd);
    for (const fd of this.held) this.sys.close(fd);
    this.held.length = 0;
    this.closed = true;
  }

  /** What the other end gets to know. */
  results(): JsonObject {
    const o = new JsonObject()
      .set("cpu_util_total", this.localCpu.total)
      .set("cpu_util_user", this.localCpu.user)
      .set("cpu_util_system", this.localCpu.system)
      .set("sender_has_retransmits", this.senderHasRetransmits);
    if (this.congestion !== "") o.set("congestion_used", this.congestion);
    if (!this.client && this.settings.getServerOutput) {
      if (this.settings.json) o.set("server_output_json", this.out.json);
      else o.set("server_output_text", this.out.text);
    }
    const streams = this.streams.map((s) =>
      new JsonObject()
        .set("id", s.id)
        .set("bytes", s.bytes)
        .set("retransmits", s.retransmits)
        .set("jitter", s.jitter)
        .set("errors", s.errors)
        .set("packets", s.packets)
        .set("start_time", 0)
        .set("end_time", this.endTime),
    );
    return o.set("streams", streams);
  }

  /** What the other end says. False where it makes no sense. */
  takeResults(r: Record<string, unknown>): boolean {
    this.peerCpu = {
      total: numberField(r, "cpu_util_total", 0),
      user: numberField(r, "cpu_util_user", 0),
      system: numberField(r, "cpu_util_system", 0),
    };
    const has = numberField(r, "sender_has_retransmits", -1);
    if (this.client && !this.streams.some((s) => s.sender)) this.senderHasRetransmits = has;
    if (typeof r.congestion_used === "string") this.peerCongestion = r.congestion_used;
    // A server that was asked once goes on to send it.
    const text = this.settings.getServerOutput ? r.server_output_text : undefined;
    const json = this.settings.getServerOutput ? r.server_output_json : undefined;
    if (typeof text === "string") this.serverOutputText = text;
    if (typeof json === "object" && json !== null && !Array.isArray(json))
      this.serverOutputJson = toJson(json) as JsonObject;
    if (!Array.isArray(r.streams)) return false;
    for (const x of r.streams as unknown[]) {
      if (typeof x !== "object" || x === null) return false;
      const o = x as Record<string, unknown>;
      const stream = this.streams.find((s) => s.id === numberField(o, "id", -1));
      if (stream === undefined) return false;
      stream.takePeer({
        bytes: numberField(o, "bytes", 0),
        retransmits: numberField(o, "retransmits", -1),
        jitter: numberField(o, "jitter", 0),
        errors: numberField(o, "errors", 0),
        packets: numberField(o, "packets", 0),
        endTime: numberField(o, "end_time", 0),
      });
    }
    return true;
  }
}

function toJson(v: unknown): Json {
  if (Array.isArray(v)) return v.map(toJson);
  if (typeof v === "object" && v !== null) {
    const o = new JsonObject();
    for (const [k, x] of Object.entries(v)) o.set(k, toJson(x));
    return o;
  }
  if (typeof v === "string" || typeof v === "boolean") return v;
  return typeof v === "number" ? (v >= 2 ** 63 ? -1 : v) : null;
}

/** Of this process, in seconds: fields 14 and 15 of proc(5)'s stat. */
function* cpuTimes(sys: Sys): Blocking<{ user: number; system: number }> {
  const text = yield* readFile(sys, `/proc/${sys.getpid()}/stat`);
  if (typeof text === "number") return { user: 0, system: 0 };
  const f = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { user: Number(f[11]) / CLOCK_TICKS || 0, system: Number(f[12]) / CLOCK_TICKS || 0 };
}
