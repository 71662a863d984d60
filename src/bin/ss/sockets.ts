// What ss knows of a socket, and where it asks: inet_diag, packet_diag and unix_diag, or /proc/net where there is no module.
// Read first: sock_diag(7), uapi/inet_diag.ts. Way in: dumpInet(), dumpPacket(), dumpUnix().

import * as D from "../../uapi/inet_diag.ts";
import type { NlAttrs, NlMsg } from "../../uapi/nlattr.ts";
import { nla_get_string, nla_get_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import * as P from "../../uapi/packet_diag.ts";
import { AF_INET, AF_INET6, AF_PACKET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import * as U from "../../uapi/unix_diag.ts";
import type { Context } from "../iproute/context.ts";
import type { Netlink } from "../iproute/rtnl.ts";
import { readFile } from "../lib/io.ts";

export interface Socket {
  netid: string;
  family: number;
  state: number;
  rqueue: number;
  wqueue: number;
  local: Uint8Array;
  remote: Uint8Array;
  lport: number;
  rport: number;
  /** Bound interface. */
  iface: number;
  uid: number;
  ino: number;
  /** In hexadecimal; "" when unknown. */
  cookie: string;
  timer: number;
  expires: number;
  retrans: number;
  attrs: NlAttrs;
  /** Packet sockets: ethertype; unix sockets: path. */
  protocol: number;
  path: string;
  /** Whether it came from sock_diag, which knows attributes. */
  diag: boolean;
  /** struct inet_diag_sockid, to name this socket to the kernel; absent where there is none. */
  id?: Uint8Array;
}

export const TCP_CLOSE = 7;

function cookieText(dv: DataView, at: number): string {
  const low = dv.getUint32(at, true);
  const high = dv.getUint32(at + 4, true);
  return high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, "0");
}

/** One message of inet_diag; undefined when it is cut. */
function parseInet(m: NlMsg, netid: string): Socket | undefined {
  if (m.len < D.INET_DIAG_MSG_LEN) return undefined;
  const o = m.off;
  const { buf, dv } = m;
  const id = o + D.INET_DIAG_MSG_ID;
  const family = buf[o];
  const size = family === AF_INET ? 4 : 16;
  return {
    netid,
    family,
    state: buf[o + 1],
    timer: buf[o + 2],
    retrans: buf[o + 3],
    lport: dv.getUint16(id),
    rport: dv.getUint16(id + 2),
    local: buf.subarray(id + 4, id + 4 + size),
    remote: buf.subarray(id + 20, id + 20 + size),
    iface: dv.getUint32(id + 36, true),
    cookie: cookieText(dv, id + 40),
    expires: dv.getUint32(o + D.INET_DIAG_MSG_EXPIRES, true),
    rqueue: dv.getUint32(o + D.INET_DIAG_MSG_RQUEUE, true),
    wqueue: dv.getUint32(o + D.INET_DIAG_MSG_WQUEUE, true),
    uid: dv.getUint32(o + D.INET_DIAG_MSG_UID, true),
    ino: dv.getUint32(o + D.INET_DIAG_MSG_INODE, true),
    attrs: nlmsg_parse(m, D.INET_DIAG_MSG_LEN),
    protocol: 0,
    path: "",
    diag: true,
    id: buf.slice(id, id + D.INET_DIAG_REQ_V2_LEN - D.INET_DIAG_REQ_V2_ID),
  };
}

/** Ends a socket (-K). 0, or the errno. */
export function* destroyInet(nl: Netlink, s: Socket, protocol: number): Blocking<number> {
  const w = nl.request(D.SOCK_DESTROY, 0, D.INET_DIAG_REQ_V2_LEN);
  const at = w.msg + 16;
  w.buf[at] = s.family;
  w.buf[at + 1] = protocol;
  w.dv.setUint32(at + D.INET_DIAG_REQ_V2_STATES, 1 << s.state, true);
  w.buf.set(s.id!, at + D.INET_DIAG_REQ_V2_ID);
  return (yield* nl.acknowledge(w)).errno;
}

export interface InetQuery {
  netid: string;
  protocol: number;
  family: number;
  states: number;
  extensions: number;
}

/** undefined when the kernel has no inet_diag for it. */
export function* dumpInet(nl: Netlink, q: InetQuery): Blocking<Socket[] | undefined> {
  const w = nl.request(D.SOCK_DIAG_BY_FAMILY, 0, D.INET_DIAG_REQ_V2_LEN);
  const at = w.msg + 16;
  w.buf[at] = q.family;
  w.buf[at + 1] = q.protocol;
  w.buf[at + 2] = q.extensions;
  w.dv.setUint32(at + D.INET_DIAG_REQ_V2_STATES, q.states, true);
  const all = yield* nl.dump(w, true);
  if (nl.lastAck.errno !== 0) return undefined;
  const out: Socket[] = [];
  for (const m of all) {
    const s = m.type === D.SOCK_DIAG_BY_FAMILY ? parseInet(m, q.netid) : undefined;
    if (s !== undefined) out.push(s);
  }
  return out;
}

/** /proc/net/{tcp,udp,raw}[6]: addresses are 32-bit words in host order. */
export function* readProc(ctx: Context, q: InetQuery): Blocking<Socket[]> {
  const family = q.family;
  const text = yield* readFile(ctx.sys, `/proc/net/${q.netid}${family === AF_INET6 ? "6" : ""}`);
  if (typeof text === "number") return [];
  const out: Socket[] = [];
  for (const line of text.split("\n").slice(1)) {
    const f = line.trim().split(/\s+/);
    if (f.length < 10) continue;
    const state = Number.parseInt(f[3], 16);
    if ((q.states & (1 << state)) === 0) continue;
    const end = (s: string): [Uint8Array, number] => {
      const [host, port] = s.split(":");
      const bytes = new Uint8Array(host.length >> 1);
      for (let i = 0; i < bytes.length; i++) bytes[i ^ 3] = Number.parseInt(host.slice(2 * i, 2 * i + 2), 16);
      return [bytes, Number.parseInt(port, 16)];
    };
    const [local, lport] = end(f[1]);
    const [remote, rport] = end(f[2]);
    const [tx, rx] = f[4].split(":").map((s) => Number.parseInt(s, 16));
    const [timer, expires] = f[5].split(":").map((s) => Number.parseInt(s, 16));
    out.push({
      netid: q.netid,
      family,
      state,
      rqueue: rx,
      wqueue: tx,
      local,
      remote,
      lport,
      rport,
      iface: 0,
      uid: Number(f[7]),
      ino: Number(f[9]),
      cookie: (f[11] ?? "").replace(/^0+/, ""),
      timer,
      expires: expires * 10,
      retrans: Number.parseInt(f[6], 16),
      attrs: [],
      protocol: 0,
      path: "",
      diag: false,
    });
  }
  return out;
}

const plain = (netid: string, family: number): Socket => ({
  netid,
  family,
  state: TCP_CLOSE,
  rqueue: 0,
  wqueue: 0,
  local: new Uint8Array(0),
  remote: new Uint8Array(0),
  lport: 0,
  rport: 0,
  iface: 0,
  uid: 0,
  ino: 0,
  cookie: "",
  timer: 0,
  expires: 0,
  retrans: 0,
  attrs: [],
  protocol: 0,
  path: "",
  diag: true,
});

const SHOW_PACKET =
  P.PACKET_SHOW_INFO | P.PACKET_SHOW_MEMINFO | P.PACKET_SHOW_FILTER | P.PACKET_SHOW_RING_CFG | P.PACKET_SHOW_FANOUT;

export function* dumpPacket(ctx: Context, nl: Netlink): Blocking<Socket[]> {
  const w = nl.request(D.SOCK_DIAG_BY_FAMILY, 0, P.PACKET_DIAG_REQ_LEN);
  const at = w.msg + 16;
  w.buf[at] = AF_PACKET;
  w.dv.setUint32(at + 8, SHOW_PACKET, true);
  const all = yield* nl.dump(w, true);
  if (nl.lastAck.errno !== 0) return yield* readProcPacket(ctx);
  const out: Socket[] = [];
  for (const m of all) {
    if (m.type !== D.SOCK_DIAG_BY_FAMILY || m.len < P.PACKET_DIAG_MSG_LEN) continue;
    const attrs = nlmsg_parse(m, P.PACKET_DIAG_MSG_LEN);
    const info = attrs[P.PACKET_DIAG_INFO];
    const mem = attrs[P.PACKET_DIAG_MEMINFO];
    out.push({
      ...plain(m.buf[m.off + 1] === SOCK_DGRAM ? "p_dgr" : "p_raw", AF_PACKET),
      protocol: m.dv.getUint16(m.off + 2, true),
      ino: m.dv.getUint32(m.off + 4, true),
      cookie: cookieText(m.dv, m.off + 8),
      iface: nla_get_u32(info),
      uid: nla_get_u32(attrs[P.PACKET_DIAG_UID]),
      rqueue: mem !== undefined && mem.len >= 12 ? mem.dv.getUint32(mem.off, true) : 0,
      wqueue: mem !== undefined && mem.len >= 12 ? mem.dv.getUint32(mem.off + 8, true) : 0,
      attrs,
    });
  }
  return out;
}

function* readProcPacket(ctx: Context): Blocking<Socket[]> {
  const text = yield* readFile(ctx.sys, "/proc/net/packet");
  if (typeof text === "number") return [];
  const out: Socket[] = [];
  for (const line of text.split("\n").slice(1)) {
    const f = line.trim().split(/\s+/);
    if (f.length < 9) continue;
    out.push({
      ...plain(Number(f[2]) === SOCK_DGRAM ? "p_dgr" : "p_raw", AF_PACKET),
      protocol: Number.parseInt(f[3], 16),
      iface: Number(f[4]),
      rqueue: Number(f[6]),
      uid: Number(f[7]),
      ino: Number(f[8]),
      cookie: f[0].replace(/^0+/, ""),
      diag: false,
    });
  }
  return out;
}

const UNIX_NETID = (type: number): string => (type === SOCK_STREAM ? "u_str" : type === SOCK_DGRAM ? "u_dgr" : "u_seq");

export function* dumpUnix(ctx: Context, nl: Netlink, states: number): Blocking<Socket[]> {
  const w = nl.request(D.SOCK_DIAG_BY_FAMILY, 0, U.UNIX_DIAG_REQ_LEN);
  const at = w.msg + 16;
  w.buf[at] = AF_UNIX;
  w.dv.setUint32(at + 4, states, true);
  w.dv.setUint32(at + 12, U.UDIAG_SHOW_NAME | U.UDIAG_SHOW_PEER | U.UDIAG_SHOW_RQLEN, true);
  const all = yield* nl.dump(w, true);
  const out: Socket[] = [];
  for (const m of all) {
    if (m.type !== D.SOCK_DIAG_BY_FAMILY || m.len < U.UNIX_DIAG_MSG_LEN) continue;
    const attrs = nlmsg_parse(m, U.UNIX_DIAG_MSG_LEN);
    const queue = attrs[U.UNIX_DIAG_RQLEN];
    const ino = m.dv.getUint32(m.off + 4, true);
    const name = attrs[U.UNIX_DIAG_NAME];
    out.push({
      ...plain(UNIX_NETID(m.buf[m.off + 1]), AF_UNIX),
      state: m.buf[m.off + 2],
      ino,
      lport: ino,
      rport: nla_get_u32(attrs[U.UNIX_DIAG_PEER]),
      cookie: cookieText(m.dv, m.off + 8),
      path: name === undefined ? "*" : nla_get_string(name) || "@",
      rqueue: queue !== undefined && queue.len >= 8 ? queue.dv.getUint32(queue.off, true) : 0,
      wqueue: queue !== undefined && queue.len >= 8 ? queue.dv.getUint32(queue.off + 4, true) : 0,
      attrs,
    });
  }
  return out;
}
