// A lab that pings for a long virtual time over lossy cables: 20 hosts on four hubs around a router. What it proves: nothing grows,
// nothing is left when the power goes, and the same seed gives the same frames at the same times.
// Way in: soak({ seed, seconds }). The day is tools/soak.mjs, minutes are soak.test.ts.

import { tracer_records } from "../../src/kernel/trace.ts";
import { Lab, traceAll } from "../../src/lab/lab.ts";
import { loadTopology } from "../../src/lab/topology.ts";
import { memoryTree } from "../../src/lab/tree.ts";
import { jhash_3words } from "../../src/lib/jhash.ts";

export interface SoakOptions {
  seed: number;
  /** Virtual seconds. */
  seconds: number;
  /** Hash every function that every packet passes too, not only the frames on the cables. */
  functions?: boolean;
  /** Besides, every host sends streams over TCP to the next one, under a different congestion control each. */
  streams?: boolean;
  progress?: (virtual_s: number) => void;
}

export interface SoakResult {
  /** Of all frames: time, cable, end, bytes; and of all functions when asked for. */
  hash: string;
  frames: number;
  events: number;
  sent: number;
  received: number;
  /** Bytes that arrived over TCP. */
  streamed: number;
  /** Objects alive on all machines together, once warm and at the end, before the power went. */
  live_warm: Record<string, number>;
  live_end: Record<string, number>;
  /** What was left after the power went. */
  left: Record<string, number>;
  bugs: string[];
}

const CONGESTION_CONTROLS = ["cubic", "reno", "bbr", "dctcp"];
const HOSTS = 20;
const HUBS = 4;

/** Hosts h0 … h19, five per hub; r joins the hubs. Every cable of a hub loses 5 % of its frames. */
function topology(): ReturnType<typeof loadTopology> {
  const conf: string[] = [];
  const files: Record<string, string> = {};
  const router = ["echo 1 > /proc/sys/net/ipv4/ip_forward"];
  for (let hub = 0; hub < HUBS; hub++) {
    conf.push(`r[${hub}]=lan${hub}`, `link[lan${hub}]="loss=5% delay=1ms"`);
    router.push(`ip addr add 10.0.${hub}.1/24 dev eth${hub}`, `ip link set eth${hub} up`);
  }
  for (let i = 0; i < HOSTS; i++) {
    const hub = i % HUBS;
    conf.push(`h${i}[0]=lan${hub}`);
    files[`h${i}.startup`] = [
      `ip addr add 10.0.${hub}.${10 + i}/24 dev eth0`,
      "ip link set eth0 up",
      `ip route add default via 10.0.${hub}.1`,
      "",
    ].join("\n");
  }
  files["r.startup"] = `${router.join("\n")}\n`;
  files["lab.conf"] = `${conf.join("\n")}\n`;
  return loadTopology(memoryTree(files));
}

function sum_live(lab: Lab): Record<string, number> {
  const out: Record<string, number> = {};
  for (const host of lab.hosts.values())
    for (const [name, n] of Object.entries(host.computer.live())) out[name] = (out[name] ?? 0) + n;
  return out;
}

class Hash {
  private a = 0x2545f491;
  private b = 0x6c8e9cf5;
  add(x: number, y: number, z: number): void {
    this.a = jhash_3words(x, y, z, this.a);
    this.b = (Math.imul(this.b, 0x01000193) ^ this.a) | 0;
  }
  bytes(u8: Uint8Array): void {
    for (let i = 0; i + 12 <= u8.length; i += 12) this.add(word(u8, i), word(u8, i + 4), word(u8, i + 8));
    let rest = 0;
    for (let i = u8.length - (u8.length % 12); i < u8.length; i++) rest = (Math.imul(rest, 31) + u8[i]!) | 0;
    this.add(rest, u8.length, 0);
  }
  toString(): string {
    const hex = (v: number): string => (v >>> 0).toString(16).padStart(8, "0");
    return hex(this.a) + hex(this.b);
  }
}

