// The packets over which filters and the printer are compared with the real tcpdump. Built here, byte by byte, so that the
// golden files need to hold only what tcpdump said of them. The same corpus is wrapped in each link type.

export type Bytes = number[];

export interface Sample {
  name: string;
  bytes: Uint8Array;
  /** Length on the wire, where the capture cut the packet. */
  wire_len: number;
  ts_sec: number;
  ts_nsec: number;
}

export const u16 = (n: number): Bytes => [(n >> 8) & 255, n & 255];
export const u32 = (n: number): Bytes => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
export const text = (s: string): Bytes => Array.from(s, (c) => c.charCodeAt(0));
export const ip4 = (s: string): Bytes => s.split(".").map(Number);
export const mac = (s: string): Bytes => s.split(":").map((h) => parseInt(h, 16));
export const ip6 = (s: string): Bytes => {
  const [l, r] = s.split("::");
  const w = (p: string): Bytes => (p ? p.split(":").flatMap((x) => u16(parseInt(x, 16))) : []);
  const [a, b] = [w(l), r === undefined ? [] : w(r)];
  return [...a, ...Array<number>(16 - a.length - b.length).fill(0), ...b];
};

export const sum = (b: Bytes): number => {
  let s = 0;
  for (let i = 0; i < b.length; i += 2) s += (b[i] << 8) + (b[i + 1] ?? 0);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return ~s & 0xffff;
};

export const M1 = mac("02:00:00:00:00:01");
export const M2 = mac("02:00:00:00:00:02");
export const BCAST = mac("ff:ff:ff:ff:ff:ff");
export const A = ip4("10.0.0.1");
export const B = ip4("10.0.0.2");
export const A6 = ip6("2001:db8::1");
export const B6 = ip6("2001:db8::2");
export const L6 = ip6("fe80::1");

export const eth = (type: number, payload: Bytes, dst = M2, src = M1): Bytes => [
  ...dst,
  ...src,
  ...u16(type),
  ...payload,
];

export interface Ip4Opts {
  src?: Bytes;
  dst?: Bytes;
  tos?: number;
  id?: number;
  frag?: number;
  ttl?: number;
  options?: Bytes;
  bad_sum?: boolean;
  tot_len?: number;
}

export const ipv4 = (proto: number, payload: Bytes, o: Ip4Opts = {}): Bytes => {
  const options = o.options ?? [];
  const hlen = 20 + options.length;
  const h = [
    0x40 | (hlen >> 2),
    o.tos ?? 0,
    ...u16(o.tot_len ?? hlen + payload.length),
    ...u16(o.id ?? 0x1234),
    ...u16(o.frag ?? 0x4000),
    o.ttl ?? 64,
    proto,
    0,
    0,
    ...(o.src ?? A),
    ...(o.dst ?? B),
    ...options,
  ];
  const c = o.bad_sum ? 0xdead : sum(h);
  h[10] = c >> 8;
  h[11] = c & 255;
  return [...h, ...payload];
};

export const ipv6 = (next: number, payload: Bytes, src = A6, dst = B6, hlim = 64, first = 0x60000000): Bytes => [
  ...u32(first),
  ...u16(payload.length),
  next,
  hlim,
  ...src,
  ...dst,
  ...payload,
];

/** Fills in the checksum at `at` of a transport header over the pseudo-header of the addresses. */
export const with_sum = (b: Bytes, at: number, proto: number, src: Bytes, dst: Bytes): Bytes => {
  const pseudo = [
    ...src,
    ...dst,
    ...(src.length === 4 ? [0, proto, ...u16(b.length)] : [...u32(b.length), 0, 0, 0, proto]),
  ];
  const c = sum([...pseudo, ...b]);
  const r = [...b];
  r[at] = c >> 8;
  r[at + 1] = c & 255;
  return r;
};

