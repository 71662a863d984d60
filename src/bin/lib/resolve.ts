// Names to IPv4 addresses and back, as glibc does with "hosts: files dns": /etc/hosts, then the servers of /etc/resolv.conf.
// Read first: hosts(5), resolv.conf(5), getaddrinfo(3). Way in: `yield* resolve(sys, name)`, `yield* reverse(sys, addr)`.

import { POLLIN } from "../../uapi/fcntl.ts";
import { AF_INET, INADDR_LOOPBACK, MSG_DONTWAIT, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import {
  arpaName,
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  NOERROR,
  NXDOMAIN,
  query,
  type RecordType,
} from "./dns.ts";
import { inetAton, inetNtoa, inetPton, sockaddrIn } from "./inet.ts";
import { readFile } from "./io.ts";

export const EAI_NONAME = -2;
export const EAI_AGAIN = -3;
export const EAI_FAIL = -4;
export const EAI_NODATA = -5;

/** gai_strerror(3). */
export function gaiStrerror(err: number): string {
  switch (err) {
    case EAI_NONAME:
      return "Name or service not known";
    case EAI_AGAIN:
      return "Temporary failure in name resolution";
    case EAI_FAIL:
      return "Non-recoverable failure in name resolution";
    case EAI_NODATA:
      return "No address associated with hostname";
    default:
      return "Unknown error";
  }
}

export interface Resolved {
  /** All addresses, int32, in the order found. */
  addrs: number[];
  /** The canonical name: first on its line in /etc/hosts, or the end of the CNAME chain. */
  canonname: string;
  /** Whether the text was an address already. */
  numeric: boolean;
}

/** The addresses of a name or a numeric address, or an EAI_* number. */
export function* resolve(sys: Sys, name: string): Blocking<Resolved | number> {
  const addr = inetAton(name);
  if (addr !== undefined) return { addrs: [addr], canonname: name, numeric: true };
  if (name === "" || /[^\x21-\x7e]/.test(name)) return EAI_NONAME;
  const bare = name.toLowerCase().replace(/\.$/, "");
  const lines = (yield* hostsFile(sys)).filter((l) => l.names.some((n) => n.toLowerCase() === bare));
  if (lines.length > 0) return { addrs: lines.map((l) => l.addr), canonname: lines[0].names[0], numeric: false };
  return yield* resolveDns(sys, name);
}

/** The name of an address, or null when it has none. */
export function* reverse(sys: Sys, addr: number): Blocking<string | null> {
  for (const line of yield* hostsFile(sys)) if (line.addr === addr) return line.names[0];
  const reply = yield* ask(sys, yield* resolvConf(sys), arpaName(addr), "PTR");
  if (typeof reply === "number") return null;
  const ptr = reply.answers.find((r) => r.type === "PTR");
  return ptr === undefined ? null : (ptr.data as string);
}

export interface HostsLine {
  addr: number;
  names: string[];
}

/** The IPv4 lines of /etc/hosts, or of another file in its format. */
export function* hostsFile(sys: Sys, path = "/etc/hosts"): Blocking<HostsLine[]> {
  const text = yield* readFile(sys, path);
  if (typeof text === "number") return [];
  const out: HostsLine[] = [];
  for (const line of text.split("\n")) {
    const [first, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const addr = inetPton(first);
    if (addr !== undefined && names.length > 0) out.push({ addr, names });
  }
  return out;
}

export interface ResolvConf {
  servers: number[];
  search: string[];
  ndots: number;
  timeoutMs: number;
  attempts: number;
}

export function* resolvConf(sys: Sys): Blocking<ResolvConf> {
  const conf: ResolvConf = { servers: [], search: [], ndots: 1, timeoutMs: 5000, attempts: 2 };
  const text = yield* readFile(sys, "/etc/resolv.conf");
  for (const line of (typeof text === "number" ? "" : text).split("\n")) {
    const [key, ...values] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    if (key === "nameserver" && values.length > 0) {
      const addr = inetAton(values[0]);
      if (addr !== undefined && conf.servers.length < 3) conf.servers.push(addr);
    } else if (key === "search" || key === "domain") conf.search = values.slice(0, key === "domain" ? 1 : undefined);
    else if (key === "options") {
      for (const option of values) {
        const [, word, value] = /^(\w+):(\d+)$/.exec(option) ?? [];
        if (word === "ndots") conf.ndots = Math.min(Number(value), 15);
        else if (word === "timeout") conf.timeoutMs = Math.min(Number(value), 30) * 1000;
        else if (word === "attempts") conf.attempts = Math.min(Number(value), 5);
      }
    }
  }
  if (conf.servers.length === 0) conf.servers.push(INADDR_LOOPBACK);
  return conf;
}

/** The names to try, in order, by ndots and the search list. */
export function candidates(name: string, search: readonly string[], ndots: number): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const searched = search.filter((s) => s !== ".").map((s) => `${name}.${s.replace(/\.$/, "")}`);
  const dots = name.split(".").length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

function* resolveDns(sys: Sys, name: string): Blocking<Resolved | number> {
  const conf = yield* resolvConf(sys);
  let err = EAI_NONAME;
  for (const full of candidates(name, conf.search, conf.ndots)) {
    const reply = yield* ask(sys, conf, full, "A");
    if (typeof reply === "number") {
      if (reply === EAI_AGAIN) return reply;
      err = reply;
      continue;
    }
    let canonname = full;
    for (const r of reply.answers) if (r.type === "CNAME") canonname = r.data as string;
    const addrs = reply.answers.flatMap((r) => (r.type === "A" ? (inetPton(r.data as string) ?? []) : []));
    if (addrs.length > 0) return { addrs, canonname, numeric: false };
    err = EAI_NODATA;
  }
  return err;
}

/** Asks each server in turn, `attempts` times round. The answer (rcode 0), or an EAI_* number. */
export function* ask(sys: Sys, conf: ResolvConf, name: string, type: RecordType): Blocking<DnsMessage | number> {
  let result = EAI_AGAIN;
  for (let attempt = 0; attempt < conf.attempts; attempt++) {
    for (const server of conf.servers) {
      const reply = yield* exchange(sys, server, 53, name, type, conf.timeoutMs);
      if (reply === null || typeof reply === "number") continue;
      if (reply.rcode === NOERROR) return reply;
      if (reply.rcode === NXDOMAIN) return EAI_NONAME;
      result = EAI_AGAIN;
    }
  }
  return result;
}

/** One query over UDP. The reply that belongs to it, null on a timeout, or -errno. */
export function* exchange(
  sys: Sys,
  server: number,
  port: number,
  name: string,
  type: RecordType,
  timeoutMs: number,
  recurse = true,
): Blocking<DnsMessage | null | number> {
  const idBytes = new Uint8Array(2);
  sys.getrandom(idBytes);
  const id = (idBytes[0] << 8) | idBytes[1];
  const bytes = encodeMessage({ ...query(id, name, type), recursionDesired: recurse });
  if (bytes === null) return null;
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) return fd;
  const result = yield* converse(sys, fd, sockaddrIn(server, port), bytes, id, timeoutMs);
  sys.close(fd);
  return result;
}

function* converse(
  sys: Sys,
  fd: number,
  server: Uint8Array,
  bytes: Uint8Array,
  id: number,
  timeoutMs: number,
): Blocking<DnsMessage | null | number> {
  let err = yield* sys.connect(fd, server);
  if (err < 0) return err;
  err = yield* sys.sendto(fd, bytes, 0, null);
  if (err < 0) return err;
  const end = sys.clock_gettime(1) + timeoutMs * 1e6;
  const buf = new Uint8Array(4096);
  for (;;) {
    const left = Math.ceil((end - sys.clock_gettime(1)) / 1e6);
    if (left <= 0) return null;
    const ready = yield* sys.poll([{ fd, events: POLLIN, revents: 0 }], left);
    if (ready < 0) return ready;
    if (ready === 0) return null;
    const n = yield* sys.recvfrom(fd, buf, MSG_DONTWAIT, null);
    if (n < 0) return n;
    const reply = decodeMessage(buf.subarray(0, n));
    if (reply !== null && reply.response && reply.id === id) return reply;
  }
}

/** "name (10.0.0.1)" or "10.0.0.1": how ping prints an address. */
export function* nameAndAddress(sys: Sys, addr: number, numeric: boolean): Blocking<string> {
  const name = numeric ? null : yield* reverse(sys, addr);
  return name === null ? inetNtoa(addr) : `${name} (${inetNtoa(addr)})`;
}
