// Names of the numbers in routes, addresses and links: the tables that Debian ships in /etc/iproute2.
// Way in: tableName(254) is "main"; parseTable("main") is 254.

import { parseInteger } from "./addr.ts";

type Table = readonly (readonly [number, string])[];

const RT_TABLES: Table = [
  [0, "unspec"],
  [253, "default"],
  [254, "main"],
  [255, "local"],
];
const RT_PROTOS: Table = [
  [0, "unspec"],
  [1, "redirect"],
  [2, "kernel"],
  [3, "boot"],
  [4, "static"],
  [8, "gated"],
  [9, "ra"],
  [10, "mrt"],
  [11, "zebra"],
  [12, "bird"],
  [13, "dnrouted"],
  [14, "xorp"],
  [15, "ntk"],
  [16, "dhcp"],
  [18, "keepalived"],
  [42, "babel"],
  [99, "openr"],
  [186, "bgp"],
  [187, "isis"],
  [188, "ospf"],
  [189, "rip"],
  [192, "eigrp"],
];
const RT_SCOPES: Table = [
  [0, "global"],
  [200, "site"],
  [253, "link"],
  [254, "host"],
  [255, "nowhere"],
];
const RT_REALMS: Table = [[0, "cosmos"]];
const RT_DSFIELD: Table = [
  [0x00, "default"],
  [0x20, "CS1"],
  [0x28, "AF11"],
  [0x30, "AF12"],
  [0x38, "AF13"],
  [0x40, "CS2"],
  [0x48, "AF21"],
  [0x50, "AF22"],
  [0x58, "AF23"],
  [0x60, "CS3"],
  [0x68, "AF31"],
  [0x70, "AF32"],
  [0x78, "AF33"],
  [0x80, "CS4"],
  [0x88, "AF41"],
  [0x90, "AF42"],
  [0x98, "AF43"],
  [0xa0, "CS5"],
  [0xb8, "EF"],
  [0xc0, "CS6"],
  [0xe0, "CS7"],
];
const RT_TYPES: Table = [
  [0, "none"],
  [1, "unicast"],
  [2, "local"],
  [3, "broadcast"],
  [4, "anycast"],
  [5, "multicast"],
  [6, "blackhole"],
  [7, "unreachable"],
  [8, "prohibit"],
  [9, "throw"],
  [10, "nat"],
  [11, "xresolve"],
];
const GROUPS: Table = [[0, "default"]];
const IP_PROTOS: Table = [
  [1, "icmp"],
  [2, "igmp"],
  [4, "ipencap"],
  [6, "tcp"],
  [17, "udp"],
  [41, "ipv6"],
  [47, "gre"],
  [50, "esp"],
  [51, "ah"],
  [58, "ipv6-icmp"],
  [89, "ospf"],
  [103, "pim"],
  [112, "vrrp"],
  [132, "sctp"],
  [136, "udplite"],
];
const ARPHRD: Table = [
  [0, "netrom"],
  [1, "ether"],
  [2, "eether"],
  [3, "ax25"],
  [4, "pronet"],
  [5, "chaos"],
  [6, "ieee802"],
  [7, "arcnet"],
  [8, "atalk"],
  [15, "dlci"],
  [19, "atm"],
  [23, "metricom"],
  [24, "ieee1394"],
  [32, "infiniband"],
  [256, "slip"],
  [257, "cslip"],
  [258, "slip6"],
  [259, "cslip6"],
  [512, "ppp"],
  [513, "hdlc"],
  [516, "lapb"],
  [517, "ddcmp"],
  [518, "rawhdlc"],
  [519, "rawip"],
  [768, "ipip"],
  [769, "tunnel6"],
  [770, "frad"],
  [771, "skip"],
  [772, "loopback"],
  [773, "localtlk"],
  [774, "fddi"],
  [775, "bif"],
  [776, "sit"],
  [777, "ip/ddp"],
  [778, "gre"],
  [779, "pimreg"],
  [801, "ieee802.11"],
  [802, "ieee802.11/prism"],
  [803, "ieee802.11/radiotap"],
  [823, "gre6"],
  [824, "netlink"],
  [0xffff, "void"],
  [0xfffe, "none"],
];
const LL_PROTOS: Table = [
  [0x0003, "all"],
  [0x0800, "ip"],
  [0x0806, "arp"],
  [0x86dd, "ipv6"],
  [0x8100, "802.1Q"],
  [0x88a8, "802.1ad"],
];

const name = (t: Table, n: number): string | undefined => t.find((r) => r[0] === n)?.[1];
const number = (t: Table, s: string): number | undefined => t.find((r) => r[1] === s)?.[0];

/** With `numeric` (-N), only numbers. */
function show(t: Table, n: number, numeric: boolean): string {
  return (numeric ? undefined : name(t, n)) ?? String(n);
}
function read(t: Table, s: string, max: number): number | undefined {
  const known = number(t, s);
  if (known !== undefined) return known;
  const v = parseInteger(s);
  return v !== undefined && v >= 0 && v <= max ? v : undefined;
}

export const tableName = (n: number, numeric = false): string => show(RT_TABLES, n, numeric);
export const parseTable = (s: string): number | undefined => read(RT_TABLES, s, 0xffffffff);
export const protoName = (n: number, numeric = false): string => show(RT_PROTOS, n, numeric);
export const parseProto = (s: string): number | undefined => read(RT_PROTOS, s, 255);
export const scopeName = (n: number, numeric = false): string => show(RT_SCOPES, n, numeric);
export const parseScope = (s: string): number | undefined => read(RT_SCOPES, s, 255);
export const realmName = (n: number, numeric = false): string => show(RT_REALMS, n, numeric);
export const parseRealm = (s: string): number | undefined => read(RT_REALMS, s, 0xffff);
export const groupName = (n: number, numeric = false): string => show(GROUPS, n, numeric);
export const parseGroup = (s: string): number | undefined => read(GROUPS, s, 0xffffffff);
export const routeTypeName = (n: number, numeric = false): string => show(RT_TYPES, n, numeric);

export function parseRouteType(s: string): number | undefined {
  const known = RT_TYPES.find((r) => r[0] >= 1 && r[1] === s)?.[0];
  if (known !== undefined) return known;
  const v = parseInteger(s);
  return v !== undefined && v >= 0 && v <= 255 ? v : undefined;
}

export function dsfieldName(n: number, numeric = false): string {
  return (numeric ? undefined : name(RT_DSFIELD, n)) ?? `0x${n.toString(16).padStart(2, "0")}`;
}
export function parseDsfield(s: string): number | undefined {
  const known = number(RT_DSFIELD, s);
  if (known !== undefined) return known;
  const v = parseInteger(s, 16);
  return v !== undefined && v >= 0 && v <= 255 ? v : undefined;
}

/** "udp", or "ipproto-200" for one without a name. */
export const ipProtoName = (n: number, numeric = false): string =>
  (numeric ? undefined : name(IP_PROTOS, n)) ?? `ipproto-${n}`;
export const parseIpProto = (s: string): number | undefined => read(IP_PROTOS, s, 255);

export const linkTypeName = (n: number, numeric = false): string => (numeric ? undefined : name(ARPHRD, n)) ?? `[${n}]`;

export const etherTypeName = (n: number): string => name(LL_PROTOS, n) ?? `[${n}]`;
export const parseEtherType = (s: string): number | undefined =>
  LL_PROTOS.find((r) => r[1].toLowerCase() === s.toLowerCase())?.[0] ?? parseInteger(s);