export const tcp = (
  sport: number,
  dport: number,
  flags: number,
  seq: number,
  ack: number,
  o: { options?: Bytes; data?: Bytes; win?: number; urg?: number; src?: Bytes; dst?: Bytes; bad?: boolean } = {},
): Bytes => {
  const options = o.options ?? [];
  const h = [
    ...u16(sport),
    ...u16(dport),
    ...u32(seq),
    ...u32(ack),
    ((5 + options.length / 4) << 4) | ((flags >> 8) & 15),
    flags & 255,
    ...u16(o.win ?? 502),
    0,
    0,
    ...u16(o.urg ?? 0),
    ...options,
    ...(o.data ?? []),
  ];
  const b = with_sum(h, 16, 6, o.src ?? A, o.dst ?? B);
  if (o.bad) b[16] ^= 0x55;
  return b;
};

export const udp = (
  sport: number,
  dport: number,
  data: Bytes,
  o: { src?: Bytes; dst?: Bytes; sum?: number; len?: number } = {},
): Bytes => {
  const h = [...u16(sport), ...u16(dport), ...u16(o.len ?? 8 + data.length), 0, 0, ...data];
  if (o.sum === undefined) return with_sum(h, 6, 17, o.src ?? A, o.dst ?? B);
  h[6] = o.sum >> 8;
  h[7] = o.sum & 255;
  return h;
};

export const icmp = (type: number, code: number, rest: Bytes): Bytes => {
  const b = [type, code, 0, 0, ...rest];
  const c = sum(b);
  b[2] = c >> 8;
  b[3] = c & 255;
  return b;
};

export const icmp6 = (type: number, code: number, rest: Bytes, src = A6, dst = B6): Bytes =>
  with_sum([type, code, 0, 0, ...rest], 2, 58, src, dst);

export const arp = (op: number, sha: Bytes, spa: Bytes, tha: Bytes, tpa: Bytes): Bytes => [
  ...u16(1),
  ...u16(0x0800),
  6,
  4,
  ...u16(op),
  ...sha,
  ...spa,
  ...tha,
  ...tpa,
];

export const vlan = (tci: number, type: number, payload: Bytes): Bytes => [...u16(tci), ...u16(type), ...payload];

const Z6 = [0, 0, 0, 0, 0, 0];
const MSS = [2, 4, ...u16(1460)];
const SACK_OK = [4, 2];
const WSCALE = [3, 3, 7];
const TS = (v: number, e: number): Bytes => [8, 10, ...u32(v), ...u32(e)];
const NOP = [1];
const SYN_OPTIONS = [...MSS, ...SACK_OK, ...TS(1000, 0), ...NOP, ...WSCALE];
const [FIN, SYN, RST, PSH, ACK, URG, ECE, CWR] = [1, 2, 4, 8, 16, 32, 64, 128];

const t4 = (seg: Bytes, o: Ip4Opts = {}): Bytes => eth(0x0800, ipv4(6, seg, o));
const u4 = (dgram: Bytes, o: Ip4Opts = {}): Bytes => eth(0x0800, ipv4(17, dgram, o));
const i4 = (msg: Bytes, o: Ip4Opts = {}): Bytes => eth(0x0800, ipv4(1, msg, o));
const e6 = (payload: Bytes): Bytes => eth(0x86dd, payload);
const tcp6 = (s: number, d: number, flags: number, data: Bytes = []): Bytes =>
  tcp(s, d, flags, 100, 200, { src: A6, dst: B6, data });
const udp6 = (s: number, d: number, data: Bytes): Bytes => udp(s, d, data, { src: A6, dst: B6 });
const echo = (n: number): Bytes => [...u16(77), ...u16(n), ...text("abcdefghijklmnopqrstuvwabcdefghi")];
const ETH_A = ip4("192.168.1.10");
const ETH_B = ip4("192.168.1.255");

