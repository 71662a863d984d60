// What ss asks of IPv4 sockets: requests, filters as byte code, and the message about one socket. Mirrors net/ipv4/inet_diag.c.
// Read first: sock_diag(7). Way in: inet_diag_init(); inet_diag_register(k, handler) by each protocol; inet_sk_diag_fill().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENOENT, EOPNOTSUPP } from "../../uapi/errno.ts";
import * as D from "../../uapi/inet_diag.ts";
import { NLM_F_DUMP, NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  type NlAttr,
  NlMsgWriter,
  nla_put_u8,
  nla_put_u32,
  nla_reserve,
  nlmsg_end,
  nlmsg_parse,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import { AF_INET, AF_INET6, SOCK_RAW } from "../../uapi/socket.ts";
import {
  type In6Addr,
  in6_addr,
  ipv6_addr_equal,
  ipv6_addr_v4mapped,
  put_in6_addr,
  sk_v6_daddr,
  sk_v6_rcv_saddr,
} from "../core/in6.ts";
import type { Net } from "../core/net_namespace.ts";
import { TCP_CLOSE, TCP_LISTEN } from "../core/sock.ts";
import { sock_diag_put_meminfo, sock_diag_register, sock_diag_save_cookie } from "../core/sock_diag.ts";
import { type NetlinkDump, type NlRequest, netlink_dump_start, nlmsg_unicast } from "../netlink/af_netlink.ts";
import type { InetSock } from "./inet_sock.ts";

/** struct inet_diag_req_v2, and the filter behind it. Ports and addresses in host order and int32. */
export interface InetDiagReq {
  readonly family: number;
  readonly protocol: number;
  /** Bit n-1: attribute n is wanted (INET_DIAG_INFO …). */
  readonly ext: number;
  /** Bit per TCP_* state. */
  readonly states: number;
  readonly sport: number;
  readonly dport: number;
  readonly src: number;
  readonly dst: number;
  readonly src6: In6Addr;
  readonly dst6: In6Addr;
  readonly ifindex: number;
  readonly cookie: number;
  readonly any_cookie: boolean;
  readonly bc: NlAttr | null;
}

/** A protocol of ss. */
export interface InetDiagHandler {
  readonly protocol: number;
  /** All sockets of a namespace, in the order of the protocol's table. */
  sockets(net: Net): Iterable<InetSock>;
  /** idiag_rqueue and idiag_wqueue. */
  queues(sk: InetSock): [number, number];
  /** idiag_timer, idiag_retrans and idiag_expires in ms. */
  timer?(sk: InetSock): [number, number, number];
  /** The protocol's own attributes: INET_DIAG_INFO, CONG … */
  fill_aux?(sk: InetSock, w: NlMsgWriter, ext: number): void;
  /** Instead of sockets(): TCP has request and time-wait sockets too. */
  dump?(req: NlRequest, r: InetDiagReq, w: NlMsgWriter): NetlinkDump;
  /** SOCK_DESTROY. 0 or -errno. */
  destroy?(sk: InetSock): number;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    inet_diag_handlers: Map<number, InetDiagHandler>;
  }
}

/** Protocols may register before inet_diag_init(). */
export function inet_diag_register(k: Kernel, handler: InetDiagHandler): void {
  k.inet_diag_handlers ??= new Map();
  k.inet_diag_handlers.set(handler.protocol, handler);
}

function parse_req(req: NlRequest): InetDiagReq {
  const m = req.msg;
  const dv = m.dv;
  const id = m.off + D.INET_DIAG_REQ_V2_ID;
  const c0 = dv.getUint32(id + 40, true);
  const c1 = dv.getUint32(id + 44, true);
  return {
    family: m.buf[m.off]!,
    protocol: m.buf[m.off + 1]!,
    ext: m.buf[m.off + 2]!,
    states: dv.getUint32(m.off + D.INET_DIAG_REQ_V2_STATES, true) | 0,
    sport: dv.getUint16(id),
    dport: dv.getUint16(id + 2),
    src: dv.getInt32(id + 4),
    dst: dv.getInt32(id + 20),
    src6: in6_addr(m.buf, id + 4),
    dst6: in6_addr(m.buf, id + 20),
    ifindex: dv.getUint32(id + 36, true) | 0,
    cookie: c0 + c1 * 0x100000000,
    any_cookie: c0 === D.INET_DIAG_NOCOOKIE && c1 === D.INET_DIAG_NOCOOKIE,
    bc: nlmsg_parse(m, D.INET_DIAG_REQ_V2_LEN)[D.INET_DIAG_REQ_BYTECODE] ?? null,
  };
}

// --- filters ------------------------------------------------------------------------------------------------------

