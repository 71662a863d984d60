// ifconfig(8) of net-tools 2.10, for IPv4. Read first: ifconfig(8), netdevice(7). Way in: `ifconfig`.

import { ENODEV, strerror } from "../../uapi/errno.ts";
import * as F from "../../uapi/if.ts";
import { AF_INET, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { ifreq, macAton, sockaddrIn, view } from "../lib/inet.ts";
import { print, printError } from "../lib/io.ts";
import { resolve } from "../lib/resolve.ts";
import { describe, inet6Lines, listInterfaces, queryInterface, readStats, tableRow } from "./interfaces.ts";
import { IFCONFIG_USAGE } from "./usage.ts";

export const TABLE_HEAD = "Iface      MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n";
const HINT = "ifconfig: `--help' gives usage information.\n";

export const ifconfig: Program = function* (sys, argv) {
  let all = false;
  let short = false;
  let i = 1;
  for (; i < argv.length && argv[i].startsWith("-"); i++) {
    const arg = argv[i];
    if (arg === "-a") all = true;
    else if (arg === "-s") short = true;
    else if (arg === "-v") continue;
    else if (arg === "-V" || arg === "-version" || arg === "--version") {
      yield* print(sys, "net-tools 2.10\n");
      return 0;
    } else if (["-?", "-h", "-help", "--help"].includes(arg)) {
      yield* print(sys, IFCONFIG_USAGE);
      return 0;
    } else {
      yield* printError(sys, `ifconfig: option \`${arg}' not recognised.\n${HINT}`);
      return 1;
    }
  }
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) {
    yield* printError(sys, "No usable address families found.\n");
    return 1;
  }
  const words = argv.slice(i);
  const status =
    words.length < 2 ? yield* show(sys, fd, words[0], all, short) : yield* new Change(sys, fd, words).run();
  sys.close(fd);
  return status;
};

function* show(sys: Sys, fd: number, name: string | undefined, all: boolean, short: boolean): Blocking<number> {
  let text = short ? TABLE_HEAD : "";
  const inet6 = yield* inet6Lines(sys);
  const block = (dev: Parameters<typeof tableRow>[0]): string =>
    short ? tableRow(dev) : `${describe(dev, inet6.get(dev.name) ?? [])}\n`;
  if (name !== undefined) {
    const dev = queryInterface(sys, fd, name, yield* readStats(sys));
    if (typeof dev === "number") {
      yield* print(sys, text);
      const why = dev === -ENODEV ? "Device not found" : strerror(dev);
      yield* printError(sys, `${name}: error fetching interface information: ${why}\n`);
      return 1;
    }
    yield* print(sys, text + block(dev));
    return 0;
  }
  for (const dev of yield* listInterfaces(sys, fd)) if (all || dev.flags & F.IFF_UP) text += block(dev);
  yield* print(sys, text);
  return 0;
}

/** The words after the interface's name, each done as it is met. */
class Change {
  private readonly sys: Sys;
  private readonly fd: number;
  private readonly name: string;
  private readonly words: readonly string[];
  private failed = false;
  private flagsFailed = false;

  constructor(sys: Sys, fd: number, words: readonly string[]) {
    this.sys = sys;
    this.fd = fd;
    this.name = words[0];
    this.words = words;
  }

  *run(): Blocking<number> {
    const { words } = this;
    // The mask of "address/len" is set last, as the address brings its own.
    let lateMask: number | undefined;
    for (let i = 1; i < words.length; i++) {
      const word = words[i];
      const flag = FLAG_WORDS[word];
      if (flag !== undefined) {
        yield* this.setFlags(flag, 0);
        continue;
      }
      const off = /^-(.*)/.exec(word);
      if (off !== null && FLAG_WORDS[off[1]] !== undefined) {
        yield* this.clearFlag(off[1]);
        continue;
      }
      switch (word) {
        case "up":
          yield* this.setFlags(F.IFF_UP | F.IFF_RUNNING, 0);
          continue;
        case "down":
          yield* this.setFlags(0, F.IFF_UP);
          continue;
        case "arp":
          yield* this.setFlags(0, F.IFF_NOARP);
          continue;
        case "-arp":
          yield* this.setFlags(F.IFF_NOARP, 0);
          continue;
        case "trailers":
          yield* this.setFlags(0, F.IFF_NOTRAILERS);
          continue;
        case "-trailers":
          yield* this.setFlags(F.IFF_NOTRAILERS, 0);
          continue;
        case "inet":
          continue;
        case "-broadcast":
          yield* this.clearFlag("broadcast");
          continue;
        case "-pointopoint":
          yield* this.clearFlag("pointopoint");
          continue;
      }
      const value = words[i + 1];
      const taken = yield* this.valued(word, value);
      if (taken === "usage") {
        yield* printError(this.sys, IFCONFIG_USAGE);
        return 3;
      }
      if (taken === "stop") return 1;
      if (taken !== "address") {
        i += taken;
        continue;
      }
      // Anything else is the address.
      const [text, len] = word.split("/");
      const addr = text === "default" ? 0 : yield* this.host(text);
      if (addr === undefined) {
        yield* printError(this.sys, `${text}: Host name lookup failure\n${HINT}`);
        return 1;
      }
      yield* this.setAddr(F.SIOCSIFADDR, "SIOCSIFADDR", addr);
      yield* this.setFlags(F.IFF_UP | F.IFF_RUNNING, 0);
      if (len !== undefined && /^\d+$/.test(len) && Number(len) <= 32) lateMask = prefixMask(Number(len));
    }
    if (lateMask !== undefined) yield* this.setAddr(F.SIOCSIFNETMASK, "SIOCSIFNETMASK", lateMask);
    return this.flagsFailed ? 255 : this.failed ? 1 : 0;
  }

