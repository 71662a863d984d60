// arping(8) of iputils: asks for an IPv4 address by ARP, over a packet socket. Read first: arping(8), RFC 826, RFC 5227.
// Way in: `arping`.

import { EAGAIN, EINTR, strerror } from "../../uapi/errno.ts";
import { CLOCK_MONOTONIC, POLLIN, SIGINT } from "../../uapi/fcntl.ts";
import * as F from "../../uapi/if.ts";
import { ETH_P_ARP, ETH_P_IP } from "../../uapi/ip.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { ifreq, inetAton, inetNtoa, sockaddrAddr, sockaddrIn, view } from "../lib/inet.ts";
import { print, printError } from "../lib/io.ts";
import { gaiStrerror, resolve } from "../lib/resolve.ts";
import { readStats } from "../net-tools/interfaces.ts";
import { ARPING_USAGE, ARPING_VERSION } from "./usage.ts";

const ARP_LEN = 28;
const SLL_IFINDEX = 4;
const SLL_PKTTYPE = 10;
const SLL_HALEN = 11;
const SLL_ADDR = 12;

interface Arping {
  sys: Sys;
  fd: number;
  ifindex: number;
  own: Uint8Array;
  /** Where probes go: everyone, then the one that answered. */
  to: Uint8Array;
  source: number;
  dest: number;
  advert: boolean;
  dad: boolean;
  unsolicited: boolean;
  keepBroadcast: boolean;
  quiet: boolean;
  sent: number;
  broadcasts: number;
  received: number;
  lastSend: number;
}

export const arping: Program = function* (sys, argv) {
  const o = getopt(argv, "h?bfDUAqc:w:i:s:I:V");
  const fail = function* (text: string, status = 2): Blocking<number> {
    yield* printError(sys, `arping: ${text}\n`);
    return status;
  };
  if (o.error !== undefined || o.has("h") || o.has("?")) {
    yield* printError(sys, `${o.error === undefined ? "" : `${o.error}\n`}${ARPING_USAGE}`);
    return 2;
  }
  if (o.has("V")) {
    yield* print(sys, ARPING_VERSION);
    return 0;
  }
  for (const { name, value } of o.list) {
    if (!"cwi".includes(name)) continue;
    if (!/^[-+]?\d+$/.test(value!)) return yield* fail(`invalid argument: '${value}'`, 1);
    const [min, max] = name === "c" ? ["1", "9223372036854775807"] : ["0", "2147483647"];
    if (Number(value) < Number(min)) {
      return yield* fail(`invalid argument: '${value}': out of range: ${min} <= value <= ${max}`, 1);
    }
  }
  if (o.operands.length !== 1) {
    yield* printError(sys, ARPING_USAGE);
    return 2;
  }
  const target = o.operands[0];

  const packet = sys.socket(S.AF_PACKET, S.SOCK_DGRAM, 0);
  if (packet < 0) return yield* fail(`socket: ${strerror(packet)}`);
  const device = o.get("I");
  const udp = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
  if (device !== undefined) {
    const ifr = ifreq(device);
    const err = sys.ioctl(udp, F.SIOCGIFFLAGS, ifr);
    if (err < 0) return yield* fail(`Device ${device} not available.`);
    const flags = view(ifr).getUint16(F.IFREQ_DATA, true);
    if ((flags & F.IFF_UP) === 0) return yield* fail(`Interface "${device}" is down`);
    if (flags & (F.IFF_NOARP | F.IFF_LOOPBACK)) {
      yield* print(sys, `Interface "${device}" is not ARPable\n`);
      return o.has("D") ? 0 : 2;
    }
  }
  const found = yield* resolve(sys, target);
  if (typeof found === "number") return yield* fail(`${target}: ${gaiStrerror(found)}`);
  const dest = found.addrs[0];

  const chosen = yield* chooseSource(sys, udp, device, dest, o.get("s"), o.has("D"), o.has("U") || o.has("A"));
  sys.close(udp);
  if (typeof chosen === "string") return yield* fail(chosen);

  const name = new Uint8Array(S.SOCKADDR_LL_LEN);
  const dv = view(name);
  dv.setUint16(0, S.AF_PACKET, true);
  dv.setUint16(2, ETH_P_ARP);
  dv.setInt32(SLL_IFINDEX, chosen.ifindex, true);
  const err = sys.bind(packet, name);
  if (err < 0) return yield* fail(`bind: ${strerror(err)}`);
  sys.getsockname(packet, name);
  if (name[SLL_HALEN] !== 6) return yield* fail(`Interface "${chosen.device}" is not ARPable (no ll address)`);

  const a: Arping = {
    sys,
    fd: packet,
    ifindex: chosen.ifindex,
    own: name.slice(SLL_ADDR, SLL_ADDR + 6),
    to: new Uint8Array(6).fill(0xff),
    source: chosen.source,
    dest,
    advert: o.has("A"),
    dad: o.has("D"),
    unsolicited: o.has("U") || o.has("A"),
    keepBroadcast: o.has("b"),
    quiet: o.has("q"),
    sent: 0,
    broadcasts: 0,
    received: 0,
    lastSend: 0,
  };
  if (!a.quiet) yield* print(sys, `ARPING ${inetNtoa(dest)} from ${inetNtoa(a.source)} ${chosen.device}\n`);
  yield* run(a, Number(o.get("c") ?? 0), Number(o.get("w") ?? 0), Number(o.get("i") ?? 1), o.has("f"));
  sys.close(packet);
  if (!a.quiet) {
    yield* print(sys, `Sent ${a.sent} probes (${a.broadcasts} broadcast(s))\nReceived ${a.received} response(s)\n`);
  }
  if (a.dad) return a.received > 0 ? 1 : 0;
  return a.unsolicited || a.received > 0 ? 0 : 1;
};