/** Frames of link type EN10MB that exercise filters: one of each kind, with repeats where addresses or ports matter. */
export const filter_frames = (): [string, Bytes][] => {
  const r = { src: B, dst: A };
  const f: [string, Bytes][] = [
    ["arp request", eth(0x0806, arp(1, M1, A, Z6, B), BCAST)],
    ["arp reply", eth(0x0806, arp(2, M2, B, M1, A), M1, M2)],
    ["rarp", eth(0x8035, arp(3, M1, [0, 0, 0, 0], M1, [0, 0, 0, 0]), BCAST)],
    ["rarp reply", eth(0x8035, arp(4, M2, B, M1, A), M1, M2)],
    ["tcp syn 80", t4(tcp(40000, 80, SYN, 1, 0, { options: SYN_OPTIONS }))],
    ["tcp synack 80", t4(tcp(80, 40000, SYN | ACK, 9, 2, { ...r, options: SYN_OPTIONS }), r)],
    ["tcp data 80", t4(tcp(40000, 80, PSH | ACK, 2, 10, { data: text("GET / HTTP/1.0\r\n\r\n") }))],
    ["tcp fin 443", t4(tcp(40001, 443, FIN | ACK, 2, 10))],
    ["tcp rst", t4(tcp(443, 40001, RST, 2, 0, r), r)],
    ["tcp 22", t4(tcp(22, 22, ACK, 2, 10))],
    ["tcp urg ece cwr", t4(tcp(5000, 6000, URG | ECE | CWR | ACK, 2, 10, { urg: 5 }))],
    ["tcp ip options", t4(tcp(40000, 80, ACK, 2, 10), { options: [1, 1, 1, 0, 7, 4, 4, 0] })],
    ["udp dns", u4(udp(53, 5353, text("hello"), { ...r }), r)],
    ["udp 53 out", u4(udp(30000, 53, text("hello")))],
    ["udp ntp", u4(udp(123, 123, Array<number>(48).fill(0), { src: ETH_A, dst: A }), { src: ETH_A, dst: A })],
    ["udp 6000", u4(udp(6000, 80, []))],
    ["udp 514", u4(udp(514, 514, text("<13>x")))],
    ["sctp", eth(0x0800, ipv4(132, [...u16(80), ...u16(9899), ...u32(7), ...u32(0), 1, 0, 0, 4]))],
    ["fragment first", eth(0x0800, ipv4(17, udp(1000, 53, Array<number>(16).fill(1)), { frag: 0x2000 }))],
    [
      "fragment later",
      eth(0x0800, ipv4(17, [...u16(1000), ...u16(53), ...Array<number>(12).fill(2)], { frag: 0x0003 })),
    ],
    ["fragment tcp", eth(0x0800, ipv4(6, [...u16(1000), ...u16(80), ...Array<number>(16).fill(2)], { frag: 0x0100 }))],
    ["icmp echo", i4(icmp(8, 0, echo(1)))],
    ["icmp reply", i4(icmp(0, 0, echo(1)), r)],
    ["icmp unreach", i4(icmp(3, 3, [0, 0, 0, 0, ...ipv4(17, udp(1, 2, []))]), r)],
    [
      "igmp",
      eth(
        0x0800,
        ipv4(2, icmp(0x16, 0, ip4("224.0.0.251")), { dst: ip4("224.0.0.251"), ttl: 1 }),
        mac("01:00:5e:00:00:fb"),
      ),
    ],
    ["ospf", eth(0x0800, ipv4(89, Array<number>(24).fill(0), { dst: ip4("224.0.0.5") }), mac("01:00:5e:00:00:05"))],
    ["esp", eth(0x0800, ipv4(50, [...u32(1), ...u32(2), ...u32(3)]))],
    ["ah", eth(0x0800, ipv4(51, [6, 1, 0, 0, ...u32(1), ...u32(2)]))],
    ["pim", eth(0x0800, ipv4(103, [0x20, 0, 0, 0]))],
    ["vrrp", eth(0x0800, ipv4(112, [0x21, 1, 100, 1, 0, 1, 0, 0, ...A]))],
    ["igrp", eth(0x0800, ipv4(9, [0, 0, 0, 0]))],
    [
      "broadcast",
      eth(
        0x0800,
        ipv4(17, udp(68, 67, text("x"), { src: [0, 0, 0, 0], dst: BCAST.slice(0, 4) }), {
          src: [0, 0, 0, 0],
          dst: [255, 255, 255, 255],
        }),
        BCAST,
      ),
    ],
    [
      "directed broadcast",
      eth(0x0800, ipv4(17, udp(137, 137, text("x"), { src: ETH_A, dst: ETH_B }), { src: ETH_A, dst: ETH_B }), BCAST),
    ],
    ["tcp6", e6(ipv6(6, tcp6(40000, 80, SYN)))],
    ["tcp6 back", e6(ipv6(6, tcp(443, 40000, ACK, 1, 2, { src: B6, dst: A6 }), B6, A6))],
    ["udp6", e6(ipv6(17, udp6(1000, 53, text("q"))))],
    ["icmp6 echo", e6(ipv6(58, icmp6(128, 0, echo(3))))],
    [
      "icmp6 ns",
      eth(
        0x86dd,
        ipv6(
          58,
          icmp6(135, 0, [0, 0, 0, 0, ...B6, 1, 1, ...M1], L6, ip6("ff02::1:ff00:2")),
          L6,
          ip6("ff02::1:ff00:2"),
          255,
        ),
        mac("33:33:ff:00:00:02"),
      ),
    ],
    ["ip6 fragment udp", e6(ipv6(44, [17, 0, ...u16(1), ...u32(9), ...udp6(1000, 53, text("q"))]))],
    ["ip6 fragment icmp6", e6(ipv6(44, [58, 0, ...u16(1), ...u32(9), ...icmp6(128, 0, echo(3))]))],
    ["ip6 hopopts", e6(ipv6(0, [58, 0, 5, 2, 0, 0, 1, 0, ...icmp6(143, 0, [0, 0, 0, 0])]))],
    ["ip6 sctp", e6(ipv6(132, [...u16(80), ...u16(9899), ...u32(7), ...u32(0)]))],
    ["vlan 5 ip", eth(0x8100, vlan(5, 0x0800, ipv4(6, tcp(40000, 80, SYN, 1, 0))))],
    ["vlan 100 prio 6 arp", eth(0x8100, vlan(0x6000 | 100, 0x0806, arp(1, M1, A, Z6, B)))],
    ["qinq", eth(0x88a8, vlan(100, 0x8100, vlan(200, 0x0800, ipv4(17, udp(5, 53, text("x"))))))],
    ["vlan ip6", eth(0x8100, vlan(7, 0x86dd, ipv6(6, tcp6(1, 2, SYN))))],
    ["mpls", eth(0x8847, [...u32((1024 << 12) | 0x100 | 64), ...ipv4(6, tcp(40000, 80, SYN, 1, 0))])],
    [
      "mpls 2",
      eth(0x8847, [...u32((100000 << 12) | 64), ...u32((1024 << 12) | 0x100 | 64), ...ipv4(17, udp(1, 2, []))]),
    ],
    ["pppoed", eth(0x8863, [0x11, 9, 0, 0, 0, 0])],
    ["pppoes ip", eth(0x8864, [0x11, 0, 0, 0x27, ...u16(30), ...u16(0x21), ...ipv4(17, udp(1, 53, []))])],
    ["pppoes ip6", eth(0x8864, [0x11, 0, 0, 0x28, ...u16(50), ...u16(0x57), ...ipv6(17, udp6(1, 53, []))])],
    ["stp", eth(38, [0x42, 0x42, 3, ...Array<number>(43).fill(0)], mac("01:80:c2:00:00:00"))],
    ["snap ip", eth(28, [0xaa, 0xaa, 3, 0, 0, 0, 8, 0, ...ipv4(17, udp(1, 2, []))])],
    ["snap atalk", eth(28, [0xaa, 0xaa, 3, 8, 0, 7, 0x80, 0x9b, ...Array<number>(20).fill(0)])],
    ["snap aarp", eth(28, [0xaa, 0xaa, 3, 0, 0, 0, 0x80, 0xf3, ...Array<number>(20).fill(0)])],
    ["atalk", eth(0x809b, Array<number>(20).fill(0))],
    ["aarp", eth(0x80f3, Array<number>(20).fill(0))],
    ["ipx", eth(0x8137, Array<number>(30).fill(0xff))],
    ["ipx raw", eth(30, Array<number>(30).fill(0xff))],
    ["ipx llc", eth(30, [0xe0, 0xe0, 3, ...Array<number>(30).fill(0xff)])],
    ["isis", eth(40, [0xfe, 0xfe, 3, 0x83, ...Array<number>(36).fill(0)])],
    ["netbeui", eth(40, [0xf0, 0xf0, 3, ...Array<number>(36).fill(0)])],
    ["loopback", eth(0x9000, Array<number>(46).fill(0))],
    ["lldp", eth(0x88cc, [2, 7, 4, ...M1, 0, 0], mac("01:80:c2:00:00:0e"))],
    ["short 13", eth(0x0800, []).slice(0, 13)],
    ["short 14", eth(0x0800, [])],
    ["short ip", t4(tcp(40000, 80, SYN, 1, 0)).slice(0, 30)],
    ["short tcp", t4(tcp(40000, 80, SYN, 1, 0)).slice(0, 37)],
    ["ihl 0", eth(0x0800, [0x40, ...ipv4(6, tcp(40000, 80, SYN, 1, 0)).slice(1)])],
    ["ihl 15", eth(0x0800, [0x4f, ...ipv4(17, udp(40000, 80, [])).slice(1)])],
    ["big", u4(udp(7, 7, Array<number>(1400).fill(65)))],
  ];
  for (let i = 0; i < 6; i++) {
    const src = [172, 16 + i, i * 40, i + 1];
    const dst = [192, 168, i, 200];
    f.push([
      `tcp pair ${i}`,
      t4(tcp(1024 + i, 78 + i, i % 2 ? ACK : SYN | ACK, i, 0, { src, dst }), {
        src,
        dst,
        ttl: 1 + i * 50,
        tos: i * 32,
        id: i,
      }),
    ]);
  }
  return f;
};

