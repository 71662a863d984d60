// ping(8) as iputils has it in Debian 12, for IPv4. Read first: ping(8), RFC 792, ip(7) on IP_RECVERR, icmp(7).
// Way in: `ping`; the loop is run(), what arrives goes through receive().

import { EACCES, EAFNOSUPPORT, EAGAIN, EINTR, EMSGSIZE, ENOBUFS, ENOMEM, EPERM, strerror } from "../../uapi/errno.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, POLLIN, SIGALRM, SIGINT, SIGQUIT } from "../../uapi/fcntl.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
} from "../../uapi/ip.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, MsgHdr, Program, Sys } from "../../uapi/sys.ts";
import {
  cmsgs,
  getUint64,
  inetChecksum,
  inetNtoa,
  int32,
  isMulticast,
  msghdr,
  resetMsghdr,
  type SockExtendedErr,
  setUint64,
  sockaddrAddr,
  sockaddrIn,
  sockExtendedErr,
  view,
} from "../lib/inet.ts";
import { print, printError } from "../lib/io.ts";
import { gaiStrerror, nameAndAddress, resolve } from "../lib/resolve.ts";
import { type PingOptions, parseOptions } from "./options.ts";
import { PingStats, replyTime, snapshot, summary } from "./stats.ts";
import { icmpText, quotedHeader, replyOptions, requestOptions } from "./text.ts";

const ICMP_HLEN = 8;
/** Room for the longest IP and ICMP headers around the data. */
const MAX_HEADERS = 136;
/** ms that a probe is waited for where ping sends as replies come. */
const FLOOD_WAIT = 10;
const SO_TIMESTAMP_LEN = 16;

interface Ping {
  sys: Sys;
  o: PingOptions;
  fd: number;
  raw: boolean;
  host: string;
  dest: number;
  destSockaddr: Uint8Array;
  numeric: boolean;
  ident: number;
  timing: boolean;
  stats: PingStats;
  packet: Uint8Array;
  reply: MsgHdr;
  error: MsgHdr;
  interrupted: boolean;
  wantSnapshot: boolean;
  lastRoute: { route: string };
  /** ms between probes; -A changes it. */
  interval: number;
  filtered: boolean;
}

export const ping: Program = function* (sys, argv) {
  const o = parseOptions(argv);
  if ("status" in o) {
    if (o.stdout !== "") yield* print(sys, o.stdout);
    if (o.stderr !== "") yield* printError(sys, o.stderr);
    return o.status;
  }
  if (o.warnings !== "") yield* printError(sys, o.warnings);
  if (o.family === 6) return yield* fail(sys, `socket: ${strerror(EAFNOSUPPORT)}`);

  const [fd, raw] = openSocket(sys, o);
  if (fd < 0) {
    const text = fd === -EPERM || fd === -EACCES ? `${strerror(fd)}` : `socket: ${strerror(fd)}`;
    return yield* fail(sys, text);
  }
  if (o.verbose) {
    const family = o.family === 4 ? "AF_INET" : "AF_UNSPEC";
    const type = raw ? "SOCK_RAW" : "SOCK_DGRAM";
    const text = `sock4.fd: ${fd} (socktype: ${type}), sock6.fd: -1 (socktype: 0), hints.ai_family: ${family}`;
    yield* printError(sys, `ping: ${text}\n\n`);
  }
  const status = yield* pingOn(sys, o, fd, raw);
  sys.close(fd);
  return status;
};

function openSocket(sys: Sys, o: PingOptions): [number, boolean] {
  if (o.ident !== 0) {
    const fd = sys.socket(S.AF_INET, S.SOCK_DGRAM, S.IPPROTO_ICMP);
    if (fd >= 0) return [fd, false];
  }
  return [sys.socket(S.AF_INET, S.SOCK_RAW, S.IPPROTO_ICMP), true];
}

function* fail(sys: Sys, text: string): Blocking<number> {
  yield* printError(sys, `ping: ${text}\n`);
  return 2;
}

