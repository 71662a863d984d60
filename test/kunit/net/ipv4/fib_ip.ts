// A small `ip` straight over the control plane functions, to replay transcripts recorded from Linux. Prints as iproute2 does
// what those transcripts show; what it does not know it refuses loudly.

import { METRICS } from "../../../../src/bin/ip/route_show.ts";
import { dev_close, dev_open, for_each_netdev } from "../../../../src/net/core/dev_api.ts";
import { fib_nl_delrule, fib_nl_newrule } from "../../../../src/net/core/fib_rules.ts";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import { IfaRequest, inet_dump_ifaddr, inet_rtm_deladdr, inet_rtm_newaddr } from "../../../../src/net/ipv4/devinet.ts";
import {
  fib_lookup,
  fib_res_table,
  fib_tables,
  inet_rtm_delroute,
  inet_rtm_newroute,
} from "../../../../src/net/ipv4/fib_frontend.ts";
import { type FibAlias, FibConfig, FibNhConfig } from "../../../../src/net/ipv4/fib_lookup.ts";
import { Fib4Rule, fib4_rules_ops } from "../../../../src/net/ipv4/fib_rules.ts";
import { fib_select_path } from "../../../../src/net/ipv4/fib_semantics.ts";
import { fib_table_dump } from "../../../../src/net/ipv4/fib_trie.ts";
import { type FibNh, FibResult, Flowi4 } from "../../../../src/net/ipv4/ip_fib.ts";
import type { InIfaddr } from "../../../../src/net/ipv4/netns_ipv4.ts";
import {
  type Nexthop,
  NhConfig,
  nexthop_dump,
  rtm_del_nexthop,
  rtm_new_nexthop,
} from "../../../../src/net/ipv4/nexthop.ts";
import { strerror } from "../../../../src/uapi/errno.ts";
import { add_pair } from "./fib_env.ts";

