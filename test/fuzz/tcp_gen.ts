// Segments of connections that live from case to case. Sequence numbers, acknowledgments, timestamps and SACK blocks are written as
// offsets; TcpRig.patch() adds what the machine under test expects at that moment. An odd window: the last acknowledgment again. Way in: tcp_flow().

import type { Source } from "./frame_gen.ts";

/** Who talks: its neighbour entry is permanent. */
export const TCP_PEER = 0x0a000008;
/** Its ports towards our listeners; our ports towards its port 7. */
export const PEER_PORTS = 40_000;
export const PEER_PORT_COUNT = 24;
export const OUR_PORTS = 20_000;
export const OUR_PORT_COUNT = 10;
/** Listeners: plain, with a short queue, with TCP_DEFER_ACCEPT and Fast Open. */
export const LISTEN_PORTS: readonly number[] = [80, 81, 82];

const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const URG = 32;

function offset(s: Source): number {
  switch (s.below(12)) {
    case 0:
      return -1 - s.below(3000);
    case 1:
      return 1 + s.below(3000);
    case 2:
      return s.pick([1, -1, 65_535, -65_535, 0x7fffffff, -0x80000000, 1448, -1448]);
    case 3:
      return s.u32() | 0;
    case 4:
      return 100 * (1 + s.below(40));
    default:
      return 0;
  }
}

