// `ip link add|set|delete|property`: words to a RTM_NEWLINK or RTM_DELLINK.
// Read first: ip-link(8). Way in: linkModify(run, args, RTM_NEWLINK, flags).

import * as IF from "../../uapi/if.ts";
import * as L from "../../uapi/if_link.ts";
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL } from "../../uapi/netlink.ts";
import type { NlMsgWriter } from "../../uapi/nlattr.ts";
import {
  nla_nest_end,
  nla_nest_start,
  nla_nest_start_noflag,
  nla_put,
  nla_put_string,
  nla_put_u8,
  nla_put_u16,
  nla_put_u32,
  nlmsg_parse,
  nlmsg_put_raw,
} from "../../uapi/nlattr.ts";
import { RTM_DELLINKPROP, RTM_GETLINK, RTM_NEWLINK, RTM_NEWLINKPROP } from "../../uapi/rtnetlink.ts";
import { AF_INET6 } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { utf8_encode } from "../../uapi/utf8.ts";
import { parseInteger, parseLinkAddress } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { Exit } from "../iproute/context.ts";
import { parseGroup } from "../iproute/names.ts";
import type { Run } from "./link_show.ts";
import { addVlan } from "./link_vlan.ts";
import { BRIDGE_USAGE, DUMMY_USAGE, LINK_USAGE, VETH_USAGE, VLAN_USAGE } from "./usage.ts";

/** What the words before `type` said, beside the attributes already written. */
interface Parsed {
  dev: string | undefined;
  name: string | undefined;
  type: string | undefined;
  link: string | undefined;
  group: number | undefined;
  index: number;
  flags: number;
  change: number;
  addressLength: number;
  addresses: Uint8Array[];
}

const validName = (s: string, max: number): boolean => s !== "" && s.length <= max && !/[/\s]/.test(s);

/** A namespace by name or a process id, as the attribute that moves an interface there. */
function putNetns(run: Run, w: NlMsgWriter, text: string): void {
  const ctx: Context = run.ctx;
  const fd = text.includes("/") ? ctx.sys.open(text, 0) : ctx.sys.open(`/var/run/netns/${text}`, 0);
  if (fd >= 0) {
    nla_put_u32(w, L.IFLA_NET_NS_FD, fd);
    return;
  }
  const pid = parseInteger(text);
  if (pid === undefined) ctx.invalidArgument('Invalid "netns" value\n', text);
  nla_put_u32(w, L.IFLA_NET_NS_PID, pid);
}

