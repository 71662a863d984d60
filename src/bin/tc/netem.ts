// Options of netem: delay, loss, duplication, corruption, reordering, rate, slots.
// Read first: tc-netem(8), uapi/pkt_sched.ts. Way in: addNetem(), printNetem().

import type { NlAttr, NlMsgWriter } from "../../uapi/nlattr.ts";
import {
  nl_get_u64,
  nl_set_u64,
  nla_data,
  nla_for_each,
  nla_get_u32,
  nla_list,
  nla_nest_end,
  nla_nest_start,
  nla_put,
  nla_put_u32,
  nla_put_u64,
} from "../../uapi/nlattr.ts";
import * as S from "../../uapi/pkt_sched.ts";
import type { Args, Context } from "../iproute/context.ts";
import { distribution } from "./distribution.ts";
import {
  formatG,
  formatPercent,
  formatRate,
  formatTime,
  formatTimeNs,
  fraction,
  parseCount,
  parsePercent,
  parseRate,
  parseSize,
  parseTime,
  ticksToUs,
  usToTicks,
} from "./units.ts";
import { NETEM_USAGE } from "./usage.ts";

const FULL = 0xffffffff;

/** The words that may follow a value start with a digit or a point. */
const isNumber = (word: string): boolean => /^[0-9.]/.test(word);

