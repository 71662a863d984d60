// Packets for the printer: conversations, and every message whose text is pinned to the real tcpdump's.

import {
  A,
  A6,
  arp,
  as_raw,
  as_sll,
  as_sll2,
  B,
  B6,
  BCAST,
  type Bytes,
  eth,
  type Ip4Opts,
  icmp,
  icmp6,
  ip4,
  ip6,
  ipv4,
  ipv6,
  L6,
  M1,
  M2,
  mac,
  type Sample,
  sample,
  tcp,
  text,
  u16,
  u32,
  udp,
  vlan,
} from "./corpus.ts";

const [FIN, SYN, RST, PSH, ACK, URG, ECE, CWR] = [1, 2, 4, 8, 16, 32, 64, 128];
const Z6 = [0, 0, 0, 0, 0, 0];
const r = { src: B, dst: A };
const ts = (v: number, e: number): Bytes => [1, 1, 8, 10, ...u32(v), ...u32(e)];
const SYN_OPTIONS = [2, 4, ...u16(1460), 4, 2, 8, 10, ...u32(1000), ...u32(0), 1, 3, 3, 7];

const t4 = (seg: Bytes, o: Ip4Opts = {}): Bytes => eth(0x0800, ipv4(6, seg, o));
const u4 = (dgram: Bytes, o: Ip4Opts = {}): Bytes => eth(0x0800, ipv4(17, dgram, o));
const i4 = (msg: Bytes, o: Ip4Opts = {}): Bytes => eth(0x0800, ipv4(1, msg, o));
const e6 = (payload: Bytes): Bytes => eth(0x86dd, payload);

// --- DNS ------------------------------------------------------------------------------------------------------------

export const dns_name = (s: string): Bytes => [...s.split(".").flatMap((l) => (l ? [l.length, ...text(l)] : [])), 0];
const question = (name: string, type: number, cls = 1): Bytes => [...dns_name(name), ...u16(type), ...u16(cls)];
const rr = (type: number, data: Bytes, name: Bytes = [0xc0, 12], ttl = 300, cls = 1): Bytes => [
  ...name,
  ...u16(type),
  ...u16(cls),
  ...u32(ttl),
  ...u16(data.length),
  ...data,
];
const dns = (id: number, flags: number, counts: number[], ...parts: Bytes[]): Bytes => [
  ...u16(id),
  ...u16(flags),
  ...counts.flatMap(u16),
  ...parts.flat(),
];
const query = (d: Bytes): Bytes => u4(udp(40000, 53, d));
const answer = (d: Bytes): Bytes => u4(udp(53, 40000, d, r), r);
const QA = question("example.com", 1);

