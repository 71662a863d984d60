// route(8) of net-tools 2.10, for IPv4: shows /proc/net/route, changes it by SIOCADDRT and SIOCDELRT.
// Read first: route(8), struct rtentry of net/route.h. Way in: `route`.
//
// struct rtentry holds a pointer to the device's name; ioctl takes one buffer here, so the name follows the struct.

import { strerror } from "../../uapi/errno.ts";
import { SIOCADDRT, SIOCDELRT } from "../../uapi/if.ts";
import { AF_INET, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { inetAton, inetNtoa, setUint64, sockaddrIn, view } from "../lib/inet.ts";
import { print, printError } from "../lib/io.ts";
import { resolve } from "../lib/resolve.ts";
import { type RouteStyle, routeTable } from "./routes.ts";
import { INET_ROUTE_USAGE, ROUTE_USAGE, ROUTE_VERSION } from "./usage.ts";

export const RTENTRY_LEN = 120;
const RT_DST = 8;
const RT_GATEWAY = 24;
const RT_GENMASK = 40;
const RT_FLAGS = 56;
const RT_METRIC = 80;
const RT_MTU = 96;
const RT_WINDOW = 104;
const RT_IRTT = 112;
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const RTF_HOST = 0x4;
const RTF_REINSTATE = 0x8;
const RTF_DYNAMIC = 0x10;
const RTF_MODIFIED = 0x20;
const RTF_MTU = 0x40;
const RTF_WINDOW = 0x80;
const RTF_IRTT = 0x100;
const RTF_REJECT = 0x200;

export const route: Program = function* (sys, argv) {
  // "-net" and "-host" belong to the change, not to getopt.
  const at = argv.findIndex((word, i) => i > 0 && ["add", "del", "delete", "flush"].includes(word));
  const parsed = getopt(argv.slice(0, at < 0 ? argv.length : at), "A:eCFhnN64Vv?", [
    "help",
    "version",
    "inet=4",
    "inet6=6",
  ]);
  const family = parsed.get("A");
  if (parsed.error !== undefined) {
    yield* printError(sys, `${parsed.error}\n${ROUTE_USAGE}`);
    return 3;
  }
  if (parsed.has("V") || parsed.has("version")) {
    yield* print(sys, ROUTE_VERSION);
    return 0;
  }
  if (parsed.has("h") || parsed.has("help") || parsed.has("?")) {
    yield* print(sys, ROUTE_USAGE);
    return 0;
  }
  if (parsed.has("6") || family === "inet6") {
    yield* printError(sys, "INET6 (IPv6) not configured in this system.\n");
    return 1;
  }
  if (family !== undefined && family !== "inet") {
    yield* printError(sys, `route: unknown address family \`${family}'.\n`);
    return 3;
  }
  if (at >= 0) return yield* change(sys, argv[at], argv.slice(at + 1));
  if (parsed.operands.length > 0) {
    yield* printError(sys, ROUTE_USAGE);
    return 3;
  }
  if (parsed.has("C")) {
    yield* print(
      sys,
      "Kernel IP routing cache\nSource          Destination     Gateway         Flags Metric Ref    Use Iface\n",
    );
    return 0;
  }
  const styles: RouteStyle[] = ["metric", "mss", "both"];
  const text = yield* routeTable(sys, parsed.has("n"), styles[Math.min(parsed.count("e"), 2)]);
  if (typeof text === "number") {
    yield* printError(sys, "INET (IPv4) not configured in this system.\n");
    return 1;
  }
  yield* print(sys, text);
  return 0;
};

function* usage(sys: Sys, text = ""): Blocking<number> {
  if (text !== "") yield* printError(sys, `route: ${text}\n`);
  yield* printError(sys, INET_ROUTE_USAGE);
  return 3;
}

function* unknownHost(sys: Sys, word: string): Blocking<number> {
  yield* printError(sys, `${word}: Unknown host\n`);
  return 6;
}

function* change(sys: Sys, verb: string, args: readonly string[]): Blocking<number> {
  if (args.length === 0) {
    yield* print(sys, INET_ROUTE_USAGE);
    return 0;
  }
  if (verb === "flush") {
    yield* printError(sys, "Flushing `inet' routing table not supported\n");
    return 3;
  }
  const words = [...args];
  let host: boolean | undefined;
  if (words[0] === "-net" || words[0] === "-host") host = words.shift() === "-host";
  const target = words.shift();
  if (target === undefined) return yield* usage(sys);

  const rt = new Uint8Array(RTENTRY_LEN + 16);
  const dv = view(rt);
  let flags = RTF_UP;
  let mask: number | undefined;
  let dest = 0;
  const [text, len] = target.split("/");
  if (target === "default") {
    host = false;
    mask = 0;
  } else {
    const found = yield* address(sys, text);
    if (found === undefined) return yield* unknownHost(sys, text);
    dest = found;
    host ??= true;
    if (len !== undefined) {
      const bits = Number(len);
      mask = bits === 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits);
      if (host && bits !== 32) {
        return yield* usage(sys, `netmask ${littleEndianHex(mask)} doesn't make sense with host route`);
      }
    }
  }
  let gateway: number | undefined;
  let device: string | undefined;
  while (words.length > 0) {
    const word = words.shift()!;
    switch (word) {
      case "gw":
      case "gateway": {
        const value = words.shift();
        if (value === undefined) return yield* usage(sys);
        gateway = yield* address(sys, value);
        if (gateway === undefined) return yield* unknownHost(sys, value);
        flags |= RTF_GATEWAY;
        break;
      }
      case "netmask": {
        const value = words.shift();
        if (value === undefined || mask !== undefined) return yield* usage(sys);
        mask = inetAton(value);
        if (mask === undefined) return yield* usage(sys, `can't resolve netmask ${value}`);
        break;
      }
      case "metric":
      case "mss":
      case "window":
      case "irtt": {
        const value = words.shift();
        if (value === undefined || !/^\d+$/.test(value)) return yield* usage(sys);
        const n = Number(value);
        if (word === "metric") dv.setInt16(RT_METRIC, n + 1, true);
        else if (word === "mss") setUint64(dv, RT_MTU, n);
        else if (word === "window") setUint64(dv, RT_WINDOW, n);
        else dv.setUint16(RT_IRTT, n, true);
        flags |= word === "mss" ? RTF_MTU : word === "window" ? RTF_WINDOW : word === "irtt" ? RTF_IRTT : 0;
        break;
      }
      case "reject":
        flags |= RTF_REJECT;
        break;
      case "mod":
        flags |= RTF_MODIFIED;
        break;
      case "dyn":
        flags |= RTF_DYNAMIC;
        break;
      case "reinstate":
        flags |= RTF_REINSTATE;
        break;
      default: {
        const name = word === "dev" || word === "device" ? words.shift() : word;
        if (name === undefined || device !== undefined) return yield* usage(sys);
        device = name;
      }
    }
  }
  if (host) flags |= RTF_HOST;
  if (mask !== undefined && !host) {
    const inverted = ~mask;
    if ((inverted & (inverted + 1)) !== 0) return yield* usage(sys, `bogus netmask ${inetNtoa(mask)}`);
    if ((dest & inverted) !== 0 || Number(len ?? 0) > 32) {
      return yield* usage(sys, "netmask doesn't match route address");
    }
  }
  rt.set(sockaddrIn(dest, 0), RT_DST);
  if (gateway !== undefined) rt.set(sockaddrIn(gateway, 0), RT_GATEWAY);
  rt.set(sockaddrIn(host ? -1 : (mask ?? 0), 0), RT_GENMASK);
  dv.setUint16(RT_FLAGS, flags, true);
  for (let i = 0; device !== undefined && i < device.length && i < 15; i++) rt[RTENTRY_LEN + i] = device.charCodeAt(i);

  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  const add = verb === "add";
  const err = sys.ioctl(fd, add ? SIOCADDRT : SIOCDELRT, device === undefined ? rt.subarray(0, RTENTRY_LEN) : rt);
  sys.close(fd);
  if (err >= 0) return 0;
  yield* printError(sys, `${add ? "SIOCADDRT" : "SIOCDELRT"}: ${strerror(err)}\n`);
  return 7;
}

function* address(sys: Sys, word: string): Blocking<number | undefined> {
  const found = yield* resolve(sys, word);
  return typeof found === "number" ? undefined : found.addrs[0];
}

function littleEndianHex(mask: number): string {
  const bytes = [mask & 255, (mask >>> 8) & 255, (mask >>> 16) & 255, mask >>> 24];
  return bytes.map((b) => b.toString(16).padStart(2, "0")).join("");
}
