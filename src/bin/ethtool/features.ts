// ethtool -k and -K. Read first: ethtool(8), uapi/netdev_features.ts. Way in: showFeatures(), changeFeatures().

import { EOPNOTSUPP } from "../../uapi/errno.ts";
import * as E from "../../uapi/ethtool.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { print, printError } from "../lib/io.ts";
import { type Context, netlinkError, Request } from "./ioctl.ts";

interface Feature {
  name: string;
  available: boolean;
  requested: boolean;
  active: boolean;
  fixed: boolean;
}

/** The names from before features had names of their own, their short forms, and what they stand for. */
const LEGACY: readonly (readonly [string, string, RegExp])[] = [
  ["rx-checksumming", "rx", /^rx-checksum$/],
  ["tx-checksumming", "tx", /^tx-checksum-/],
  ["scatter-gather", "sg", /^tx-scatter-gather/],
  ["tcp-segmentation-offload", "tso", /^tx-tcp.*-segmentation$/],
  ["generic-segmentation-offload", "gso", /^tx-generic-segmentation$/],
  ["generic-receive-offload", "gro", /^rx-gro$/],
  ["large-receive-offload", "lro", /^rx-lro$/],
  ["rx-vlan-offload", "rxvlan", /^rx-vlan-hw-parse$/],
  ["tx-vlan-offload", "txvlan", /^tx-vlan-hw-insert$/],
  ["ntuple-filters", "ntuple", /^rx-ntuple-filter$/],
  ["receive-hashing", "rxhash", /^rx-hashing$/],
];

/** Names of a string set, or -errno. */
export function stringSet(c: Context, set: number): string[] | number {
  const info = new Request(c.dev, E.ETHTOOL_GSSET_INFO, E.SSET_INFO_DATA + 4);
  info.set64(E.SSET_INFO_MASK, 1 << set);
  let err = info.send(c);
  if (err < 0) return err;
  const count = info.get(E.SSET_INFO_MASK) === 0 ? 0 : info.get(E.SSET_INFO_DATA);
  const strings = new Request(c.dev, E.ETHTOOL_GSTRINGS, E.GSTRINGS_DATA + count * E.ETH_GSTRING_LEN);
  strings.set(E.GSTRINGS_SET, set);
  strings.set(E.GSTRINGS_COUNT, count);
  err = count === 0 ? 0 : strings.send(c);
  if (err < 0) return err;
  return Array.from({ length: count }, (_, i) =>
    strings.text(E.GSTRINGS_DATA + i * E.ETH_GSTRING_LEN, E.ETH_GSTRING_LEN),
  );
}

/** JSON as ethtool lays it out: one object with the name and these members. */
export const showList = (dev: string, members: readonly string[]): string =>
  `[ {\n        "ifname": "${dev}",\n${members.join(",\n")}\n    } ]\n`;

function readFeatures(c: Context): Feature[] | number {
  const names = stringSet(c, E.ETH_SS_FEATURES);
  if (typeof names === "number") return names;
  const blocks = (names.length + 31) >> 5;
  const req = new Request(c.dev, E.ETHTOOL_GFEATURES, E.FEATURES_DATA + blocks * E.GFEATURES_BLOCK);
  req.set(E.FEATURES_SIZE, blocks);
  const err = req.send(c);
  if (err < 0) return err;
  return names.map((name, i) => {
    const bit = (word: number): boolean =>
      ((req.get(E.FEATURES_DATA + (i >> 5) * E.GFEATURES_BLOCK + word * 4) >>> (i & 31)) & 1) !== 0;
    return { name, available: bit(0), requested: bit(1), active: bit(2), fixed: !bit(0) || bit(3) };
  });
}