interface Chosen {
  device: string;
  ifindex: number;
  source: number;
}

/** The interface and source address, or what is wrong. */
function* chooseSource(
  sys: Sys,
  udp: number,
  device: string | undefined,
  dest: number,
  sourceText: string | undefined,
  dad: boolean,
  unsolicited: boolean,
): Blocking<Chosen | string> {
  let source = sourceText === undefined ? undefined : inetAton(sourceText);
  if (sourceText !== undefined && source === undefined) return `invalid source ${sourceText}`;
  if (unsolicited && source === undefined) source = dest;
  if (device !== undefined) {
    const name = Uint8Array.from([...`${device}\0`], (c) => c.charCodeAt(0));
    sys.setsockopt(udp, S.SOL_SOCKET, S.SO_BINDTODEVICE, name);
  }
  if (source !== undefined) {
    const err = sys.bind(udp, sockaddrIn(source, 0));
    if (err < 0) return `bind: ${strerror(err)}`;
  } else if (dad) source = S.INADDR_ANY;
  let routed = source ?? S.INADDR_ANY;
  if (source === undefined || device === undefined) {
    sys.setsockopt(udp, S.SOL_SOCKET, S.SO_DONTROUTE, 1);
    const err = yield* sys.connect(udp, sockaddrIn(dest, 1025));
    if (err < 0) return device === undefined ? `connect: ${strerror(err)}` : `connect: ${strerror(err)}`;
    const name = new Uint8Array(S.SOCKADDR_IN_LEN);
    sys.getsockname(udp, name);
    routed = sockaddrAddr(name);
  }
  const found = device ?? (yield* deviceOf(sys, udp, routed));
  if (found === undefined) return "Suitable device could not be determined. Please, use option -I.";
  const ifr = ifreq(found);
  const err = sys.ioctl(udp, F.SIOCGIFINDEX, ifr);
  if (err < 0) return `Device ${found} not available.`;
  return { device: found, ifindex: view(ifr).getInt32(F.IFREQ_DATA, true), source: source ?? routed };
}

/** The interface that has the address. */
function* deviceOf(sys: Sys, fd: number, addr: number): Blocking<string | undefined> {
  for (const name of (yield* readStats(sys)).keys()) {
    const ifr = ifreq(name);
    if (sys.ioctl(fd, F.SIOCGIFADDR, ifr) >= 0 && view(ifr).getInt32(F.IFREQ_DATA + 4) === addr) return name;
  }
  return undefined;
}

