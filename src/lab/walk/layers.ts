// Layers: one packet taken apart header by header, on the machine that builds it, on those that pass it on, and on the one
// that takes it off again; beside the seven of OSI and the four of TCP/IP. Read first: RFC 1122 section 1.1.3.
// Way in: walkLayers(), `skbuff walk --layers`.

import { type Capture, family, type Hop, type Packet, type WalkResult } from "./model.ts";
import { header, type TextOptions } from "./text.ts";

/** One header of a frame, or what is behind the last. */
export interface Layer {
  /** Number and name in OSI, and name in TCP/IP. */
  readonly osi: string;
  readonly tcpip: string;
  readonly bytes: number;
  readonly text: string;
}

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, "0");
const mac = (b: Uint8Array, at: number): string => [...b.subarray(at, at + 6)].map((x) => hex(x, 2)).join(":");
const quad = (b: Uint8Array, at: number): string => `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;
const u16 = (b: Uint8Array, at: number): number => (b[at]! << 8) | b[at + 1]!;

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP" };
const LINK = { osi: "2 data link", tcpip: "network access" } as const;
const NETWORK = { osi: "3 network", tcpip: "internet" } as const;
const TRANSPORT = { osi: "4 transport", tcpip: "transport" } as const;
const APPLICATION = { osi: "5-7 application", tcpip: "application" } as const;

/** The headers of a captured frame from the outside in. Total over any bytes. */
function layersOf(c: Capture): Layer[] {
  const out: Layer[] = [];
  const b = c.bytes;
  if (!c.l2 || b.length < 14) return out;
  const type = u16(b, 12);
  out.push({ ...LINK, bytes: 14, text: `Ethernet ${mac(b, 6)} > ${mac(b, 0)}, type 0x${hex(type, 4)}` });
  if (type === 0x0806) {
    if (b.length >= 42) {
      const op = u16(b, 20);
      const what = op === 1 ? `who has ${quad(b, 38)}? tell ${quad(b, 28)}` : `${quad(b, 28)} is at ${mac(b, 22)}`;
      out.push({ ...NETWORK, bytes: 28, text: `ARP ${what}` });
    }
    return out;
  }
  if (type !== 0x0800 || b.length < 34) return out;
  const ihl = (b[14]! & 15) * 4;
  const total = u16(b, 16);
  const off = u16(b, 20);
  const frag = (off & 0x1fff) * 8;
  const proto = b[23]!;
  const flags = `${(off & 0x4000) !== 0 ? ", DF" : ""}${(off & 0x2000) !== 0 ? ", MF" : ""}${frag > 0 ? `, offset ${frag}` : ""}`;
  out.push({
    ...NETWORK,
    bytes: ihl,
    text: `IPv4 ${quad(b, 26)} > ${quad(b, 30)}, TTL ${b[22]}, ${PROTOCOLS[proto] ?? `protocol ${proto}`}, length ${total}${flags}`,
  });
  const l4 = 14 + ihl;
  let rest = Math.max(0, total - ihl);
  if (frag > 0) {
    out.push({
      ...TRANSPORT,
      bytes: rest,
      text: "the middle of a datagram: its transport header is in the first fragment",
    });
    return out;
  }
  if (proto === 17 && b.length >= l4 + 8) {
    out.push({
      ...TRANSPORT,
      bytes: 8,
      text: `UDP port ${u16(b, l4)} > port ${u16(b, l4 + 2)}, length ${u16(b, l4 + 4)}`,
    });
    rest -= 8;
  } else if (proto === 1 && b.length >= l4 + 8) {
    out.push({ ...NETWORK, bytes: 8, text: `ICMP type ${b[l4]}, code ${b[l4 + 1]} (a part of the internet layer)` });
    rest -= 8;
  }
  if (rest > 0) out.push({ ...APPLICATION, bytes: rest, text: `${rest} bytes of data` });
  return out;
}

function rows(layers: readonly Layer[], verb: string): string[] {
  return layers.map(
    (l) => `    ${l.osi.padEnd(16)} ${l.tcpip.padEnd(15)} ${verb} ${String(l.bytes).padStart(5)} bytes  ${l.text}`,
  );
}

function physical(hop: Hop, verb: string): string {
  const frame = Math.max(60, hop.capture.len) + 4;
  return `    ${"1 physical".padEnd(16)} ${"network access".padEnd(15)} ${verb} ${String(frame).padStart(5)} bytes  ${frame * 8} bits on cable ${hop.cable}, the last 4 bytes are the FCS`;
}

/** The frames by which a packet and what became of it crossed cables, in the order of time. */
function hopsOf(w: WalkResult, root: Packet): Hop[] {
  const members = new Set(family(root));
  return w.hops.filter((h) => h.from !== null && members.has(h.from)).sort((a, b) => a.t - b.t);
}

/** Each packet with its encapsulation on the way down and decapsulation on the way up. */
export function walkLayers(w: WalkResult, packets: readonly Packet[], _o: TextOptions): string {
  const out: string[] = [];
  for (const root of packets) {
    out.push(`#${root.number} ${header(root)}`);
    const hops = hopsOf(w, root);
    if (hops.length === 0) out.push("  it never reached a cable");
    hops.forEach((hop, i) => {
      const layers = layersOf(hop.capture);
      if (i === 0) {
        out.push(`  ${hop.host} wraps it (encapsulation, from the program down to ${hop.dev}):`);
        out.push(...rows([...layers].reverse(), "+"));
        out.push(physical(hop, "="));
      } else if (hop.host !== hops[i - 1]!.host) {
        const l2 = layers.find((l) => l.osi === LINK.osi);
        const l3 = layers.find((l) => l.osi === NETWORK.osi);
        out.push(
          `  ${hop.host} takes off the Ethernet header, reads the IPv4 header, and wraps it anew for ${hop.dev}:`,
        );
        out.push(
          ...rows(
            [l3, l2].filter((l) => l !== undefined),
            "*",
          ),
        );
        out.push(physical(hop, "="));
      } else {
        out.push(`  ${hop.host}, another frame on ${hop.dev}:`);
        out.push(...rows([...layers].reverse(), "+"));
        out.push(physical(hop, "="));
      }
      for (const a of hop.arrivals) {
        if (a.packet === null || a.packet.end?.kind === "sent" || hops.some((h) => h.t > hop.t && h.host === a.host))
          continue;
        out.push(`  ${a.host} unwraps it (decapsulation, from ${a.dev} up):`);
        out.push(...rows(layers, "-"));
        if (a.packet.end !== null) out.push(`    ${a.packet.end.text}`);
      }
    });
    out.push("");
  }
  return `${out.join("\n")}\n`;
}