export function addNetem(ctx: Context, a: Args, w: NlMsgWriter): void {
  const bad = (what: string): never => ctx.fail(`Illegal "${what}"\n`, 1);
  const percent = (what: string): number => parsePercent(a.word) ?? bad(what);
  const count = (what: string): number => parseCount(a.word) ?? bad(what);
  const more = (): boolean => a.hasNext && isNumber(a.following);
  const qopt = { latency: 0, limit: 1000, loss: 0, gap: 0, duplicate: 0, jitter: 0 };
  const corr = { delay: 0, loss: 0, dup: 0, present: false };
  let reorder: [number, number] | undefined;
  let corrupt: [number, number] | undefined;
  let rate: [number, number, number, number] | undefined;
  let state: number[] | undefined;
  let model: number[] | undefined;
  let slot: { min: number; max: number; packets: number; bytes: number; delay: number; jitter: number } | undefined;
  let table: Int16Array | undefined;
  let ecn = false;
  let seed: number | undefined;

  const loss = (): void => {
    if (a.is("random")) a.next();
    if (isNumber(a.word)) {
      qopt.loss = percent("loss percent");
      if (more()) {
        a.skip();
        corr.loss = percent("loss correllation");
        corr.present = true;
      }
    } else if (a.is("state")) {
      a.next();
      const p13 = percent("loss p13");
      const p = [p13, FULL - p13, 0, 0, FULL];
      // On the command line p23 comes before p14.
      for (const [i, name] of [
        [1, "p31"],
        [2, "p32"],
        [4, "p23"],
        [3, "p14"],
      ] as const) {
        if (!more()) break;
        a.skip();
        p[i] = percent(`loss ${name}`);
      }
      state = p;
    } else if (a.is("gemodel")) {
      a.next();
      const p = percent("loss gemodel p");
      model = [p, FULL - p, 0, 0];
      for (const [i, name] of [
        [1, "r"],
        [2, "1-h"],
        [3, "1-k"],
      ] as const) {
        if (!more()) break;
        a.skip();
        const n = percent(`loss gemodel ${name}`);
        model[i] = i === 2 ? FULL - n : n;
      }
    } else ctx.fail(`Unknown loss parameter: ${a.word}\n`, 1);
  };

  const slots = (): void => {
    slot = { min: 0, max: 0, packets: 0, bytes: 0, delay: 0, jitter: 0 };
    const time = (what: string): number => Math.round((parseTime(a.word) ?? bad(what)) * 1000);
    if (a.is("distribution")) {
      const name = a.next();
      if (!["uniform"].includes(name)) table = distribution(name);
      a.next();
      slot.delay = time("slot delay");
      a.next();
      slot.jitter = time("slot jitter");
    } else {
      slot.min = time("slot min_delay");
      slot.max = slot.min;
      if (more()) {
        a.skip();
        slot.max = time("slot max_delay");
        if (slot.max < slot.min) bad("slot max_delay");
      }
    }
    while (a.hasNext && ["packets", "bytes"].includes(a.following)) {
      a.skip();
      const key = a.word as "packets" | "bytes";
      a.next();
      slot[key] = count(`slot ${key}`);
    }
  };

  for (; a.more; a.skip()) {
    if (a.matches("limit")) {
      a.next();
      qopt.limit = parseSize(a.word) ?? bad("limit");
    } else if (a.matches("latency") || a.matches("delay")) {
      a.next();
      qopt.latency = usToTicks(parseTime(a.word) ?? bad("latency"));
      if (more()) {
        a.skip();
        qopt.jitter = usToTicks(parseTime(a.word) ?? bad("latency"));
        if (more()) {
          a.skip();
          corr.delay = percent("latency");
          corr.present = true;
        }
      }
    } else if (a.matches("loss") || a.matches("drop")) {
      a.next();
      loss();
    } else if (a.matches("ecn")) ecn = true;
    else if (a.matches("reorder")) {
      a.next();
      reorder = [percent("reorder"), 0];
      if (more()) {
        a.skip();
        reorder[1] = percent("reorder");
        corr.present = true;
      }
    } else if (a.matches("corrupt")) {
      a.next();
      corrupt = [percent("corrupt"), 0];
      if (more()) {
        a.skip();
        corrupt[1] = percent("corrupt");
        corr.present = true;
      }
    } else if (a.matches("gap")) {
      a.next();
      qopt.gap = count("gap");
    } else if (a.matches("duplicate")) {
      a.next();
      qopt.duplicate = percent("duplicate");
      if (more()) {
        // iproute2 6.1 sends this correlation only along with another one.
        a.skip();
        corr.dup = percent("duplicate");
      }
    } else if (a.matches("distribution")) {
      const name = a.next();
      if (name !== "uniform") {
        table = distribution(name);
        if (table === undefined)
          ctx.fail(
            `No distribution data for ${name} (/usr/lib/x86_64-linux-gnu/tc//${name}.dist: No such file or directory)\n`,
            1,
          );
      }
    } else if (a.matches("rate")) {
      a.next();
      rate = [parseRate(a.word) ?? bad("rate"), 0, 0, 0];
      for (const i of [1, 2, 3]) {
        if (!(a.hasNext && /^-?[0-9]/.test(a.following))) break;
        a.skip();
        const n = Number(a.word);
        if (!Number.isInteger(n)) bad("rate");
        rate[i] = n;
      }
    } else if (a.matches("slot")) {
      a.next();
      slots();
    } else if (a.is("seed")) {
      // DIFF: not in 6.1, where netem draws its own seed; here labs are repeatable.
      a.next();
      seed = count("seed");
    } else if (a.is("help")) ctx.fail(NETEM_USAGE, 1);
    else ctx.fail(`What is "${a.word}"?\n${NETEM_USAGE}`, 1);
  }

  if (reorder !== undefined && qopt.gap === 0) qopt.gap = 1;
  if (reorder !== undefined && qopt.latency === 0)
    ctx.fail(`reordering not possible without specifying some delay\n${NETEM_USAGE}`, 1);
  if (reorder === undefined && qopt.gap > 0) ctx.fail(`gap specified without reorder probability\n${NETEM_USAGE}`, 1);
  if (table !== undefined && slot === undefined && (qopt.latency === 0 || qopt.jitter === 0))
    ctx.fail(`distribution specified but no latency and jitter values\n${NETEM_USAGE}`, 1);
  if (ecn && qopt.loss === 0 && state === undefined && model === undefined)
    ctx.fail(`ecn requested without loss model\n${NETEM_USAGE}`, 1);

  const words = (...list: number[]): Uint8Array => {
    const bytes = new Uint8Array(4 * list.length);
    const dv = new DataView(bytes.buffer);
    list.forEach((n, i) => {
      dv.setUint32(4 * i, n, true);
    });
    return bytes;
  };
  const start = w.len;
  nla_put(w, S.TCA_OPTIONS, words(qopt.latency, qopt.limit, qopt.loss, qopt.gap, qopt.duplicate, qopt.jitter));
  if (corr.present) nla_put(w, S.TCA_NETEM_CORR, words(corr.delay, corr.loss, corr.dup));
  if (reorder !== undefined) nla_put(w, S.TCA_NETEM_REORDER, words(...reorder));
  if (ecn) nla_put_u32(w, S.TCA_NETEM_ECN, 1);
  if (corrupt !== undefined) nla_put(w, S.TCA_NETEM_CORRUPT, words(...corrupt));
  if (slot !== undefined) {
    const bytes = new Uint8Array(S.TC_NETEM_SLOT_LEN);
    const dv = new DataView(bytes.buffer);
    nl_set_u64(dv, 0, slot.min);
    nl_set_u64(dv, 8, slot.max);
    dv.setInt32(16, slot.packets, true);
    dv.setInt32(20, slot.bytes, true);
    nl_set_u64(dv, 24, slot.delay);
    nl_set_u64(dv, 32, slot.jitter);
    nla_put(w, S.TCA_NETEM_SLOT, bytes);
  }
  if (state !== undefined || model !== undefined) {
    const nest = nla_nest_start(w, S.TCA_NETEM_LOSS);
    if (state !== undefined) nla_put(w, S.NETEM_LOSS_GI, words(...state));
    else if (model !== undefined) nla_put(w, S.NETEM_LOSS_GE, words(...model));
    nla_nest_end(w, nest);
  }
  if (rate !== undefined) {
    if (rate[0] > FULL) nla_put_u64(w, S.TCA_NETEM_RATE64, rate[0]);
    nla_put(w, S.TCA_NETEM_RATE, words(Math.min(rate[0], FULL), rate[1], rate[2], rate[3]));
  }
  if (seed !== undefined) nla_put_u64(w, S.TCA_NETEM_PRNG_SEED, seed);
  if (table !== undefined) {
    const attr = slot === undefined ? S.TCA_NETEM_DELAY_DIST : S.TCA_NETEM_SLOT_DIST;
    nla_put(w, attr, new Uint8Array(table.buffer));
  }
  w.dv.setUint16(start, w.len - start, true);
}

