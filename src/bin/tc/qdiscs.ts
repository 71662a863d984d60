// Options of the qdiscs pfifo, bfifo, pfifo_fast, prio and tbf: from words, and as text or JSON. netem has its own file.
// Read first: tc-tbf(8), tc-pfifo(8), uapi/pkt_sched.ts. Way in: QDISCS[kind].

import type { NlAttr, NlMsgWriter } from "../../uapi/nlattr.ts";
import {
  nla_get_u32,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_parse_nested,
  nla_put,
  nla_put_u32,
  nla_reserve,
} from "../../uapi/nlattr.ts";
import * as S from "../../uapi/pkt_sched.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { addNetem, printNetem } from "./netem.ts";
import {
  formatRate,
  formatSize,
  formatTime,
  parseCount,
  parseRate,
  parseSize,
  parseTime,
  ticksToUs,
  transmitTicks,
} from "./units.ts";
import { FIFO_USAGE, PRIO_USAGE, TBF_USAGE } from "./usage.ts";

export interface Qdisc {
  /** Reads the words behind the kind and writes TCA_OPTIONS; undefined: the kind has no options. */
  parse?: (ctx: Context, kind: string, a: Args, w: NlMsgWriter) => void;
  /** Prints TCA_OPTIONS. */
  print?: (ctx: Context, kind: string, options: NlAttr) => void;
}

function addFifo(ctx: Context, kind: string, a: Args, w: NlMsgWriter): void {
  let limit: number | undefined;
  for (; a.more; a.skip()) {
    if (a.matches("limit")) {
      limit = kind === "bfifo" ? parseSize(a.next()) : parseCount(a.next());
      if (limit === undefined) ctx.fail(`${kind}: Illegal value for "limit": "${a.word}"\n`, 1);
    } else if (a.is("help")) ctx.fail(FIFO_USAGE, 1);
    else ctx.fail(`${kind}: unknown parameter "${a.word}"\n${FIFO_USAGE}`, 1);
  }
  if (limit !== undefined) nla_put_u32(w, S.TCA_OPTIONS, limit);
}

function printFifo(ctx: Context, kind: string, a: NlAttr): void {
  if (a.len < S.TC_FIFO_QOPT_LEN) return;
  const limit = nla_get_u32(a);
  ctx.put("limit", limit, `limit ${kind === "bfifo" ? formatSize(limit) : `${limit}p`}`);
}

