// traceroute(8), Dmitry Butskoy's as Debian has it: UDP and ICMP methods, sixteen probes in the air, hops printed in order as
// soon as they are known. Read first: traceroute(8). Way in: `traceroute`; trace() is the loop.

import { CLOCK_REALTIME, POLLERR, POLLIN } from "../../uapi/fcntl.ts";
import type { Blocking, PollFd, Program, Sys } from "../../uapi/sys.ts";
import { inetAton, inetNtoa } from "../lib/inet.ts";
import { print, printError } from "../lib/io.ts";
import { gaiStrerror, resolve, reverse } from "../lib/resolve.ts";
import { Fatal, Method, type Probe } from "./method.ts";
import { parseOptions, type TracerouteOptions } from "./options.ts";

export const traceroute: Program = function* (sys, argv) {
  const o = parseOptions(argv);
  if ("status" in o) {
    yield* print(sys, o.stdout);
    yield* printError(sys, o.stderr);
    return o.status;
  }
  const found = yield* resolve(sys, o.host);
  if (typeof found === "number") {
    const text = `Cannot handle "host" cmdline arg \`${o.host}' on position 1 (argc ${o.hostAt})`;
    yield* printError(sys, `${o.host}: ${gaiStrerror(found)}\n${text}\n`);
    return 2;
  }
  let source = 0;
  if (o.source !== undefined) {
    const own = inetAton(o.source);
    if (own === undefined) {
      yield* printError(sys, `Cannot handle \`-s' option with arg \`${o.source}' (argc ${argv.indexOf(o.source)})\n`);
      return 2;
    }
    source = own;
  }
  const method = new Method(sys, o, found.addrs[0], source);
  let fatal = yield* method.open();
  if (fatal === undefined) {
    const len = o.packetLen === undefined ? 60 : o.packetLen;
    yield* print(sys, `traceroute to ${o.host} (${inetNtoa(found.addrs[0])}), ${o.max} hops max, ${len} byte packets`);
    fatal = yield* new Trace(sys, o, method).run();
  }
  method.end();
  if (fatal !== undefined) {
    yield* printError(sys, `\n${fatal.text}\n`);
    return 1;
  }
  yield* print(sys, "\n");
  return 0;
};

class Trace {
  private readonly sys: Sys;
  private readonly o: TracerouteOptions;
  private readonly method: Method;
  private readonly probes: Probe[] = [];
  /** Index of the next probe to send, and of the next to print. */
  private nextSend: number;
  private nextPrint: number;
  private readonly end: number;
  /** No probe beyond this hop is needed. */
  private lastTtl: number;
  private notBefore = 0;

  constructor(sys: Sys, o: TracerouteOptions, method: Method) {
    this.sys = sys;
    this.o = o;
    this.method = method;
    this.end = o.max * o.queries;
    this.nextSend = this.nextPrint = (o.first - 1) * o.queries;
    this.lastTtl = o.max;
    for (let index = 0; index < this.end; index++) {
      this.probes.push({
        index,
        ttl: Math.floor(index / o.queries) + 1,
        fd: -1,
        seq: -1,
        sent: 0,
        received: 0,
        done: false,
        final: false,
        from: undefined,
        note: "",
        mtu: 0,
        replyTtl: 0,
      });
    }
  }

  private now(): number {
    return Math.floor(this.sys.clock_gettime(CLOCK_REALTIME) / 1000);
  }

  *run(): Blocking<Fatal | undefined> {
    for (;;) {
      const fatal = yield* this.sendDue();
      if (fatal !== undefined) return fatal;
      yield* this.printKnown();
      if (this.nextPrint >= this.lastTtl * this.o.queries) return undefined;
      const wait = this.waitTime();
      if (wait > 0) yield* this.poll(wait);
      else this.expire();
    }
  }

  private outstanding(): Probe[] {
    return this.probes.slice(this.nextPrint, this.nextSend).filter((p) => !p.done && p.sent !== 0);
  }

  private *sendDue(): Blocking<Fatal | undefined> {
    while (this.nextSend < this.lastTtl * this.o.queries && this.outstanding().length < this.o.simultaneous) {
      if (this.now() < this.notBefore) return undefined;
      const p = this.probes[this.nextSend];
      const sent = yield* this.method.send(p);
      if (sent instanceof Fatal) return sent;
      if (!sent) {
        this.notBefore = this.now() + 10000;
        return undefined;
      }
      this.nextSend++;
      this.notBefore = this.now() + this.o.sendWait / 1000;
      this.finish(p);
    }
    return undefined;
  }

