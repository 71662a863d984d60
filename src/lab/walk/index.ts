// The walk: what happened to every packet that a command caused, on every machine of a lab.
// Read first: docs/architecture.md, "Tracing". Way in: walk(lab, host, command), then walkText() and its sisters.

import { pcap_compile } from "../../lib/pcap/pcap_filter.ts";
import { BpfBuffer, bpf_prog_create, bpf_run_buffer } from "../../net/core/filter.ts";
import type { ExecResult, Lab, Sinks } from "../lab.ts";
import { joinWalk } from "./join.ts";
import { family, type Packet, type WalkResult } from "./model.ts";
import { Recorder } from "./recorder.ts";

export { walkJson } from "./json.ts";
export { walkLayers } from "./layers.ts";
export { family, type Hop, type Packet, type PacketEnd, type WalkResult } from "./model.ts";
export { walkPaths } from "./paths.ts";
export { walkPcap } from "./pcap.ts";
export { walkPerfetto } from "./perfetto.ts";
export { decodePacket, functionsOf, hostsOf, type TextOptions, walkText } from "./text.ts";

/** After the command: answers still under way, packets behind an ARP request that nobody answers (3 s). */
const SETTLE_NS = 2_000_000;
const SETTLE_MAX_NS = 4e9;

/** Boots nothing: runs the command on a lab that is up, in virtual time. */
export function walk(lab: Lab, host: string, command: string, sinks: Sinks): WalkResult & { result: ExecResult } {
  const sim = lab.world.sim;
  if (sim === null) throw new Error("a walk needs virtual time");
  const computer = lab.host(host).computer;
  const before = new Set(computer.kernel.tasks.keys());
  const recorder = new Recorder(lab, (h, pid) => h === host && !before.has(pid));
  const started = sim.now;
  recorder.start();
  let result: ExecResult;
  try {
    result = lab.execStreaming(host, command, sinks);
    const limit = sim.now + SETTLE_MAX_NS;
    do sim.run(sim.now + SETTLE_NS);
    while (recorder.pending() && sim.now < limit);
  } finally {
    recorder.stop();
  }
  const read = (h: string, path: string): string => {
    const text = lab.host(h).computer.readFile(path);
    return typeof text === "string" ? text.trim() : "";
  };
  return {
    packets: joinWalk(recorder, { read }),
    hops: recorder.hops,
    started,
    lost: recorder.lost,
    host,
    command,
    exitCode: result.exitCode,
    epoch_ms: sim.epoch_ms,
    result,
  };
}

/** A test for packets in tcpdump's syntax, or what is wrong with the expression. */
export function compileFilter(expression: string): ((root: Packet) => boolean) | { error: string; offset: number } {
  const compiled = pcap_compile(expression);
  if ("error" in compiled) return compiled;
  const prog = bpf_prog_create(compiled.prog);
  if (typeof prog === "number") return { error: "the expression makes no valid program", offset: 0 };
  const matches = (p: Packet): boolean =>
    p.capture !== null && bpf_run_buffer(prog, new BpfBuffer(p.capture.bytes, p.capture.len)) !== 0;
  return (root) => family(root).some(matches);
}
