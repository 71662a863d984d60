// nslookup(1) of BIND 9.18, not interactive. Read first: nslookup(1), RFC 1035. Way in: `nslookup`.

import { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH } from "../uapi/errno.ts";
import type { Blocking, Program, Sys } from "../uapi/sys.ts";
import type { Soa, SrvData } from "./lib/dns.ts";
import {
  arpaName,
  type DnsMessage,
  NOERROR,
  NXDOMAIN,
  RCODE_NAMES,
  type RecordType,
  type ResourceRecord,
} from "./lib/dns.ts";
import { inetNtoa, inetPton } from "./lib/inet.ts";
import { print, printError } from "./lib/io.ts";
import { candidates, exchange, type ResolvConf, resolvConf, resolve } from "./lib/resolve.ts";

const USAGE = `Usage:
   nslookup [-opt ...]             # interactive mode using default server
   nslookup [-opt ...] - server    # interactive mode using 'server'
   nslookup [-opt ...] host        # just look up 'host' using default server
   nslookup [-opt ...] host server # just look up 'host' using 'server'
`;

const TYPES = ["A", "AAAA", "PTR", "MX", "NS", "TXT", "SOA", "CNAME", "SRV", "ANY", "HINFO", "CAA"];

interface Query {
  sys: Sys;
  conf: ResolvConf;
  port: number;
  recurse: boolean;
  search: boolean;
  debug: boolean;
  /** The server as it was given. */
  server: string;
  /** What has not been printed yet. */
  text: string;
}

export const nslookup: Program = function* (sys, argv) {
  const words: string[] = [];
  const q: Query = {
    sys,
    conf: yield* resolvConf(sys),
    port: 53,
    recurse: true,
    search: true,
    debug: false,
    server: "",
    text: "",
  };
  // Three tries unless told otherwise.
  q.conf.attempts = 3;
  let type: RecordType | undefined;
  let complaints = "";
  for (const arg of argv.slice(1)) {
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      continue;
    }
    const [, name, value] = /^-([^=]*)(?:=(.*))?$/.exec(arg)!;
    const seconds = Number(value);
    if (/^(q|qu|ty|type|querytype|query|qtype)$/.test(name) && value !== undefined) {
      if (TYPES.includes(value.toUpperCase())) type = value.toUpperCase() as RecordType;
      else complaints += `unknown query type: ${value}\n`;
    } else if (/^(cl|class)/.test(name)) continue;
    else if (name === "port" || name === "po") q.port = seconds;
    else if (/^ti/.test(name)) q.conf.timeoutMs = seconds * 1000;
    else if (/^ret/.test(name)) q.conf.attempts = Math.max(1, seconds);
    else if (/^norec/.test(name)) q.recurse = false;
    else if (/^rec/.test(name)) q.recurse = true;
    else if (/^nosea/.test(name)) q.search = false;
    else if (/^sea/.test(name)) q.search = true;
    else if (/^deb/.test(name)) q.debug = true;
    else if (/^nodeb/.test(name)) q.debug = false;
    else if (/^(vc|novc|d2|nod2|fail|nofail|domain|dom|ndots|version|srchlist|srchl|all|def|nodef)$/.test(name))
      continue;
    else complaints += `*** Invalid option: ${name}\n`;
  }
  yield* print(sys, complaints);
  if (words.length === 0 || words.length > 2 || words[0] === "-") {
    // DIFF: there is no interactive mode.
    yield* printError(sys, USAGE);
    return 1;
  }
  if (words[1] !== undefined) {
    const found = yield* resolve(sys, words[1]);
    if (typeof found === "number") {
      yield* printError(sys, `nslookup: couldn't get address for '${words[1]}': failure\n`);
      return 1;
    }
    q.conf.servers = found.addrs.slice(0, 1);
  }
  q.server = words[1] ?? inetNtoa(q.conf.servers[0]);
  const status = yield* lookup(q, words[0], type);
  yield* print(sys, q.text);
  return status;
};

function* lookup(q: Query, host: string, type: RecordType | undefined): Blocking<number> {
  const addr = type === undefined || type === "PTR" ? inetPton(host) : undefined;
  if (addr !== undefined) {
    const reply = yield* ask(q, arpaName(addr), "PTR");
    if (reply === null) return 1;
    return finish(q, reply, arpaName(addr), "PTR", type === undefined);
  }
  const names = q.search ? candidates(host, q.conf.search, q.conf.ndots) : [host];
  const first: RecordType = type ?? "A";
  let name = names[0];
  let reply: DnsMessage | null = null;
  for (name of names) {
    reply = yield* ask(q, name, first);
    if (reply === null) return 1;
    if (reply.rcode !== NXDOMAIN) break;
  }
  if (reply === null) return 1;
  // When no name of the list is there, it is the word itself that cannot be found.
  if (reply.rcode === NXDOMAIN) name = host;
  if (type !== undefined) return finish(q, reply, name, type, false);

  // Without a type: the IPv4 addresses, then the IPv6 addresses of the name that they led to.
  header(q);
  if (reply.rcode !== NOERROR) return failure(q, reply, name);
  const lead = reply.authoritative ? "" : "Non-authoritative answer:\n";
  let text = records(reply.answers);
  let last = name;
  for (const r of reply.answers) if (r.type === "CNAME") last = r.data as string;
  if (q.debug) q.text += debugText(reply, name, "A");
  q.text += lead + text;
  const six = yield* ask(q, last, "AAAA");
  if (six !== null && six.rcode === NOERROR) {
    if (q.debug) q.text += debugText(six, last, "AAAA");
    const more = records(six.answers);
    q.text += more;
    text += more;
  }
  if (text === "") q.text += `*** Can't find ${name}: No answer\n`;
  q.text += "\n";
  return 0;
}