  /** After a probe got its answer: what it tells about the rest. */
  private finish(p: Probe): void {
    if (!p.done) return;
    this.method.close(p);
    if (this.o.discoverMtu && p.mtu > 0 && p.note.startsWith("!F") && p.mtu < this.method.packetLen) {
      // The same probe goes again, as long as fits.
      this.method.length = p.mtu - 20;
      const { mtu } = p;
      Object.assign(p, { done: false, final: false, from: undefined, note: "", sent: 0, mtu });
      this.nextSend = p.index;
      this.notBefore = 0;
      return;
    }
    if (p.final && p.ttl < this.lastTtl) this.lastTtl = p.ttl;
  }

  /** µs that the first unprinted probe may still take; 0 when it is over. */
  private waitTime(): number {
    const p = this.probes[this.nextPrint];
    const now = this.now();
    if (p.sent === 0) return Math.max(this.notBefore - now, 1);
    const until = Math.min(p.sent + this.timeout(p), this.notBefore > now ? this.notBefore : Infinity);
    return until - now;
  }

  private timeout(p: Probe): number {
    const { o } = this;
    const max = o.waitMax * 1e6;
    const rtt = (q: Probe): number => q.received - q.sent;
    const answered = (q: Probe): boolean => q.done && q.received !== 0;
    if (o.waitHere > 0) {
      const hop = this.probes.slice((p.ttl - 1) * o.queries, p.ttl * o.queries);
      const same = hop.find(answered);
      if (same !== undefined) return Math.min(max, rtt(same) * o.waitHere);
    }
    if (o.waitNear > 0) {
      const next = this.probes.slice(p.ttl * o.queries, this.nextSend).find(answered);
      if (next !== undefined) return Math.min(max, rtt(next) * o.waitNear);
    }
    return max;
  }

  private expire(): void {
    const p = this.probes[this.nextPrint];
    if (p.sent === 0 || p.done) return;
    p.done = true;
    this.method.close(p);
  }

  private *poll(us: number): Blocking<void> {
    const waiting = this.outstanding();
    const fds = [...new Set(waiting.map((p) => p.fd))];
    const polls: PollFd[] = fds.map((fd) => ({ fd, events: POLLIN | POLLERR, revents: 0 }));
    const n = yield* this.sys.poll(polls, Math.ceil(us / 1000));
    if (n <= 0) return;
    for (const x of polls) if (x.revents !== 0) yield* this.method.receive(x.fd, waiting);
    for (const p of waiting) this.finish(p);
  }

  private *printKnown(): Blocking<void> {
    while (this.nextPrint < this.lastTtl * this.o.queries && this.probes[this.nextPrint].done) {
      const p = this.probes[this.nextPrint++];
      let text = p.index % this.o.queries === 0 ? `\n${String(p.ttl).padStart(2)} ` : "";
      if (p.from === undefined) text += " *";
      else {
        const before = this.probes.slice((p.ttl - 1) * this.o.queries, p.index).findLast((q) => q.from !== undefined);
        if (before?.from !== p.from) text += ` ${yield* this.name(p.from)}`;
        if (this.o.backward && before?.from !== p.from) text += backText(p);
      }
      if (p.received !== 0) text += `  ${((p.received - p.sent) / 1000).toFixed(3)} ms`;
      if (p.note !== "") text += ` ${p.note}`;
      else if (p.mtu > 0) text += ` F=${p.mtu}`;
      yield* print(this.sys, text);
    }
  }

  private *name(addr: number): Blocking<string> {
    const text = inetNtoa(addr);
    return this.o.numeric ? text : `${(yield* reverse(this.sys, addr)) ?? text} (${text})`;
  }
}

/** Hops of the way back, guessed from what is left of the usual first TTLs, where it is not the way there. */
function backText(p: Probe): string {
  if (p.replyTtl === 0) return "";
  const start = p.replyTtl <= 64 ? 64 : p.replyTtl <= 128 ? 128 : 255;
  const hops = start - p.replyTtl + 1;
  return hops === p.ttl ? "" : ` '-${hops}'`;
}
