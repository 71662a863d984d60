// `skbuff lab`: boots a lab, runs commands in it or gives a prompt, and leaves with the last command's exit code.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NodePlatform } from "../arch/node/index.ts";
import { loadCostProfile } from "../lab/fs_node.ts";
import { Lab, LabError, type LabWorld, simLabWorld, traceAll } from "../lab/lab.ts";
import { hashTrace, type Recording, splitExec } from "../lab/record.ts";
import { momentOf, type SessionEvent } from "../lab/session.ts";
import { runTerminal } from "../lab/terminal.ts";
import { CaptureFile } from "./capture.ts";
import { cannotMakeFolder, cannotWrite } from "./files.ts";
import { openTopology, paint } from "./open.ts";
import { syscallTrace } from "./trace.ts";

export interface LabCliOptions {
  exec: string[];
  seed: number;
  realtime?: boolean;
  cost: string;
  pcap?: string;
  record?: string;
  json?: boolean;
  napi: boolean;
  trace?: string;
  hint?: string;
  firstHost?: string;
}

function realWorld(platform: NodePlatform): LabWorld {
  return { clock: platform, dma: platform.dma, frames: platform.frames, newHost: () => platform.host(), sim: null };
}

/** One pcapng file per link of the lab; returns what closes them. */
function captureLinks(lab: Lab, dir: string): () => void {
  const epoch = lab.world.sim !== null ? lab.world.sim.epoch_ms * 1e6 : 0;
  const files: CaptureFile[] = [];
  for (const s of lab.segments) {
    const file = new CaptureFile(join(dir, `${s.name.replace(/[^A-Za-z0-9_.-]/g, "_")}.pcapng`), s.ends);
    files.push(file);
    const stamp = (ns: number): number => (lab.world.sim !== null ? epoch + ns : Date.now() * 1e6);
    lab.tapSegment(s, (bytes, end, ns) => file.packet(Math.max(0, end), stamp(ns), bytes));
  }
  return () => {
    for (const f of files) f.close();
  };
}

export async function labCommand(path: string, o: LabCliOptions): Promise<number> {
  const said = new Set<string>();
  const topology = openTopology(path, said);
  if (topology === null) return 1;
  const execs = [];
  for (const text of o.exec) {
    const e = splitExec(text);
    if (e === null) return complain(`--exec "${text}": write it as 'HOST: COMMAND'`);
    if (!topology.machines.some((m) => m.name === e.host)) {
      return complain(
        `--exec "${text}": no machine "${e.host}" in this lab (there are: ${topology.machines.map((m) => m.name).join(", ")})`,
      );
    }
    execs.push(e);
  }
  const trace = o.trace !== undefined ? syscallTrace(o.trace) : null;
  if (typeof trace === "string") return complain(trace);
  if (trace !== null && execs.length === 0)
    return complain("--trace shows what --exec runs: give at least one --exec (at a prompt there is strace)");
  const profile = o.cost === "lab" ? undefined : loadCostProfile(o.cost);
  if (typeof profile === "string") return complain(profile);
  if (profile && o.realtime) return complain("--cost needs virtual time: leave out --realtime");
  if (o.record !== undefined && o.realtime) return complain("--record needs virtual time: leave out --realtime");

  const refused =
    (o.pcap !== undefined ? cannotMakeFolder(o.pcap) : null) ?? (o.record !== undefined ? cannotWrite(o.record) : null);
  if (refused !== null) return complain(refused);

  const platform = o.realtime ? new NodePlatform() : null;
  let bug = false;
  const lab = new Lab(topology, {
    seed: o.seed,
    world: platform !== null ? realWorld(platform) : simLabWorld(o.seed),
    ...(o.napi === false && { napi: false }),
    onOutput: (host, stream, text) => {
      if (said.has(text)) return;
      (stream === "stdout" ? process.stdout : process.stderr).write(
        text.replace(/^(?=.)/gm, execs.length > 0 ? "" : `${host}: `),
      );
    },
    onBug: (host, error, where) => {
      bug = true;
      process.stderr.write(`${host}: BUG in ${where}: ${(error as Error)?.stack ?? error}\n`);
    },
    ...(profile !== undefined && { cost: profile }),
  });
  if (o.record !== undefined) traceAll(lab, false);
  const closeCaptures = o.pcap !== undefined ? captureLinks(lab, o.pcap) : null;
  const failed = platform === null ? lab.boot() : await lab.bootRealtime();
  for (const f of failed.filter((f) => f.silent))
    process.stderr.write(paint(31, `${f.host}: ${f.script} failed with exit code ${f.exitCode}\n`));

  lab.wrapProgram = trace;
  let code = 0;
  const journal: SessionEvent[] = [];
  try {
    if (execs.length === 0) {
      code = await runTerminal(lab, {
        ...(o.record !== undefined && { journal }),
        ...(o.hint !== undefined && { hint: o.hint }),
        ...(o.firstHost !== undefined && { host: o.firstHost }),
      });
    } else {
      for (const e of execs) {
        const r =
          platform === null
            ? lab.execStreaming(e.host, e.command, sinks(o.json))
            : await lab.execRealtime(e.host, e.command, sinks(o.json));
        code = r.exitCode;
        if (o.json) process.stdout.write(`${JSON.stringify({ host: e.host, command: e.command, ...r })}\n`);
      }
    }
  } catch (e) {
    if (!(e instanceof LabError)) throw e;
    return complain(e.message);
  }
  if (o.record !== undefined) {
    const recording: Recording = {
      version: 1,
      path,
      seed: o.seed,
      cost: o.cost,
      napi: o.napi,
      exec: o.exec,
      ...(journal.length > 0 && { prompt: { journal, end: momentOf(lab.world.sim!) } }),
      ...hashTrace(lab),
    };
    writeFileSync(o.record, `${JSON.stringify(recording, null, 2)}\n`);
    process.stderr.write(`recorded ${recording.records} trace records, sha-256 ${recording.sha256.slice(0, 16)}…\n`);
  }
  lab.stop();
  closeCaptures?.();
  platform?.stop();
  return bug ? 70 : code;
}

function sinks(json: boolean | undefined): { stdout: (b: Uint8Array) => void; stderr: (b: Uint8Array) => void } {
  if (json) return { stdout: () => {}, stderr: () => {} };
  return { stdout: (b) => process.stdout.write(b.slice()), stderr: (b) => process.stderr.write(b.slice()) };
}

function complain(text: string): number {
  process.stderr.write(`skbuff lab: ${text}\n`);
  return 1;
}
