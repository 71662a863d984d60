// The progress meter of curl: a line that is written over, on standard error. Read first: curl(1), PROGRESS METER.
// Way in: HEADER once, line() whenever it is to be shown.

export const HEADER = `  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current
                                 Dload  Upload   Total   Spent    Left  Speed
`;

const K = 1024;
/** Five characters: "12345", "1234k", "12.3M", "1234M". */
function size(n: number): string {
  if (n < 100_000) return String(Math.floor(n)).padStart(5);
  if (n < 10_000 * K) return `${String(Math.floor(n / K)).padStart(4)}k`;
  if (n < 100 * K * K) return `${(Math.floor((n / K / K) * 10) / 10).toFixed(1).padStart(4)}M`;
  if (n < 10_000 * K * K) return `${String(Math.floor(n / K / K)).padStart(4)}M`;
  return `${(Math.floor((n / K / K / K) * 10) / 10).toFixed(1).padStart(4)}G`;
}
function clock(seconds: number): string {
  if (seconds < 1) return "--:--:--";
  const s = Math.floor(seconds);
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${String(Math.floor(s / 3600)).padStart(2)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** One state of a transfer; `total` -1 where it is not known. Times in ns. */
export interface Progress {
  down: number;
  downTotal: number;
  up: number;
  upTotal: number;
  ns: number;
}

export function line(p: Progress): string {
  const s = Math.max(p.ns, 1) / 1e9;
  const part = (n: number, of: number): number => (of > 0 ? Math.floor((100 * n) / of) : 0);
  const total = Math.max(p.downTotal, 0) + Math.max(p.upTotal, 0);
  const done = p.down + p.up;
  const known = p.downTotal >= 0 || p.upTotal >= 0;
  const speed = done / s;
  const eta = known && speed > 0 ? total / speed : 0;
  const fields = [
    `${String(part(done, total)).padStart(3)} ${size(known ? total : done)}`,
    `${String(part(p.down, p.downTotal)).padStart(3)} ${size(p.down)}`,
    `${String(part(p.up, p.upTotal)).padStart(3)} ${size(p.up)}`,
    `${size(p.down / s)}  ${size(p.up / s)}`,
    `${clock(eta)} ${clock(s)} ${clock(eta > s ? eta - s : 0)} ${size(speed)}`,
  ];
  return `\r${fields[0]}  ${fields[1]}  ${fields[2]}  ${fields[3]} ${fields[4]}`;
}
