// node:dns for one machine: /etc/hosts and /etc/resolv.conf of the machine, questions over its own UDP sockets.
// Read first: https://nodejs.org/api/dns.html, hosts(5), resolv.conf(5). Way in: machine.dns.lookup(), machine.dns.promises.

import { isIP } from "node:net";
import {
  arpaName,
  type DnsMessage,
  NOERROR,
  NXDOMAIN,
  REFUSED,
  type RecordType,
  type ResourceRecord,
  SERVFAIL,
  type Soa,
  type SrvData,
} from "../bin/lib/dns.ts";
import { inetNtoa } from "../bin/lib/inet.ts";
import { EAI_AGAIN, EAI_FAIL, EAI_NODATA, exchange, hostsFile, resolvConf, resolve } from "../bin/lib/resolve.ts";
import { serviceName } from "../bin/lib/services.ts";
import { ECANCELED } from "../uapi/errno.ts";
import type { Blocking, Sys } from "../uapi/sys.ts";
import type { NodeMachine as Machine } from "./node.ts";
import {
  type ErrnoException,
  errnoException,
  invalidArgType,
  invalidArgValue,
  nodeError,
  validateFunction,
  validateInt32,
  validatePort,
  validateString,
} from "./node_errors.ts";
import { parseAddress } from "./sockaddr.ts";
import { runTask as run } from "./task.ts";

export interface LookupAddress {
  address: string;
  family: number;
}
export interface LookupOptions {
  family?: number | "IPv4" | "IPv6";
  hints?: number;
  all?: boolean;
  order?: "verbatim" | "ipv4first" | "ipv6first";
  verbatim?: boolean;
}
export type LookupCallback = (
  err: ErrnoException | null,
  address?: string | LookupAddress[] | null,
  family?: number,
) => void;

/** A program of ours on the machine, with the error of Node's when the machine is switched off. */
const runTask = <T>(machine: Machine, comm: string, fn: (sys: Sys) => Blocking<T>): Promise<T> =>
  run(machine, comm, fn).catch(() => {
    throw errnoException(-ECANCELED, comm);
  });

/** libuv's numbers of getaddrinfo's errors. */
function lookupError(eai: number, hostname: string): ErrnoException {
  const [errno, code] =
    eai === EAI_AGAIN
      ? [-3001, "EAI_AGAIN"]
      : eai === EAI_FAIL
        ? [-3004, "EAI_FAIL"]
        : eai === EAI_NODATA
          ? [-3007, "ENOTFOUND"]
          : [-3008, "ENOTFOUND"];
  const e = new Error(`getaddrinfo ${code} ${hostname}`) as ErrnoException;
  return Object.assign(e, { errno, code, syscall: "getaddrinfo", hostname });
}

function queryError(code: string, syscall: string, hostname: string): ErrnoException {
  const e = new Error(`${syscall} ${code} ${hostname}`) as ErrnoException;
  return Object.assign(e, { errno: undefined, code, syscall, hostname });
}

const notAnAddress = (ip: string): Error =>
  Object.assign(new Error(`getHostByAddr EINVAL ${ip}`), {
    errno: -22,
    code: "EINVAL",
    syscall: "getHostByAddr",
    hostname: ip,
  });

const RRTYPES: readonly string[] = [
  "A",
  "AAAA",
  "ANY",
  "CAA",
  "CNAME",
  "MX",
  "NAPTR",
  "NS",
  "PTR",
  "SOA",
  "SRV",
  "TXT",
];

type Reply = DnsMessage | string;

/** Asks each server in turn; the answer, or the c-ares name of what went wrong. */
function* query(sys: Sys, r: ResolverState, name: string, type: RecordType): Blocking<Reply> {
  const conf = yield* resolvConf(sys);
  const servers = r.servers ?? conf.servers.map((addr) => ({ addr, port: 53 }));
  const timeout = r.timeout > 0 ? r.timeout : conf.timeoutMs;
  let why = "ETIMEOUT";
  for (let i = 0; i < r.tries; i++) {
    for (const s of servers) {
      if (s.addr === null) continue;
      const reply = yield* exchange(sys, s.addr, s.port, name, type, timeout);
      if (reply === null) why = "ETIMEOUT";
      else if (typeof reply === "number") why = "ECONNREFUSED";
      else if (reply.rcode === NOERROR) return reply.answers.length > 0 ? reply : "ENODATA";
      else if (reply.rcode === NXDOMAIN) return "ENOTFOUND";
      else if (reply.rcode === SERVFAIL) why = "ESERVFAIL";
      else why = reply.rcode === REFUSED ? "EREFUSED" : reply.rcode === 1 ? "EFORMERR" : "ENOTIMP";
    }
  }
  return why;
}

