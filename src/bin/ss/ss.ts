// The ss program of iproute2 6.1, over sock_diag: UDP, TCP, raw, packet and unix sockets.
// Read first: ss(8), sockets.ts. Way in: ss(sys, argv).

import { ENOENT, EOPNOTSUPP, strerror } from "../../uapi/errno.ts";
import {
  INET_DIAG_CGROUP_ID,
  INET_DIAG_MARK,
  INET_DIAG_SHUTDOWN,
  INET_DIAG_SKMEMINFO,
  INET_DIAG_SKV6ONLY,
  INET_DIAG_TCLASS,
  INET_DIAG_TOS,
} from "../../uapi/inet_diag.ts";
import { NETLINK_SOCK_DIAG } from "../../uapi/netlink.ts";
import type { NlAttr } from "../../uapi/nlattr.ts";
import { nla_get_u8, nla_get_u32, nla_get_u64 } from "../../uapi/nlattr.ts";
import { PACKET_DIAG_INFO } from "../../uapi/packet_diag.ts";
import { AF_INET, AF_INET6, AF_PACKET, AF_UNIX, IPPROTO_RAW, IPPROTO_TCP, IPPROTO_UDP } from "../../uapi/socket.ts";
import type { Blocking, Program } from "../../uapi/sys.ts";
import { formatInet4, formatInet6 } from "../iproute/addr.ts";
import type { Context } from "../iproute/context.ts";
import { etherTypeName } from "../iproute/names.ts";
import { runProgram } from "../iproute/program.ts";
import type { Netlink } from "../iproute/rtnl.ts";
import { openNetlink } from "../iproute/rtnl.ts";
import { getopt } from "../lib/getopt.ts";
import { readFile } from "../lib/io.ts";
import { openSockets, processes } from "../lib/processes.ts";
import type { Predicate } from "./filter.ts";
import { ALL_STATES, CONNECTED, LISTENING, parseFilter, parseState, STATE_NAMES } from "./filter.ts";
import { serviceName } from "./services.ts";
import type { Socket } from "./sockets.ts";
import { destroyInet, dumpInet, dumpPacket, dumpUnix, readProc, TCP_CLOSE } from "./sockets.ts";
import { COLUMNS, renderTable } from "./table.ts";
import { tcpInfoText } from "./tcp_info.ts";
import { SS_USAGE } from "./usage.ts";

const SHORT = "hnraletpoimsuwx0N:HOKf:A:D:F:VMSdZzTbE46";
const LONG = [
  "help=h",
  "version=V",
  "numeric=n",
  "resolve=r",
  "all=a",
  "listening=l",
  "extended=e",
  "tcp=t",
  "processes=p",
  "options=o",
  "info=i",
  "memory=m",
  "summary=s",
  "udp=u",
  "raw=w",
  "unix=x",
  "packet=0",
  "net:=N",
  "no-header=H",
  "oneline=O",
  "kill=K",
  "family:=f",
  "query:=A",
  "socket:=A",
  "diag:=D",
  "filter:=F",
  "mptcp=M",
  "sctp=S",
  "dccp=d",
  "context=Z",
  "contexts=z",
  "threads=T",
  "bpf=b",
  "events=E",
  "ipv4=4",
  "ipv6=6",
  "tos",
  "cgroup",
  "inet-sockopt",
  "tipc",
  "tipcinfo",
  "vsock",
  "xdp",
  "json",
];

/** Kinds of sockets in the order in which they are shown, with the words of -A that choose them. */
const TABLES: readonly { name: string; words: string[] }[] = [
  { name: "packet", words: ["packet", "all", "packet_raw", "p_raw", "packet_dgram", "p_dgr"] },
  { name: "unix", words: ["unix", "all", "unix_stream", "u_str", "unix_dgram", "u_dgr", "unix_seqpacket", "u_seq"] },
  { name: "raw", words: ["raw", "inet", "all"] },
  { name: "udp", words: ["udp", "inet", "all"] },
  { name: "tcp", words: ["tcp", "inet", "all"] },
];
/** Words of -A for kinds that do not exist here. */
const ABSENT = ["mptcp", "netlink", "dccp", "sctp", "vsock_stream", "vsock_dgram", "tipc", "xdp"];
const TCP_LISTEN = 10;
const INET = ["raw", "udp", "tcp"];

interface Query {
  tables: Set<string>;
  families: number[];
  states: number;
  numeric: boolean;
  options: boolean;
  extended: boolean;
  memory: boolean;
  info: boolean;
  tos: boolean;
  oneline: boolean;
  kill: boolean;
  /** -p: the processes by inode number. */
  users: Map<number, string> | null;
  filter: Predicate;
}

