// System calls on AF_INET6 sockets of a machine without an IPv6 address, as scenarios: Linux's answers are recorded
// (tools/record-calls.py, golden/calls.json), ours are made here. Read first: ipv6(7), RFC 3493. Way in: scenarios(); calls_play.ts makes them.

/** Call and arguments; "@N" is the Nth descriptor that the scenario got (from 0), bytes are hex. */
export type Step = [op: string, ...args: (number | string | null)[]];
export type Scenarios = Record<string, Step[]>;
/** What each call of a scenario returned (descriptors as 0), and what it filled in. */
export type Answers = Record<string, (number | string)[][]>;

export const hex = (b: Uint8Array | number[]): string =>
  [...b].map((x) => (x & 255).toString(16).padStart(2, "0")).join("");
const le32 = (v: number): string => hex([v, v >> 8, v >> 16, v >> 24]);

export const ANY = "0".repeat(32);
export const LOOPBACK = `${"0".repeat(31)}1`;
export const GLOBAL = "20010db8000000000000000000000001";
export const mapped = (v4: string): string => `${"0".repeat(20)}ffff${hex(v4.split(".").map(Number))}`;
/** struct sockaddr_in6; `len` other than 28 cuts or fills. */
export const in6 = (addr: string, port: number, scope = 0, family = 10, len = 28): string =>
  (hex([family, 0, port >> 8, port]) + le32(0) + addr + le32(scope)).padEnd(2 * len, "0").slice(0, 2 * len);
export const in4 = (addr: string, port: number, len = 16): string =>
  (hex([2, 0, port >> 8, port]) + hex(addr.split(".").map(Number))).padEnd(2 * len, "0").slice(0, 2 * len);
const cmsg = (level: number, type: number, data: string): string => {
  const len = 16 + data.length / 2;
  return `${le32(len)}${le32(0)}${le32(level)}${le32(type)}${data}`.padEnd(2 * ((len + 7) & ~7), "0");
};

const STREAM = 1;
const DGRAM = 2;
const IPV6 = 41;
const V6ONLY = 26;
const ON = le32(1);
const DONTWAIT = 0x40;
const ERRQUEUE = 0x2000;

/** Addresses by what they are; the port is filled in. */
const BINDS: Record<string, (port: number) => string> = {
  any: (p) => in6(ANY, p),
  loopback: (p) => in6(LOOPBACK, p),
  global: (p) => in6(GLOBAL, p),
  "link-local": (p) => in6("fe800000000000000000000000000001", p),
  "link-local with a scope": (p) => in6("fe800000000000000000000000000001", p, 1),
  "link-local with a scope that is not": (p) => in6("fe800000000000000000000000000001", p, 99),
  multicast: (p) => in6("ff020000000000000000000000000001", p),
  "multicast with a scope": (p) => in6("ff020000000000000000000000000001", p, 1),
  "mapped loopback": (p) => in6(mapped("127.0.0.1"), p),
  "mapped any": (p) => in6(mapped("0.0.0.0"), p),
  "mapped, not ours": (p) => in6(mapped("9.9.9.9"), p),
  "mapped multicast": (p) => in6(mapped("224.0.0.9"), p),
  "mapped broadcast": (p) => in6(mapped("255.255.255.255"), p),
  compatible: (p) => in6(`${"0".repeat(24)}7f000001`, p),
  "16 bytes": (p) => in6(ANY, p, 0, 10, 16),
  "23 bytes": (p) => in6(ANY, p, 0, 10, 23),
  "24 bytes": (p) => in6(ANY, p, 0, 10, 24),
  "1 byte": () => "0a",
  nothing: () => "",
  "60 bytes": (p) => in6(ANY, p, 0, 10, 60),
  IPv4: (p) => in4("127.0.0.1", p),
  "IPv4, 28 bytes": (p) => in4("127.0.0.1", p, 28),
  "IPv4 any, 28 bytes": (p) => in4("0.0.0.0", p, 28),
  "no family": (p) => in6(ANY, p, 0, 0),
  "another family": (p) => in6(ANY, p, 0, 16),
};

