// JSON as iperf3 writes it: keys in order and perhaps twice, tabs, C's digits. Read first: RFC 8259.
// Way in: new JsonObject(), stringify(value, pretty), parseObject(text).

import { formatG } from "./units.ts";

export type Json = string | number | boolean | null | Json[] | JsonObject;

/** What -1 looks like where iperf3 prints it as an unsigned number. */
const MINUS_ONE = "18446744073709551615";

export class JsonObject {
  readonly entries: [string, Json][] = [];
  constructor(entries: Record<string, Json> = {}) {
    for (const [key, value] of Object.entries(entries)) this.entries.push([key, value]);
  }
  set(key: string, value: Json): this {
    this.entries.push([key, value]);
    return this;
  }
}

/** 15 digits where they are the number, else 17. */
function number(n: number): string {
  if (!Number.isFinite(n)) return "null";
  if (n === -1) return MINUS_ONE;
  if (Number.isInteger(n) && Math.abs(n) < 1e15) return String(n);
  const short = formatG(n, 15);
  return Math.abs(Number(short) - n) <= Math.abs(n) * Number.EPSILON ? short : formatG(n, 17);
}

/** Compact, or `pretty` with tabs. */
export function stringify(value: Json, pretty: boolean, depth = 0): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((v) => stringify(v, pretty, depth + 1)).join(pretty ? ", " : ",")}]`;
  const tabs = (n: number): string => (pretty ? `\n${"\t".repeat(n)}` : "");
  const colon = pretty ? ":\t" : ":";
  const body = value.entries
    .map(([k, v]) => `${tabs(depth + 1)}${JSON.stringify(k)}${colon}${stringify(v, pretty, depth + 1)}`)
    .join(",");
  return `{${body}${tabs(depth)}}`;
}

/** What the other end sent: the fields of an object, or undefined when it is none. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A number of theirs; -1 comes as 2^64 - 1. */
export function numberField(o: Record<string, unknown>, key: string, fallback: number): number {
  const v = o[key];
  if (typeof v === "boolean") return v ? 1 : 0;
  if (typeof v !== "number") return fallback;
  return v >= 2 ** 63 ? -1 : v;
}
