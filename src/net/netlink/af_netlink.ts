// AF_NETLINK: sockets over which programs and the kernel exchange messages; requests, acknowledgements, dumps, groups.
// Mirrors net/netlink/af_netlink.c. Read first: RFC 3549, netlink(7).
// Way in: netlink_proto_init(); netlink_kernel_create(k, NETLINK_ROUTE, cfg); netlink_dump_start(); nlmsg_notify().

import type { PollTable } from "../../kernel/fs/file.ts";
import { type Kernel, kernel_bug } from "../../kernel/kernel.ts";
import {
  EADDRINUSE,
  EBUSY,
  ECONNREFUSED,
  EINTR,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOIOCTLCMD,
  ENOMEM,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  ESRCH,
} from "../../uapi/errno.ts";
import {
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_BROADCAST_ERROR,
  NETLINK_CAP_ACK,
  NETLINK_DROP_MEMBERSHIP,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_LIST_MEMBERSHIPS,
  NETLINK_LISTEN_ALL_NSID,
  NETLINK_NO_ENOBUFS,
  NETLINK_PKTINFO,
  NETLINK_USERSOCK,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  NLMSG_MIN_TYPE,
  NLMSGERR_ATTR_MISS_NEST,
  NLMSGERR_ATTR_MISS_TYPE,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
  NLMSGERR_LEN,
  SOCKADDR_NL_LEN,
} from "../../uapi/netlink.ts";
import {
  type NlAttr,
  NlMsg,
  NlMsgWriter,
  nla_align,
  nla_put_string,
  nla_put_u32,
  nlmsg_bytes,
  nlmsg_end,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import { AF_NETLINK, MSG_OOB, MSG_TRUNC, SOCK_DGRAM, SOCK_RAW, SOL_NETLINK } from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { iov_length, memcpy_from_msg, put_cmsg, skb_copy_datagram_msg, skb_recv_datagram } from "../core/datagram.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { proc_create_net } from "../core/net-procfs.ts";
import { __skb_queue_tail, alloc_skb, consume_skb, type SkBuff, skb_clone, skb_put } from "../core/skbuff.ts";
import {
  datagram_poll,
  type Proto,
  type ProtoOps,
  proto_register,
  Sock,
  type Socket,
  SS_CONNECTED,
  SS_UNCONNECTED,
  sk_alloc,
  skb_set_owner_r,
  sock_init_data,
  sock_orphan,
  sock_put,
  sock_register,
} from "../core/sock.ts";
import { put_int } from "../core/sock_opt.ts";
import { genl_init } from "./genetlink.ts";

const MAX_LINKS = 32;
/** Room of a reply: a page less skb_shared_info, unless the reader has shown that it takes more. */
const NLMSG_GOODSIZE = 4096 - 320;
/** 32 KiB less skb_shared_info: no dump writes more into one skb. */
const NLMSG_MAXSIZE = 32768 - 320;

/** Why a request was refused, beyond errno: NLMSGERR_ATTR_*. */
class NetlinkExtAck {
  msg = "";
  /** Offset of the attribute that is to blame, from the start of the message; -1 for none. */
  bad_attr = -1;
  miss_type = -1;
  miss_nest = -1;
}

/** Sets the reason and returns -errno. */
export function nl_err(extack: NetlinkExtAck, msg: string, err: number): number {
  extack.msg = msg;
  return err;
}

/** One message of a program, with who sent it. */
export class NlRequest {
  readonly sk: NetlinkSock;
  readonly net: Net;
  readonly msg: NlMsg;
  readonly extack: NetlinkExtAck = new NetlinkExtAck();
  /** NETLINK_GET_STRICT_CHK: headers and attributes of dump requests are checked and filter. */
  readonly strict: boolean;
  readonly portid: number;
  constructor(sk: NetlinkSock, msg: NlMsg) {
    this.sk = sk;
    this.net = sk.net;
    this.msg = msg;
    this.strict = (sk.nl_flags & NETLINK_F_STRICT_CHK) !== 0;
    this.portid = sk.portid;
  }
  /** Blames an attribute. */
  bad(a: NlAttr | undefined, text: string, err: number): number {
    if (a !== undefined) this.extack.bad_attr = a.off - 4 - (this.msg.off - NLMSG_HDRLEN);
    if (text !== "") this.extack.msg = text;
    return err;
  }
}

/**
 * A dump: each step appends one message (or more that belong together) to `w`; the return value is 0 or -errno and
 * goes into NLMSG_DONE. It goes on as the reader reads, so what it walks may have changed between two steps.
 */
export type NetlinkDump = Generator<void, number>;

class NetlinkCallback {
  readonly req: NlRequest;
  readonly gen: NetlinkDump;
  /** The skb to come; holds what did not fit into the last one. */
  readonly w: NlMsgWriter;
  done = false;
  errno = 0;
  constructor(req: NlRequest, gen: NetlinkDump, w: NlMsgWriter) {
    this.req = req;
    this.gen = gen;
    this.w = w;
  }
}

// nlk->flags
const NETLINK_F_RECV_PKTINFO = 1 << 0;
const NETLINK_F_BROADCAST_SEND_ERROR = 1 << 1;
const NETLINK_F_RECV_NO_ENOBUFS = 1 << 2;
const NETLINK_F_LISTEN_ALL_NSID = 1 << 3;
const NETLINK_F_CAP_ACK = 1 << 4;
const NETLINK_F_EXT_ACK = 1 << 5;
const NETLINK_F_STRICT_CHK = 1 << 6;

const FLAG_OF_OPTION: Readonly<Record<number, number>> = {
  [NETLINK_PKTINFO]: NETLINK_F_RECV_PKTINFO,
  [NETLINK_BROADCAST_ERROR]: NETLINK_F_BROADCAST_SEND_ERROR,
  [NETLINK_NO_ENOBUFS]: NETLINK_F_RECV_NO_ENOBUFS,
  [NETLINK_LISTEN_ALL_NSID]: NETLINK_F_LISTEN_ALL_NSID,
  [NETLINK_CAP_ACK]: NETLINK_F_CAP_ACK,
  [NETLINK_EXT_ACK]: NETLINK_F_EXT_ACK,
  [NETLINK_GET_STRICT_CHK]: NETLINK_F_STRICT_CHK,
};

export class NetlinkSock extends Sock {
  /** uint32; 0 is the kernel. */
  portid = 0;
  bound = false;
  dst_portid = 0;
  dst_group = 0;
  nl_flags = 0;
  readonly groups: Set<number> = new Set();
  cb: NetlinkCallback | null = null;
  max_recvmsg_len = 0;
  /** NETLINK_S_CONGESTED: overrun, and nothing is queued until the reader has emptied the queue. */
  congested = false;
}

const nlk_sk = (sk: Sock): NetlinkSock => sk as NetlinkSock;

/** The kernel's end of a protocol. */
export interface NetlinkKernelCfg {
  /** Number of multicast groups. */
  readonly groups: number;
  /** One request; 0, or -errno for the acknowledgement. -EINTR: no acknowledgement, a dump answers. */
  readonly input: ((req: NlRequest) => number) | null;
  /** May this group be joined? 0 or -errno. */
  bind?(net: Net, group: number): number;
}

class NlTable {
  readonly by_portid: Map<number, NetlinkSock> = new Map();
  readonly mc_list: Set<NetlinkSock> = new Set();
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    nl_protocols: (NetlinkKernelCfg | undefined)[];
  }
}
declare module "../core/net_namespace.ts" {
  interface Net {
    nl_table: (NlTable | undefined)[];
  }
}