const dns_frames = (): [string, Bytes][] => [
  ["dns empty", query([])],
  ["dns A?", query(dns(12345, 0x0100, [1, 0, 0, 0], QA))],
  ["dns AAAA?", query(dns(12346, 0x0100, [1, 0, 0, 0], question("www.example.com", 28)))],
  ["dns no recursion", query(dns(1, 0, [1, 0, 0, 0], QA))],
  ["dns root NS?", query(dns(2, 0x0100, [1, 0, 0, 0], question("", 2)))],
  ["dns PTR?", query(dns(3, 0x0100, [1, 0, 0, 0], question("1.0.0.10.in-addr.arpa", 12)))],
  [
    "dns types",
    query(dns(4, 0x0100, [4, 0, 0, 0], question("a", 15), question("b", 16), question("c", 6), question("d", 33))),
  ],
  ["dns ANY?", query(dns(5, 0x0100, [1, 0, 0, 0], question("a.b", 255)))],
  ["dns unknown type", query(dns(5, 0x0100, [1, 0, 0, 0], question("a.b", 999)))],
  ["dns CH", query(dns(6, 0x0100, [1, 0, 0, 0], question("version.bind", 16, 3)))],
  ["dns AD", query(dns(7, 0x0120, [1, 0, 0, 0], QA))],
  ["dns CD", query(dns(8, 0x0110, [1, 0, 0, 0], QA))],
  ["dns EDNS", query(dns(9, 0x0100, [1, 0, 0, 1], QA, [0, ...u16(41), ...u16(1232), ...u32(0), 0, 0]))],
  ["dns EDNS DO", query(dns(9, 0x0120, [1, 0, 0, 1], QA, [0, ...u16(41), ...u16(4096), ...u32(0x8000), 0, 0]))],
  ["dns A", answer(dns(12345, 0x8180, [1, 1, 0, 0], QA, rr(1, ip4("93.184.216.34"))))],
  ["dns A authoritative", answer(dns(12345, 0x8580, [1, 2, 0, 0], QA, rr(1, ip4("1.2.3.4")), rr(1, ip4("5.6.7.8"))))],
  ["dns AAAA", answer(dns(12346, 0x8180, [1, 1, 0, 0], question("example.com", 28), rr(28, ip6("2606:2800:220::1"))))],
  [
    "dns CNAME",
    answer(
      dns(
        10,
        0x8180,
        [1, 2, 0, 0],
        question("www.example.com", 1),
        rr(5, [1, 97, 0xc0, 16]),
        rr(1, ip4("1.2.3.4"), [0xc0, 45]),
      ),
    ),
  ],
  [
    "dns MX",
    answer(
      dns(
        11,
        0x8180,
        [1, 2, 0, 0],
        question("example.com", 15),
        rr(15, [...u16(10), ...dns_name("mail.example.com")]),
        rr(15, [...u16(20), 2, 109, 120, 0xc0, 12]),
      ),
    ),
  ],
  [
    "dns NS",
    answer(
      dns(
        12,
        0x8180,
        [1, 2, 0, 0],
        question("example.com", 2),
        rr(2, dns_name("a.iana-servers.net")),
        rr(2, dns_name("b.iana-servers.net")),
      ),
    ),
  ],
  [
    "dns PTR",
    answer(dns(13, 0x8180, [1, 1, 0, 0], question("1.0.0.10.in-addr.arpa", 12), rr(12, dns_name("host.example.com")))),
  ],
  [
    "dns TXT",
    answer(
      dns(
        14,
        0x8180,
        [1, 2, 0, 0],
        question("example.com", 16),
        rr(16, [5, ...text("v=spf"), 3, ...text("a\tb")]),
        rr(16, [0]),
      ),
    ),
  ],
  [
    "dns SOA",
    answer(
      dns(
        15,
        0x8180,
        [1, 1, 0, 0],
        question("example.com", 6),
        rr(6, [
          ...dns_name("ns.example.com"),
          ...dns_name("root.example.com"),
          ...u32(2024),
          ...u32(7200),
          ...u32(3600),
          ...u32(86400),
          ...u32(300),
        ]),
      ),
    ),
  ],
  [
    "dns SRV",
    answer(
      dns(
        16,
        0x8180,
        [1, 1, 0, 0],
        question("_s._tcp.x", 33),
        rr(33, [...u16(1), ...u16(2), ...u16(5060), ...dns_name("sip.x")]),
      ),
    ),
  ],
  [
    "dns NXDomain",
    answer(
      dns(
        17,
        0x8183,
        [1, 0, 1, 0],
        QA,
        rr(6, [
          ...dns_name("ns.example.com"),
          ...dns_name("root.example.com"),
          ...u32(2024),
          ...u32(7200),
          ...u32(3600),
          ...u32(86400),
          ...u32(300),
        ]),
      ),
    ),
  ],
  ["dns ServFail", answer(dns(18, 0x8182, [1, 0, 0, 0], QA))],
  ["dns Refused", answer(dns(19, 0x8105, [1, 0, 0, 0], QA))],
  ["dns FormErr", answer(dns(19, 0x8181, [0, 0, 0, 0]))],
  ["dns truncated", answer(dns(20, 0x8380, [1, 1, 0, 0], QA, rr(1, ip4("1.2.3.4"))))],
  [
    "dns sections",
    answer(
      dns(
        21,
        0x8180,
        [1, 1, 1, 1],
        QA,
        rr(1, ip4("1.2.3.4")),
        rr(2, dns_name("ns.example.com")),
        rr(1, ip4("9.9.9.9")),
      ),
    ),
  ],
  [
    "dns answer EDNS",
    answer(
      dns(22, 0x81a0, [1, 1, 0, 1], QA, rr(1, ip4("1.2.3.4")), [0, ...u16(41), ...u16(1232), ...u32(0x8000), 0, 0]),
    ),
  ],
  ["dns unknown rr", answer(dns(23, 0x8180, [1, 1, 0, 0], QA, rr(999, [1, 2, 3])))],
  ["dns loop", answer(dns(24, 0x8180, [1, 1, 0, 0], QA, rr(5, [0xc0, 12 + 29]), [0xc0, 0xc0]))],
  ["dns inverse and notify", query(dns(25, 0x2000, [1, 0, 0, 0], question("z", 6)))],
  ["dns update", query(dns(26, 0x2800, [1, 0, 0, 0], question("z", 6)))],
  ["dns cut", query(dns(27, 0x0100, [1, 0, 0, 0], QA).slice(0, 20))],
  ["dns header cut", query(dns(28, 0x0100, [1, 0, 0, 0]).slice(0, 7))],
  ["dns escaped", query(dns(29, 0x0100, [1, 0, 0, 0], [3, 97, 1, 200, 2, 46, 92, 0, ...u16(1), ...u16(1)]))],
  [
    "mdns",
    eth(
      0x0800,
      ipv4(
        17,
        udp(5353, 5353, dns(0, 0, [1, 0, 0, 0], question("_http._tcp.local", 12)), { dst: ip4("224.0.0.251") }),
        { dst: ip4("224.0.0.251"), ttl: 255 },
      ),
      mac("01:00:5e:00:00:fb"),
    ),
  ],
  [
    "mdns QU",
    eth(
      0x0800,
      ipv4(17, udp(5353, 5353, dns(0, 0, [1, 0, 0, 0], question("x.local", 1, 0x8001)), { dst: ip4("224.0.0.251") }), {
        dst: ip4("224.0.0.251"),
        ttl: 255,
      }),
      mac("01:00:5e:00:00:fb"),
    ),
  ],
  [
    "mdns answer",
    eth(
      0x0800,
      ipv4(
        17,
        udp(5353, 5353, dns(0, 0x8400, [0, 1, 0, 0], rr(1, ip4("1.2.3.4"), dns_name("x.local"), 120, 0x8001)), {
          dst: ip4("224.0.0.251"),
        }),
        { dst: ip4("224.0.0.251"), ttl: 255 },
      ),
      mac("01:00:5e:00:00:fb"),
    ),
  ],
  [
    "dns over tcp",
    t4(tcp(40000, 53, PSH | ACK, 1, 1, { data: [...u16(29), ...dns(12345, 0x0100, [1, 0, 0, 0], QA)] })),
  ],
];

// --- TCP ------------------------------------------------------------------------------------------------------------

const sack = (...e: [number, number][]): Bytes => [
  1,
  1,
  5,
  2 + e.length * 8,
  ...e.flatMap(([a, b]) => [...u32(a), ...u32(b)]),
];
const http = (s: string): Bytes => text(s);

