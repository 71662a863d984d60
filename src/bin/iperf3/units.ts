// iperf3's numbers: what -n, -b and -w understand, and how amounts and rates are printed. Read first: iperf3(1), "-b".
// Way in: parseSize("1M"), parseRate("10M/5"), formatBytes(n), formatRate(bytesPerSecond, "m").

const EXPONENTS = "kmgt";

/** The leading number as C's strtod takes it; 0 where there is none. */
function leading(text: string): [number, string] {
  const m = /^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(.?)/.exec(text);
  return m === null ? [0, ""] : [Number(m[1]), m[2].toLowerCase()];
}

function scaled(text: string, base: number): number {
  const [n, suffix] = leading(text);
  const e = suffix === "" ? -1 : EXPONENTS.indexOf(suffix);
  return e < 0 ? n : n * base ** (e + 1);
}

/** "1K" is 1024 bytes. */
export function parseSize(text: string): number {
  return Math.trunc(scaled(text, 1024));
}

/** "1K" is 1000 bits per second. */
export function parseRate(text: string): number {
  return Math.trunc(scaled(text, 1000));
}

/** atoi(3). */
export function parseInteger(text: string): number {
  const m = /^\s*[-+]?\d+/.exec(text);
  return m === null ? 0 : Number(m[0]) | 0;
}

/** strtol(3) with base 0: 52, 064, 0x34; NaN unless all of it is a number. */
export function parseCNumber(text: string): number {
  const m = /^([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/.exec(text.trim());
  if (m === null) return Number.NaN;
  const n = /^0[0-7]/.test(m[2]) ? Number.parseInt(m[2], 8) : Number(m[2]);
  return m[1] === "-" ? -n : n;
}

const BYTES = ["Bytes", "KBytes", "MBytes", "GBytes", "TBytes"];
const BITS = ["bits", "Kbits", "Mbits", "Gbits", "Tbits"];

/** Three digits that count, at least four columns. */
function threeDigits(n: number): string {
  return n.toFixed(n < 9.995 ? 2 : n < 99.95 ? 1 : 0).padStart(4);
}

function withUnit(n: number, names: readonly string[], base: number, e: number | undefined): string {
  let unit = 0;
  if (e !== undefined) unit = e;
  else for (let rest = n; rest >= base && unit < names.length - 1; rest /= base) unit++;
  return `${threeDigits(n / base ** unit)} ${names[unit]}`;
}

/** " 900 MBytes". */
export function formatBytes(n: number): string {
  return withUnit(n, BYTES, 1024, undefined);
}

/** "7.55 Gbits" of a rate in bytes per second; `format` is -f's letter ("" chooses by size), capitals count bytes. */
export function formatRate(bytesPerSecond: number, format: string): string {
  const lower = format.toLowerCase();
  const e = lower === "" || lower === "a" ? undefined : EXPONENTS.indexOf(lower) + 1;
  if (format !== "" && format !== lower) return withUnit(bytesPerSecond, BYTES, 1024, e);
  return withUnit(bytesPerSecond * 8, BITS, 1000, e);
}

/** C's %.Ng. */
export function formatG(n: number, digits: number): string {
  if (n === 0) return "0";
  const e = Number(n.toExponential(digits - 1).replace(/^.*e/, ""));
  if (e < -4 || e >= digits) {
    const [mantissa, exponent] = n.toExponential(digits - 1).split("e");
    const sign = exponent[0] === "-" ? "-" : "+";
    return `${trimZeros(mantissa)}e${sign}${exponent.slice(1).padStart(2, "0")}`;
  }
  return trimZeros(n.toFixed(Math.min(100, digits - 1 - e)));
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