/** The kernel's end of `protocol`, for all namespaces. */
export function netlink_kernel_create(k: Kernel, protocol: number, cfg: NetlinkKernelCfg): void {
  k.nl_protocols[protocol] = cfg;
}

function nl_table(net: Net, protocol: number): NlTable {
  net.nl_table ??= [];
  let t = net.nl_table[protocol];
  if (t === undefined) {
    t = new NlTable();
    net.nl_table[protocol] = t;
  }
  return t;
}

// --- sending to programs ------------------------------------------------------------------------------------------

/** Who sent it and to which group, in the control buffer (NETLINK_CB). */
function set_nl_cb(skb: SkBuff, portid: number, group: number): void {
  skb.ipcb_iif = portid;
  skb.ipcb_flags = group;
}

function nl_skb(k: Kernel, bytes: Uint8Array, from: number, to: number, portid: number, group: number): SkBuff | null {
  const len = to - from;
  const skb = alloc_skb(k, len);
  if (skb === null) return null;
  const at = skb_put(skb, len);
  skb.head.u8.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), at);
  set_nl_cb(skb, portid, group);
  return skb;
}

function netlink_overrun(nlk: NetlinkSock): void {
  if ((nlk.nl_flags & NETLINK_F_RECV_NO_ENOBUFS) === 0 && !nlk.congested && nlk.sk_err !== ENOBUFS) {
    nlk.congested = true;
    nlk.sk_err = ENOBUFS;
    nlk.sk_error_report(nlk);
  }
  nlk.sk_drops++;
}