const tcp_frames = (): [string, Bytes][] => {
  const [I, J] = [0xfffffff0, 1000000];
  const out = (flags: number, seq: number, ack: number, o = {}): Bytes =>
    t4(tcp(40000, 7777, flags, seq | 0, ack | 0, o));
  const back = (flags: number, seq: number, ack: number, o = {}): Bytes =>
    t4(tcp(7777, 40000, flags, seq | 0, ack | 0, { ...r, ...o }), r);
  const options = (...o: Bytes): Bytes => {
    while (o.length % 4) o.push(0);
    return t4(tcp(5000, 6000, ACK, 1, 1, { options: o }));
  };
  return [
    ["tcp syn", out(SYN, I, 0, { options: SYN_OPTIONS, win: 64240 })],
    ["tcp synack", back(SYN | ACK, J, I + 1, { options: SYN_OPTIONS, win: 65160 })],
    ["tcp ack", out(ACK, I + 1, J + 1, { options: ts(1001, 1000) })],
    ["tcp data", out(PSH | ACK, I + 1, J + 1, { options: ts(1001, 1000), data: text("hello, world\n") })],
    ["tcp data ack", back(ACK, J + 1, I + 14, { options: ts(1001, 1001) })],
    ["tcp back data", back(PSH | ACK, J + 1, I + 14, { data: Array<number>(100).fill(66) })],
    ["tcp ack 2", out(ACK, I + 14, J + 101)],
    ["tcp sack", out(ACK, I + 14, J + 101, { options: sack([J + 201, J + 301]) })],
    [
      "tcp sack 3",
      out(ACK, I + 14, J + 101, { options: sack([J + 201, J + 301], [J + 401, J + 501], [J + 601, J + 701]) }),
    ],
    ["tcp fin", out(FIN | ACK, I + 14, J + 101)],
    ["tcp fin back", back(FIN | ACK, J + 101, I + 15)],
    ["tcp last ack", out(ACK, I + 15, J + 102)],
    ["tcp keepalive", out(ACK, I + 14, J + 102)],
    ["tcp rst", back(RST, J + 102, 0)],
    ["tcp rst ack", t4(tcp(81, 40001, RST | ACK, 0, 5, r), r)],
    ["tcp other syn", t4(tcp(40002, 81, SYN, 77, 0, { options: [2, 4, ...u16(536)] }))],
    ["tcp syn ecn", t4(tcp(40003, 81, SYN | ECE | CWR, 77, 0))],
    ["tcp urg", t4(tcp(40004, 7777, URG | ACK, 5, 6, { urg: 5, data: text("x") }))],
    ["tcp urg no flag", t4(tcp(40004, 7777, ACK, 6, 6, { urg: 5 }))],
    ["tcp no flags", t4(tcp(40005, 7777, 0, 5, 6))],
    ["tcp all flags", t4(tcp(40005, 7777, 255, 5, 6))],
    ["tcp nonce", t4(tcp(40005, 7777, 0x100 | ACK, 5, 6))],
    ["tcp mid stream", t4(tcp(40006, 7777, PSH | ACK, 5000, 6000, { data: text("x") }))],
    ["tcp mid stream 2", t4(tcp(40006, 7777, PSH | ACK, 5001, 6000, { data: text("yz") }))],
    ["tcp mid stream back", t4(tcp(7777, 40006, ACK, 6000, 5003, r), r)],
    ["tcp bad cksum", t4(tcp(40006, 7777, ACK, 5003, 6000, { bad: true }))],
    ["tcp syn with data", t4(tcp(40007, 7777, SYN, 100, 0, { options: [34, 2, 1, 1], data: text("tfo") }))],
    ["tcp tfo cookie", t4(tcp(40007, 7777, SYN | ACK, 100, 0, { options: [34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1] }))],
    ["tcp opt md5", options(19, 18, ...Array<number>(16).fill(0xab))],
    ["tcp opt uto", options(28, 4, ...u16(0x8005))],
    ["tcp opt unknown", options(77, 6, 1, 2, 3, 4)],
    ["tcp opt exp", options(254, 4, 0xf9, 0x89)],
    ["tcp opt bad len", options(8, 9, 1, 1, 1, 1, 1, 1, 1)],
    ["tcp opt cut", options(1, 1, 8, 10)],
    ["tcp opt zero len", options(5, 0, 0, 0)],
    ["tcp opt wscale 14", options(3, 3, 14)],
    ["tcp opt eol", options(1, 0, 1, 1)],
    [
      "tcp short offset",
      eth(0x0800, ipv4(6, [...u16(1), ...u16(2), ...u32(1), ...u32(1), 0x40, 16, 0, 0, 0, 0, 0, 0])),
    ],
    ["tcp long offset", eth(0x0800, ipv4(6, [...u16(1), ...u16(2), ...u32(1), ...u32(1), 0xf0, 16, 0, 0, 0, 0, 0, 0]))],
    ["tcp cut header", eth(0x0800, ipv4(6, [...u16(1), ...u16(2), ...u32(1)]))],
    [
      "http get",
      t4(
        tcp(40010, 80, PSH | ACK, 1, 1, {
          data: http("GET /index.html HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n"),
        }),
      ),
    ],
    [
      "http ok",
      t4(
        tcp(80, 40010, PSH | ACK, 1, 62, { ...r, data: http("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") }),
        r,
      ),
    ],
    ["http body", t4(tcp(80, 40010, ACK, 42, 62, { ...r, data: http("\x00\x01binary stuff\r\nmore") }), r)],
    ["http 8080", t4(tcp(40011, 8080, PSH | ACK, 1, 1, { data: http("POST /a HTTP/1.0\r\n\r\n") }))],
    ["https", t4(tcp(40012, 443, PSH | ACK, 1, 1, { data: [22, 3, 1, 0, 5, 1, 0, 0, 1, 0] }))],
    ["ssh", t4(tcp(40013, 22, PSH | ACK, 1, 1, { data: text("SSH-2.0-OpenSSH_9.2\r\n") }))],
    ["ssh binary", t4(tcp(40013, 22, PSH | ACK, 22, 1, { data: [0, 0, 1, 2, 6, 20] }))],
    ["smtp", t4(tcp(25, 40014, PSH | ACK, 1, 1, { ...r, data: text("220 mail.example.com ESMTP\r\n") }), r)],
    ["ftp", t4(tcp(40015, 21, PSH | ACK, 1, 1, { data: text("USER anonymous\r\n") }))],
    ["tcp6 syn", e6(ipv6(6, tcp(40000, 80, SYN, 5, 0, { src: A6, dst: B6, options: SYN_OPTIONS })))],
    ["tcp6 synack", e6(ipv6(6, tcp(80, 40000, SYN | ACK, 9, 6, { src: B6, dst: A6 }), B6, A6))],
    ["tcp6 ack", e6(ipv6(6, tcp(40000, 80, ACK, 6, 10, { src: A6, dst: B6 })))],
    ["tcp6 bad", e6(ipv6(6, tcp(40000, 80, ACK, 6, 10, { src: A6, dst: B6, bad: true })))],
  ];
};

