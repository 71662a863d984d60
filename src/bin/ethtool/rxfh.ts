// ethtool -x and -X (receive hashing: the indirection table and the key).
// Read first: ethtool(8). Way in: showRxfh(), changeRxfh().

import * as E from "../../uapi/ethtool.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { macNtoa } from "../lib/inet.ts";
import { print, printError } from "../lib/io.ts";
import { badArguments, type Context, cannot, integer, Request } from "./ioctl.ts";

const HASH_FUNCTIONS = ["toeplitz", "xor", "crc32"];
const COLUMNS = 8;

export function ringCount(c: Context): number {
  const r = new Request(c.dev, E.ETHTOOL_GRXRINGS, E.RXNFC_LEN);
  const err = r.send(c);
  return err < 0 ? err : r.get64(E.RXNFC_DATA);
}

/** The table and key as the kernel has them, or -errno. */
function readRxfh(c: Context): Request | number {
  const sizes = new Request(c.dev, E.ETHTOOL_GRSSH, E.RXFH_CONFIG);
  let err = sizes.send(c);
  if (err < 0) return err;
  const indir = sizes.get(E.RXFH_INDIR_SIZE);
  const key = sizes.get(E.RXFH_KEY_SIZE);
  const r = new Request(c.dev, E.ETHTOOL_GRSSH, E.RXFH_CONFIG + indir * 4 + key);
  r.set(E.RXFH_INDIR_SIZE, indir);
  r.set(E.RXFH_KEY_SIZE, key);
  err = r.send(c);
  return err < 0 ? err : r;
}

export function* showRxfh(c: Context): Blocking<number> {
  const rings = ringCount(c);
  if (rings < 0) return yield* cannot(c, "get RX ring count", rings, 1);
  const r = readRxfh(c);
  if (typeof r === "number") return yield* cannot(c, "get RX flow hash indir size and/or key size", r, 1);
  const indir = r.get(E.RXFH_INDIR_SIZE);
  const key = r.get(E.RXFH_KEY_SIZE);
  let text = `RX flow hash indirection table for ${c.dev} with ${rings} RX ring(s):\n`;
  if (indir === 0) text += "Operation not supported\n";
  for (let i = 0; i < indir; i++) {
    if (i % COLUMNS === 0) text += `${String(i).padStart(5)}: `;
    text += ` ${String(r.get(E.RXFH_CONFIG + i * 4)).padStart(5)}`;
    if (i % COLUMNS === COLUMNS - 1 || i === indir - 1) text += "\n";
  }
  text += "RSS hash key:\n";
  if (key === 0) text += "Operation not supported\n";
  else {
    text += `${macNtoa(r.data(E.RXFH_CONFIG + indir * 4, key), 0, key)}\n`;
  }
  const functions = r.get8(E.RXFH_HFUNC);
  text += "RSS hash function:\n";
  if (functions === 0) text += "    Operation not supported\n";
  else HASH_FUNCTIONS.forEach((name, i) => void (text += `    ${name}: ${(functions >> i) & 1 ? "on" : "off"}\n`));
  yield* print(c.sys, text);
  return 0;
}

export function* changeRxfh(c: Context, words: readonly string[]): Blocking<number> {
  let equal = 0;
  let start = 0;
  let weights: number[] = [];
  let key: number[] = [];
  let hfunc = 0;
  let reset = false;
  if (words.length === 0) return yield* badArguments(c.sys);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === "equal") equal = integer(words[++i] ?? "");
    else if (word === "start") start = integer(words[++i] ?? "");
    else if (word === "default") reset = true;
    else if (word === "hfunc") hfunc = 1 << HASH_FUNCTIONS.indexOf(words[++i] ?? "");
    else if (word === "hkey") key = (words[++i] ?? "").split(":").map((h) => Number.parseInt(h, 16));
    else if (word === "weight") {
      while (words[i + 1] !== undefined && /^\d+$/.test(words[i + 1])) weights.push(Number(words[++i]));
    } else return yield* badArguments(c.sys);
  }
  if (Number.isNaN(equal) || Number.isNaN(start) || key.some((b) => Number.isNaN(b) || b > 255)) {
    return yield* badArguments(c.sys);
  }
  const rings = ringCount(c);
  if (rings < 0) return yield* cannot(c, "get RX ring count", rings, 1);
  const now = readRxfh(c);
  if (typeof now === "number") return yield* cannot(c, "get RX flow hash indir size and/or key size", now, 1);
  const size = now.get(E.RXFH_INDIR_SIZE);
  if (key.length > 0 && key.length !== now.get(E.RXFH_KEY_SIZE)) {
    const text =
      key.length < now.get(E.RXFH_KEY_SIZE)
        ? `Key is too short for device (${key.length} < ${now.get(E.RXFH_KEY_SIZE)})\n`
        : `Key is too long for device (${key.length} > ${now.get(E.RXFH_KEY_SIZE)})\n`;
    yield* printError(c.sys, text);
    return 1;
  }
  if (equal > 0) weights = Array(equal).fill(1);
  const total = weights.reduce((a, b) => a + b, 0);
  if (weights.length > 0 && total === 0) {
    yield* printError(c.sys, "At least one weight must be non-zero\n");
    return 1;
  }
  if (total > size) {
    yield* printError(c.sys, "Total weight exceeds the size of the indirection table\n");
    return 1;
  }
  const entries = weights.length > 0 ? size : 0;
  const r = new Request(c.dev, E.ETHTOOL_SRSSH, E.RXFH_CONFIG + entries * 4 + key.length);
  // A size of 0 in a set gives the table its default back; this one leaves it alone.
  r.set(E.RXFH_INDIR_SIZE, reset ? 0 : entries === 0 ? E.RXFH_INDIR_NO_CHANGE : entries);
  r.set(E.RXFH_KEY_SIZE, key.length);
  r.set8(E.RXFH_HFUNC, hfunc);
  for (let i = 0; i < entries; i++) r.set(E.RXFH_CONFIG + i * 4, start + ring(weights, total, i, entries, equal > 0));
  key.forEach((b, i) => void r.set8(E.RXFH_CONFIG + entries * 4 + i, b));
  const err = r.send(c);
  return err < 0 ? yield* cannot(c, "set RX flow hash configuration", err, 1) : 0;
}

/** Equal shares go round robin; weights get blocks of the table in their proportion. */
function ring(weights: readonly number[], total: number, i: number, entries: number, roundRobin: boolean): number {
  if (roundRobin) return i % weights.length;
  let sum = 0;
  for (let k = 0; k < weights.length; k++) {
    sum += weights[k];
    if (i * total < sum * entries) return k;
  }
  return weights.length - 1;
}
