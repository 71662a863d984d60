// Netlink messages that mean something to their handler, and then are damaged: header by type, attributes with their numbers, widths
// and values, nested ones too. Way in: netlink_message(source, protocol).

import { concat, type Source } from "./frame_gen.ts";

export const u16 = (v: number): Uint8Array => Uint8Array.of(v, v >> 8);
export const u32 = (v: number): Uint8Array => Uint8Array.of(v, v >> 8, v >> 16, v >>> 24);
export const text = (s: string): Uint8Array => Uint8Array.from([...s].map((c) => c.charCodeAt(0)));

export const INTS: readonly number[] = [
  0, 1, 2, 3, 4, 8, 16, 28, 64, 127, 128, 255, 256, 576, 1500, 65535, 65536, 0x7fffffff, -1, -2,
];
export const NAMES: readonly string[] = [
  "lo",
  "d0",
  "v0",
  "v1",
  "eth0",
  "nosuch",
  "",
  "all",
  "default",
  "a-name-that-is-far-too-long",
  "x%d",
  "../x",
];
const KINDS: readonly string[] = ["dummy", "veth", "dummy", "veth", "bridge", "vlan", "nosuch", ""];
const QDISCS: readonly string[] = ["pfifo", "bfifo", "pfifo_fast", "netem", "tbf", "prio", "mq", "noqueue", "nosuch"];

export const int_of = (s: Source): number => (s.one_in(3) ? s.u32() | 0 : s.pick(INTS));

export function ip_bytes(s: Source): Uint8Array {
  switch (s.below(6)) {
    case 0:
      return s.bytes(4);
    case 1:
      return Uint8Array.of(224, 1, 1, s.below(4));
    case 2:
      return Uint8Array.of(127, 0, 0, 1);
    case 3:
      return s.pick([Uint8Array.of(0, 0, 0, 0), Uint8Array.of(255, 255, 255, 255), Uint8Array.of(10, 0, 0, 255)]);
    default:
      return Uint8Array.of(10, 0, s.below(2), s.below(6));
  }
}

const str = (s: string): Uint8Array => concat([text(s), Uint8Array.of(0)]);
const small = (s: Source): Uint8Array => u32(s.one_in(6) ? int_of(s) : s.below(8));

/** One attribute on the wire; now and then with a length that lies. */
function put(s: Source, type: number, data: Uint8Array): Uint8Array {
  let len = data.length + 4;
  if (s.one_in(60)) len = s.pick([0, 1, 3, 4, len - 1, len + 1, len + 4, 65535]);
  return concat([u16(len), u16(type), data, new Uint8Array(-data.length & 3)]);
}

/** Anything under any number. */
function wild(s: Source, depth: number): Uint8Array {
  const data = s.pick([
    () => u32(int_of(s)),
    () => ip_bytes(s),
    () => str(s.pick(NAMES)),
    () => text(s.pick(KINDS)),
    () => s.bytes(s.pick([0, 1, 2, 3, 5, 6, 8, 16, 32, 64])),
    () => (depth < 4 ? concat(Array.from({ length: s.below(4) }, () => wild(s, depth + 1))) : s.bytes(4)),
  ])();
  let type = s.one_in(10) ? s.below(65536) : s.below(64);
  if (s.one_in(5)) type |= 0x8000;
  return put(s, type, data);
}

type Maker = (s: Source) => Uint8Array;
/** By attribute number: what its value looks like. */
type Attrs = readonly (readonly [number, Maker])[];

const route_metrics: Maker = (s) =>
  concat(
    Array.from({ length: 1 + s.below(4) }, () => put(s, 1 + s.below(17), s.one_in(8) ? str("reno") : u32(int_of(s)))),
  );

const rtnh: Maker = (s) =>
  concat(
    Array.from({ length: 1 + s.below(3) }, () => {
      const gw = s.one_in(3) ? new Uint8Array(0) : put(s, 5, Uint8Array.of(10, 0, 0, 2 + s.below(4)));
      const len = s.one_in(20) ? s.below(40) : 8 + gw.length;
      return concat([u16(len), Uint8Array.of(s.one_in(6) ? s.below(256) : 0, s.below(4)), u32(s.below(6)), gw]);
    }),
  );

