// `ip link show` and the link lines of `ip address show`: one RTM_NEWLINK as text or JSON.
// Read first: ip-link(8), uapi/if_link.ts. Way in: printLink(run, message, withMode).

import * as IF from "../../uapi/if.ts";
import * as L from "../../uapi/if_link.ts";
import type { NlAttr, NlAttrs, NlMsg } from "../../uapi/nlattr.ts";
import {
  nl_get_u64,
  nla_data,
  nla_get_s32,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_list,
  nla_parse_nested,
  nlmsg_parse,
} from "../../uapi/nlattr.ts";
import { RTM_DELLINK } from "../../uapi/rtnetlink.ts";
import { AF_INET6, AF_PACKET, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { formatLinkAddress } from "../iproute/addr.ts";
import type { Context } from "../iproute/context.ts";
import { groupName, linkTypeName } from "../iproute/names.ts";
import type { Netlink } from "../iproute/rtnl.ts";
import { printBridge, printBridgePort } from "./link_bridge.ts";
import { printVlan } from "./link_vlan.ts";
import { netnsName } from "./netns_id.ts";

/** One run of ip: its context and its rtnetlink socket. */
export interface Run {
  ctx: Context;
  rtnl: Netlink;
  /** Whether this run has asked the kernel if it knows RTM_NEWLINK. */
  probed?: boolean;
}

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [IF.IFF_LOOPBACK, "LOOPBACK"],
  [IF.IFF_BROADCAST, "BROADCAST"],
  [IF.IFF_POINTOPOINT, "POINTOPOINT"],
  [IF.IFF_MULTICAST, "MULTICAST"],
  [IF.IFF_NOARP, "NOARP"],
  [IF.IFF_ALLMULTI, "ALLMULTI"],
  [IF.IFF_PROMISC, "PROMISC"],
  [IF.IFF_MASTER, "MASTER"],
  [IF.IFF_SLAVE, "SLAVE"],
  [IF.IFF_DEBUG, "DEBUG"],
  [IF.IFF_DYNAMIC, "DYNAMIC"],
  [IF.IFF_AUTOMEDIA, "AUTOMEDIA"],
  [IF.IFF_PORTSEL, "PORTSEL"],
  [IF.IFF_NOTRAILERS, "NOTRAILERS"],
  [IF.IFF_UP, "UP"],
  [IF.IFF_LOWER_UP, "LOWER_UP"],
  [IF.IFF_DORMANT, "DORMANT"],
  [IF.IFF_ECHO, "ECHO"],
];
const OPERSTATES = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"];
const LINKMODES = ["DEFAULT", "DORMANT"];
const ADDR_GEN_MODES = ["eui64", "none", "stable_secret", "random"];

export interface LinkHeader {
  index: number;
  type: number;
  flags: number;
}
export function linkHeader(m: NlMsg): LinkHeader {
  return {
    type: m.dv.getUint16(m.off + L.IFINFOMSG_TYPE, true),
    index: m.dv.getInt32(m.off + L.IFINFOMSG_INDEX, true),
    flags: m.dv.getUint32(m.off + L.IFINFOMSG_FLAGS, true),
  };
}

export function linkKind(tb: NlAttrs): string {
  return nla_get_string(nla_parse_nested(tb[L.IFLA_LINKINFO])[L.IFLA_INFO_KIND]);
}
export function slaveKind(tb: NlAttrs): string {
  return nla_get_string(nla_parse_nested(tb[L.IFLA_LINKINFO])[L.IFLA_INFO_SLAVE_KIND]);
}

function flagWords(all: number, masterDown: boolean): string[] {
  const words: string[] = [];
  let flags = all;
  if ((flags & IF.IFF_UP) !== 0 && (flags & IF.IFF_RUNNING) === 0) words.push("NO-CARRIER");
  flags &= ~IF.IFF_RUNNING;
  for (const [bit, name] of FLAG_NAMES) {
    if ((flags & bit) === 0) continue;
    flags &= ~bit;
    words.push(name);
  }
  if (flags !== 0) words.push((flags >>> 0).toString(16));
  if (masterDown) words.push("M-DOWN");
  return words;
}

function putFlags(ctx: Context, flags: number, masterDown: boolean): void {
  const words = flagWords(flags, masterDown);
  if (ctx.json !== undefined) {
    ctx.openArray("flags");
    for (const w of words) ctx.json.element(w);
    ctx.closeArray();
  } else ctx.raw(`<${words.join(",")}> `);
}

