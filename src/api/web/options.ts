// Arguments as Web IDL converts them. Read first: https://webidl.spec.whatwg.org/#js-to-integer.

/** [EnforceRange] of an unsigned integer. Throws TypeError. */
export function enforceRange(v: unknown, max: number, name: string): number {
  const n = Math.trunc(Number(v));
  if (!Number.isFinite(n) || n < 0 || n > max) throw new TypeError(`${name} is not between 0 and ${max}`);
  return n + 0;
}

export const USHORT = 0xffff;
export const ULONG = 0xffffffff;

export function dnsQueryType(v: unknown): "ipv4" | "ipv6" {
  if (v !== "ipv4" && v !== "ipv6") throw new TypeError(`"${String(v)}" is no dnsQueryType: "ipv4" or "ipv6" is`);
  return v;
}

/** The port to be bound to: 0 is none, who wants one that is free does not ask for any. */
export function localPortOf(v: unknown): number {
  const port = enforceRange(v, USHORT, "localPort");
  if (port === 0) throw new TypeError("localPort is 0; leave it out for one that is free");
  return port;
}

/** A size that must not be 0. */
export function bufferSize(v: unknown, name: string): number {
  const n = enforceRange(v, ULONG, name);
  if (n === 0) throw new TypeError(`${name} is 0`);
  return n;
}
