// containerlab topologies: name, topology.{defaults,kinds,groups,nodes,links}. Read first: containerlab's topo-def-file.
// Ours besides: rate, delay, loss, … in `vars` or `labels` of a link; cpus, nic, queues, cost, napi in `labels` of a node.
// Way in: `parseContainerlab()`. yaml.ts gives the nodes with their places.

import type { Diagnostics, Where } from "./diagnostics.ts";
import { quote, suggest } from "./diagnostics.ts";
import type { LinkProperties } from "./link_properties.ts";
import { LINK_KEYS, setLinkProperty } from "./link_properties.ts";
import type { Interface, Machine, Segment, Topology } from "./topology.ts";
import {
  FileCollector,
  IFNAME,
  isMachineOption,
  LIMITS,
  MACHINE_NAME,
  newMachine,
  parseCpus,
  parseEnv,
  parseMac,
  parseSysctl,
  setMachineOption,
} from "./topology.ts";
import type { ReadTree } from "./tree.ts";
import { normalizePath } from "./tree.ts";
import type { Entry, YamlFile, YamlValue } from "./yaml.ts";
import { openYaml } from "./yaml.ts";

const TOP_KEYS = ["name", "prefix", "mgmt", "settings", "topology", "debug"];
const TOPOLOGY_KEYS = ["defaults", "kinds", "groups", "nodes", "links"];
/** Accepted without effect and without a word: they change nothing about the network inside. */
const SILENT = [
  "image",
  "image-pull-policy",
  "position",
  "mgmt-ipv4",
  "mgmt-ipv6",
  "type",
  "license",
  "user",
  "memory",
  "cpu-set",
  "shm-size",
  "restart-policy",
  "auto-remove",
  "startup-delay",
  "stages",
  "healthcheck",
  "certificate",
  "extras",
  "aliases",
  "runtime",
  "dns",
  "publish",
  "cap-add",
  "enforce-startup-config",
  "suppress-startup-config",
  "privileged",
];
/** Accepted, but what they ask for does not happen. */
const NO_EFFECT: Readonly<Record<string, string>> = {
  "startup-config": "a machine has no vendor's configuration to load",
  "network-mode": "a machine has its own network",
  ports: "no port of this computer is forwarded into a lab",
  entrypoint: "a machine has no container image to enter",
  cmd: "a machine has no container image to enter",
  config: "configuration templates are not rendered",
  "env-files": "environment files are not read; use env",
  devices: "devices of this computer are not passed to a machine",
};
const NODE_KEYS = [
  "kind",
  "group",
  "exec",
  "env",
  "binds",
  "sysctls",
  "cpu",
  "labels",
  "mtu",
  ...SILENT,
  ...Object.keys(NO_EFFECT),
];
const LINK_TOP_KEYS = ["type", "endpoints", "endpoint", "mtu", "vars", "labels"];
const BRIDGES = ["bridge", "ovs-bridge"];

/** Where the settings of a node come from, in the order in which they apply. */
type Layer = Map<string, Entry>;

export function parseContainerlab(
  topology: Topology,
  diagnostics: Diagnostics,
  tree: ReadTree,
  file: string,
  text: string,
): void {
  const yaml = openYaml(file, text, diagnostics);
  if (yaml === undefined) return;
  new Parser(topology, diagnostics, tree, yaml).run();
}

class Parser {
  private readonly topology: Topology;
  private readonly diagnostics: Diagnostics;
  private readonly yaml: YamlFile;
  private readonly collector: FileCollector;
  private readonly tree: ReadTree;
  private readonly machines = new Map<string, Machine>();
  private readonly mtus = new Map<string, number>();
  /** Segments by name; bridge nodes that a link joins share one. */
  private readonly bridges = new Map<string, Segment>();
  private readonly taken = new Map<Machine, Map<string, Where>>();
  private interfaces = 0;

  constructor(topology: Topology, diagnostics: Diagnostics, tree: ReadTree, yaml: YamlFile) {
    this.topology = topology;
    this.diagnostics = diagnostics;
    this.yaml = yaml;
    this.tree = tree;
    this.collector = new FileCollector(tree, diagnostics);
  }