export const ip4 = (text: string): number => {
  const p = text.split(".").map(Number);
  return ((p[0] ?? 0) << 24) | ((p[1] ?? 0) << 16) | ((p[2] ?? 0) << 8) | (p[3] ?? 0) | 0;
};
export const ntoa = (a: number): string => `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;

const TYPES = [
  "none",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
  "nat",
];
const SCOPES = new Map([
  ["global", 0],
  ["nowhere", 255],
  ["host", 254],
  ["link", 253],
  ["site", 200],
]);
const PROTOS = new Map([
  ["unspec", 0],
  ["redirect", 1],
  ["kernel", 2],
  ["boot", 3],
  ["static", 4],
  ["zebra", 11],
]);
const TABLES = new Map([
  ["unspec", 0],
  ["default", 253],
  ["main", 254],
  ["local", 255],
]);
const name_of = (map: Map<string, number>, v: number): string => [...map].find(([, n]) => n === v)?.[0] ?? String(v);
const num_of = (map: Map<string, number>, text: string): number => map.get(text) ?? Number(text);
const table_of = (text: string): number => num_of(TABLES, text);

function prefix(text: string): [number, number] {
  if (text === "default") return [0, 0];
  const [a, len] = text.split("/");
  return [ip4(a!), len === undefined ? 32 : Number(len)];
}
const show_prefix = (a: number, len: number): string =>
  len === 0 && a === 0 ? "default" : len === 32 ? ntoa(a) : `${ntoa(a)}/${len}`;
const hex2 = (v: number): string => `0x${v.toString(16).padStart(2, "0")}`;

class Usage extends Error {}

/** Words of a command line, taken one by one. */
class Words {
  readonly w: string[];
  at = 0;
  constructor(line: string) {
    this.w = line.split(" ").filter((s) => s !== "");
  }
  get more(): boolean {
    return this.at < this.w.length;
  }
  next(): string {
    const s = this.w[this.at++];
    if (s === undefined) throw new Usage("incomplete");
    return s;
  }
  peek(): string {
    return this.w[this.at] ?? "";
  }
}

const dev_index = (net: Net, name: string): number => {
  const dev = net.dev_by_name.get(name);
  if (!dev) throw new Usage(`Cannot find device "${name}"`);
  return dev.ifindex;
};
const dev_name = (net: Net, index: number): string => net.dev_by_index.get(index)?.name ?? `if${index}`;

// --- routes -------------------------------------------------------------------------------------------------------

const METRIC_WORDS = new Set([
  "mtu",
  "advmss",
  "initcwnd",
  "hoplimit",
  "quickack",
  "window",
  "rtt",
  "rto_min",
  "features",
]);

function parse_route(net: Net, w: Words, cfg: FibConfig, del: boolean): void {
  let scope_ok = false;
  let table_ok = false;
  let type = 1;
  if (TYPES.includes(w.peek())) type = TYPES.indexOf(w.next());
  [cfg.fc_dst, cfg.fc_dst_len] = prefix(w.next());
  const hop = (target: { gw: number; has_gw: boolean; oif: number; flags: number; weight: number }): void => {
    while (w.more && w.peek() !== "nexthop") {
      const word = w.next();
      if (word === "via") [target.gw, target.has_gw] = [ip4(w.next()), true];
      else if (word === "dev") target.oif = dev_index(net, w.next());
      else if (word === "weight") target.weight = Number(w.next());
      else if (word === "onlink") target.flags |= 4;
      else throw new Usage(word);
    }
  };
  while (w.more) {
    const word = w.next();
    if (word === "via") [cfg.fc_gw, cfg.fc_has_gw] = [ip4(w.next()), true];
    else if (word === "dev") cfg.fc_oif = dev_index(net, w.next());
    else if (word === "src") cfg.fc_prefsrc = ip4(w.next());
    else if (word === "metric") cfg.fc_priority = Number(w.next());
    else if (word === "tos") cfg.fc_dscp = Number(w.next());
    else if (word === "proto") cfg.fc_protocol = num_of(PROTOS, w.next());
    else if (word === "nhid") cfg.fc_nh_id = Number(w.next());
    else if (word === "onlink") cfg.fc_flags |= 4;
    else if (word === "table") [cfg.fc_table, table_ok] = [table_of(w.next()), true];
    else if (word === "scope") [cfg.fc_scope, scope_ok] = [num_of(SCOPES, w.next()), true];
    else if (word === "nexthop") {
      const h = new FibNhConfig();
      hop(h);
      (cfg.fc_mp ??= []).push(h);
    } else if (METRIC_WORDS.has(word)) {
      cfg.fc_mx ??= new Int32Array(18);
      const m = METRICS.indexOf(word);
      let v = w.next();
      if (v === "lock") {
        cfg.fc_mx[1]! |= 1 << m;
        v = w.next();
      }
      cfg.fc_mx[m] = v === "ecn" ? 1 : v.endsWith("ms") ? Number.parseInt(v, 10) * (word === "rtt" ? 8 : 1) : Number(v);
      if (word === "rto_min") cfg.fc_mx[1]! |= 1 << m;
    } else throw new Usage(word);
  }
  cfg.fc_type = del && type === 1 ? 0 : type;
  // iproute2 chooses table and scope by type where the command does not.
  if (!table_ok && (type === 2 || type === 3 || type === 4 || type === 10)) cfg.fc_table = 255;
  if (!scope_ok) {
    if (type === 2 || type === 10) cfg.fc_scope = 254;
    else if (type === 3 || type === 5 || type === 4) cfg.fc_scope = 253;
    else if (type === 1) {
      if (del) cfg.fc_scope = 255;
      else if (!cfg.fc_has_gw && cfg.fc_mp === null && cfg.fc_nh_id === 0) cfg.fc_scope = 253;
    }
    if (del && type !== 1) cfg.fc_scope = 255;
  }
}

function show_nh_flags(flags: number, weight: string): string {
  let out = weight;
  if ((flags & 1) !== 0) out += "dead ";
  if ((flags & 4) !== 0) out += "onlink ";
  if ((flags & 16) !== 0) out += "linkdown ";
  return out;
}

export function show_route(net: Net, fa: FibAlias, filter_table: number): string {
  const fi = fa.fa_info;
  let out = "";
  let type = fa.fa_type;
  if (fi.nh?.blackhole) type = 6;
  if (type !== 1) out += `${TYPES[type]} `;
  out += `${show_prefix(fa.leaf.key, fa.leaf.plen)} `;
  const tos_names = new Map<number, string>();
  if (fa.fa_dscp !== 0) out += `tos ${tos_names.get(fa.fa_dscp) ?? hex2(fa.fa_dscp)} `;
  if (fi.nh_id !== 0) out += `nhid ${fi.nh_id} `;
  const one: FibNh | null = fi.nhs.length === 1 ? fi.nhs[0]! : null;
  if (one !== null) {
    if (one.gw !== 0) out += `via ${ntoa(one.gw)} `;
    if (one.dev !== null) out += `dev ${one.dev.name} `;
  }
  if (fa.tb_id !== filter_table && fa.tb_id !== 254) out += `table ${name_of(TABLES, fa.tb_id)} `;
  if (fi.protocol !== 3) out += `proto ${name_of(PROTOS, fi.protocol)} `;
  if (fi.scope !== 0) out += `scope ${name_of(SCOPES, fi.scope)} `;
  if (fi.prefsrc !== 0) out += `src ${ntoa(fi.prefsrc)} `;
  if (fi.priority !== 0) out += `metric ${fi.priority} `;
  if (one !== null) out += show_nh_flags(one.flags | (fi.flags & 4), "");
  for (let m = 2; m < METRICS.length; m++) {
    const v = fi.metrics[m]!;
    if (v === 0) continue;
    out += `${METRICS[m]} `;
    if ((fi.metrics[1]! & (1 << m)) !== 0) out += "lock ";
    out += m === 12 ? "ecn " : m === 4 ? `${v / 8}ms ` : m === 13 ? `${v}ms ` : `${v} `;
  }
  if (one === null) {
    for (const nh of fi.nhs) {
      out += "\n\tnexthop ";
      if (nh.gw !== 0) out += `via ${ntoa(nh.gw)} `;
      out += `dev ${nh.dev!.name} ${show_nh_flags(nh.flags, `weight ${nh.weight} `)}`;
    }
  }
  return out;
}

function route(net: Net, w: Words): string[] {
  const verb = w.next();
  if (verb === "show") {
    let table = 254;
    let root: string | null = null;
    let dev = "";
    while (w.more) {
      const word = w.next();
      if (word === "table") {
        const t = w.next();
        table = t === "all" ? 0 : table_of(t);
      } else if (word === "dev") dev = w.next();
      else root = word;
    }
    const out: string[] = [];
    for (const tb of fib_tables(net)) {
      if (table !== 0 && tb.tb_id !== table) continue;
      for (const fa of fib_table_dump(tb)) {
        if (root !== null && show_prefix(fa.leaf.key, fa.leaf.plen) !== root) continue;
        let text = show_route(net, fa, table);
        if (dev !== "") {
          if (fa.fa_info.nhs[0]!.dev?.name !== dev) continue;
          text = text.replace(` dev ${dev} `, " ");
        }
        out.push(...text.split("\n"));
      }
    }
    return out;
  }
  if (verb === "get") return route_get(net, w);
  const cfg = new FibConfig();
  const del = verb === "del";
  cfg.fc_protocol = del ? 0 : 3;
  parse_route(net, w, cfg, del);
  cfg.fc_nlflags = { add: 0x600, append: 0xc00, prepend: 0x400, replace: 0x500, change: 0x100, del: 0 }[verb] ?? -1;
  if (cfg.fc_nlflags < 0) throw new Usage(verb);
  const ext = { msg: "" };
  const err = del ? inet_rtm_delroute(net, cfg, ext) : inet_rtm_newroute(net, cfg, ext);
  return result(err, ext.msg);
}

function result(err: number, msg: string): string[] {
  if (err >= 0) return [];
  return [msg !== "" ? `Error: ${msg.replace(/\.$/, "")}.` : `RTNETLINK answers: ${strerror(err)}`];
}

function route_get(net: Net, w: Words): string[] {
  const fl4 = new Flowi4();
  fl4.flowi4_iif = 1;
  const res = new FibResult();
  fl4.daddr = ip4(w.next());
  let src = "";
  while (w.more) {
    const word = w.next();
    if (word === "from") fl4.saddr = ip4((src = w.next()));
    else if (word === "mark") fl4.flowi4_mark = Number(w.next());
    else if (word === "tos") fl4.flowi4_tos = Number(w.next());
    else if (word === "ipproto") fl4.flowi4_proto = { tcp: 6, udp: 17 }[w.next()]!;
    else if (word === "sport") fl4.fl4_sport = Number(w.next());
    else if (word === "dport") fl4.fl4_dport = Number(w.next());
    else if (word === "oif") fl4.flowi4_oif = dev_index(net, w.next());
    else throw new Usage(word);
  }
  const err = fib_lookup(net, fl4, res, 0);
  if (err < 0) return result(err, "");
  fib_select_path(net, res, fl4, null);
  const local = res.type === 2;
  const nh = res.nhc!;
  let out = `${local ? "local " : res.type === 3 ? "broadcast " : ""}${ntoa(fl4.daddr)} `;
  if (src !== "") out += `from ${src} `;
  if (res.dscp !== 0) out += `tos ${hex2(res.dscp)} `;
  if (nh.gw !== 0) out += `via ${ntoa(nh.gw)} `;
  out += `dev ${local ? "lo" : nh.dev!.name} `;
  const table = fib_res_table(net, res);
  if (table !== 254) out += `table ${name_of(TABLES, table)} `;
  if (local) fl4.saddr = fl4.daddr;
  if (src === "") out += `src ${ntoa(fl4.saddr)} `;
  if (fl4.flowi4_mark !== 0)
    out += `mark ${fl4.flowi4_mark > 9 ? `0x${fl4.flowi4_mark.toString(16)}` : fl4.flowi4_mark} `;
  return [out];
}

// --- addresses ----------------------------------------------------------------------------------------------------

const FLAG_WORDS: readonly (readonly [number, string])[] = [
  [1, "secondary "],
  [0x20, "deprecated "],
  [0x200, "noprefixroute "],
];

export function show_addr(ifa: InIfaddr): string {
  let out = `inet ${ntoa(ifa.ifa_local)}`;
  if (ifa.ifa_address !== ifa.ifa_local) out += ` peer ${ntoa(ifa.ifa_address)}`;
  out += `/${ifa.ifa_prefixlen} `;
  if (ifa.ifa_rt_priority !== 0) out += `metric ${ifa.ifa_rt_priority} `;
  if (ifa.ifa_broadcast !== 0) out += `brd ${ntoa(ifa.ifa_broadcast)} `;
  out += `scope ${name_of(SCOPES, ifa.ifa_scope)} `;
  for (const [bit, text] of FLAG_WORDS) if ((ifa.ifa_flags & bit) !== 0) out += text;
  if ((ifa.ifa_flags & 0x80) === 0) out += "dynamic ";
  return `${out}${ifa.ifa_label}`;
}

const sec = (v: number): string => (v === 0xffffffff ? "forever" : `${v}sec`);
const lifetimes = (ifa: InIfaddr): string =>
  `valid_lft ${sec(ifa.ifa_valid_lft)} preferred_lft ${sec(ifa.ifa_preferred_lft)}`;

function addr(net: Net, w: Words): string[] {
  const verb = w.next();
  if (verb === "show") {
    const name = w.more ? w.next() : "";
    const out: string[] = [];
    for (const ifa of inet_dump_ifaddr(net)) {
      if (name === "" || ifa.ifa_dev.dev.name === name) out.push(`    ${show_addr(ifa)}`, `       ${lifetimes(ifa)}`);
    }
    return out;
  }
  if (verb === "flush") {
    w.next();
    const dev = net.dev_by_name.get(w.next())!;
    while (dev.ip_ptr!.ifa_list.length > 0) {
      const req = new IfaRequest();
      req.ifindex = dev.ifindex;
      req.local = dev.ip_ptr!.ifa_list[0]!.ifa_local;
      inet_rtm_deladdr(net, req, null);
    }
    return [];
  }
  const req = new IfaRequest();
  let scope_ok = false;
  let brd_auto = false;
  let given_len = false;
  while (w.more) {
    const word = w.next();
    if (word === "dev") req.ifindex = dev_index(net, w.next());
    else if (word === "peer") [req.address, req.prefixlen] = prefix(w.next());
    else if (word === "brd") {
      if (w.peek() === "+") brd_auto = w.next() !== "";
      else req.broadcast = ip4(w.next());
    } else if (word === "scope") [req.scope, scope_ok] = [num_of(SCOPES, w.next()), true];
    else if (word === "label") req.label = w.next();
    else if (word === "metric") req.rt_priority = Number(w.next());
    else if (word === "noprefixroute") req.flags |= 0x200;
    else if (word === "valid_lft") req.valid_lft = Number(w.next());
    else if (word === "preferred_lft") req.preferred_lft = Number(w.next());
    else {
      const [a, len] = prefix(word);
      req.local = a;
      given_len = word.includes("/");
      if (req.address === null) req.prefixlen = len;
    }
  }
  if (verb === "del") {
    if (given_len && req.address === null) req.address = req.local;
    const ext = { msg: "" };
    return result(inet_rtm_deladdr(net, req, ext), ext.msg);
  }
  if (req.address === null) req.address = req.local;
  if (brd_auto) req.broadcast = req.local! | (req.prefixlen === 0 ? -1 : ~(-1 << (32 - req.prefixlen)));
  if (!scope_ok && req.local! >>> 24 === 127) req.scope = 254;
  req.nlinfo = { portid: 1, seq: 1, nlflags: { add: 0x600, replace: 0x500, change: 0x100 }[verb] ?? -1 };
  if (req.nlinfo.nlflags < 0) throw new Usage(verb);
  const ext = { msg: "" };
  return result(inet_rtm_newaddr(net, req, ext), ext.msg);
}

// --- rules --------------------------------------------------------------------------------------------------------

const RULE_ACTIONS = new Map([
  ["goto", 2],
  ["nop", 3],
  ["blackhole", 6],
  ["unreachable", 7],
  ["prohibit", 8],
]);

export function show_rule(r: Fib4Rule): string {
  let out = `${r.pref}:\t`;
  if ((r.flags & 2) !== 0) out += "not ";
  out += `from ${r.src_len === 0 ? "all" : show_prefix(r.src, r.src_len)} `;
  if (r.dst_len !== 0) out += `to ${show_prefix(r.dst, r.dst_len)} `;
  if (r.dscp !== 0) out += `tos 0x${r.dscp.toString(16)} `;
  if (r.mark !== 0 || r.mark_mask !== 0) {
    out += `fwmark 0x${(r.mark >>> 0).toString(16)}${r.mark_mask !== -1 ? `/0x${(r.mark_mask >>> 0).toString(16)}` : ""} `;
  }
  if (r.iifname !== "") out += `iif ${r.iifname} ${(r.flags & 8) !== 0 ? "[detached] " : ""}`;
  if (r.oifname !== "") out += `oif ${r.oifname} ${(r.flags & 16) !== 0 ? "[detached] " : ""}`;
  if (r.uid_start >= 0) out += `uidrange ${r.uid_start}-${r.uid_end} `;
  if (r.ip_proto !== 0) out += `ipproto ${{ 6: "tcp", 17: "udp" }[r.ip_proto]} `;
  const range = (a: number, b: number): string => (a === b ? `${a}` : `${a}-${b}`);
  if (r.sport_start !== 0) out += `sport ${range(r.sport_start, r.sport_end)} `;
  if (r.dport_start !== 0) out += `dport ${range(r.dport_start, r.dport_end)} `;
  if (r.table !== 0) out += `lookup ${name_of(TABLES, r.table)} `;
  if (r.suppress_prefixlen !== -1) out += `suppress_prefixlength ${r.suppress_prefixlen} `;
  if (r.suppress_ifgroup !== -1)
    out += `suppress_ifgroup ${r.suppress_ifgroup === 0 ? "default" : r.suppress_ifgroup} `;
  if (r.action === 2) out += `goto ${r.target}${(r.flags & 4) !== 0 ? " [unresolved]" : ""} `;
  else if (r.action !== 1) out += `${name_of(RULE_ACTIONS, r.action)} `;
  if (r.proto !== 0 && r.proto !== 2) out += `proto ${name_of(PROTOS, r.proto)} `;
  return out.replace(/ $/, "");
}

function rule(net: Net, w: Words): string[] {
  const verb = w.next();
  const ops = fib4_rules_ops(net);
  if (verb === "show") return ops.rules.map(show_rule);
  if (verb === "flush") {
    for (const r of [...ops.rules]) {
      if (r.pref === 0) continue;
      const p = new Fib4Rule();
      p.user_priority = true;
      p.pref = r.pref;
      fib_nl_delrule(ops, p, null);
    }
    return [];
  }
  const r = new Fib4Rule();
  while (w.more) {
    const word = w.next();
    if (word === "not") r.flags |= 2;
    else if (word === "from") [r.src, r.src_len] = w.peek() === "all" ? [Number(w.next() === ""), 0] : prefix(w.next());
    else if (word === "to") [r.dst, r.dst_len] = prefix(w.next());
    else if (word === "iif") r.iifname = w.next();
    else if (word === "oif") r.oifname = w.next();
    else if (word === "tos" || word === "dsfield") r.dscp = Number(w.next());
    else if (word === "pref") [r.pref, r.user_priority] = [Number(w.next()), true];
    else if (word === "protocol") r.proto = num_of(PROTOS, w.next());
    else if (word === "fwmark") {
      const [m, mask] = w.next().split("/");
      r.mark = Number(m);
      r.mark_mask = mask === undefined ? -1 : Number(mask);
    } else if (word === "table" || word === "lookup") [r.table, r.action] = [table_of(w.next()), 1];
    else if (word === "uidrange") [r.uid_start, r.uid_end] = w.next().split("-").map(Number) as [number, number];
    else if (word === "ipproto") r.ip_proto = { tcp: 6, udp: 17 }[w.next()]!;
    else if (word === "sport" || word === "dport") {
      const [a, b] = w.next().split("-").map(Number);
      if (word === "sport") [r.sport_start, r.sport_end] = [a!, b ?? a!];
      else [r.dport_start, r.dport_end] = [a!, b ?? a!];
    } else if (word === "suppress_prefixlength") r.suppress_prefixlen = Number(w.next());
    else if (word === "suppress_ifgroup") r.suppress_ifgroup = w.next() === "default" ? 0 : 1;
    else if (RULE_ACTIONS.has(word)) {
      r.action = RULE_ACTIONS.get(word)!;
      if (word === "goto") r.target = Number(w.next());
    } else throw new Usage(word);
  }
  const ext = { msg: "" };
  if (verb === "del") return result(fib_nl_delrule(ops, r, null), "");
  if (r.action === 0) [r.action, r.table] = [1, 254];
  return result(fib_nl_newrule(ops, r, { portid: 1, seq: 1, nlflags: 0x600 }, ext), ext.msg);
}

// --- nexthops -----------------------------------------------------------------------------------------------------

export function show_nexthop(nh: Nexthop): string {
  let out = `id ${nh.id} `;
  if (nh.group !== null) {
    out += `group ${nh.group.map((e) => (e.weight > 1 ? `${e.nh.id},${e.weight}` : `${e.nh.id}`)).join("/")} `;
  } else if (nh.blackhole) out += "blackhole ";
  else {
    if (nh.path!.gw !== 0) out += `via ${ntoa(nh.path!.gw)} `;
    out += `dev ${nh.path!.dev!.name} `;
    out += `scope ${name_of(SCOPES, nh.path!.scope)} `;
  }
  if (nh.protocol !== 0) out += `proto ${name_of(PROTOS, nh.protocol)} `;
  if ((nh.flags & 4) !== 0) out += "onlink ";
  return out;
}

function nexthop(net: Net, w: Words): string[] {
  const verb = w.next();
  if (verb === "show") return [...nexthop_dump(net)].map(show_nexthop);
  const cfg = new NhConfig();
  while (w.more) {
    const word = w.next();
    if (word === "id") cfg.nh_id = Number(w.next());
    else if (word === "via") [cfg.gw, cfg.has_gw] = [ip4(w.next()), true];
    else if (word === "dev") cfg.nh_ifindex = dev_index(net, w.next());
    else if (word === "blackhole") cfg.nh_blackhole = true;
    else if (word === "onlink") cfg.nh_flags |= 4;
    else if (word === "proto") cfg.nh_protocol = num_of(PROTOS, w.next());
    else if (word === "group") {
      cfg.nh_grp = w
        .next()
        .split("/")
        .map((t) => {
          const [id, weight] = t.split(",").map(Number);
          return { id: id!, weight: weight ?? 1 };
        });
    } else throw new Usage(word);
  }
  const ext = { msg: "" };
  cfg.nlinfo = { portid: 1, seq: 1, nlflags: 0 };
  if (verb === "del") return result(rtm_del_nexthop(net, cfg.nh_id, cfg.nlinfo, ext), ext.msg);
  cfg.nlflags = verb === "replace" ? 0x500 : 0x600;
  return result(rtm_new_nexthop(net, cfg, ext), ext.msg);
}

// --- links --------------------------------------------------------------------------------------------------------

function link(net: Net, w: Words): string[] {
  const verb = w.next();
  if (verb === "add") {
    const name = w.next();
    if (w.next() !== "type" || w.next() !== "veth") throw new Usage("link add");
    w.at += 2;
    add_pair(net, name, w.next());
    return [];
  }
  if (verb !== "set") throw new Usage(verb);
  const dev = net.dev_by_name.get(w.next())!;
  const state = w.next();
  if (state === "up") dev_open(dev);
  else if (state === "down") dev_close(dev);
  else throw new Usage(state);
  return [];
}

/** Runs one command line (without "ip"); returns its lines of output, errors as iproute2 words them. */
export function ip(net: Net, line: string): string[] {
  const w = new Words(line);
  const object = w.next();
  try {
    const run = { route, addr, rule, nexthop, link }[object];
    if (run === undefined) throw new Usage(object);
    return run(net, w);
  } catch (e) {
    if (e instanceof Usage && e.message.startsWith("Cannot")) return [e.message];
    throw e;
  }
}

export { dev_name, for_each_netdev };
