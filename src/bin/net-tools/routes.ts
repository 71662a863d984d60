// The routing table as route and `netstat -r` print it. Read first: route(8), proc_net(5) on /proc/net/route.
// Way in: `yield* routeTable(sys, numeric, style)`.

import type { Blocking, Sys } from "../../uapi/sys.ts";
import { inetNtoa } from "../lib/inet.ts";
import { readFile } from "../lib/io.ts";
import { reverse } from "../lib/resolve.ts";

/** route; route -e and netstat -r; route -ee. */
export type RouteStyle = "metric" | "mss" | "both";

const RTF_REJECT = 0x0200;
const LETTERS: readonly (readonly [number, string])[] = [
  [0x0001, "U"],
  [0x0002, "G"],
  [RTF_REJECT, "!"],
  [0x0004, "H"],
  [0x0008, "R"],
  [0x0010, "D"],
  [0x0020, "M"],
];

const HEADS: Readonly<Record<RouteStyle, string>> = {
  metric: "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n",
  mss: "Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n",
  both: "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface    MSS   Window irtt\n",
};

export function* routeTable(sys: Sys, numeric: boolean, style: RouteStyle): Blocking<string | number> {
  const text = yield* readFile(sys, "/proc/net/route");
  if (typeof text === "number") return text;
  let out = `Kernel IP routing table\n${HEADS[style]}`;
  for (const line of text.split("\n").slice(1)) {
    const f = line.trim().split(/\s+/);
    if (f.length < 8) continue;
    const [iface, destHex, gwHex, flagsHex, refs, use, metric, maskHex, mtu = "0", window = "0", irtt = "0"] = f;
    const flags = Number.parseInt(flagsHex, 16);
    if ((flags & 1) === 0) continue;
    const reject = (flags & RTF_REJECT) !== 0;
    const dest = hostWord(destHex);
    const mask = hostWord(maskHex);
    const shown = reject ? "-" : yield* name(sys, hostWord(gwHex), numeric, false);
    const letters = LETTERS.filter(([bit]) => (flags & bit) !== 0)
      .map(([, l]) => l)
      .join("");
    const show = (value: string): string => (reject ? "-" : value);
    const target = dest === 0 && mask === 0 ? (numeric ? "0.0.0.0" : "default") : yield* name(sys, dest, numeric, true);
    out += `${target.slice(0, 15).padEnd(15)} ${shown.slice(0, 15).padEnd(15)} ${inetNtoa(mask).padEnd(15)} `;
    out += `${(reject ? letters.replace("U", "") : letters).padEnd(5)} `;
    if (style === "mss") {
      out += `${show(mtu).padStart(5)} ${show(window).padEnd(5)} ${show(irtt).padStart(6)} ${show(iface)}\n`;
      continue;
    }
    out += `${metric.padEnd(6)} ${show(refs).padEnd(2)} ${use.padStart(7)} `;
    if (style === "metric") out += `${show(iface)}\n`;
    else out += `${show(iface).padEnd(8)} ${show(mtu).padEnd(5)} ${show(window).padEnd(6)} ${show(irtt)}\n`;
  }
  return out;
}

/** The file shows the words as a little-endian host reads them. */
function hostWord(hex: string): number {
  const v = Number.parseInt(hex, 16);
  return ((v & 0xff) << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | ((v >>> 24) & 0xff);
}

function* name(sys: Sys, addr: number, numeric: boolean, net: boolean): Blocking<string> {
  if (numeric || addr === 0 || net) return inetNtoa(addr);
  return (yield* reverse(sys, addr)) ?? inetNtoa(addr);
}