  run(): void {
    const root = this.yaml.map(this.yaml.root, "the file");
    if (root === undefined) return;
    this.unknownKeys(root, TOP_KEYS, "key", "");
    const name = this.yaml.text(root.get("name")?.value);
    if (name !== undefined && name !== "") this.topology.name = name;
    const top = root.get("topology");
    if (top === undefined) {
      this.diagnostics.fatal(this.yaml.root.where, '"topology" is missing');
      return;
    }
    const map = this.yaml.map(top.value, '"topology"');
    if (map === undefined) return;
    this.unknownKeys(map, TOPOLOGY_KEYS, "key", " of topology");
    const defaults = this.layer(map.get("defaults"), "defaults");
    const kinds = this.layers(map.get("kinds"), "kind");
    const groups = this.layers(map.get("groups"), "group");
    const nodes = map.get("nodes");
    if (nodes === undefined) {
      this.diagnostics.fatal(top.where, '"nodes" of topology is missing');
      return;
    }
    for (const [node, entry] of this.yaml.map(nodes.value, '"nodes"') ?? [])
      this.node(node, entry, defaults, kinds, groups);
    const links = map.get("links");
    for (const value of links === undefined ? [] : (this.yaml.list(links.value, '"links"') ?? [])) this.link(value);
    for (const segment of new Set(this.bridges.values())) this.topology.segments.push(segment);
    this.topology.machines.push(...this.machines.values());
  }

  // --- nodes ---------------------------------------------------------------------------------------------------

  private layer(entry: Entry | undefined, what: string): Layer {
    if (entry === undefined || this.yaml.isNull(entry.value)) return new Map();
    const map = this.yaml.map(entry.value, what);
    if (map === undefined) return new Map();
    this.unknownKeys(map, NODE_KEYS, "option", ` of ${what}`);
    return map;
  }

  private layers(entry: Entry | undefined, what: string): Map<string, Layer> {
    const out = new Map<string, Layer>();
    if (entry === undefined || this.yaml.isNull(entry.value)) return out;
    for (const [name, e] of this.yaml.map(entry.value, `"${what}s"`) ?? [])
      out.set(name, this.layer(e, `${what} ${name}`));
    return out;
  }

  private node(
    name: string,
    entry: Entry,
    defaults: Layer,
    kinds: Map<string, Layer>,
    groups: Map<string, Layer>,
  ): void {
    const d = this.diagnostics;
    if (!MACHINE_NAME.test(name)) {
      d.fatal(entry.where, `${quote(name)} is not a name for a node (letters, digits, "_", "-", ".")`);
      return;
    }
    if (this.machines.size + this.bridges.size >= LIMITS.machines) {
      d.fatal(entry.where, `more than ${LIMITS.machines} nodes`);
      return;
    }
    const own = this.layer(entry, `node ${name}`);
    const groupName = this.yaml.text((own.get("group") ?? defaults.get("group"))?.value);
    const group = groups.get(groupName ?? "") ?? new Map<string, Entry>();
    const kindEntry = own.get("kind") ?? group.get("kind") ?? defaults.get("kind");
    const kind = this.yaml.text(kindEntry?.value) ?? "linux";
    if (BRIDGES.includes(kind)) {
      this.bridges.set(name, { name, ends: [], hub: true, link: {} });
      return;
    }
    if (kind !== "linux") {
      d.warn(
        kindEntry?.where ?? entry.where,
        `kind ${quote(kind)} of node ${name} is not known, it runs as kind linux: the kind`,
      );
    }
    const m = newMachine(name, entry.where);
    this.machines.set(name, m);
    this.taken.set(m, new Map());
    for (const layer of [defaults, kinds.get(kind) ?? new Map<string, Entry>(), group, own]) this.apply(m, layer);
  }

  private apply(m: Machine, layer: Layer): void {
    const warn = (where: Where, text: string): void => this.diagnostics.warn(where, text);
    for (const [key, entry] of layer) {
      const { value, where } = entry;
      if (this.yaml.isNull(value)) continue;
      switch (key) {
        case "exec":
          for (const e of this.yaml.list(value, '"exec"') ?? []) {
            const text = this.yaml.text(e);
            if (text === undefined) warn(e.where, `a command of exec of ${m.name} is not a text`);
            else m.startup.push({ file: where.file, text, startLine: this.yaml.contentLine(e) });
          }
          break;
        case "env":
        case "sysctls":
          for (const [name, e] of this.yaml.map(value, `"${key}"`) ?? []) {
            const pair = `${name}=${this.yaml.text(e.value) ?? ""}`;
            const parsed = key === "env" ? parseEnv(pair) : parseSysctl(pair);
            if (typeof parsed === "string") warn(e.where, parsed);
            else (key === "env" ? m.env : m.sysctls).push(parsed);
          }
          break;
        case "binds":
          for (const e of this.yaml.list(value, '"binds"') ?? []) this.bind(m, e);
          break;
        case "cpu": {
          const n = parseCpus(this.yaml.text(value) ?? "");
          if (typeof n === "string") warn(where, n.replace("cpus", "cpu"));
          else m.cpus = n;
          break;
        }
        case "mtu": {
          const n = this.mtu(value, m.name);
          if (n !== undefined) this.mtus.set(m.name, n);
          break;
        }
        case "labels":
          for (const [name, e] of this.yaml.map(value, '"labels"') ?? []) this.label(m, name, e);
          break;
        default:
          if (Object.hasOwn(NO_EFFECT, key))
            this.diagnostics.note(where, `option ${key} of ${m.name}: ${NO_EFFECT[key]}`);
      }
    }
  }