// --- one socket --------------------------------------------------------------------------------------------------

const isZero = (b: Uint8Array): boolean => b.every((x) => x === 0);

function addressText(s: Socket, b: Uint8Array, interfaceName: string): string {
  let text: string;
  if (s.family === AF_INET) text = formatInet4(b);
  else if (isZero(b) && s.attrs[INET_DIAG_SKV6ONLY] !== undefined && nla_get_u8(s.attrs[INET_DIAG_SKV6ONLY]) === 0)
    text = "*";
  else text = `[${formatInet6(b)}]`;
  return interfaceName === "" ? text : `${text}%${interfaceName}`;
}

function portText(s: Socket, port: number, numeric: boolean): string {
  if (port === 0) return "*";
  return (numeric ? "" : serviceName(port, s.netid)) || String(port);
}

const TIMERS = ["off", "on", "keepalive", "timewait", "persist", "unknown"];

/** "1min3sec", "200ms": the time that a timer has left. */
function timerText(ms: number): string {
  let out = "";
  let left = ms;
  const minutes = Math.floor(left / 60000);
  const seconds = Math.floor(left / 1000) % 60;
  left %= 1000;
  if (minutes > 0) {
    out += `${minutes}min`;
    left = 0;
  }
  if (seconds > 0 && minutes <= 9) {
    out += seconds <= 9 && minutes === 0 ? `${seconds}.` : `${seconds}sec`;
    if (minutes > 0 || seconds > 9) left = 0;
  }
  if (left > 0 && !out.endsWith(".")) out += `${String(left).padStart(out === "" ? 1 : 3, "0")}ms`;
  else if (out.endsWith(".")) out += `${String(left).padStart(3, "0")}ms`;
  return out;
}

function extension(s: Socket, q: Query): string {
  let out = "";
  const users = q.users?.get(s.ino);
  if (users !== undefined) out += ` users:(${users})`;
  if (q.options && s.timer !== 0)
    out += ` timer:(${TIMERS[Math.min(s.timer, 5)]},${timerText(s.expires)},${s.retrans})`;
  if (q.extended) {
    if (s.uid !== 0) out += ` uid:${s.uid}`;
    out += ` ino:${s.ino} sk:${s.cookie}`;
    if (nla_get_u32(s.attrs[INET_DIAG_MARK]) !== 0 && s.family !== AF_PACKET)
      out += ` fwmark:0x${nla_get_u32(s.attrs[INET_DIAG_MARK]).toString(16)}`;
    if (s.family === AF_INET || s.family === AF_INET6) {
      const cgroup = s.attrs[INET_DIAG_CGROUP_ID];
      if (cgroup !== undefined) out += ` cgroup:unreachable:${nla_get_u64(cgroup).toString(16)}`;
      const v6only = s.attrs[INET_DIAG_SKV6ONLY];
      if (v6only !== undefined) out += ` v6only:${nla_get_u8(v6only)}`;
      const shut = s.attrs[INET_DIAG_SHUTDOWN];
      if (shut !== undefined) {
        const mask = nla_get_u8(shut);
        out += ` ${(mask & 1) !== 0 ? "-" : "<"}-${(mask & 2) !== 0 ? "-" : ">"}`;
      }
    }
  }
  if (q.tos) {
    if (s.attrs[INET_DIAG_TOS]) out += ` tos:0x${nla_get_u8(s.attrs[INET_DIAG_TOS]).toString(16)}`;
    if (s.attrs[INET_DIAG_TCLASS]) out += ` tclass:0x${nla_get_u8(s.attrs[INET_DIAG_TCLASS]).toString(16)}`;
  }
  if (s.family === AF_PACKET && q.extended) out += packetDetails(s, q.oneline);
  const tcp = s.netid === "tcp";
  if (s.diag && (s.family === AF_INET || s.family === AF_INET6) && (q.memory || (q.info && tcp))) {
    if (!q.oneline) out += "\n\t";
    if (q.memory) out += memoryText(s.attrs[INET_DIAG_SKMEMINFO]);
    if (q.info && tcp) out += tcpInfoText(s.attrs, q.extended, s.state === TCP_LISTEN);
  }
  return out;
}