function netlink_sendskb(nlk: NetlinkSock, skb: SkBuff): void {
  skb_set_owner_r(skb, nlk);
  __skb_queue_tail(nlk.sk_receive_queue, skb);
  nlk.sk_data_ready(nlk);
}

const rcvbuf_full = (nlk: NetlinkSock): boolean => nlk.sk_rmem_alloc > nlk.sk_rcvbuf || nlk.congested;

/** One datagram to one socket. 0, -ECONNREFUSED when nobody has that port, -ENOBUFS when it is overrun. */
function netlink_unicast(net: Net, protocol: number, bytes: Uint8Array, portid: number, src = 0): number {
  const nlk = nl_table(net, protocol).by_portid.get(portid);
  if (nlk === undefined) return -ECONNREFUSED;
  const skb = rcvbuf_full(nlk) ? null : nl_skb(net.kernel, bytes, 0, bytes.length, src, 0);
  if (skb === null) {
    netlink_overrun(nlk);
    return -ENOBUFS;
  }
  netlink_sendskb(nlk, skb);
  return 0;
}

export function netlink_has_listeners(net: Net, protocol: number, group: number): boolean {
  const t = net.nl_table?.[protocol];
  if (t === undefined) return all_nsid_listeners(net, protocol, group);
  for (const nlk of t.mc_list) if (nlk.groups.has(group)) return true;
  return all_nsid_listeners(net, protocol, group);
}

/** Sockets of other namespaces that hear this one's messages too: they know it by an id. */
function hears_from_afar(nlk: NetlinkSock, net: Net, group: number): boolean {
  return (
    (nlk.nl_flags & NETLINK_F_LISTEN_ALL_NSID) !== 0 &&
    nlk.groups.has(group) &&
    nlk.net.netns_ids.get(net) !== undefined
  );
}

function all_nsid_listeners(net: Net, protocol: number, group: number): boolean {
  for (const other of net.kernel.nets) {
    const t = other === net ? undefined : other.nl_table?.[protocol];
    if (t !== undefined) for (const nlk of t.mc_list) if (hears_from_afar(nlk, net, group)) return true;
  }
  return false;
}

/** To all members of a group but `exclude`. 0, -ESRCH when there is none, -ENOBUFS when one asked to be told of overruns. */
function netlink_broadcast(
  net: Net,
  protocol: number,
  bytes: Uint8Array,
  group: number,
  exclude: number,
  src = 0,
): number {
  const k = net.kernel;
  // Readers may take their copy while we are still handing out: the original stays ours until the end.
  let first: SkBuff | null = null;
  let err = -ESRCH;
  let failed = false;
  for (const ns of k.nets) {
    const t = ns.nl_table?.[protocol];
    if (t === undefined || t.mc_list.size === 0) continue;
    for (const nlk of t.mc_list) {
      if (ns === net ? nlk.portid === exclude || !nlk.groups.has(group) : !hears_from_afar(nlk, net, group)) continue;
      if (!rcvbuf_full(nlk)) first ??= nl_skb(k, bytes, 0, bytes.length, src, group);
      if (first === null || rcvbuf_full(nlk)) {
        netlink_overrun(nlk);
        if ((nlk.nl_flags & NETLINK_F_BROADCAST_SEND_ERROR) !== 0) failed = true;
        continue;
      }
      const skb = skb_clone(first);
      set_nl_cb(skb, src, group);
      skb.mark = ns === net ? 0 : nlk.net.netns_ids.get(net)! + 1;
      netlink_sendskb(nlk, skb);
      err = 0;
    }
  }
  if (first !== null) consume_skb(first);
  return failed ? -ENOBUFS : err;
}

