// Kathará labs: lab.conf, NAME.startup, NAME.shutdown, shared.startup, and the folders NAME/ and shared/.
// Read first: kathara-lab.conf(5). Ours besides: nic, queues, cost, napi, link[SEGMENT]. Way in: `parseKathara()`.

import type { Diagnostics, Where } from "./diagnostics.ts";
import { quote, suggest } from "./diagnostics.ts";
import { LINK_KEYS, parseLinkWords } from "./link_properties.ts";
import type { Machine, Segment, Topology } from "./topology.ts";
import {
  FileCollector,
  isMachineOption,
  LIMITS,
  MACHINE_NAME,
  newMachine,
  parseEnv,
  parseMac,
  parseSysctl,
  readScript,
  setMachineOption,
} from "./topology.ts";
import type { ReadTree } from "./tree.ts";

/** Accepted as in Kathará; the text says why it changes nothing here. Empty: not worth a word. */
const NO_EFFECT: Readonly<Record<string, string>> = {
  image: "",
  mem: "",
  num_terms: "",
  shell: "",
  ipv6: "IPv6 is not switched by this option",
  bridged: "there is no Internet behind a lab",
  port: "no port of this computer is forwarded into a lab",
  entrypoint: "a machine has no container image to enter",
  args: "a machine has no container image to enter",
  privileged: "all programs of a machine are root",
  ulimit: "processes are not limited",
  volume: "nothing of this computer is mounted into a machine; put files under its folder",
  hosthome_mount: "nothing of this computer is mounted into a machine",
  shared_mount: "nothing of this computer is mounted into a machine",
};
const KEYS = [...Object.keys(NO_EFFECT), "cpus", "sysctl", "env", "exec", "nic", "queues", "cost", "napi"];
const LAB_KEYS = ["LAB_NAME", "LAB_DESCRIPTION", "LAB_VERSION", "LAB_AUTHOR", "LAB_EMAIL", "LAB_WEB"];