function memoryText(a: NlAttr | undefined): string {
  if (a === undefined || a.len < 28) return "";
  const v = (i: number): number => a.dv.getUint32(a.off + 4 * i, true);
  let out = ` skmem:(r${v(0)},rb${v(1)},t${v(2)},tb${v(3)},f${v(4)},w${v(5)},o${v(6)}`;
  if (a.len >= 32) out += `,bl${v(7)}`;
  if (a.len >= 36) out += `,d${v(8)}`;
  return `${out})`;
}

function packetDetails(s: Socket, oneline: boolean): string {
  const info = s.attrs[PACKET_DIAG_INFO];
  if (info === undefined || info.len < 24) return "";
  const v = (i: number): number => info.dv.getUint32(info.off + 4 * i, true);
  const names = ["running", "auxdata", "origdev", "vnethdr", "loss"];
  const flags = names.filter((_, i) => (v(5) & (1 << i)) !== 0).map((n) => ` ${n}`);
  return `${oneline ? " " : "\n\t"}ver:${v(1)} cpy_thresh:${v(3)} flags(${flags.join("")} )`;
}

interface Ends {
  local: [string, string];
  peer: [string, string];
}
function ends(s: Socket, q: Query, interfaceName: string): Ends {
  if (s.family === AF_PACKET) {
    const proto = s.protocol === 3 ? "*" : q.numeric ? `[${s.protocol}]` : etherTypeName(s.protocol);
    return { local: [`${proto}:`, interfaceName || "*"], peer: ["*", ""] };
  }
  if (s.family === AF_UNIX) return { local: [`${s.path} `, String(s.lport)], peer: ["* ", String(s.rport)] };
  return {
    local: [`${addressText(s, s.local, interfaceName)}:`, portText(s, s.lport, q.numeric)],
    peer: [`${addressText(s, s.remote, "")}:`, portText(s, s.rport, q.numeric)],
  };
}

// --- the program -------------------------------------------------------------------------------------------------

function* collect(ctx: Context, q: Query): Blocking<{ socket: Socket; iface: string }[]> {
  const diag = openNetlink(ctx, NETLINK_SOCK_DIAG);
  const rtnl = openNetlink(ctx);
  const out: { socket: Socket; iface: string }[] = [];
  const extensions = (q.memory ? 0x41 : 0) | (q.info ? 0x0e : 0) | (q.tos ? 0x30 : 0);
  const take = function* (sockets: Socket[], names: Netlink): Blocking<void> {
    for (const socket of sockets) {
      const iface = socket.iface === 0 ? "" : yield* names.indexToName(socket.iface);
      if (q.filter(socket, iface)) out.push({ socket, iface });
    }
  };
  if (q.tables.has("packet") && (q.states & (1 << TCP_CLOSE)) !== 0) {
    const sockets = yield* dumpPacket(ctx, diag);
    if (sockets.some((s) => s.iface !== 0)) yield* rtnl.initMap();
    yield* take(sockets, rtnl);
  }
  if (q.tables.has("unix")) yield* take(yield* dumpUnix(ctx, diag, q.states), rtnl);
  for (const [netid, protocol] of [
    ["raw", IPPROTO_RAW],
    ["udp", IPPROTO_UDP],
    ["tcp", IPPROTO_TCP],
  ] as const) {
    if (!q.tables.has(netid) || q.families.length === 0) continue;
    for (const family of q.families) {
      const query = { netid, protocol, family, states: q.states, extensions };
      const sockets = yield* dumpInet(diag, query);
      if (sockets !== undefined) yield* take(q.kill ? yield* kill(ctx, q, protocol, sockets, rtnl) : sockets, rtnl);
      else if (family === q.families[0]) {
        for (const f of q.families) yield* take(yield* readProc(ctx, { ...query, family: f }), rtnl);
        break;
      }
    }
  }
  diag.close();
  rtnl.close();
  return out;
}

/** -K: ends those that the filter chooses. What cannot be ended is not shown. */
function* kill(ctx: Context, q: Query, protocol: number, sockets: Socket[], names: Netlink): Blocking<Socket[]> {
  const out: Socket[] = [];
  const nl = openNetlink(ctx, NETLINK_SOCK_DIAG);
  for (const s of sockets) {
    if (!q.filter(s, s.iface === 0 ? "" : yield* names.indexToName(s.iface))) continue;
    const err = yield* destroyInet(nl, s, protocol);
    if (err === 0) out.push(s);
    else if (err !== EOPNOTSUPP && err !== ENOENT) ctx.fail(`SOCK_DESTROY answers: ${strerror(err)}\n`, 1);
  }
  nl.close();
  return out;
}