/** Bytes that an operation takes, 0 when it is malformed; `left` bytes remain. */
function op_len(a: NlAttr, at: number, left: number): number {
  switch (a.buf[at]) {
    case D.INET_DIAG_BC_S_COND:
    case D.INET_DIAG_BC_D_COND: {
      if (left < 12) return 0;
      const family = a.buf[at + 4]!;
      const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
      return a.buf[at + 5]! > size * 8 || left < 12 + size ? 0 : 12 + size;
    }
    case D.INET_DIAG_BC_MARK_COND:
      return left < 12 ? 0 : 12;
    case D.INET_DIAG_BC_DEV_COND:
    case D.INET_DIAG_BC_S_GE:
    case D.INET_DIAG_BC_S_LE:
    case D.INET_DIAG_BC_D_GE:
    case D.INET_DIAG_BC_D_LE:
    case D.INET_DIAG_BC_S_EQ:
    case D.INET_DIAG_BC_D_EQ:
      return left < 8 ? 0 : 8;
    case D.INET_DIAG_BC_AUTO:
    case D.INET_DIAG_BC_JMP:
    case D.INET_DIAG_BC_NOP:
      return 4;
    default:
      return 0;
  }
}

/** Every jump leads to the start of an operation ahead, to the end (accept) or 4 behind it (reject). 0 or -EINVAL. */
function inet_diag_bc_audit(a: NlAttr): number {
  const starts = new Set<number>();
  const jumps: number[] = [];
  let at = 0;
  if (a.len < 4) return -EINVAL;
  while (at < a.len) {
    const left = a.len - at;
    if (left < 4) return -EINVAL;
    const own = op_len(a, a.off + at, left);
    const yes = a.buf[a.off + at + 1]!;
    const no = a.dv.getUint16(a.off + at + 2, true);
    if (own === 0 || yes < own || yes > left + 4 || (yes & 3) !== 0) return -EINVAL;
    starts.add(at);
    jumps.push(at + yes);
    if (a.buf[a.off + at] !== D.INET_DIAG_BC_NOP) {
      if (no < 4 || no > left + 4 || (no & 3) !== 0) return -EINVAL;
      jumps.push(at + no);
    }
    at += own;
  }
  if (at !== a.len) return -EINVAL;
  for (const to of jumps) if (to < a.len && !starts.has(to)) return -EINVAL;
  return 0;
}

function cond_matches(a: NlAttr, at: number, sk: InetSock, source: boolean): boolean {
  const family = a.buf[at + 4]!;
  const prefix = a.buf[at + 5]!;
  const port = a.dv.getInt32(at + 8, true);
  if (port !== -1 && port !== (source ? sk.inet_sport : sk.inet_dport)) return false;
  const addr6 = sk.family === AF_INET6 ? (source ? sk_v6_rcv_saddr(sk) : sk_v6_daddr(sk)) : null;
  // An address of IPv4 is meant by its mapped form as well.
  const mapped = addr6 !== null && family === AF_INET && ipv6_addr_v4mapped(addr6);
  if (family !== 0 && family !== sk.family && !mapped) return false;
  if (prefix === 0 || family === 0) return true;
  if (family === AF_INET6) {
    for (let i = 0, left = prefix; left > 0; i++, left -= 32) {
      const d = a.dv.getInt32(at + 12 + 4 * i) ^ addr6![i]!;
      if (d >>> (left >= 32 ? 0 : 32 - left) !== 0) return false;
    }
    return true;
  }
  const differ = a.dv.getInt32(at + 12) ^ (addr6 !== null ? addr6[3] : source ? sk.inet_rcv_saddr : sk.inet_daddr);
  return differ >>> (32 - prefix) === 0;
}

function op_matches(a: NlAttr, at: number, sk: InetSock): boolean {
  // The port of a comparison is the `no` of the operation behind it.
  const port = (): number => a.dv.getUint16(at + 6, true);
  switch (a.buf[at]) {
    case D.INET_DIAG_BC_JMP:
      return false;
    case D.INET_DIAG_BC_S_EQ:
      return sk.inet_sport === port();
    case D.INET_DIAG_BC_S_GE:
      return sk.inet_sport >= port();
    case D.INET_DIAG_BC_S_LE:
      return sk.inet_sport <= port();
    case D.INET_DIAG_BC_D_EQ:
      return sk.inet_dport === port();
    case D.INET_DIAG_BC_D_GE:
      return sk.inet_dport >= port();
    case D.INET_DIAG_BC_D_LE:
      return sk.inet_dport <= port();
    case D.INET_DIAG_BC_AUTO:
      return (sk.sk_userlocks & 8) === 0;
    case D.INET_DIAG_BC_S_COND:
      return cond_matches(a, at, sk, true);
    case D.INET_DIAG_BC_D_COND:
      return cond_matches(a, at, sk, false);
    case D.INET_DIAG_BC_DEV_COND:
      return sk.sk_bound_dev_if === a.dv.getInt32(at + 4, true);
    case D.INET_DIAG_BC_MARK_COND:
      return (sk.sk_mark & a.dv.getInt32(at + 8, true)) === a.dv.getInt32(at + 4, true);
    default:
      return true;
  }
}