const LINK: Attrs = [
  [3, (s) => str(s.pick(NAMES))],
  [1, (s) => s.bytes(s.one_in(6) ? s.below(33) : 6)],
  [4, (s) => u32(s.one_in(2) ? int_of(s) : s.pick([68, 576, 1280, 1500, 9000]))],
  [13, small],
  [16, (s) => Uint8Array.of(s.below(8))],
  [20, (s) => text(s.pick(["", "an alias", "x".repeat(300)]))],
  [27, small],
  [31, small],
  [32, small],
  [29, (s) => str("lo")],
  [
    18,
    (s) => {
      const kind = s.pick(KINDS);
      const peer = concat([new Uint8Array(16), ...(s.one_in(3) ? [] : [put(s, 3, str(s.pick(NAMES)))])]);
      const data = kind === "veth" && !s.one_in(5) ? put(s, 1, peer) : s.one_in(3) ? wild(s, 2) : new Uint8Array(0);
      return concat([put(s, 1, str(kind)), put(s, 2, data)]);
    },
  ],
  [
    26,
    (s) =>
      put(
        s,
        s.pick([2, 7, 10]),
        put(s, 1, concat(Array.from({ length: s.below(4) }, () => put(s, 1 + s.below(34), u32(int_of(s)))))),
      ),
  ],
  [52, (s) => put(s, 53, str(s.pick(NAMES)))],
];
const ADDR: Attrs = [
  [1, ip_bytes],
  [2, ip_bytes],
  [3, (s) => str(s.pick(["v0", "v0:1", "lo", "x"]))],
  [4, ip_bytes],
  [6, (s) => concat([u32(int_of(s)), u32(int_of(s)), u32(0), u32(0)])],
  [8, (s) => u32(int_of(s))],
  [9, small],
];
const ROUTE: Attrs = [
  [1, ip_bytes],
  [2, ip_bytes],
  [4, small],
  [5, ip_bytes],
  [5, () => Uint8Array.of(10, 0, 0, 2)],
  [6, small],
  [7, () => Uint8Array.of(10, 0, 0, 1)],
  [8, route_metrics],
  [9, rtnh],
  [11, small],
  [15, (s) => u32(s.pick([254, 255, 253, 100, 0, int_of(s)]))],
  [30, small],
];
const NEIGH: Attrs = [
  [1, ip_bytes],
  [2, (s) => s.bytes(s.one_in(6) ? s.below(33) : 6)],
  [8, small],
  [15, (s) => u32(s.pick([0, 1, 2, 4]))],
  [12, (s) => Uint8Array.of(s.below(256))],
];
const RULE: Attrs = [
  [1, ip_bytes],
  [2, ip_bytes],
  [3, (s) => str(s.pick(["v0", "lo"]))],
  [17, (s) => str(s.pick(["v0", "lo"]))],
  [4, (s) => u32(s.pick([32766, 100, int_of(s)]))],
  [6, (s) => u32(s.pick([0, 100, 32765, 32767, int_of(s)]))],
  [10, small],
  [16, small],
  [15, (s) => u32(s.pick([254, 255, 100, int_of(s)]))],
  [14, small],
  [22, (s) => Uint8Array.of(s.pick([17, 6, 1]))],
  [23, (s) => concat([u16(s.below(65536)), u16(s.below(65536))])],
  [24, (s) => concat([u16(1), u16(65535)])],
  [21, (s) => Uint8Array.of(s.below(6))],
];
const NEXTHOP: Attrs = [
  [1, small],
  [
    2,
    (s) =>
      concat(
        Array.from({ length: 1 + s.below(3) }, () => concat([u32(s.below(8)), Uint8Array.of(s.below(4), 0, 0, 0)])),
      ),
  ],
  [3, (s) => u16(s.below(3))],
  [4, () => new Uint8Array(0)],
  [5, (s) => u32(s.below(5))],
  [6, () => Uint8Array.of(10, 0, 0, 2)],
];
const QDISC: Attrs = [
  [1, (s) => str(s.pick(QDISCS))],
  [
    2,
    (s) =>
      s.one_in(2) ? u32(int_of(s)) : concat([s.bytes(s.pick([0, 4, 24, 36])), ...(s.one_in(2) ? [wild(s, 2)] : [])]),
  ],
];

/** By (type >> 2): links, addresses, routes, neighbours, rules, qdiscs, classes, filters. */
const BY_KIND: Readonly<Record<number, Attrs>> = {
  4: LINK,
  5: ADDR,
  6: ROUTE,
  7: NEIGH,
  8: RULE,
  9: QDISC,
  10: QDISC,
  26: NEXTHOP,
};