function* pingOn(sys: Sys, o: PingOptions, fd: number, raw: boolean): Blocking<number> {
  // tsprespec takes its hops from the words before the destination; other words there would be a source route.
  const target = o.operands[o.operands.length - 1];
  const hops: number[] = [];
  for (const word of o.operands.slice(0, -1)) {
    const found = yield* resolve(sys, word);
    if (typeof found === "number") return yield* fail(sys, `${word}: ${gaiStrerror(found)}`);
    hops.push(found.addrs[0]);
  }
  const found = yield* resolve(sys, target);
  if (typeof found === "number") return yield* fail(sys, `${target}: ${gaiStrerror(found)}`);
  if (o.verbose) yield* print(sys, `ai->ai_family: AF_INET, ai->ai_canonname: '${found.canonname}'\n`);
  if (hops.length > 0 && o.timestamp !== "tsprespec") return yield* fail(sys, `record route: ${strerror(EPERM)}`);

  // 0.0.0.0 means this host.
  const dest = found.addrs[0] === S.INADDR_ANY ? (o.source ?? S.INADDR_LOOPBACK) : found.addrs[0];
  const chosen = yield* chooseSource(sys, o, fd, dest, raw ? 0 : (o.ident ?? 0));
  if (typeof chosen === "number") return chosen;

  const p: Ping = {
    sys,
    o,
    fd,
    raw,
    host: found.canonname,
    dest,
    destSockaddr: sockaddrIn(dest, 0),
    numeric: o.numeric || found.numeric,
    ident: o.ident ?? sys.getpid() & 0xffff,
    timing: o.size >= 16,
    stats: new PingStats(),
    packet: new Uint8Array(ICMP_HLEN + o.size),
    reply: msghdr(new Uint8Array(o.size + MAX_HEADERS), new Uint8Array(128), 512),
    error: msghdr(new Uint8Array(8), new Uint8Array(16), 512),
    interrupted: false,
    wantSnapshot: false,
    lastRoute: { route: "" },
    interval: o.interval,
    filtered: false,
  };
  fillPattern(p);
  const optlen = setOptions(p, hops);
  if (optlen < 0) return yield* fail(sys, `setsockopt: ${strerror(optlen)}`);
  if (!raw) {
    // The kernel chooses the identifier of a ping socket: its "port". With a source, bind() has been called already.
    const name = sockaddrIn(0, o.ident ?? 0);
    const err = chosen.bound ? 0 : sys.bind(fd, name);
    if (err < 0) return yield* fail(sys, `bind: ${strerror(err)}`);
    sys.getsockname(fd, name);
    p.ident = (name[2] << 8) | name[3];
  }
  if (o.connect) {
    const err = yield* sys.connect(fd, p.destSockaddr);
    if (err < 0) return yield* fail(sys, `connect failed: ${strerror(err)}`);
  }

  sys.sigaction(SIGINT, () => (p.interrupted = true));
  sys.sigaction(SIGALRM, () => (p.interrupted = true));
  sys.sigaction(SIGQUIT, () => (p.wantSnapshot = true));

  let head = "";
  if (o.pattern !== undefined && o.pattern.length > 0) head += `PATTERN: 0x${hexBytes(o.pattern)}\n`;
  head += `PING ${p.host} (${inetNtoa(dest)}) `;
  if (o.device !== undefined || chosen.bound) head += `from ${inetNtoa(chosen.source)} ${o.device ?? ""}: `;
  head += `${o.size}(${o.size + ICMP_HLEN + optlen + 20}) bytes of data.\n`;
  yield* print(sys, head);

  yield* run(p);

  yield* print(sys, summary(p.stats, p.host, p.timing, !(o.flood || o.adaptive || o.interval === 0)));
  return p.stats.received === 0 || (o.deadline > 0 && p.stats.received < o.count) ? 1 : 0;
}

