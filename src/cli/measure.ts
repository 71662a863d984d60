// `skbuff measure`: the metrics of a lab's network while a command runs.

import { Lab } from "../lab/lab.ts";
import { measure, metricsText } from "../lab/measure.ts";
import { decodePacket, walk } from "../lab/walk/index.ts";
import { openTopology } from "./open.ts";
import { quote } from "./walk.ts";

export interface MeasureCliOptions {
  seed: number;
  json?: boolean;
}

export function measureCommand(path: string, host: string, command: string[], o: MeasureCliOptions): number {
  const topology = openTopology(path);
  if (topology === null) return 1;
  if (!topology.machines.some((m) => m.name === host)) {
    process.stderr.write(
      `skbuff measure: no machine "${host}" in this lab (there are: ${topology.machines.map((m) => m.name).join(", ")})\n`,
    );
    return 1;
  }
  const lab = new Lab(topology, {
    seed: o.seed,
    onOutput: (h, stream, text) => {
      if (stream === "stderr") process.stderr.write(`${h}: ${text}`);
    },
  });
  lab.boot();
  const started = lab.world.sim!.now;
  const out = o.json ? process.stderr : process.stdout;
  const w = walk(lab, host, command.map(quote).join(" "), {
    stdout: (b) => out.write(b.slice()),
    stderr: (b) => process.stderr.write(b.slice()),
  });
  const m = measure(lab, w, lab.world.sim!.now - started, decodePacket);
  process.stdout.write(o.json ? `${JSON.stringify(m)}\n` : `\n${metricsText(m)}`);
  lab.stop();
  return w.exitCode;
}