/** Reads words up to and including `type KIND`, writing attributes as they come. */
function* parseLink(run: Run, a: Args, w: NlMsgWriter): Blocking<Parsed> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const p: Parsed = {
    dev: undefined,
    name: undefined,
    type: undefined,
    link: undefined,
    group: undefined,
    index: 0,
    flags: 0,
    change: 0,
    addressLength: 0,
    addresses: [],
  };
  const seen = new Set<string>();
  const once = (key: string): void => {
    if (seen.has(key)) ctx.duplicate(key, a.word);
    seen.add(key);
  };
  const integer = (key: string, message = `Invalid "${key}" value\n`): number => {
    const n = parseInteger(a.word);
    if (n === undefined || n > 0xffffffff) ctx.invalidArgument(message, a.word);
    return n;
  };
  const onOff = (key: string): boolean => {
    const v = a.next();
    if (v !== "on" && v !== "off") ctx.fail(`Error: argument of "${key}" must be "on" or "off", not "${v}"\n`, 1);
    return v === "on";
  };
  const flag = (bit: number, on: boolean): void => {
    p.change |= bit;
    p.flags = on ? p.flags | bit : p.flags & ~bit;
  };

  for (; a.more; a.skip()) {
    if (a.is("up")) flag(IF.IFF_UP, true);
    else if (a.is("down")) flag(IF.IFF_UP, false);
    else if (a.is("name")) {
      a.next();
      if (p.name !== undefined) ctx.duplicate("name", a.word);
      if (!validName(a.word, 15)) ctx.invalidArgument('"name" not a valid ifname', a.word);
      p.name = a.word;
      p.dev ??= a.word;
    } else if (a.is("index")) {
      a.next();
      once("index");
      const n = parseInteger(a.word);
      if (n === undefined || n <= 0 || n > 0x7fffffff) ctx.invalidArgument('Invalid "index" value', a.word);
      p.index = n;
    } else if (a.matches("link")) p.link = a.next();
    else if (a.matches("address")) {
      const bytes = parseLinkAddress(ctx, a.next());
      p.addresses.push(bytes);
      nla_put(w, L.IFLA_ADDRESS, bytes);
    } else if (a.matches("broadcast") || a.is("brd")) {
      nla_put(w, L.IFLA_BROADCAST, parseLinkAddress(ctx, a.next()));
    } else if (a.matches("txqueuelen") || a.is("qlen") || a.matches("txqlen")) {
      a.next();
      once("txqueuelen");
      nla_put_u32(w, L.IFLA_TXQLEN, integer("txqueuelen"));
    } else if (a.is("mtu")) {
      a.next();
      once("mtu");
      nla_put_u32(w, L.IFLA_MTU, integer("mtu"));
    } else if (a.is("netns")) {
      a.next();
      once("netns");
      putNetns(run, w, a.word);
    } else if (a.is("multicast")) flag(IF.IFF_MULTICAST, onOff("multicast"));
    else if (a.is("allmulticast")) flag(IF.IFF_ALLMULTI, onOff("allmulticast"));
    else if (a.is("promisc")) flag(IF.IFF_PROMISC, onOff("promisc"));
    else if (a.is("trailers")) flag(IF.IFF_NOTRAILERS, !onOff("trailers"));
    else if (a.is("arp")) flag(IF.IFF_NOARP, !onOff("arp"));
    else if (a.is("carrier")) nla_put_u8(w, L.IFLA_CARRIER, onOff("carrier") ? 1 : 0);
    else if (a.is("dynamic")) flag(IF.IFF_DYNAMIC, onOff("dynamic"));
    else if (a.matches("master")) {
      const index = yield* rtnl.nameToIndex(a.next());
      if (index === 0) ctx.invalidArgument("Device does not exist\n", a.word);
      nla_put_u32(w, L.IFLA_MASTER, index);
    } else if (a.is("vrf")) {
      const index = yield* rtnl.nameToIndex(a.next());
      if (index === 0) ctx.invalidArgument("Not a valid VRF name\n", a.word);
      nla_put_u32(w, L.IFLA_MASTER, index);
    } else if (a.matches("nomaster")) nla_put_u32(w, L.IFLA_MASTER, 0);
    else if (a.is("type") || a.matches("type")) {
      p.type = a.next();
      a.skip();
      break;
    } else if (a.matches("alias")) nla_put(w, L.IFLA_IFALIAS, utf8_encode(a.next()));
    else if (a.is("group")) {
      a.next();
      if (p.group !== undefined) ctx.duplicate("group", a.word);
      const n = parseGroup(a.word);
      if (n === undefined) ctx.invalidArgument('Invalid "group" value\n', a.word);
      p.group = n;
      nla_put_u32(w, L.IFLA_GROUP, n);
    } else if (a.is("numtxqueues")) {
      a.next();
      once("numtxqueues");
      nla_put_u32(w, L.IFLA_NUM_TX_QUEUES, integer("numtxqueues"));
    } else if (a.is("numrxqueues")) {
      a.next();
      once("numrxqueues");
      nla_put_u32(w, L.IFLA_NUM_RX_QUEUES, integer("numrxqueues"));
    } else if (a.is("addrgenmode")) {
      a.next();
      const mode = ["eui64", "none", "stable_secret", "random"].indexOf(a.word);
      if (mode < 0) ctx.invalidArgument("Invalid address generation mode\n", a.word);
      const spec = nla_nest_start_noflag(w, L.IFLA_AF_SPEC);
      const inet6 = nla_nest_start_noflag(w, AF_INET6);
      nla_put_u8(w, L.IFLA_INET6_ADDR_GEN_MODE, mode);
      nla_nest_end(w, inet6);
      nla_nest_end(w, spec);
    } else if (a.is("link-netnsid")) {
      a.next();
      once("link-netnsid");
      nla_put_u32(w, L.IFLA_LINK_NETNSID, integer("link-netnsid"));
    } else if (a.is("protodown")) nla_put_u8(w, L.IFLA_PROTO_DOWN, onOff("protodown") ? 1 : 0);
    else if (a.is("gso_max_size")) {
      a.next();
      nla_put_u32(w, L.IFLA_GSO_MAX_SIZE, integer("gso_max_size"));
    } else if (a.is("gso_max_segs")) {
      a.next();
      nla_put_u32(w, L.IFLA_GSO_MAX_SEGS, integer("gso_max_segs"));
    } else if (a.is("gro_max_size")) {
      a.next();
      nla_put_u32(w, L.IFLA_GRO_MAX_SIZE, integer("gro_max_size"));
    } else if (a.is("mode", "state")) {
      const key = a.word;
      const names = key === "mode" ? ["default", "dormant"] : STATES;
      const n = names.indexOf(a.next().toLowerCase());
      if (n < 0) ctx.invalidArgument(`Invalid link ${key}\n`, a.word);
      nla_put_u8(w, key === "mode" ? L.IFLA_LINKMODE : L.IFLA_OPERSTATE, n);
    } else {
      if (a.matches("help")) ctx.fail(LINK_USAGE, 255);
      if (a.is("dev")) a.next();
      if (p.dev !== undefined && p.dev !== p.name) ctx.garbage("dev", a.word);
      if (p.dev !== undefined && seen.has("dev")) ctx.garbage("dev", a.word);
      if (!validName(a.word, 127)) ctx.invalidArgument('"dev" not a valid ifname', a.word);
      seen.add("dev");
      p.dev = a.word;
    }
  }
  return p;
}
const STATES = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