/** Asks the routing table which source address it will be, through a UDP socket that sends nothing. */
function* chooseSource(
  sys: Sys,
  o: PingOptions,
  fd: number,
  dest: number,
  port: number,
): Blocking<{ source: number; bound: boolean } | number> {
  const all = o.device === undefined ? [] : [fd];
  const probe = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
  if (probe < 0) return yield* fail(sys, `socket: ${strerror(probe)}`);
  all.push(probe);
  const close = (): void => void sys.close(probe);

  if (o.device !== undefined) {
    const name = Uint8Array.from([...`${o.device}\0`], (c) => c.charCodeAt(0));
    for (const s of all) {
      const err = sys.setsockopt(s, S.SOL_SOCKET, S.SO_BINDTODEVICE, name);
      if (err >= 0) continue;
      close();
      return yield* fail(sys, `SO_BINDTODEVICE ${o.device}: ${strerror(err)}`);
    }
  }
  if (o.source !== undefined) {
    const err = sys.bind(fd, sockaddrIn(o.source, port));
    close();
    if (err < 0) return yield* fail(sys, `bind: ${strerror(err)}`);
    if (isBroadcast(dest) && o.broadcast) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_BROADCAST, 1);
    return { source: o.source, bound: true };
  }

  if (o.tos !== undefined) sys.setsockopt(probe, S.SOL_IP, S.IP_TOS, o.tos);
  if (o.mark !== undefined) sys.setsockopt(probe, S.SOL_SOCKET, S.SO_MARK, o.mark);
  if (o.dontroute) sys.setsockopt(probe, S.SOL_SOCKET, S.SO_DONTROUTE, 1);
  const to = sockaddrIn(dest, 1025);
  let err = yield* sys.connect(probe, to);
  if (err === -EACCES) {
    if (!o.broadcast) {
      close();
      return yield* fail(sys, "Do you want to ping broadcast? Then -b. If not, check your local firewall rules");
    }
    yield* printError(sys, "WARNING: pinging broadcast address\n");
    sys.setsockopt(fd, S.SOL_SOCKET, S.SO_BROADCAST, 1);
    sys.setsockopt(probe, S.SOL_SOCKET, S.SO_BROADCAST, 1);
    err = yield* sys.connect(probe, to);
  }
  // DIFF: ping itself goes on without a source where -r finds no route; its probes then fail in silence.
  if (err < 0 && !o.dontroute) {
    close();
    return yield* fail(sys, `connect: ${strerror(err)}`);
  }
  const name = new Uint8Array(S.SOCKADDR_IN_LEN);
  sys.getsockname(probe, name);
  close();
  const source = sockaddrAddr(name);
  if (o.sticky) {
    err = sys.bind(fd, sockaddrIn(source, port));
    if (err < 0) return yield* fail(sys, `bind: ${strerror(err)}`);
  }
  return { source, bound: o.sticky };
}

function isBroadcast(addr: number): boolean {
  return addr === S.INADDR_BROADCAST || (addr & 255) === 255;
}

function fillPattern(p: Ping): void {
  const { pattern } = p.o;
  for (let i = ICMP_HLEN; i < p.packet.length; i++) {
    const at = i - ICMP_HLEN;
    p.packet[i] = pattern === undefined || pattern.length === 0 ? at & 255 : pattern[at % pattern.length];
  }
}