  private label(m: Machine, name: string, entry: Entry): void {
    if (!isMachineOption(name)) return;
    setMachineOption(m, name, this.yaml.text(entry.value) ?? "", entry.where, this.diagnostics);
  }

  /** "host/path:/machine/path[:ro]": a copy, as nothing of this computer is mounted. */
  private bind(m: Machine, value: YamlValue): void {
    const text = (this.yaml.text(value) ?? "").replaceAll("__clabNodeName__", m.name);
    const [source, target] = text.split(":");
    const d = this.diagnostics;
    if (!target?.startsWith("/") || normalizePath(target.slice(1)) === null) {
      d.warn(value.where, `bind ${quote(text)} of ${m.name} is not SOURCE:/TARGET`);
      return;
    }
    const path = normalizePath(source);
    if (path === null || path === "") {
      d.warn(value.where, `bind ${quote(text)} of ${m.name} leaves the lab folder`);
      return;
    }
    const to = `/${normalizePath(target.slice(1))}`;
    if (this.tree.list(path) !== null) this.collector.collect(path, to, m.files);
    else if (this.tree.read(path) === null)
      d.warn(value.where, `bind of ${m.name}: no file ${quote(path)} in the lab folder`);
    else this.collector.add(path, to, m.files);
  }

  // --- links ---------------------------------------------------------------------------------------------------

  private link(value: YamlValue): void {
    const d = this.diagnostics;
    const map = this.yaml.map(value, "a link");
    if (map === undefined) return;
    this.unknownKeys(map, LINK_TOP_KEYS, "key", " of a link");
    const type = this.yaml.text(map.get("type")?.value) ?? "veth";
    if (type !== "veth" && type !== "dummy") {
      const known = ["mgmt-net", "host", "macvlan", "vxlan", "vxlan-stitch"].includes(type);
      const hint = known
        ? "reaches outside of the lab, which it cannot"
        : `is not known${suggest(type, ["veth", "dummy"])}`;
      d.warn(map.get("type")?.where ?? value.where, `link of type ${quote(type)} ${hint}`);
      return;
    }
    const properties: LinkProperties = {};
    for (const key of ["vars", "labels"]) this.properties(map.get(key), key, properties);
    const mtu = map.get("mtu");
    if (mtu !== undefined) properties.mtu = this.mtu(mtu.value, "a link") ?? properties.mtu;
    const list = map.get("endpoints") ?? map.get("endpoint");
    if (list === undefined) {
      d.fatal(value.where, '"endpoints" of a link is missing');
      return;
    }
    const ends = map.has("endpoints") ? this.yaml.list(list.value, '"endpoints"') : [list.value];
    if (ends === undefined) return;
    const wanted = type === "dummy" ? 1 : 2;
    if (ends.length !== wanted) {
      d.fatal(list.where, `a link of type ${type} has ${wanted} endpoints, not ${ends.length}`);
      return;
    }
    const parsed = ends.map((e) => this.endpoint(e));
    if (parsed.some((p) => p === undefined)) return;
    this.connect(parsed as Endpoint[], properties);
  }

  private properties(entry: Entry | undefined, key: string, into: LinkProperties): void {
    if (entry === undefined || this.yaml.isNull(entry.value)) return;
    for (const [name, e] of this.yaml.map(entry.value, `"${key}" of a link`) ?? []) {
      // Labels are free for the user's own; vars are for templates, but a near miss is a mistake.
      if (key === "labels" && !(LINK_KEYS as readonly string[]).includes(name)) continue;
      const error = setLinkProperty(into, name, this.yaml.text(e.value) ?? "");
      if (error !== undefined) this.diagnostics.warn(e.where, error);
    }
  }