interface ResolverState {
  servers: { text: string; addr: number | null; port: number }[] | null;
  timeout: number;
  tries: number;
}

function values(type: string, answers: readonly ResourceRecord[], ttl: boolean): unknown[] {
  const of = answers.filter((r) => r.type === type);
  switch (type) {
    case "A":
    case "AAAA":
      return of.map((r) => (ttl ? { address: r.data, ttl: r.ttl } : r.data));
    case "MX":
      return of.map((r) => {
        const d = r.data as { preference: number; exchange: string };
        return { exchange: d.exchange, priority: d.preference };
      });
    case "SRV":
      return of.map((r) => {
        const d = r.data as SrvData;
        return { name: d.target, port: d.port, priority: d.priority, weight: d.weight };
      });
    case "SOA":
      return of.map((r) => {
        const d = r.data as Soa;
        return {
          nsname: d.mname,
          hostmaster: d.rname,
          serial: d.serial,
          refresh: d.refresh,
          retry: d.retry,
          expire: d.expire,
          minttl: d.minimum,
        };
      });
    case "CAA":
      return of.map((r) => {
        const d = r.data as unknown as { flags: number; tag: string; value: string };
        return { critical: d.flags, [d.tag]: d.value };
      });
    default:
      return of.map((r) => r.data);
  }
}

function any(answers: readonly ResourceRecord[]): unknown[] {
  return answers.map((r) => {
    const [v] = values(r.type, [r], true);
    if (typeof v === "string") return { type: r.type, value: v };
    if (Array.isArray(v)) return { type: r.type, entries: v };
    return { type: r.type, ...(v as object) };
  });
}

export interface ResolverOptions {
  /** Milliseconds of the machine's time for each question; -1: as /etc/resolv.conf says. */
  timeout?: number;
  tries?: number;
}

/** dns.promises.Resolver: its own servers. */
export class DnsResolver {
  private readonly machine: Machine;
  private readonly state: ResolverState;
  private generation = 0;

  constructor(machine: Machine, options: ResolverOptions = {}) {
    this.machine = machine;
    const { timeout = -1, tries = 2 } = options ?? {};
    validateInt32(timeout, "options.timeout", -1);
    validateInt32(tries, "options.tries", 1);
    this.state = { servers: null, timeout, tries };
  }

  /** Ends all questions that are open with ECANCELLED. */
  readonly cancel = (): void => {
    this.generation++;
    for (const fn of this.cancels.splice(0)) fn();
  };
  private readonly cancels: (() => void)[] = [];

  readonly getServers = (): string[] => {
    if (this.state.servers !== null)
      return this.state.servers.map(({ text, port }) =>
        port === 53 ? text : text.includes(":") ? `[${text}]:${port}` : `${text}:${port}`,
      );
    const text = this.machine.readFile("/etc/resolv.conf");
    const found: string[] = [];
    for (const m of String(typeof text === "number" ? "" : text).matchAll(/^\s*nameserver\s+(\S+)/gm))
      if (isIP(m[1]!) === 4) found.push(m[1]!);
    return found.length > 0 ? found : ["127.0.0.1"];
  };

  readonly setServers = (servers: readonly string[]): void => {
    if (!Array.isArray(servers)) throw invalidArgType("servers", "an instance of Array", servers);
    this.state.servers = servers.map((s, i) => {
      if (typeof s !== "string") throw invalidArgType(`servers[${i}]`, "of type string", s);
      const m = /^\[(.*)\](?::(\d+))?$/.exec(s) ?? /^([^:]*)(?::(\d+))?$/.exec(s) ?? [s, s];
      const text = m[1]!;
      const kind = isIP(text);
      if (kind === 0) throw nodeError("ERR_INVALID_IP_ADDRESS", `Invalid IP address: ${s}`, TypeError);
      // DIFF: a server that has only an IPv6 address is kept, and not asked.
      return {
        text,
        addr: kind === 4 ? parseAddress(text) : null,
        port: m[2] === undefined ? 53 : Number(m[2]) & 0xffff,
      };
    });
  };

