// dnsd: the name server of a lab, over UDP and TCP. `dnsd [-vs] [-a ADDR] [-p PORT] [-H HOSTS]... [ZONE]...`: master files (their name
// without ".zone" is the origin) and hosts files; without arguments every /etc/dns/*.zone, and /etc/dns/hosts if it is there.
// The lab is the whole world: other names do not exist, unless -s refuses to speak of them as a strict server does.
// Read first: RFC 1034 §4.3.2. Way in: `dnsd`; answer() is the algorithm.

import { EBADF, EINTR, strerror } from "../../uapi/errno.ts";
import { POLLIN } from "../../uapi/fcntl.ts";
import {
  AF_INET,
  MSG_DONTWAIT,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOCKADDR_IN_LEN,
  SOL_SOCKET,
} from "../../uapi/socket.ts";
import type { Blocking, PollFd, Program, Sys } from "../../uapi/sys.ts";
import {
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  FORMERR,
  NOERROR,
  NOTIMP,
  NXDOMAIN,
  RCODE_NAMES,
  REFUSED,
  type ResourceRecord,
  SERVFAIL,
} from "../lib/dns.ts";
import { getopt } from "../lib/getopt.ts";
import { inetAton, inetNtoa, sockaddrAddr, sockaddrIn } from "../lib/inet.ts";
import { print, printError, readFile } from "../lib/io.ts";
import { hostsFile } from "../lib/resolve.ts";
import { DnsStreams } from "./stream.ts";
import { Zones } from "./zone.ts";

const DIR = "/etc/dns";
const USAGE = "usage: dnsd [-vs] [-a address] [-p port] [-H hosts-file]... [zone-file]...\n";
const MAX_UDP = 512;
/** A chain of aliases longer than this is a loop. */
const MAX_ALIASES = 16;

export const dnsd: Program = function* (sys, argv) {
  const o = getopt(argv, "vsa:p:H:h");
  if (o.error !== undefined || o.has("h")) {
    yield* printError(sys, `${o.error === undefined ? "" : `${o.error}\n`}${USAGE}`);
    return o.has("h") ? 0 : 1;
  }
  const addr = inetAton(o.get("a") ?? "0.0.0.0");
  const port = Number(o.get("p") ?? 53);
  if (addr === undefined || !Number.isInteger(port) || port < 1 || port > 65535) {
    yield* printError(sys, `dnsd: wrong address or port\n${USAGE}`);
    return 1;
  }
  const zones = yield* load(
    sys,
    o.list.flatMap((x) => (x.name === "H" ? [x.value!] : [])),
    o.operands,
  );
  if (zones === undefined) return 1;

  const fds: number[] = [];
  for (const type of [SOCK_DGRAM, SOCK_STREAM]) {
    const fd = sys.socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
      yield* printError(sys, `dnsd: socket: ${strerror(fd)}\n`);
      return 1;
    }
    sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    let err = sys.bind(fd, sockaddrIn(addr, port));
    if (err === 0 && type === SOCK_STREAM) err = sys.listen(fd, 16);
    if (err < 0) {
      yield* printError(sys, `dnsd: bind ${inetNtoa(addr)}#${port}: ${strerror(err)}\n`);
      return 1;
    }
    fds.push(fd);
  }
  const streams = new DnsStreams(sys, fds[1]);
  const status = yield* serve(sys, fds[0], streams, zones, o.has("v"), o.has("s"));
  sys.close(fds[0]);
  streams.end();
  return status;
};

/** Undefined after having said what was wrong. */
function* load(sys: Sys, hosts: string[], files: string[]): Blocking<Zones | undefined> {
  const zones = new Zones();
  if (hosts.length === 0 && files.length === 0) {
    const names = sys.readdir(DIR);
    for (const name of typeof names === "number" ? [] : [...names].sort()) {
      if (name.endsWith(".zone")) files.push(`${DIR}/${name}`);
      else if (name === "hosts") hosts.push(`${DIR}/${name}`);
    }
  }
  let failed = false;
  for (const path of hosts) {
    const stat = sys.stat(path);
    if (typeof stat === "number") {
      failed = true;
      yield* printError(sys, `dnsd: ${path}: ${strerror(stat)}\n`);
    } else zones.addHosts(yield* hostsFile(sys, path));
  }
  for (const path of files) {
    const text = yield* readFile(sys, path);
    if (typeof text === "number") {
      failed = true;
      yield* printError(sys, `dnsd: ${path}: ${strerror(text)}\n`);
      continue;
    }
    const origin = path.slice(path.lastIndexOf("/") + 1).replace(/\.zone$/, "");
    for (const problem of zones.addFile(text, origin)) {
      failed = true;
      yield* printError(sys, `dnsd: ${path}:${problem}\n`);
    }
  }
  if (!failed && zones.size === 0) yield* printError(sys, "dnsd: no records to serve\n");
  return failed ? undefined : zones;
}