/** Runs an audited filter: jumps only lead forward, so it ends. */
export function inet_diag_bc_sk(bc: NlAttr | null, sk: InetSock): boolean {
  if (bc === null) return true;
  let at = 0;
  while (at < bc.len) {
    const p = bc.off + at;
    at += op_matches(bc, p, sk) ? bc.buf[p + 1]! : bc.dv.getUint16(p + 2, true);
  }
  return at === bc.len;
}

export function inet_diag_wanted(sk: InetSock, r: InetDiagReq): boolean {
  if (sk.family !== r.family) return false;
  if ((r.states & (1 << sk.sk_state)) === 0) return false;
  if (r.sport !== 0 && r.sport !== sk.inet_sport) return false;
  if (r.dport !== 0 && r.dport !== sk.inet_dport) return false;
  return inet_diag_bc_sk(r.bc, sk);
}

// --- one socket ---------------------------------------------------------------------------------------------------

const wants = (ext: number, attr: number): boolean => (ext & (1 << (attr - 1))) !== 0;

/** struct inet_diag_sockopt: bits as x86-64 packs them. */
function put_sockopt(w: NlMsgWriter, sk: InetSock): void {
  const at = nla_reserve(w, D.INET_DIAG_SOCKOPT, 2);
  const bits = [
    sk.recverr,
    sk.is_icsk,
    sk.freebind,
    sk.hdrincl,
    sk.mc_loop,
    sk.transparent,
    sk.mc_all,
    sk.nodefrag,
    sk.bind_address_no_port,
    sk.recverr_rfc4884,
    sk.defer_connect,
  ];
  bits.forEach((on, i) => {
    if (on) w.buf[at + (i >> 3)] = w.buf[at + (i >> 3)]! | (1 << (i & 7));
  });
}

/** Writes struct inet_diag_sockid at `at`. */
export function inet_diag_put_id(w: NlMsgWriter, at: number, sk: InetSock): void {
  w.dv.setUint16(at, sk.inet_sport);
  w.dv.setUint16(at + 2, sk.inet_dport);
  if (sk.family === AF_INET6) {
    put_in6_addr(w.dv, at + 4, sk_v6_rcv_saddr(sk));
    put_in6_addr(w.dv, at + 20, sk_v6_daddr(sk));
  } else {
    w.dv.setInt32(at + 4, sk.inet_rcv_saddr);
    w.dv.setInt32(at + 20, sk.inet_daddr);
  }
  w.dv.setUint32(at + 36, sk.sk_bound_dev_if, true);
  sock_diag_save_cookie(w, at + 40, sk);
}