// --- the rest of IPv4 -----------------------------------------------------------------------------------------------

const embedded = ipv4(17, udp(1000, 33434, text("probe")), {});
const unreach = (code: number, inner = embedded, rest: Bytes = [0, 0, 0, 0]): Bytes =>
  i4(icmp(3, code, [...rest, ...inner]), r);
const echo = (n: number): Bytes => [...u16(77), ...u16(n), ...text("abcdefghijklmnopqrstuvwabcdefghi")];

const icmp_frames = (): [string, Bytes][] => [
  ["icmp echo", i4(icmp(8, 0, echo(1)))],
  ["icmp reply", i4(icmp(0, 0, echo(1)), r)],
  ["icmp empty echo", i4(icmp(8, 0, [...u16(1), ...u16(65535)]))],
  ["icmp bad sum", i4([8, 0, 1, 2, ...echo(1)])],
  ...Array.from({ length: 17 }, (_, code): [string, Bytes] => [`icmp unreach ${code}`, unreach(code)]),
  ["icmp need frag", unreach(4, embedded, [0, 0, ...u16(1400)])],
  ["icmp port tcp", unreach(3, ipv4(6, tcp(1000, 2000, SYN, 5, 0)))],
  ["icmp port icmp", unreach(3, ipv4(1, icmp(8, 0, echo(5))))],
  ["icmp proto", unreach(2, ipv4(99, [1, 2, 3, 4, 5, 6, 7, 8]))],
  ["icmp unreach cut", i4(icmp(3, 3, [0, 0, 0, 0, ...embedded.slice(0, 12)]), r)],
  ["icmp unreach 8 bytes", unreach(3, embedded.slice(0, 28))],
  ["icmp source quench", i4(icmp(4, 0, [0, 0, 0, 0, ...embedded]), r)],
  ...Array.from({ length: 5 }, (_, code): [string, Bytes] => [
    `icmp redirect ${code}`,
    i4(icmp(5, code, [...ip4("10.0.0.254"), ...embedded]), r),
  ]),
  ["icmp alt host", i4(icmp(6, 0, [0, 0, 0, 0]), r)],
  ["icmp router advert", i4(icmp(9, 0, [1, 2, ...u16(1800), ...ip4("10.0.0.254"), ...u32(0)]), r)],
  [
    "icmp router advert 2",
    i4(icmp(9, 0, [2, 2, ...u16(100), ...ip4("10.0.0.254"), ...u32(0), ...ip4("10.0.0.253"), ...u32(0x80000000)]), r),
  ],
  ["icmp router solicit", i4(icmp(10, 0, [0, 0, 0, 0]), r)],
  ["icmp time exceeded", i4(icmp(11, 0, [0, 0, 0, 0, ...embedded]), r)],
  ["icmp reassembly", i4(icmp(11, 1, [0, 0, 0, 0, ...embedded]), r)],
  ["icmp timx 7", i4(icmp(11, 7, [0, 0, 0, 0, ...embedded]), r)],
  ["icmp param", i4(icmp(12, 0, [20, 0, 0, 0, ...embedded]), r)],
  ["icmp param 1", i4(icmp(12, 1, [0, 0, 0, 0, ...embedded]), r)],
  ["icmp param 2", i4(icmp(12, 2, [0, 0, 0, 0, ...embedded]), r)],
  ["icmp timestamp", i4(icmp(13, 0, [...u16(5), ...u16(6), ...u32(3661001), ...u32(0), ...u32(0)]))],
  [
    "icmp timestamp reply",
    i4(icmp(14, 0, [...u16(5), ...u16(6), ...u32(3661001), ...u32(3661002), ...u32(3661003)]), r),
  ],
  ["icmp info", i4(icmp(15, 0, [...u16(5), ...u16(6)]))],
  ["icmp info reply", i4(icmp(16, 0, [...u16(5), ...u16(6)]))],
  ["icmp mask", i4(icmp(17, 0, [...u16(5), ...u16(6), 0, 0, 0, 0]))],
  ["icmp mask reply", i4(icmp(18, 0, [...u16(5), ...u16(6), 255, 255, 255, 0]))],
  ["icmp 30", i4(icmp(30, 0, [0, 0, 0, 0]))],
  ["icmp 42 code 3", i4(icmp(42, 3, [...u16(5), 6, 0]))],
  ["icmp 250", i4(icmp(250, 3, [0, 0, 0, 0]))],
  ["icmp cut", i4([8, 0])],
];

