// Interfaces as ifconfig and `netstat -i` see them: ioctls for the settings, /proc/net/dev for the counters.
// Read first: netdevice(7). Way in: `yield* listInterfaces(sys, fd)`, describe(), tableRow().

import * as F from "../../uapi/if.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { cstring, getUint64, ifreq, inetNtoa, macNtoa, view } from "../lib/inet.ts";
import { readFile } from "../lib/io.ts";

export interface Interface {
  name: string;
  flags: number;
  mtu: number;
  metric: number;
  hwType: number;
  hwAddr: Uint8Array;
  txqueuelen: number;
  map: { memStart: number; memEnd: number; base: number; irq: number; dma: number };
  addr: number | undefined;
  dstaddr: number;
  broadaddr: number;
  netmask: number;
  /** The sixteen columns of /proc/net/dev; undefined for an alias. */
  stats: number[] | undefined;
}

const RX_BYTES = 0;
const RX_PACKETS = 1;
const RX_ERRORS = 2;
const RX_DROPPED = 3;
const RX_FIFO = 4;
const RX_FRAME = 5;
const TX_BYTES = 8;
const TX_PACKETS = 9;
const TX_ERRORS = 10;
const TX_DROPPED = 11;
const TX_FIFO = 12;
const TX_COLLISIONS = 13;
const TX_CARRIER = 14;

export function* readStats(sys: Sys): Blocking<Map<string, number[]>> {
  const stats = new Map<string, number[]>();
  const text = yield* readFile(sys, "/proc/net/dev");
  if (typeof text === "number") return stats;
  for (const line of text.split("\n").slice(2)) {
    const colon = line.lastIndexOf(":");
    if (colon < 0) continue;
    stats.set(
      line.slice(0, colon).trim(),
      line
        .slice(colon + 1)
        .trim()
        .split(/\s+/)
        .map(Number),
    );
  }
  return stats;
}

/** Names that SIOCGIFCONF lists: one for each IPv4 address, with its label. */
function configured(sys: Sys, fd: number): string[] {
  for (let room = 30; ; room *= 2) {
    const buf = new Uint8Array(F.IFCONF_LEN + room * F.IFREQ_LEN);
    const dv = view(buf);
    dv.setInt32(0, room * F.IFREQ_LEN, true);
    if (sys.ioctl(fd, F.SIOCGIFCONF, buf) < 0) return [];
    const used = dv.getInt32(0, true);
    if (used >= room * F.IFREQ_LEN) continue;
    const names: string[] = [];
    for (let at = 0; at < used; at += F.IFREQ_LEN) names.push(cstring(buf, F.IFCONF_LEN + at, F.IFNAMSIZ));
    return names;
  }
}

/** All of them, aliases included, in the order of their names with numbers compared as numbers. */
export function* listInterfaces(sys: Sys, fd: number): Blocking<Interface[]> {
  const stats = yield* readStats(sys);
  const names = new Set([...stats.keys(), ...configured(sys, fd)]);
  const out: Interface[] = [];
  for (const name of [...names].sort(compareNames)) {
    const dev = queryInterface(sys, fd, name, stats);
    if (typeof dev !== "number") out.push(dev);
  }
  return out;
}

function compareNames(a: string, b: string): number {
  const parts = (s: string): string[] => s.match(/\d+|\D/g) ?? [];
  const [x, y] = [parts(a), parts(b)];
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (x[i] === y[i]) continue;
    if (/^\d/.test(x[i]) && /^\d/.test(y[i]) && Number(x[i]) !== Number(y[i])) return Number(x[i]) - Number(y[i]);
    return x[i] < y[i] ? -1 : 1;
  }
  return x.length - y.length;
}

