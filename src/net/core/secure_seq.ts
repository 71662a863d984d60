// Numbers that a stranger must not guess: initial sequence numbers, timestamp offsets, where the search for a local port
// begins. Mirrors net/core/secure_seq.c. Read first: RFC 6528, RFC 6056 section 3.3.4, RFC 7323 section 5.4.
// Way in: secure_tcp_seq(), secure_tcp_ts_off(), secure_ipv4_port_ephemeral().

import type { Kernel } from "../../kernel/kernel.ts";
import { SiphashKey, siphash_3u32 } from "../../lib/siphash.ts";
import type { Net } from "./net_namespace.ts";

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Keys of the machine, drawn from the Host at boot. */
    net_secret: SiphashKey;
    ts_secret: SiphashKey;
  }
}

/** 16 bytes from the Host's random source as a key. */
export function random_siphash_key(k: Kernel): SiphashKey {
  const bytes = new Uint8Array(16);
  k.host.random_bytes(bytes);
  return new SiphashKey(bytes);
}

export function secure_seq_init(k: Kernel): void {
  k.net_secret = random_siphash_key(k);
  k.ts_secret = random_siphash_key(k);
}

/** RFC 6528: a hash of the four numbers that name the connection, plus a clock; Linux's ticks every 64 ns. */
export function secure_tcp_seq(net: Net, saddr: number, daddr: number, sport: number, dport: number): number {
  const k = net.kernel;
  const hash = siphash_3u32(saddr, daddr, (sport << 16) | dport, k.net_secret);
  return (hash + Math.floor(k.now / 64)) | 0;
}

/**
 * Where the timestamp clock of a connection starts, from the four numbers that name it, as Linux 6.18 is seen to do (older ones
 * took the addresses alone); 0 unless tcp_timestamps is 1.
 */
export function secure_tcp_ts_off(net: Net, saddr: number, daddr: number, sport: number, dport: number): number {
  if (net.ipv4.sysctl_tcp_timestamps !== 1) return 0;
  return siphash_3u32(saddr, daddr, (sport << 16) | dport, net.kernel.ts_secret);
}

/** RFC 6056, algorithm 4: the offset of a destination, an integer of 53 bits. */
export function secure_ipv4_port_ephemeral(net: Net, saddr: number, daddr: number, dport: number): number {
  const key = net.kernel.net_secret;
  const lo = siphash_3u32(saddr, daddr, dport, key);
  return (key.hi >>> 11) * 0x1_0000_0000 + (lo >>> 0);
}