  private async ask(name: string, type: RecordType, syscall: string): Promise<DnsMessage> {
    validateString(name, "name");
    const generation = this.generation;
    const asked = runTask(this.machine, "resolve", (sys) => query(sys, this.state, name, type));
    const cancelled = new Promise<string>((r) => {
      this.cancels.push(() => r("ECANCELLED"));
    });
    const reply = await Promise.race([asked, cancelled]);
    if (generation !== this.generation) throw queryError("ECANCELLED", syscall, name);
    if (typeof reply === "string") throw queryError(reply, syscall, name);
    return reply;
  }

  private async records(name: string, type: RecordType, syscall: string, ttl = false): Promise<unknown[]> {
    const reply = await this.ask(name, type, syscall);
    const found = type === "ANY" ? any(reply.answers) : values(type, reply.answers, ttl);
    if (found.length === 0) throw queryError("ENODATA", syscall, name);
    return found;
  }

  readonly resolve4 = (name: string, options?: { ttl?: boolean }): Promise<unknown[]> =>
    this.records(name, "A", "queryA", options?.ttl === true);
  readonly resolve6 = (name: string, options?: { ttl?: boolean }): Promise<unknown[]> =>
    this.records(name, "AAAA", "queryAaaa", options?.ttl === true);
  readonly resolveAny = (name: string): Promise<unknown[]> => this.records(name, "ANY", "queryAny");
  readonly resolveCaa = (name: string): Promise<unknown[]> => this.records(name, "CAA", "queryCaa");
  readonly resolveCname = (name: string): Promise<unknown[]> => this.records(name, "CNAME", "queryCname");
  readonly resolveMx = (name: string): Promise<unknown[]> => this.records(name, "MX", "queryMx");
  readonly resolveNaptr = (name: string): Promise<unknown[]> => this.records(name, "NAPTR" as RecordType, "queryNaptr");
  readonly resolveNs = (name: string): Promise<unknown[]> => this.records(name, "NS", "queryNs");
  readonly resolvePtr = (name: string): Promise<unknown[]> => this.records(name, "PTR", "queryPtr");
  readonly resolveSrv = (name: string): Promise<unknown[]> => this.records(name, "SRV", "querySrv");
  readonly resolveTxt = (name: string): Promise<unknown[]> => this.records(name, "TXT", "queryTxt");
  readonly resolveSoa = async (name: string): Promise<unknown> => (await this.records(name, "SOA", "querySoa"))[0];

  readonly resolve = (name: string, rrtype = "A"): Promise<unknown> => {
    validateString(rrtype, "rrtype");
    if (!RRTYPES.includes(rrtype)) throw invalidArgValue("rrtype", rrtype);
    if (rrtype === "SOA") return this.resolveSoa(name);
    const call = `query${rrtype[0]}${rrtype.slice(1).toLowerCase()}`;
    return this.records(name, rrtype as RecordType, call);
  };

  readonly reverse = async (ip: string): Promise<string[]> => {
    validateString(ip, "name");
    if (isIP(ip) === 0) throw notAnAddress(ip);
    if (isIP(ip) === 6) throw queryError("ENOTFOUND", "getHostByAddr", ip);
    const addr = parseAddress(ip);
    const found = await runTask(
      this.machine,
      "reverse",
      function* (this: DnsResolver, sys: Sys): Blocking<string[] | string> {
        const hosts = (yield* hostsFile(sys)).filter((l) => l.addr === addr).flatMap((l) => l.names);
        if (hosts.length > 0) return hosts;
        const reply = yield* query(sys, this.state, arpaName(addr), "PTR");
        return typeof reply === "string" ? reply : (values("PTR", reply.answers, false) as string[]);
      }.bind(this),
    );
    if (typeof found === "string") throw queryError(found, "getHostByAddr", ip);
    return found;
  };
}

const ORDERS = ["verbatim", "ipv4first", "ipv6first"] as const;

function oneOf(name: string, allowed: readonly unknown[], v: unknown): void {
  if (allowed.includes(v)) return;
  const list = allowed.map((a) => (typeof a === "string" ? `'${a}'` : String(a))).join(", ");
  throw invalidArgValue(name, v, `must be one of: ${list}`);
}

interface Asked {
  family: 0 | 4 | 6;
  all: boolean;
}

