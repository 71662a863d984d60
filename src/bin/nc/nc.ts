// nc(1), OpenBSD netcat as Debian 12 has it: UDP and TCP clients, listeners and port scans. Read first: nc(1).
// Way in: `nc`; transfer() carries the bytes.

import { EAGAIN, EINPROGRESS, EINTR, strerror } from "../../uapi/errno.ts";
import { F_GETFL, F_SETFL, O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT } from "../../uapi/fcntl.ts";
import { IPV6_MINHOPCOUNT, IPV6_TCLASS, IPV6_UNICAST_HOPS, SIN6_ADDR, SOCKADDR_IN6_LEN } from "../../uapi/in6.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, PollFd, Program, Sys } from "../../uapi/sys.ts";
import { formatInet6, parseInet6 } from "../iproute/addr.ts";
import { inetAton, inetNtoa, sockaddrAddr, sockaddrIn, sockaddrPort, view } from "../lib/inet.ts";
import { printError, writeAll } from "../lib/io.ts";
import { EAI_NODATA, EAI_NONAME, gaiStrerror, resolve, reverse } from "../lib/resolve.ts";
import { serviceName, servicePort } from "../lib/services.ts";
import { type NcOptions, parseOptions } from "./options.ts";

const BUFFER = 16384;
const PEEK = 2048;
/** Seconds between the probes of a UDP port. */
const UDP_PROBES = 3;

export const nc: Program = function* (sys, argv) {
  const o = parseOptions(argv);
  if ("status" in o) {
    yield* printError(sys, o.stderr);
    return o.status;
  }
  const ports: number[] = [];
  for (const word of o.ports) {
    const range = yield* parsePorts(sys, o, word);
    if (typeof range === "string") return yield* fail(sys, range);
    ports.push(...range);
  }
  if (o.randomPorts) shuffle(sys, ports);
  return o.listen ? yield* serve(sys, o, ports[0]) : yield* connectAll(sys, o, ports);
};

function* fail(sys: Sys, text: string): Blocking<number> {
  yield* printError(sys, `nc: ${text}\n`);
  return 1;
}

