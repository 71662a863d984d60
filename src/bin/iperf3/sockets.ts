// iperf3's sockets: the options of a test in the order in which iperf3 sets them. Read first: tcp(7), ip(7), socket(7).
// Way in: openControl(), openStream(), listenTcp(), listenUdp(), endpoint().

import { EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EINTR } from "../../uapi/errno.ts";
import { F_GETFL, F_SETFL, O_CREAT, O_EXCL, O_NONBLOCK, O_RDWR, POLLIN, POLLOUT } from "../../uapi/fcntl.ts";
import { IPV6_DONTFRAG, IPV6_TCLASS, SIN6_ADDR, SOCKADDR_IN6_LEN, SOL_IPV6 } from "../../uapi/in6.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { TCP_CONGESTION, TCP_MAXSEG, TCP_NODELAY, TCP_USER_TIMEOUT } from "../../uapi/tcp.ts";
import { formatInet6, parseInet6 } from "../iproute/addr.ts";
import {
  cstring,
  inetAton,
  inetNtoa,
  int32,
  sockaddrAddr,
  sockaddrFamily,
  sockaddrIn,
  sockaddrPort,
  view,
} from "../lib/inet.ts";
import { encode } from "../lib/io.ts";
import { EAI_NODATA, gaiStrerror, resolve } from "../lib/resolve.ts";
import {
  IEBINDDEV,
  IESETBUF,
  IESETCONGESTION,
  IESETDONTFRAGMENT,
  IESETMSS,
  IESETNODELAY,
  IESETPACING,
  IESETTOS,
  IESETUSERTIMEOUT,
  IperfError,
} from "./errors.ts";
import type { Settings } from "./options.ts";
import { waitReady } from "./protocol.ts";

const BACKLOG = 0x7fffffff;
const IP_PMTUDISC_DO = 2;

export function getInt(sys: Sys, fd: number, level: number, name: number): number {
  const v = new Uint8Array(4);
  return sys.getsockopt(fd, level, name, v) < 0 ? 0 : view(v).getInt32(0, true);
}

/**
 * The numbers in brackets are file descriptors, and scripts know them: where iperf3 has a file open (its random source, the
 * one behind a stream's block), so have we.
 */