function lookupOptions(hostname: unknown, options: unknown): Asked {
  if (hostname) validateString(hostname, "hostname");
  let family: unknown = 0;
  let all = false;
  if (typeof options === "number") family = options;
  else if (options !== null && typeof options === "object") {
    const o = options as LookupOptions;
    if (o.hints !== undefined && o.hints !== null) {
      if (typeof o.hints !== "number") throw invalidArgType("options.hints", "of type number", o.hints);
      // AI_ADDRCONFIG | AI_ALL | AI_V4MAPPED of <netdb.h>.
      if ((o.hints & ~0x38) !== 0) throw invalidArgValue("hints", o.hints);
    }
    if (o.family !== undefined && o.family !== null) family = o.family;
    if (o.all !== undefined && o.all !== null) {
      if (typeof o.all !== "boolean") throw invalidArgType("options.all", "of type boolean", o.all);
      all = o.all;
    }
    if (o.verbatim !== undefined && o.verbatim !== null && typeof o.verbatim !== "boolean")
      throw invalidArgType("options.verbatim", "of type boolean", o.verbatim);
    if (o.order !== undefined && o.order !== null) oneOf("options.order", ORDERS, o.order);
  } else if (options !== undefined && options !== null)
    throw invalidArgType("options", "of type object or integer", options);
  if (family === "IPv4") family = 4;
  if (family === "IPv6") family = 6;
  oneOf(typeof options === "number" ? "family" : "options.family", [0, 4, 6], family);
  return { family: family as 0 | 4 | 6, all };
}

/** null: an empty name, which is nobody's. */
async function find(machine: Machine, hostname: string, asked: Asked): Promise<LookupAddress[]> {
  const found = asked.family === 6 ? -2 : await runTask(machine, "getaddrinfo", (sys) => resolve(sys, hostname));
  if (typeof found === "number") throw lookupError(found, hostname);
  const unique = [...new Set(found.addrs)];
  return unique.map((a) => ({ address: inetNtoa(a), family: 4 }));
}

const CODES = {
  NODATA: "ENODATA",
  FORMERR: "EFORMERR",
  SERVFAIL: "ESERVFAIL",
  NOTFOUND: "ENOTFOUND",
  NOTIMP: "ENOTIMP",
  REFUSED: "EREFUSED",
  BADQUERY: "EBADQUERY",
  BADNAME: "EBADNAME",
  BADFAMILY: "EBADFAMILY",
  BADRESP: "EBADRESP",
  CONNREFUSED: "ECONNREFUSED",
  TIMEOUT: "ETIMEOUT",
  EOF: "EOF",
  FILE: "EFILE",
  NOMEM: "ENOMEM",
  DESTRUCTION: "EDESTRUCTION",
  BADSTR: "EBADSTR",
  BADFLAGS: "EBADFLAGS",
  NONAME: "ENONAME",
  BADHINTS: "EBADHINTS",
  NOTINITIALIZED: "ENOTINITIALIZED",
  LOADIPHLPAPI: "ELOADIPHLPAPI",
  ADDRGETNETWORKPARAMS: "EADDRGETNETWORKPARAMS",
  CANCELLED: "ECANCELLED",
} as const;

type Node = (...args: unknown[]) => void;

function promiseApi(machine: Machine) {
  const shared = new DnsResolver(machine);
  let order = "verbatim";
  const { cancel: _cancel, ...methods } = shared as unknown as Record<string, unknown> & { cancel: unknown };
  const pick = Object.fromEntries(Object.entries(methods).filter(([, v]) => typeof v === "function"));
  return {
    ...(pick as Omit<{ [K in keyof DnsResolver]: DnsResolver[K] }, "cancel">),
    ...CODES,
    Resolver: class Resolver extends DnsResolver {
      constructor(options?: ResolverOptions) {
        super(machine, options);
      }
    } as new (
      options?: ResolverOptions,
    ) => DnsResolver,
    getDefaultResultOrder: (): string => order,
    /** Kept for who asks: a machine's names have addresses of one family. */
    setDefaultResultOrder: (to: string): void => {
      oneOf("dnsOrder", ORDERS, to);
      order = to;
    },
    lookup: async (hostname: string, options?: unknown): Promise<LookupAddress | LookupAddress[]> => {
      const asked = lookupOptions(hostname, options);
      const kind = isIP(hostname ?? "");
      if (!hostname) return asked.all ? [] : { address: null as unknown as string, family: asked.family === 6 ? 6 : 4 };
      const found = kind !== 0 ? [{ address: hostname, family: kind }] : await find(machine, hostname, asked);
      return asked.all ? found : found[0]!;
    },
    lookupService: async (...args: unknown[]): Promise<{ hostname: string; service: string }> => {
      if (args.length !== 2)
        throw nodeError("ERR_MISSING_ARGS", 'The "address" and "port" arguments must be specified', TypeError);
      const [address, port] = args as [string, number];
      if (isIP(address) === 0) throw invalidArgValue("address", address);
      const n = validatePort(port);
      const service = await runTask(machine, "getnameinfo", (sys) => serviceName(sys, n, "tcp"));
      let hostname = address;
      try {
        hostname = (await shared.reverse(address))[0] ?? address;
      } catch {
        // getnameinfo() without NI_NAMEREQD: the number.
      }
      return { hostname, service: service ?? String(n) };
    },
  };
}