/** A notification: to the group, and (`report`, NLM_F_ECHO) to the one whose request caused it. */
export function nlmsg_notify(
  net: Net,
  protocol: number,
  w: NlMsgWriter,
  portid: number,
  group: number,
  report: boolean,
): number {
  const bytes = nlmsg_bytes(w);
  let err = 0;
  if (group !== 0) {
    err = netlink_broadcast(net, protocol, bytes, group, report ? portid : 0);
    if (err === -ESRCH) err = 0;
  }
  if (report && portid !== 0) {
    const err2 = netlink_unicast(net, protocol, bytes, portid);
    if (err === 0) err = err2;
  }
  return err;
}

// --- acknowledgements and dumps -----------------------------------------------------------------------------------

function put_extack(w: NlMsgWriter, extack: NetlinkExtAck, failed: boolean): void {
  if (extack.msg !== "") nla_put_string(w, NLMSGERR_ATTR_MSG, extack.msg);
  if (!failed) return;
  if (extack.bad_attr >= 0) nla_put_u32(w, NLMSGERR_ATTR_OFFS, extack.bad_attr);
  if (extack.miss_type >= 0) nla_put_u32(w, NLMSGERR_ATTR_MISS_TYPE, extack.miss_type);
  if (extack.miss_nest >= 0) nla_put_u32(w, NLMSGERR_ATTR_MISS_NEST, extack.miss_nest);
}

/** NLMSG_ERROR: `err` is 0 or -errno. The request is repeated in it after a failure, unless NETLINK_CAP_ACK. */
function netlink_ack(req: NlRequest, err: number): void {
  const nlk = req.sk;
  const m = req.msg;
  const full = err !== 0 && (nlk.nl_flags & NETLINK_F_CAP_ACK) === 0;
  const w = new NlMsgWriter(64 + (full ? m.len : 0) + req.extack.msg.length);
  const at = nlmsg_put(w, NLMSG_ERROR, full ? 0 : NLM_F_CAPPED, m.seq, req.portid, NLMSGERR_LEN + (full ? m.len : 0));
  w.dv.setInt32(at, err, true);
  const head = m.off - NLMSG_HDRLEN;
  w.buf.set(m.buf.subarray(head, head + NLMSG_HDRLEN + (full ? m.len : 0)), at + 4);
  let flags = full ? 0 : NLM_F_CAPPED;
  const end = w.len;
  if ((nlk.nl_flags & NETLINK_F_EXT_ACK) !== 0) put_extack(w, req.extack, err !== 0);
  if (w.len > end) {
    flags |= NLM_F_ACK_TLVS;
    nlmsg_end(w);
    w.dv.setUint16(w.msg + 6, flags, true);
  }
  if (netlink_unicast(req.net, nlk.sk_protocol, nlmsg_bytes(w), req.portid) === -ENOBUFS && nlk.sk_err === 0) {
    nlk.sk_err = ENOBUFS;
    nlk.sk_error_report(nlk);
  }
}

/** Answers a request with what `w` holds. */
export function nlmsg_unicast(req: NlRequest, w: NlMsgWriter): number {
  return netlink_unicast(req.net, req.sk.sk_protocol, nlmsg_bytes(w), req.portid);
}

/** Goes through the messages of one datagram. Lengths are the sender's word: a bad one ends the walk. */
function netlink_rcv_skb(nlk: NetlinkSock, data: Uint8Array, cb: (req: NlRequest) => number): void {
  const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  while (data.length - at >= NLMSG_HDRLEN) {
    const len = dv.getUint32(at, true);
    if (len < NLMSG_HDRLEN || data.length - at < len) return;
    const req = new NlRequest(nlk, new NlMsg(data, dv, at, len));
    let err = 0;
    if ((req.msg.flags & NLM_F_REQUEST) !== 0 && req.msg.type >= NLMSG_MIN_TYPE) err = cb(req);
    if (err !== -EINTR && ((req.msg.flags & NLM_F_ACK) !== 0 || err !== 0)) netlink_ack(req, err);
    at += Math.min(nla_align(len), data.length - at);
  }
}

/** Begins a dump; its first datagram is queued now, the rest as the reader reads. Returns -EINTR (no ack) or -errno. */
export function netlink_dump_start(req: NlRequest, dump: (req: NlRequest, w: NlMsgWriter) => NetlinkDump): number {
  const nlk = req.sk;
  if (nlk.cb !== null) return -EBUSY;
  const w = new NlMsgWriter(NLMSG_GOODSIZE);
  nlk.cb = new NetlinkCallback(req, dump(req, w), w);
  const err = netlink_dump(nlk);
  return err < 0 ? err : -EINTR;
}

