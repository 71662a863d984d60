// What a lab is, whatever file described it: machines, their interfaces and scripts, and the segments between them.
// Read first: docs/labs.md for the options. Way in: `loadTopology(tree)`; parsers in kathara.ts and containerlab.ts.

import { parseContainerlab } from "./containerlab.ts";
import { COST_PROFILES } from "./cost.ts";
import type { Diagnostic, Where } from "./diagnostics.ts";
import { Diagnostics, quote, suggest } from "./diagnostics.ts";
import { parseKathara } from "./kathara.ts";
import type { LinkProperties } from "./link_properties.ts";
import type { ReadTree } from "./tree.ts";

export interface Topology {
  name: string;
  description: string;
  format: "kathara" | "containerlab";
  /** In the order of the file. */
  machines: Machine[];
  segments: Segment[];
  diagnostics: Diagnostic[];
  /** No fatal diagnostic: the lab can be run. */
  ok: boolean;
}

export interface Machine {
  name: string;
  where: Where;
  /** By index. */
  interfaces: Interface[];
  /** To be run one after the other when the machine is up. */
  startup: Script[];
  /** To be run before the machine stops. */
  shutdown: Script[];
  /** To be laid over the machine's root file system, in order: a later one replaces an earlier one. */
  files: LabFile[];
  /** [name, value] with dots or slashes in the name, to be applied before the startup scripts. */
  sysctls: [string, string][];
  env: [string, string][];
  /** Number of CPUs, at least 1. */
  cpus: number;
  /** The network card behind each interface. */
  nic: Nic;
  /** Queue pairs of each igb card; 0 for the driver's own choice. */
  queues: number;
  /** What its work costs: a name in COST_PROFILES. */
  cost: string;
  /** Off: its cards take an interrupt per packet. */
  napi: boolean;
}

const NICS = ["igb"] as const;
export type Nic = (typeof NICS)[number];

export interface Interface {
  index: number;
  /** "eth0" */
  name: string;
  /** Name of a segment in `Topology.segments`. */
  segment: string;
  /** "02:00:00:00:00:01"; undefined for one derived from machine and index. */
  mac: string | undefined;
  /** Undefined for the device's default, 1500. */
  mtu: number | undefined;
  where: Where;
}

export interface Script {
  /** As errors name it: "pc1.startup". */
  file: string;
  text: string;
  /** Line of `file` on which `text` starts, from 1. */
  startLine: number;
}

export interface LabFile {
  /** Absolute path on the machine. */
  path: string;
  /** Path inside the lab folder. */
  source: string;
  bytes: Uint8Array;
}

export interface Segment {
  name: string;
  ends: SegmentEnd[];
  /** More than two ends, or asked for: a hub repeats each frame to all others. */
  hub: boolean;
  link: LinkProperties;
}

export interface SegmentEnd {
  machine: string;
  /** Of the interface, as in `Interface.index`. */
  index: number;
}

/** Bounds that keep a hostile file from taking the process down. */
export const LIMITS = {
  text: 8 << 20,
  machines: 10_000,
  interfaces: 256,
  interfacesTotal: 200_000,
  fileBytes: 64 << 20,
  files: 20_000,
  folderDepth: 24,
  cpus: 64,
  queues: 8,
} as const;

export const MACHINE_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?$/;
export const IFNAME = /^[^\s/:]{1,15}$/;
const MAC = /^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}$/;

/** Lower case "02:…", or why not. */
export function parseMac(text: string): { mac: string } | { error: string } {
  if (!MAC.test(text)) return { error: `${quote(text)} is not a MAC address (six hexadecimal bytes with ":")` };
  if (Number.parseInt(text.slice(0, 2), 16) & 1)
    return { error: `${quote(text)} is a multicast address, a card cannot have it` };
  return { mac: text.toLowerCase() };
}

/**
 * Reads the lab in `tree`: the file `entry`, or what the folder holds (`lab.conf`, else the only `*.clab.yml`).
 * Never throws; the mistakes are in `diagnostics`.
 */