/** "veth0@veth1" and its JSON members; whether the other end is down. */
function* putName(run: Run, tb: NlAttrs, name: string, brief: boolean): Blocking<boolean> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  let shown = name;
  let masterDown = false;
  const link = tb[L.IFLA_LINK];
  if (link !== undefined) {
    const index = nla_get_u32(link);
    if (index === 0) {
      ctx.member("link", null);
      shown = `${name}@NONE`;
    } else {
      if (tb[L.IFLA_LINK_NETNSID] !== undefined) {
        ctx.member("link_index", index);
        shown = `${name}@if${index}`;
      } else {
        const other = yield* rtnl.indexToName(index);
        ctx.member("link", other);
        shown = `${name}@${other}`;
        masterDown = ((rtnl.links.get(index)?.flags ?? 0) & IF.IFF_UP) === 0;
      }
    }
  }
  if (ctx.json !== undefined) ctx.member("ifname", name);
  else ctx.raw(ctx.paint("ifname", brief ? shown.padEnd(17) : `${shown}: `));
  return masterDown;
}

function putState(ctx: Context, tb: NlAttrs, brief: boolean): void {
  const a = tb[L.IFLA_OPERSTATE];
  if (a === undefined) return;
  const n = nla_get_u8(a);
  const word = OPERSTATES[n];
  if (word === undefined) {
    ctx.put("operstate_index", n, `state ${n.toString(16)} `);
    return;
  }
  const color = n === IF.IF_OPER_UP ? "up" : n === IF.IF_OPER_DOWN ? "down" : undefined;
  if (ctx.json !== undefined) ctx.member("operstate", word);
  else ctx.raw(`${brief ? "" : "state "}${ctx.paint(color, brief ? word.padEnd(15) : `${word} `)}`);
}

function putLinkAddress(ctx: Context, key: string, before: string, a: NlAttr, type: number): void {
  const text = formatLinkAddress(nla_data(a), type);
  if (ctx.json !== undefined) ctx.member(key, text);
  else ctx.raw(`${before}${ctx.paint("mac", text)}`);
}

/** One line for -brief, without addresses and the end of the line. */
export function* printLinkBrief(run: Run, m: NlMsg, withFlags: boolean): Blocking<boolean> {
  const ctx: Context = run.ctx;
  const h = linkHeader(m);
  const tb = nlmsg_parse(m, L.IFINFOMSG_LEN);
  if (tb[L.IFLA_IFNAME] === undefined) return false;
  const masterDown = yield* putName(run, tb, nla_get_string(tb[L.IFLA_IFNAME]), true);
  putState(ctx, tb, true);
  if (withFlags) {
    const a = tb[L.IFLA_ADDRESS];
    if (a !== undefined) {
      const text = formatLinkAddress(nla_data(a), h.type);
      if (ctx.json !== undefined) ctx.member("address", text);
      else ctx.raw(ctx.paint("mac", `${text} `));
    }
    putFlags(ctx, h.flags, masterDown);
    ctx.text("\n");
  }
  return true;
}

/**
 * The whole entry, without the end of its last line.
 * @param withMode as ip link prints it, not ip address.
 * @param withQueue the length of the queue, which ip monitor leaves out.
 */