const INDEXED = /^([^\s[\]="'#]+)\[([^\]]*)\]\s*=(.*)$/;
const SEGMENT = /^[\w.-]{1,128}$/;

export function parseKathara(
  topology: Topology,
  diagnostics: Diagnostics,
  tree: ReadTree,
  file: string,
  text: string,
): void {
  const machines = new Map<string, Machine>();
  const segments = new Map<string, Segment>();
  const execs = new Map<Machine, { text: string; line: number }[]>();
  let interfaces = 0;

  const machine = (name: string, where: Where): Machine | undefined => {
    const known = machines.get(name);
    if (known !== undefined) return known;
    if (!MACHINE_NAME.test(name)) {
      diagnostics.fatal(where, `${quote(name)} is not a name for a machine (letters, digits, "_", "-", ".")`);
      return undefined;
    }
    if (machines.size >= LIMITS.machines) {
      if (machines.size === LIMITS.machines) diagnostics.fatal(where, `more than ${LIMITS.machines} machines`);
      return undefined;
    }
    const m = newMachine(name, where);
    machines.set(name, m);
    return m;
  };
  const segment = (name: string): Segment => {
    let s = segments.get(name);
    if (s === undefined) segments.set(name, (s = { name, ends: [], hub: false, link: {} }));
    return s;
  };

  const lines = text.split("\n");
  for (let n = 0; n < lines.length; n++) {
    const line = lines[n].trim();
    if (line === "" || line.startsWith("#")) continue;
    const where: Where = { file, line: n + 1, column: 0 };
    const indexed = INDEXED.exec(line);
    if (indexed === null) {
      labKey(line, where);
      continue;
    }
    const value = unquote(indexed[3]);
    if (value === undefined) {
      diagnostics.fatal(where, `${quote(indexed[3].trim())} is not a value (a quote is missing, or words follow it)`);
      continue;
    }
    const [, name, key] = indexed;
    if (name === "link") {
      link(key, value, where);
      continue;
    }
    if (segments.has(name) && !machines.has(name) && (LINK_KEYS as readonly string[]).includes(key)) {
      diagnostics.warn(where, `${name} is a segment, not a machine: write link[${name}]="${key} ${value}"`);
      continue;
    }
    const m = machine(name, where);
    if (m === undefined) continue;
    if (/^\d+$/.test(key)) networkInterface(m, key, value, where);
    else option(m, key, value, where);
  }
  topology.machines.push(...machines.values());
  topology.segments.push(...segments.values());
  scriptsAndFiles(file);
  return;

  function labKey(line: string, where: Where): void {
    const eq = line.indexOf("=");
    const key = eq < 0 ? "" : line.slice(0, eq).trim();
    if (!/^[A-Z][A-Z0-9_]*$/.test(key)) {
      const head = eq < 0 ? line : line.slice(0, eq);
      diagnostics.fatal(where, `${quote(head)} is not NAME[KEY]=VALUE`);
      return;
    }
    const value = unquote(line.slice(eq + 1));
    if (value === undefined) diagnostics.warn(where, `${key} has no proper value`);
    else if (key === "LAB_NAME") topology.name = value || topology.name;
    else if (key === "LAB_DESCRIPTION") topology.description = value;
    else if (!LAB_KEYS.includes(key)) diagnostics.warn(where, `unknown key ${quote(key)}${suggest(key, LAB_KEYS)}`);
  }

  function link(key: string, value: string, where: Where): void {
    if (!SEGMENT.test(key)) {
      diagnostics.fatal(where, `${quote(key)} is not a name for a segment`);
      return;
    }
    for (const error of parseLinkWords(segment(key).link, value)) diagnostics.warn(where, error);
  }

  function networkInterface(m: Machine, key: string, value: string, where: Where): void {
    const index = Number(key);
    const slash = value.indexOf("/");
    const name = slash < 0 ? value : value.slice(0, slash);
    const other = m.interfaces.find((i) => i.index === index);
    if (index >= LIMITS.interfaces) {
      diagnostics.fatal(where, `interface ${key} of ${m.name}: at most ${LIMITS.interfaces} interfaces`);
    } else if (!SEGMENT.test(name)) {
      diagnostics.fatal(where, `${quote(name)} is not a name for a segment`);
    } else if (other !== undefined) {
      diagnostics.fatal(
        where,
        `interface ${index} of ${m.name} is already on segment ${other.segment} (line ${other.where.line})`,
      );
    } else if (++interfaces > LIMITS.interfacesTotal) {
      if (interfaces === LIMITS.interfacesTotal + 1)
        diagnostics.fatal(where, `more than ${LIMITS.interfacesTotal} interfaces`);
    } else {
      let mac: string | undefined;
      if (slash >= 0) {
        const parsed = parseMac(value.slice(slash + 1));
        if ("error" in parsed) diagnostics.fatal(where, parsed.error);
        else mac = parsed.mac;
      }
      segment(name);
      m.interfaces.push({ index, name: `eth${index}`, segment: name, mac, mtu: undefined, where });
    }
  }

  function option(m: Machine, key: string, value: string, where: Where): void {
    if (isMachineOption(key)) {
      setMachineOption(m, key, value, where, diagnostics);
      return;
    }
    switch (key) {
      case "sysctl":
      case "env": {
        const pair = key === "env" ? parseEnv(value) : parseSysctl(value);
        if (typeof pair === "string") diagnostics.warn(where, pair);
        else (key === "env" ? m.env : m.sysctls).push(pair);
        return;
      }
      case "exec": {
        const list = execs.get(m);
        if (list === undefined) execs.set(m, [{ text: value, line: where.line }]);
        else list.push({ text: value, line: where.line });
        return;
      }
    }
    if (Object.hasOwn(NO_EFFECT, key)) {
      if (NO_EFFECT[key] !== "") diagnostics.note(where, `option ${key} of ${m.name}: ${NO_EFFECT[key]}`);
      return;
    }
    if (!/^[A-Za-z_][\w-]*$/.test(key)) {
      diagnostics.fatal(where, `${quote(`${m.name}[${key}]`)} names neither an interface nor an option`);
      return;
    }
    diagnostics.warn(where, `unknown option ${quote(key)} of ${m.name}${suggest(key, KEYS)}`);
  }

  function scriptsAndFiles(conf: string): void {
    const collector = new FileCollector(tree, diagnostics);
    const sharedStartup = readScript(tree, "shared.startup", diagnostics);
    const sharedShutdown = readScript(tree, "shared.shutdown", diagnostics);
    const entries = new Map((tree.list("") ?? []).map((e) => [e.name, e.kind]));
    const sharedFiles: Machine["files"] = [];
    if (entries.get("shared") === "dir") collector.collect("shared", "/shared", sharedFiles);
    for (const m of topology.machines) {
      m.files.push(...sharedFiles);
      if (entries.get(m.name) === "dir") collector.collect(m.name, "/", m.files);
      if (sharedStartup !== undefined) m.startup.push(sharedStartup);
      const startup = entries.has(`${m.name}.startup`) ? readScript(tree, `${m.name}.startup`, diagnostics) : undefined;
      if (startup !== undefined) m.startup.push(startup);
      for (const e of execs.get(m) ?? []) m.startup.push({ file: conf, text: e.text, startLine: e.line });
      const shutdown = entries.has(`${m.name}.shutdown`)
        ? readScript(tree, `${m.name}.shutdown`, diagnostics)
        : undefined;
      if (shutdown !== undefined) m.shutdown.push(shutdown);
      if (sharedShutdown !== undefined) m.shutdown.push(sharedShutdown);
    }
    for (const [name, kind] of entries) {
      const where = { file: name, line: 0, column: 0 };
      const script = /^(.+)\.(?:startup|shutdown)$/.exec(name);
      if (kind === "refused") diagnostics.warn(where, "not a regular file inside the lab folder");
      else if (name === "lab.dep") diagnostics.warn(where, "machines start together, an order is not kept");
      else if (name === "lab.ext") diagnostics.warn(where, "segments are not connected to this computer's network");
      else if (script !== null && script[1] !== "shared" && !machines.has(script[1])) {
        const near = diagnostics.list.length < 50 && machines.size < 2000 ? suggest(script[1], machines.keys()) : "";
        diagnostics.warn(where, `no machine ${quote(script[1])} in ${conf}${near}`);
      }
    }
  }
}

/** The value behind "=": bare up to a comment, or in one pair of quotes; undefined when it is neither. */
function unquote(text: string): string | undefined {
  const t = text.trim();
  const q = t[0];
  if (q === '"' || q === "'") {
    const end = t.indexOf(q, 1);
    if (end < 0) return undefined;
    // A quoted value may hold quotes of its own kind, as in exec="echo "a"": the last one ends it.
    const last = t.lastIndexOf(q);
    if (/^\s*(?:#.*)?$/.test(t.slice(end + 1))) return t.slice(1, end);
    return /^\s*(?:#.*)?$/.test(t.slice(last + 1)) && !t.slice(end + 1, last).includes("#")
      ? t.slice(1, last)
      : undefined;
  }
  const bare = t.replace(/\s+#.*$/, "");
  return bare === "" || bare.startsWith("#") ? undefined : bare;
}
