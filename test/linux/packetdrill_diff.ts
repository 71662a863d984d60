// The same random scripts against the kernel of this computer and against ours: what each sends, what its calls return and what
// TCP_INFO says are compared. A tool to look with: what it finds becomes a script under test/packetdrill.
//   node --import tsx test/linux/packetdrill_diff.ts [--seed S] [--count N] [--show SEED]
// Way in: script_of() makes a script, play_kernel() and play_ours() its two records.

import { Prng, prng_below } from "../../src/lib/prng.ts";
import * as P from "../../src/testing/packetdrill/packet.ts";
import { parse_script } from "../../src/testing/packetdrill/parser.ts";
import { type Backend, type LiveCall, Runner, settings_of } from "../../src/testing/packetdrill/runner.ts";
import { sim_backend } from "../../src/testing/packetdrill/sim.ts";
import { TestStack } from "../../src/testing/stack.ts";
import { KernelBackend } from "./packetdrill_kernel.ts";

const FIELDS = [
  "state ca_state retransmits probes backoff options snd_wscale rcv_wscale snd_mss rcv_mss unacked sacked lost retrans",
  "rcv_ssthresh snd_ssthresh snd_cwnd advmss reordering rcv_space total_retrans bytes_acked bytes_received segs_out segs_in",
  "notsent_bytes data_segs_in data_segs_out delivered delivered_ce dsack_dups reord_seen snd_wnd rcv_wnd rcv_ooopack",
]
  .join(" ")
  .split(" ");

