// DNS messages (RFC 1035) between bytes and objects: a wrapper of the dns-packet codec, which speaks Buffer, for programs that
// speak Uint8Array. Read first: RFC 1035 §4. Way in: `encodeMessage(m)`, `decodeMessage(bytes)`.

import { type DecodedPacket, decode, encode, type Packet } from "dns-packet";

export type RecordType = "A" | "AAAA" | "PTR" | "MX" | "NS" | "TXT" | "SOA" | "CNAME" | "SRV" | "ANY" | "HINFO" | "CAA";

export interface Soa {
  mname: string;
  rname: string;
  serial: number;
  refresh: number;
  retry: number;
  expire: number;
  minimum: number;
}

export interface ResourceRecord {
  name: string;
  type: RecordType;
  ttl: number;
  /** A, AAAA, PTR, NS, CNAME: a string; TXT: strings; MX, SRV and SOA: objects. */
  data: string | string[] | Soa | { preference: number; exchange: string } | SrvData;
}

export interface SrvData {
  priority: number;
  weight: number;
  port: number;
  target: string;
}

export interface DnsMessage {
  id: number;
  response: boolean;
  authoritative: boolean;
  truncated: boolean;
  recursionDesired: boolean;
  recursionAvailable: boolean;
  /** 0 NOERROR, 1 FORMERR, 2 SERVFAIL, 3 NXDOMAIN, 4 NOTIMP, 5 REFUSED. */
  rcode: number;
  opcode: number;
  questions: { name: string; type: RecordType }[];
  answers: ResourceRecord[];
  authorities: ResourceRecord[];
  additionals: ResourceRecord[];
}

export const NOERROR = 0;
export const FORMERR = 1;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const NOTIMP = 4;
export const REFUSED = 5;
export const RCODE_NAMES: readonly string[] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

/** A standard query for one name. */
export function query(id: number, name: string, type: RecordType): DnsMessage {
  return {
    id,
    response: false,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    rcode: NOERROR,
    opcode: 0,
    questions: [{ name, type }],
    answers: [],
    authorities: [],
    additionals: [],
  };
}

const AA = 1 << 10;
const TC = 1 << 9;
const RD = 1 << 8;
const RA = 1 << 7;

/** The bytes, or null for a name or value that has no wire form (a label over 63 bytes, …). */
export function encodeMessage(m: DnsMessage): Uint8Array | null {
  const flags =
    (m.authoritative ? AA : 0) |
    (m.truncated ? TC : 0) |
    (m.recursionDesired ? RD : 0) |
    (m.recursionAvailable ? RA : 0) |
    (m.opcode << 11) |
    m.rcode;
  const packet = {
    type: m.response ? "response" : "query",
    id: m.id,
    flags,
    questions: m.questions,
    answers: m.answers,
    authorities: m.authorities,
    additionals: m.additionals,
  };
  if (!m.questions.every((q) => isName(q.name))) return null;
  try {
    return new Uint8Array(encode(packet as unknown as Packet));
  } catch {
    return null;
  }
}

function isName(name: string): boolean {
  const bare = name.endsWith(".") ? name.slice(0, -1) : name;
  return bare.length <= 253 && (bare === "" || bare.split(".").every((label) => label !== "" && label.length <= 63));
}

/** The message, or null for bytes that are not one. */
export function decodeMessage(bytes: Uint8Array): DnsMessage | null {
  if (bytes.length < 12) return null;
  const word = (at: number): number => (bytes[at] << 8) | bytes[at + 1];
  const flags = word(2);
  const raw = decodePacket(bytes);
  if (raw === null) return null;
  const records = (list: unknown): ResourceRecord[] =>
    ((list ?? []) as ResourceRecord[]).filter((r) => r.data !== undefined).map((r) => ({ ...r, data: tidy(r) }));
  return {
    id: word(0),
    response: (flags & 0x8000) !== 0,
    authoritative: (flags & AA) !== 0,
    truncated: (flags & TC) !== 0,
    recursionDesired: (flags & RD) !== 0,
    recursionAvailable: (flags & RA) !== 0,
    rcode: flags & 15,
    opcode: (flags >> 11) & 15,
    questions: (raw.questions ?? []).map((q) => ({ name: q.name, type: q.type as RecordType })),
    answers: records(raw.answers),
    authorities: records(raw.authorities),
    additionals: records(raw.additionals).filter((r) => (r.type as string) !== "OPT"),
  };
}

/** TXT comes as one or several byte strings; everything else is as it should be. */
function tidy(r: ResourceRecord): ResourceRecord["data"] {
  if (r.type !== "TXT") return r.data;
  const parts = (Array.isArray(r.data) ? r.data : [r.data]) as (string | Uint8Array)[];
  return parts.map((p) => (typeof p === "string" ? p : Array.from(p, (b) => String.fromCharCode(b)).join("")));
}

function decodePacket(bytes: Uint8Array): DecodedPacket | null {
  try {
    // The codec wants its own kind of byte array; the platform's is reached through what it encodes.
    const sample = encode({ type: "query", questions: [] });
    const kind = sample.constructor as unknown as { from(data: Uint8Array): typeof sample };
    return decode(kind.from(bytes));
  } catch {
    return null;
  }
}

/** "1.0.0.10.in-addr.arpa" of an int32 address. */
export function arpaName(addr: number): string {
  return `${addr & 255}.${(addr >>> 8) & 255}.${(addr >>> 16) & 255}.${addr >>> 24}.in-addr.arpa`;
}
