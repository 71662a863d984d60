// Corpus files: what a fuzzer found, made small, and since then mended. Each is replayed by frames.test.ts.

import { readdirSync, readFileSync } from "node:fs";
import type { Step } from "./frames.ts";

interface CorpusFile {
  /** What was wrong. */
  found: string;
  /** The machine it was found on (frame_rig.ts). */
  seed: number;
  frames: { entry: "nic" | "veth"; hex: string }[];
}

export function corpus_text(found: string, seed: number, steps: Step[]): string {
  const file: CorpusFile = {
    found,
    seed,
    frames: steps.map((s) => ({ entry: s.entry, hex: Buffer.from(s.frame).toString("hex") })),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** All of them: name, what was found, on which machine, frames. */
export function corpus(): { name: string; found: string; seed: number; steps: Step[] }[] {
  const dir = new URL("./corpus/", import.meta.url);
  return readdirSync(dir)
    .filter((n) => n.endsWith(".json"))
    .sort()
    .map((name) => {
      const file = JSON.parse(readFileSync(new URL(name, dir), "utf8")) as CorpusFile;
      const steps = file.frames.map((f) => ({ entry: f.entry, frame: Uint8Array.from(Buffer.from(f.hex, "hex")) }));
      return { name, found: file.found, seed: file.seed, steps };
    });
}