/** Who has which socket open, from /proc/PID/fd: `("nc",pid=7,fd=3)`, the last process first. */
function* socketUsers(ctx: Context): Blocking<Map<number, string>> {
  const { sys } = ctx;
  const users = new Map<number, string>();
  for (const pid of processes(sys)) {
    const open = openSockets(sys, pid);
    if (open.length === 0) continue;
    const text = yield* readFile(sys, `/proc/${pid}/comm`);
    const comm = typeof text === "number" ? "" : text.trimEnd();
    for (const { fd, ino } of open) {
      const before = users.get(ino);
      users.set(ino, `("${comm}",pid=${pid},fd=${fd})${before !== undefined ? `,${before}` : ""}`);
    }
  }
  return users;
}

function printTable(ctx: Context, q: Query, found: { socket: Socket; iface: string }[], withHeader: boolean): void {
  const columns = COLUMNS();
  const packetOrUnix = q.tables.has("packet") || q.tables.has("unix");
  columns[0].hidden = q.tables.size === 1 && !packetOrUnix;
  columns[1].hidden = (q.states & (q.states - 1)) === 0;
  const rows = found.map(({ socket: s, iface }) => {
    const e = ends(s, q, iface);
    return [
      s.netid,
      STATE_NAMES[s.state] ?? "UNKNOWN",
      String(s.rqueue).padEnd(6),
      String(s.wqueue).padEnd(6),
      ...e.local,
      ...e.peer,
      extension(s, q),
    ];
  });
  const screen = ctx.sys.isatty(1) ? ctx.sys.winsize()[0] : 0;
  ctx.raw(renderTable(columns, rows, withHeader, screen));
}

/** Our extension: iproute2's ss has no JSON. */
function printJson(ctx: Context, q: Query, found: { socket: Socket; iface: string }[]): void {
  ctx.startJson();
  for (const { socket: s, iface } of found) {
    const e = ends(s, { ...q, numeric: true }, iface);
    ctx.openObject();
    ctx.member("netid", s.netid);
    ctx.member("state", STATE_NAMES[s.state] ?? "UNKNOWN");
    ctx.member("recv_q", s.rqueue);
    ctx.member("send_q", s.wqueue);
    ctx.member("local_address", e.local[0].slice(0, -1));
    ctx.member("local_port", /^[0-9]+$/.test(e.local[1]) ? Number(e.local[1]) : e.local[1]);
    ctx.member("peer_address", e.peer[0].replace(/[: ]$/, ""));
    ctx.member("peer_port", /^[0-9]+$/.test(e.peer[1]) ? Number(e.peer[1]) : e.peer[1]);
    if (iface !== "") ctx.member("dev", iface);
    ctx.member("uid", s.uid);
    ctx.member("inode", s.ino);
    const more = extension(s, { ...q, extended: false, oneline: true }).trim();
    if (more !== "") ctx.member("info", more);
    ctx.closeObject();
  }
  ctx.endJson();
}

function* summary(ctx: Context): Blocking<number> {
  const read = function* (path: string): Blocking<Map<string, number>> {
    const out = new Map<string, number>();
    const text = yield* readFile(ctx.sys, path);
    if (typeof text === "number") return out;
    for (const line of text.split("\n")) {
      const [name, ...words] = line.split(/[:\s]+/);
      for (let i = 0; i + 1 < words.length; i += 2) out.set(`${name} ${words[i]}`, Number(words[i + 1]));
    }
    return out;
  };
  const four = yield* read("/proc/net/sockstat");
  const six = yield* read("/proc/net/sockstat6");
  const v4 = (k: string): number => four.get(k) ?? 0;
  const v6 = (k: string): number => six.get(k) ?? 0;
  const snmp = yield* readFile(ctx.sys, "/proc/net/snmp");
  let established = 0;
  if (typeof snmp !== "number") {
    const [names, values] = snmp.split("\n").filter((l) => l.startsWith("Tcp:"));
    const at = names?.split(" ").indexOf("CurrEstab") ?? -1;
    if (at >= 0) established = Number(values.split(" ")[at]);
  }
  const total = v4("TCP alloc") + v4("TCP tw");
  const inuse = v4("TCP inuse") + v6("TCP6 inuse");
  ctx.raw(`Total: ${v4("sockets used")}\n`);
  ctx.raw(
    `TCP:   ${total} (estab ${established}, closed ${total - inuse}, orphaned ${v4("TCP orphan")}, timewait ${v4("TCP tw")})\n\n`,
  );
  const row = (label: string, a: number, b: number): string =>
    `${label}\t  ${[a + b, a, b].map((n) => String(n).padEnd(9)).join(" ")}\n`;
  const kinds = (["RAW", "UDP", "TCP"] as const).map((k) => [k, v4(`${k} inuse`), v6(`${k}6 inuse`)] as const);
  ctx.raw("Transport Total     IP        IPv6\n");
  for (const [k, a, b] of kinds) ctx.raw(row(k, a, b));
  ctx.raw(
    row(
      "INET",
      kinds.reduce((n, k) => n + k[1], 0),
      kinds.reduce((n, k) => n + k[2], 0),
    ),
  );
  ctx.raw(row("FRAG", v4("FRAG inuse"), v6("FRAG6 inuse")));
  ctx.raw("\n");
  return 0;
}