/** Length of the IP options in each probe, or -errno. */
function setOptions(p: Ping, hops: readonly number[]): number {
  const { sys, o, fd } = p;
  let optlen = 0;
  if (p.raw) setIcmpFilter(p, false);
  sys.setsockopt(fd, S.SOL_IP, S.IP_RECVERR, 1);
  if (!p.raw) {
    sys.setsockopt(fd, S.SOL_IP, S.IP_RECVTTL, 1);
    sys.setsockopt(fd, S.SOL_IP, S.IP_RETOPTS, 1);
  }
  if (o.recordRoute || o.timestamp !== undefined) {
    const bytes = requestOptions(o.recordRoute ? "rr" : o.timestamp!, hops);
    const err = sys.setsockopt(fd, S.SOL_IP, S.IP_OPTIONS, bytes);
    if (err < 0) return err;
    optlen = 40;
  }
  // What one probe takes of the send buffer, headers and bookkeeping included.
  const hold = o.size + ICMP_HLEN + Math.floor((o.size + 511) / 512) * (optlen + 260);
  sys.setsockopt(fd, S.SOL_SOCKET, S.SO_SNDBUF, o.sndbuf ?? hold);
  sys.setsockopt(fd, S.SOL_SOCKET, S.SO_RCVBUF, Math.min(Math.max(hold * o.preload, 65536), 0x3fffffff));
  if (isMulticast(p.dest)) {
    if (o.noLoop) sys.setsockopt(fd, S.SOL_IP, S.IP_MULTICAST_LOOP, 0);
    if (o.ttl !== undefined) sys.setsockopt(fd, S.SOL_IP, S.IP_MULTICAST_TTL, o.ttl);
  }
  if (o.ttl !== undefined) sys.setsockopt(fd, S.SOL_IP, S.IP_TTL, o.ttl);
  if (o.tos !== undefined) sys.setsockopt(fd, S.SOL_IP, S.IP_TOS, o.tos);
  if (o.mark !== undefined) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_MARK, o.mark);
  if (o.pmtudisc !== undefined) sys.setsockopt(fd, S.SOL_IP, S.IP_MTU_DISCOVER, o.pmtudisc);
  if (o.dontroute) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_DONTROUTE, 1);
  if (!o.latency) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_TIMESTAMP, 1);
  return optlen;
}

/** A raw socket sees every ICMP packet: block what is not ours to read; errors about our probes come by the error queue. */
function setIcmpFilter(p: Ping, quiet: boolean): void {
  const pass = [ICMP_ECHOREPLY, ICMP_SOURCE_QUENCH, ICMP_REDIRECT];
  if (!quiet) pass.push(ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB);
  p.sys.setsockopt(p.fd, S.SOL_RAW, S.ICMP_FILTER, int32(~pass.reduce((bits, type) => bits | (1 << type), 0)));
}

function* run(p: Ping): Blocking<void> {
  const { sys, o, stats: s } = p;
  const start = sys.clock_gettime(CLOCK_MONOTONIC);
  const deadline = o.deadline > 0 ? start + o.deadline * 1e9 : Infinity;
  let due = start;
  let burst = o.preload;
  let lingerUntil = Infinity;
  while (!p.interrupted) {
    if (o.count > 0 && s.received + s.errors >= o.count) break;
    if (o.deadline > 0 && s.errors > 0) break;
    if (p.wantSnapshot) {
      p.wantSnapshot = false;
      yield* printError(sys, snapshot(s, p.timing));
    }
    let now = sys.clock_gettime(CLOCK_MONOTONIC);
    if (now >= deadline || now >= lingerUntil) break;
    const more = o.count === 0 || o.deadline > 0 || s.transmitted < o.count;
    const asReplies = p.interval === 0 || o.adaptive;
    if (
      more &&
      (burst > 0 || now >= due || (asReplies && s.transmitted > 0 && s.inFlight() < o.preload && now >= due))
    ) {
      const sent = yield* send(p);
      if (sent && burst > 0) burst--;
      now = sys.clock_gettime(CLOCK_MONOTONIC);
      due = now + (sent && p.interval > 0 ? p.interval : FLOOD_WAIT) * 1e6;
      if (o.count > 0 && o.deadline === 0 && s.transmitted >= o.count) lingerUntil = now + lingerTime(p) * 1e6;
      if (burst > 0) {
        yield* receiveAll(p);
        continue;
      }
    }
    const until = Math.min(deadline, more ? due : Infinity, lingerUntil);
    yield* wait(p, until - now);
    const before = s.received + s.errors;
    yield* receiveAll(p);
    if (s.received + s.errors > before) {
      if (o.adaptive) p.interval = Math.floor(s.rtt / 8 / 1000 + 0.5);
      if (p.interval === 0 && s.inFlight() < o.preload) due = 0;
      if (lingerUntil < Infinity) lingerUntil = s.lastSend + lingerTime(p) * 1e6;
    }
  }
}

