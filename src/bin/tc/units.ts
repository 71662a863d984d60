// Rates, sizes, times and percentages as tc reads and prints them; C's %g.

import { PSCHED_TICK_NS } from "../../uapi/pkt_sched.ts";
import { parseInteger } from "../iproute/addr.ts";

/** Ticks of the packet scheduler in a microsecond (15.625). */
const TICKS_PER_US = 1000 / PSCHED_TICK_NS;

/** C's %.{p}g. */
export function formatG(n: number, precision = 6): string {
  if (n === 0) return "0";
  const exponent = Number(n.toExponential(precision - 1).split("e")[1]);
  if (exponent < -4 || exponent >= precision) {
    const [mantissa, e] = n.toExponential(precision - 1).split("e");
    const digits = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    const power = Math.abs(Number(e));
    return `${digits}e${Number(e) < 0 ? "-" : "+"}${power < 10 ? "0" : ""}${power}`;
  }
  const fixed = n.toFixed(Math.max(0, precision - 1 - exponent));
  return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
}

function split(text: string): [number, string] | undefined {
  const m = /^([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)([a-z%]*)$/i.exec(text);
  return m === null ? undefined : [Number(m[1]), m[2].toLowerCase()];
}

const RATE_UNITS: Record<string, number> = {
  "": 1,
  bit: 1,
  kibit: 1024,
  kbit: 1000,
  mibit: 1024 ** 2,
  mbit: 1e6,
  gibit: 1024 ** 3,
  gbit: 1e9,
  tibit: 1024 ** 4,
  tbit: 1e12,
  bps: 8,
  kibps: 8 * 1024,
  kbps: 8000,
  mibps: 8 * 1024 ** 2,
  mbps: 8e6,
  gibps: 8 * 1024 ** 3,
  gbps: 8e9,
  tibps: 8 * 1024 ** 4,
  tbps: 8e12,
};
/** Bytes per second. */
export function parseRate(text: string): number | undefined {
  const s = split(text);
  if (s === undefined || RATE_UNITS[s[1]] === undefined) return undefined;
  return Math.floor((s[0] * RATE_UNITS[s[1]]) / 8);
}

const SIZE_UNITS: Record<string, number> = {
  "": 1,
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
  kbit: 1024 / 8,
  mbit: 1024 ** 2 / 8,
  gbit: 1024 ** 3 / 8,
};
/** Bytes. */
export function parseSize(text: string): number | undefined {
  const s = split(text);
  if (s === undefined || SIZE_UNITS[s[1]] === undefined) return undefined;
  return Math.floor(s[0] * SIZE_UNITS[s[1]]);
}

const TIME_UNITS: Record<string, number> = {
  s: 1e6,
  sec: 1e6,
  secs: 1e6,
  ms: 1000,
  msec: 1000,
  msecs: 1000,
  us: 1,
  usec: 1,
  usecs: 1,
  "": 1,
  ns: 1e-3,
  nsec: 1e-3,
  nsecs: 1e-3,
};
/** Microseconds, with fractions. */
export function parseTime(text: string): number | undefined {
  const s = split(text);
  if (s === undefined || TIME_UNITS[s[1]] === undefined) return undefined;
  return s[0] * TIME_UNITS[s[1]];
}

/** A chance of 2^32 - 1, from a percentage with or without its sign. */
export function parsePercent(text: string): number | undefined {
  const m = /^([0-9]*\.?[0-9]+)%?$/.exec(text);
  if (m === null) return undefined;
  const p = Number(m[1]) / 100;
  return p > 1 ? undefined : rint(p * 0xffffffff);
}
/** C's rint: halves go to the even neighbour. */
function rint(n: number): number {
  const below = Math.floor(n);
  if (n - below !== 0.5) return Math.round(n);
  return below % 2 === 0 ? below : below + 1;
}

export const usToTicks = (us: number): number => Math.floor(Math.floor(us) * TICKS_PER_US);
/** Whole microseconds. */
export const ticksToUs = (ticks: number): number => Math.floor(ticks / TICKS_PER_US);
/** Ticks that so many bytes take at a rate in bytes per second. */
export const transmitTicks = (rate: number, bytes: number): number => usToTicks(1e6 * (bytes / rate));

export function formatSize(bytes: number): string {
  const mega = bytes / (1024 * 1024);
  if (bytes >= 1024 * 1024 && Math.abs(1024 * 1024 * Math.round(mega) - bytes) < 1024) return `${Math.round(mega)}Mb`;
  const kilo = bytes / 1024;
  if (bytes >= 1024 && Math.abs(1024 * Math.round(kilo) - bytes) < 16) return `${Math.round(kilo)}Kb`;
  return `${bytes}b`;
}

/** From bytes per second. */
export function formatRate(rate: number, iec = false): string {
  let bits = rate * 8;
  const kilo = iec ? 1024 : 1000;
  const units = ["", "K", "M", "G", "T"];
  let i = 0;
  for (; i < 4; i++) {
    if (bits < kilo) break;
    if (bits % kilo !== 0 && bits < 1000 * kilo) break;
    bits /= kilo;
  }
  return `${bits.toFixed(0)}${units[i]}${i > 0 && iec ? "i" : ""}bit`;
}

/** From whole microseconds. */
export function formatTime(us: number): string {
  const n = Math.floor(us);
  if (n >= 1e6) return `${formatG(n / 1e6, 3)}s`;
  if (n >= 1000) return `${formatG(n / 1000, 3)}ms`;
  return `${n}us`;
}
export function formatTimeNs(ns: number): string {
  if (ns >= 1e9) return `${formatG(ns / 1e9, 3)}s`;
  if (ns >= 1e6) return `${formatG(ns / 1e6, 3)}ms`;
  if (ns >= 1000) return `${formatG(ns / 1000, 3)}us`;
  return `${ns}ns`;
}

export const fraction = (chance: number): number => chance / 0xffffffff;
export const formatPercent = (chance: number): string => `${formatG(100 * fraction(chance))}%`;

/** "8001:", "1:2", "root", "none" as a 32-bit handle. */
export function parseClassId(text: string): number | undefined {
  if (text === "root") return 0xffffffff;
  if (text === "none") return 0;
  const m = /^([0-9a-f]{0,4}):([0-9a-f]{0,4})$/i.exec(text);
  if (m === null) {
    const minor = /^[0-9a-f]{1,4}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
    return minor;
  }
  return ((Number.parseInt(m[1] || "0", 16) << 16) | Number.parseInt(m[2] || "0", 16)) >>> 0;
}
/** "1:" or "1" as a handle. */
export function parseHandle(text: string): number | undefined {
  if (text === "none") return 0;
  const m = /^([0-9a-f]{1,4}):?$/i.exec(text);
  return m === null ? undefined : (Number.parseInt(m[1], 16) << 16) >>> 0;
}
export function formatClassId(h: number): string {
  if (h === 0xffffffff) return "root";
  if (h === 0) return "none";
  const major = h >>> 16;
  const minor = h & 0xffff;
  return `${major === 0 ? "" : major.toString(16)}:${minor === 0 ? "" : minor.toString(16)}`;
}

export function parseCount(text: string): number | undefined {
  const n = parseInteger(text);
  return n === undefined || n < 0 || n > 0xffffffff ? undefined : n;
}