function* parsePorts(sys: Sys, o: NcOptions, word: string): Blocking<number[] | string> {
  const service = yield* servicePort(sys, word, o.udp ? "udp" : "tcp");
  if (service !== undefined) return [service];
  const range = /^([^-]+)-([^-]+)$/.exec(word);
  const [low, high] = range === null ? [word, word] : [range[1], range[2]];
  for (const text of [low, high]) {
    if (!/^\s*[-+]?\d+$/.test(text)) return `port number invalid: ${text}`;
    if (Number(text) < 1) return `port number too small: ${text}`;
    if (Number(text) > 65535) return `port number too large: ${text}`;
  }
  const [from, to] = Number(low) <= Number(high) ? [Number(low), Number(high)] : [Number(high), Number(low)];
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function shuffle(sys: Sys, ports: number[]): void {
  const word = new Uint8Array(4);
  for (let i = ports.length - 1; i > 0; i--) {
    sys.getrandom(word);
    const k = view(word).getUint32(0) % (i + 1);
    [ports[i], ports[k]] = [ports[k], ports[i]];
  }
}

interface Target {
  family: number;
  numeric: boolean;
  /** As getnameinfo prints it with NI_NUMERICHOST. */
  text: string;
  sockaddr(port: number): Uint8Array;
}
const target4 = (addr: number, numeric: boolean): Target => ({
  family: S.AF_INET,
  numeric,
  text: inetNtoa(addr),
  sockaddr: (port) => sockaddrIn(addr, port),
});
const target6 = (bytes: Uint8Array): Target => ({
  family: S.AF_INET6,
  numeric: true,
  text: formatInet6(bytes),
  sockaddr(port) {
    const sa = new Uint8Array(SOCKADDR_IN6_LEN);
    sa.set([S.AF_INET6, 0, port >> 8, port & 255]);
    sa.set(bytes, SIN6_ADDR);
    return sa;
  },
});
/** Where to listen, and from where to connect, when nobody says. */
const anywhere = (family: number): Target =>
  family === S.AF_INET6 ? target6(new Uint8Array(16)) : target4(S.INADDR_ANY, true);

/** The address of a host word, or what getaddrinfo would say. `family`: of that one only. */
function* lookup(sys: Sys, o: NcOptions, host: string, family = S.AF_UNSPEC): Blocking<Target | string> {
  const only4 = o.family4 || family === S.AF_INET;
  const only6 = o.family6 || family === S.AF_INET6;
  const v4 = inetAton(host);
  const v6 = v4 === undefined ? parseInet6(host) : undefined;
  if (v4 !== undefined) return only6 ? EAI_ADDRFAMILY_TEXT : target4(v4, true);
  if (v6 !== undefined) return only4 ? EAI_ADDRFAMILY_TEXT : target6(v6);
  if (o.numeric) return gaiStrerror(EAI_NONAME);
  const found = yield* resolve(sys, host);
  if (typeof found === "number") return gaiStrerror(found);
  // DIFF: names have addresses of IPv4 only.
  return only6 ? gaiStrerror(EAI_NODATA) : target4(found.addrs[0], false);
}
const EAI_ADDRFAMILY_TEXT = "Address family for hostname not supported";

// --- client ------------------------------------------------------------------------------------------------------

function* connectAll(sys: Sys, o: NcOptions, ports: readonly number[]): Blocking<number> {
  const transport = o.udp ? "udp" : "tcp";
  const host = o.host!;
  let status = 1;
  let first = true;
  for (const port of ports) {
    if (!first && o.interval > 0) yield* sys.nanosleep(o.interval * 1e6);
    first = false;
    const found = yield* lookup(sys, o, host);
    if (typeof found === "string") return yield* fail(sys, `getaddrinfo for host "${host}" port ${port}: ${found}`);
    const fd = yield* connectTo(sys, o, found, port, found.numeric ? "" : ` (${found.text})`);
    if (fd === "fatal") return 1;
    if (fd === "failed") continue;
    status = 0;
    if (o.verbose || o.scan) {
      if (o.udp && !(yield* udpAnswers(sys, o, fd))) {
        status = 1;
        sys.close(fd);
        continue;
      }
      if (o.verbose) {
        const name = o.numeric ? undefined : yield* serviceName(sys, port, transport);
        const where = found.numeric ? host : `${host} (${found.text})`;
        yield* printError(sys, `Connection to ${where} ${port} port [${transport}/${name ?? "*"}] succeeded!\n`);
      }
    }
    if (!o.scan) yield* transfer(sys, o, fd);
    sys.close(fd);
    if (!o.scan && ports.length === 1) return 0;
  }
  return status;
}

function* connectTo(
  sys: Sys,
  o: NcOptions,
  to: Target,
  port: number,
  shown: string,
): Blocking<number | "failed" | "fatal"> {
  const fd = sys.socket(
    to.family,
    (o.udp ? S.SOCK_DGRAM : S.SOCK_STREAM) | S.SOCK_NONBLOCK,
    o.udp ? S.IPPROTO_UDP : S.IPPROTO_TCP,
  );
  if (fd < 0) {
    yield* fail(sys, `socket: ${strerror(fd)}`);
    return "fatal";
  }
  if (o.source !== undefined || o.sourcePort !== undefined) {
    const source = yield* bindSource(sys, o, fd, to.family);
    if (source !== undefined) {
      sys.close(fd);
      yield* fail(sys, source);
      return "fatal";
    }
  }
  setOptions(sys, o, fd, to.family);
  let err = yield* sys.connect(fd, to.sockaddr(port));
  let late = false;
  if (err === -EINPROGRESS) {
    const p: PollFd = { fd, events: POLLOUT, revents: 0 };
    const ready = yield* sys.poll([p], o.timeout);
    if (ready === 0) late = true;
    else {
      const value = new Uint8Array(4);
      sys.getsockopt(fd, S.SOL_SOCKET, S.SO_ERROR, value);
      err = -view(value).getInt32(0, true);
    }
  }
  if (err === 0 && !late) return fd;
  sys.close(fd);
  if (o.verbose) {
    const kind = o.udp ? "udp" : "tcp";
    const what = late ? "timed out" : "failed";
    yield* fail(sys, `connect to ${o.host}${shown} port ${port} (${kind}) ${what}: ${strerror(err)}`);
  }
  return "failed";
}

/** What went wrong, or undefined. */
function* bindSource(sys: Sys, o: NcOptions, fd: number, family: number): Blocking<string | undefined> {
  let from = anywhere(family);
  if (o.source !== undefined) {
    const found = yield* lookup(sys, o, o.source, family);
    if (typeof found === "string") return `getaddrinfo: ${found}`;
    from = found;
  }
  let port = 0;
  if (o.sourcePort !== undefined) {
    // getaddrinfo: a service, or a number of which 16 bits count.
    const service = yield* servicePort(sys, o.sourcePort, o.udp ? "udp" : "tcp");
    if (service === undefined && !/^\d+$/.test(o.sourcePort))
      return "getaddrinfo: Servname not supported for ai_socktype";
    port = service ?? Number(BigInt(o.sourcePort) & 0xffffn);
  }
  const err = sys.bind(fd, from.sockaddr(port));
  return err < 0 ? `bind failed: ${strerror(err)}` : undefined;
}

function setOptions(sys: Sys, o: NcOptions, fd: number, family: number): void {
  const six = family === S.AF_INET6;
  const level = six ? S.IPPROTO_IPV6 : S.SOL_IP;
  if (o.broadcast) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_BROADCAST, 1);
  if (o.debug) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_DEBUG, 1);
  if (o.tos !== undefined) sys.setsockopt(fd, level, six ? IPV6_TCLASS : S.IP_TOS, o.tos);
  if (o.rcvbuf !== undefined) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_RCVBUF, o.rcvbuf);
  if (o.sndbuf !== undefined) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_SNDBUF, o.sndbuf);
  if (o.ttl !== undefined) sys.setsockopt(fd, level, six ? IPV6_UNICAST_HOPS : S.IP_TTL, o.ttl);
  if (o.minttl !== undefined) sys.setsockopt(fd, level, six ? IPV6_MINHOPCOUNT : S.IP_MINTTL, o.minttl);
}

