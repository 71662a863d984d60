// Structs of system calls as strace(1) 6.1 prints them: sockaddr, msghdr, cmsg, ifreq, nlmsghdr. Way in: sockaddr_of().
// Read first: uapi/sys.ts. Everything here comes from programs: lengths are checked, nothing throws.

import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET } from "../../uapi/socket.ts";
import type { EpollEvent, MsgHdr, PollFd, Stat } from "../../uapi/sys.ts";
import * as N from "./names.ts";

/** What the printing of one tracer needs: how long strings may be, and names for buffers whose content does not count. */
export interface Printer {
  readonly strsize: number;
  addr(what: object): string;
  /** if_nametoindex("lo") for 1, or the number. */
  ifname(index: number): string;
}

const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);
const ipv4 = (b: Uint8Array, off: number): string => `${b[off]}.${b[off + 1]}.${b[off + 2]}.${b[off + 3]}`;
const inet = (b: Uint8Array, off: number): string => `inet_addr("${ipv4(b, off)}")`;
const htons = (n: number): string => `htons(${n})`;

function ethertype(n: number): string {
  const name = N.ETHERTYPES.get(n);
  return htons(0).replace("0", name ?? (n === 0 ? "0 /* ETH_P_??? */" : `${N.hex(n)} /* ETH_P_??? */`));
}

/** The protocol of socket(2), which each family reads in its own way. */
export function protocol_of(family: number, protocol: number): string {
  if (family === AF_PACKET) return ethertype(((protocol & 0xff) << 8) | ((protocol >> 8) & 0xff));
  if (family === AF_NETLINK) return N.name_of(N.NETLINKS, protocol, "NETLINK");
  if (family === AF_INET || family === AF_INET6) return N.name_of(N.IPPROTOS, protocol, "IPPROTO");
  return String(protocol);
}

function ipv6(b: Uint8Array, off: number): string {
  const words: number[] = [];
  for (let i = 0; i < 8; i++) words.push((b[off + 2 * i]! << 8) | b[off + 2 * i + 1]!);
  let best = -1;
  let run = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && words[i + n] === 0) n++;
    if (n > run) {
      best = i;
      run = n;
    }
  }
  const text = words.map((w) => w.toString(16));
  if (best < 0) return text.join(":");
  return `${text.slice(0, best).join(":")}::${text.slice(best + run).join(":")}`;
}

export function sockaddr_of(p: Printer, a: Uint8Array | null, len = a?.length ?? 0): string {
  if (a === null) return "NULL";
  const b = a.subarray(0, len);
  if (b.length < 2) return p.addr(a);
  const dv = view(b);
  const family = dv.getUint16(0, true);
  const name = `{sa_family=${N.name_of(N.FAMILIES, family, "AF")}`;
  if (family === AF_INET && b.length >= 16) {
    return `${name}, sin_port=${htons(dv.getUint16(2))}, sin_addr=${inet(b, 4)}}`;
  }
  if (family === AF_INET6 && b.length >= 24) {
    const scope = b.length >= 28 ? `, sin6_scope_id=${dv.getUint32(24, true)}` : "";
    return `${name}, sin6_port=${htons(dv.getUint16(2))}, sin6_flowinfo=htonl(${dv.getUint32(4)}), inet_pton(AF_INET6, "${ipv6(b, 8)}", &sin6_addr)${scope}}`;
  }
  if (family === AF_NETLINK && b.length >= 12) {
    const groups = dv.getUint32(8, true);
    return `${name}, nl_pid=${dv.getInt32(4, true)}, nl_groups=${groups === 0 ? "00000000" : `0x${groups.toString(16).padStart(6, "0")}`}}`;
  }
  if (family === AF_PACKET && b.length >= 12) {
    const halen = b[11]!;
    const addr = b.subarray(12, Math.min(12 + halen, b.length));
    const words = [...addr].map((x) => N.hex(x)).join(", ");
    return `${name}, sll_protocol=${ethertype(dv.getUint16(2))}, sll_ifindex=${p.ifname(dv.getInt32(4, true))}, sll_hatype=${N.name_of(N.ARPHRDS, dv.getUint16(8, true), "ARPHRD")}, sll_pkttype=${N.name_of(N.PKTTYPES, b[10]!, "PACKET")}, sll_halen=${halen}${halen > 0 ? `, sll_addr=[${words}]` : ""}}`;
  }
  return `${name}, sa_data=${N.quoted(b.subarray(2), 1e9)}}`;
}