export function loadTopology(tree: ReadTree, options: { entry?: string | undefined; folder?: string } = {}): Topology {
  const diagnostics = new Diagnostics();
  const topology: Topology = {
    name: options.folder ?? "lab",
    description: "",
    format: "kathara",
    machines: [],
    segments: [],
    diagnostics: diagnostics.list,
    ok: false,
  };
  const entry = options.entry ?? findEntry(tree, diagnostics);
  if (entry !== undefined) {
    const text = readText(tree, entry, diagnostics);
    if (text !== undefined) {
      const yaml = /\.ya?ml$/i.test(entry);
      topology.format = yaml ? "containerlab" : "kathara";
      if (yaml) parseContainerlab(topology, diagnostics, tree, entry, text);
      else parseKathara(topology, diagnostics, tree, entry, text);
      finish(topology, diagnostics, entry);
    }
  }
  topology.ok = !diagnostics.hasFatal;
  return topology;
}

function findEntry(tree: ReadTree, diagnostics: Diagnostics): string | undefined {
  const names = (tree.list("") ?? []).filter((e) => e.kind !== "dir").map((e) => e.name);
  if (names.includes("lab.conf")) return "lab.conf";
  const yaml = names.filter((n) => /\.clab\.ya?ml$/i.test(n));
  if (yaml.length === 1) return yaml[0];
  const where = { file: ".", line: 0, column: 0 };
  if (yaml.length > 1)
    diagnostics.fatal(where, `several containerlab files (${yaml.slice(0, 5).join(", ")}): name one of them`);
  else diagnostics.fatal(where, "neither a lab.conf nor a *.clab.yml in this folder");
  return undefined;
}

function readText(tree: ReadTree, path: string, diagnostics: Diagnostics): string | undefined {
  const bytes = tree.read(path);
  const where = { file: path, line: 0, column: 0 };
  if (bytes === null) diagnostics.fatal(where, "no such file");
  else if (typeof bytes === "string") diagnostics.fatal(where, bytes);
  else if (bytes.length > LIMITS.text) diagnostics.fatal(where, `larger than ${LIMITS.text >> 20} MiB`);
  else return decodeText(bytes);
  return undefined;
}

/** UTF-8 without byte order mark; the line ends of a file written on Windows become those of Linux. */
function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replace(/\r\n/g, "\n");
}

export function newMachine(name: string, where: Where): Machine {
  return {
    name,
    where,
    interfaces: [],
    startup: [],
    shutdown: [],
    files: [],
    sysctls: [],
    env: [],
    cpus: 1,
    nic: "igb",
    queues: 0,
    cost: "none",
    napi: true,
  };
}

/** What follows from the whole: order of interfaces, segments with their ends. */
function finish(topology: Topology, diagnostics: Diagnostics, entry: string): void {
  const segments = new Map(topology.segments.map((s) => [s.name, s]));
  for (const m of topology.machines) {
    m.interfaces.sort((a, b) => a.index - b.index);
    for (const i of m.interfaces) {
      const segment = segments.get(i.segment);
      segment?.ends.push({ machine: m.name, index: i.index });
      i.mtu ??= segment?.link.mtu;
    }
  }
  for (const s of topology.segments) if (s.ends.length > 2 || s.link.hub) s.hub = true;
  if (topology.machines.length === 0 && !diagnostics.hasFatal) {
    diagnostics.fatal({ file: entry, line: 0, column: 0 }, "no machine in this lab");
  }
}

/** Reads a startup or shutdown script of the lab, if there is one. */
export function readScript(tree: ReadTree, path: string, diagnostics: Diagnostics): Script | undefined {
  const bytes = tree.read(path);
  if (bytes === null) return undefined;
  if (typeof bytes === "string") {
    diagnostics.warn({ file: path, line: 0, column: 0 }, bytes);
    return undefined;
  }
  return { file: path, text: decodeText(bytes), startLine: 1 };
}

/** All files under `folder`, as they will lie on the machine under `target`. Shares one budget for the whole lab. */
export class FileCollector {
  private files = 0;
  private bytes = 0;
  private readonly tree: ReadTree;
  private readonly diagnostics: Diagnostics;

  constructor(tree: ReadTree, diagnostics: Diagnostics) {
    this.tree = tree;
    this.diagnostics = diagnostics;
  }