export function holdDescriptor(sys: Sys): number {
  const path = `/tmp/iperf3.${sys.getpid()}`;
  const fd = sys.open(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
  if (fd >= 0) sys.unlink(path);
  return fd;
}

export interface Address {
  readonly family: number;
  sockaddr(port: number): Uint8Array;
}

const address4 = (addr: number): Address => ({ family: S.AF_INET, sockaddr: (port) => sockaddrIn(addr, port) });
const address6 = (bytes: Uint8Array): Address => ({
  family: S.AF_INET6,
  sockaddr(port) {
    const sa = new Uint8Array(SOCKADDR_IN6_LEN);
    sa.set([S.AF_INET6, 0, port >> 8, port & 255]);
    sa.set(bytes, SIN6_ADDR);
    return sa;
  },
});

/** getaddrinfo(3) for -c and -B, with -4 and -6: an address, or what is wrong. */
export function* lookup(sys: Sys, s: Settings, host: string): Blocking<Address | string> {
  const v4 = inetAton(host);
  const v6 = v4 === undefined ? parseInet6(host) : undefined;
  if ((v4 !== undefined && s.version6) || (v6 !== undefined && s.version4))
    return "Address family for hostname not supported";
  if (v4 !== undefined) return address4(v4);
  if (v6 !== undefined) return address6(v6);
  const found = yield* resolve(sys, host);
  if (typeof found === "number") return gaiStrerror(found);
  // DIFF: names have addresses of IPv4 only.
  return s.version6 ? gaiStrerror(EAI_NODATA) : address4(found.addrs[0]);
}

/** The address to bind to: any without -B. */
export function* bindAddress(sys: Sys, s: Settings, family: number): Blocking<Address | undefined> {
  if (s.bind === "") return family === S.AF_INET6 ? address6(new Uint8Array(16)) : address4(S.INADDR_ANY);
  const found = yield* lookup(sys, s, s.bind);
  return typeof found === "string" || found.family !== family ? undefined : found;
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
const isMapped = (sa: Uint8Array): boolean => MAPPED.every((b, i) => sa[SIN6_ADDR + i] === b);

/** A socket bound as -B, --bind-dev and --cport say; or what is wrong. */
export function* boundSocket(
  sys: Sys,
  s: Settings,
  type: number,
  port: number,
  code: number,
  family: number,
): Blocking<number | IperfError> {
  const fd = sys.socket(family, type | S.SOCK_CLOEXEC, 0);
  if (fd < 0) return new IperfError(code, fd);
  const fail = (e: IperfError): IperfError => {
    sys.close(fd);
    return e;
  };
  if (s.device !== "" && sys.setsockopt(fd, S.SOL_SOCKET, S.SO_BINDTODEVICE, encode(`${s.device}\0`)) < 0)
    return fail(new IperfError(IEBINDDEV));
  if (s.bind !== "" || port !== 0) {
    const at = yield* bindAddress(sys, s, family);
    const err = at === undefined ? -EADDRNOTAVAIL : sys.bind(fd, at.sockaddr(port));
    if (err < 0) return fail(new IperfError(code, err));
  }
  return fd;
}

/** connect(2) with a limit in time (ms, -1 none) that a signal ends. 0, or -errno; -EAGAIN: it took too long. */
export function* connectTo(
  sys: Sys,
  fd: number,
  to: Uint8Array,
  timeout: number,
  stop: () => boolean,
): Blocking<number> {
  if (timeout < 0) return yield* sys.connect(fd, to);
  const flags = sys.fcntl(fd, F_GETFL, 0);
  sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  yield* sys.connect(fd, to);
  const err = yield* waitReady(sys, fd, POLLOUT, sys.clock_gettime(1) + timeout * 1e6, stop);
  sys.fcntl(fd, F_SETFL, flags);
  return err < 0 ? err : -getInt(sys, fd, S.SOL_SOCKET, S.SO_ERROR);
}

/** -N, -M, -w: before a connection is there, so that its handshake knows. */
export function setTcpOptions(sys: Sys, fd: number, s: Settings): IperfError | undefined {
  let err = 0;
  if (s.noDelay && (err = sys.setsockopt(fd, S.IPPROTO_TCP, TCP_NODELAY, 1)) < 0)
    return new IperfError(IESETNODELAY, err);
  if (s.mss > 0 && (err = sys.setsockopt(fd, S.IPPROTO_TCP, TCP_MAXSEG, s.mss)) < 0)
    return new IperfError(IESETMSS, err);
  if (s.sndTimeout > 0 && (err = sys.setsockopt(fd, S.IPPROTO_TCP, TCP_USER_TIMEOUT, s.sndTimeout)) < 0)
    return new IperfError(IESETUSERTIMEOUT, err);
  return setBuffers(sys, fd, s);
}

export function setBuffers(sys: Sys, fd: number, s: Settings): IperfError | undefined {
  if (s.window > 0) {
    for (const name of [S.SO_RCVBUF, S.SO_SNDBUF]) {
      const err = sys.setsockopt(fd, S.SOL_SOCKET, name, s.window);
      if (err < 0) return new IperfError(IESETBUF, err);
    }
  }
  if (s.fqRate > 0) {
    const bytes = new Uint8Array(8);
    view(bytes).setUint32(0, (s.fqRate / 8) >>> 0, true);
    view(bytes).setUint32(4, Math.floor(s.fqRate / 8 / 2 ** 32), true);
    const err = sys.setsockopt(fd, S.SOL_SOCKET, S.SO_MAX_PACING_RATE, bytes);
    if (err < 0) return new IperfError(IESETPACING, err);
  }
  return undefined;
}

/** -C on a connection; the name of what is in use then. */
export function setCongestion(sys: Sys, fd: number, s: Settings): string | IperfError {
  if (s.congestion !== "") {
    const err = sys.setsockopt(fd, S.IPPROTO_TCP, TCP_CONGESTION, encode(s.congestion));
    if (err < 0) return new IperfError(IESETCONGESTION, err);
  }
  const name = new Uint8Array(16);
  return sys.getsockopt(fd, S.IPPROTO_TCP, TCP_CONGESTION, name) < 0 ? "" : cstring(name, 0, 16);
}

/** -S and --dont-fragment. */
export function setIpOptions(sys: Sys, fd: number, s: Settings): IperfError | undefined {
  const peer = name(sys, fd, true);
  const v6 = sockaddrFamily(peer) === S.AF_INET6 && !isMapped(peer);
  if (s.tos > 0) {
    const err = v6
      ? sys.setsockopt(fd, SOL_IPV6, IPV6_TCLASS, int32(s.tos))
      : sys.setsockopt(fd, S.SOL_IP, S.IP_TOS, int32(s.tos));
    if (err < 0) return new IperfError(IESETTOS, err);
  }
  if (s.dontFragment && s.udp) {
    const err = v6
      ? sys.setsockopt(fd, SOL_IPV6, IPV6_DONTFRAG, int32(1))
      : sys.setsockopt(fd, S.SOL_IP, S.IP_MTU_DISCOVER, int32(IP_PMTUDISC_DO));
    if (err < 0) return new IperfError(IESETDONTFRAGMENT, err);
  }
  return undefined;
}

/** A listener for TCP, or a socket that hears everyone for UDP; or -errno. */
export function* listenOn(sys: Sys, s: Settings, options: Settings | null): Blocking<number | IperfError> {
  const type = options?.udp ? S.SOCK_DGRAM : S.SOCK_STREAM;
  // Both families at once, where there are two and nobody says which.
  let family = s.version4 ? S.AF_INET : S.AF_INET6;
  if (s.bind !== "") {
    const at = yield* lookup(sys, s, s.bind);
    if (typeof at !== "string") family = at.family;
  }
  let fd = sys.socket(family, type | S.SOCK_CLOEXEC, 0);
  if (fd === -EAFNOSUPPORT && !s.version6) {
    family = S.AF_INET;
    fd = sys.socket(family, type | S.SOCK_CLOEXEC, 0);
  }
  if (fd < 0) return new IperfError(0, fd);
  const fail = (e: IperfError): IperfError => {
    sys.close(fd);
    return e;
  };
  const bad = options !== null && !options.udp ? setTcpOptions(sys, fd, options) : undefined;
  if (bad !== undefined) return fail(bad);
  if (s.device !== "" && sys.setsockopt(fd, S.SOL_SOCKET, S.SO_BINDTODEVICE, encode(`${s.device}\0`)) < 0)
    return fail(new IperfError(IEBINDDEV));
  sys.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEADDR, 1);
  if (family === S.AF_INET6) sys.setsockopt(fd, SOL_IPV6, S.IPV6_V6ONLY, int32(s.version6 ? 1 : 0));
  const at = yield* bindAddress(sys, s, family);
  let err = at === undefined ? -EADDRNOTAVAIL : sys.bind(fd, at.sockaddr(s.port));
  if (err >= 0 && type === S.SOCK_STREAM) err = sys.listen(fd, BACKLOG);
  return err < 0 ? fail(new IperfError(0, err)) : fd;
}

export interface Endpoint {
  host: string;
  port: number;
}

function name(sys: Sys, fd: number, peer: boolean): Uint8Array {
  const sa = new Uint8Array(SOCKADDR_IN6_LEN);
  if (peer) sys.getpeername(fd, sa);
  else sys.getsockname(fd, sa);
  return sa;
}

/** A mapped address is shown as the IPv4 address that it is. */
export function endpoint(sys: Sys, fd: number, peer: boolean): Endpoint {
  const sa = name(sys, fd, peer);
  const port = sockaddrPort(sa);
  if (sockaddrFamily(sa) !== S.AF_INET6) return { host: inetNtoa(sockaddrAddr(sa)), port };
  return { host: isMapped(sa) ? inetNtoa(view(sa).getInt32(SIN6_ADDR + 12)) : formatInet6(sa, SIN6_ADDR), port };
}

/** Waits for one of these to be readable: its index, or -EAGAIN when `until` passed, or -EINTR. */
export function* waitAny(sys: Sys, fds: readonly number[], until: number, stop: () => boolean): Blocking<number> {
  const list = fds.map((fd) => ({ fd, events: POLLIN, revents: 0 }));
  for (;;) {
    if (stop()) return -EINTR;
    const left = until === Infinity ? -1 : Math.max(0, (until - sys.clock_gettime(1)) / 1e6);
    const n = yield* sys.poll(list, left);
    if (n > 0) return list.findIndex((p) => p.revents !== 0);
    if (n === 0) return -EAGAIN;
  }
}