function options(s: Source, flags: number): number[] {
  const o: number[] = [];
  const u32 = (v: number): void => {
    o.push((v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255);
  };
  if (s.one_in(12)) {
    // Anything at all.
    for (let n = s.below(41); n > 0; n--)
      o.push(s.one_in(2) ? s.below(256) : s.pick([0, 1, 2, 3, 4, 5, 8, 19, 28, 34, 254]));
    return o;
  }
  if ((flags & SYN) !== 0) {
    if (!s.one_in(6)) o.push(2, 4, s.below(s.one_in(4) ? 256 : 6), s.below(256));
    if (!s.one_in(4)) o.push(4, 2);
    if (!s.one_in(4)) o.push(3, 3, s.one_in(5) ? s.below(256) : s.below(15));
    // Fast Open: a request, a cookie, an old-fashioned one.
    if (s.one_in(6))
      o.push(
        ...s.pick([
          [34, 2],
          [34, 10, ...s.bytes(8)],
          [254, 4, 0xf9, 0x89],
          [34, 4, 1, 2],
        ]),
      );
  }
  if (!s.one_in(4)) {
    o.push(1, 1, 8, 10);
    u32(s.one_in(8) ? s.u32() : s.below(50));
    u32(s.one_in(8) ? s.u32() : -s.below(4));
  }
  if (s.one_in(3)) {
    const n = 1 + s.below(4);
    o.push(1, 1, 5, 2 + 8 * n);
    for (let i = 0; i < n; i++) {
      // Half of them up to the newest byte: those are in the window.
      const end = i === 0 && s.one_in(2);
      const at = end ? -s.pick([100, 1000, 1448, 3000, 10_000]) : -s.below(s.one_in(3) ? 100_000 : 6000);
      u32(at);
      u32(end ? 0 : at + (s.one_in(6) ? -s.below(100) : s.pick([1, 100, 536, 1448, 2896, 5000])));
    }
  }
  if (s.one_in(60)) o.push(19, 18, ...s.bytes(16));
  return o.slice(0, 40);
}

/** Destination unreachable, fragmentation needed, time exceeded …, about a segment of ours. */
export function tcp_error(s: Source): Uint8Array {
  const client = s.one_in(3);
  const b = new Uint8Array(8 + 20 + 8 + (s.one_in(2) ? 12 : 0));
  const dv = new DataView(b.buffer);
  b[0] = s.pick([3, 3, 3, 3, 11, 12, 4, 5]);
  b[1] = b[0] === 3 ? s.pick([4, 4, 4, 0, 1, 2, 3, 13, s.below(16)]) : s.below(2);
  dv.setUint16(6, s.one_in(4) ? s.below(65_536) : s.pick([1499, 1400, 576, 552, 300, 68, 0]));
  b[8] = 0x45;
  dv.setUint16(10, 1500);
  dv.setUint16(14, 0x4000);
  b[16] = 60;
  b[17] = 6;
  dv.setUint32(20, 0x0a000001);
  dv.setUint32(24, TCP_PEER);
  dv.setUint16(28, client ? OUR_PORTS + s.below(OUR_PORT_COUNT) : s.pick(LISTEN_PORTS));
  dv.setUint16(30, client ? 7 : PEER_PORTS + s.below(PEER_PORT_COUNT));
  dv.setInt32(32, s.one_in(3) ? offset(s) : -1 - s.below(3000));
  return b;
}

/** A run of full segments with the same options: what GRO merges, and what fills a receive buffer. */
function bulk(s: Source, sport: number, dport: number, frame: (segment: Uint8Array) => Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  const size = s.pick([1400, 1400, 536, 100, 1]);
  // With a hole in front everything waits out of order.
  let seq = s.one_in(3) ? size * s.below(20) : 0;
  const opts = s.one_in(2) ? [1, 1, 8, 10, 0, 0, 0, s.below(9), 0, 0, 0, 0] : [];
  for (let n = 2 + s.below(30); n > 0; n--, seq += size) {
    const b = new Uint8Array(20 + opts.length + size);
    const dv = new DataView(b.buffer);
    dv.setUint16(0, sport);
    dv.setUint16(2, dport);
    dv.setInt32(4, seq);
    b[12] = ((20 + opts.length) >> 2) << 4;
    b[13] = n === 1 && s.one_in(2) ? ACK | PSH : ACK;
    dv.setUint16(14, 8192);
    b.set(opts, 20);
    if (!s.one_in(20)) out.push(frame(b));
  }
  return out;
}

/** Segments of one connection: `frame` makes a whole frame of the bytes of each. */
export function tcp_flow(s: Source, frame: (segment: Uint8Array) => Uint8Array): Uint8Array[] {
  const client = s.one_in(3);
  const sport = client ? 7 : PEER_PORTS + s.below(PEER_PORT_COUNT);
  const dport = client ? OUR_PORTS + s.below(OUR_PORT_COUNT) : s.pick(LISTEN_PORTS);
  if (s.one_in(6)) return bulk(s, sport, dport, frame);
  const out: Uint8Array[] = [];
  // Most cases are a run of data, or of ACKs; some try to open.
  const opening = s.one_in(4);
  let seq = 0;
  for (let n = opening ? 1 + s.below(2) : 1 + s.below(10); n > 0; n--) {
    let flags = s.pick([ACK, ACK, ACK, ACK, ACK, ACK | PSH, ACK | PSH, ACK | PSH | FIN, ACK | FIN]);
    if (opening) flags = client ? SYN | ACK : SYN;
    if (s.one_in(30)) flags = s.pick([RST, RST | ACK, SYN, SYN | ACK, ACK | URG, ACK | URG | PSH, 0, s.below(256)]);
    if (s.one_in(10)) flags |= s.pick([0x40, 0x80, 0xc0]);
    const opts = options(s, flags);
    while (opts.length % 4 !== 0) opts.push(s.one_in(2) ? 0 : 1);
    const data =
      s.one_in(3) && !opening
        ? s.bytes(s.one_in(3) ? 1400 : s.size(1400))
        : new Uint8Array(opening && s.one_in(8) ? 40 : 0);
    const b = new Uint8Array(20 + opts.length + data.length);
    const dv = new DataView(b.buffer);
    dv.setUint16(0, sport);
    dv.setUint16(2, dport);
    dv.setInt32(4, seq + (opening ? 0 : offset(s)));
    dv.setInt32(8, offset(s));
    b[12] = s.one_in(60) ? s.below(256) : ((20 + opts.length) >> 2) << 4;
    b[13] = flags;
    dv.setUint16(14, s.pick([0, 1, 100, 500, 8192, 65_534, 65_534, 65_535, 65_535, s.below(65_536)]));
    dv.setUint16(18, s.one_in(3) ? s.below(65_536) : s.below(200));
    b.set(opts, 20);
    b.set(data, 20 + opts.length);
    seq += data.length;
    out.push(frame(b));
    if (s.one_in(12)) out.push(out[out.length - 1]!);
  }
  return out;
}