  private endpoint(value: YamlValue): Endpoint | undefined {
    const d = this.diagnostics;
    let node: string | undefined;
    let ifname: string | undefined;
    let mac: string | undefined;
    const text = this.yaml.text(value);
    if (text !== undefined) {
      const colon = text.indexOf(":");
      if (colon > 0) [node, ifname] = [text.slice(0, colon), text.slice(colon + 1)];
    } else {
      const map = this.yaml.map(value, "an endpoint");
      if (map === undefined) return undefined;
      this.unknownKeys(map, ["node", "interface", "mac"], "key", " of an endpoint");
      node = this.yaml.text(map.get("node")?.value);
      ifname = this.yaml.text(map.get("interface")?.value);
      const given = this.yaml.text(map.get("mac")?.value);
      const parsed = given === undefined ? undefined : parseMac(given);
      if (parsed !== undefined && "error" in parsed) d.fatal(map.get("mac")!.where, parsed.error);
      else mac = parsed?.mac;
    }
    const where = value.where;
    if (node === undefined || ifname === undefined) {
      d.fatal(where, `an endpoint is "NODE:INTERFACE"${text === undefined ? "" : `, not ${quote(text)}`}`);
      return undefined;
    }
    const bridge = this.bridges.get(node);
    if (bridge !== undefined) return { bridge, node, ifname, mac, where };
    const machine = this.machines.get(node);
    if (machine === undefined) {
      if (["host", "mgmt-net", "macvlan"].includes(node)) {
        d.warn(where, `the link to ${quote(node)} reaches outside of the lab, which it cannot`);
      } else {
        const near = d.list.length < 50 && this.machines.size < 2000 ? suggest(node, this.machines.keys()) : "";
        d.fatal(where, `no node ${quote(node)}${near}`);
      }
      return undefined;
    }
    const taken = this.taken.get(machine)!;
    const before = taken.get(ifname);
    if (!IFNAME.test(ifname) || ifname === "lo" || ifname === "." || ifname === "..") {
      d.fatal(where, `${quote(ifname)} is not a name for an interface (at most 15 characters)`);
    } else if (before !== undefined) {
      d.fatal(where, `${node}:${ifname} is already used on line ${before.line}`);
    } else if (taken.size >= LIMITS.interfaces || ++this.interfaces > LIMITS.interfacesTotal) {
      d.fatal(where, `${node} has more than ${LIMITS.interfaces} interfaces`);
    } else {
      taken.set(ifname, where);
      return { machine, node, ifname, mac, where };
    }
    return undefined;
  }

  private connect(ends: Endpoint[], properties: LinkProperties): void {
    const bridges = ends.flatMap((e) => (e.bridge === undefined ? [] : [e.bridge]));
    let segment: Segment;
    if (bridges.length === 2) {
      for (const [name, s] of this.bridges) if (s === bridges[1]) this.bridges.set(name, bridges[0]);
      Object.assign(bridges[0].link, bridges[1].link, properties);
      for (const m of this.machines.values()) {
        for (const i of m.interfaces) if (i.segment === bridges[1].name) i.segment = bridges[0].name;
      }
      return;
    }
    if (bridges.length === 1) {
      segment = bridges[0];
      Object.assign(segment.link, properties);
    } else {
      segment = { name: ends.map((e) => `${e.node}:${e.ifname}`).join("-"), ends: [], hub: false, link: properties };
      this.topology.segments.push(segment);
    }
    for (const e of ends) {
      if (e.machine === undefined) continue;
      const mtu = properties.mtu ?? this.mtus.get(e.node);
      e.machine.interfaces.push(newInterface(e, segment.name, mtu, e.machine.interfaces));
    }
  }

  private mtu(value: YamlValue, of: string): number | undefined {
    const text = this.yaml.text(value) ?? "";
    const link: LinkProperties = {};
    const error = setLinkProperty(link, "mtu", text);
    if (error !== undefined)
      this.diagnostics.warn(value.where, `mtu of ${of} is a number from 68 to 65535, not ${quote(text)}`);
    return link.mtu;
  }

  private unknownKeys(map: Map<string, Entry>, known: readonly string[], noun: string, of: string): void {
    for (const [key, entry] of map) {
      if (known.includes(key)) continue;
      this.diagnostics.warn(entry.where, `unknown ${noun} ${quote(key)}${of}${suggest(key, known)}`);
    }
  }
}

interface Endpoint {
  machine?: Machine;
  bridge?: Segment;
  node: string;
  ifname: string;
  mac: string | undefined;
  where: Where;
}

/** eth3 has index 3; a name without a number, or with one that is taken, gets the first free index. */
function newInterface(e: Endpoint, segment: string, mtu: number | undefined, others: readonly Interface[]): Interface {
  const used = new Set(others.map((i) => i.index));
  const number = /^eth(\d{1,3})$/.exec(e.ifname);
  let index = number === null ? LIMITS.interfaces : Number(number[1]);
  if (index >= LIMITS.interfaces || used.has(index)) for (index = 1; used.has(index); index++);
  return { index, name: e.ifname, segment, mac: e.mac, mtu, where: e.where };
}
