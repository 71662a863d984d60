// Zone data for dnsd: master files (RFC 1035 §5) and hosts files, in one table by name. Way in: Zones.

import type { RecordType, ResourceRecord, Soa } from "../lib/dns.ts";
import { arpaName } from "../lib/dns.ts";
import { inetNtoa, inetPton } from "../lib/inet.ts";
import type { HostsLine } from "../lib/resolve.ts";

const DEFAULT_TTL = 3600;
const TYPES: readonly string[] = ["A", "AAAA", "NS", "CNAME", "PTR", "MX", "TXT", "SRV", "SOA"];

export class Zones {
  /** Records by lower-case name without the final dot. */
  private readonly names = new Map<string, ResourceRecord[]>();
  /** Origins with their SOA; a zone without one gets one made up. */
  private readonly origins = new Map<string, ResourceRecord>();
  /** Whether hosts files were read: then every name is ours. */
  private root = false;

  get size(): number {
    return this.names.size;
  }

  add(record: ResourceRecord): void {
    const key = record.name.toLowerCase();
    const list = this.names.get(key);
    if (list === undefined) this.names.set(key, [record]);
    else list.push(record);
    if (record.type === "SOA") this.origins.set(key, record);
  }

  at(name: string): ResourceRecord[] | undefined {
    const key = name.toLowerCase();
    const own = this.names.get(key);
    if (own !== undefined) return own;
    // RFC 4592: the wildcard of the closest enclosing name that exists.
    for (let dot = key.indexOf("."); dot >= 0; dot = key.indexOf(".", dot + 1)) {
      const parent = key.slice(dot + 1);
      const wild = this.names.get(`*.${parent}`);
      if (wild !== undefined) return wild.map((r) => ({ ...r, name }));
      if (this.names.has(parent)) return undefined;
    }
    return undefined;
  }

  /** Whether something exists below a name: then it exists too, without records. */
  hasBelow(name: string): boolean {
    const tail = `.${name.toLowerCase()}`;
    for (const key of this.names.keys()) if (key.endsWith(tail)) return true;
    return false;
  }

  /** The SOA of the zone that holds a name; undefined where no zone of ours does. */
  zoneOf(name: string): ResourceRecord | undefined {
    const labels = name.toLowerCase().split(".");
    for (let i = 0; i <= labels.length; i++) {
      const soa = this.origins.get(labels.slice(i).join("."));
      if (soa !== undefined) return soa;
    }
    return this.root ? rootSoa : undefined;
  }

  addHosts(lines: readonly HostsLine[]): void {
    this.root = true;
    for (const line of lines) {
      for (const name of line.names) {
        this.add({ name, type: "A", ttl: DEFAULT_TTL, data: inetNtoa(line.addr) });
      }
      const pointer = arpaName(line.addr);
      if (this.at(pointer) === undefined) {
        this.add({ name: pointer, type: "PTR", ttl: DEFAULT_TTL, data: line.names[0] });
      }
    }
  }

  /** Reads a master file. The complaints, each with its line. `origin`: for names before the first $ORIGIN. */
  addFile(text: string, origin: string): string[] {
    const errors: string[] = [];
    let current = origin;
    let ttl = DEFAULT_TTL;
    let last = origin;
    for (const { line, words, indented } of entries(text)) {
      const [first] = words;
      if (first === "$ORIGIN") current = absolute(words[1] ?? "", "");
      else if (first === "$TTL") ttl = duration(words[1] ?? "") ?? ttl;
      else if (first.startsWith("$")) errors.push(`${line}: unknown directive '${first}'`);
      else {
        if (!indented) last = absolute(words.shift()!, current);
        const problem = this.record(words, last, current, ttl);
        if (problem !== undefined) errors.push(`${line}: ${problem}`);
      }
    }
    if (!this.origins.has(origin.toLowerCase()) && origin !== "")
      this.origins.set(origin.toLowerCase(), madeUp(origin));
    return errors;
  }