function header(q: Query): void {
  q.text += `Server:\t\t${q.server}\nAddress:\t${inetNtoa(q.conf.servers[0])}#${q.port}\n\n`;
}

function failure(q: Query, reply: DnsMessage, name: string): number {
  q.text += `** server can't find ${name}: ${RCODE_NAMES[reply.rcode] ?? reply.rcode}\n\n`;
  return 1;
}

/** An answer of one type. `bare`: an address given without -type has no header. */
function finish(q: Query, reply: DnsMessage, name: string, type: RecordType, bare: boolean): number {
  if (!bare) header(q);
  if (reply.rcode !== NOERROR) return failure(q, reply, name);
  if (q.debug) q.text += debugText(reply, name, type);
  if (!reply.authoritative && !bare) q.text += "Non-authoritative answer:\n";
  const text = records(reply.answers);
  q.text += text === "" ? `*** Can't find ${name}: No answer\n` : text;
  if (!reply.authoritative && type !== "A" && type !== "AAAA") {
    q.text += "\nAuthoritative answers can be found from:\n";
    q.text += records([...reply.authorities, ...reply.additionals], true);
  }
  q.text += "\n";
  return 0;
}

function records(list: readonly ResourceRecord[], section = false): string {
  let text = "";
  for (const r of list) {
    const name = r.name === "" ? "." : r.name;
    switch (r.type) {
      case "A":
        text += section ? `${name}\tinternet address = ${r.data}\n` : `Name:\t${name}\nAddress: ${r.data}\n`;
        break;
      case "AAAA":
        text += section ? `${name}\thas AAAA address ${r.data}\n` : `Name:\t${name}\nAddress: ${r.data}\n`;
        break;
      case "SOA":
        text += `${name}\n${soaText(r.data as Soa)}`;
        break;
      default:
        text += `${name}\t${rdata(r)}\n`;
    }
  }
  return text;
}

function soaText(s: Soa): string {
  return (
    `\torigin = ${s.mname}\n\tmail addr = ${s.rname}\n\tserial = ${s.serial}\n` +
    `\trefresh = ${s.refresh}\n\tretry = ${s.retry}\n\texpire = ${s.expire}\n\tminimum = ${s.minimum}\n`
  );
}

function rdata(r: ResourceRecord): string {
  switch (r.type) {
    case "CNAME":
      return `canonical name = ${r.data}.`;
    case "PTR":
      return `name = ${r.data}.`;
    case "NS":
      return `nameserver = ${r.data}.`;
    case "MX": {
      const mx = r.data as { preference: number; exchange: string };
      return `mail exchanger = ${mx.preference} ${mx.exchange}.`;
    }
    case "TXT":
      return `text = ${(r.data as string[]).map((t) => `"${t.replace(/["\\]/g, "\\$&")}"`).join(" ")}`;
    case "SRV": {
      const s = r.data as SrvData;
      return `service = ${s.priority} ${s.weight} ${s.port} ${s.target}.`;
    }
    default:
      return `rdata_${r.type} = ${JSON.stringify(r.data)}`;
  }
}

function debugText(reply: DnsMessage, name: string, type: RecordType): string {
  const section = (list: readonly ResourceRecord[]): string => {
    let text = "";
    for (const r of list) {
      const value =
        r.type === "A" ? `internet address = ${r.data}` : r.type === "AAAA" ? `has AAAA address ${r.data}` : rdata(r);
      text += `    ->  ${r.name}\n\t${value}\n\tttl = ${r.ttl}\n`;
    }
    return text;
  };
  return (
    `------------\n    QUESTIONS:\n\t${name}, type = ${type}, class = IN\n` +
    `    ANSWERS:\n${section(reply.answers)}    AUTHORITY RECORDS:\n${section(reply.authorities)}` +
    `    ADDITIONAL RECORDS:\n${section(reply.additionals)}------------\n`
  );
}

/** The reply, or null after having said that there is none. */
function* ask(q: Query, name: string, type: RecordType): Blocking<DnsMessage | null> {
  for (const server of q.conf.servers) {
    for (let attempt = 0; attempt < q.conf.attempts; attempt++) {
      const reply = yield* exchange(q.sys, server, q.port, name, type, q.conf.timeoutMs, q.recurse);
      if (reply !== null && typeof reply !== "number") return reply;
      q.text += `;; communications error to ${inetNtoa(server)}#${q.port}: ${reason(reply)}\n`;
    }
  }
  q.text += ";; no servers could be reached\n\n";
  return null;
}

function reason(err: number | null): string {
  if (err === null) return "timed out";
  if (err === -ECONNREFUSED) return "connection refused";
  if (err === -ENETUNREACH) return "network unreachable";
  if (err === -EHOSTUNREACH) return "host unreachable";
  return "unexpected error";
}