  /** A word with a value: how many words the value took, or what else it was. */
  private *valued(word: string, value: string | undefined): Blocking<number | "address" | "usage" | "stop"> {
    const request = INT_WORDS[word];
    if (request !== undefined) {
      if (value === undefined) return "usage";
      yield* this.setInt(request[0], request[1], Number(value) | 0);
      return 1;
    }
    switch (word) {
      case "netmask":
      case "dstaddr": {
        if (value === undefined) return "usage";
        const addr = yield* this.host(value);
        if (addr === undefined) {
          yield* printError(this.sys, `${value}: Host name lookup failure\n`);
          return word === "netmask" ? "usage" : "stop";
        }
        const mask = word === "netmask";
        yield* this.setAddr(
          mask ? F.SIOCSIFNETMASK : F.SIOCSIFDSTADDR,
          mask ? "SIOCSIFNETMASK" : "SIOCSIFDSTADDR",
          addr,
        );
        return 1;
      }
      case "broadcast":
      case "pointopoint": {
        const bit = word === "broadcast" ? F.IFF_BROADCAST : F.IFF_POINTOPOINT;
        const addr = value === undefined || KNOWN.has(value) ? undefined : yield* this.host(value);
        if (addr !== undefined) {
          if (word === "broadcast") yield* this.setAddr(F.SIOCSIFBRDADDR, "SIOCSIFBRDADDR", addr);
          else yield* this.setAddr(F.SIOCSIFDSTADDR, "SIOCSIFDSTADDR", addr);
        }
        yield* this.setFlags(bit, 0);
        return addr === undefined ? 0 : 1;
      }
      case "hw": {
        if (value !== "ether" && value !== "loop") return "usage";
        return yield* this.hardware(this.words[this.words.indexOf("hw") + 2] ?? "");
      }
      case "add":
      case "del":
        if (value === undefined) return "usage";
        yield* word === "add" ? this.addAlias(value) : this.deleteAlias(value);
        return 1;
      case "name": {
        if (value === undefined) return "usage";
        const ifr = ifreq(this.name);
        for (let i = 0; i < value.length && i < 15; i++) ifr[F.IFREQ_DATA + i] = value.charCodeAt(i);
        yield* this.ioctl(F.SIOCSIFNAME, "SIOCSIFNAME", ifr);
        return 1;
      }
      case "media":
      case "keepalive":
      case "outfill":
        return value === undefined ? "usage" : 1;
      default:
        return "address";
    }
  }

  private *hardware(text: string): Blocking<number | "stop"> {
    const mac = macAton(text);
    if (mac === undefined) {
      yield* printError(this.sys, `${text}: invalid ether address.\n`);
      return "stop";
    }
    const ifr = ifreq(this.name);
    view(ifr).setUint16(F.IFREQ_DATA, F.ARPHRD_ETHER, true);
    ifr.set(mac, F.IFREQ_DATA + 2);
    yield* this.ioctl(F.SIOCSIFHWADDR, "SIOCSIFHWADDR", ifr);
    return 2;
  }

  private *host(text: string): Blocking<number | undefined> {
    const found = yield* resolve(this.sys, text);
    return typeof found === "number" ? undefined : found.addrs[0];
  }

  private *ioctl(request: number, label: string, ifr: Uint8Array): Blocking<void> {
    const err = this.sys.ioctl(this.fd, request, ifr);
    if (err >= 0) return;
    this.failed = true;
    yield* printError(this.sys, `${label}: ${strerror(err)}\n`);
  }