function* run(a: Arping, count: number, deadline: number, interval: number, quitOnFirst: boolean): Blocking<void> {
  const { sys } = a;
  let interrupted = false;
  sys.sigaction(SIGINT, () => (interrupted = true));
  const start = sys.clock_gettime(CLOCK_MONOTONIC);
  const end = deadline > 0 ? start + deadline * 1e9 : Infinity;
  let due = start;
  while (!interrupted) {
    const now = sys.clock_gettime(CLOCK_MONOTONIC);
    if (now >= end) return;
    if (now >= due) {
      if (count > 0 && a.sent >= count) return;
      yield* send(a);
      due = now + Math.max(interval, 0.001) * 1e9;
    }
    const wait = Math.ceil((Math.min(due, end) - sys.clock_gettime(CLOCK_MONOTONIC)) / 1e6);
    const n = yield* sys.poll([{ fd: a.fd, events: POLLIN, revents: 0 }], Math.max(0, wait));
    if (n <= 0) continue;
    yield* receive(a);
    if (quitOnFirst && a.received > 0) return;
    if (a.dad && a.received > 0) return;
  }
}

function* send(a: Arping): Blocking<void> {
  const bytes = new Uint8Array(ARP_LEN);
  const dv = view(bytes);
  dv.setUint16(0, F.ARPHRD_ETHER);
  dv.setUint16(2, ETH_P_IP);
  bytes[4] = 6;
  bytes[5] = 4;
  dv.setUint16(6, a.advert ? F.ARPOP_REPLY : F.ARPOP_REQUEST);
  bytes.set(a.own, 8);
  dv.setInt32(14, a.source);
  bytes.set(a.advert ? a.own : a.to, 18);
  dv.setInt32(24, a.dest);
  const sa = new Uint8Array(S.SOCKADDR_LL_LEN);
  const sv = view(sa);
  sv.setUint16(0, S.AF_PACKET, true);
  sv.setUint16(2, ETH_P_ARP);
  sv.setInt32(SLL_IFINDEX, a.ifindex, true);
  sv.setUint16(8, F.ARPHRD_ETHER, true);
  sa[SLL_HALEN] = 6;
  sa.set(a.to, SLL_ADDR);
  a.lastSend = a.sys.clock_gettime(CLOCK_MONOTONIC);
  const n = yield* a.sys.sendto(a.fd, bytes, 0, sa);
  if (n !== ARP_LEN) return;
  a.sent++;
  if (a.to[0] & 1) a.broadcasts++;
}

function* receive(a: Arping): Blocking<void> {
  const buf = new Uint8Array(4096);
  const from = new Uint8Array(S.SOCKADDR_LL_LEN);
  for (;;) {
    const n = yield* a.sys.recvfrom(a.fd, buf, S.MSG_DONTWAIT, from);
    if (n === -EAGAIN || n === -EINTR || n < 0) return;
    yield* answer(a, buf.subarray(0, n), from);
  }
}

/** A packet that answers the probe, by RFC 826; or with -D one that claims the address, by RFC 5227 §2.1.1. */
function* answer(a: Arping, bytes: Uint8Array, from: Uint8Array): Blocking<void> {
  if (bytes.length < ARP_LEN || bytes[4] !== 6 || bytes[5] !== 4) return;
  const dv = view(bytes);
  const op = dv.getUint16(6);
  if (op !== F.ARPOP_REQUEST && op !== F.ARPOP_REPLY) return;
  const kind = from[SLL_PKTTYPE];
  if (kind !== S.PACKET_HOST && kind !== S.PACKET_BROADCAST && kind !== S.PACKET_MULTICAST) return;
  const sha = bytes.slice(8, 14);
  const spa = dv.getInt32(14);
  const own = sha.every((b, i) => b === a.own[i]);
  if (spa !== a.dest) return;
  if (a.dad) {
    if (own) return;
  } else if (dv.getInt32(24) !== a.source || !bytes.subarray(18, 24).every((b, i) => b === a.own[i])) return;
  a.received++;
  if (!a.quiet) {
    const mac = Array.from(sha, (b) => b.toString(16).toUpperCase().padStart(2, "0")).join(":");
    let text = `${kind === S.PACKET_HOST ? "Unicast" : "Broadcast"} ${op === F.ARPOP_REPLY ? "reply" : "request"}`;
    text += ` from ${inetNtoa(spa)} [${mac}]`;
    const us = Math.floor((a.sys.clock_gettime(CLOCK_MONOTONIC) - a.lastSend) / 1000);
    text += a.lastSend > 0 ? `  ${Math.floor(us / 1000)}.${String(us % 1000).padStart(3, "0")}ms\n` : " UNSOLICITED?\n";
    yield* print(a.sys, text);
  }
  if (!a.keepBroadcast) a.to = sha;
}