/** The fixed header of a rtnetlink type: its bytes, mostly sensible. */
function rt_header(s: Source, type: number): Uint8Array {
  const family = s.one_in(8) ? s.pick([0, 10, 17, 7, s.below(256)]) : 2;
  switch (type >> 2) {
    case 4: {
      const change = s.one_in(2) ? 0 : int_of(s);
      return concat([
        Uint8Array.of(s.one_in(4) ? family : 0, 0),
        u16(0),
        u32(s.one_in(2) ? 0 : s.below(6)),
        u32(int_of(s)),
        u32(change),
      ]);
    }
    case 5:
      return concat([
        Uint8Array.of(family, s.one_in(6) ? s.below(256) : s.below(33), 0, s.pick([0, 253, 254])),
        u32(s.below(6)),
      ]);
    case 6: {
      const table = s.pick([254, 254, 0, 255, 100, s.below(256)]);
      const scope = s.pick([0, 253, 254, 255]);
      return concat([
        Uint8Array.of(
          family,
          s.one_in(6) ? s.below(256) : s.pick([0, 8, 24, 32]),
          s.one_in(9) ? 24 : 0,
          s.below(4) * 8,
        ),
        Uint8Array.of(table, s.below(6), scope, s.one_in(3) ? s.below(13) : 1),
        u32(s.one_in(3) ? int_of(s) : 0),
      ]);
    }
    case 7: {
      const state = s.pick([1, 2, 4, 8, 16, 32, 64, 128, s.below(65536)]);
      return concat([
        Uint8Array.of(family, 0, 0, 0),
        u32(s.below(6)),
        u16(state),
        Uint8Array.of(s.one_in(3) ? s.below(256) : 0, 1),
      ]);
    }
    case 8:
      return concat([
        Uint8Array.of(family, s.one_in(2) ? 0 : s.below(33), s.one_in(2) ? 0 : s.below(33), s.one_in(3) ? 8 : 0),
        Uint8Array.of(s.pick([0, 253, 254, 255, 100]), 0, 0, s.below(9)),
        u32(s.one_in(4) ? int_of(s) : 0),
      ]);
    case 9:
    case 10:
    case 11:
      return concat([
        Uint8Array.of(0, 0, 0, 0),
        u32(s.below(6)),
        u32(s.pick([0, 0x10000, int_of(s)])),
        u32(s.pick([-1, 0, 0x10000, int_of(s)])),
        u32(0),
      ]);
    case 26:
      return concat([Uint8Array.of(family, 0, s.below(5), 0), u32(s.one_in(6) ? int_of(s) : 0)]);
    default:
      return s.bytes(s.pick([0, 1, 4, 8, 12, 16, 20, 56]));
  }
}

function rtnetlink(s: Source): [type: number, payload: Uint8Array] {
  let type = 16 + s.below(24);
  if (s.one_in(5)) type = 104 + s.below(4);
  if (s.one_in(10)) type = s.pick([64, 65, 66, 80, 82, 88, 90, 92, 94, 100, 108, 109, 110, s.below(140)]);
  let header = rt_header(s, type);
  if (s.one_in(40)) header = header.subarray(0, s.below(header.length + 1));
  const known = BY_KIND[type >> 2];
  const attrs: Uint8Array[] = [];
  for (let n = s.below(6); n > 0; n--) {
    if (known === undefined || s.one_in(12)) attrs.push(wild(s, 0));
    else {
      const [number, make] = s.pick(known);
      attrs.push(put(s, number, make(s)));
    }
  }
  return [type, concat([header, ...attrs])];
}

/** sock_diag: a request by family, with ids and now and then a filter in bytecode. */
function sock_diag(s: Source): [type: number, payload: Uint8Array] {
  const family = s.pick([2, 2, 2, 10, 16, 17, 1, s.below(256)]);
  let body = concat([
    Uint8Array.of(family, s.pick([17, 17, 6, 255, 1, 136]), s.below(256), 0),
    u32(-1),
    s.one_in(2) ? new Uint8Array(48) : s.bytes(48),
  ]);
  if (s.one_in(8)) body = body.subarray(0, s.below(body.length + 1));
  const attrs: Uint8Array[] = [];
  if (s.one_in(3)) {
    const ops = Array.from({ length: 1 + s.below(4) }, () =>
      concat([Uint8Array.of(s.below(12), s.pick([4, 8, 12, s.below(40)])), u16(s.pick([4, 8, 12, 16, s.below(40)]))]),
    );
    attrs.push(put(s, 1, concat([...ops, s.bytes(s.pick([0, 8, 12]))])));
  } else if (s.one_in(4)) attrs.push(wild(s, 1));
  return [s.one_in(8) ? s.below(30) : s.pick([20, 20, 20, 21, 18]), concat([body, ...attrs])];
}

export function netlink_message(s: Source, protocol: number): Uint8Array {
  const [type, payload] =
    protocol === 4
      ? sock_diag(s)
      : protocol === 16
        ? ([
            s.one_in(3) ? s.below(40) : 16,
            concat([Uint8Array.of(s.below(12), s.below(3), 0, 0), wild(s, 1)]),
          ] as const)
        : rtnetlink(s);
  let flags = 1 | (s.one_in(2) ? 4 : 0);
  const kind = type & 3;
  if (kind === 2 || protocol === 4) flags |= s.one_in(3) ? 0 : 0x300;
  else if (kind === 0) flags |= s.pick([0x400, 0x600, 0x500, 0xc00, 0x100, 0]);
  if (s.one_in(15)) flags = s.below(65536);
  let len = 16 + payload.length;
  if (s.one_in(30)) len = s.pick([0, 15, 16, len - 1, len + 1, len + 100, 0x7fffffff, -1]);
  return concat([u32(len), u16(type), u16(flags), u32(s.u32()), u32(0), payload]);
}