/** What IPV6_* and SOL_IP options are asked and told. */
const OPTION_VALUES = [
  "",
  "01",
  le32(0),
  le32(1),
  le32(-1),
  le32(2),
  le32(255),
  le32(256),
  le32(-2),
  le32(1280),
  le32(65536),
];
const OPTIONS: readonly (readonly [number, number])[] = [
  ...Array.from({ length: 80 }, (_, i) => [IPV6, i] as const),
  ...[1, 2, 6, 8, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21, 23, 24, 32, 33, 34, 49, 50, 51, 52].map(
    (o) => [0, o] as const,
  ),
];
/** Pointers to what differs from run to run or is no socket option of this half: filters, advanced headers, flow labels. */
const NOT_ASKED = new Set([
  20, 21, 22, 27, 28, 29, 30, 31, 32, 33, 34, 35, 42, 43, 44, 45, 46, 47, 48, 54, 55, 57, 58, 59,
]);

export function scenarios(): Scenarios {
  const out: Scenarios = {};
  const types: [string, number, number][] = [
    ["tcp", STREAM, 0],
    ["udp", DGRAM, 0],
    ["raw", 3, 253],
  ];
  for (const [type, protocol] of [
    [1, 0],
    [1, 6],
    [1, 17],
    [2, 0],
    [2, 17],
    [2, 136],
    [2, 1],
    [2, 58],
    [3, 0],
    [3, 1],
    [3, 17],
    [3, 58],
    [3, 255],
    [3, 256],
    [4, 0],
    [5, 0],
    [6, 33],
  ] as const)
    out[`socket ${type} ${protocol}`] = [
      ["socket", 10, type, protocol],
      ["getsockname", "@0", 28],
      ["getsockname", "@0", 16],
      ["getpeername", "@0", 28],
      ["getsockopt", "@0", 1, 39, 4],
      ["getsockopt", "@0", 1, 38, 4],
      ["getsockopt", "@0", 1, 3, 4],
    ];
  for (const [name, type, protocol] of types)
    for (const [what, address] of Object.entries(BINDS))
      for (const only of [false, true]) {
        if (name === "raw" && only) continue;
        const port = name === "raw" ? 0 : 7001;
        out[`${name} bind ${what}${only ? ", v6only" : ""}`] = [
          ["socket", 10, type, protocol],
          ...(only ? ([["setsockopt", "@0", IPV6, V6ONLY, ON]] as Step[]) : []),
          ["bind", "@0", address(port)],
          ["getsockname", "@0", 28],
          ["getsockopt", "@0", IPV6, V6ONLY, 4],
          ["setsockopt", "@0", IPV6, V6ONLY, ON],
          ...(name === "tcp" ? ([["listen", "@0", 5]] as Step[]) : []),
          ["getsockname", "@0", 28],
        ];
        if (name === "raw") continue;
        out[`${name} connect ${what}${only ? ", v6only" : ""}`] = [
          ["socket", 10, type, protocol],
          ["socket", 2, type, 0],
          ["bind", "@1", in4("127.0.0.1", 7002)],
          ...(name === "tcp" ? ([["listen", "@1", 5]] as Step[]) : []),
          ...(only ? ([["setsockopt", "@0", IPV6, V6ONLY, ON]] as Step[]) : []),
          ["connect", "@0", address(7002)],
          ["getsockname", "@0", 28],
          ["getpeername", "@0", 28],
          ["connect", "@0", address(7002)],
          ["getsockopt", "@0", 1, 4, 4],
          ["connect", "@0", in6(ANY, 0, 0, 0)],
          ["getsockname", "@0", 28],
          ["getpeername", "@0", 28],
        ];
        if (name === "udp")
          out[`udp sendto ${what}${only ? ", v6only" : ""}`] = [
            ["socket", 10, DGRAM, 0],
            ["socket", 2, DGRAM, 0],
            ["bind", "@1", in4("127.0.0.1", 7002)],
            ...(only ? ([["setsockopt", "@0", IPV6, V6ONLY, ON]] as Step[]) : []),
            ["bind", "@0", in6(ANY, 7003)],
            ["sendmsg", "@0", address(7002), "616263", null, 0],
            ["recvmsg", "@1", 28, 10, null, DONTWAIT],
            ["getsockname", "@0", 28],
          ];
        else
          out[`tcp Fast Open to ${what}${only ? ", v6only" : ""}`] = [
            ["socket", 10, STREAM, 0],
            ...(only ? ([["setsockopt", "@0", IPV6, V6ONLY, ON]] as Step[]) : []),
            ["setsockopt", "@0", 6, 30, ON],
            ["connect", "@0", address(7002)],
          ];
      }
  // Who may have a port beside whom.
  const owners: [string, number, string, boolean][] = [
    ["0.0.0.0", 2, in4("0.0.0.0", 7004), false],
    ["127.0.0.1", 2, in4("127.0.0.1", 7004), false],
    ["127.0.0.2", 2, in4("127.0.0.2", 7004), false],
    ["::", 10, in6(ANY, 7004), false],
    [":: v6only", 10, in6(ANY, 7004), true],
    ["::ffff:127.0.0.1", 10, in6(mapped("127.0.0.1"), 7004), false],
    ["::ffff:0.0.0.0", 10, in6(mapped("0.0.0.0"), 7004), false],
    ["::1", 10, in6(LOOPBACK, 7004), false],
  ];
  for (const [name, type] of [
    ["tcp", STREAM],
    ["udp", DGRAM],
  ] as const)
    for (const [share, option] of [
      ["", 0],
      [", SO_REUSEADDR", 2],
      [", SO_REUSEPORT", 15],
    ] as const)
      for (const [a, fa, aa, oa] of owners)
        for (const [b, fb, ab, ob] of owners) {
          const steps: Step[] = [];
          for (const [i, f, addr, only] of [
            [0, fa, aa, oa],
            [1, fb, ab, ob],
          ] as const) {
            steps.push(["socket", f, type, 0]);
            if (addr === in6(LOOPBACK, 7004)) steps.push(["setsockopt", `@${i}`, 0, 15, ON]);
            if (option !== 0) steps.push(["setsockopt", `@${i}`, 1, option, ON]);
            if (only) steps.push(["setsockopt", `@${i}`, IPV6, V6ONLY, ON]);
            steps.push(["bind", `@${i}`, addr]);
          }
          if (type === STREAM) steps.push(["listen", "@0", 5], ["listen", "@1", 5]);
          // Who of them is meant by a peer on 127.0.0.1.
          steps.push(["socket", 2, type, 0], ["connect", "@2", in4("127.0.0.1", 7004)]);
          if (type === STREAM && share !== ", SO_REUSEPORT") {
            steps.push(["setsockopt", "@0", 1, 20, "0".repeat(16) + le32(50000) + le32(0)]);
          } else if (type === DGRAM && share === "")
            steps.push(
              ["sendmsg", "@2", null, "6869", null, 0],
              ["recvmsg", "@0", 0, 10, null, DONTWAIT],
              ["recvmsg", "@1", 0, 10, null, DONTWAIT],
            );
          out[`${name} ${a} and ${b}${share}`] = steps;
        }
  out["ports of their own: :: and 0.0.0.0 do not choose the same"] = [
    ["sysctl", "net.ipv4.ip_local_port_range", "40000 40001"],
    ["socket", 10, DGRAM, 0],
    ["bind", "@0", in6(ANY, 0)],
    ["socket", 2, DGRAM, 0],
    ["bind", "@1", in4("0.0.0.0", 0)],
    ["socket", 2, DGRAM, 0],
    ["bind", "@2", in4("0.0.0.0", 0)],
    ["socket", 10, DGRAM, 0],
    ["bind", "@3", in6(ANY, 0)],
    ["socket", 10, DGRAM, 0],
    ["setsockopt", "@4", IPV6, V6ONLY, ON],
    ["bind", "@4", in6(ANY, 0)],
    ["sysctl", "net.ipv4.ip_local_port_range", "32768 60999"],
  ];
  out["net.ipv6.bindv6only"] = [
    ["sysctl", "net.ipv6.bindv6only", "1"],
    ["socket", 10, STREAM, 0],
    ["getsockopt", "@0", IPV6, V6ONLY, 4],
    ["bind", "@0", in6(ANY, 7005)],
    ["socket", 2, STREAM, 0],
    ["bind", "@1", in4("0.0.0.0", 7005)],
    ["sysctl", "net.ipv6.bindv6only", "0"],
    ["socket", 10, STREAM, 0],
    ["getsockopt", "@2", IPV6, V6ONLY, 4],
  ];
  // Connections.
  const names: Step[] = [
    ["getsockname", "@2", 28],
    ["getpeername", "@2", 28],
    ["getsockopt", "@2", 1, 39, 4],
    ["getsockopt", "@2", IPV6, V6ONLY, 4],
  ];
  for (const [what, address] of [
    ["::", in6(ANY, 7006)],
    ["::ffff:0.0.0.0", in6(mapped("0.0.0.0"), 7006)],
    ["::ffff:127.0.0.1", in6(mapped("127.0.0.1"), 7006)],
  ] as const) {
    out[`tcp from IPv4 to a listener on ${what}`] = [
      ["socket", 10, STREAM, 0],
      ["bind", "@0", address],
      ["setsockopt", "@0", IPV6, 67, le32(0x20)],
      ["setsockopt", "@0", 0, 1, le32(0x10)],
      ["setsockopt", "@0", IPV6, 16, le32(77)],
      ["setsockopt", "@0", IPV6, 25, ON],
      ["listen", "@0", 5],
      ["socket", 2, STREAM, 0],
      ["bind", "@1", in4("127.0.0.3", 7007)],
      ["connect", "@1", in4("127.0.0.1", 7006)],
      ["accept", "@0", 28],
      ...names,
      ["getsockopt", "@2", IPV6, 67, 4],
      ["getsockopt", "@2", 0, 1, 4],
      ["getsockopt", "@2", IPV6, 16, 4],
      ["getsockopt", "@2", IPV6, 25, 4],
      ["getsockname", "@2", 20],
      ["sendmsg", "@2", null, "6869", null, 0],
      ["recvmsg", "@1", 28, 10, 64, 0],
      ["sendmsg", "@1", null, "6869", null, 0],
      ["recvmsg", "@2", 28, 10, 64, 0],
      ["shutdown", "@2", 1],
      ["recvmsg", "@1", 28, 10, 64, 0],
      ["getpeername", "@2", 28],
      // From the socket of a listener, IPv4 is no address of its family.
      ["connect", "@0", in6(mapped("127.0.0.1"), 1)],
    ];
    out[`tcp from a mapped address to a listener on ${what}`] = [
      ["socket", 10, STREAM, 0],
      ["bind", "@0", address],
      ["listen", "@0", 5],
      ["socket", 10, STREAM, 0],
      ["bind", "@1", in6(ANY, 7007)],
      ["connect", "@1", in6(mapped("127.0.0.1"), 7006)],
      ["accept", "@0", 16],
      ...names,
      ["getsockname", "@1", 28],
      ["getpeername", "@1", 28],
      ["connect", "@1", in6(ANY, 0, 0, 0)],
      ["getsockname", "@1", 28],
      ["getpeername", "@2", 28],
    ];
  }
  out["tcp: a v6only listener is not for IPv4"] = [
    ["socket", 10, STREAM, 0],
    ["setsockopt", "@0", IPV6, V6ONLY, ON],
    ["bind", "@0", in6(ANY, 7006)],
    ["listen", "@0", 5],
    ["socket", 2, STREAM, 0],
    ["connect", "@1", in4("127.0.0.1", 7006)],
    ["socket", 10, STREAM, 0],
    ["connect", "@2", in6(mapped("127.0.0.1"), 7006)],
    ["socket", 10, STREAM, 0],
    ["connect", "@3", in6(LOOPBACK, 7006)],
  ];
  out["tcp: the listener of IPv4 comes before the one of both"] = [
    ["socket", 10, STREAM, 0],
    ["setsockopt", "@0", 1, 15, ON],
    ["bind", "@0", in6(ANY, 7006)],
    ["listen", "@0", 5],
    ["socket", 2, STREAM, 0],
    ["setsockopt", "@1", 1, 15, ON],
    ["bind", "@1", in4("0.0.0.0", 7006)],
    ["listen", "@1", 5],
    ["socket", 2, STREAM, 0],
    ["connect", "@2", in4("127.0.0.1", 7006)],
    ["accept", "@1", 28],
  ];
  out["tcp: bound to a mapped address, to IPv6; bound to ::, back and forth"] = [
    ["socket", 10, STREAM, 0],
    ["bind", "@0", in6(mapped("127.0.0.1"), 7008)],
    ["connect", "@0", in6(GLOBAL, 1)],
    ["connect", "@0", in6(mapped("127.0.0.1"), 1)],
    ["getsockname", "@0", 28],
    ["connect", "@0", in6(LOOPBACK, 1)],
    ["getsockname", "@0", 28],
  ];
  // Datagrams.
  const ask: Step[] = [
    ["setsockopt", "@0", IPV6, 49, ON],
    ["setsockopt", "@0", IPV6, 51, ON],
    ["setsockopt", "@0", IPV6, 66, ON],
    ["setsockopt", "@0", IPV6, 74, ON],
    ["setsockopt", "@0", IPV6, 77, ON],
  ];
  const ask4: Step[] = [
    ["setsockopt", "@0", 0, 8, ON],
    ["setsockopt", "@0", 0, 12, ON],
    ["setsockopt", "@0", 0, 13, ON],
    ["setsockopt", "@0", 0, 20, ON],
  ];
  for (const [what, options] of [
    ["nothing", []],
    ["IPV6_*", ask],
    ["IP_*", ask4],
    ["both", [...ask, ...ask4]],
  ] as const)
    out[`udp from IPv4 to ::, ancillary data: ${what}`] = [
      ["socket", 10, DGRAM, 0],
      ["bind", "@0", in6(ANY, 7009)],
      ...options,
      ["socket", 2, DGRAM, 0],
      ["bind", "@1", in4("127.0.0.3", 7010)],
      ["setsockopt", "@1", 0, 1, le32(0x28)],
      ["sendmsg", "@1", in4("127.0.0.1", 7009), "616263", null, 0],
      ["recvmsg", "@0", 28, 10, 400, DONTWAIT],
      ["sendmsg", "@1", in4("127.0.0.1", 7009), "616263", null, 0],
      ["recvmsg", "@0", 16, 2, 400, DONTWAIT],
      ["sendmsg", "@1", in4("127.0.0.1", 7009), "616263", null, 0],
      ["recvmsg", "@0", 28, 10, 20, DONTWAIT],
      ["sendmsg", "@0", in6(mapped("127.0.0.3"), 7010), "78", null, 0],
      ["recvmsg", "@1", 16, 10, null, DONTWAIT],
    ];
  const pktinfo6 = (addr: string, index: number): string => cmsg(IPV6, 50, addr + le32(index));
  for (const [what, control] of [
    ["IPV6_PKTINFO ::ffff:127.0.0.2", pktinfo6(mapped("127.0.0.2"), 0)],
    ["IPV6_PKTINFO ::ffff:127.0.0.2 and lo", pktinfo6(mapped("127.0.0.2"), 1)],
    ["IPV6_PKTINFO ::1", pktinfo6(LOOPBACK, 0)],
    ["IPV6_PKTINFO ::", pktinfo6(ANY, 0)],
    ["IPV6_PKTINFO of a device that is not", pktinfo6(ANY, 99)],
    ["IPV6_PKTINFO too short", cmsg(IPV6, 50, ANY)],
    ["IPV6_HOPLIMIT", cmsg(IPV6, 52, le32(9))],
    ["IPV6_HOPLIMIT 256", cmsg(IPV6, 52, le32(256))],
    ["IPV6_TCLASS", cmsg(IPV6, 67, le32(0x30))],
    ["IPV6_DONTFRAG", cmsg(IPV6, 62, ON)],
    ["an unknown one of IPv6", cmsg(IPV6, 200, ON)],
    ["IP_TTL", cmsg(0, 2, le32(9))],
    ["IP_TOS", cmsg(0, 1, le32(0x30))],
    ["IP_PKTINFO", cmsg(0, 8, `${le32(0)}${hex([127, 0, 0, 2])}${le32(0)}`)],
    ["an unknown one of IP", cmsg(0, 200, ON)],
    ["SO_MARK", cmsg(1, 36, le32(5))],
    ["UDP_SEGMENT", cmsg(17, 103, "0200")],
    ["IP_TTL and IPV6_HOPLIMIT", cmsg(0, 2, le32(9)) + cmsg(IPV6, 52, le32(10))],
  ] as const)
    for (const family of [2, 10])
      out[`udp send with ${what} from family ${family}`] = [
        ["socket", 2, DGRAM, 0],
        ["bind", "@0", in4("127.0.0.1", 7011)],
        ...([8, 12, 13].map((o) => ["setsockopt", "@0", 0, o, ON]) as Step[]),
        ["socket", family, DGRAM, 0],
        ["bind", "@1", family === 2 ? in4("0.0.0.0", 7012) : in6(ANY, 7012)],
        [
          "sendmsg",
          "@1",
          family === 2 ? in4("127.0.0.1", 7011) : in6(mapped("127.0.0.1"), 7011),
          "61626364",
          control,
          0,
        ],
        ["recvmsg", "@0", 16, 10, 200, DONTWAIT],
      ];
  for (const [what, options] of [
    ["none", []],
    ["IPV6_RECVERR", [["setsockopt", "@0", IPV6, 25, ON]]],
    ["IP_RECVERR", [["setsockopt", "@0", 0, 11, ON]]],
    ["both, and IPV6_RECVPKTINFO", [["setsockopt", "@0", IPV6, 25, ON], ["setsockopt", "@0", 0, 11, ON], ...ask]],
  ] as [string, Step[]][]) {
    out[`udp port unreachable, ${what}`] = [
      ["socket", 10, DGRAM, 0],
      ["bind", "@0", in6(ANY, 7013)],
      ...options,
      ["connect", "@0", in6(mapped("127.0.0.1"), 7014)],
      ["sendmsg", "@0", null, "616263", null, 0],
      ["recvmsg", "@0", 28, 100, 400, ERRQUEUE | DONTWAIT],
      ["getsockopt", "@0", 1, 4, 4],
      ["sendmsg", "@0", null, "616263", null, 0],
      ["recvmsg", "@0", 28, 100, 400, DONTWAIT],
    ];
    out[`udp port unreachable, not connected, ${what}`] = [
      ["socket", 10, DGRAM, 0],
      ["bind", "@0", in6(ANY, 7013)],
      ...options,
      ["sendmsg", "@0", in6(mapped("127.0.0.1"), 7014), "616263", null, 0],
      ["recvmsg", "@0", 28, 100, 400, ERRQUEUE | DONTWAIT],
      ["getsockopt", "@0", 1, 4, 4],
    ];
    out[`udp too long, ${what}`] = [
      ["socket", 10, DGRAM, 0],
      ["bind", "@0", in6(ANY, 7013)],
      ...options,
      ["connect", "@0", in6(mapped("127.0.0.1"), 7014)],
      ["sendmsg", "@0", null, "61".repeat(65520), null, 0],
      ["recvmsg", "@0", 28, 100, 400, ERRQUEUE | DONTWAIT],
    ];
  }
  out["udp connected: who may be sent to"] = [
    ["socket", 10, DGRAM, 0],
    ["socket", 2, DGRAM, 0],
    ["bind", "@1", in4("127.0.0.1", 7015)],
    ["connect", "@0", in6(mapped("127.0.0.1"), 7015)],
    ["sendmsg", "@0", null, "61", null, 0],
    ["recvmsg", "@1", 0, 10, null, DONTWAIT],
    ["sendmsg", "@0", in6(mapped("127.0.0.1"), 7015), "62", null, 0],
    ["recvmsg", "@1", 0, 10, null, DONTWAIT],
    ["sendmsg", "@0", in6(GLOBAL, 7015), "63", null, 0],
    ["sendmsg", "@0", in6(mapped("127.0.0.1"), 0), "63", null, 0],
    ["sendmsg", "@0", in4("127.0.0.1", 7015), "64", null, 0],
    ["recvmsg", "@1", 0, 10, null, DONTWAIT],
    ["connect", "@0", in6(GLOBAL, 7015)],
    ["getpeername", "@0", 28],
    ["connect", "@0", in6(mapped("127.0.0.2"), 7015)],
    ["getpeername", "@0", 28],
    ["connect", "@0", in4("127.0.0.1", 7015)],
    ["getpeername", "@0", 28],
    ["getsockname", "@0", 28],
    ["connect", "@0", in6(ANY, 0, 0, 0)],
    ["getsockname", "@0", 28],
  ];
  out["udp corked, then an address"] = [
    ["socket", 10, DGRAM, 0],
    ["socket", 2, DGRAM, 0],
    ["bind", "@1", in4("127.0.0.1", 7015)],
    ["bind", "@0", in6(ANY, 7016)],
    ["setsockopt", "@0", 17, 1, ON],
    ["sendmsg", "@0", in6(mapped("127.0.0.1"), 7015), "6162", null, 0],
    ["sendmsg", "@0", null, "63", null, 0],
    ["recvmsg", "@1", 16, 10, null, DONTWAIT],
    ["setsockopt", "@0", 17, 1, le32(0)],
    ["recvmsg", "@1", 16, 10, null, DONTWAIT],
  ];
  out["udp: v6only does not hear IPv4; of two IPv4 is nearer"] = [
    ["socket", 10, DGRAM, 0],
    ["setsockopt", "@0", IPV6, V6ONLY, ON],
    ["setsockopt", "@0", 1, 15, ON],
    ["bind", "@0", in6(ANY, 7017)],
    ["socket", 10, DGRAM, 0],
    ["setsockopt", "@1", 1, 15, ON],
    ["bind", "@1", in6(ANY, 7018)],
    ["socket", 2, DGRAM, 0],
    ["setsockopt", "@2", 1, 15, ON],
    ["bind", "@2", in4("0.0.0.0", 7018)],
    ["socket", 2, DGRAM, 0],
    ["sendmsg", "@3", in4("127.0.0.1", 7017), "61", null, 0],
    ["recvmsg", "@0", 0, 10, null, DONTWAIT],
    ["sendmsg", "@3", in4("127.0.0.1", 7018), "61", null, 0],
    ["recvmsg", "@1", 0, 10, null, DONTWAIT],
    ["recvmsg", "@2", 0, 10, null, DONTWAIT],
  ];
  out["udp: groups of IPv4 on a socket of IPv6"] = [
    ["socket", 10, DGRAM, 0],
    ["bind", "@0", in6(ANY, 7019)],
    ["setsockopt", "@0", 0, 35, `e0010203${"7f000001"}`],
    ["setsockopt", "@0", 0, 36, `e0010203${"7f000001"}`],
    ["setsockopt", "@0", IPV6, 20, `ff020000000000000000000000000099${le32(1)}`],
    ["setsockopt", "@0", IPV6, 20, `ff020000000000000000000000000099${le32(0)}`],
    ["setsockopt", "@0", IPV6, 20, `${mapped("224.1.2.3")}${le32(1)}`],
    ["setsockopt", "@0", IPV6, 21, `ff020000000000000000000000000099${le32(1)}`],
    ["setsockopt", "@0", IPV6, 20, "00"],
  ];
  // IPV6_ADDRFORM: the socket becomes one of IPv4.
  for (const [what, type] of [
    ["tcp", STREAM],
    ["udp", DGRAM],
  ] as const)
    out[`${what} IPV6_ADDRFORM`] = [
      ["socket", 10, type, 0],
      ["socket", 2, type, 0],
      ["bind", "@1", in4("127.0.0.1", 7020)],
      ...(type === STREAM ? ([["listen", "@1", 5]] as Step[]) : []),
      ["setsockopt", "@0", IPV6, 1, le32(2)],
      ["bind", "@0", in6(ANY, 7021)],
      ["setsockopt", "@0", IPV6, 1, le32(2)],
      ["connect", "@0", in6(mapped("127.0.0.1"), 7020)],
      ["setsockopt", "@0", IPV6, 1, le32(10)],
      ["getsockopt", "@0", IPV6, 1, 4],
      ["setsockopt", "@0", IPV6, 1, le32(2)],
      ["getsockname", "@0", 28],
      ["getpeername", "@0", 28],
      ["getsockopt", "@0", 1, 39, 4],
      ["getsockopt", "@0", IPV6, V6ONLY, 4],
      ["setsockopt", "@0", IPV6, V6ONLY, ON],
      ["sendmsg", "@0", null, "61", null, 0],
      ["connect", "@0", in6(mapped("127.0.0.1"), 7020)],
    ];
  // Options.
  for (const [name, type, protocol] of types)
    for (const [level, option] of OPTIONS) {
      if (level === IPV6 && NOT_ASKED.has(option)) continue;
      const steps: Step[] = [
        ["socket", 10, type, protocol],
        ["getsockopt", "@0", level, option, 4],
        ["getsockopt", "@0", level, option, 0],
        ["getsockopt", "@0", level, option, 2],
        ["getsockopt", "@0", level, option, 40],
      ];
      for (const v of OPTION_VALUES)
        steps.push(["setsockopt", "@0", level, option, v], ["getsockopt", "@0", level, option, 4]);
      out[`${name} option ${level === IPV6 ? "IPPROTO_IPV6" : "SOL_IP"} ${option}`] = steps;
    }
  for (const [name, type] of [
    ["tcp", STREAM],
    ["udp", DGRAM],
  ] as const)
    out[`${name} options of a mapped connection`] = [
      ["socket", 10, type, 0],
      ["socket", 2, type, 0],
      ["bind", "@1", in4("127.0.0.1", 7022)],
      ...(type === STREAM ? ([["listen", "@1", 5]] as Step[]) : []),
      ["connect", "@0", in6(mapped("127.0.0.1"), 7022)],
      ["getsockopt", "@0", IPV6, 24, 4],
      ["getsockopt", "@0", 0, 14, 4],
      ["getsockopt", "@0", IPV6, 16, 4],
      ["getsockopt", "@0", IPV6, 67, 4],
      ["getsockopt", "@0", 0, 2, 4],
      ["setsockopt", "@0", IPV6, 67, le32(0x20)],
      ["getsockopt", "@0", 0, 1, 4],
      ["setsockopt", "@0", IPV6, V6ONLY, ON],
      ["getsockopt", "@0", IPV6, 61, 32],
      ["setsockopt", "@0", 41, 150, ON],
      ["getsockopt", "@0", 41, 150, 4],
      ["setsockopt", "@0", 42, 1, ON],
      ["getsockopt", "@0", 42, 1, 4],
      ["setsockopt", "@0", 58, 1, ON],
      ["getsockopt", "@0", 58, 1, 4],
    ];
  return apart(out);
}

/** Each scenario gets ports of its own: what one leaves in TIME_WAIT is not in the way of the next. */
function apart(all: Scenarios): Scenarios {
  let next = 10000;
  return Object.fromEntries(
    Object.entries(all).map(([name, steps]) => {
      const ports = new Map<string, string>();
      const moved = (x: number | string | null): number | string | null => {
        const m = typeof x === "string" ? /^(0200|0a00|0000|1000)(1b[5-7].)(.*)$/.exec(x) : null;
        if (m === null) return x;
        const port = ports.get(m[2]!) ?? (next++).toString(16);
        ports.set(m[2]!, port);
        return `${m[1]}${port}${m[3]}`;
      };
      return [name, steps.map(([op, ...a]): Step => [op, ...a.map(moved)])];
    }),
  );
}
