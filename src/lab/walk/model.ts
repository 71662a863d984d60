// What a walk knows: steps, the lives of packets on machines, and the frames that join them over cables.
// Way in: Recorder (recorder.ts) fills these, join.ts makes trees of them, text.ts and the others print them.

import type { TraceNote } from "../../kernel/trace.ts";

/** A function entered without a packet in hand, on the way to one: an interrupt, a poll, a system call. */
export interface Call {
  readonly t: number;
  readonly fn: string;
  readonly ctx: number;
  readonly number: number;
  note: string;
}

/** The bytes of a packet at some point; `l2`: from the Ethernet header on, else from the network header. */
export interface Capture {
  readonly l2: boolean;
  readonly bytes: Uint8Array;
  /** Length as it was, when longer than what was kept. */
  readonly len: number;
}

/** What the hardware did: `what` is one of HW_* of hw/trace.ts. */
export interface HwStep {
  readonly what: number;
  readonly why: string;
  readonly counter: string;
  readonly hop: Hop | null;
}

export interface Step {
  readonly seq: number;
  /** ns of the world. */
  readonly t: number;
  readonly host: string;
  readonly cpu: number;
  readonly ctx: number;
  readonly pid: number;
  readonly comm: string;
  /** Function; "" for a step of the hardware. */
  readonly fn: string;
  readonly dev: string;
  readonly ifindex: number;
  readonly netns: number;
  readonly mtu: number;
  readonly mark: number;
  readonly proto: number;
  readonly len: number;
  /** False when this only adds a note to the step before. */
  readonly enters: boolean;
  readonly note: TraceNote | null;
  readonly hw: HwStep | null;
  /** How the machine came here, when it is another way than at the packet's step before. */
  readonly via: readonly Call[];
  /** It is here because this other packet was being handled: an answer, or what an ARP reply sets free. */
  readonly during: Packet | null;
}

/** A frame on its way from one card to others. */
export interface Hop {
  readonly tag: number;
  readonly from: Packet | null;
  /** "pc1", "eth0", and the cable's name. */
  readonly host: string;
  readonly dev: string;
  readonly cable: string;
  /** How many cards that cable joins: beyond two it is a hub, where frames for others are heard. */
  readonly ends: number;
  readonly t: number;
  readonly capture: Capture;
  /** Where it reached memory. */
  readonly arrivals: { readonly host: string; readonly dev: string; readonly t: number; packet: Packet | null }[];
  /** It was a copy that the cable made: an arrival more than there are ends. */
  duplicated: boolean;
}

export interface PacketEnd {
  readonly kind: "delivered" | "consumed" | "sent" | "dropped" | "waiting" | "joined";
  readonly text: string;
  /** Dropped: name without prefix, or the hardware's counter; and where. */
  readonly reason: string;
  readonly where: string;
  readonly why: string;
  readonly look: readonly string[];
}

/** The life of one sk_buff on one machine; or of a frame that ended in a card before it was one. */
export class Packet {
  readonly host: string;
  /** Identity in its kernel; 0: never was an sk_buff. */
  readonly skb: number;
  readonly steps: Step[] = [];
  parent: Packet | null = null;
  /** How it came from its parent: "wire", "clone", "copy", "segment", "fragment", "gro", "reassembled". */
  how = "";
  /** The hop it arrived by. */
  hop: Hop | null = null;
  readonly children: Packet[] = [];
  /** What was being handled when it was made: the question to this answer. */
  cause: Packet | null = null;
  capture: Capture | null = null;
  /** It was merged into this one (GRO, reassembly). */
  into: Packet | null = null;
  /** Of the root: its number in the output. */
  number = 0;
  end: PacketEnd | null = null;

  constructor(host: string, skb: number) {
    this.host = host;
    this.skb = skb;
  }

  get root(): Packet {
    let p: Packet = this;
    while (p.parent !== null) p = p.parent;
    return p;
  }

  get start(): number {
    const s = this.steps[0];
    return s === undefined ? 0 : s.via.length > 0 && this.hop === null ? s.via[0]!.t : s.t;
  }
}

/** A packet and all that descends from it, in the order of time. */
export function family(root: Packet): Packet[] {
  const all: Packet[] = [root];
  for (let i = 0; i < all.length; i++) all.push(...all[i]!.children);
  return all;
}

export interface WalkResult {
  /** Roots in the order of time, numbered from 1. */
  readonly packets: Packet[];
  readonly hops: readonly Hop[];
  /** ns of the world when tracing began. */
  readonly started: number;
  /** Records that were not kept. */
  readonly lost: number;
  readonly host: string;
  readonly command: string;
  readonly exitCode: number;
  /** ms since 1970 at time 0 of the world. */
  readonly epoch_ms: number;
}