const ip_frames = (): [string, Bytes][] => [
  ["udp", u4(udp(1000, 2000, text("hello")))],
  ["udp empty", u4(udp(1000, 2000, []))],
  ["udp no cksum", u4(udp(1000, 2000, text("x"), { sum: 0 }))],
  ["udp bad cksum", u4(udp(1000, 2000, text("x"), { sum: 0x1234 }))],
  ["udp bad length", u4(udp(1000, 2000, text("x"), { len: 5 }))],
  ["udp long length", u4(udp(1000, 2000, text("x"), { len: 50 }))],
  ["udp cut", u4(udp(1000, 2000, []).slice(0, 6))],
  ["udp padded", [...u4(udp(1000, 2000, text("x"))), ...Array<number>(17).fill(0)]],
  ["ip tos", u4(udp(1000, 2000, []), { tos: 0xb8, ttl: 1, id: 0, frag: 0 })],
  ["ip ect0", u4(udp(1000, 2000, []), { tos: 2 })],
  ["ip ect1", u4(udp(1000, 2000, []), { tos: 1 })],
  ["ip ce", u4(udp(1000, 2000, []), { tos: 3 })],
  ["ip evil", u4(udp(1000, 2000, []), { frag: 0x8000 })],
  ["ip bad sum", u4(udp(1000, 2000, []), { bad_sum: true })],
  ["ip frag first", u4(udp(1000, 2000, Array<number>(24).fill(1)), { frag: 0x2000, id: 7 })],
  ["ip frag mid", u4(Array<number>(32).fill(1), { frag: 0x2004, id: 7 })],
  ["ip frag last", u4(Array<number>(10).fill(1), { frag: 0x0008, id: 7 })],
  ["ip frag icmp", eth(0x0800, ipv4(1, Array<number>(8).fill(1), { frag: 0x0008, id: 7 }))],
  ["ip frag tcp first", t4(tcp(1, 2, ACK, 1, 1, { data: [1, 2, 3, 4] }), { frag: 0x2000, id: 7 })],
  ["ip options rr", u4(udp(1, 2, []), { options: [7, 11, 8, ...A, ...ip4("0.0.0.0"), 0] })],
  ["ip options lsrr", u4(udp(1, 2, []), { options: [131, 11, 4, ...A, ...B, 0] })],
  ["ip options ssrr", u4(udp(1, 2, []), { options: [137, 7, 8, ...A, 0] })],
  ["ip options ts", u4(udp(1, 2, []), { options: [68, 12, 9, 0, ...u32(5), ...u32(0)] })],
  ["ip options ts addr", u4(udp(1, 2, []), { options: [68, 12, 13, 1, ...A, ...u32(5000)] })],
  ["ip options ra", u4(udp(1, 2, []), { options: [148, 4, 0, 0] })],
  ["ip options nop", u4(udp(1, 2, []), { options: [1, 1, 1, 0] })],
  ["ip options security", u4(udp(1, 2, []), { options: [130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] })],
  ["ip options unknown", u4(udp(1, 2, []), { options: [99, 4, 1, 2] })],
  ["ip options bad", u4(udp(1, 2, []), { options: [7, 40, 4, 0] })],
  ["ip options len 1", u4(udp(1, 2, []), { options: [7, 1, 4, 0] })],
  ["ip proto 99", eth(0x0800, ipv4(99, [1, 2, 3, 4]))],
  ["ip proto 253", eth(0x0800, ipv4(253, [1, 2, 3, 4]))],
  ["ip proto 143", eth(0x0800, ipv4(143, [1, 2, 3, 4]))],
  ["ipip", eth(0x0800, ipv4(4, ipv4(17, udp(1, 2, [])), { src: ip4("1.1.1.1"), dst: ip4("2.2.2.2") }))],
  [
    "6in4",
    eth(0x0800, ipv4(41, ipv6(17, udp(1, 2, [], { src: A6, dst: B6 })), { src: ip4("1.1.1.1"), dst: ip4("2.2.2.2") })),
  ],
  ["gre", eth(0x0800, ipv4(47, [0, 0, 8, 0, ...ipv4(17, udp(1, 2, []))]))],
  ["gre key", eth(0x0800, ipv4(47, [0x20, 0, 8, 0, ...u32(77), ...ipv4(17, udp(1, 2, []))]))],
  ["ip tot_len long", u4(udp(1, 2, text("abc")), { tot_len: 100 })],
  ["ip truncated udp", u4(udp(1, 2, text("abc"), { len: 80 }), { tot_len: 100 })],
  ["ip truncated tcp", t4(tcp(1, 2, ACK, 1, 1, { data: [1, 2, 3, 4] }), { tot_len: 100 })],
  ["ip truncated icmp", i4(icmp(8, 0, [0, 1, 0, 2, 3, 4]), { tot_len: 100 })],
  ["ip tot_len 0", u4(udp(1, 2, text("abc")), { tot_len: 0 })],
  ["ip ttl 0", u4(udp(1, 2, text("abc")), { ttl: 0 })],
  ["esp", eth(0x0800, ipv4(50, [...u32(0x1000), ...u32(1), ...Array<number>(24).fill(7)]))],
  [
    "ah",
    eth(0x0800, ipv4(51, [17, 4, 0, 0, ...u32(0x1000), ...u32(1), ...Array<number>(12).fill(7), ...udp(1, 2, [])])),
  ],
  ["vxlan", u4(udp(50000, 4789, [8, 0, 0, 0, 0, 0, 42, 0, ...eth(0x0800, ipv4(17, udp(1, 2, [])))]))],
  ["vxlan arp", u4(udp(50000, 4789, [8, 0, 0, 0, 0, 0, 42, 0, ...eth(0x0806, arp(1, M1, A, Z6, B))]))],
  ["ip tot_len short", u4(udp(1, 2, text("abc")), { tot_len: 24 })],
  ["ip tot_len 10", u4(udp(1, 2, text("abc")), { tot_len: 10 })],
  ["ip hlen 4", eth(0x0800, [0x44, ...ipv4(17, udp(1, 2, [])).slice(1)])],
  ["ip hlen 15", eth(0x0800, [0x4f, ...ipv4(17, udp(1, 2, [])).slice(1)])],
  ["ip version 5", eth(0x0800, [0x55, ...ipv4(17, udp(1, 2, [])).slice(1)])],
  ["ip cut 10", eth(0x0800, ipv4(17, udp(1, 2, [])).slice(0, 10))],
  ["ip cut 0", eth(0x0800, [])],
  ["eth cut", eth(0x0800, []).slice(0, 10)],
  ["igmp v1 report", igmp([0x12, 0], ip4("224.1.2.3"))],
  ["igmp v2 query", igmp([0x11, 100], ip4("0.0.0.0"))],
  ["igmp v2 group query", igmp([0x11, 10], ip4("224.1.2.3"))],
  ["igmp v1 query", igmp([0x11, 0], ip4("0.0.0.0"))],
  ["igmp v2 report", igmp([0x16, 0], ip4("224.1.2.3"))],
  ["igmp leave", igmp([0x17, 0], ip4("224.1.2.3"))],
  ["igmp v3 query", igmp([0x11, 100], [...ip4("0.0.0.0"), 2, 125, 0, 0])],
  ["igmp v3 query sources", igmp([0x11, 150], [...ip4("224.1.2.3"), 10, 125, 0, 2, ...A, ...B])],
  ["igmp v3 report", igmp([0x22, 0], [0, 0, 0, 1, 4, 0, 0, 0, ...ip4("224.1.2.3")])],
  [
    "igmp v3 report sources",
    igmp([0x22, 0], [0, 0, 0, 2, 3, 0, 0, 0, ...ip4("224.1.2.3"), 6, 0, 0, 1, ...ip4("224.1.2.4"), ...A]),
  ],
  ["igmp bad sum", eth(0x0800, ipv4(2, [0x16, 0, 1, 2, ...ip4("224.1.2.3")], { dst: ip4("224.1.2.3") }))],
  ["igmp unknown", igmp([0x33, 0], ip4("224.1.2.3"))],
];