  private *setAddr(request: number, label: string, addr: number, name = this.name): Blocking<void> {
    const ifr = ifreq(name);
    ifr.set(sockaddrIn(addr, 0), F.IFREQ_DATA);
    yield* this.ioctl(request, label, ifr);
  }

  private *setInt(request: number, label: string, value: number): Blocking<void> {
    const ifr = ifreq(this.name);
    view(ifr).setInt32(F.IFREQ_DATA, value, true);
    yield* this.ioctl(request, label, ifr);
  }

  private *getFlags(name = this.name): Blocking<number> {
    const ifr = ifreq(name);
    const err = this.sys.ioctl(this.fd, F.SIOCGIFFLAGS, ifr);
    if (err >= 0) return view(ifr).getUint16(F.IFREQ_DATA, true);
    this.flagsFailed = true;
    yield* printError(this.sys, `${name}: ERROR while getting interface flags: ${strerror(err)}\n`);
    return -1;
  }

  private *setFlags(set: number, clear: number, name = this.name): Blocking<void> {
    const flags = yield* this.getFlags(name);
    if (flags < 0) return;
    const ifr = ifreq(name);
    view(ifr).setUint16(F.IFREQ_DATA, (flags | set) & ~clear, true);
    const err = this.sys.ioctl(this.fd, F.SIOCSIFFLAGS, ifr);
    if (err >= 0) return;
    this.flagsFailed = true;
    yield* printError(this.sys, `SIOCSIFFLAGS: ${strerror(err)}\n`);
  }

  private *clearFlag(word: string): Blocking<void> {
    const bit = word === "broadcast" ? F.IFF_BROADCAST : word === "pointopoint" ? F.IFF_POINTOPOINT : FLAG_WORDS[word];
    yield* this.setFlags(0, bit);
    const flags = yield* this.getFlags();
    if (flags < 0 || (flags & bit) === 0) return;
    yield* printError(this.sys, `Warning: Interface ${this.name} still in ${word.toUpperCase()} mode.\n`);
  }

  /** A second address goes to the first free alias, with the mask and broadcast of the interface. */
  private *addAlias(text: string): Blocking<void> {
    const [host, len] = text.split("/");
    const addr = yield* this.host(host);
    if (addr === undefined) {
      this.failed = true;
      yield* printError(this.sys, `${host}: Host name lookup failure\n`);
      return;
    }
    const devices = yield* listInterfaces(this.sys, this.fd);
    const base = queryInterface(this.sys, this.fd, this.name, new Map());
    let n = 0;
    while (devices.some((d) => d.name === `${this.name}:${n}`)) n++;
    const alias = `${this.name}:${n}`;
    yield* this.setAddr(F.SIOCSIFADDR, "SIOCSIFADDR", addr, alias);
    if (typeof base === "number") return;
    const mask = len === undefined ? base.netmask : prefixMask(Number(len));
    yield* this.setAddr(F.SIOCSIFNETMASK, "SIOCSIFNETMASK", mask, alias);
    yield* this.setAddr(F.SIOCSIFBRDADDR, "SIOCSIFBRDADDR", len === undefined ? base.broadaddr : addr | ~mask, alias);
    yield* this.setFlags(0, 0, alias);
  }

  private *deleteAlias(text: string): Blocking<void> {
    const addr = yield* this.host(text.split("/")[0]);
    const devices = yield* listInterfaces(this.sys, this.fd);
    const alias = devices.find((d) => d.addr === addr && d.name.startsWith(`${this.name}:`));
    if (alias === undefined) {
      this.failed = true;
      yield* printError(this.sys, "Interface not found\n");
      return;
    }
    yield* this.setFlags(0, F.IFF_UP, alias.name);
  }
}

function prefixMask(len: number): number {
  return len === 0 ? 0 : -1 << (32 - len);
}

/** Words that set a flag, and with "-" before them clear it. */
const FLAG_WORDS: Readonly<Record<string, number>> = {
  promisc: F.IFF_PROMISC,
  allmulti: F.IFF_ALLMULTI,
  multicast: F.IFF_MULTICAST,
  dynamic: F.IFF_DYNAMIC,
};

const INT_WORDS: Readonly<Record<string, readonly [number, string]>> = {
  mtu: [F.SIOCSIFMTU, "SIOCSIFMTU"],
  txqueuelen: [F.SIOCSIFTXQLEN, "SIOCSIFTXQLEN"],
};

/** Words that cannot be the optional address of "broadcast" or "pointopoint". */
const KNOWN = new Set([
  ...Object.keys(FLAG_WORDS),
  ...Object.keys(INT_WORDS),
  ...["up", "down", "arp", "-arp", "netmask", "dstaddr", "hw", "add", "del", "name", "broadcast", "pointopoint"],
]);