export function* printLink(run: Run, m: NlMsg, withMode: boolean, withQueue = true): Blocking<boolean> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const { opt } = ctx;
  const h = linkHeader(m);
  const tb = nlmsg_parse(m, L.IFINFOMSG_LEN);
  if (tb[L.IFLA_IFNAME] === undefined) return false;
  if (m.type === RTM_DELLINK) ctx.put("deleted", true, "Deleted ");
  ctx.put("ifindex", h.index, `${h.index}: `);
  const masterDown = yield* putName(run, tb, nla_get_string(tb[L.IFLA_IFNAME]), false);
  putFlags(ctx, h.flags, masterDown);
  if (tb[L.IFLA_MTU]) ctx.put("mtu", nla_get_u32(tb[L.IFLA_MTU]), `mtu ${nla_get_u32(tb[L.IFLA_MTU])} `);
  if (tb[L.IFLA_QDISC])
    ctx.put("qdisc", nla_get_string(tb[L.IFLA_QDISC]), `qdisc ${nla_get_string(tb[L.IFLA_QDISC])} `);
  if (tb[L.IFLA_MASTER]) {
    const master = yield* rtnl.indexToName(nla_get_u32(tb[L.IFLA_MASTER]));
    ctx.put("master", master, `master ${master} `);
  }
  putState(ctx, tb, false);
  if (withMode && tb[L.IFLA_LINKMODE]) {
    const n = nla_get_u8(tb[L.IFLA_LINKMODE]);
    if (LINKMODES[n] === undefined) ctx.put("linkmode_index", n, `mode ${n} `);
    else ctx.put("linkmode", LINKMODES[n], `mode ${LINKMODES[n]} `);
  }
  if (tb[L.IFLA_GROUP]) {
    const group = groupName(nla_get_u32(tb[L.IFLA_GROUP]), opt.numeric);
    ctx.put("group", group, `group ${group} `);
  }
  const qlen = nla_get_u32(tb[L.IFLA_TXQLEN]);
  if (qlen !== 0 && withQueue) ctx.put("txqlen", qlen, `qlen ${qlen}`);

  if (withMode || opt.family === AF_UNSPEC || opt.family === AF_PACKET || opt.details > 0) {
    ctx.text(ctx.nl);
    const type = linkTypeName(h.type, opt.numeric);
    ctx.put("link_type", type, `    link/${type} `);
    if (tb[L.IFLA_ADDRESS]) putLinkAddress(ctx, "address", "", tb[L.IFLA_ADDRESS], h.type);
    if (tb[L.IFLA_BROADCAST]) {
      const p2p = (h.flags & IF.IFF_POINTOPOINT) !== 0;
      if (p2p) ctx.member("link_pointtopoint", true);
      putLinkAddress(ctx, "broadcast", p2p ? " peer " : " brd ", tb[L.IFLA_BROADCAST], h.type);
    }
  }
  if (tb[L.IFLA_LINK_NETNSID]) {
    const id = nla_get_s32(tb[L.IFLA_LINK_NETNSID]);
    if (id >= 0) {
      const name = ctx.json === undefined ? yield* netnsName(run, id) : undefined;
      if (name !== undefined) ctx.text(` link-netns ${name}`);
      else ctx.put("link_netnsid", id, ` link-netnsid ${id}`);
    } else ctx.put("link_netnsid", "unknown", ` link-netnsid unknown`);
  }
  if (tb[L.IFLA_PROTO_DOWN] && nla_get_u8(tb[L.IFLA_PROTO_DOWN]) !== 0) ctx.put("proto_down", true, " protodown on ");
  if (opt.details > 0) putDetails(ctx, tb, withMode);
  if (opt.statistics > 0) printStatistics(ctx, tb);
  if (tb[L.IFLA_IFALIAS] && (withMode || opt.details > 0)) {
    const alias = nla_get_string(tb[L.IFLA_IFALIAS]);
    ctx.text(ctx.nl);
    ctx.put("ifalias", alias, `    alias ${alias}`);
  }
  const props = tb[L.IFLA_PROP_LIST];
  if (props !== undefined) {
    ctx.openArray("altnames");
    for (const a of nla_list(props)) {
      if (a.type !== L.IFLA_ALT_IFNAME) continue;
      ctx.text(`${ctx.nl}    altname ${nla_get_string(a)}`);
      ctx.json?.element(nla_get_string(a));
    }
    ctx.closeArray();
  }
  return true;
}

