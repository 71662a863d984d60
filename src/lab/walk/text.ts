// A walk for people: a tree per packet. Way in: walkText(); decodePacket() and pathOf() serve the other outputs too.

import * as HW from "../../hw/trace.ts";
import { CTX_PROCESS, ctx_names } from "../../kernel/cpu.ts";
import { DLT_EN10MB } from "../../lib/pcap/dlt.ts";
import { format_packet, new_print_state } from "../../lib/pcap/print/format.ts";
import { type Call, family, type Packet, type Step, type WalkResult } from "./model.ts";
import { phaseOf } from "./phases.ts";
import { isAside, noteWords } from "./words.ts";

const WIDTH = 120;
const PHASE_WIDTH = 8;
const TIME_WIDTH = 11;

export interface TextOptions {
  color: boolean;
  /** Only these machines; empty: all. */
  hosts: readonly string[];
}

type Paint = (style: keyof typeof STYLES, text: string) => string;
const STYLES = { host: 36, packet: 1, dim: 2, good: 32, bad: 31, note: 33 } as const;
export const painter = (color: boolean): Paint =>
  color ? (style, text) => (text === "" ? "" : `\x1b[${STYLES[style]}m${text}\x1b[0m`) : (_style, text) => text;

/** A packet as tcpdump prints it, on one line. */
export function decodePacket(p: Packet): string {
  const c = p.capture;
  if (c === null) return "a packet without headers yet";
  const lines = format_packet(
    c.bytes,
    c.bytes.length,
    c.len,
    0,
    0,
    { linktype: DLT_EN10MB, n: true, K: true, t: 1 },
    new_print_state(),
  );
  return lines.map((l) => l.trim()).join(" ");
}

/** The machines that a packet and its descendants saw, in the order in which they did. */
export function hostsOf(root: Packet): string[] {
  const hosts: string[] = [];
  for (const p of family(root)) if (!hosts.includes(p.host)) hosts.push(p.host);
  return hosts;
}

/** What happened, as one line per machine: functions in their order. Equal for packets that took the same way. */
export function pathOf(root: Packet, hosts: readonly string[] = []): string[] {
  const lines: string[] = [];
  for (const p of family(root)) {
    if (hosts.length > 0 && !hosts.includes(p.host)) continue;
    const fns: string[] = [];
    for (const s of p.steps) {
      for (const c of s.via) fns.push(c.fn);
      if (s.fn !== "") {
        if (s.enters) fns.push(s.fn);
      } else fns.push(hwName(s));
    }
    lines.push(`${p.host}${p.how !== "" && p.how !== "wire" ? ` (${p.how})` : ""}: ${fold(fns).join(" ")}`);
  }
  return lines;
}

/** One life: the names of the functions a packet went through on a machine, calls that led to them included. */
export function functionsOf(p: Packet): string[] {
  return p.steps.flatMap((s) => [...s.via.map((c) => c.fn), ...(s.enters ? [s.fn !== "" ? s.fn : hwName(s)] : [])]);
}

const HW_NAMES: Readonly<Record<number, string>> = {
  [HW.HW_TX]: "[DMA, wire]",
  [HW.HW_RX_FILTER]: "[filter]",
  [HW.HW_RX_MISSED]: "[missed]",
  [HW.HW_RX_NO_DESC]: "[no descriptor]",
  [HW.HW_RX_OFF]: "[receiver off]",
  [HW.HW_RX_RESET]: "[reset]",
  [HW.HW_WIRE_LOST]: "[lost]",
  [HW.HW_WIRE_CORRUPTED]: "[damaged]",
  [HW.HW_WIRE_DUPLICATED]: "[doubled]",
  [HW.HW_WIRE_REORDERED]: "[held back]",
  [HW.HW_WIRE_QUEUE_FULL]: "[queue full]",
  [HW.HW_WIRE_NO_LINK]: "[no link]",
  [HW.HW_WIRE_COLLISION]: "[collision]",
  [HW.HW_WIRE_LATE_COLLISION]: "[late collision]",
  [HW.HW_WIRE_EXCESSIVE_COLLISIONS]: "[16 collisions]",
};
export const hwName = (s: Step): string => HW_NAMES[s.hw?.what ?? -1] ?? "[hardware]";

/** a a a b → a×3 b. */
function fold(fns: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < fns.length; ) {
    let n = 1;
    while (fns[i + n] === fns[i]) n++;
    out.push(n > 1 ? `${fns[i]}×${n}` : fns[i]!);
    i += n;
  }
  return out;
}

function wrap(words: readonly string[], room: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const w of words) {
    if (line !== "" && line.length + 1 + w.length > room) {
      lines.push(line);
      line = w;
    } else line = line === "" ? w : `${line} ${w}`;
  }
  if (line !== "") lines.push(line);
  return lines;
}

const micros = (ns: number): string => (ns / 1000).toFixed(1);