const igmp = (head: Bytes, rest: Bytes): Bytes =>
  eth(
    0x0800,
    ipv4(2, icmp(head[0], head[1], rest), { dst: ip4("224.0.0.22"), ttl: 1, options: [148, 4, 0, 0], tos: 0xc0 }),
    mac("01:00:5e:00:00:16"),
  );

// --- the link layer and ARP -----------------------------------------------------------------------------------------

const link_frames = (): [string, Bytes][] => [
  ["arp request", eth(0x0806, arp(1, M1, A, Z6, B), BCAST)],
  ["arp reply", eth(0x0806, arp(2, M2, B, M1, A), M1, M2)],
  ["arp unicast request", eth(0x0806, arp(1, M1, A, M2, B))],
  ["arp other mac request", eth(0x0806, arp(1, M1, A, M1, B), BCAST)],
  ["arp bcast mac request", eth(0x0806, arp(1, M1, A, BCAST, B), BCAST)],
  ["arp announcement", eth(0x0806, arp(1, M1, A, Z6, A), BCAST)],
  ["arp gratuitous reply", eth(0x0806, arp(2, M1, A, M1, A), BCAST)],
  ["arp gratuitous reply bcast", eth(0x0806, arp(2, M1, A, BCAST, A), BCAST)],
  ["arp probe", eth(0x0806, arp(1, M1, [0, 0, 0, 0], Z6, B), BCAST)],
  ["arp padded", eth(0x0806, [...arp(1, M1, A, Z6, B), ...Array<number>(18).fill(0)], BCAST)],
  ["rarp request", eth(0x8035, arp(3, M1, [0, 0, 0, 0], M1, [0, 0, 0, 0]), BCAST)],
  ["rarp reply", eth(0x8035, arp(4, M2, B, M1, A), M1, M2)],
  ["rarp in arp", eth(0x0806, arp(3, M1, [0, 0, 0, 0], M1, [0, 0, 0, 0]), BCAST)],
  ["inarp request", eth(0x0806, arp(8, M1, A, Z6, B), BCAST)],
  ["inarp reply", eth(0x0806, arp(9, M1, A, Z6, B), BCAST)],
  ["arp nak", eth(0x0806, arp(10, M1, A, Z6, B), BCAST)],
  ["arp op 77", eth(0x0806, arp(77, M1, A, Z6, B), BCAST)],
  ["arp cut", eth(0x0806, arp(1, M1, A, Z6, B).slice(0, 20), BCAST)],
  ["arp cut header", eth(0x0806, arp(1, M1, A, Z6, B).slice(0, 6), BCAST)],
  ["arp hw 6", eth(0x0806, [0, 6, ...arp(1, M1, A, Z6, B).slice(2)], BCAST)],
  ["arp proto", eth(0x0806, [0, 1, 0x86, 0xdd, ...arp(1, M1, A, Z6, B).slice(4)], BCAST)],
  ["arp hlen 8", eth(0x0806, [0, 1, 8, 0, 8, 4, 0, 1, ...M1, 0, 0, ...A, ...Z6, 0, 0, ...B], BCAST)],
  ["arp hlen 0", eth(0x0806, [0, 1, 8, 0, 0, 4, 0, 1, ...A, ...B], BCAST)],
  ["vlan ip", eth(0x8100, vlan(5, 0x0800, ipv4(17, udp(1, 2, []))))],
  ["vlan prio arp", eth(0x8100, vlan(0x6000 | 100, 0x0806, arp(1, M1, A, Z6, B)))],
  ["vlan dei", eth(0x8100, vlan(0x1000 | 100, 0x0800, ipv4(17, udp(1, 2, []))))],
  ["vlan prio 0", eth(0x8100, vlan(0xe000, 0x0800, ipv4(17, udp(1, 2, []))))],
  ["qinq", eth(0x88a8, vlan(100, 0x8100, vlan(200, 0x0800, ipv4(17, udp(1, 2, [])))))],
  ["vlan cut", eth(0x8100, [0, 5])],
  ["vlan unknown", eth(0x8100, vlan(5, 0x9999, [1, 2, 3, 4]))],
  ["unknown ethertype", eth(0x9999, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18])],
  ["unknown ethertype text", eth(0x88b5, text("hello world, this is text \x7f\x01"))],
];

// --- IPv6 -----------------------------------------------------------------------------------------------------------

const AN = ip6("ff02::1");
const SN = ip6("ff02::1:ff00:2");
const l6 = (type: number, code: number, rest: Bytes, src = L6, dst = AN, hlim = 255): Bytes =>
  eth(0x86dd, ipv6(58, icmp6(type, code, rest, src, dst), src, dst, hlim), mac("33:33:00:00:00:01"));
const inner6 = ipv6(17, udp(1000, 33434, text("probe"), { src: A6, dst: B6 }));

