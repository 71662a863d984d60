// Numbers as strace(1) 6.1 prints them: names of constants, flags, strings, errors. Way in: name_of(), flags_of(), quoted().

import { errno_name, strerror } from "../../uapi/errno.ts";
import * as fcntl from "../../uapi/fcntl.ts";
import * as ifh from "../../uapi/if.ts";
import * as netlink from "../../uapi/netlink.ts";
import * as rtnetlink from "../../uapi/rtnetlink.ts";
import * as socket from "../../uapi/socket.ts";
import { signalName } from "../lib/signals.ts";

export type Names = ReadonlyMap<number, string>;
/** Bits in the order in which strace prints them. */
export type Flags = readonly (readonly [number, string])[];

/** The constants of a header whose names match; of two with one number the first stays. */
function pick(header: object, pattern: RegExp, rename: Readonly<Record<string, string>> = {}): Names {
  const names = new Map<number, string>();
  for (const [name, value] of Object.entries(header)) {
    if (typeof value === "number" && pattern.test(name) && !names.has(value)) names.set(value, rename[name] ?? name);
  }
  return names;
}

const bits = (...names: string[]): Flags =>
  names.map((n) => [({ ...socket, ...fcntl, ...ifh, ...netlink } as Record<string, unknown>)[n] as number, n] as const);

const OLD = {
  SO_RCVTIMEO: "SO_RCVTIMEO_OLD",
  SO_SNDTIMEO: "SO_SNDTIMEO_OLD",
  SO_TIMESTAMP: "SO_TIMESTAMP_OLD",
  SO_TIMESTAMPNS: "SO_TIMESTAMPNS_OLD",
};

export const FAMILIES: Names = pick(socket, /^AF_/);
export const SOCK_TYPES: Names = pick(socket, /^SOCK_(STREAM|DGRAM|RAW|SEQPACKET|PACKET)$/);
export const IPPROTOS: Names = new Map([...pick(socket, /^IPPROTO_(?!MAX)/), [58, "IPPROTO_ICMPV6"]]);
export const NETLINKS: Names = pick(netlink, /^NETLINK_(ROUTE|USERSOCK|SOCK_DIAG|NETFILTER|XFRM|GENERIC|AUDIT)$/);
export const LEVELS: Names = pick(socket, /^SOL_/);
export const SO_NAMES: Names = pick(socket, /^SO_(?!EE_)/, OLD);
export const IP_NAMES: Names = pick(socket, /^IP_(?!PMTUDISC_)/);
export const UDP_NAMES: Names = pick(socket, /^UDP_/);
export const PACKET_NAMES: Names = pick(socket, /^PACKET_(?!MR_|HOST|BROADCAST|MULTICAST|OTHERHOST|OUTGOING|LOOPBACK)/);
export const NETLINK_NAMES: Names = new Map(
  [
    [1, "ADD_MEMBERSHIP"],
    [2, "DROP_MEMBERSHIP"],
    [3, "PKTINFO"],
    [4, "BROADCAST_ERROR"],
    [5, "NO_ENOBUFS"],
    [8, "LISTEN_ALL_NSID"],
    [9, "LIST_MEMBERSHIPS"],
    [10, "CAP_ACK"],
    [11, "EXT_ACK"],
    [12, "GET_STRICT_CHK"],
  ].map(([n, name]) => [n as number, `NETLINK_${name}`]),
);
export const PKTTYPES: Names = pick(socket, /^PACKET_(HOST|BROADCAST|MULTICAST|OTHERHOST|OUTGOING|LOOPBACK)$/);
export const SHUTS: Names = pick(socket, /^SHUT_/);
export const SIOCS: Names = new Map([
  ...pick(ifh, /^SIOC/),
  [0x5401, "TCGETS"],
  [0x5413, "TIOCGWINSZ"],
  [0x541b, "FIONREAD"],
  [0x8946, "SIOCETHTOOL"],
  [0x8906, "SIOCGSTAMP_OLD"],
  [0x8907, "SIOCGSTAMPNS_OLD"],
  [0x5411, "TIOCOUTQ"],
]);
export const RTMS: Names = new Map([
  ...pick(rtnetlink, /^RTM_(NEW|DEL|GET|SET)/),
  ...pick(netlink, /^NLMSG_(NOOP|ERROR|DONE|OVERRUN)$/),
]);
export const ARPHRDS: Names = new Map([
  [0, "ARPHRD_NETROM"],
  [1, "ARPHRD_ETHER"],
  [772, "ARPHRD_LOOPBACK"],
]);
export const ETHERTYPES: Names = new Map([
  [0x3, "ETH_P_ALL"],
  [0x800, "ETH_P_IP"],
  [0x806, "ETH_P_ARP"],
  [0x8035, "ETH_P_RARP"],
  [0x8100, "ETH_P_8021Q"],
  [0x86dd, "ETH_P_IPV6"],
]);
export const ICMP_TYPES: Names = new Map([
  [0, "ICMP_ECHOREPLY"],
  [3, "ICMP_DEST_UNREACH"],
  [4, "ICMP_SOURCE_QUENCH"],
  [5, "ICMP_REDIRECT"],
  [8, "ICMP_ECHO"],
  [11, "ICMP_TIME_EXCEEDED"],
  [12, "ICMP_PARAMETERPROB"],
  [13, "ICMP_TIMESTAMP"],
  [14, "ICMP_TIMESTAMPREPLY"],
  [15, "ICMP_INFO_REQUEST"],
  [16, "ICMP_INFO_REPLY"],
  [17, "ICMP_ADDRESS"],
  [18, "ICMP_ADDRESSREPLY"],
]);
export const WHENCES: Names = pick(fcntl, /^SEEK_/);
export const FCNTLS: Names = pick(fcntl, /^F_/);
export const EPOLL_OPS: Names = pick(fcntl, /^EPOLL_CTL_/);