/** A buffer that is sent on, or came from, a socket: netlink has its headers read. */
export function payload_of(p: Printer, bytes: Uint8Array, netlink: boolean): string {
  if (!netlink || bytes.length < 16) return N.quoted(bytes, p.strsize);
  const dv = view(bytes);
  const parts: string[] = [];
  let off = 0;
  while (off + 16 <= bytes.length && parts.length < p.strsize) {
    const len = dv.getUint32(off, true);
    parts.push(nlmsg_of(p, bytes, off, len));
    if (len < 16) break;
    off += (len + 3) & ~3;
  }
  const more = parts.length >= p.strsize && off < bytes.length ? ", ..." : "";
  return parts.length === 1 ? parts[0]! : `[${parts.join(", ")}${more}]`;
}

function nlmsg_of(p: Printer, b: Uint8Array, off: number, len: number): string {
  const dv = view(b);
  const type = dv.getUint16(off + 4, true);
  const flags = dv.getUint16(off + 6, true);
  const name = N.name_of(N.RTMS, type, "NLMSG");
  const set = /^RTM_NEW/.test(name) && (flags & 1) !== 0 ? N.NLM_NEW : N.NLM_GET;
  const head = `{nlmsg_len=${len}, nlmsg_type=${name}, nlmsg_flags=${N.flags_of(set, flags, "NLM_F")}, nlmsg_seq=${dv.getUint32(off + 8, true)}, nlmsg_pid=${dv.getInt32(off + 12, true)}}`;
  const end = Math.min(b.length, off + Math.max(16, len));
  if (end - off <= 16) return head;
  const body = b.subarray(off + 16, end);
  // struct nlmsgerr: the error, and the header of the request that it answers.
  if (type === 2 && body.length >= 20) {
    const err = view(body).getInt32(0, true);
    return `[${head}, {error=${err === 0 ? "0" : `-${N.error_of(err).slice(3).split(" ")[0]}`}, msg=${nlmsg_of(p, body.subarray(0, 20), 4, view(body).getUint32(4, true)).replace(/^\[/, "")}}]`;
  }
  if (type === 3 && body.length >= 4) return `[${head}, ${view(body).getInt32(0, true)}]`;
  // DIFF: the family header is left at its family, attributes are not decoded.
  const what = N.RTMS.get(type);
  if (what !== undefined && body.length >= 1) {
    const field = FAMILY_FIELD.find(([re]) => re.test(what))?.[1];
    if (field !== undefined) return `[${head}, {${field}=${N.name_of(N.FAMILIES, body[0]!, "AF")}, ...}]`;
  }
  return `[${head}, ${N.quoted(body, p.strsize)}]`;
}

const FAMILY_FIELD: readonly (readonly [RegExp, string])[] = [
  [/LINK$/, "ifi_family"],
  [/ADDR$/, "ifa_family"],
  [/ROUTE$/, "rtm_family"],
  [/NEIGH$/, "ndm_family"],
  [/RULE$/, "family"],
  [/(QDISC|TCLASS|TFILTER)$/, "tcm_family"],
  [/NEXTHOP$/, "nh_family"],
];

/** One control message per entry; a length that cannot be ends the list. */
function cmsgs_of(p: Printer, control: Uint8Array, len: number): string {
  const b = control.subarray(0, len);
  const dv = view(b);
  const parts: string[] = [];
  for (let off = 0; off + 16 <= b.length; ) {
    const clen = dv.getUint32(off, true);
    if (clen < 16 || off + clen > b.length) break;
    const level = dv.getInt32(off + 8, true);
    const type = dv.getInt32(off + 12, true);
    const data = b.subarray(off + 16, off + clen);
    const names = level === 1 ? N.SO_NAMES : level === 0 ? N.IP_NAMES : level === 263 ? N.PACKET_NAMES : N.UDP_NAMES;
    parts.push(
      `{cmsg_len=${clen}, cmsg_level=${N.name_of(N.LEVELS, level, "SOL")}, cmsg_type=${N.name_of(names, type, level === 0 ? "IP" : "SCM")}, cmsg_data=${cmsg_data(p, level, type, data)}}`,
    );
    off += (clen + 7) & ~7;
  }
  return `[${parts.join(", ")}]`;
}