const ip6_frames = (): [string, Bytes][] => [
  ["udp6", e6(ipv6(17, udp(1000, 2000, text("x"), { src: A6, dst: B6 })))],
  ["udp6 bad", e6(ipv6(17, udp(1000, 2000, text("x"), { sum: 0x1234 })))],
  ["udp6 zero", e6(ipv6(17, udp(1000, 2000, text("x"), { sum: 0 })))],
  ["dns6", e6(ipv6(17, udp(40000, 53, dns(7, 0x0100, [1, 0, 0, 0], QA), { src: A6, dst: B6 })))],
  ["icmp6 echo", e6(ipv6(58, icmp6(128, 0, echo(3))))],
  ["icmp6 reply", e6(ipv6(58, icmp6(129, 0, echo(3))))],
  ["icmp6 bad sum", e6(ipv6(58, [128, 0, 1, 2, ...echo(3)]))],
  ["icmp6 ns", l6(135, 0, [0, 0, 0, 0, ...B6, 1, 1, ...M1], L6, SN)],
  ["icmp6 ns dad", l6(135, 0, [0, 0, 0, 0, ...B6], ip6("::"), SN)],
  ["icmp6 na", l6(136, 0, [0x60, 0, 0, 0, ...B6, 2, 1, ...M2], B6, A6)],
  ["icmp6 na router", l6(136, 0, [0xe0, 0, 0, 0, ...B6], B6, A6)],
  ["icmp6 rs", l6(133, 0, [0, 0, 0, 0, 1, 1, ...M1], L6, ip6("ff02::2"))],
  [
    "icmp6 ra",
    l6(134, 0, [
      64,
      0xc0,
      ...u16(1800),
      ...u32(0),
      ...u32(0),
      1,
      1,
      ...M1,
      5,
      1,
      0,
      0,
      ...u32(1500),
      3,
      4,
      64,
      0xc0,
      ...u32(86400),
      ...u32(14400),
      ...u32(0),
      ...ip6("2001:db8::"),
    ]),
  ],
  ["icmp6 ra 2", l6(134, 0, [0, 0, ...u16(0), ...u32(1000), ...u32(2000), 25, 3, 0, 0, ...u32(600), ...A6])],
  ["icmp6 redirect", l6(137, 0, [0, 0, 0, 0, ...L6, ...B6, 2, 1, ...M2], L6, A6)],
  ["icmp6 unreach 0", e6(ipv6(58, icmp6(1, 0, [0, 0, 0, 0, ...inner6])))],
  ["icmp6 unreach 1", e6(ipv6(58, icmp6(1, 1, [0, 0, 0, 0, ...inner6])))],
  ["icmp6 unreach 2", e6(ipv6(58, icmp6(1, 2, [0, 0, 0, 0, ...inner6])))],
  ["icmp6 unreach 3", e6(ipv6(58, icmp6(1, 3, [0, 0, 0, 0, ...inner6])))],
  ["icmp6 unreach 4", e6(ipv6(58, icmp6(1, 4, [0, 0, 0, 0, ...inner6])))],
  [
    "icmp6 unreach 4 tcp",
    e6(ipv6(58, icmp6(1, 4, [0, 0, 0, 0, ...ipv6(6, tcp(1, 2, SYN, 1, 0, { src: A6, dst: B6 }))]))),
  ],
  ["icmp6 unreach 6", e6(ipv6(58, icmp6(1, 6, [0, 0, 0, 0, ...inner6])))],
  ["icmp6 too big", e6(ipv6(58, icmp6(2, 0, [...u32(1280), ...inner6])))],
  ["icmp6 time", e6(ipv6(58, icmp6(3, 0, [0, 0, 0, 0, ...inner6])))],
  ["icmp6 reassembly", e6(ipv6(58, icmp6(3, 1, [0, 0, 0, 0, ...inner6])))],
  ["icmp6 param 0", e6(ipv6(58, icmp6(4, 0, [...u32(6), ...inner6])))],
  ["icmp6 param 1", e6(ipv6(58, icmp6(4, 1, [...u32(6), ...inner6])))],
  ["icmp6 param 2", e6(ipv6(58, icmp6(4, 2, [...u32(6), ...inner6])))],
  ["icmp6 mld query", l6(130, 0, [...u16(1000), 0, 0, ...ip6("::")], L6, AN, 1)],
  ["icmp6 mld report", l6(131, 0, [0, 0, 0, 0, ...SN], L6, SN, 1)],
  ["icmp6 mld done", l6(132, 0, [0, 0, 0, 0, ...SN], L6, ip6("ff02::2"), 1)],
  ["icmp6 mldv2", mld2([0, 0, 0, 1, 4, 0, 0, 0, ...SN])],
  ["icmp6 mldv2 two", mld2([0, 0, 0, 2, 3, 0, 0, 0, ...SN, 2, 0, 0, 1, ...AN, ...A6])],
  ["icmp6 unknown", e6(ipv6(58, icmp6(200, 1, [1, 2, 3, 4])))],
  ["ip6 class flow", e6(ipv6(17, udp(1, 2, [], { src: A6, dst: B6 }), A6, B6, 1, 0x6b812345))],
  ["ip6 fragment", e6(ipv6(44, [17, 0, ...u16(1), ...u32(9), ...udp(1, 2, text("abcdefgh"), { src: A6, dst: B6 })]))],
  ["ip6 fragment later", e6(ipv6(44, [17, 0, ...u16(0x10 | 1), ...u32(9), ...Array<number>(8).fill(1)]))],
  ["ip6 fragment last", e6(ipv6(44, [58, 0, ...u16(0x20), ...u32(9), ...Array<number>(8).fill(1)]))],
  ["ip6 dstopts", e6(ipv6(60, [17, 0, 1, 4, 0, 0, 0, 0, ...udp(1, 2, [], { src: A6, dst: B6 })]))],
  ["ip6 routing", e6(ipv6(43, [17, 2, 0, 1, 0, 0, 0, 0, ...B6, ...udp(1, 2, [], { src: A6, dst: B6 })]))],
  ["ip6 no next", e6(ipv6(59, []))],
  ["ip6 proto 99", e6(ipv6(99, [1, 2, 3]))],
  ["ip6 in ip6", e6(ipv6(41, inner6))],
  ["ip4 in ip6", e6(ipv6(4, embedded))],
  ["ip6 cut", e6(ipv6(17, udp(1, 2, [])).slice(0, 30))],
  ["ip6 payload cut", e6(ipv6(17, udp(1, 2, text("hello"))).slice(0, 50))],
  ["ip6 version", e6([0x50, ...ipv6(17, []).slice(1)])],
  ["ip6 mapped", e6(ipv6(17, udp(1, 2, []), ip6("::ffff:a00:1"), ip6("::a00:1")))],
  ["ip6 zeros", e6(ipv6(17, udp(1, 2, []), ip6("1:0:0:2:0:0:0:3"), ip6("1:0:2:0:3:0:4:0")))],
];