// --- printing ------------------------------------------------------------------------------------------------------

export function printNetem(ctx: Context, a: NlAttr): void {
  if (a.len < S.TC_NETEM_QOPT_LEN) return;
  const u32 = (x: NlAttr, i: number): number => (4 * i + 4 <= x.len ? x.dv.getUint32(x.off + 4 * i, true) : 0);
  const list = nla_for_each(a.buf, a.dv, a.off + S.TC_NETEM_QOPT_LEN, a.len - S.TC_NETEM_QOPT_LEN);
  const attr = (type: number): NlAttr | undefined => list.find((x) => x.type === type);
  const [latency, limit, loss, gap, duplicate, jitter] = [0, 1, 2, 3, 4, 5].map((i) => u32(a, i));
  const corr = attr(S.TCA_NETEM_CORR);
  const corrOf = (i: number): number => (corr === undefined ? 0 : u32(corr, i));
  const number = (key: string, n: number): void => ctx.json?.literal(key, formatG(n));

  ctx.put("limit", limit, `limit ${limit}`);
  if (latency !== 0) {
    const us = (ticks: number): number => Math.floor(ticksToUs(ticks));
    if (ctx.json !== undefined) {
      ctx.openObject("delay");
      number("delay", us(latency) / 1e6);
      number("jitter", us(jitter) / 1e6);
      number("correlation", fraction(corrOf(0)));
      ctx.closeObject();
    } else {
      ctx.raw(` delay ${formatTime(ticksToUs(latency))}`);
      if (jitter !== 0) {
        ctx.raw(`  ${formatTime(ticksToUs(jitter))}`);
        if (corrOf(0) !== 0) ctx.raw(` ${formatPercent(corrOf(0))}`);
      }
    }
  }
  /** A chance with its correlation. */
  const chance = (object: string, key: string, word: string, p: number, c: number): void => {
    if (p === 0) return;
    if (ctx.json !== undefined) {
      ctx.openObject(object);
      number(key, fraction(p));
      number("correlation", fraction(c));
      ctx.closeObject();
    } else ctx.raw(` ${word} ${formatPercent(p)}${c !== 0 ? ` ${formatPercent(c)}` : ""}`);
  };
  const many = (object: string, word: string, rows: [string, number][]): void => {
    ctx.openObject(object);
    ctx.text(` ${word}`);
    for (const [key, p] of rows) {
      ctx.text(` ${key} ${formatPercent(p)}`);
      number(key, fraction(p));
    }
    ctx.closeObject();
  };
  chance("loss-random", "loss", "loss", loss, corrOf(1));
  for (const x of nla_list(attr(S.TCA_NETEM_LOSS))) {
    if (x.type === S.NETEM_LOSS_GI && x.len >= S.TC_NETEM_GIMODEL_LEN)
      many("loss-state", "loss state", [
        ["p13", u32(x, 0)],
        ["p31", u32(x, 1)],
        ["p32", u32(x, 2)],
        ["p23", u32(x, 4)],
        ["p14", u32(x, 3)],
      ]);
    else if (x.type === S.NETEM_LOSS_GE && x.len >= S.TC_NETEM_GEMODEL_LEN)
      many("loss-gemodel", "loss gemodel", [
        ["p", u32(x, 0)],
        ["r", u32(x, 1)],
        ["1-h", FULL - u32(x, 2)],
        ["1-k", u32(x, 3)],
      ]);
  }
  chance("duplicate", "duplicate", "duplicate", duplicate, corrOf(2));
  const reorder = attr(S.TCA_NETEM_REORDER);
  if (reorder !== undefined) chance("reorder", "reorder", "reorder", u32(reorder, 0), u32(reorder, 1));
  const corrupt = attr(S.TCA_NETEM_CORRUPT);
  if (corrupt !== undefined) chance("corrupt", "corrupt", "corrupt", u32(corrupt, 0), u32(corrupt, 1));
  printRate(ctx, attr(S.TCA_NETEM_RATE), attr(S.TCA_NETEM_RATE64));
  printSlot(ctx, attr(S.TCA_NETEM_SLOT));
  const ecn = nla_get_u32(attr(S.TCA_NETEM_ECN)) !== 0;
  ctx.member("ecn", ecn);
  if (ecn) ctx.text(" ecn ");
  ctx.member("gap", gap);
  if (gap !== 0) ctx.text(` gap ${gap}`);
}