function putDetails(ctx: Context, tb: NlAttrs, withMode: boolean): void {
  const num = (attr: number, key: string, text: (n: number) => string): void => {
    const a = tb[attr];
    if (a !== undefined) ctx.put(key, nla_get_u32(a), text(nla_get_u32(a)));
  };
  num(L.IFLA_PROMISCUITY, "promiscuity", (n) => ` promiscuity ${n} `);
  num(L.IFLA_ALLMULTI, "allmulti", (n) => ` allmulti ${n} `);
  num(L.IFLA_MIN_MTU, "min_mtu", (n) => `minmtu ${n} `);
  num(L.IFLA_MAX_MTU, "max_mtu", (n) => `maxmtu ${n} `);
  const info = nla_parse_nested(tb[L.IFLA_LINKINFO]);
  if (tb[L.IFLA_LINKINFO] !== undefined) {
    const kind = nla_get_string(info[L.IFLA_INFO_KIND]);
    const slave = nla_get_string(info[L.IFLA_INFO_SLAVE_KIND]);
    ctx.openObject("linkinfo");
    if (info[L.IFLA_INFO_KIND]) {
      ctx.text(ctx.nl);
      ctx.put("info_kind", kind, `    ${kind} `);
      if (info[L.IFLA_INFO_DATA] !== undefined && (kind === "bridge" || kind === "vlan")) {
        const data = nla_parse_nested(info[L.IFLA_INFO_DATA]);
        ctx.openObject("info_data");
        if (kind === "bridge") printBridge(ctx, data);
        else printVlan(ctx, data);
        ctx.closeObject();
      }
    }
    if (info[L.IFLA_INFO_SLAVE_KIND]) {
      ctx.text(ctx.nl);
      ctx.put("info_slave_kind", slave, `    ${slave}_slave `);
      if (slave === "bridge" && info[L.IFLA_INFO_SLAVE_DATA] !== undefined) {
        ctx.openObject("info_slave_data");
        printBridgePort(ctx, nla_parse_nested(info[L.IFLA_INFO_SLAVE_DATA]));
        ctx.closeObject();
      }
    }
    ctx.closeObject();
  }
  const inet6 = nla_parse_nested(nla_parse_nested(tb[L.IFLA_AF_SPEC])[AF_INET6]);
  const mode = inet6[L.IFLA_INET6_ADDR_GEN_MODE];
  if (mode !== undefined && withMode) {
    const word = ADDR_GEN_MODES[nla_get_u8(mode)] ?? `0x${nla_get_u8(mode).toString(16)}`;
    ctx.put("inet6_addr_gen_mode", word, `addrgenmode ${word} `);
  }
  num(L.IFLA_NUM_TX_QUEUES, "num_tx_queues", (n) => `numtxqueues ${n} `);
  num(L.IFLA_NUM_RX_QUEUES, "num_rx_queues", (n) => `numrxqueues ${n} `);
  num(L.IFLA_GSO_MAX_SIZE, "gso_max_size", (n) => `gso_max_size ${n} `);
  num(L.IFLA_GSO_MAX_SEGS, "gso_max_segs", (n) => `gso_max_segs ${n} `);
  num(L.IFLA_TSO_MAX_SIZE, "tso_max_size", (n) => `tso_max_size ${n} `);
  num(L.IFLA_TSO_MAX_SEGS, "tso_max_segs", (n) => `tso_max_segs ${n} `);
  num(L.IFLA_GRO_MAX_SIZE, "gro_max_size", (n) => `gro_max_size ${n} `);
  const str = (attr: number, key: string, label: string): void => {
    const a = tb[attr];
    if (a !== undefined) ctx.put(key, nla_get_string(a), `${label} ${nla_get_string(a)} `);
  };
  str(L.IFLA_PHYS_PORT_NAME, "phys_port_name", "portname");
  str(L.IFLA_PARENT_DEV_BUS_NAME, "parentbus", "parentbus");
  str(L.IFLA_PARENT_DEV_NAME, "parentdev", "parentdev");
}

// --- statistics ------------------------------------------------------------------------------------------------

type Stats = Record<(typeof L.LINK_STATS_FIELDS)[number], number>;

/** The counters of an attribute, each of `size` bytes. */
export function statsOf(a: NlAttr | undefined, size: 4 | 8 = 8): Stats | undefined {
  if (a === undefined) return undefined;
  const out = {} as Stats;
  L.LINK_STATS_FIELDS.forEach((f, i) => {
    const at = a.off + i * size;
    if ((i + 1) * size > a.len) out[f] = 0;
    else out[f] = size === 8 ? nl_get_u64(a.dv, at) : a.dv.getUint32(at, true);
  });
  return out;
}

/** "1.23k" with -human, the number otherwise. */
function humanNumber(ctx: Context, n: number): string {
  if (!ctx.opt.human) return String(n);
  const base = ctx.opt.iec ? 1024 : 1000;
  let unit = base ** 5;
  for (const suffix of ["P", "T", "G", "M", "k"]) {
    if (n >= unit) {
      const digits = n > 100 * unit ? 0 : n > 10 * unit ? 1 : 2;
      return `${(n / unit).toFixed(digits)}${suffix}${ctx.opt.iec ? "i" : ""}`;
    }
    unit /= base;
  }
  return String(n);
}

/** `behind`: the text starts where a line ended, without the break; otherwise it ends without one. */
export function printStatistics(ctx: Context, tb: NlAttrs, behind = true): void {
  const wide = tb[L.IFLA_STATS64];
  const s = statsOf(wide ?? tb[L.IFLA_STATS], wide === undefined ? 4 : 8);
  if (s === undefined) return;
  const changes = tb[L.IFLA_CARRIER_CHANGES] === undefined ? 0 : nla_get_u32(tb[L.IFLA_CARRIER_CHANGES]);
  const key = wide !== undefined ? "stats64" : "stats";
  printStats64(ctx, s, { more: ctx.opt.statistics > 1, changes, key }, behind);
}

interface StatsStyle {
  /** Errors by kind, too. */
  more: boolean;
  /** How often the carrier changed; undefined: that is not said. */
  changes: number | undefined;
  /** Of JSON. */
  key: string;
}