/** The story of one life, line by line, without indentation: what the text tree and the packet comments share. */
export class Story {
  readonly lines: string[] = [];
  private readonly paint: Paint;
  private readonly t0: number;
  private readonly indent: string;
  private time = -1;
  private phase = "";
  private fns: string[] = [];

  constructor(paint: Paint, t0: number, indent: string) {
    this.paint = paint;
    this.t0 = t0;
    this.indent = indent;
  }

  context(text: string): void {
    this.flush();
    this.time = -1;
    this.lines.push(`${this.indent}${text}`);
  }

  fn(t: number, phase: string, name: string): void {
    if (phase !== this.phase || t !== this.time) this.flush();
    if (this.fns.length === 0) {
      this.phase = phase;
      this.stamp = t !== this.time ? micros(t - this.t0) : "";
      this.time = t;
    }
    this.fns.push(name);
  }
  private stamp = "";

  private flush(): void {
    if (this.fns.length === 0) return;
    const room = WIDTH - this.indent.length - TIME_WIDTH - PHASE_WIDTH - 4;
    wrap(fold(this.fns), room).forEach((line, i) => {
      const head = `${(i === 0 ? this.stamp : "").padStart(TIME_WIDTH)}  ${(i === 0 ? this.phase : "").padEnd(PHASE_WIDTH)}`;
      this.lines.push(`${this.indent}${this.paint("dim", head)}  ${line}`);
    });
    this.fns = [];
  }

  /** A word behind `name`, if that is the function last named. */
  aside(name: string, text: string): void {
    const last = this.fns.length - 1;
    if (last >= 0 && this.fns[last] === name) this.fns[last] += ` (${text})`;
    else this.note(text);
  }

  note(text: string): void {
    this.flush();
    const indent = " ".repeat(TIME_WIDTH + PHASE_WIDTH + 6);
    for (const line of wrap(text.split(" "), WIDTH - this.indent.length - indent.length)) {
      this.lines.push(`${this.indent}${indent}${this.paint("note", line)}`);
    }
  }

  end(style: "good" | "bad" | "dim", text: string): void {
    this.flush();
    const pad = `${this.indent}${" ".repeat(TIME_WIDTH - 2)}`;
    wrap(text.split(" "), WIDTH - pad.length - 4).forEach((line, i) => {
      this.lines.push(`${pad}${this.paint(style, `${i === 0 ? "=>" : "  "} ${line}`)}`);
    });
  }
}

function contextOf(s: Step): string {
  if (s.ctx === CTX_PROCESS) return s.pid > 0 ? `${s.comm}[${s.pid}]` : "process";
  return ctx_names[s.ctx] ?? "?";
}

/** Tells the steps of one life. `numberOf` names the packet that was being handled. */
export function tell(story: Story, p: Packet, paint: Paint): void {
  let context = "";
  for (const s of p.steps) {
    if (s.hw !== null) {
      hardware(story, s);
      continue;
    }
    const now = `${s.cpu} ${contextOf(s)}`;
    const other = s.during !== null && s.during.root !== p.root ? s.during.root.number : 0;
    if (now !== context || other > 0 || (s.via.length > 0 && s !== p.steps[0])) {
      context = now;
      const during = other > 0 ? `, while it handles #${other}` : "";
      story.context(`${paint("host", p.host)}  ${contextOf(s)} on cpu${s.cpu}${during}`);
    }
    for (const c of s.via) call(story, c);
    if (s.enters) story.fn(s.t, phaseOf(s.fn), s.fn);
    if (s.note !== null) {
      const words = noteWords(s.note);
      if (words === "") continue;
      if (isAside(s.note)) story.aside(s.fn, words);
      else story.note(words);
    }
  }
}

function call(story: Story, c: Call): void {
  story.fn(c.t, phaseOf(c.fn), c.note !== "" ? `${c.fn} (${c.note})` : c.fn);
}

function hardware(story: Story, s: Step): void {
  const hw = s.hw!;
  if (hw.what === HW.HW_TX) {
    const hop = hw.hop!;
    story.fn(s.t, "card", `${s.dev}: fetched by DMA, ${hop.capture.len} bytes onto cable ${hop.cable}`);
    return;
  }
  story.fn(s.t, "card", `${s.dev}: ${hw.why}${hw.counter !== "" ? ` (counted in ${hw.counter})` : ""}`);
}

function endLine(story: Story, p: Packet): void {
  const e = p.end;
  if (e === null) return;
  if (e.kind !== "dropped") {
    story.end(e.kind === "delivered" ? "good" : e.kind === "waiting" ? "bad" : "dim", e.text);
    return;
  }
  story.end("bad", e.text);
  if (e.why !== "") story.end("bad", `why: ${e.why}`);
  if (e.look.length > 0) story.end("bad", `look at: ${e.look.join("; ")}`);
}