const mld2 = (rest: Bytes): Bytes => {
  const dst = ip6("ff02::16");
  return eth(
    0x86dd,
    ipv6(0, [58, 0, 5, 2, 0, 0, 1, 0, ...icmp6(143, 0, rest, L6, dst)], L6, dst, 1),
    mac("33:33:00:00:00:16"),
  );
};

/** One packet per number, for the tables of names. */
const name_frames = (): [string, Bytes][] => {
  const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  const header_only = (n: number): [string, Bytes] => [`proto ${n}`, eth(0x0800, ipv4(n, [1, 2], { frag: 8 }))];
  const types = [
    0x0801, 0x1000, 0x2000, 0x22f0, 0x6002, 0x8037, 0x814c, 0x876b, 0x8808, 0x8847, 0x8863, 0x88a2, 0x88e5, 0x88f7,
    0x8915,
  ];
  return [
    ...range(16).map((n): [string, Bytes] => [`opcode ${n}`, query(dns(n, n << 11, [1, 0, 0, 0], QA))]),
    ...range(16).map((n): [string, Bytes] => [`rcode ${n}`, answer(dns(n, 0x8000 | n, [1, 0, 0, 0], QA))]),
    ...[...range(110), 249, 250, 251, 252, 253, 254, 255, 256, 257, 258, 32768].map((n): [string, Bytes] => [
      `type ${n}`,
      query(dns(n, 0x0100, [1, 0, 0, 0], question("a", n))),
    ]),
    ...[2, 3, 4, 254, 255, 77].map((n): [string, Bytes] => [
      `class ${n}`,
      query(dns(n, 0x0100, [1, 0, 0, 0], question("a", 1, n))),
    ]),
    ...range(256).map(header_only),
    ...range(34)
      .filter((n) => n !== 19)
      .map((n): [string, Bytes] => [`arp hardware ${n}`, eth(0x0806, [0, n, ...arp(1, M1, A, Z6, B).slice(2)])]),
    ...types.map((t): [string, Bytes] => [
      `arp protocol ${t}`,
      eth(0x0806, [0, 1, ...u16(t), ...arp(1, M1, A, Z6, B).slice(4)]),
    ]),
    ...range(66).map((n): [string, Bytes] => [`dns flags ${n}`, query(dns(n, n << 4, [1, 0, 0, 0], QA))]),
  ];
};

export interface PrintCorpus {
  name: string;
  linktype: number;
  file_linktype: number;
  packets: Sample[];
  /** Runs of tcpdump whose output is recorded; each is a list of options beyond -r FILE. */
  options: readonly (readonly string[])[];
}

const numbered = (frames: readonly (readonly [string, Bytes])[]): Sample[] =>
  frames.map(([n, b], i) => sample(n, b, i));

/** Every frame cut to a snapshot length, as `-s` would: the wire length stays. */
const cut = (frames: readonly (readonly [string, Bytes])[], n: number): Sample[] =>
  frames.map(([name, b], i) => sample(name, b.slice(0, n), i, b.length));

export const print_corpora = (): PrintCorpus[] => {
  const all = [...link_frames(), ...ip_frames(), ...icmp_frames(), ...tcp_frames(), ...dns_frames(), ...ip6_frames()];
  const few = [
    ...link_frames().slice(0, 4),
    ...ip_frames().slice(0, 4),
    ...tcp_frames().slice(0, 8),
    ...dns_frames().slice(0, 2),
  ];
  const ether = (name: string, packets: Sample[], ...options: string[]): PrintCorpus => ({
    name,
    linktype: 1,
    file_linktype: 1,
    packets,
    options: options.map((o) => o.split(" ").filter((s) => s !== "")),
  });
  const wrap = (f: (b: Bytes, i: number) => Bytes | undefined): Sample[] =>
    all.flatMap(([n, b], i) => {
      const w = f(b, i);
      return w ? [sample(n, w, i)] : [];
    });
  const basic = ["-n", "-n -v", "-n -e", "-n -vv", "-n -q", "-n -S", "-n -e -v", "-n -e -q"];
  return [
    ether("link", numbered(link_frames()), ...basic),
    ether("ip", numbered(ip_frames()), ...basic),
    ether("icmp", numbered(icmp_frames()), ...basic),
    ether("tcp", numbered(tcp_frames()), ...basic, "-n -vvv", "-n -K -v", "-n -q -v"),
    ether("dns", numbered(dns_frames()), "-n", "-n -v", "-n -vv", "-n -vvv", "-n -q"),
    ether("ip6", numbered(ip6_frames()), ...basic),
    ether("names", numbered(name_frames()), "-n -v"),
    ether("hex", numbered(few), "-n -x", "-n -xx", "-n -X", "-n -XX", "-n -A", "-n -AA", "-n -x -v"),
    ether(
      "time",
      numbered(few),
      "-n -t",
      "-n -tt",
      "-n -ttt",
      "-n -tttt",
      "-n -ttttt",
      "-n --nano",
      "-n -ttt --nano",
      "-n -tt --nano",
      "-n -#",
      "-n -tttt --nano",
    ),
    ether("cut40", cut(all, 40), "-n", "-n -v"),
    ether("cut60", cut(all, 60), "-n", "-n -v"),
    ether("cut84", cut(all, 84), "-n", "-n -v", "-n -vv"),
    {
      name: "sll",
      linktype: 113,
      file_linktype: 113,
      packets: wrap((b, i) => as_sll(b, i % 3 === 0)),
      options: [["-n"], ["-n", "-e"]],
    },
    {
      name: "sll2",
      linktype: 276,
      file_linktype: 276,
      packets: wrap((b, i) => as_sll2(b, i % 3 === 0, 9000 + (i & 1))),
      options: [["-n"], ["-n", "-e"], ["-n", "-v"]],
    },
    { name: "raw", linktype: 12, file_linktype: 101, packets: wrap((b) => as_raw(b)), options: [["-n"], ["-n", "-e"]] },
  ];
};