const word = (b: Uint8Array, i: number): number => b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24);
/** A time as two words. */
const low = (ns: number): number => ns | 0;
const high = (ns: number): number => Math.floor(ns / 0x1_0000_0000) | 0;

export function soak(o: SoakOptions): SoakResult {
  const hash = new Hash();
  let frames = 0;
  const bugs: string[] = [];
  const lab = new Lab(topology(), {
    seed: o.seed,
    onBug: (host, error, where) => bugs.push(`${host}: ${where}: ${(error as Error)?.stack ?? error}`),
  });
  if (o.functions) traceAll(lab, false);
  const failed = lab.boot();
  if (failed.length > 0) throw new Error(`startup of ${failed.map((f) => f.host).join()} failed`);
  lab.segments.forEach((segment, s) => {
    lab.tapSegment(segment, (bytes, end, ns) => {
      frames++;
      hash.add(low(ns), high(ns), (s << 8) | end);
      hash.bytes(bytes);
    });
  });
  // Each pings the next one, which is on another hub, and the last one of all.
  let sent = 0;
  let received = 0;
  let streamed = 0;
  const summary = (text: string): void => {
    const m = /(\d+) packets transmitted, (\d+) received/.exec(text);
    if (m) {
      sent += Number(m[1]);
      received += Number(m[2]);
    }
  };
  const decode = (): ((b: Uint8Array) => void) => {
    const d = new TextDecoder();
    return (b) => summary(d.decode(b, { stream: true }));
  };
  const tasks = Array.from({ length: HOSTS }, (_, i) => {
    const to = (i + 1) % HOSTS;
    return lab.start(`h${i}`, `ping -q -i 1 10.0.${to % HUBS}.${10 + to}`, { stdout: decode(), stderr: () => {} });
  });
  if (o.streams)
    for (let i = 0; i < HOSTS; i++) {
      const to = (i + 1) % HOSTS;
      const cc = CONGESTION_CONTROLS[i % CONGESTION_CONTROLS.length]!;
      const quiet = { stdout: () => {}, stderr: () => {} };
      const client =
        `sysctl -q -w net.ipv4.tcp_congestion_control=${cc}; sleep 1; ` +
        `while :; do yes skbuff | head -c 200000 | nc -N 10.0.${to % HUBS}.${10 + to} 5000; sleep 1; done`;
      tasks.push(lab.start(`h${i}`, "nc -l -k -p 5000", { ...quiet, stdout: (b) => (streamed += b.length) }));
      tasks.push(lab.start(`h${i}`, client, quiet));
    }
  const hash_functions = (): void => {
    for (const host of lab.hosts.values()) {
      const t = host.computer.kernel.tracer!;
      for (const r of tracer_records(t)) {
        hash.add(r.fn, low(r.ts_ns), (r.cpu << 8) | r.ctx);
        hash.add(r.skb, r.len, r.ifindex);
      }
    }
    traceAll(lab, false);
  };
  const slice = o.functions ? 5 : 60;
  let live_warm: Record<string, number> = {};
  for (let t = 0; t < o.seconds; t += slice) {
    lab.run(Math.min(slice, o.seconds - t) * 1e9);
    if (o.functions) hash_functions();
    if (t < 120) live_warm = sum_live(lab);
    o.progress?.(t + slice);
  }
  const live_end = sum_live(lab);
  for (const p of tasks) p.kill(2);
  lab.run(2e9);
  const events = lab.world.sim!.events;
  lab.stop();
  const left = Object.fromEntries(Object.entries(sum_live(lab)).filter(([, n]) => n !== 0));
  if (lab.world.frames.live > 0) left.frames = lab.world.frames.live;
  return { hash: hash.toString(), frames, events, sent, received, streamed, live_warm, live_end, left, bugs };
}