function packetLines(p: Packet, depth: number, o: TextOptions, paint: Paint, t0: number, out: string[]): void {
  const indent = "  ".repeat(depth);
  const shown = o.hosts.length === 0 || o.hosts.includes(p.host);
  if (shown) {
    if (p.how === "clone" && p.steps.length === 1 && p.end !== null) {
      const at = " ".repeat(TIME_WIDTH - 4);
      out.push(
        `${indent}${at}${paint(p.end.kind === "delivered" ? "good" : "dim", `=> its clone, skb ${p.skb}: ${p.end.text}`)}`,
      );
      return;
    }
    if (p.how !== "" && p.how !== "wire")
      out.push(`${indent}${paint("dim", `${p.how} of skb ${p.parent!.skb}: skb ${p.skb}`)}`);
    const story = new Story(paint, t0, indent);
    if (p.skb === 0) story.context(`${paint("host", p.host)}  hardware`);
    else if (p.how === "wire" && p.hop !== null) {
      const at = p.hop.arrivals.find((a) => a.packet === p);
      if (at !== undefined) {
        const flight = `${micros(at.t - p.hop.t)} µs after it left ${p.hop.host}`;
        story.context(`${paint("host", p.host)}  ${at.dev}: put into memory by DMA at ${micros(at.t - t0)}, ${flight}`);
      }
    }
    tell(story, p, paint);
    endLine(story, p);
    out.push(...story.lines);
  }
  const hops = p.children.filter((c) => c.how === "wire");
  const inner = p.children.filter((c) => c.how !== "wire");
  for (const c of inner) packetLines(c, depth + 1, o, paint, t0, out);
  for (const c of hops) packetLines(c, hops.length > 1 ? depth + 1 : depth, o, paint, t0, out);
}

/** Why it is here at all: the packet it answers. */
function causeOf(root: Packet): string {
  return root.cause !== null && root.cause.root.number > 0 && root.cause.root !== root
    ? `  (because of #${root.cause.root.number})`
    : "";
}

export function header(root: Packet): string {
  const hosts = hostsOf(root);
  return `${hosts.join(" > ")}: ${decodePacket(root)}${causeOf(root)}`;
}

/** All packets, and a summary with everything that was dropped. */
export function walkText(w: WalkResult, packets: readonly Packet[], o: TextOptions): string {
  const paint = painter(o.color);
  const out: string[] = [];
  const t0 = packets.reduce((t, p) => Math.min(t, p.start), Number.POSITIVE_INFINITY);
  for (const root of packets) {
    for (const [i, line] of wrap(`#${root.number} ${header(root)}`.split(" "), WIDTH - 4).entries()) {
      out.push(`${i > 0 ? "    " : ""}${paint("packet", line)}`);
    }
    packetLines(root, 1, o, paint, t0, out);
    out.push("");
  }
  out.push(...summary(w, packets, paint));
  return `${out.join("\n")}\n`;
}

/** "#4", "#4 #5 #6", "#4 #5 #6 and 1984 more". */
function numberList(numbers: readonly number[]): string {
  const shown = [...new Set(numbers)].slice(0, 3).map((n) => `#${n}`);
  const more = new Set(numbers).size - shown.length;
  return `${shown.join(" ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function summary(w: WalkResult, packets: readonly Packet[], paint: Paint): string[] {
  if (packets.length === 0) {
    const failed =
      w.exitCode === 0
        ? ""
        : ` It ended with exit code ${w.exitCode}: an error such as "Network is unreachable" comes before there is a packet` +
          ` (on ${w.host}: ip route get ADDRESS; ip -br address).`;
    return wrap(`No packet to show: "${w.command}" on ${w.host}.${failed}`.split(" "), WIDTH);
  }
  const out: string[] = [];
  const drops = packets.flatMap((root) => family(root).filter((p) => p.end?.kind === "dropped"));
  const frames = w.hops.length;
  const many = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
  const machines = new Set(packets.flatMap(hostsOf)).size;
  out.push(
    `${many(packets.length, "packet")} on ${many(machines, "machine")}, ${many(frames, "frame")} on cables, ` +
      (drops.length === 0 ? paint("good", "none dropped") : paint("bad", `${drops.length} dropped`)),
  );
  // What happened to many alike is said once.
  const alike = new Map<string, number[]>();
  for (const p of drops) {
    const { text, why } = p.end!;
    const said = why === "" || text.endsWith(`: ${why}`) ? text : `${text}: ${why}`;
    const numbers = alike.get(said);
    if (numbers === undefined) alike.set(said, [p.root.number]);
    else numbers.push(p.root.number);
  }
  for (const [said, numbers] of alike) {
    for (const [i, line] of wrap(`${numberList(numbers)} ${said}`.split(" "), WIDTH - 6).entries()) {
      out.push(`${i === 0 ? "  " : "      "}${paint("bad", line)}`);
    }
  }
  if (w.lost > 0) out.push(paint("bad", `${w.lost} steps were not kept: a shorter command shows them all`));
  return out;
}
