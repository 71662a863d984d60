// arp(8) of net-tools 2.10: shows /proc/net/arp, changes it by SIOCSARP and SIOCDARP. Read first: arp(8), arp(7).
// Way in: `arp`.

import { ENXIO, strerror } from "../../uapi/errno.ts";
import * as F from "../../uapi/if.ts";
import { AF_INET, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { getopt, type Options } from "../lib/getopt.ts";
import { ifreq, inetNtoa, inetPton, macAton, sockaddrIn, view } from "../lib/inet.ts";
import { print, printError, readFile } from "../lib/io.ts";
import { resolve, reverse } from "../lib/resolve.ts";
import { ARP_USAGE } from "./usage.ts";

/** struct arpreq: protocol address, hardware address, flags, netmask, device. */
const ARPREQ_LEN = 68;
const ARP_HA = 16;
const ARP_FLAGS = 32;
const ARP_NETMASK = 36;
const ARP_DEV = 52;

export const arp: Program = function* (sys, argv) {
  const o = getopt(argv, "A:H:adfp:nsei:Dvh?Vt:", [
    "verbose=v",
    "version=V",
    "all=a",
    "delete=d",
    "file=f",
    "numeric=n",
    "set=s",
    "protocol:=A",
    "hw-type:=H",
    "device:=i",
    "help=h",
    "use-device=D",
    "symbolic=N",
  ]);
  if (o.error !== undefined) {
    yield* printError(sys, `${o.error}\n${ARP_USAGE}`);
    return 3;
  }
  if (o.has("V")) {
    yield* print(sys, "net-tools 2.10\n");
    return 0;
  }
  if (o.has("h") || o.has("?")) {
    yield* print(sys, ARP_USAGE);
    return 0;
  }
  const hw = o.get("H") ?? o.get("t") ?? "ether";
  if (hw !== "ether") {
    yield* printError(sys, `arp: ${hw}: unknown hardware type.\n`);
    return 255;
  }
  if (o.has("d")) return yield* remove(sys, o);
  if (o.has("s")) return yield* add(sys, o, o.operands);
  if (o.has("f")) return yield* addFile(sys, o);
  return yield* show(sys, o);
};

function* fail(sys: Sys, text: string): Blocking<number> {
  yield* printError(sys, `${text}\n`);
  return 255;
}

function* host(sys: Sys, word: string): Blocking<number | undefined> {
  const found = yield* resolve(sys, word);
  return typeof found === "number" ? undefined : found.addrs[0];
}

function* show(sys: Sys, o: Options): Blocking<number> {
  const text = yield* readFile(sys, "/proc/net/arp");
  if (typeof text === "number") return yield* fail(sys, `/proc/net/arp: ${strerror(text)}`);
  const word = o.operands[0];
  const device = o.get("i");
  let wanted: number | undefined;
  if (word !== undefined) {
    wanted = yield* host(sys, word);
    if (wanted === undefined) return yield* fail(sys, `${word}: Host name lookup failure`);
  }
  const bsd = o.has("a") && !o.has("e");
  let entries = 0;
  let shown = 0;
  let out = "";
  for (const line of text.split("\n").slice(1)) {
    const [ip, type, flagsHex, hwa, mask, dev] = line.trim().split(/\s+/);
    if (dev === undefined) continue;
    entries++;
    const addr = inetPton(ip) ?? 0;
    if ((wanted !== undefined && addr !== wanted) || (device !== undefined && dev !== device)) continue;
    shown++;
    const flags = Number.parseInt(flagsHex, 16);
    const name = o.has("n") ? null : yield* reverse(sys, addr);
    const entry = { ip, name, type: Number.parseInt(type, 16), flags, hwa, mask: mask === "*" ? "" : mask, dev };
    if (bsd) out += bsdLine(entry);
    else
      out +=
        (out === "" ? "Address                  HWtype  HWaddress           Flags Mask            Iface\n" : "") +
        linuxLine(entry);
  }
  if (o.has("v")) out += `Entries: ${entries}\tSkipped: ${entries - shown}\tFound: ${shown}\n`;
  if (shown === 0) {
    if (word !== undefined && !o.has("a")) out += `${word} (${inetNtoa(wanted!)}) -- no entry\n`;
    else if (word !== undefined || device !== undefined) out += `arp: in ${entries} entries no match found.\n`;
  }
  yield* print(sys, out);
  return 0;
}

interface Entry {
  ip: string;
  name: string | null;
  type: number;
  flags: number;
  hwa: string;
  mask: string;
  dev: string;
}

function linuxLine(e: Entry): string {
  const head = `${(e.name ?? e.ip).slice(0, 23).padEnd(23)}  `;
  if ((e.flags & F.ATF_COM) === 0 && (e.flags & F.ATF_PUBL) === 0) {
    return `${head}        ${"(incomplete)".padEnd(42)}${e.dev}\n`;
  }
  const proxy = (e.flags & F.ATF_PUBL) !== 0 && (e.flags & F.ATF_COM) === 0;
  let flags = "";
  if (e.flags & F.ATF_COM) flags += "C";
  if (e.flags & F.ATF_PERM) flags += "M";
  if (e.flags & F.ATF_PUBL) flags += "P";
  if (e.flags & F.ATF_NETMASK) flags += "N";
  const kind = proxy ? "*" : e.type === F.ARPHRD_ETHER ? "ether" : String(e.type);
  const hwa = proxy ? "<from_interface>" : e.hwa;
  return `${head}${kind.padEnd(8)}${hwa.padEnd(20)}${flags.padEnd(6)}${e.mask.padEnd(16)}${e.dev}\n`;
}

function bsdLine(e: Entry): string {
  let text = `${e.name ?? "?"} (${e.ip}) at `;
  if (e.flags & F.ATF_COM) text += `${e.hwa} [${e.type === F.ARPHRD_ETHER ? "ether" : e.type}] `;
  else text += e.flags & F.ATF_PUBL ? "<from_interface> " : "<incomplete> ";
  if (e.flags & F.ATF_NETMASK) text += `netmask ${e.mask} `;
  if (e.flags & F.ATF_PERM) text += "PERM ";
  if (e.flags & F.ATF_PUBL) text += "PUB ";
  return `${text}on ${e.dev}\n`;
}

/** host hwaddr [temp|pub|dontpub|netmask nm|dev if]: one entry, from the command line or a line of a file. */
function* add(sys: Sys, o: Options, words: readonly string[]): Blocking<number> {
  const [name, hwaddr, ...rest] = words;
  if (name === undefined) return yield* fail(sys, "arp: need host name");
  const addr = yield* host(sys, name);
  if (addr === undefined) return yield* fail(sys, `${name}: Host name lookup failure`);
  if (hwaddr === undefined) return yield* fail(sys, "arp: need hardware address");
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  let mac = macAton(hwaddr);
  if (o.has("D")) {
    const ifr = ifreq(hwaddr);
    const err = sys.ioctl(fd, F.SIOCGIFHWADDR, ifr);
    if (err < 0) {
      sys.close(fd);
      return yield* fail(sys, `arp: cant get HW-Address for \`${hwaddr}': ${strerror(err)}.`);
    }
    mac = ifr.slice(F.IFREQ_DATA + 2, F.IFREQ_DATA + 8);
  }
  if (mac === undefined) {
    sys.close(fd);
    return yield* fail(sys, "arp: invalid hardware address");
  }
  let flags = F.ATF_PERM | F.ATF_COM;
  let device = o.get("i");
  let mask: number | undefined;
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i];
    if (word === "temp") flags &= ~F.ATF_PERM;
    else if (word === "pub") flags |= F.ATF_PUBL;
    else if (word === "priv") flags &= ~F.ATF_PUBL;
    else if (word === "trail") flags |= F.ATF_USETRAILERS;
    else if (word === "dontpub") flags |= F.ATF_DONTPUB;
    else if (word === "dev") device = rest[++i];
    else if (word === "netmask") {
      mask = yield* host(sys, rest[++i] ?? "");
      if (mask === undefined) {
        sys.close(fd);
        return yield* fail(sys, `${rest[i] ?? ""}: Host name lookup failure`);
      }
      if (mask !== -1) flags |= F.ATF_NETMASK;
    } else {
      sys.close(fd);
      yield* printError(sys, ARP_USAGE);
      return 3;
    }
  }
  const req = request(addr, flags, device);
  view(req).setUint16(ARP_HA, F.ARPHRD_ETHER, true);
  req.set(mac, ARP_HA + 2);
  if (mask !== undefined) req.set(sockaddrIn(mask, 0), ARP_NETMASK);
  const err = sys.ioctl(fd, F.SIOCSARP, req);
  sys.close(fd);
  return err < 0 ? yield* fail(sys, `SIOCSARP: ${strerror(err)}`) : 0;
}