function addPrio(ctx: Context, _kind: string, a: Args, w: NlMsgWriter): void {
  const qopt = Uint8Array.of(3, 0, 0, 0, 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  let given = 0;
  let inMap = false;
  for (; a.more; a.skip()) {
    if (a.is("bands")) {
      inMap = false;
      const n = parseCount(a.next());
      if (n === undefined) ctx.fail('Illegal "bands"\n', 1);
      qopt[0] = n;
    } else if (a.is("priomap")) inMap = true;
    else if (a.is("help")) ctx.fail(PRIO_USAGE, 1);
    else if (inMap) {
      const n = parseCount(a.word);
      if (n === undefined) ctx.fail('Illegal "priomap" element\n', 1);
      if (n >= qopt[0]) ctx.fail(`"priomap" element is out of bands\n`, 1);
      if (given >= 16) ctx.fail(`"priomap" index > TC_PRIO_MAX=15\n`, 1);
      qopt[4 + given++] = n;
    } else ctx.fail(`What is "${a.word}"?\n${PRIO_USAGE}`, 1);
  }
  // The struct, then an empty nest of its own.
  const at = nla_reserve(w, S.TCA_OPTIONS, qopt.length + 4);
  w.buf.set(qopt, at);
  w.dv.setUint16(at + qopt.length, 4, true);
  w.dv.setUint16(at + qopt.length + 2, S.TCA_OPTIONS, true);
}

function printPrio(ctx: Context, _kind: string, a: NlAttr): void {
  if (a.len < S.TC_PRIO_QOPT_LEN) return;
  const bands = a.dv.getInt32(a.off, true);
  ctx.put("bands", bands, `bands ${bands} priomap`);
  ctx.openArray("priomap");
  for (let i = 0; i < 16; i++) {
    ctx.text(` ${a.buf[a.off + 4 + i]}`);
    ctx.json?.element(a.buf[a.off + 4 + i]);
  }
  ctx.closeArray();
  ctx.member("multiqueue", false);
}

// --- tbf ---------------------------------------------------------------------------------------------------------

const LINKLAYERS = ["unaware", "ethernet", "atm"];

interface Tbf {
  rate?: number;
  peakrate?: number;
  burst?: number;
  mtu?: number;
  limit?: number;
  latency?: number;
  mpu: number;
  overhead: number;
  linklayer: number;
}

/** "10kb" or "10kb/8": bytes and the logarithm of the cell. */
function parseSizeAndCell(text: string): number | undefined {
  return parseSize(text.split("/")[0]);
}

function addTbf(ctx: Context, kind: string, a: Args, w: NlMsgWriter): void {
  const t: Tbf = { mpu: 0, overhead: 0, linklayer: 1 };
  const bad = (key: string): never => ctx.fail(`${kind}: illegal value for "${key}": "${a.word}"\n`, 1);
  const twice = (key: string, old: number | undefined): void => {
    if (old !== undefined) ctx.fail(`${kind}: duplicate "${key}" specification\n`, 1);
  };
  const read = (key: string, old: number | undefined, parse: (s: string) => number | undefined): number => {
    a.next();
    twice(key, old);
    return parse(a.word) ?? bad(key);
  };
  for (; a.more; a.skip()) {
    const word = a.word;
    if (matches(word, "limit")) {
      t.limit = read("limit", t.limit, parseSize);
      if (t.latency !== undefined) ctx.fail(`${kind}: specifying both "limit" and "/latency" is not allowed\n`, 1);
    } else if (matches(word, "latency")) {
      a.next();
      twice("latency", t.latency);
      if (t.limit !== undefined) ctx.fail(`${kind}: specifying both "limit" and "/latency" is not allowed\n`, 1);
      t.latency = parseTime(a.word) ?? bad("latency");
    } else if (matches(word, "burst") || word === "buffer" || word === "maxburst")
      t.burst = read(word, t.burst, parseSizeAndCell);
    else if (word === "mtu" || word === "minburst") t.mtu = read(word, t.mtu, parseSizeAndCell);
    else if (word === "mpu") {
      a.next();
      t.mpu = parseSize(a.word) ?? bad("mpu");
    } else if (word === "rate") t.rate = read("rate", t.rate, parseRate);
    else if (matches(word, "peakrate")) t.peakrate = read("peakrate", t.peakrate, parseRate);
    else if (matches(word, "overhead")) {
      a.next();
      t.overhead = parseSize(a.word) ?? bad("overhead");
    } else if (matches(word, "linklayer")) {
      t.linklayer = LINKLAYERS.indexOf(a.next() === "adsl" ? "atm" : a.word);
      if (t.linklayer < 0) bad("linklayer");
    } else if (word === "help") ctx.fail(TBF_USAGE, 1);
    else ctx.fail(`${kind}: unknown parameter "${word}"\n${TBF_USAGE}`, 1);
  }
  const missing: string[] = [];
  if (!t.rate) missing.push(`${kind}: the "rate" parameter is mandatory.\n`);
  if (!t.burst) missing.push(`${kind}: the "burst" parameter is mandatory.\n`);
  if (t.peakrate && !t.mtu) missing.push(`${kind}: when "peakrate" is specified, "mtu" must also be specified.\n`);
  if (t.limit === undefined && t.latency === undefined)
    missing.push(`${kind}: either "limit" or "latency" is required.\n`);
  if (missing.length > 0) ctx.fail(missing.join("") + TBF_USAGE, 1);
  writeTbf(t, t.rate as number, t.burst as number, w);
}

function writeTbf(t: Tbf, rate: number, burst: number, w: NlMsgWriter): void {
  let limit = t.limit;
  if (limit === undefined) {
    const latency = t.latency as number;
    limit = Math.floor((rate * latency) / 1e6) + burst;
    if (t.peakrate) limit = Math.min(limit, Math.floor((t.peakrate * latency) / 1e6) + (t.mtu ?? 0));
  }
  const qopt = new Uint8Array(S.TC_TBF_QOPT_LEN);
  const dv = new DataView(qopt.buffer);
  const spec = (at: number, r: number): void => {
    qopt[at] = cellLog(t.mtu);
    qopt[at + 1] = t.linklayer;
    dv.setUint16(at + 2, t.overhead, true);
    dv.setInt16(at + 4, -1, true);
    dv.setUint16(at + 6, t.mpu, true);
    dv.setUint32(at + 8, Math.min(r, 0xffffffff), true);
  };
  spec(S.TC_TBF_QOPT_RATE, rate);
  if (t.peakrate) spec(S.TC_TBF_QOPT_PEAKRATE, t.peakrate);
  dv.setUint32(S.TC_TBF_QOPT_LIMIT, limit, true);
  dv.setUint32(S.TC_TBF_QOPT_BUFFER, transmitTicks(rate, burst), true);
  if (t.peakrate) dv.setUint32(S.TC_TBF_QOPT_MTU, transmitTicks(t.peakrate, t.mtu ?? 0), true);
  const options = nla_nest_start_noflag(w, S.TCA_OPTIONS);
  nla_put(w, S.TCA_TBF_PARMS, qopt);
  nla_put_u32(w, S.TCA_TBF_BURST, burst);
  if (rate > 0xffffffff) putU64(w, S.TCA_TBF_RATE64, rate);
  nla_put(w, S.TCA_TBF_RTAB, rateTable(rate, t));
  if (t.peakrate) {
    if (t.peakrate > 0xffffffff) putU64(w, S.TCA_TBF_PRATE64, t.peakrate);
    nla_put_u32(w, S.TCA_TBF_PBURST, t.mtu ?? 0);
    nla_put(w, S.TCA_TBF_PTAB, rateTable(t.peakrate, t));
  }
  nla_nest_end(w, options);
}

function putU64(w: NlMsgWriter, type: number, n: number): void {
  const at = nla_reserve(w, type, 8);
  w.dv.setUint32(at, n >>> 0, true);
  w.dv.setUint32(at + 4, Math.floor(n / 0x100000000), true);
}

function cellLog(mtu: number | undefined): number {
  let log = 0;
  while ((mtu ?? 2047) >> log > 255) log++;
  return log;
}

/** Ticks for packets of up to 1, 2, ... 256 cells. */
function rateTable(rate: number, t: Tbf): Uint8Array {
  const out = new Uint8Array(1024);
  const dv = new DataView(out.buffer);
  const log = cellLog(t.mtu);
  for (let i = 0; i < 256; i++) {
    let size = Math.max((i + 1) << log, t.mpu);
    if (t.linklayer === 2) size = Math.ceil(size / 48) * 53;
    dv.setUint32(4 * i, transmitTicks(rate, size), true);
  }
  return out;
}

function printTbf(ctx: Context, _kind: string, a: NlAttr): void {
  const tb = nla_parse_nested(a);
  const p = tb[S.TCA_TBF_PARMS];
  if (p === undefined || p.len < S.TC_TBF_QOPT_LEN) return;
  const u32 = (at: number): number => p.dv.getUint32(p.off + at, true);
  const spec = (at: number): { log: number; linklayer: number; overhead: number; mpu: number; rate: number } => ({
    log: p.buf[p.off + at],
    linklayer: p.buf[p.off + at + 1] & S.TC_LINKLAYER_MASK,
    overhead: p.dv.getUint16(p.off + at + 2, true),
    mpu: p.dv.getUint16(p.off + at + 6, true),
    rate: u32(at + 8),
  });
  const wide = (attr: number, rate: number): number => {
    const x = tb[attr];
    return x === undefined || x.len < 8
      ? rate
      : x.dv.getUint32(x.off, true) + x.dv.getUint32(x.off + 4, true) * 0x100000000;
  };
  const r = spec(S.TC_TBF_QOPT_RATE);
  const peak = spec(S.TC_TBF_QOPT_PEAKRATE);
  const rate = wide(S.TCA_TBF_RATE64, r.rate);
  const peakrate = wide(S.TCA_TBF_PRATE64, peak.rate);
  const details = ctx.opt.details > 0;
  const bytesOf = (ticks: number, at: number): number => Math.floor((at * ticksToUs(ticks)) / 1e6);
  ctx.put("rate", rate, `rate ${formatRate(rate, ctx.opt.iec)} `);
  const burst = bytesOf(u32(S.TC_TBF_QOPT_BUFFER), rate);
  const cell = (bytes: number, log: number): string => `${formatSize(bytes)}/${1 << (log & 0x1f)}`;
  // The kernel reports a cell of 1, whatever the table's was.
  if (details) {
    ctx.put("burst", cell(burst, r.log), `burst ${cell(burst, r.log)} `);
    ctx.put("mpu", r.mpu, `mpu ${formatSize(r.mpu)} `);
  } else ctx.put("burst", burst, `burst ${formatSize(burst)} `);
  if (peakrate !== 0) {
    ctx.text(`peakrate ${formatRate(peakrate, ctx.opt.iec)} `);
    const mtu = u32(S.TC_TBF_QOPT_MTU);
    if (mtu !== 0 || peak.mpu !== 0) {
      const minburst = bytesOf(mtu, peakrate);
      if (details) {
        ctx.put("mtu", cell(minburst, peak.log), `mtu ${cell(minburst, peak.log)} `);
        ctx.put("mpu", peak.mpu, `mpu ${formatSize(peak.mpu)} `);
      } else ctx.put("minburst", minburst, `minburst ${formatSize(minburst)} `);
    }
  }
  const limit = u32(S.TC_TBF_QOPT_LIMIT);
  let latency = (1e6 * limit) / rate - ticksToUs(u32(S.TC_TBF_QOPT_BUFFER));
  if (peakrate !== 0) latency = Math.max(latency, (1e6 * limit) / peakrate - ticksToUs(u32(S.TC_TBF_QOPT_MTU)));
  if (latency >= 0) ctx.put("lat", Math.floor(latency), `lat ${formatTime(latency)} `);
  else ctx.put("limit", limit, `limit ${formatSize(limit)} `);
  if (r.overhead !== 0) ctx.put("overhead", r.overhead, `overhead ${r.overhead} `);
  if (r.linklayer > 0 && details) {
    const name = LINKLAYERS[r.linklayer] ?? "unknown";
    ctx.put("linklayer", name, `linklayer ${name} `);
  }
}

export const QDISCS: Readonly<Record<string, Qdisc>> = {
  pfifo: { parse: addFifo, print: printFifo },
  bfifo: { parse: addFifo, print: printFifo },
  pfifo_head_drop: { parse: addFifo, print: printFifo },
  prio: { parse: addPrio, print: printPrio },
  pfifo_fast: { print: printPrio },
  tbf: { parse: addTbf, print: printTbf },
  netem: { parse: (ctx, _kind, a, w) => addNetem(ctx, a, w), print: (ctx, _kind, o) => printNetem(ctx, o) },
  mq: {},
  noqueue: {},
  ingress: { print: (ctx) => ctx.text("---------------- ") },
  clsact: { print: () => undefined },
};