function cmsg_data(p: Printer, level: number, type: number, d: Uint8Array): string {
  const dv = view(d);
  if (level === 1 && (type === 29 || type === 35) && d.length >= 16) {
    const unit = type === 29 ? "tv_usec" : "tv_nsec";
    return `{tv_sec=${dv.getBigInt64(0, true)}, ${unit}=${dv.getBigInt64(8, true)}}`;
  }
  if (level === 0 && type === 8 && d.length >= 12) {
    return `{ipi_ifindex=${p.ifname(dv.getInt32(0, true))}, ipi_spec_dst=${inet(d, 4)}, ipi_addr=${inet(d, 8)}}`;
  }
  if (level === 0 && type === 11 && d.length >= 32) {
    return `{ee_errno=${dv.getUint32(0, true)}, ee_origin=${d[4]}, ee_type=${d[5]}, ee_code=${d[6]}, ee_info=${dv.getUint32(8, true)}, ee_data=${dv.getUint32(12, true)}, offender=${sockaddr_of(p, d.subarray(16, 32))}}`;
  }
  if (level === 0 && type === 1 && d.length >= 1) return `[${N.hex(d[0]!)}]`;
  if (d.length === 4) return `[${dv.getInt32(0, true)}]`;
  return N.quoted(d, p.strsize);
}

/** struct msghdr as it is given (sendmsg), or as it came back with `n` bytes (recvmsg) and `room` for the name. */
export function msghdr_of(p: Printer, m: MsgHdr, n: number | null, room: number, netlink: boolean): string {
  const namelen = m.msg_name === null ? 0 : n === null && m.msg_namelen === 0 ? m.msg_name.length : m.msg_namelen;
  let left = n ?? Number.POSITIVE_INFINITY;
  const iov = m.msg_iov.map((b) => {
    const bytes = b.subarray(0, Math.min(left, b.length));
    left -= bytes.length;
    return `{iov_base=${payload_of(p, bytes, netlink)}, iov_len=${b.length}}`;
  });
  const changed = n !== null && room !== namelen ? `${room} => ${namelen}` : String(namelen);
  const control =
    m.msg_control !== null && m.msg_controllen > 0
      ? `msg_control=${cmsgs_of(p, m.msg_control, m.msg_controllen)}, `
      : "";
  return `{msg_name=${namelen === 0 ? "NULL" : sockaddr_of(p, m.msg_name, namelen)}, msg_namelen=${changed}, msg_iov=[${iov.join(", ")}], msg_iovlen=${iov.length}, ${control}msg_controllen=${m.msg_controllen}, msg_flags=${N.flags_of(N.MSG_FLAGS, n === null ? 0 : m.msg_flags, "MSG")}}`;
}

/** The argument of setsockopt and getsockopt: "[1]", a string, or a struct of ours. */
export function optval_of(p: Printer, level: number, name: number, v: Uint8Array): string {
  if (level === 255 && name === 1 && v.length >= 4) {
    const mask = view(v).getUint32(0, true);
    const of = (m: number): string =>
      [...N.ICMP_TYPES]
        .filter(([bit]) => (m & (1 << bit)) !== 0)
        .map(([, t]) => t)
        .join(" ");
    return (mask & 0x80000000) !== 0 ? `~[${of(~mask)}]` : `[${of(mask)}]`;
  }
  if (level === 0 && (name === 35 || name === 36) && v.length >= 8) {
    const third = v.length >= 12 ? `imr_address=${inet(v, 4)}, imr_ifindex=${p.ifname(view(v).getInt32(8, true))}` : "";
    return `{imr_multiaddr=${inet(v, 0)}, ${third === "" ? `imr_interface=${inet(v, 4)}` : third}}`;
  }
  if (level === 1 && name === 13 && v.length >= 8) {
    return `{l_onoff=${view(v).getInt32(0, true)}, l_linger=${view(v).getInt32(4, true)}}`;
  }
  if (v.length === 4) return `[${view(v).getInt32(0, true)}]`;
  return N.quoted(v, p.strsize);
}