export const SOCK_FLAGS: Flags = bits("SOCK_CLOEXEC", "SOCK_NONBLOCK");
export const MSG_FLAGS: Flags = [
  [0x1, "MSG_OOB"],
  [0x2, "MSG_PEEK"],
  [0x4, "MSG_DONTROUTE"],
  [0x8, "MSG_CTRUNC"],
  [0x10, "MSG_PROBE"],
  [0x20, "MSG_TRUNC"],
  [0x40, "MSG_DONTWAIT"],
  [0x80, "MSG_EOR"],
  [0x100, "MSG_WAITALL"],
  [0x200, "MSG_FIN"],
  [0x400, "MSG_SYN"],
  [0x800, "MSG_CONFIRM"],
  [0x1000, "MSG_RST"],
  [0x2000, "MSG_ERRQUEUE"],
  [0x4000, "MSG_NOSIGNAL"],
  [0x8000, "MSG_MORE"],
  [0x10000, "MSG_WAITFORONE"],
  [0x40000000, "MSG_CMSG_CLOEXEC"],
];
export const OPEN_FLAGS: Flags = bits(
  "O_CREAT",
  "O_EXCL",
  "O_TRUNC",
  "O_APPEND",
  "O_NONBLOCK",
  "O_DIRECTORY",
  "O_CLOEXEC",
);
export const POLL_FLAGS: Flags = bits(
  "POLLIN",
  "POLLPRI",
  "POLLOUT",
  "POLLRDNORM",
  "POLLRDBAND",
  "POLLWRNORM",
  "POLLWRBAND",
  "POLLERR",
  "POLLHUP",
  "POLLNVAL",
  "POLLRDHUP",
);
export const EPOLL_FLAGS: Flags = [
  [0x1, "EPOLLIN"],
  [0x2, "EPOLLPRI"],
  [0x4, "EPOLLOUT"],
  [0x40, "EPOLLRDNORM"],
  [0x80, "EPOLLRDBAND"],
  [0x100, "EPOLLWRNORM"],
  [0x200, "EPOLLWRBAND"],
  [0x8, "EPOLLERR"],
  [0x10, "EPOLLHUP"],
  [0x2000, "EPOLLRDHUP"],
  [1 << 28, "EPOLLEXCLUSIVE"],
  [1 << 29, "EPOLLWAKEUP"],
  [1 << 30, "EPOLLONESHOT"],
  [1 << 31, "EPOLLET"],
];
export const IFF_FLAGS: Flags = [...pick(ifh, /^IFF_/)]
  .sort((a, b) => a[0] - b[0])
  .map(([n, name]) => [n, name] as const);