/** ms to wait after the last probe: -W until something came, then two round trips. */
function lingerTime(p: Ping): number {
  if (p.stats.received === 0) return p.o.linger === 0 ? Infinity : p.o.linger;
  return Math.max((2 * p.stats.tmax) / 1000, p.o.interval);
}

/** Sleeps until something arrives, an error is queued, a signal comes or the time is over. */
function* wait(p: Ping, ns: number): Blocking<void> {
  const ms = ns === Infinity ? -1 : Math.max(0, Math.ceil(ns / 1e6));
  yield* p.sys.poll([{ fd: p.fd, events: POLLIN, revents: 0 }], ms);
}

/** One probe. False where the queue is full and it must be tried again. */
function* send(p: Ping): Blocking<boolean> {
  const { sys, o, stats: s, packet } = p;
  const seq = (s.transmitted + 1) & 0xffff;
  if (o.outstanding && s.transmitted > 0 && !s.answered(s.transmitted)) {
    yield* print(sys, `${timestamp(p)}no answer yet for icmp_seq=${s.transmitted & 0xffff}\n`);
  }
  s.clearSeq(seq);
  const dv = view(packet);
  packet[0] = ICMP_ECHO;
  dv.setUint16(2, 0);
  dv.setUint16(4, p.ident);
  dv.setUint16(6, seq);
  if (p.timing) {
    const us = Math.floor(sys.clock_gettime(CLOCK_REALTIME) / 1000);
    setUint64(dv, 8, Math.floor(us / 1e6));
    setUint64(dv, 16, us % 1e6);
  }
  dv.setUint16(2, inetChecksum(packet));
  const now = sys.clock_gettime(CLOCK_MONOTONIC);
  const n = yield* sys.sendto(p.fd, packet, 0, o.connect ? null : p.destSockaddr);
  if (n === -EINTR || n === -EAGAIN || n === -ENOBUFS || n === -ENOMEM) return false;
  // Any other refusal counts as sent; the error queue says why, where the kernel explains it.
  s.transmitted++;
  if (s.transmitted === 1) s.firstSend = now;
  s.lastSend = now;
  if (n < 0) yield* receiveError(p);
  else if (o.flood && !o.quiet) yield* print(sys, ".");
  return true;
}

/** Takes everything that has arrived. */
function* receiveAll(p: Ping): Blocking<void> {
  const { sys, stats: s } = p;
  while (!p.interrupted) {
    resetMsghdr(p.reply);
    const n = yield* sys.recvmsg(p.fd, p.reply, S.MSG_DONTWAIT);
    if (n === -EAGAIN || n === -EINTR) return;
    if (n < 0) {
      // The socket has an error pending: its story is in the error queue.
      if (!(yield* receiveError(p))) return;
      if (p.o.count > 0 && s.received + s.errors >= p.o.count) return;
      continue;
    }
    yield* receive(p, n);
    if (p.o.count > 0 && s.received + s.errors >= p.o.count) return;
    if (s.inFlight() === 0 && p.interval === 0) return;
  }
}