/** A UDP port is taken for open when no ICMP error came back to a few bytes. */
function* udpAnswers(sys: Sys, o: NcOptions, fd: number): Blocking<boolean> {
  const probe = Uint8Array.of(0x58);
  for (let i = 0; i < 2; i++) if ((yield* sys.write(fd, probe)) !== 1) return false;
  const seconds = o.timeout >= 0 ? o.timeout / 1000 : UDP_PROBES;
  for (let i = 0; i < seconds; i++) {
    yield* sys.nanosleep(1e9);
    if ((yield* sys.write(fd, probe)) !== 1) return false;
  }
  return true;
}

// --- server ------------------------------------------------------------------------------------------------------

function* serve(sys: Sys, o: NcOptions, port: number): Blocking<number> {
  let at = anywhere(o.family6 ? S.AF_INET6 : S.AF_INET);
  if (o.host !== undefined) {
    const found = yield* lookup(sys, o, o.host);
    if (typeof found === "string") return yield* fail(sys, `getaddrinfo: ${found}`);
    at = found;
  }
  let listener = -1;
  for (;;) {
    if (listener < 0) {
      listener = sys.socket(at.family, o.udp ? S.SOCK_DGRAM : S.SOCK_STREAM, o.udp ? S.IPPROTO_UDP : S.IPPROTO_TCP);
      if (listener < 0) return yield* fail(sys, `socket: ${strerror(listener)}`);
      sys.setsockopt(listener, S.SOL_SOCKET, S.SO_REUSEADDR, 1);
      sys.setsockopt(listener, S.SOL_SOCKET, S.SO_REUSEPORT, 1);
      setOptions(sys, o, listener, at.family);
      let err = sys.bind(listener, at.sockaddr(port));
      if (err >= 0 && !o.udp) err = sys.listen(listener, 1);
      if (err < 0) return yield* fail(sys, strerror(err));
      if (o.verbose) {
        const name = at.sockaddr(0);
        sys.getsockname(listener, name);
        const verb = o.udp ? "Bound" : "Listening";
        yield* printError(sys, `${verb} on ${yield* hostText(sys, o, name)} ${sockaddrPort(name)}\n`);
      }
    }
    const peer = at.sockaddr(0);
    if (o.udp && o.keep) {
      // Not connected: it hears everyone, and has nobody to answer.
      yield* transfer(sys, o, listener);
      return 0;
    }
    let fd = listener;
    if (o.udp) {
      const n = yield* sys.recvfrom(listener, new Uint8Array(PEEK), S.MSG_PEEK, peer);
      if (n < 0) return yield* fail(sys, `recvfrom: ${strerror(n)}`);
      const err = yield* sys.connect(listener, peer);
      if (err < 0) return yield* fail(sys, `connect: ${strerror(err)}`);
    } else {
      fd = yield* sys.accept4(listener, peer, S.SOCK_NONBLOCK);
      if (fd < 0) return yield* fail(sys, `accept: ${strerror(fd)}`);
    }
    if (o.verbose) {
      const who = yield* hostText(sys, o, peer);
      yield* printError(sys, `Connection received on ${who} ${sockaddrPort(peer)}\n`);
    }
    yield* transfer(sys, o, fd);
    sys.close(fd);
    if (fd === listener) listener = -1;
    if (!o.keep) break;
  }
  if (listener >= 0) sys.close(listener);
  return 0;
}

