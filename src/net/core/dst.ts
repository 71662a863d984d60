// dst_entry: where a packet goes next, as a route cached it. Family-neutral. Mirrors include/net/dst.h, net/core/dst.c.
// Way in: dst_release(), dst_output().

import type { Kernel } from "../../kernel/kernel.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Net } from "./net_namespace.ts";
import type { NetDevice } from "./netdevice.ts";
import type { SkBuff } from "./skbuff.ts";
import type { Sock } from "./sock.ts";

/** What differs between families. */
export interface DstOps {
  readonly family: number;
  /** Null when the entry may no longer be used. */
  check(dst: DstEntry, cookie: number): DstEntry | null;
  mtu(dst: DstEntry): number;
  default_advmss(dst: DstEntry): number;
  update_pmtu(dst: DstEntry, sk: Sock | null, skb: SkBuff | null, mtu: number, confirm_neigh: boolean): void;
  redirect(dst: DstEntry, sk: Sock | null, skb: SkBuff): void;
  negative_advice(sk: Sock, dst: DstEntry): void;
  link_failure(skb: SkBuff): void;
  /** The neighbour entry for `daddr` (family layout), created when needed, or null. */
  neigh_lookup(dst: DstEntry, daddr: number): Neighbour | null;
}

export const DST_OBSOLETE_NONE = 0;
export const DST_OBSOLETE_DEAD = 2;
export const DST_OBSOLETE_FORCE_CHK = -1;

/** Fields every family shares; Rtable (IPv4) adds its own behind them. */
export class DstEntry {
  readonly ops: DstOps;
  dev: NetDevice;
  readonly net: Net;
  input: (skb: SkBuff) => number;
  output: (net: Net, sk: Sock | null, skb: SkBuff) => number;
  refcnt = 1;
  obsolete: number = DST_OBSOLETE_FORCE_CHK;
  /** errno of a route that answers with an error (unreachable, prohibit, blackhole), negative; 0 else. */
  error = 0;
  flags = 0;
  /** jiffies, 0 for never. */
  expires = 0;
  lastuse = 0;
  /** RTAX_* values, 0 where unset; shared with the fib_info until written. */
  metrics: Int32Array;
  /** Metrics are our own copy. */
  metrics_own = false;
  trailer_len = 0;
  header_len = 0;
  tclassid = 0;
  readonly release: (dst: DstEntry) => void;

  constructor(
    ops: DstOps,
    net: Net,
    dev: NetDevice,
    metrics: Int32Array,
    input: (skb: SkBuff) => number,
    output: (net: Net, sk: Sock | null, skb: SkBuff) => number,
  ) {
    this.ops = ops;
    this.net = net;
    this.dev = dev;
    this.metrics = metrics;
    this.input = input;
    this.output = output;
    this.release = dst_release;
    net.kernel.live_dsts++;
    dev.refcnt++;
  }
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    live_dsts: number;
  }
}

export function dst_init(k: Kernel): void {
  k.live_dsts = 0;
  k.live.set("dsts", () => k.live_dsts);
}

/** Drops one reference; the last one lets the device go. */
export function dst_release(dst: DstEntry | null): void {
  if (dst === null || --dst.refcnt > 0) return;
  if (dst.refcnt < 0) throw new Error("dst_release: refcnt underflow");
  dst.net.kernel.live_dsts--;
  dst.dev.refcnt--;
}

export const dst_mtu = (dst: DstEntry): number => dst.ops.mtu(dst);
export const dst_output = (net: Net, sk: Sock | null, skb: SkBuff): number => skb.dst!.output(net, sk, skb);

/** An entry that is still good for its socket, or null (__sk_dst_check uses it). */
export function dst_check(dst: DstEntry, cookie: number): DstEntry | null {
  return dst.obsolete !== 0 ? dst.ops.check(dst, cookie) : dst;
}