function* main(ctx: Context, argv: string[]): Blocking<number> {
  const o = getopt(argv, SHORT, LONG);
  if (o.has("h")) {
    ctx.raw(SS_USAGE);
    return 0;
  }
  if (o.has("V")) {
    ctx.raw("ss utility, iproute2-6.1.0\n");
    return 0;
  }
  if (o.has("Z") || o.has("z")) ctx.fail("ss: SELinux is not enabled.\n", 1);
  if (o.error !== undefined) ctx.fail(`${o.error}\n${SS_USAGE}`, 255);
  for (const [name, word] of [
    ["E", "--events"],
    ["D", "--diag"],
    ["F", "--filter"],
  ])
    if (o.has(name)) ctx.fail(`ss: ${word} is not supported here.\n`, 1);
  if (o.has("N")) {
    const err = ctx.sys.setns(o.get("N") as string);
    if (err < 0) ctx.fail(`Cannot open network namespace "${o.get("N")}": ${strerror(err)}\n`, 1);
  }
  if (o.has("s")) {
    const status = yield* summary(ctx);
    if (!o.list.some((x) => "tuwx0".includes(x.name))) return status;
  }

  const tables = new Set<string>();
  for (const x of o.list) {
    if (x.name === "t") tables.add("tcp");
    else if (x.name === "u") tables.add("udp");
    else if (x.name === "w") tables.add("raw");
    else if (x.name === "x") tables.add("unix");
    else if (x.name === "0") tables.add("packet");
    else if (x.name === "A")
      for (const word of (x.value as string).split(",")) {
        const matching = TABLES.filter((t) => t.words.includes(word));
        if (matching.length === 0 && !ABSENT.includes(word))
          ctx.fail(`ss: "${word}" is illegal socket table id\n${SS_USAGE}`, 255);
        for (const t of matching) tables.add(t.name);
      }
  }
  let families = [AF_INET, AF_INET6];
  const only: Record<string, string[]> = { inet: INET, inet6: INET, link: ["packet"], unix: ["unix"] };
  for (const x of o.list) {
    const family = x.name === "4" ? "inet" : x.name === "6" ? "inet6" : x.name === "f" ? (x.value as string) : "";
    if (family === "") continue;
    if (only[family] === undefined) ctx.fail(`ss: "${family}" is invalid family\n${SS_USAGE}`, 255);
    if (family === "inet") families = [AF_INET];
    if (family === "inet6") families = [AF_INET6];
    if (tables.size === 0) for (const t of only[family]) tables.add(t);
  }
  if (tables.size === 0) for (const t of TABLES) tables.add(t.name);

  let states = o.has("a") ? ALL_STATES : o.has("l") ? LISTENING : CONNECTED;
  const words = [...o.operands];
  let given = false;
  while (words[0] === "state" || words[0] === "exclude" || words[0] === "excl") {
    const keyword = words.shift();
    if (words.length === 0) ctx.fail('Command line is not complete. Try option "help"\n', 255);
    const set = parseState(ctx, words.shift() as string);
    if (keyword === "state") states = given ? states | set : set;
    else states = (given ? states : ALL_STATES) & ~set;
    given = true;
  }
  const q: Query = {
    tables,
    families,
    states,
    numeric: o.has("n"),
    options: o.has("o"),
    extended: o.has("e"),
    memory: o.has("m"),
    info: o.has("i"),
    tos: o.has("tos"),
    oneline: o.has("O"),
    kill: o.has("K"),
    users: o.has("p") ? yield* socketUsers(ctx) : null,
    filter: parseFilter(ctx, words),
  };
  const found = yield* collect(ctx, q);
  if (o.has("json")) {
    ctx.opt.json = true;
    printJson(ctx, q, found);
  } else printTable(ctx, q, found, !o.has("H"));
  return 0;
}

export const ss: Program = function* ss(sys, argv) {
  return yield* runProgram(sys, argv, "ss", main);
};
