// A walk as a pcapng file: each frame at each card it left or reached, with what happened to it there as packet comments.
// Way in: walkPcap().

import { DLT_EN10MB } from "../../lib/pcap/dlt.ts";
import { pcapng_epb, pcapng_idb, pcapng_shb } from "../../lib/pcap/pcapng.ts";
import { family, type Packet, type WalkResult } from "./model.ts";
import { painter, Story, tell } from "./text.ts";

interface Entry {
  readonly iface: string;
  readonly t: number;
  readonly bytes: Uint8Array;
  readonly len: number;
  readonly direction: 0 | 1 | 2;
  readonly comments: string[];
}

/** The blocks of the file, in order. */
export function walkPcap(w: WalkResult, packets: readonly Packet[], hosts: readonly string[] = []): Uint8Array[] {
  const entries: Entry[] = [];
  const wanted = (host: string): boolean => hosts.length === 0 || hosts.includes(host);
  for (const root of packets) {
    for (const p of family(root)) {
      if (!wanted(p.host)) continue;
      add(w, p, entries);
    }
  }
  entries.sort((a, b) => a.t - b.t);
  const names = [...new Set(entries.map((e) => e.iface))];
  const blocks = [pcapng_shb({ application: "skbuff walk", comment: `${w.host}: ${w.command}` })];
  for (const name of names) blocks.push(pcapng_idb({ name, linktype: DLT_EN10MB, snaplen: 0 }));
  for (const e of entries) {
    // Seconds apart: ns since 1970 are more than a double holds.
    const ns = (w.epoch_ms % 1000) * 1e6 + e.t;
    const sec = Math.floor(ns / 1e9);
    blocks.push(
      pcapng_epb(Math.floor(w.epoch_ms / 1000) + sec, Math.round(ns - sec * 1e9), e.bytes, {
        interface_id: names.indexOf(e.iface),
        len: e.len,
        direction: e.direction,
        comments: e.comments,
      }),
    );
  }
  return blocks;
}

/** What the machine did with it, as the text output has it, and how it ended. */
function comments(w: WalkResult, p: Packet): string[] {
  const paint = painter(false);
  const story = new Story(paint, w.started, "");
  tell(story, p, paint);
  story.end("dim", "");
  const lines = story.lines.filter((l) => l.trim() !== "" && l.trim() !== "=>");
  const out = [`#${p.root.number} on ${p.host}\n${lines.join("\n")}`];
  const e = p.end;
  if (e !== null)
    out.push(e.kind === "dropped" ? [e.text, e.why, ...e.look].filter((x) => x !== "").join("\n") : e.text);
  return out;
}

function add(w: WalkResult, p: Packet, entries: Entry[]): void {
  const text = comments(w, p);
  let told = false;
  const hop = p.hop;
  if (hop !== null) {
    const at = hop.arrivals.find((a) => a.packet === p) ?? hop.arrivals.find((a) => a.host === p.host);
    const dev = at?.dev ?? p.steps[0]?.dev ?? "?";
    const c = hop.capture;
    entries.push({
      iface: `${p.host}:${dev}`,
      t: at?.t ?? hop.t,
      bytes: c.bytes,
      len: c.len,
      direction: 1,
      comments: text,
    });
    told = true;
  }
  for (const s of p.steps) {
    const out = s.hw?.hop;
    if (out === undefined || out === null || out === hop || out.from !== p || s.t !== out.t) continue;
    entries.push({
      iface: `${out.host}:${out.dev}`,
      t: out.t,
      bytes: out.capture.bytes,
      len: out.capture.len,
      direction: 2,
      comments: told ? [`#${p.root.number} leaves ${p.host}`] : text,
    });
    told = true;
  }
  // It never saw a cable: a drop on its way out, or a packet that stayed on this machine.
  const c = p.capture;
  if (told || c === null || p.how === "clone") return;
  const dev = p.steps.findLast((s) => s.dev !== "")?.dev ?? "none";
  entries.push({ iface: `${p.host}:${dev}`, t: p.start, bytes: c.bytes, len: c.len, direction: 0, comments: text });
}