/** NLM_F_ bits mean one thing in requests that read and another in those that make. */
export const NLM_GET: Flags = bits(
  "NLM_F_REQUEST",
  "NLM_F_MULTI",
  "NLM_F_ACK",
  "NLM_F_ECHO",
  "NLM_F_DUMP_INTR",
  "NLM_F_DUMP_FILTERED",
  "NLM_F_DUMP",
  "NLM_F_ROOT",
  "NLM_F_MATCH",
  "NLM_F_ATOMIC",
);
export const NLM_NEW: Flags = [
  ...NLM_GET.slice(0, 6),
  ...bits("NLM_F_REPLACE", "NLM_F_EXCL", "NLM_F_CREATE", "NLM_F_APPEND"),
];
export const SPLICE_FLAGS: Flags = [
  [1, "SPLICE_F_MOVE"],
  [2, "SPLICE_F_NONBLOCK"],
  [4, "SPLICE_F_MORE"],
  [8, "SPLICE_F_GIFT"],
];
export const WAIT_FLAGS: Flags = [
  [1, "WNOHANG"],
  [2, "WUNTRACED"],
  [8, "WCONTINUED"],
];

export const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

// "SO_ERROR", or "0x4d /* SO_??? */" for a number without a name.
export function name_of(names: Names, value: number, unknown: string): string {
  return names.get(value) ?? (unknown === "" ? String(value) : `${hex(value)} /* ${unknown}_??? */`);
}

/** "MSG_PEEK|MSG_TRUNC", "0", or what has no name in hex behind the rest. */
export function flags_of(flags: Flags, value: number, unknown: string): string {
  if (value === 0) return "0";
  const parts: string[] = [];
  let rest = value;
  for (const [bit, name] of flags) {
    if (bit !== 0 && (rest & bit) === bit) {
      parts.push(name);
      rest &= ~bit;
    }
  }
  if (rest !== 0) parts.push(parts.length === 0 ? `${hex(rest)} /* ${unknown}_??? */` : hex(rest));
  return parts.join("|");
}

const ESCAPES: Readonly<Record<number, string>> = {
  34: '\\"',
  92: "\\\\",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
};

/** Bytes as a C string of at most `limit` bytes: short octal escapes, three digits before a digit. */
export function quoted(bytes: Uint8Array, limit: number): string {
  const n = Math.min(bytes.length, limit);
  let s = '"';
  for (let i = 0; i < n; i++) {
    const c = bytes[i]!;
    const escape = ESCAPES[c];
    if (escape !== undefined) s += escape;
    else if (c >= 32 && c < 127) s += String.fromCharCode(c);
    else {
      const next = i + 1 < n ? bytes[i + 1]! : 0;
      s += `\\${c.toString(8).padStart(next >= 48 && next <= 57 ? 3 : 1, "0")}`;
    }
  }
  return `${s}"${bytes.length > limit ? "..." : ""}`;
}

/** All bytes as \x.., which is how strace shows what is never text. */
export function hex_quoted(bytes: Uint8Array, limit: number): string {
  const text = [...bytes.subarray(0, limit)].map((b) => `\\x${b.toString(16).padStart(2, "0")}`).join("");
  return `"${text}"${bytes.length > limit ? "..." : ""}`;
}

export const error_of = (err: number): string => `-1 ${errno_name(err)} (${strerror(err)})`;

export const sig_of = (sig: number): string => (sig === 0 ? "0" : `SIG${signalName(sig)}`);