const FRAME_GAP_NS = 1_234_567_891;

/** Timestamps of a corpus: from the epoch second 1,700,000,000 on, at uneven distances. */
export const sample = (name: string, bytes: Bytes, i: number, wire_len = bytes.length): Sample => ({
  name,
  bytes: Uint8Array.from(bytes),
  wire_len,
  ts_sec: 1_700_000_000 + Math.floor((i * FRAME_GAP_NS) / 1e9),
  ts_nsec: (i * FRAME_GAP_NS) % 1e9,
});

/** The frame as link type SLL, SLL2 or RAW would show it; undefined where there is no such thing. */
export const as_sll = (b: Bytes, out: boolean): Bytes | undefined => {
  if (b.length < 14) return undefined;
  const type = (b[12] << 8) | b[13];
  const pkttype = out ? 4 : b[0] === 255 ? 1 : b[0] & 1 ? 2 : 0;
  return [
    ...u16(pkttype),
    ...u16(1),
    ...u16(6),
    ...b.slice(6, 12),
    0,
    0,
    ...u16(type > 1500 ? type : 4),
    ...b.slice(14),
  ];
};

export const as_sll2 = (b: Bytes, out: boolean, ifindex: number): Bytes | undefined => {
  const v1 = as_sll(b, out);
  if (!v1) return undefined;
  return [...v1.slice(14, 16), 0, 0, ...u32(ifindex), ...u16(1), v1[1], 6, ...v1.slice(6, 14), ...v1.slice(16)];
};

export const as_raw = (b: Bytes): Bytes | undefined => {
  const type = (b[12] << 8) | b[13];
  return type === 0x0800 || type === 0x86dd ? b.slice(14) : undefined;
};