/** Appends the message about a full socket. */
export function inet_sk_diag_fill(
  w: NlMsgWriter,
  sk: InetSock,
  handler: InetDiagHandler,
  req: NlRequest,
  r: InetDiagReq,
  flags: number,
): void {
  const at = nlmsg_put(w, D.SOCK_DIAG_BY_FAMILY, flags, req.msg.seq, req.portid, D.INET_DIAG_MSG_LEN);
  const [rqueue, wqueue] = handler.queues(sk);
  const [timer, retrans, expires] = handler.timer?.(sk) ?? [0, 0, 0];
  w.buf[at] = sk.family;
  w.buf[at + 1] = sk.sk_state;
  w.buf[at + 2] = timer;
  w.buf[at + 3] = retrans;
  inet_diag_put_id(w, at + D.INET_DIAG_MSG_ID, sk);
  w.dv.setUint32(at + D.INET_DIAG_MSG_EXPIRES, expires, true);
  w.dv.setUint32(at + D.INET_DIAG_MSG_RQUEUE, Math.max(0, rqueue), true);
  w.dv.setUint32(at + D.INET_DIAG_MSG_WQUEUE, Math.max(0, wqueue), true);
  w.dv.setUint32(at + D.INET_DIAG_MSG_UID, sk.sk_uid, true);
  // The number that /proc/net shows as the inode; a connection that no program has (yet, or any more) has none.
  w.dv.setUint32(at + D.INET_DIAG_MSG_INODE, sk.sk_socket !== null ? sk.sk_cookie >>> 0 : 0, true);
  nla_put_u8(w, D.INET_DIAG_SHUTDOWN, sk.sk_shutdown);
  if (wants(r.ext, D.INET_DIAG_TOS)) nla_put_u8(w, D.INET_DIAG_TOS, sk.tos);
  if (sk.pinet6 !== null) {
    if (wants(r.ext, D.INET_DIAG_TCLASS)) nla_put_u8(w, D.INET_DIAG_TCLASS, sk.pinet6.tclass);
    if (sk.sk_state === TCP_LISTEN || sk.sk_state === TCP_CLOSE)
      nla_put_u8(w, D.INET_DIAG_SKV6ONLY, sk.pinet6.ipv6only ? 1 : 0);
  }
  nla_put_u32(w, D.INET_DIAG_MARK, sk.sk_mark);
  put_sockopt(w, sk);
  if (wants(r.ext, D.INET_DIAG_MEMINFO)) {
    const p = nla_reserve(w, D.INET_DIAG_MEMINFO, 16);
    w.dv.setUint32(p, sk.sk_rmem_alloc, true);
    w.dv.setUint32(p + 4, (sk as InetSock & { sk_wmem_queued?: number }).sk_wmem_queued ?? 0, true);
    w.dv.setUint32(p + 8, sk.sk_forward_alloc, true);
    w.dv.setUint32(p + 12, sk.sk_wmem_alloc, true);
  }
  if (wants(r.ext, D.INET_DIAG_SKMEMINFO)) sock_diag_put_meminfo(w, D.INET_DIAG_SKMEMINFO, sk);
  if (sk.sk_type === SOCK_RAW) nla_put_u8(w, D.INET_DIAG_PROTOCOL, sk.sk_protocol & 0xff);
  handler.fill_aux?.(sk, w, r.ext);
  nlmsg_end(w);
}

// --- requests -----------------------------------------------------------------------------------------------------

function* inet_diag_dump(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const r = parse_req(req);
  const handler = req.net.kernel.inet_diag_handlers.get(r.protocol);
  if (handler === undefined) return -ENOENT;
  if (handler.dump) return yield* handler.dump(req, r, w);
  for (const sk of [...handler.sockets(req.net)]) {
    // Closed while the reader was away?
    if (sk.sk_refcnt === 0 || !inet_diag_wanted(sk, r)) continue;
    inet_sk_diag_fill(w, sk, handler, req, r, NLM_F_MULTI);
    yield;
  }
  return 0;
}

function find_exact(net: Net, handler: InetDiagHandler, r: InetDiagReq): InetSock | null {
  for (const sk of handler.sockets(net)) {
    if (sk.family !== r.family || sk.inet_sport !== r.sport || sk.inet_dport !== r.dport) continue;
    if (sk.family === AF_INET6) {
      if (!ipv6_addr_equal(sk_v6_rcv_saddr(sk), r.src6) || !ipv6_addr_equal(sk_v6_daddr(sk), r.dst6)) continue;
    } else if (sk.inet_rcv_saddr !== r.src || sk.inet_daddr !== r.dst) continue;
    if (r.ifindex !== 0 && sk.sk_bound_dev_if !== r.ifindex) continue;
    if (r.any_cookie || r.cookie === sk.sk_cookie) return sk;
  }
  return null;
}

function inet_diag_handler_cmd(req: NlRequest): number {
  const m = req.msg;
  if (m.len < D.INET_DIAG_REQ_V2_LEN) return -EINVAL;
  const r = parse_req(req);
  if (m.type === D.SOCK_DIAG_BY_FAMILY && (m.flags & NLM_F_DUMP) !== 0) {
    const err = r.bc !== null ? inet_diag_bc_audit(r.bc) : 0;
    return err < 0 ? req.bad(r.bc ?? undefined, "", err) : netlink_dump_start(req, inet_diag_dump);
  }
  const handler = req.net.kernel.inet_diag_handlers.get(r.protocol);
  const sk = handler !== undefined ? find_exact(req.net, handler, r) : null;
  if (handler === undefined || sk === null) return -ENOENT;
  if (m.type === D.SOCK_DESTROY) return handler.destroy ? handler.destroy(sk) : -EOPNOTSUPP;
  const w = new NlMsgWriter(512);
  inet_sk_diag_fill(w, sk, handler, req, r, 0);
  return nlmsg_unicast(req, w);
}

export function inet_diag_init(k: Kernel): void {
  k.inet_diag_handlers ??= new Map();
  sock_diag_register(k, AF_INET, inet_diag_handler_cmd);
  sock_diag_register(k, AF_INET6, inet_diag_handler_cmd);
}