  private record(words: string[], name: string, origin: string, defaultTtl: number): string | undefined {
    let ttl = defaultTtl;
    for (;;) {
      const word = words[0]?.toUpperCase();
      if (word === undefined) return "a record without a type";
      if (word === "IN" || word === "CH" || word === "HS") words.shift();
      else if (/^\d/.test(word) && duration(word) !== undefined) ttl = duration(words.shift()!)!;
      else break;
    }
    const type = words.shift()!.toUpperCase();
    if (!TYPES.includes(type)) return `unknown record type '${type}'`;
    const data = parseData(type as RecordType, words, origin);
    if (data === undefined) return `wrong data for ${type}: '${words.join(" ")}'`;
    this.add({ name, type: type as RecordType, ttl, data });
    return undefined;
  }
}

const rootSoa: ResourceRecord = madeUp("");

function madeUp(origin: string): ResourceRecord {
  const of = (label: string): string => (origin === "" ? label : `${label}.${origin}`);
  const data: Soa = {
    mname: of("ns"),
    rname: of("hostmaster"),
    serial: 1,
    refresh: 3600,
    retry: 600,
    expire: 86400,
    minimum: 60,
  };
  return { name: origin, type: "SOA", ttl: DEFAULT_TTL, data };
}

function absolute(name: string, origin: string): string {
  if (name === "@") return origin;
  if (name.endsWith(".")) return name.slice(0, -1);
  return origin === "" ? name : `${name}.${origin}`;
}

/** Seconds, with the units of BIND: 1h30m. */
function duration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  if (!/^(\d+[smhdwSMHDW])+$/.test(text)) return undefined;
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  let sum = 0;
  for (const [, n, u] of text.matchAll(/(\d+)([a-zA-Z])/g)) sum += Number(n) * units[u.toLowerCase()];
  return sum;
}

interface Entry {
  line: number;
  words: string[];
  /** Starts with white space: belongs to the last name. */
  indented: boolean;
}

/** Logical lines: comments gone, parentheses joined, strings in quotes kept as one word with a leading quote. */
function* entries(text: string): Generator<Entry> {
  let open = 0;
  let entry: Entry | undefined;
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const words: string[] = [];
    for (const [token] of lines[i].matchAll(/"(?:[^"\\]|\\.)*"|;.*|[()]|[^\s()";]+/g)) {
      if (token.startsWith(";")) break;
      if (token === "(") open++;
      else if (token === ")") open = Math.max(0, open - 1);
      else words.push(token.startsWith('"') ? token.slice(0, -1).replace(/\\(.)/g, "$1") : token);
    }
    if (entry === undefined) entry = { line: i + 1, words, indented: /^\s/.test(lines[i]) };
    else entry.words.push(...words);
    if (open > 0) continue;
    if (entry.words.length > 0) yield entry;
    entry = undefined;
  }
  if (entry !== undefined && entry.words.length > 0) yield entry;
}

function parseData(type: RecordType, w: readonly string[], origin: string): ResourceRecord["data"] | undefined {
  const name = (i: number): string | undefined => (w[i] === undefined ? undefined : absolute(w[i], origin));
  const number = (i: number): number => (/^\d+$/.test(w[i] ?? "") ? Number(w[i]) : Number.NaN);
  switch (type) {
    case "A":
      return w.length === 1 && inetPton(w[0]) !== undefined ? w[0] : undefined;
    case "AAAA":
      return w.length === 1 && /^[0-9a-fA-F:.]+$/.test(w[0]) && w[0].includes(":") ? w[0] : undefined;
    case "NS":
    case "CNAME":
    case "PTR":
      return name(0);
    case "MX": {
      const exchange = name(1);
      return exchange === undefined || Number.isNaN(number(0)) ? undefined : { preference: number(0), exchange };
    }
    case "SRV": {
      const target = name(3);
      const numbers = [number(0), number(1), number(2)];
      if (target === undefined || numbers.some(Number.isNaN)) return undefined;
      return { priority: numbers[0], weight: numbers[1], port: numbers[2], target };
    }
    case "TXT":
      return w.length === 0 ? undefined : w.map((t) => (t.startsWith('"') ? t.slice(1) : t));
    case "SOA": {
      const times = w.slice(2, 7).map(duration);
      if (times.length !== 5 || times.some((t) => t === undefined)) return undefined;
      const [serial, refresh, retry, expire, minimum] = times as number[];
      return { mname: name(0)!, rname: name(1)!, serial, refresh, retry, expire, minimum };
    }
    default:
      return undefined;
  }
}