// --- link types ------------------------------------------------------------------------------------------------

const BRIDGE_OPTIONS: readonly (readonly [string, number, 1 | 2 | 4])[] = [
  ["forward_delay", L.IFLA_BR_FORWARD_DELAY, 4],
  ["hello_time", L.IFLA_BR_HELLO_TIME, 4],
  ["max_age", L.IFLA_BR_MAX_AGE, 4],
  ["ageing_time", L.IFLA_BR_AGEING_TIME, 4],
  ["stp_state", L.IFLA_BR_STP_STATE, 4],
  ["priority", L.IFLA_BR_PRIORITY, 2],
  ["vlan_filtering", L.IFLA_BR_VLAN_FILTERING, 1],
  ["vlan_default_pvid", L.IFLA_BR_VLAN_DEFAULT_PVID, 2],
  ["group_fwd_mask", L.IFLA_BR_GROUP_FWD_MASK, 2],
  ["mcast_snooping", L.IFLA_BR_MCAST_SNOOPING, 1],
];

function addBridge(run: Run, a: Args, w: NlMsgWriter): void {
  for (; a.more; a.skip()) {
    const row = BRIDGE_OPTIONS.find((r) => a.matches(r[0]));
    if (a.matches("help")) run.ctx.fail(BRIDGE_USAGE, 1);
    if (row === undefined) run.ctx.fail(`bridge: unknown command "${a.word}"?\n${BRIDGE_USAGE}`, 1);
    const n = parseInteger(a.next());
    if (n === undefined || n < 0) run.ctx.invalidArgument(`invalid ${row[0]}`, a.word);
    if (row[2] === 4) nla_put_u32(w, row[1], n);
    else if (row[2] === 2) nla_put_u16(w, row[1], n);
    else nla_put_u8(w, row[1], n);
  }
}

function* addVeth(run: Run, a: Args, w: NlMsgWriter): Blocking<void> {
  if (!a.is("peer")) {
    run.ctx.raw(VETH_USAGE);
    throw new Exit(1);
  }
  a.skip();
  const peer = nla_nest_start_noflag(w, L.VETH_INFO_PEER);
  const at = nlmsg_put_raw(w, L.IFINFOMSG_LEN);
  const p = yield* parseLink(run, a, w);
  if (p.type !== undefined) run.ctx.duplicate("type", a.word);
  const name = p.name ?? p.dev;
  if (name !== undefined) nla_put_string(w, L.IFLA_IFNAME, name);
  writeHeader(w, at, p, p.index);
  nla_nest_end(w, peer);
}

const TUNNELS = [
  "ipip",
  "sit",
  "gre",
  "gretap",
  "erspan",
  "vti",
  "ip6tnl",
  "ip6gre",
  "ip6gretap",
  "vti6",
  "vxlan",
  "geneve",
];

function* putLinkInfo(run: Run, a: Args, w: NlMsgWriter, kind: string): Blocking<void> {
  const info = nla_nest_start_noflag(w, L.IFLA_LINKINFO);
  const slave = kind.endsWith("_slave");
  const name = slave ? kind.slice(0, -6) : kind;
  nla_put(w, slave ? L.IFLA_INFO_SLAVE_KIND : L.IFLA_INFO_KIND, utf8_encode(name));
  if (a.more) {
    // Of a tunnel the kernel says first that it has no such device.
    if (TUNNELS.includes(kind)) return nla_nest_end(w, info);
    const known = ["veth", "vlan", "bridge", "dummy"].includes(kind);
    if (!known) run.ctx.fail(`Garbage instead of arguments "${a.word} ...". Try "ip link help".\n`, 1);
    const data = nla_nest_start_noflag(w, L.IFLA_INFO_DATA);
    if (kind === "veth") yield* addVeth(run, a, w);
    else if (kind === "vlan") addVlan(run.ctx, a, w);
    else if (kind === "bridge") addBridge(run, a, w);
    else run.ctx.fail(`dummy: unknown command "${a.word}"?\n${DUMMY_USAGE}`, 1);
    nla_nest_end(w, data);
  }
  nla_nest_end(w, info);
}