export function printStats64(ctx: Context, s: Stats, style: StatsStyle, behind = true): void {
  const { more, changes } = style;
  if (ctx.json !== undefined) {
    statisticsJson(ctx, s, style);
    return;
  }
  const rx = [s.rx_bytes, s.rx_packets, s.rx_errors, s.rx_dropped, s.rx_missed_errors, s.multicast, s.rx_compressed];
  const rx2 = [
    0,
    s.rx_length_errors,
    s.rx_crc_errors,
    s.rx_frame_errors,
    s.rx_fifo_errors,
    s.rx_over_errors,
    s.rx_nohandler,
  ];
  const tx = [s.tx_bytes, s.tx_packets, s.tx_errors, s.tx_dropped, s.tx_carrier_errors, s.collisions, s.tx_compressed];
  const tx2 = [0, s.tx_aborted_errors, s.tx_fifo_errors, s.tx_window_errors, s.tx_heartbeat_errors, changes ?? 0];
  const width = [10, 7, 6, 7, 7, 7, 10];
  for (const row of more ? [rx, rx2, tx, tx2] : [rx, tx])
    row.forEach((n, i) => {
      width[i] = Math.max(width[i], humanNumber(ctx, n).length);
    });
  const head = (label: string, names: string[], last: string): string =>
    `    ${label}${names.map((n, i) => n.padStart(i === 0 ? width[0] - label.length : width[i])).join(" ")}${last}`;
  const values = (row: number[], from: number): string =>
    `    ${from === 0 ? "" : `${" ".repeat(width[0])} `}${row
      .slice(from)
      .map((n, i) => `${humanNumber(ctx, n).padStart(width[i + from])} `)
      .join("")}`;
  const compressed = (n: number): string => ` ${(n > 0 ? "compressed" : "").padStart(width[6])}`;
  const cut = (row: number[], shown: boolean): number[] => (shown ? row : row.slice(0, 6));
  const lines = [
    head("RX:", ["bytes", "packets", "errors", "dropped", "missed", "mcast"], compressed(s.rx_compressed)),
    values(cut(rx, s.rx_compressed > 0), 0),
  ];
  if (more) {
    const names = ["", "length", "crc", "frame", "fifo", "overrun"];
    lines.push(head("RX errors:", names, s.rx_nohandler > 0 ? ` ${"nohandler".padStart(width[6])}` : ""));
    lines.push(values(cut(rx2, s.rx_nohandler > 0), 1));
  }
  lines.push(head("TX:", ["bytes", "packets", "errors", "dropped", "carrier", "collsns"], compressed(s.tx_compressed)));
  lines.push(values(cut(tx, s.tx_compressed > 0), 0));
  if (more) {
    lines.push(
      head("TX errors:", ["", "aborted", "fifo", "window", "heartbt", changes === undefined ? "" : "transns"], ""),
    );
    lines.push(values(changes === undefined ? tx2.slice(0, 5) : tx2, 1));
  }
  ctx.raw(behind ? ctx.nl + lines.join(ctx.nl) : `${lines.join(ctx.nl)}\n`);
}

/** Counters of -json by direction: always, when not 0, with a second -s, and of these the one that must not be 0. */
const JSON_STATISTICS: Readonly<Record<"rx" | "tx", readonly (readonly (keyof Stats)[])[]>> = {
  rx: [
    ["rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_over_errors", "multicast"],
    ["rx_compressed"],
    ["rx_length_errors", "rx_crc_errors", "rx_frame_errors", "rx_fifo_errors", "rx_missed_errors"],
    ["rx_nohandler"],
  ],
  tx: [
    ["tx_bytes", "tx_packets", "tx_errors", "tx_dropped", "tx_carrier_errors", "collisions"],
    ["tx_compressed"],
    ["tx_aborted_errors", "tx_fifo_errors", "tx_window_errors", "tx_heartbeat_errors"],
    [],
  ],
};

function statisticsJson(ctx: Context, s: Stats, { more, changes, key }: StatsStyle): void {
  ctx.openObject(key);
  for (const direction of ["rx", "tx"] as const) {
    ctx.openObject(direction);
    JSON_STATISTICS[direction].slice(0, more ? 4 : 2).forEach((names, i) => {
      const onlyNonzero = i % 2 === 1;
      for (const name of names) if (!onlyNonzero || s[name] > 0) ctx.member(name.replace(/^[rt]x_/, ""), s[name]);
    });
    if (more && direction === "tx" && changes !== undefined) ctx.member("carrier_changes", changes);
    ctx.closeObject();
  }
  ctx.closeObject();
}