function put_dump_done(cb: NetlinkCallback): void {
  const { req, w } = cb;
  const at = nlmsg_put(w, NLMSG_DONE, NLM_F_MULTI, req.msg.seq, req.portid, 4);
  w.dv.setInt32(at, cb.errno, true);
  const end = w.len;
  if ((req.sk.nl_flags & NETLINK_F_EXT_ACK) !== 0) put_extack(w, req.extack, cb.errno !== 0);
  if (w.len === end) return;
  w.dv.setUint16(w.msg + 6, NLM_F_MULTI | NLM_F_ACK_TLVS, true);
  nlmsg_end(w);
}

/** Fills and queues the next datagram of the running dump. 0 or -errno. */
function netlink_dump(nlk: NetlinkSock): number {
  const cb = nlk.cb;
  if (cb === null) return -EINVAL;
  if (nlk.sk_rmem_alloc >= nlk.sk_rcvbuf) return -ENOBUFS;
  const limit = Math.max(NLMSG_GOODSIZE, nlk.max_recvmsg_len);
  const w = cb.w;
  let cut = -1;
  let last = false;
  while (!cb.done && cut < 0) {
    const before = w.len;
    const step = cb.gen.next();
    if (step.done) {
      cb.done = true;
      cb.errno = step.value;
    } else if (w.len > limit && before > 0) cut = before;
  }
  if (cut < 0) {
    const before = w.len;
    put_dump_done(cb);
    if (w.len > limit && before > 0) w.len = before;
    else last = true;
    cut = w.len;
  }
  const skb = nl_skb(nlk.net.kernel, w.buf, 0, cut, 0, 0);
  if (last || skb === null) nlk.cb = null;
  if (skb === null) return -ENOBUFS;
  w.buf.copyWithin(0, cut, w.len);
  w.len -= cut;
  w.msg = 0;
  netlink_sendskb(nlk, skb);
  return 0;
}

// --- struct proto_ops ---------------------------------------------------------------------------------------------

