// What ping counts, and the lines it sums up with. Read first: ping(8), "rtt min/avg/max/mdev". Way in: new PingStats().

/** One bit per sequence number: which were answered. */
const SEQS = 0x10000;

export class PingStats {
  transmitted = 0;
  received = 0;
  repeats = 0;
  errors = 0;
  /** Highest sequence number that got an answer or an error. */
  acked = 0;
  /** Most probes in flight when an answer came. */
  pipe = 0;
  /** Microseconds. */
  tmin = Number.MAX_SAFE_INTEGER;
  tmax = 0;
  tsum = 0;
  tsum2 = 0;
  /** Eight times the exponentially weighted average, in microseconds. */
  rtt = 0;
  /** ns of CLOCK_MONOTONIC. */
  firstSend = 0;
  lastSend = 0;
  private readonly seen = new Uint8Array(SEQS >> 3);

  /** A new probe makes its sequence number unanswered again. */
  clearSeq(seq: number): void {
    this.seen[(seq & 0xffff) >> 3] &= ~(1 << (seq & 7));
  }

  /** Marks it answered; whether it already was. */
  markSeq(seq: number): boolean {
    const at = (seq & 0xffff) >> 3;
    const bit = 1 << (seq & 7);
    const dup = (this.seen[at] & bit) !== 0;
    this.seen[at] |= bit;
    return dup;
  }

  answered(seq: number): boolean {
    return (this.seen[(seq & 0xffff) >> 3] & (1 << (seq & 7))) !== 0;
  }

  acknowledge(seq: number): void {
    const behind = (this.transmitted - seq) & 0xffff;
    if (behind >= 0x8000) return;
    if (behind + 1 > this.pipe) this.pipe = behind + 1;
    if (((seq - this.acked) & 0xffff) < 0x8000) this.acked = seq;
  }

  inFlight(): number {
    const diff = (this.transmitted - this.acked) & 0xffff;
    return diff < 0x8000 ? diff : Math.max(0, this.transmitted - this.received - this.errors);
  }

  addTime(us: number): void {
    this.tsum += us;
    this.tsum2 += us * us;
    if (us < this.tmin) this.tmin = us;
    if (us > this.tmax) this.tmax = us;
    this.rtt = this.rtt === 0 ? us * 8 : this.rtt + us - Math.trunc(this.rtt / 8);
  }
}

/** "0.330" of 330 µs. */
export function msFixed(us: number): string {
  return `${Math.floor(us / 1000)}.${String(Math.floor(us) % 1000).padStart(3, "0")}`;
}

/** The time of a reply line: at most three digits that mean something. */
export function replyTime(us: number): string {
  if (us >= 99950) return `${Math.floor((us + 500) / 1000)}`;
  if (us >= 9995) return oneFixed(us + 50, 100, 1);
  if (us >= 1000) return oneFixed(us + 5, 10, 2);
  return msFixed(us);
}

function oneFixed(us: number, unit: number, digits: number): string {
  const fraction = Math.floor((us % 1000) / unit);
  return `${Math.floor(us / 1000)}.${String(fraction).padStart(digits, "0")}`;
}

/** C's %g of a percentage: at most six significant digits. */
export function percent(part: number, whole: number): string {
  return String(Number(((part * 100) / whole).toPrecision(6)));
}

/** The closing block. `paced`: false where ping sends as replies come, so that the gap between probes says something. */
export function summary(s: PingStats, host: string, timing: boolean, paced: boolean): string {
  let text = `\n--- ${host} ping statistics ---\n`;
  text += `${s.transmitted} packets transmitted, ${s.received} received`;
  if (s.repeats > 0) text += `, +${s.repeats} duplicates`;
  if (s.errors > 0) text += `, +${s.errors} errors`;
  const total = s.lastSend - s.firstSend;
  if (s.transmitted > 0) {
    text += `, ${percent(s.transmitted - s.received, s.transmitted)}% packet loss`;
    text += `, time ${Math.floor(total / 1e6)}ms`;
  }
  text += "\n";
  let comma = "";
  if (s.received > 0 && timing) {
    const n = s.received + s.repeats;
    const mdev = Math.sqrt(Math.max(0, (s.tsum2 - (s.tsum * s.tsum) / n) / n));
    const avg = Math.floor(s.tsum / n);
    text += `rtt min/avg/max/mdev = ${msFixed(s.tmin)}/${msFixed(avg)}/${msFixed(s.tmax)}/${msFixed(mdev)} ms`;
    comma = ", ";
  }
  if (s.pipe > 1) {
    text += `${comma}pipe ${s.pipe}`;
    comma = ", ";
  }
  if (s.received > 0 && timing && !paced && s.transmitted > 1) {
    const ipg = Math.floor(total / 1000 / (s.transmitted - 1));
    text += `${comma}ipg/ewma ${msFixed(ipg)}/${msFixed(Math.floor(s.rtt / 8))} ms`;
  }
  return `${text}\n`;
}

/** What SIGQUIT prints to standard error. */
export function snapshot(s: PingStats, timing: boolean): string {
  const loss = s.transmitted === 0 ? 0 : Math.floor(((s.transmitted - s.received) * 100) / s.transmitted);
  let text = `\r${s.received}/${s.transmitted} packets, ${loss}% loss`;
  if (s.received > 0 && timing) {
    const avg = Math.floor(s.tsum / (s.received + s.repeats));
    const ewma = Math.floor(s.rtt / 8);
    text += `, min/avg/ewma/max = ${msFixed(s.tmin)}/${msFixed(avg)}/${msFixed(ewma)}/${msFixed(s.tmax)} ms`;
  }
  return `${text}\n`;
}