/** A server's connection and what happens to it, within what a peer may do. Packets that leave are not in it: they are recorded. */
export function script_of(seed: number): string {
  const p = new Prng(seed);
  const below = (n: number): number => prng_below(p, n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const mss = pick([1000, 1000, 1460, 536]);
  const sack = below(4) > 0;
  const wscale = pick([0, 7, 7]);
  const win = pick([257, 32792, 65535, 5000]);
  const lines = ["`./defaults.sh`", ""];
  if (below(4) === 0) lines[0] += `\n\`sysctl -q net.ipv4.tcp_ecn=${below(3)}\``;
  if (below(3) === 0) lines[0] += `\n\`sysctl -q net.ipv4.tcp_congestion_control=${pick(["reno", "cubic"])}\``;
  lines.push("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3");
  lines.push("+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0");
  lines.push("+0 bind(3, ..., ...) = 0", "+0 listen(3, 1) = 0");
  const ts = below(2) === 0;
  const options = [`mss ${mss}`, ...(sack ? ["sackOK"] : []), ...(ts ? ["TS val 100 ecr 0"] : [])];
  if (sack && !ts) options.push("nop", "nop");
  if (ts && !sack) options.splice(1, 0, "nop", "nop");
  if (wscale > 0) options.push("nop", `wscale ${wscale}`);
  // Names the time stamp that later ones count from; whatever else the SYN-ACK has is recorded, not judged.
  const answer = ts
    ? `<mss 1460,${sack ? "sackOK" : "nop,nop"},TS val 1000 ecr 100${wscale > 0 ? ",nop,wscale 8" : ""}>`
    : "<...>";
  lines.push(`+0 < S 0:0(0) win 32792 <${options.join(",")}>`, `+0 > S. 0:0(0) ack 1 ${answer}`);
  /** The options of a segment at `ms`. */
  const tail = (blocks = ""): string => {
    const parts = ts ? [`nop,nop,TS val ${100 + ms} ecr ${1000 + Math.max(0, ms - 50)}`] : [];
    if (blocks !== "") parts.push(`nop,nop,sack ${blocks}`);
    return parts.length > 0 ? ` <${parts.join(",")}>` : "";
  };
  // Absolute times: what a busy computer is late once is not late for the rest.
  let ms = 50;
  lines.push(`.050 < . 1:1(0) ack 1 win ${win}${tail()}`, "+0 accept(3, ..., ...) = 4");
  if (below(4) === 0) lines.push("+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0");
  let written = 0;
  let acked = 0;
  let got = 0;
  let fin_in = false;
  let fin_out = false;
  const closed = false;
  const gap = (): string => {
    // Nothing in no time, which only ours can do, and no multiples of what timers are set to.
    ms += pick([3, 3, 7, 13, 37, 61, 113, 277, 557]);
    return (ms / 1000).toFixed(3);
  };
  const w = (): number => (below(12) === 0 ? pick([0, 10, 1000]) : win);
  const holes: [number, number][] = [];
  const events = 6 + below(16);
  for (let i = 0; i < events && !closed; i++) {
    switch (below(10)) {
      case 0:
      case 1: {
        if (fin_out) break;
        const n = pick([1, 100, mss, 2 * mss, 5 * mss, 10 * mss, 10 * mss + 300, 30 * mss]);
        lines.push(`${gap()} send(4, ..., ${n}, MSG_DONTWAIT) = ${n}`);
        written += n;
        break;
      }
      case 2:
      case 3:
      case 4: {
        // Some or all of what may be out there.
        if (written === acked) break;
        const most = Math.min(written - acked, 10 * mss);
        const n = pick([most, mss, 2 * mss, most - (most % mss), 1]);
        const to = Math.min(acked + Math.max(0, Math.min(n, most)), written);
        acked = to;
        lines.push(`${gap()} < . ${1 + got}:${1 + got}(0) ack ${1 + acked} win ${w()}${tail()}`);
        break;
      }
      case 5: {
        // Duplicate ACKs, with what they report.
        if (written - acked < 2 * mss) break;
        const at = acked + mss * (1 + below(3));
        const end = Math.min(at + mss * (1 + below(3)), written);
        if (end <= at) break;
        const times = 1 + below(3);
        for (let k = 0; k < times; k++) {
          const e = Math.min(at + Math.floor(((end - at) * (k + 1)) / times / mss) * mss, written);
          if (sack && e > at)
            lines.push(
              `${gap()} < . ${1 + got}:${1 + got}(0) ack ${1 + acked} win ${win}${tail(`${1 + at}:${1 + e}`)}`,
            );
          else if (!sack)
            lines.push(`${(ms / 1000).toFixed(3)} < . ${1 + got}:${1 + got}(0) ack ${1 + acked} win ${win}${tail()}`);
        }
        break;
      }
      case 6:
      case 7: {
        if (fin_in) break;
        const n = pick([1, 100, mss, mss, 2 * mss]);
        const hole = below(3) === 0 ? mss * (1 + below(4)) : 0;
        const back = below(6) === 0 ? Math.min(got, mss) : 0;
        const from = got + hole - back;
        lines.push(
          `${gap()} < ${pick(["P.", "."])} ${1 + from}:${1 + from + n}(${n}) ack ${1 + acked} win ${win}${tail()}`,
        );
        if (hole > 0) holes.push([from, from + n]);
        else got = Math.max(got, from + n);
        for (let again = true; again; ) {
          again = false;
          for (const [a, b] of holes)
            if (a <= got && b > got) {
              got = b;
              again = true;
            }
        }
        break;
      }
      case 8: {
        const n = pick([1, 1000, 100_000]);
        lines.push(`${gap()} recvfrom(4, ..., ${n}, MSG_DONTWAIT, ..., ...) = ${n}`);
        break;
      }
      case 9: {
        const what = below(8);
        if (what === 0 && !fin_in) {
          lines.push(`${gap()} < F. ${1 + got}:${1 + got}(0) ack ${1 + acked} win ${win}${tail()}`);
          got++;
          fin_in = true;
        } else if (what === 1 && !fin_out) {
          lines.push(`${gap()} shutdown(4, SHUT_WR) = 0`);
          written++;
          fin_out = true;
        } else if (what === 2) lines.push(`${gap()} setsockopt(4, SOL_TCP, TCP_CORK, [${below(2)}], 4) = 0`);
        else if (what === 3) lines.push(`${gap()} < . ${got}:${got}(0) ack ${1 + acked} win ${win}${tail()}`);
        else if (what === 4) lines.push(`${gap()} < . ${1 + got}:${1 + got}(0) ack ${1 + acked} win 0${tail()}`);
        break;
      }
    }
  }
  lines.push(`${((ms + 700) / 1000).toFixed(3)} %{ ${FIELDS.map((f) => `print("${f}", tcpi_${f})`).join("; ")} }%`);
  return `${lines.join("\n")}\n`;
}

export interface Played {
  /** ms after the SYN-ACK, and what it was. */
  packets: { ms: number; text: string }[];
  calls: string[];
  info: string[];
}

/** Notes what passes through a backend. */
class Recorder implements Backend {
  private readonly b: Backend;
  private readonly lives: { op: string; live: LiveCall }[] = [];
  private readonly seen: { time: number; bytes: Uint8Array }[] = [];
  constructor(b: Backend) {
    this.b = b;
  }
  now = (): number => this.b.now();
  wall_s = (): number => this.b.wall_s();
  inject = (packet: Uint8Array): void => this.b.inject(packet);
  shell = (command: string): { code: number; out: string } => this.b.shell(command);
  take(): { time: number; bytes: Uint8Array } | null {
    const x = this.b.take();
    if (x !== null) this.seen.push(x);
    return x;
  }
  call(...a: Parameters<Backend["call"]>): LiveCall {
    const live = this.b.call(...a);
    if (a[0].op !== "getsockopt" && a[0].op !== "getsockname") this.lives.push({ op: a[0].op, live });
    return live;
  }
  played(info: string[]): Played {
    while (this.take() !== null) {}
    const packets: Played["packets"] = [];
    let base = { seq: 0, ack: 0, time: 0 };
    for (const { time, bytes } of this.seen) {
      const d = P.decode(bytes);
      const t = d.tcp;
      if (t === null) continue;
      if ((t.flags & 2) !== 0) base = { seq: t.seq, ack: t.ack - 1, time };
      const rel = (v: number, from: number): number => (v - from) >>> 0;
      const options = (P.parse_options(t.options) ?? [])
        .filter((o) => o.kind !== "TS")
        .map((o) => (o.kind === "sack" ? { ...o, values: o.values.map((v) => rel(v, base.ack)) } : o));
      packets.push({
        ms: (time - base.time) / 1e6,
        text:
          P.tcp_text(t.flags, rel(t.seq, base.seq), d.payload.length, rel(t.ack, base.ack), t.win, t.urg, options) +
          (d.broken !== "" ? ` ${d.broken}` : ""),
      });
    }
    return {
      packets,
      calls: this.lives
        .filter((l) => l.op !== "socket" && l.op !== "accept4")
        .map((l) => `${l.op} ${l.live.done ? l.live.value : "waits"}`),
      info,
    };
  }
}

const OPTIONS = new Map([
  ["non_fatal", "packet,syscall"],
  ["tcp_ts_ecr_scaled", ""],
]);

export function play_ours(text: string): Played {
  const script = parse_script("diff.pkt", text, new Map());
  const s = settings_of(OPTIONS);
  s.tolerance_us = 1e12;
  const stack = new TestStack({ seed: 1, mtu: s.mtu, address: "192.168.0.1/16", gateway: "192.168.0.2" });
  stack.advance(5e9);
  const rec = new Recorder(sim_backend(stack));
  const runner = new Runner(script, rec, s);
  const steps = runner.run();
  for (let step = steps.next(); !step.done; step = steps.next())
    stack.runUntil(step.value.done ?? (() => false), step.value.until);
  const played = rec.played(runner.printed);
  runner.end();
  if (stack.bugs.length > 0) throw new Error(stack.bugs[0]);
  return played;
}

export async function play_kernel(text: string): Promise<Played> {
  const script = parse_script("diff.pkt", text, new Map());
  const s = settings_of(OPTIONS);
  s.tolerance_us = 1e12;
  const backend = new KernelBackend("192.168.0.1/16", s.mtu, "192.168.0.2");
  try {
    const rec = new Recorder(backend);
    const runner = new Runner(script, rec, s);
    const steps = runner.run();
    for (let step = steps.next(); !step.done; step = steps.next()) {
      const { until, done } = step.value;
      for (let n = 0; ; n++) {
        backend.drain();
        if (done?.() === true || backend.now() >= until) break;
        if (n % 8 === 0) await new Promise<void>((r) => setImmediate(r));
      }
    }
    const played = rec.played(runner.printed);
    runner.end();
    return played;
  } finally {
    backend.close();
  }
}

/** What differs, or "". Times may differ by what a busy computer is late. */
export function difference(kernel: Played, ours: Played): string {
  for (let i = 0; i < Math.max(kernel.packets.length, ours.packets.length); i++) {
    const a = kernel.packets[i];
    const b = ours.packets[i];
    const show = (x: typeof a): string => (x === undefined ? "nothing" : `${x.ms.toFixed(0)} ms: ${x.text}`);
    const late = a !== undefined && b !== undefined && Math.abs(a.ms - b.ms) > 20 + 0.1 * b.ms;
    if (a?.text !== b?.text || late) return `packet ${i}: Linux ${show(a)} / ours ${show(b)}`;
  }
  for (const [i, c] of kernel.calls.entries())
    if (c !== ours.calls[i]) return `call ${i}: Linux ${c} / ours ${ours.calls[i]}`;
  const info = kernel.info.filter((x, i) => x !== ours.info[i]);
  return info.length === 0
    ? ""
    : `tcp_info: Linux ${info.join(", ")} / ours ${info.map((x) => ours.info[kernel.info.indexOf(x)]).join(", ")}`;
}

if (process.argv[1]?.endsWith("packetdrill_diff.ts")) {
  const option = (name: string, by: string): string => {
    const i = process.argv.indexOf(name);
    return i < 0 ? by : process.argv[i + 1]!;
  };
  const show = option("--show", "");
  const from = Number(show || option("--seed", "1"));
  const count = show === "" ? Number(option("--count", "20")) : 1;
  let bad = 0;
  for (let seed = from; seed < from + count; seed++) {
    const text = script_of(seed);
    const ours = play_ours(text);
    let kernel = await play_kernel(text);
    // Who was late once may see other packets.
    for (let again = 0; again < 3 && difference(kernel, ours) !== ""; again++) kernel = await play_kernel(text);
    const d = difference(kernel, ours);
    if (d !== "") bad++;
    console.log(`${seed}: ${d === "" ? "same" : d}`);
    if (show !== "") {
      console.log(text);
      for (const [name, p] of [
        ["Linux", kernel],
        ["ours", ours],
      ] as const) {
        console.log(name);
        for (const x of p.packets) console.log(`  ${x.ms.toFixed(1).padStart(8)} ${x.text}`);
        console.log(`  ${p.calls.join(", ")}\n  ${p.info.join(", ")}`);
      }
    }
  }
  console.log(`${bad} of ${count} differ`);
  process.exit(bad > 0 ? 1 : 0);
}