function netlink_create(net: Net, sock: Socket, protocol: number): number {
  const k = net.kernel;
  sock.state = SS_UNCONNECTED;
  if (sock.type !== SOCK_RAW && sock.type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT;
  if (protocol < 0 || protocol >= MAX_LINKS || k.nl_protocols[protocol] === undefined) return -EPROTONOSUPPORT;
  sock.ops = netlink_ops;
  const sk = sk_alloc(net, AF_NETLINK, netlink_proto);
  sock_init_data(sock, sk);
  sk.sk_protocol = protocol;
  return 0;
}

function netlink_release(sock: Socket): void {
  const sk = sock.sk;
  if (sk === null) return;
  sock.sk = null as unknown as Sock;
  const nlk = nlk_sk(sk);
  const t = nl_table(nlk.net, nlk.sk_protocol);
  if (nlk.bound && t.by_portid.get(nlk.portid) === nlk) t.by_portid.delete(nlk.portid);
  t.mc_list.delete(nlk);
  nlk.groups.clear();
  nlk.cb = null;
  sock_orphan(sk);
  sock_put(sk);
}

function netlink_insert(nlk: NetlinkSock, portid: number): number {
  const t = nl_table(nlk.net, nlk.sk_protocol);
  if (nlk.bound) return nlk.portid === portid ? 0 : -EBUSY;
  if (t.by_portid.has(portid)) return -EADDRINUSE;
  t.by_portid.set(portid, nlk);
  nlk.portid = portid;
  nlk.bound = true;
  return 0;
}

/** The process id if it is free, else something far from process ids. */
function netlink_autobind(nlk: NetlinkSock): number {
  const k = nlk.net.kernel;
  const t = nl_table(nlk.net, nlk.sk_protocol);
  let portid = k.current !== null ? k.current.pid : 1;
  if (t.by_portid.has(portid)) {
    const seed = new Uint8Array(4);
    k.host.random_bytes(seed);
    const r = (seed[0]! | (seed[1]! << 8) | (seed[2]! << 16) | (seed[3]! << 24)) & 0x7fffffff;
    portid = (0x80000000 + (r % (0x7fffffff - 4096))) >>> 0;
    while (t.by_portid.has(portid)) portid = portid >= 0xfffff000 ? 0x80000000 : portid + 1;
  }
  return netlink_insert(nlk, portid);
}

interface SockaddrNl {
  pid: number;
  groups: number;
}

function parse_nl_addr(addr: Uint8Array): SockaddrNl | null {
  if (addr.length < SOCKADDR_NL_LEN) return null;
  const dv = new DataView(addr.buffer, addr.byteOffset, addr.byteLength);
  if (dv.getUint16(0, true) !== AF_NETLINK) return null;
  return { pid: dv.getUint32(4, true), groups: dv.getUint32(8, true) };
}

function put_nl_addr(addr: Uint8Array, pid: number, groups: number): number {
  const out = new Uint8Array(SOCKADDR_NL_LEN);
  const dv = new DataView(out.buffer);
  dv.setUint16(0, AF_NETLINK, true);
  dv.setUint32(4, pid, true);
  dv.setUint32(8, groups, true);
  addr.set(out.subarray(0, Math.min(addr.length, SOCKADDR_NL_LEN)));
  return SOCKADDR_NL_LEN;
}

function update_listener(nlk: NetlinkSock): void {
  const t = nl_table(nlk.net, nlk.sk_protocol);
  if (nlk.groups.size > 0) t.mc_list.add(nlk);
  else t.mc_list.delete(nlk);
}

const ngroups = (nlk: NetlinkSock): number => Math.max(32, nlk.net.kernel.nl_protocols[nlk.sk_protocol]!.groups);

function netlink_bind(sock: Socket, addr: Uint8Array): number {
  const nlk = nlk_sk(sock.sk);
  const a = parse_nl_addr(addr);
  if (a === null) return -EINVAL;
  const cfg = nlk.net.kernel.nl_protocols[nlk.sk_protocol]!;
  const mask = cfg.groups < 32 ? (1 << cfg.groups) - 1 : -1;
  const groups = a.groups & mask;
  if (nlk.bound && a.pid !== nlk.portid) return -EINVAL;
  for (let g = 1; g <= 32 && cfg.bind !== undefined; g++) {
    const err = (groups & (1 << (g - 1))) !== 0 ? cfg.bind(nlk.net, g) : 0;
    if (err < 0) return err;
  }
  if (!nlk.bound) {
    const err = a.pid !== 0 ? netlink_insert(nlk, a.pid) : netlink_autobind(nlk);
    if (err < 0) return err;
  }
  for (let g = 1; g <= 32; g++) {
    if ((groups & (1 << (g - 1))) !== 0) nlk.groups.add(g);
    else nlk.groups.delete(g);
  }
  update_listener(nlk);
  return 0;
}

function netlink_connect(sock: Socket, addr: Uint8Array): number {
  const nlk = nlk_sk(sock.sk);
  if (addr.length >= 2 && addr[0] === 0 && addr[1] === 0) {
    sock.state = SS_UNCONNECTED;
    nlk.dst_portid = 0;
    nlk.dst_group = 0;
    return 0;
  }
  const a = parse_nl_addr(addr);
  if (a === null) return -EINVAL;
  if (!nlk.bound) {
    const err = netlink_autobind(nlk);
    if (err < 0) return err;
  }
  sock.state = SS_CONNECTED;
  nlk.dst_portid = a.pid;
  nlk.dst_group = first_group(a.groups);
  return 0;
}

/** ffs(): groups in an address are a mask, elsewhere numbers. */
const first_group = (mask: number): number => (mask === 0 ? 0 : 32 - Math.clz32(mask & -mask));
const group_mask = (group: number): number => (group > 0 && group <= 32 ? (1 << (group - 1)) >>> 0 : 0);

function netlink_getname(sock: Socket, addr: Uint8Array, peer: boolean): number {
  const nlk = nlk_sk(sock.sk);
  if (peer) return put_nl_addr(addr, nlk.dst_portid, group_mask(nlk.dst_group));
  let mask = 0;
  for (const g of nlk.groups) mask |= group_mask(g);
  return put_nl_addr(addr, nlk.portid, mask >>> 0);
}

function netlink_setsockopt(sock: Socket, level: number, optname: number, optval: Uint8Array): number {
  const nlk = nlk_sk(sock.sk);
  if (level !== SOL_NETLINK) return -ENOPROTOOPT;
  if (optval.length < 4) return -EINVAL;
  const val = new DataView(optval.buffer, optval.byteOffset, optval.byteLength).getUint32(0, true);
  if (optname === NETLINK_ADD_MEMBERSHIP || optname === NETLINK_DROP_MEMBERSHIP) {
    const cfg = nlk.net.kernel.nl_protocols[nlk.sk_protocol]!;
    if (val === 0 || val - 1 >= ngroups(nlk)) return -EINVAL;
    if (optname === NETLINK_ADD_MEMBERSHIP) {
      const err = cfg.bind !== undefined ? cfg.bind(nlk.net, val) : 0;
      if (err < 0) return err;
      nlk.groups.add(val);
    } else nlk.groups.delete(val);
    update_listener(nlk);
    return 0;
  }
  const flag = FLAG_OF_OPTION[optname];
  if (flag === undefined) return -ENOPROTOOPT;
  if (val !== 0) nlk.nl_flags |= flag;
  else nlk.nl_flags &= ~flag;
  if (optname === NETLINK_NO_ENOBUFS && val !== 0) nlk.congested = false;
  return 0;
}

function netlink_getsockopt(sock: Socket, level: number, optname: number, optval: Uint8Array): number {
  const nlk = nlk_sk(sock.sk);
  if (level !== SOL_NETLINK) return -ENOPROTOOPT;
  if (optname === NETLINK_LIST_MEMBERSHIPS) {
    const bytes = Math.ceil(ngroups(nlk) / 32) * 4;
    for (let i = 0; i < Math.min(bytes, optval.length & ~3); i++) optval[i] = 0;
    for (const g of nlk.groups) {
      const at = Math.floor((g - 1) / 32) * 4 + (((g - 1) % 32) >> 3);
      if (at < (optval.length & ~3)) optval[at]! |= 1 << ((g - 1) & 7);
    }
    return bytes;
  }
  const flag = FLAG_OF_OPTION[optname];
  if (flag === undefined) return -ENOPROTOOPT;
  if (optval.length < 4) return -EINVAL;
  return put_int(optval, (nlk.nl_flags & flag) !== 0 ? 1 : 0);
}

function netlink_sendmsg(sock: Socket, msg: MsgHdr, _len: number, flags: number): number {
  const nlk = nlk_sk(sock.sk);
  const k = nlk.net.kernel;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const len = iov_length(msg.msg_iov);
  let portid = nlk.dst_portid;
  let group = nlk.dst_group;
  if (msg.msg_name !== null && msg.msg_namelen > 0) {
    const a = parse_nl_addr(msg.msg_name.subarray(0, msg.msg_namelen));
    if (a === null) return -EINVAL;
    portid = a.pid;
    group = first_group(a.groups);
  }
  if (!nlk.bound) {
    const err = netlink_autobind(nlk);
    if (err < 0) return err;
  }
  if (len > nlk.sk_sndbuf - 32) return -EMSGSIZE;
  const data = new Uint8Array(len);
  if (len > 0) memcpy_from_msg(data, 0, msg, 0, len);
  if (group !== 0) netlink_broadcast(nlk.net, nlk.sk_protocol, data, group, nlk.portid, nlk.portid);
  if (portid !== 0) {
    const err = netlink_unicast(nlk.net, nlk.sk_protocol, data, portid, nlk.portid);
    return err < 0 && group === 0 ? err : len;
  }
  const input = k.nl_protocols[nlk.sk_protocol]!.input;
  if (input === null) return group !== 0 ? len : -ECONNREFUSED;
  try {
    netlink_rcv_skb(nlk, data, input);
  } catch (e) {
    kernel_bug(k, e, "netlink_rcv_skb");
    return -ENOMEM;
  }
  return len;
}

function netlink_recvmsg(sock: Socket, msg: MsgHdr, _len: number, flags: number): number {
  const nlk = nlk_sk(sock.sk);
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const err = new Int32Array(1);
  const skb = skb_recv_datagram(nlk, flags, err);
  if (skb === null) return err[0]!;
  const len = iov_length(msg.msg_iov);
  // What the reader offers is what the next datagram of a dump may fill.
  nlk.max_recvmsg_len = Math.min(NLMSG_MAXSIZE, Math.max(nlk.max_recvmsg_len, len));
  const total = skb.len;
  let copied = total;
  if (copied > len) {
    msg.msg_flags |= MSG_TRUNC;
    copied = len;
  }
  if (copied > 0) skb_copy_datagram_msg(skb, 0, msg, copied);
  if (msg.msg_name !== null) {
    msg.msg_namelen = put_nl_addr(msg.msg_name, skb.ipcb_iif, group_mask(skb.ipcb_flags));
  }
  if ((nlk.nl_flags & NETLINK_F_RECV_PKTINFO) !== 0) {
    const info = new Uint8Array(4);
    new DataView(info.buffer).setUint32(0, skb.ipcb_flags, true);
    put_cmsg(msg, SOL_NETLINK, NETLINK_PKTINFO, info);
  }
  if ((nlk.nl_flags & NETLINK_F_LISTEN_ALL_NSID) !== 0 && skb.mark !== 0) {
    const nsid = new Uint8Array(4);
    new DataView(nsid.buffer).setInt32(0, skb.mark - 1, true);
    put_cmsg(msg, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, nsid);
  }
  consume_skb(skb);
  if (nlk.cb !== null && nlk.sk_rmem_alloc <= nlk.sk_rcvbuf >> 1) {
    let bad: number;
    try {
      bad = netlink_dump(nlk);
    } catch (e) {
      nlk.cb = null;
      kernel_bug(nlk.net.kernel, e, "netlink_dump");
      bad = -ENOMEM;
    }
    if (bad < 0) {
      nlk.sk_err = -bad;
      nlk.sk_error_report(nlk);
    }
  }
  if (nlk.sk_receive_queue.next === null) nlk.congested = false;
  return (flags & MSG_TRUNC) !== 0 ? total : copied;
}

const netlink_ops: ProtoOps = {
  family: AF_NETLINK,
  release: netlink_release,
  bind: netlink_bind,
  connect: netlink_connect,
  getname: netlink_getname,
  poll: (sock: Socket, wait: PollTable | null) => datagram_poll(sock, wait),
  ioctl: () => -ENOIOCTLCMD,
  listen: () => -EOPNOTSUPP,
  shutdown: () => -EOPNOTSUPP,
  setsockopt: netlink_setsockopt,
  getsockopt: netlink_getsockopt,
  sendmsg: netlink_sendmsg,
  recvmsg: netlink_recvmsg,
};

const netlink_proto: Proto = {
  name: "NETLINK",
  alloc: (net, family, prot) => new NetlinkSock(net, family, prot),
  close: () => undefined,
  setsockopt: () => -ENOPROTOOPT,
  getsockopt: () => -ENOPROTOOPT,
  sendmsg: () => -ENOTCONN,
  recvmsg: () => -ENOTCONN,
  obj_size: 1096,
};

/** Text of /proc/net/netlink: the kernel's ends first in each protocol, as sockets with port 0. */
function netlink_seq_show(net: Net): string {
  let s = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n";
  const line = (id: number, protocol: number, nlk: NetlinkSock | null): string => {
    let mask = 0;
    for (const g of nlk?.groups ?? []) mask |= group_mask(g);
    return (
      `${id.toString(16).padStart(16, "0")} ${String(protocol).padEnd(3)} ${String(nlk?.portid ?? 0).padEnd(10)} ` +
      `${(mask >>> 0).toString(16).padStart(8, "0")} ${String(nlk?.sk_rmem_alloc ?? 0).padEnd(8)} ` +
      `${String(nlk?.sk_wmem_alloc ?? 0).padEnd(8)} ${String(nlk !== null && nlk.cb !== null ? 1 : 0).padEnd(5)} ` +
      `${String(2).padEnd(8)} ${String(nlk?.sk_drops ?? 0).padEnd(8)} ${String(id).padEnd(8)}\n`
    );
  };
  net.kernel.nl_protocols.forEach((cfg, protocol) => {
    if (cfg === undefined) return;
    if (cfg.input !== null) s += line(0, protocol, null);
    for (const nlk of net.nl_table[protocol]?.by_portid.values() ?? []) s += line(nlk.sk_cookie, protocol, nlk);
  });
  return s;
}

/** core_initcall. The kernel's ends register after it. */
export function netlink_proto_init(k: Kernel): void {
  k.nl_protocols = [];
  proto_register(k, netlink_proto);
  sock_register(k, { family: AF_NETLINK, create: netlink_create });
  register_pernet_subsys(k, {
    init(net) {
      net.nl_table ??= [];
    },
  });
  netlink_kernel_create(k, NETLINK_USERSOCK, { groups: 32, input: null });
  genl_init(k);
  proc_create_net(k, "netlink", netlink_seq_show);
}