export function* showFeatures(c: Context): Blocking<number> {
  const features = readFeatures(c);
  if (typeof features === "number") {
    if (c.json) yield* print(c.sys, "[ ]\n");
    return yield* netlinkError(c, features, 1);
  }
  const lines: { name: string; indent: boolean; on: boolean; f: Feature | undefined }[] = [];
  const done = new Set<Feature>();
  for (const [title, , pattern] of LEGACY) {
    const parts = features.filter((f) => pattern.test(f.name));
    if (parts.length === 0) continue;
    const on = parts.some((f) => f.active);
    lines.push({ name: title, indent: false, on, f: parts.length === 1 ? parts[0] : undefined });
    if (parts.length > 1) for (const f of parts) lines.push({ name: f.name, indent: true, on: f.active, f });
    for (const f of parts) done.add(f);
  }
  for (const f of features) {
    if (f.name !== "" && !done.has(f)) lines.push({ name: f.name, indent: false, on: f.active, f });
  }
  if (c.json) {
    const entries = lines.map(({ name, on, f }) => {
      const fields = [
        `"active": ${on}`,
        `"fixed": ${f === undefined ? null : f.fixed}`,
        `"requested": ${f === undefined ? null : f.requested}`,
      ];
      return `        "${name}": {\n${fields.map((x) => `            ${x}`).join(",\n")}\n        }`;
    });
    yield* print(c.sys, showList(c.dev, entries));
    return 0;
  }
  let text = `Features for ${c.dev}:\n`;
  for (const { name, indent, on, f } of lines) {
    text += `${indent ? "\t" : ""}${name}: ${on ? "on" : "off"}`;
    if (f?.fixed) text += " [fixed]";
    else if (f !== undefined && f.requested !== f.active) text += ` [requested ${f.requested ? "on" : "off"}]`;
    text += "\n";
  }
  yield* print(c.sys, text);
  return 0;
}

export function* changeFeatures(c: Context, words: readonly string[]): Blocking<number> {
  if (words.length === 0) {
    yield* printError(c.sys, "Could not change any device features\n");
    return 1;
  }
  const before = readFeatures(c);
  if (typeof before === "number") return yield* netlinkError(c, before, 92);
  const wanted = new Map<number, boolean>();
  for (let i = 0; i < words.length; i += 2) {
    const value = words[i + 1];
    if (value !== "on" && value !== "off") {
      const shown = value ?? "(null)";
      const text = `ethtool (-K): flag '${shown}' for parameter '(null)' is not followed by 'on' or 'off'\n`;
      yield* printError(c.sys, text);
      return 1;
    }
    const legacy = LEGACY.find(([long, short]) => long === words[i] || short === words[i]);
    const bits = before.flatMap((f, k) => ((legacy ? legacy[2].test(f.name) : f.name === words[i]) ? [k] : []));
    if (bits.length === 0) {
      const offset = 48 + ((c.dev.length + 4) & ~3);
      return yield* netlinkError(c, -EOPNOTSUPP, 92, `bit name not found (offset ${offset})`);
    }
    for (const bit of bits) wanted.set(bit, value === "on");
  }
  const blocks = (before.length + 31) >> 5;
  const req = new Request(c.dev, E.ETHTOOL_SFEATURES, E.FEATURES_DATA + blocks * E.SFEATURES_BLOCK);
  req.set(E.FEATURES_SIZE, blocks);
  for (const [bit, on] of wanted) {
    // The kernel refuses to be asked for what cannot be had.
    if (!before[bit].available) continue;
    const at = E.FEATURES_DATA + (bit >> 5) * E.SFEATURES_BLOCK;
    req.set(at, req.get(at) | (1 << (bit & 31)));
    if (on) req.set(at + 4, req.get(at + 4) | (1 << (bit & 31)));
  }
  const err = req.send(c);
  if (err < 0) return yield* netlinkError(c, err, 92);
  const after = readFeatures(c);
  if (typeof after === "number") return yield* netlinkError(c, after, 92);

  let text = "";
  let surprise = false;
  let unmet = 0;
  for (let i = 0; i < after.length; i++) {
    const want = wanted.get(i);
    const changed = after[i].active !== before[i].active;
    const missed = want !== undefined && want !== after[i].active;
    if (missed) unmet++;
    if (!changed && !missed) continue;
    if (missed || want === undefined) surprise = true;
    text += `${after[i].name}: ${after[i].active ? "on" : "off"}`;
    if (missed) text += ` [requested ${want ? "on" : "off"}]`;
    else if (want === undefined) text += " [not requested]";
    text += "\n";
  }
  if (surprise) yield* print(c.sys, `Actual changes:\n${text}`);
  if (unmet < wanted.size || unmet === 0) return 0;
  yield* printError(c.sys, "Could not change any device features\n");
  return 1;
}