/** One interface by name, or the -errno of its flags. */
export function queryInterface(
  sys: Sys,
  fd: number,
  name: string,
  stats: ReadonlyMap<string, number[]>,
): Interface | number {
  const ifr = ifreq(name);
  const dv = view(ifr);
  const ask = (request: number): boolean => {
    ifr.fill(0, F.IFREQ_DATA);
    return sys.ioctl(fd, request, ifr) >= 0;
  };
  const addr = (request: number): number => (ask(request) ? dv.getInt32(F.IFREQ_DATA + 4) : 0);
  const int = (request: number): number => (ask(request) ? dv.getInt32(F.IFREQ_DATA, true) : 0);
  const err = sys.ioctl(fd, F.SIOCGIFFLAGS, ifr);
  if (err < 0) return err;
  const flags = dv.getUint16(F.IFREQ_DATA, true);
  const hwKnown = ask(F.SIOCGIFHWADDR);
  const hwType = hwKnown ? dv.getUint16(F.IFREQ_DATA, true) : F.ARPHRD_VOID;
  const hwAddr = ifr.slice(F.IFREQ_DATA + 2, F.IFREQ_DATA + 16);
  const mtu = int(F.SIOCGIFMTU);
  const metric = int(F.SIOCGIFMETRIC);
  const mapped = ask(F.SIOCGIFMAP);
  const map = {
    memStart: mapped ? getUint64(dv, F.IFREQ_DATA) : 0,
    memEnd: mapped ? getUint64(dv, F.IFREQ_DATA + 8) : 0,
    base: mapped ? dv.getUint16(F.IFREQ_DATA + 16, true) : 0,
    irq: mapped ? ifr[F.IFREQ_DATA + 18] : 0,
    dma: mapped ? ifr[F.IFREQ_DATA + 19] : 0,
  };
  const txqueuelen = int(F.SIOCGIFTXQLEN);
  const own = ask(F.SIOCGIFADDR) ? dv.getInt32(F.IFREQ_DATA + 4) : undefined;
  return {
    name,
    flags,
    mtu,
    metric,
    hwType,
    hwAddr,
    txqueuelen,
    map,
    addr: own,
    dstaddr: own === undefined ? 0 : addr(F.SIOCGIFDSTADDR),
    broadaddr: own === undefined ? 0 : addr(F.SIOCGIFBRDADDR),
    netmask: own === undefined ? 0 : addr(F.SIOCGIFNETMASK),
    stats: stats.get(name),
  };
}

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [F.IFF_UP, "UP"],
  [F.IFF_BROADCAST, "BROADCAST"],
  [F.IFF_DEBUG, "DEBUG"],
  [F.IFF_LOOPBACK, "LOOPBACK"],
  [F.IFF_POINTOPOINT, "POINTOPOINT"],
  [F.IFF_NOTRAILERS, "NOTRAILERS"],
  [F.IFF_RUNNING, "RUNNING"],
  [F.IFF_NOARP, "NOARP"],
  [F.IFF_PROMISC, "PROMISC"],
  [F.IFF_ALLMULTI, "ALLMULTI"],
  [F.IFF_SLAVE, "SLAVE"],
  [F.IFF_MASTER, "MASTER"],
  [F.IFF_MULTICAST, "MULTICAST"],
  [F.IFF_DYNAMIC, "DYNAMIC"],
];

/** The hardware kinds that have a name here: that of `hw`, and what stands in parentheses. */
const HARDWARE: Readonly<Record<number, readonly [string, string]>> = {
  [F.ARPHRD_ETHER]: ["ether", "Ethernet"],
  [F.ARPHRD_LOOPBACK]: ["loop", "Local Loopback"],
  [F.ARPHRD_TUNNEL]: ["tunnel", "IPIP Tunnel"],
  [F.ARPHRD_SIT]: ["sit", "IPv6-in-IPv4"],
  [F.ARPHRD_PPP]: ["ppp", "Point-to-Point Protocol"],
};

/** The block that ifconfig prints, without the empty line after it. `inet6`: its lines, from /proc/net/if_inet6. */
export function describe(dev: Interface, inet6: readonly string[]): string {
  const names = FLAG_NAMES.filter(([bit]) => (dev.flags & bit) !== 0).map(([, name]) => name);
  // The kernel's short is signed.
  let text = `${dev.name}: flags=${(dev.flags << 16) >> 16}<${names.join(",")}>  `;
  if (dev.metric > 0) text += `metric ${dev.metric}  `;
  text += `mtu ${dev.mtu}\n`;
  if (dev.addr !== undefined) {
    text += `        inet ${inetNtoa(dev.addr)}  netmask ${inetNtoa(dev.netmask)}`;
    if (dev.flags & F.IFF_BROADCAST) text += `  broadcast ${inetNtoa(dev.broadaddr)}`;
    if (dev.flags & F.IFF_POINTOPOINT) text += `  destination ${inetNtoa(dev.dstaddr)}`;
    text += "\n";
  }
  for (const line of inet6) text += `        ${line}\n`;
  const hw = HARDWARE[dev.hwType];
  if (hw === undefined) text += `        unspec ${unspec(dev.hwAddr)}`;
  else if (dev.hwType === F.ARPHRD_ETHER) text += `        ether ${macNtoa(dev.hwAddr)}`;
  else text += `        ${hw[0]}`;
  text += `  txqueuelen ${dev.txqueuelen}  (${hw?.[1] ?? "UNSPEC"})\n`;
  if (dev.stats !== undefined) text += counters(dev.stats);
  text += deviceLine(dev);
  return text;
}

function unspec(addr: Uint8Array): string {
  const padded = new Uint8Array(16);
  padded.set(addr.subarray(0, 16));
  return Array.from(padded, (b) => b.toString(16).toUpperCase().padStart(2, "0")).join("-");
}