export type DnsPromises = ReturnType<typeof promiseApi>;

export interface DnsCallbacks {
  lookup(hostname: string, options: unknown, callback: LookupCallback): object;
  lookup(hostname: string, callback: LookupCallback): object;
}

export type DnsApi = DnsCallbacks & Record<string, unknown> & { readonly promises: DnsPromises } & typeof CODES;

/** The callback form of a function that returns a promise; what it throws at once, it throws at once. */
const withCallback =
  (call: string, fn: (...args: never[]) => unknown): Node =>
  (...args) => {
    if (call === "resolve" && typeof args[1] !== "function") validateString(args[1], "rrtype");
    if (call === "resolve" && typeof args[1] === "string" && !RRTYPES.includes(args[1]))
      throw invalidArgValue("rrtype", args[1]);
    validateString(args[0], "name");
    // What follows the callback does not count.
    const at = args.findIndex((a) => typeof a === "function");
    const cb = at >= 0 ? args[at] : call === "resolve" || args.length > 2 ? args[2] : args[1];
    validateFunction(cb, "callback");
    args.length = at;
    if (call === "reverse" && isIP(args[0] as string) === 0) throw notAnAddress(args[0] as string);
    Promise.resolve(fn(...(args as never[]))).then(
      (v) => process.nextTick(cb as Node, null, v),
      (e: unknown) => process.nextTick(cb as Node, e),
    );
  };

export function createDns(machine: Machine): DnsApi {
  const promises = promiseApi(machine);
  const lookup = (hostname: string, options: unknown, callback?: LookupCallback): object => {
    const cb = (typeof options === "function" ? options : callback) as LookupCallback;
    if (typeof options === "function") options = undefined;
    validateFunction(cb, "callback");
    const asked = lookupOptions(hostname, options);
    const kind = isIP(hostname ?? "");
    const tell = (found: LookupAddress[]): void => {
      if (asked.all) cb(null, found);
      else cb(null, found[0]!.address, found[0]!.family);
    };
    if (!hostname) {
      process.nextTick(() => (asked.all ? cb(null, []) : cb(null, null, asked.family === 6 ? 6 : 4)));
      return {};
    }
    if (kind !== 0) {
      process.nextTick(tell, [{ address: hostname, family: kind }]);
      return {};
    }
    find(machine, hostname, asked).then(
      (found) => process.nextTick(tell, found),
      (e: ErrnoException) => process.nextTick(cb, e),
    );
    return {};
  };
  const out: Record<string, unknown> = { ...CODES, ADDRCONFIG: 32, ALL: 16, V4MAPPED: 8, promises, lookup };
  for (const [name, fn] of Object.entries(promises)) {
    if (typeof fn !== "function" || name === "lookup") continue;
    if (name === "Resolver" || /^[gs]et/.test(name)) out[name] = fn;
    else if (name === "lookupService")
      out[name] = (...args: unknown[]) => {
        if (args.length !== 3)
          throw nodeError(
            "ERR_MISSING_ARGS",
            'The "address", "port", and "callback" arguments must be specified',
            TypeError,
          );
        const [address, port, cb] = args as [string, number, Node];
        if (isIP(address) === 0) throw invalidArgValue("address", address);
        validatePort(port);
        validateFunction(cb, "callback");
        promises.lookupService(address, port).then(
          (r) => process.nextTick(cb, null, r.hostname, r.service),
          (e: unknown) => process.nextTick(cb, e),
        );
      };
    else out[name] = withCallback(name, fn as (...args: never[]) => unknown);
  }
  out.Resolver = class Resolver extends DnsResolver {
    constructor(options?: ResolverOptions) {
      super(machine, options);
      for (const [k, v] of Object.entries(this)) {
        if (typeof v === "function" && /^(resolve|reverse)/.test(k))
          (this as Record<string, unknown>)[k] = withCallback(k, v as (...args: never[]) => unknown);
      }
    }
  };
  return out as unknown as DnsApi;
}