function* serve(
  sys: Sys,
  fd: number,
  streams: DnsStreams,
  zones: Zones,
  verbose: boolean,
  strict: boolean,
): Blocking<number> {
  const buf = new Uint8Array(4096);
  const peer = new Uint8Array(SOCKADDR_IN_LEN);
  /** What a message is answered with, before it is made to fit; null: nothing. */
  function* reply(bytes: Uint8Array, from: Uint8Array): Blocking<DnsMessage | null> {
    const request = decodeMessage(bytes);
    const message = request === null ? formatError(bytes) : answer(zones, request, strict);
    if (message !== null && verbose) {
      const q = message.questions[0];
      const what = q === undefined ? "?" : `${q.name} ${q.type}`;
      const says = `${RCODE_NAMES[message.rcode]} ${message.answers.length}`;
      yield* print(sys, `${inetNtoa(sockaddrAddr(from))} ${what}: ${says}\n`);
    }
    return message;
  }
  for (;;) {
    const udp: PollFd = { fd, events: POLLIN, revents: 0 };
    const tcp = streams.fds();
    const ready = yield* sys.poll([udp, ...tcp], streams.timeout());
    if (ready === -EINTR) continue;
    if (ready < 0) return 1;
    if (udp.revents !== 0) {
      const n = yield* sys.recvfrom(fd, buf, MSG_DONTWAIT, peer);
      if (n === -EBADF) return 1;
      // An ICMP error about an earlier answer is nobody's concern here.
      const message = n < 0 ? null : yield* reply(buf.subarray(0, n), peer);
      const out = message === null ? null : fit(message);
      if (out !== null) yield* sys.sendto(fd, out, 0, peer);
    }
    yield* streams.run(tcp, function* (question, from) {
      const message = yield* reply(question, from);
      return message === null ? null : encodeMessage(message);
    });
  }
}

/** What is not a message but has an identifier gets FORMERR; a response gets nothing. */
function formatError(bytes: Uint8Array): DnsMessage | null {
  if (bytes.length < 12 || (bytes[2] & 0x80) !== 0) return null;
  return { ...empty((bytes[0] << 8) | bytes[1]), rcode: FORMERR };
}

function empty(id: number): DnsMessage {
  return {
    id,
    response: true,
    authoritative: false,
    truncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    rcode: NOERROR,
    opcode: 0,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
  };
}

/** RFC 1034 §4.3.2 for a server without recursion. Null: no answer at all. */
export function answer(zones: Zones, request: DnsMessage, strict = false): DnsMessage | null {
  if (request.response) return null;
  const reply: DnsMessage = {
    ...empty(request.id),
    opcode: request.opcode,
    recursionDesired: request.recursionDesired,
    questions: request.questions,
  };
  if (request.opcode !== 0) return { ...reply, rcode: NOTIMP };
  if (request.questions.length !== 1) return { ...reply, rcode: FORMERR };
  const { name, type } = request.questions[0];
  reply.recursionAvailable = !strict;
  if (zones.zoneOf(name) === undefined) return { ...reply, rcode: strict ? REFUSED : NXDOMAIN };
  reply.authoritative = true;

  let current = name;
  for (let hops = 0; hops < MAX_ALIASES; hops++) {
    const zone = zones.zoneOf(current);
    // An alias led out of our zones: the asker goes on from there.
    if (zone === undefined) return reply;
    const here = zones.at(current);
    if (here === undefined && !zones.hasBelow(current)) {
      if (hops === 0) reply.rcode = NXDOMAIN;
      reply.authorities.push(negative(zone));
      return reply;
    }
    const found = (here ?? []).filter((r) => r.type === type || type === "ANY");
    if (found.length > 0) {
      reply.answers.push(...found);
      for (const r of found) addAddresses(zones, r, reply);
      return reply;
    }
    const alias = here?.find((r) => r.type === "CNAME");
    if (alias === undefined) {
      reply.authorities.push(negative(zone));
      return reply;
    }
    reply.answers.push(alias);
    current = alias.data as string;
  }
  return { ...reply, rcode: SERVFAIL, answers: [] };
}

/** RFC 2308: how long the absence may be remembered. */
function negative(soa: ResourceRecord): ResourceRecord {
  return { ...soa, ttl: Math.min(soa.ttl, (soa.data as { minimum: number }).minimum) };
}

/** The addresses of the host that a record names, for the additional section. */
function addAddresses(zones: Zones, r: ResourceRecord, reply: DnsMessage): void {
  let host: string | undefined;
  if (r.type === "NS") host = r.data as string;
  else if (r.type === "MX") host = (r.data as { exchange: string }).exchange;
  else if (r.type === "SRV") host = (r.data as { target: string }).target;
  if (host === undefined) return;
  for (const a of zones.at(host) ?? []) if (a.type === "A" || a.type === "AAAA") reply.additionals.push(a);
}

/** The bytes; over UDP's 512 the sections go one after the other, then the TC bit tells (RFC 2181 §9). */
function fit(reply: DnsMessage): Uint8Array | null {
  let bytes = encodeMessage(reply);
  if (bytes === null || bytes.length <= MAX_UDP) return bytes;
  bytes = encodeMessage({ ...reply, additionals: [] });
  if (bytes === null || bytes.length <= MAX_UDP) return bytes;
  return encodeMessage({ ...reply, truncated: true, answers: [], authorities: [], additionals: [] });
}