// DIFF: nc stops with an error where the name server does not answer; here the number is printed then.
function* hostText(sys: Sys, o: NcOptions, sa: Uint8Array): Blocking<string> {
  const six = sa.length > S.SOCKADDR_IN_LEN;
  const text = six ? formatInet6(sa, SIN6_ADDR) : inetNtoa(sockaddrAddr(sa));
  // A mapped address has the name of the IPv4 one that it is.
  const v4 = six ? inetAton(/^::ffff:(.*\..*)$/.exec(text)?.[1] ?? "") : sockaddrAddr(sa);
  const name = o.numeric || v4 === undefined || v4 === S.INADDR_ANY ? null : yield* reverse(sys, v4);
  return name ?? text;
}

// --- both --------------------------------------------------------------------------------------------------------

/** Input to the network and the network to output, until either end is over or nothing moves for -w seconds. */
function* transfer(sys: Sys, o: NcOptions, fd: number): Blocking<void> {
  const flags = sys.fcntl(fd, F_GETFL, 0);
  if (flags >= 0) sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  const buf = new Uint8Array(BUFFER);
  const input: PollFd = { fd: o.noStdin ? -1 : 0, events: POLLIN, revents: 0 };
  const net: PollFd = { fd, events: POLLIN, revents: 0 };
  let received = 0;
  let quitAt = Infinity;
  if (o.noStdin && o.shutdownAfterEof) sys.shutdown(fd, S.SHUT_WR);
  for (;;) {
    const now = sys.clock_gettime(1);
    if (now >= quitAt) return;
    const left = quitAt === Infinity ? -1 : Math.ceil((quitAt - now) / 1e6);
    const timeout = left < 0 ? o.timeout : o.timeout < 0 ? left : Math.min(left, o.timeout);
    const n = yield* sys.poll([input, net], timeout);
    if (n === -EINTR) continue;
    if (n < 0) return void (yield* fail(sys, `polling error: ${strerror(n)}`));
    if (n === 0) {
      if (quitAt < Infinity && timeout === left) return;
      if (timeout === o.timeout) return;
      continue;
    }
    if ((net.revents & (POLLERR | POLLNVAL)) !== 0 && (net.revents & POLLIN) === 0) return;
    if (input.revents & (POLLNVAL | POLLERR)) input.fd = -1;

    if (input.fd >= 0 && input.revents & (POLLIN | POLLHUP)) {
      const got = yield* sys.read(0, buf);
      if (got > 0) yield* sendInput(sys, o, fd, buf.subarray(0, got));
      else if (got !== -EAGAIN && got !== -EINTR) {
        input.fd = -1;
        if (o.shutdownAfterEof) sys.shutdown(fd, S.SHUT_WR);
        if (o.quit === 0) return;
        if (o.quit > 0) quitAt = sys.clock_gettime(1) + o.quit * 1e6;
      }
    }
    if (net.revents & (POLLIN | POLLHUP)) {
      const got = yield* sys.read(fd, buf);
      if (got === -EAGAIN || got === -EINTR) continue;
      if (got < 0 || (got === 0 && !o.udp)) return;
      if (got > 0 && (yield* writeAll(sys, 1, buf.slice(0, got))) < 0) return;
      if (o.recvLimit > 0 && ++received >= o.recvLimit) return;
      if (o.interval > 0) yield* sys.nanosleep(o.interval * 1e6);
    }
  }
}

/** With -i, line by line with a pause after each; with -C, newlines become CR LF. */
function* sendInput(sys: Sys, o: NcOptions, fd: number, bytes: Uint8Array): Blocking<void> {
  const data = o.crlf ? toCrlf(bytes) : bytes.slice();
  if (o.interval === 0) return void (yield* sendAll(sys, fd, data));
  for (let from = 0; from < data.length; ) {
    const nl = data.indexOf(10, from);
    const to = nl < 0 ? data.length : nl + 1;
    yield* sendAll(sys, fd, data.subarray(from, to));
    yield* sys.nanosleep(o.interval * 1e6);
    from = to;
  }
}

function* sendAll(sys: Sys, fd: number, data: Uint8Array): Blocking<void> {
  for (let done = 0; done < data.length; ) {
    const n = yield* sys.write(fd, data.subarray(done));
    if (n === -EAGAIN) {
      yield* sys.poll([{ fd, events: POLLOUT, revents: 0 }], -1);
      continue;
    }
    if (n < 0 && n !== -EINTR) return;
    if (n > 0) done += n;
  }
}

function toCrlf(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 10 && bytes[i - 1] !== 13) out.push(13);
    out.push(bytes[i]);
  }
  return Uint8Array.from(out);
}
