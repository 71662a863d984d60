// The netlink socket of a program: requests, dumps, acknowledgements with extended errors, and the map of interface names.
// Read first: netlink(7), uapi/nlattr.ts. Way in: `const rtnl = openNetlink(ctx)`, `yield* rtnl.talk(w)`, `yield* rtnl.dump(w)`.

import { EINTR, strerror } from "../../uapi/errno.ts";
import { IFINFOMSG_LEN, IFLA_ALT_IFNAME, IFLA_EXT_MASK, IFLA_IFNAME } from "../../uapi/if_link.ts";
import {
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MSG,
  SOCKADDR_NL_LEN,
} from "../../uapi/netlink.ts";
import type { NlAttrs, NlMsg } from "../../uapi/nlattr.ts";
import {
  NlMsgWriter,
  nla_align,
  nla_get_string,
  nla_parse,
  nla_put_string,
  nla_put_u32,
  nlmsg_bytes,
  nlmsg_end,
  nlmsg_for_each,
  nlmsg_parse,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import { RTEXT_FILTER_SKIP_STATS, RTEXT_FILTER_VF, RTM_GETLINK, RTM_NEWLINK } from "../../uapi/rtnetlink.ts";
import {
  AF_NETLINK,
  SO_RCVBUF,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from "../../uapi/socket.ts";
import type { Blocking, MsgHdr } from "../../uapi/sys.ts";
import type { Context } from "./context.ts";
import { Exit } from "./context.ts";

const RECEIVE_BUFFER = 65536;

/** What an acknowledgement said: errno (0 is success) and the kernel's words, if any. */
export interface Ack {
  errno: number;
  message: string;
}

export class Netlink {
  readonly ctx: Context;
  readonly fd: number;
  private seq: number;
  private readonly buf = new Uint8Array(RECEIVE_BUFFER);
  /** The message of the last dump's end, for programs that word errors themselves. */
  lastAck: Ack = { errno: 0, message: "" };
  private readonly names = new Map<number, string>();
  private readonly indexes = new Map<string, number>();
  readonly links = new Map<number, LinkInfo>();

  constructor(ctx: Context, fd: number) {
    this.ctx = ctx;
    this.fd = fd;
    this.seq = Math.floor(ctx.sys.clock_gettime(0) / 1e9);
  }

  /** Starts a request with a zeroed family header, whose offset is the writer's `msg` + 16. */
  request(type: number, flags: number, headerLength: number): NlMsgWriter {
    const w = new NlMsgWriter();
    nlmsg_put(w, type, flags | NLM_F_REQUEST, 0, 0, headerLength);
    return w;
  }
  nextSequence(): number {
    return ++this.seq;
  }

  private *sendRequest(w: NlMsgWriter, flags: number): Blocking<number> {
    const at = w.msg + 6;
    w.dv.setUint16(at, w.dv.getUint16(at, true) | flags, true);
    w.dv.setUint32(at + 2, ++this.seq, true);
    nlmsg_end(w);
    return yield* this.send(w);
  }

  /** Sends what the writer holds, as it is. */
  *send(w: NlMsgWriter): Blocking<number> {
    const msg = header(nlmsg_bytes(w));
    return yield* this.ctx.sys.sendmsg(this.fd, msg, 0);
  }

  /** One datagram of messages. */
  *receive(): Blocking<NlMsg[]> {
    for (;;) {
      const n = yield* this.ctx.sys.recvmsg(this.fd, header(this.buf), 0);
      if (n === -EINTR) continue;
      if (n < 0) this.ctx.fail(`netlink receive error ${strerror(n)} (${-n})\n`, 2);
      if (n === 0) this.ctx.fail("EOF on netlink\n", 2);
      return nlmsg_for_each(this.buf.slice(0, n));
    }
  }

  /** Sends a change and waits for its acknowledgement; reports an error and returns whether it went well. */
  *talk(w: NlMsgWriter): Blocking<boolean> {
    const ack = yield* this.acknowledge(w);
    this.report(ack);
    return ack.errno === 0;
  }

  /** As talk, but silent. */
  *acknowledge(w: NlMsgWriter): Blocking<Ack> {
    const sent = yield* this.sendRequest(w, NLM_F_ACK);
    if (sent < 0) return { errno: -sent, message: "" };
    for (;;) {
      for (const m of yield* this.receive()) {
        if (m.seq !== this.seq || m.type !== NLMSG_ERROR) continue;
        return parseAck(m);
      }
    }
  }

  /** Sends a question with one answer: the message, or undefined after an error, which is reported unless `quiet`. */
  *ask(w: NlMsgWriter, quiet = false): Blocking<NlMsg | undefined> {
    const sent = yield* this.sendRequest(w, 0);
    if (sent < 0) {
      if (!quiet) this.report({ errno: -sent, message: "" });
      return undefined;
    }
    for (;;) {
      for (const m of yield* this.receive()) {
        if (m.seq !== this.seq) continue;
        if (m.type !== NLMSG_ERROR) return m;
        const ack = parseAck(m);
        if (!quiet) this.report(ack);
        return undefined;
      }
    }
  }

  /** All messages of a dump. An error is reported as iproute2 does, unless `quiet` or the errno that is `forgiven`. */
  *dump(w: NlMsgWriter, quiet = false, forgiven = 0, what = "Dump"): Blocking<NlMsg[]> {
    this.lastAck = { errno: 0, message: "" };
    const out: NlMsg[] = [];
    const sent = yield* this.sendRequest(w, NLM_F_DUMP);
    if (sent < 0) {
      this.lastAck = { errno: -sent, message: "" };
      if (!quiet) this.ctx.fail(`Cannot send dump request: ${strerror(sent)}\n`, 1);
      return out;
    }
    let interrupted = false;
    for (;;) {
      for (const m of yield* this.receive()) {
        if (m.seq !== this.seq) continue;
        if ((m.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (m.type === NLMSG_DONE || m.type === NLMSG_ERROR) {
          const ack = m.type === NLMSG_ERROR ? parseAck(m) : parseDone(m);
          this.lastAck = ack;
          if (ack.errno === forgiven) ack.errno = 0;
          if (ack.errno !== 0 && !quiet) {
            this.report(ack);
            this.ctx.error(`${what} terminated\n`);
            this.dumpFailed = true;
          }
          if (interrupted) this.ctx.error("Dump was interrupted and may be inconsistent.\n");
          return out;
        }
        out.push(m);
      }
    }
  }
  dumpFailed = false;

  /** Dumps, and ends the program with status 1 after a reported error. */
  *dumpOrExit(w: NlMsgWriter, status = 1, forgiven = 0, what = "Dump"): Blocking<NlMsg[]> {
    const out = yield* this.dump(w, false, forgiven, what);
    if (this.lastAck.errno !== 0) throw new Exit(status);
    return out;
  }

  report(ack: Ack): void {
    if (ack.message !== "") {
      const dot = /[.\n]$/.test(ack.message) ? "" : ".";
      this.ctx.error(`${ack.errno === 0 ? "Warning" : "Error"}: ${ack.message}${dot}\n`);
    } else if (ack.errno !== 0) this.ctx.error(`RTNETLINK answers: ${strerror(ack.errno)}\n`);
  }

  // --- interface names -----------------------------------------------------------------------------------------

  /** Learns from a RTM_NEWLINK. */
  remember(m: NlMsg): void {
    if (m.type !== RTM_NEWLINK || m.len < IFINFOMSG_LEN) return;
    const name = nla_get_string(nlmsg_parse(m, IFINFOMSG_LEN)[IFLA_IFNAME]);
    const index = m.dv.getInt32(m.off + 4, true);
    if (name === "") return;
    this.names.set(index, name);
    this.indexes.set(name, index);
    this.links.set(index, { type: m.dv.getUint16(m.off + 2, true), flags: m.dv.getUint32(m.off + 8, true) });
  }
  forget(index: number): void {
    const name = this.names.get(index);
    this.names.delete(index);
    this.links.delete(index);
    if (name !== undefined) this.indexes.delete(name);
  }

  /** Learns all interfaces at once. */
  *initMap(): Blocking<void> {
    if (this.mapped) return;
    this.mapped = true;
    const w = this.request(RTM_GETLINK, 0, IFINFOMSG_LEN);
    nla_put_u32(w, IFLA_EXT_MASK, RTEXT_FILTER_VF);
    for (const m of yield* this.dump(w, true)) this.remember(m);
  }
  private mapped = false;

  *indexToName(index: number): Blocking<string> {
    if (index === 0) return "*";
    const known = this.names.get(index);
    if (known !== undefined) return known;
    yield* this.learn(index, undefined);
    return this.names.get(index) ?? `if${index}`;
  }
  nameIfKnown(index: number): string | undefined {
    return this.names.get(index);
  }

  /** 0 when there is no such device. */
  *nameToIndex(name: string): Blocking<number> {
    const known = this.indexes.get(name);
    if (known !== undefined) return known;
    yield* this.learn(0, name);
    const found = this.indexes.get(name);
    if (found !== undefined) return found;
    const m = /^if([1-9][0-9]*)$/.exec(name);
    return m === null ? 0 : Number(m[1]);
  }

  private *learn(index: number, name: string | undefined): Blocking<void> {
    const w = this.request(RTM_GETLINK, 0, IFINFOMSG_LEN);
    w.dv.setInt32(w.msg + 16 + 4, index, true);
    nla_put_u32(w, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
    if (name !== undefined) nla_put_string(w, name.length < 16 ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
    const m = yield* this.ask(w, true);
    if (m === undefined) return;
    this.remember(m);
    if (name !== undefined && !this.indexes.has(name) && m.len >= IFINFOMSG_LEN)
      this.indexes.set(name, m.dv.getInt32(m.off + 4, true));
  }

  close(): void {
    this.ctx.sys.close(this.fd);
  }
}

export interface LinkInfo {
  type: number;
  flags: number;
}

function header(iov: Uint8Array): MsgHdr {
  const name = new Uint8Array(SOCKADDR_NL_LEN);
  name[0] = AF_NETLINK;
  return {
    msg_name: name,
    msg_namelen: SOCKADDR_NL_LEN,
    msg_iov: [iov],
    msg_control: null,
    msg_controllen: 0,
    msg_flags: 0,
  };
}

function parseAck(m: NlMsg): Ack {
  if (m.len < 4) return { errno: 1, message: "" };
  const errno = -m.dv.getInt32(m.off, true);
  let message = "";
  if ((m.flags & NLM_F_ACK_TLVS) !== 0 && m.len >= 20) {
    // The failed request follows its header in full unless the answer is capped.
    let skip = 20;
    if ((m.flags & NLM_F_CAPPED) === 0) skip += nla_align(Math.max(0, m.dv.getUint32(m.off + 4, true) - 16));
    if (skip <= m.len) message = attrMessage(nla_parse(m.buf, m.dv, m.off + skip, m.len - skip));
  }
  return { errno, message };
}

function parseDone(m: NlMsg): Ack {
  if (m.len < 4) return { errno: 0, message: "" };
  const errno = -m.dv.getInt32(m.off, true);
  const message =
    (m.flags & (NLM_F_ACK_TLVS | NLM_F_MULTI)) > NLM_F_MULTI
      ? attrMessage(nla_parse(m.buf, m.dv, m.off + 4, m.len - 4))
      : "";
  return { errno: Math.max(0, errno), message };
}

const attrMessage = (tb: NlAttrs): string => nla_get_string(tb[NLMSGERR_ATTR_MSG]);

/** Opens a socket of a netlink protocol, bound, with extended acknowledgements and strict checking. */
export function openNetlink(ctx: Context, protocol = NETLINK_ROUTE, groups = 0): Netlink {
  const sys = ctx.sys;
  const fd = sys.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) ctx.fail(`Cannot open netlink socket: ${strerror(fd)}\n`, 1);
  sys.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, 32768);
  sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 1024 * 1024);
  sys.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  const addr = new Uint8Array(SOCKADDR_NL_LEN);
  const dv = new DataView(addr.buffer);
  dv.setUint16(0, AF_NETLINK, true);
  dv.setUint32(8, groups, true);
  const err = sys.bind(fd, addr);
  if (err < 0) ctx.fail(`Cannot bind netlink socket: ${strerror(err)}\n`, 1);
  if (protocol === NETLINK_ROUTE) sys.setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  return new Netlink(ctx, fd);
}