function printRate(ctx: Context, a: NlAttr | undefined, wide: NlAttr | undefined): void {
  if (a === undefined || a.len < S.TC_NETEM_RATE_LEN) return;
  const narrow = a.dv.getUint32(a.off, true);
  const rate = wide !== undefined && wide.len >= 8 ? nl_get_u64(wide.dv, wide.off) : narrow;
  if (rate === 0) return;
  const overhead = a.dv.getInt32(a.off + 4, true);
  const cell = a.dv.getUint32(a.off + 8, true);
  const cellOverhead = a.dv.getInt32(a.off + 12, true);
  ctx.openObject("rate");
  ctx.put("rate", rate, ` rate ${formatRate(rate, ctx.opt.iec)}`);
  const put = (key: string, n: number): void => {
    if (ctx.json !== undefined) ctx.member(key, n);
    else if (n !== 0) ctx.raw(` ${key} ${n}`);
  };
  put("packetoverhead", overhead);
  put("cellsize", cell);
  put("celloverhead", cellOverhead);
  ctx.closeObject();
}

function printSlot(ctx: Context, a: NlAttr | undefined): void {
  if (a === undefined || a.len < S.TC_NETEM_SLOT_LEN) return;
  const view = nla_data(a);
  const dv = new DataView(view.buffer, view.byteOffset, view.length);
  const [min, max, delay, jitter] = [0, 8, 24, 32].map((at) => nl_get_u64(dv, at));
  const packets = dv.getInt32(16, true);
  const bytes = dv.getInt32(20, true);
  const number = (key: string, ns: number): void => ctx.json?.literal(key, formatG(ns / 1e9));
  ctx.openObject("slot");
  if (jitter > 0) {
    number("distribution-delay", delay);
    number("distribution-jitter", jitter);
    ctx.text(` slot distribution ${formatTimeNs(delay)} ${formatTimeNs(jitter)}`);
  } else {
    number("min-delay", min);
    number("max-delay", max);
    ctx.text(` slot ${formatTimeNs(min)} ${formatTimeNs(max)}`);
  }
  if (ctx.json !== undefined || packets !== 0) ctx.put("packets", packets, ` packets ${packets}`);
  if (ctx.json !== undefined || bytes !== 0) ctx.put("bytes", bytes, ` bytes ${bytes}`);
  ctx.closeObject();
}