  collect(folder: string, target: string, into: LabFile[], depth = 0): void {
    const entries = this.tree.list(folder);
    if (entries === null) return;
    if (depth > LIMITS.folderDepth) {
      this.skip(folder, "folders nested too deeply");
      return;
    }
    for (const e of entries) {
      const source = `${folder}/${e.name}`;
      const path = `${target === "/" ? "" : target}/${e.name}`;
      if (e.kind === "dir") this.collect(source, path, into, depth + 1);
      else this.add(source, path, into);
    }
  }

  /** False when there is no such file; one that is refused is reported. */
  add(source: string, path: string, into: LabFile[]): boolean {
    if (this.files >= LIMITS.files) return true;
    const bytes = this.tree.read(source);
    if (bytes === null) {
      if (this.tree.list(source) !== null) return false;
      this.skip(source, "cannot be read");
      return false;
    }
    if (typeof bytes === "string") {
      this.skip(source, bytes);
      return true;
    }
    this.bytes += bytes.length;
    this.files++;
    if (this.bytes > LIMITS.fileBytes || this.files >= LIMITS.files) {
      this.files = LIMITS.files;
      this.skip(
        source,
        `more than ${LIMITS.files} files or ${LIMITS.fileBytes >> 20} MiB in this lab: this and all further files`,
      );
      return true;
    }
    into.push({ path, source, bytes });
    return true;
  }

  private skip(file: string, text: string): void {
    this.diagnostics.warn({ file, line: 0, column: 0 }, text);
  }
}

/** "2", "1.5" (rounded up): CPUs of a machine, or why not. */
export function parseCpus(value: string): number | string {
  const n = /^\d+(?:\.\d+)?$/.test(value) ? Math.ceil(Number(value)) : 0;
  if (n < 1 || n > LIMITS.cpus) return `cpus is a number from 1 to ${LIMITS.cpus}, not ${quote(value)}`;
  return n;
}

/** Our own options of a machine, which every kind of lab file has. */
const MACHINE_OPTIONS = ["cpus", "queues", "nic", "cost", "napi"] as const;
export type MachineOption = (typeof MACHINE_OPTIONS)[number];
export const isMachineOption = (key: string): key is MachineOption =>
  (MACHINE_OPTIONS as readonly string[]).includes(key);

/** Sets one of them; what is wrong with the value is a warning, and the machine stays as it was. */
export function setMachineOption(
  m: Machine,
  key: MachineOption,
  value: string,
  where: Where,
  diagnostics: Diagnostics,
): void {
  const choice = (of: readonly string[]): boolean => {
    if (of.includes(value)) return true;
    diagnostics.warn(where, `${key} is ${of.join(" or ")}, not ${quote(value)}${suggest(value, of)}`);
    return false;
  };
  switch (key) {
    case "cpus": {
      const n = parseCpus(value);
      if (typeof n === "string") diagnostics.warn(where, n);
      else m.cpus = n;
      return;
    }
    case "queues": {
      const n = /^\d+$/.test(value) ? Number(value) : 0;
      if (n >= 1 && n <= LIMITS.queues) m.queues = n;
      else diagnostics.warn(where, `queues is a number from 1 to ${LIMITS.queues}, not ${quote(value)}`);
      return;
    }
    case "nic":
      if (choice(NICS)) m.nic = value as Nic;
      return;
    case "cost":
      if (choice(Object.keys(COST_PROFILES))) m.cost = value;
      return;
    case "napi":
      if (choice(["on", "off"])) m.napi = value === "on";
  }
}

/** "net.ipv4.ip_forward=1": [name, value], or why not. */
export function parseSysctl(text: string): [string, string] | string {
  const eq = text.indexOf("=");
  const name = eq < 0 ? "" : text.slice(0, eq).trim();
  if (!/^[A-Za-z0-9_./-]{1,200}$/.test(name) || name.includes(".."))
    return `${quote(text)} is not NAME=VALUE of a sysctl`;
  return [name, text.slice(eq + 1).trim()];
}

export function parseEnv(text: string): [string, string] | string {
  const eq = text.indexOf("=");
  const name = eq < 0 ? "" : text.slice(0, eq).trim();
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `${quote(text)} is not NAME=VALUE of an environment variable`;
  return [name, text.slice(eq + 1)];
}
