// The delay distributions of netem, computed: 4096 quantiles in units of 1/8192 of the jitter.
// DIFF: iproute2 reads them from files; pareto and paretonormal come out the same, normal within a few units.

const SIZE = 4096;
const SCALE = 8192;

/** Quantile of the standard normal distribution by bisection of its integral. */
function normalQuantile(p: number): number {
  if (p <= 0) return -4;
  let low = -9;
  let high = 9;
  for (let i = 0; i < 60; i++) {
    const x = (low + high) / 2;
    if (normalCdf(x) < p) low = x;
    else high = x;
  }
  return (low + high) / 2;
}

/** By the series around 0, which converges well for |x| < 6. */
function normalCdf(x: number): number {
  if (x < -6) return 0;
  if (x > 6) return 1;
  let term = x;
  let sum = x;
  for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && k < 200; k++) {
    term *= (x * x) / (2 * k + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

const clip = (n: number): number => Math.max(-32768, Math.min(32767, n));

function normal(): number[] {
  return Array.from({ length: SIZE }, (_, i) => clip(Math.round(SCALE * normalQuantile(i / SIZE))));
}
/** Shape 3, moved to mean 0 and scaled to standard deviation 1. */
function pareto(): number[] {
  const out: number[] = [];
  for (let i = 65536; i > 0; i -= 16) {
    const x = ((i / 65536) ** (-1 / 3) - 1.5) * (4 / 3);
    out.push(clip(Math.floor(x * SCALE + 0.5)));
  }
  return out;
}

/** The table for TCA_NETEM_DELAY_DIST; undefined for a name without one. */
export function distribution(name: string): Int16Array | undefined {
  if (name === "normal") return Int16Array.from(normal());
  if (name === "pareto") return Int16Array.from(pareto());
  if (name !== "paretonormal") return undefined;
  const n = normal();
  return Int16Array.from(pareto().map((p, i) => Math.trunc(n[i] / 4 + (3 * p) / 4)));
}