function deviceLine(dev: Interface): string {
  const { irq, base, memStart, memEnd, dma } = dev.map;
  let text = "";
  if (irq) text += `interrupt ${irq}  `;
  // Below 0x100 the number stands for a port of a card, not for an address.
  if (base >= 0x100) text += `base 0x${base.toString(16)}  `;
  if (memStart) text += `memory 0x${memStart.toString(16)}-${memEnd.toString(16)}  `;
  if (dma) text += `dma 0x${dma.toString(16)}  `;
  return text === "" ? "" : `        device ${text}\n`;
}

function counters(s: number[]): string {
  const n = (i: number): number => s[i] ?? 0;
  return (
    `        RX packets ${n(RX_PACKETS)}  bytes ${n(RX_BYTES)} (${bytes(n(RX_BYTES))})\n` +
    `        RX errors ${n(RX_ERRORS)}  dropped ${n(RX_DROPPED)}  overruns ${n(RX_FIFO)}  frame ${n(RX_FRAME)}\n` +
    `        TX packets ${n(TX_PACKETS)}  bytes ${n(TX_BYTES)} (${bytes(n(TX_BYTES))})\n` +
    `        TX errors ${n(TX_ERRORS)}  dropped ${n(TX_DROPPED)} overruns ${n(TX_FIFO)}  carrier ${n(TX_CARRIER)}` +
    `  collisions ${n(TX_COLLISIONS)}\n`
  );
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** "5.7 GiB": cut, not rounded, to one decimal. */
function bytes(n: number): string {
  let unit = 0;
  let value = n;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${(Math.floor(value * 10) / 10).toFixed(1)} ${UNITS[unit]}`;
}

const LETTERS: readonly (readonly [number, string])[] = [
  [F.IFF_ALLMULTI, "A"],
  [F.IFF_BROADCAST, "B"],
  [F.IFF_DEBUG, "D"],
  [F.IFF_LOOPBACK, "L"],
  [F.IFF_MULTICAST, "M"],
  [F.IFF_DYNAMIC, "d"],
  [F.IFF_PROMISC, "P"],
  [F.IFF_NOTRAILERS, "N"],
  [F.IFF_NOARP, "O"],
  [F.IFF_POINTOPOINT, "P"],
  [F.IFF_SLAVE, "s"],
  [F.IFF_MASTER, "m"],
  [F.IFF_RUNNING, "R"],
  [F.IFF_UP, "U"],
];

/** One line of `netstat -i` and `ifconfig -s`. */
export function tableRow(dev: Interface): string {
  const letters = LETTERS.filter(([bit]) => (dev.flags & bit) !== 0).map(([, letter]) => letter);
  const flags = letters.length === 0 ? "[NO FLAGS]" : letters.join("");
  const head = `${dev.name.slice(0, 15).padEnd(15)} ${String(dev.mtu).padStart(5)} `;
  if (dev.stats === undefined) return `${head}     - no statistics available -                        ${flags}\n`;
  const n = (i: number, width: number): string => String(dev.stats?.[i] ?? 0).padStart(width);
  return (
    `${head}${n(RX_PACKETS, 8)} ${n(RX_ERRORS, 6)} ${n(RX_DROPPED, 6)} ${String(dev.stats[RX_FIFO] ?? 0).padEnd(6)} ` +
    `${n(TX_PACKETS, 8)} ${n(TX_ERRORS, 6)} ${n(TX_DROPPED, 6)} ${n(TX_FIFO, 6)} ${flags}\n`
  );
}

/** The "inet6 …" lines of each interface. */
export function* inet6Lines(sys: Sys): Blocking<Map<string, string[]>> {
  const out = new Map<string, string[]>();
  const text = yield* readFile(sys, "/proc/net/if_inet6");
  if (typeof text === "number") return out;
  for (const line of text.split("\n")) {
    const [hex, , plen, scope, , name] = line.trim().split(/\s+/);
    if (name === undefined) continue;
    const id = Number.parseInt(scope, 16) & 0xf0;
    const names: Readonly<Record<number, string>> = { 0: "global", 16: "host", 32: "link", 64: "site", 128: "compat" };
    const shown = `inet6 ${inet6Text(hex)}  prefixlen ${Number.parseInt(plen, 16)}`;
    out.set(name, [...(out.get(name) ?? []), `${shown}  scopeid 0x${id.toString(16)}<${names[id] ?? "unknown"}>`]);
  }
  return out;
}

/** RFC 5952 text of 32 hex digits. */
export function inet6Text(hex: string): string {
  const words = (hex.match(/.{4}/g) ?? []).map((w) => Number.parseInt(w, 16).toString(16));
  let best = -1;
  let length = 1;
  for (let i = 0; i < words.length; i++) {
    let n = 0;
    while (words[i + n] === "0") n++;
    if (n > length) [best, length] = [i, n];
    i += n;
  }
  if (best < 0) return words.join(":");
  return `${words.slice(0, best).join(":")}::${words.slice(best + length).join(":")}`;
}