function request(addr: number, flags: number, device: string | undefined): Uint8Array {
  const req = new Uint8Array(ARPREQ_LEN);
  req.set(sockaddrIn(addr, 0), 0);
  view(req).setInt32(ARP_FLAGS, flags, true);
  for (let i = 0; device !== undefined && i < device.length && i < 15; i++) req[ARP_DEV + i] = device.charCodeAt(i);
  return req;
}

function* remove(sys: Sys, o: Options): Blocking<number> {
  const [name, ...rest] = o.operands;
  if (name === undefined) return yield* fail(sys, "arp: need host name");
  const addr = yield* host(sys, name);
  if (addr === undefined) return yield* fail(sys, `${name}: Host name lookup failure`);
  let flags = F.ATF_PERM;
  let device = o.get("i");
  for (let i = 0; i < rest.length; i++) {
    if (rest[i] === "pub") flags |= F.ATF_PUBL;
    else if (rest[i] === "dev") device = rest[++i];
    else if (rest[i] !== "dontpub" && rest[i] !== "priv" && rest[i] !== "temp") {
      yield* printError(sys, ARP_USAGE);
      return 3;
    }
  }
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  const err = sys.ioctl(fd, F.SIOCDARP, request(addr, flags, device));
  sys.close(fd);
  if (err >= 0) return 0;
  if (err === -ENXIO) {
    yield* print(sys, `No ARP entry for ${name}\n`);
    return 255;
  }
  return yield* fail(sys, `SIOCDARP(${flags & F.ATF_PUBL ? "pub" : "dontpub"}): ${strerror(err)}`);
}

function* addFile(sys: Sys, o: Options): Blocking<number> {
  const path = o.operands[0] ?? "/etc/ethers";
  const text = yield* readFile(sys, path);
  if (typeof text === "number") return yield* fail(sys, `arp: cannot open etherfile ${path} !`);
  let status = 0;
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const words = lines[i].replace(/#.*/, "").trim().split(/\s+/);
    if (words[0] === "") continue;
    if (words.length < 2) {
      yield* printError(sys, `arp: format error on line ${i + 1} of etherfile ${path} !\n`);
      continue;
    }
    // /etc/ethers has the hardware address first; arp's own files have the host first.
    const swapped = macAton(words[0]) !== undefined ? [words[1], words[0], ...words.slice(2)] : words;
    if ((yield* add(sys, o, swapped)) !== 0) {
      yield* printError(sys, `arp: cannot set entry on line ${i + 1} of etherfile ${path} !\n`);
      status = 255;
    }
  }
  return status;
}
