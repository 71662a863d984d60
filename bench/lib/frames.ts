// Frames for the generators: Ethernet, IPv4, UDP, with right checksums.

import { ip4 } from "./rig.ts";

export function ip_checksum(b: Uint8Array, off: number, len: number): number {
  let sum = 0;
  for (let i = 0; i < len; i += 2) sum += (b[off + i]! << 8) | (i + 1 < len ? b[off + i + 1]! : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An Ethernet frame of `len` bytes (without FCS) with a UDP datagram whose checksum is 0 (not used). */
export function udp_frame(o: {
  dst_mac: Uint8Array;
  src_mac: Uint8Array;
  src: string;
  dst: string;
  sport: number;
  dport: number;
  len: number;
  ttl?: number;
}): Uint8Array {
  const f = new Uint8Array(o.len);
  const dv = new DataView(f.buffer);
  f.set(o.dst_mac, 0);
  f.set(o.src_mac, 6);
  dv.setUint16(12, 0x0800);
  f[14] = 0x45;
  dv.setUint16(16, o.len - 14);
  f[22] = o.ttl ?? 64;
  f[23] = 17;
  dv.setInt32(26, ip4(o.src));
  dv.setInt32(30, ip4(o.dst));
  dv.setUint16(24, ip_checksum(f, 14, 20));
  dv.setUint16(34, o.sport);
  dv.setUint16(36, o.dport);
  dv.setUint16(38, o.len - 34);
  return f;
}