export function optname_of(level: number, name: number): string {
  switch (level) {
    case 1:
      return N.name_of(N.SO_NAMES, name, "SO");
    case 0:
      return N.name_of(N.IP_NAMES, name, "IP");
    case 17:
      return N.name_of(N.UDP_NAMES, name, "UDP");
    case 270:
      return N.name_of(N.NETLINK_NAMES, name, "NETLINK");
    case 263:
      return N.name_of(N.PACKET_NAMES, name, "PACKET");
    case 255:
      return name === 1 ? "ICMP_FILTER" : N.hex(name);
    default:
      return N.hex(name);
  }
}

/** struct ifreq before (`done` false) and after the call. */
export function ifreq_of(p: Printer, request: string, b: Uint8Array, done: boolean): string {
  if (b.length < 40) return p.addr(b);
  const end = b.indexOf(0);
  const name = `ifr_name=${N.quoted(b.subarray(0, end < 0 || end > 16 ? 16 : end), 16)}`;
  const dv = view(b);
  if (!done && request.startsWith("SIOCG")) return `{${name}}`;
  switch (request.replace(/^SIOC[GS]IF/, "")) {
    case "INDEX":
      return `{${name}, ifr_ifindex=${dv.getInt32(16, true)}}`;
    case "FLAGS":
      return `{${name}, ifr_flags=${N.flags_of(N.IFF_FLAGS, dv.getUint16(16, true), "IFF")}}`;
    case "MTU":
      return `{${name}, ifr_mtu=${dv.getInt32(16, true)}}`;
    case "ADDR":
    case "DSTADDR":
    case "BRDADDR":
    case "NETMASK":
      return `{${name}, ifr_${request.replace(/^SIOC[GS]IF/, "").toLowerCase()}=${sockaddr_of(p, b.subarray(16, 32))}}`;
    case "HWADDR": {
      const mac = [...b.subarray(18, 24)].map((x) => x.toString(16).padStart(2, "0")).join(":");
      return `{${name}, ifr_hwaddr={sa_family=${N.name_of(N.ARPHRDS, dv.getUint16(16, true), "ARPHRD")}, sa_data=${mac}}}`;
    }
    default:
      return `{${name}, ...}`;
  }
}

export function pollfds_of(fds: readonly PollFd[]): string {
  const of = (f: PollFd): string =>
    `{fd=${f.fd}${f.fd < 0 ? "" : `, events=${N.flags_of(N.POLL_FLAGS, f.events, "POLL")}`}}`;
  return `[${fds.map(of).join(", ")}]`;
}

export function polled_of(fds: readonly PollFd[]): string {
  const ready = fds.filter((f) => f.revents !== 0);
  return `[${ready.map((f) => `{fd=${f.fd}, revents=${N.flags_of(N.POLL_FLAGS, f.revents, "POLL")}}`).join(", ")}]`;
}

export const epoll_event_of = (e: EpollEvent): string =>
  `{events=${N.flags_of(N.EPOLL_FLAGS, e.events, "EPOLL")}, data={u32=${e.data >>> 0}, u64=${e.data}}}`;

export function stat_of(s: Stat): string {
  const types: Record<number, string> = {
    26411: "S_IFSOCK",
    16807: "S_IFREG",
    9604: "S_IFDIR",
    4802: "S_IFCHR",
    2401: "S_IFIFO",
  };
  const type = types[s.st_mode & 0o170000];
  const mode = `0${(s.st_mode & 0o7777).toString(8).padStart(3, "0")}`;
  return `{st_mode=${type === undefined ? mode : `${type}|${mode}`}, st_size=${s.st_size}, ...}`;
}

export function timespec_of(ns: number): string {
  const s = Math.floor(ns / 1e9);
  return `{tv_sec=${s}, tv_nsec=${Math.round(ns - s * 1e9)}}`;
}

export function wait_status_of(status: number): string {
  const sig = status & 0x7f;
  if (sig === 0) return `[{WIFEXITED(s) && WEXITSTATUS(s) == ${(status >> 8) & 255}}]`;
  return `[{WIFSIGNALED(s) && WTERMSIG(s) == ${N.sig_of(sig)}}]`;
}