/** One entry of the error queue. False when it is empty. */
function* receiveError(p: Ping): Blocking<boolean> {
  const { sys, o, stats: s, error: msg } = p;
  resetMsghdr(msg);
  const n = yield* sys.recvmsg(p.fd, msg, S.MSG_ERRQUEUE | S.MSG_DONTWAIT);
  if (n < 0) return false;
  let e: SockExtendedErr | undefined;
  for (const c of cmsgs(msg)) if (c.level === S.SOL_IP && c.type === S.IP_RECVERR) e = sockExtendedErr(c.data);
  if (e === undefined) return true;
  if (e.ee_origin === S.SO_EE_ORIGIN_LOCAL) {
    s.errors++;
    if (o.quiet) return true;
    if (o.flood) yield* print(sys, "E");
    else if (e.ee_errno !== EMSGSIZE) yield* printError(sys, `ping: local error: ${strerror(e.ee_errno)}\n`);
    else yield* printError(sys, `ping: local error: message too long, mtu=${e.ee_info}\n`);
    return true;
  }
  if (e.ee_origin !== S.SO_EE_ORIGIN_ICMP) return true;
  const quoted = msg.msg_iov[0];
  const dv = view(quoted);
  const ours = n >= 8 && quoted[0] === ICMP_ECHO && sockaddrAddr(msg.msg_name!) === p.dest;
  if (!ours || (p.raw && dv.getUint16(4) !== p.ident)) return true;
  const seq = dv.getUint16(6);
  s.acknowledge(seq);
  if (p.raw && !p.filtered) {
    p.filtered = true;
    setIcmpFilter(p, true);
  }
  s.errors++;
  if (o.quiet) return true;
  if (o.flood) {
    yield* print(sys, "\bE");
    return true;
  }
  const from = yield* nameAndAddress(sys, e.offender ?? 0, p.numeric);
  const text = icmpText(e.ee_type, e.ee_code, e.ee_type === ICMP_PARAMETERPROB ? e.ee_info << 24 : e.ee_info);
  yield* print(sys, `${timestamp(p)}From ${from} icmp_seq=${seq} ${text}\n`);
  return true;
}

/** A packet from the socket: a reply to one of our probes, or a redirect or source quench about one. */
function* receive(p: Ping, n: number): Blocking<void> {
  const { sys, o } = p;
  const bytes = p.reply.msg_iov[0];
  const dv = view(bytes);
  const from = sockaddrAddr(p.reply.msg_name!);
  let at = 0;
  let ttl = -1;
  let stamp = -1;
  let options = new Uint8Array(0);
  const controls = cmsgs(p.reply);
  for (const c of controls) {
    if (c.level === S.SOL_SOCKET && c.type === S.SO_TIMESTAMP && c.data.length >= SO_TIMESTAMP_LEN) {
      stamp = getUint64(view(c.data), 0) * 1e6 + getUint64(view(c.data), 8);
    } else if (c.level === S.SOL_IP && c.type === S.IP_TTL && !p.raw) ttl = view(c.data).getInt32(0, true);
    else if (c.level === S.SOL_IP && c.type === S.IP_RETOPTS && !p.raw) options = c.data.slice();
  }
  if (p.raw) {
    if (n < 20 || (bytes[0] & 15) * 4 + ICMP_HLEN > n) {
      if (o.verbose) yield* printError(sys, `ping: packet too short (${n} bytes) from ${inetNtoa(from)}\n`);
      return;
    }
    at = (bytes[0] & 15) * 4;
    ttl = bytes[8];
    options = bytes.slice(20, at);
  }
  const length = n - at;
  const type = bytes[at];
  if (type === ICMP_ECHOREPLY) {
    if (length < ICMP_HLEN || (p.raw && dv.getUint16(at + 4) !== p.ident)) return;
    yield* gather(p, at, length, ttl, from, stamp, options);
    return;
  }
  if ((type !== ICMP_REDIRECT && type !== ICMP_SOURCE_QUENCH) || !p.raw) return;
  const inner = at + ICMP_HLEN;
  const innerHlen = (bytes[inner] & 15) * 4;
  const quoted = inner + innerHlen;
  if (length < ICMP_HLEN + 20 || quoted + 8 > n || dv.getInt32(inner + 16) !== p.dest) return;
  if (bytes[inner + 9] !== S.IPPROTO_ICMP || bytes[quoted] !== ICMP_ECHO || dv.getUint16(quoted + 4) !== p.ident)
    return;
  const seq = dv.getUint16(quoted + 6);
  p.stats.acknowledge(seq);
  if (o.quiet || o.flood) return;
  const name = yield* nameAndAddress(sys, from, p.numeric);
  let text = `${timestamp(p)}From ${name}: icmp_seq=${seq} ${icmpText(type, bytes[at + 1], dv.getInt32(at + 4))}\n`;
  if (o.verbose) text += quotedHeader(bytes.subarray(0, n), inner);
  yield* print(sys, text);
}