function writeHeader(w: NlMsgWriter, at: number, p: Parsed, index: number): void {
  w.dv.setInt32(at + L.IFINFOMSG_INDEX, index, true);
  w.dv.setUint32(at + L.IFINFOMSG_FLAGS, p.flags, true);
  w.dv.setUint32(at + L.IFINFOMSG_CHANGE, p.change, true);
}

// --- commands --------------------------------------------------------------------------------------------------

export function* linkModify(run: Run, a: Args, command: number, flags: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const w = rtnl.request(command, flags, L.IFINFOMSG_LEN);
  const at = w.msg + 16;
  const p = yield* parseLink(run, a, w);
  let index = p.index;
  if ((flags & NLM_F_CREATE) === 0) {
    if (p.dev === undefined && p.group === undefined)
      ctx.fail('Not enough information: "dev" argument is required.\n', 255);
    if (p.dev !== undefined) {
      index = yield* rtnl.nameToIndex(p.dev);
      if (index === 0) ctx.noDevice(p.dev);
    }
    if (p.name !== undefined && p.name !== p.dev) nla_put_string(w, L.IFLA_IFNAME, p.name);
    for (const bytes of p.addresses) {
      const want = yield* addressLength(run, index);
      if (want > 0 && want !== bytes.length)
        ctx.fail(`Invalid address length ${bytes.length} - must be ${want} bytes\n`, 1);
    }
  } else {
    if (p.type === undefined) ctx.fail('Not enough information: "type" argument is required\n', 1);
    if (p.link !== undefined) {
      const link = yield* rtnl.nameToIndex(p.link);
      if (link === 0) ctx.noDevice(p.link);
      nla_put_u32(w, L.IFLA_LINK, link);
    }
    const name = p.name ?? p.dev;
    if (name !== undefined) nla_put_string(w, L.IFLA_IFNAME, name);
  }
  writeHeader(w, at, p, index);
  if (p.type !== undefined) yield* putLinkInfo(run, a, w, p.type);
  return (yield* rtnl.talk(w)) ? 0 : 2;
}

function* addressLength(run: Run, index: number): Blocking<number> {
  const w = run.rtnl.request(RTM_GETLINK, 0, L.IFINFOMSG_LEN);
  w.dv.setInt32(w.msg + 16 + L.IFINFOMSG_INDEX, index, true);
  const m = yield* run.rtnl.ask(w, true);
  return m === undefined ? 0 : (nlmsg_parse(m, L.IFINFOMSG_LEN)[L.IFLA_ADDRESS]?.len ?? 0);
}

export function* linkProperty(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const add = a.matches("add");
  if (!add && !a.matches("delete")) {
    if (!a.more || a.matches("help")) ctx.fail(LINK_USAGE, 255);
    ctx.fail("Operator required\n", 255);
  }
  a.skip();
  const flags = add ? NLM_F_EXCL | NLM_F_CREATE | NLM_F_APPEND : 0;
  const w = rtnl.request(add ? RTM_NEWLINKPROP : RTM_DELLINKPROP, flags, L.IFINFOMSG_LEN);
  const list = nla_nest_start(w, L.IFLA_PROP_LIST);
  let dev: string | undefined;
  for (; a.more; a.skip()) {
    if (a.is("dev")) dev = a.next();
    else if (a.is("altname")) {
      a.next();
      if (!validName(a.word, 127)) ctx.invalidArgument("not a valid altname", a.word);
      nla_put_string(w, L.IFLA_ALT_IFNAME, a.word);
    } else if (a.matches("help")) ctx.fail(LINK_USAGE, 255);
    else {
      if (dev !== undefined) ctx.garbage("dev", a.word);
      dev = a.word;
    }
  }
  nla_nest_end(w, list);
  if (dev === undefined) ctx.fail('Not enough information: "dev" argument is required.\n', 255);
  const index = yield* rtnl.nameToIndex(dev);
  if (index === 0) ctx.noDevice(dev);
  w.dv.setInt32(w.msg + 16 + L.IFINFOMSG_INDEX, index, true);
  return (yield* rtnl.talk(w)) ? 0 : 2;
}

/** ip asks the kernel first, with an empty RTM_NEWLINK, whether it knows that message. */
export function* probeNewLink(run: Run): Blocking<void> {
  if (run.probed === true) return;
  run.probed = true;
  yield* run.rtnl.acknowledge(run.rtnl.request(RTM_NEWLINK, 0, L.IFINFOMSG_LEN));
}

export function linkHelp(run: Run, a: Args): number {
  const ctx: Context = run.ctx;
  const texts: Record<string, string> = {
    veth: VETH_USAGE,
    vlan: VLAN_USAGE,
    bridge: BRIDGE_USAGE,
    dummy: DUMMY_USAGE,
  };
  const text = texts[a.word];
  if (text === undefined) ctx.fail(LINK_USAGE, 255);
  ctx.raw(text);
  return 0;
}
