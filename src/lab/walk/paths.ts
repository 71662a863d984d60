// Packets grouped by the way they took, as VPP's "show trace paths" does. Way in: walkPaths().

import type { Packet, WalkResult } from "./model.ts";
import { family } from "./model.ts";
import { header, painter, pathOf, type TextOptions } from "./text.ts";

const WIDTH = 120;

export interface PathGroup {
  readonly path: string[];
  readonly packets: Packet[];
}

/** The commonest first; equally common ones in the order of their first packet. */
export function groupPaths(packets: readonly Packet[], hosts: readonly string[] = []): PathGroup[] {
  const groups = new Map<string, PathGroup>();
  for (const p of packets) {
    const path = pathOf(p, hosts);
    const end = family(p).map((q) => (q.end?.kind === "dropped" ? `${q.host} drops: ${q.end.reason}` : ""));
    const key = [...path, ...end].join("\n");
    const g = groups.get(key);
    if (g === undefined) groups.set(key, { path, packets: [p] });
    else g.packets.push(p);
  }
  return [...groups.values()].sort(
    (a, b) => b.packets.length - a.packets.length || a.packets[0]!.number - b.packets[0]!.number,
  );
}

export function walkPaths(_w: WalkResult, packets: readonly Packet[], o: TextOptions): string {
  const paint = painter(o.color);
  const out: string[] = [];
  groupPaths(packets, o.hosts).forEach((g, i) => {
    const first = g.packets[0]!;
    const n = g.packets.length;
    out.push(paint("packet", `path ${i + 1}: ${n} packet${n === 1 ? "" : "s"}`));
    out.push(`  ${n > 1 ? "such as " : ""}#${first.number} ${header(first)}`);
    for (const line of g.path) {
      const at = line.indexOf(": ");
      const host = line.slice(0, at);
      let text = `  ${paint("host", host)}${" ".repeat(Math.max(1, 8 - host.length))}`;
      const start = 2 + Math.max(host.length + 1, 8);
      let width = start;
      for (const w of line.slice(at + 2).split(" ")) {
        if (width + w.length + 1 > WIDTH) {
          out.push(text);
          text = " ".repeat(start);
          width = start;
        }
        text += width === start ? w : ` ${w}`;
        width += w.length + 1;
      }
      out.push(text);
    }
    for (const q of family(first)) {
      if (q.end?.kind !== "dropped") continue;
      out.push(`  ${paint("bad", `${q.end.text}${q.end.why !== "" ? `: ${q.end.why}` : ""}`)}`);
    }
    out.push("");
  });
  if (out.length === 0) out.push("No packet.");
  return `${out.join("\n").trimEnd()}\n`;
}