/** Counts a reply and prints its line. */
function* gather(
  p: Ping,
  at: number,
  length: number,
  ttl: number,
  from: number,
  stampUs: number,
  options: Uint8Array,
): Blocking<void> {
  const { sys, o, stats: s } = p;
  const bytes = p.reply.msg_iov[0];
  const dv = view(bytes);
  const seq = dv.getUint16(at + 6);
  s.received++;
  s.acknowledge(seq);
  let us = 0;
  if (p.timing && length >= ICMP_HLEN + 16) {
    const sent = getUint64(dv, at + 8) * 1e6 + getUint64(dv, at + 16);
    const now = (): number => Math.floor(sys.clock_gettime(CLOCK_REALTIME) / 1000);
    us = (o.latency || stampUs < 0 ? now() : stampUs) - sent;
    if (us < 0) {
      yield* printError(sys, `ping: Warning: time of day goes back (${us}us), taking countermeasures\n`);
      us = Math.max(0, now() - sent);
    }
    s.addTime(us);
  }
  const dup = s.markSeq(seq);
  if (dup) {
    s.repeats++;
    s.received--;
  }
  if (o.quiet) return;
  if (o.flood) {
    yield* print(sys, "\b \b");
    return;
  }
  let line = `${timestamp(p)}${length} bytes from ${yield* nameAndAddress(sys, from, p.numeric)}: icmp_seq=${seq}`;
  if (o.verbose) line += ` ident=${p.ident}`;
  if (ttl >= 0) line += ` ttl=${ttl}`;
  if (length < ICMP_HLEN + o.size) {
    yield* print(sys, `${line} (truncated)\n`);
    return;
  }
  if (p.timing) line += ` time=${replyTime(us)} ms`;
  if (dup && (!isMulticast(p.dest) || o.verbose)) line += " (DUP!)";
  if (from !== p.dest && !isMulticast(p.dest) && !o.broadcast) line += " (DIFFERENT ADDRESS!)";
  line += compareData(p, at);
  if (options.length > 0) {
    const names = yield* optionNames(p, options);
    line += replyOptions(options, p.lastRoute, (addr) => names.get(addr) ?? inetNtoa(addr));
  }
  yield* print(sys, `${line}${o.audible ? "\x07" : ""}\n`);
}

/** The complaint about the first byte that came back different, and all of the data. */
function compareData(p: Ping, at: number): string {
  const bytes = p.reply.msg_iov[0];
  const from = p.timing ? 16 : 0;
  for (let i = from; i < p.o.size; i++) {
    const want = p.packet[ICMP_HLEN + i];
    const got = bytes[at + ICMP_HLEN + i];
    if (want === got) continue;
    let text = `\nwrong data byte #${i} should be 0x${want.toString(16)} but was 0x${got.toString(16)}`;
    for (let k = from; k < p.o.size; k++) {
      if ((k - from) % 32 === 0) text += `\n#${k}\t`;
      text += `${bytes[at + ICMP_HLEN + k].toString(16)} `;
    }
    return text;
  }
  return "";
}

/** Names of the addresses that IP options hold, asked before the line is composed. */
function* optionNames(p: Ping, options: Uint8Array): Blocking<Map<number, string>> {
  const names = new Map<number, string>();
  if (p.numeric) return names;
  const addrs: number[] = [];
  replyOptions(options, { route: "" }, (addr) => {
    addrs.push(addr);
    return "";
  });
  for (const addr of addrs) if (!names.has(addr)) names.set(addr, yield* nameAndAddress(p.sys, addr, false));
  return names;
}

function timestamp(p: Ping): string {
  if (!p.o.printTime) return "";
  const us = Math.floor(p.sys.clock_gettime(CLOCK_REALTIME) / 1000);
  return `[${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, "0")}] `;
}

function hexBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
