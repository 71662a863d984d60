// ethtool -g -G (rings), -l -L (channels), -c -C (coalescing), -a -A (pause): numbers in small structs.
// Read first: ethtool(8), uapi/ethtool.ts. Way in: the functions by the names of their options.

import { EINVAL } from "../../uapi/errno.ts";
import * as E from "../../uapi/ethtool.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { print, printError } from "../lib/io.ts";
import { type Context, netlinkError, parsePairs, Request } from "./ioctl.ts";

/** A parameter that the device does not have shows as "n/a": the kernel tells by a maximum of 0. */
const orNone = (value: number, max: number): string => (max === 0 ? "n/a" : String(value));

export function* showRings(c: Context): Blocking<number> {
  const r = new Request(c.dev, E.ETHTOOL_GRINGPARAM, E.RINGPARAM_LEN);
  const err = r.send(c);
  if (err < 0) return yield* netlinkError(c, err, 1);
  const block = (from: number): string => {
    const show = (i: number): string => orNone(r.get(from + i * 4), r.get(E.RING_RX_MAX + i * 4));
    return `RX:\t\t${show(0)}\nRX Mini:\t${show(1)}\nRX Jumbo:\t${show(2)}\nTX:\t\t${show(3)}\n`;
  };
  let text = `Ring parameters for ${c.dev}:\nPre-set maximums:\n${block(E.RING_RX_MAX)}`;
  text += `Current hardware settings:\n${block(E.RING_RX)}`;
  text += "RX Buf Len:\t\tn/a\nCQE Size:\t\tn/a\nTX Push:\toff\nTCP data split:\tn/a\n";
  yield* print(c.sys, text);
  return 0;
}

const RING_NAMES = { rx: E.RING_RX, "rx-mini": E.RING_RX_MINI, "rx-jumbo": E.RING_RX_JUMBO, tx: E.RING_TX };

export function* changeRings(c: Context, words: readonly string[]): Blocking<number> {
  return yield* change(c, "-G", words, {
    get: E.ETHTOOL_GRINGPARAM,
    set: E.ETHTOOL_SRINGPARAM,
    length: E.RINGPARAM_LEN,
    names: RING_NAMES,
    status: 81,
    exceeds: (r, field) => r.get(field) > r.get(field - E.RING_RX + E.RING_RX_MAX),
    complaint: "requested ring size exceeds maximum",
  });
}

export function* showChannels(c: Context): Blocking<number> {
  const r = new Request(c.dev, E.ETHTOOL_GCHANNELS, E.CHANNELS_LEN);
  const err = r.send(c);
  if (err < 0) return yield* netlinkError(c, err, 1);
  const block = (from: number): string => {
    const show = (i: number): string => orNone(r.get(from + i * 4), r.get(E.CHAN_MAX_RX + i * 4));
    return `RX:\t\t${show(0)}\nTX:\t\t${show(1)}\nOther:\t\t${show(2)}\nCombined:\t${show(3)}\n`;
  };
  let text = `Channel parameters for ${c.dev}:\nPre-set maximums:\n${block(E.CHAN_MAX_RX)}`;
  text += `Current hardware settings:\n${block(E.CHAN_RX)}`;
  yield* print(c.sys, text);
  return 0;
}

const CHANNEL_NAMES = { rx: E.CHAN_RX, tx: E.CHAN_TX, other: E.CHAN_OTHER, combined: E.CHAN_COMBINED };

export function* changeChannels(c: Context, words: readonly string[]): Blocking<number> {
  return yield* change(c, "-L", words, {
    get: E.ETHTOOL_GCHANNELS,
    set: E.ETHTOOL_SCHANNELS,
    length: E.CHANNELS_LEN,
    names: CHANNEL_NAMES,
    status: 1,
    exceeds: (r, field) => r.get(field) > r.get(field - E.CHAN_RX + E.CHAN_MAX_RX),
    complaint: "requested channel count exceeds maximum",
  });
}

const COALESCE_NAMES: Readonly<Record<string, number>> = {
  "adaptive-rx": E.COAL_USE_ADAPTIVE_RX,
  "adaptive-tx": E.COAL_USE_ADAPTIVE_TX,
  "sample-interval": E.COAL_RATE_SAMPLE_INTERVAL,
  "stats-block-usecs": E.COAL_STATS_BLOCK_USECS,
  "pkt-rate-low": E.COAL_PKT_RATE_LOW,
  "pkt-rate-high": E.COAL_PKT_RATE_HIGH,
  "rx-usecs": E.COAL_RX_USECS,
  "rx-frames": E.COAL_RX_FRAMES,
  "rx-usecs-irq": E.COAL_RX_USECS_IRQ,
  "rx-frames-irq": E.COAL_RX_FRAMES_IRQ,
  "tx-usecs": E.COAL_TX_USECS,
  "tx-frames": E.COAL_TX_FRAMES,
  "tx-usecs-irq": E.COAL_TX_USECS_IRQ,
  "tx-frames-irq": E.COAL_TX_FRAMES_IRQ,
  "rx-usecs-low": E.COAL_RX_USECS_LOW,
  "rx-frames-low": E.COAL_RX_FRAMES_LOW,
  "tx-usecs-low": E.COAL_TX_USECS_LOW,
  "tx-frames-low": E.COAL_TX_FRAMES_LOW,
  "rx-usecs-high": E.COAL_RX_USECS_HIGH,
  "rx-frames-high": E.COAL_RX_FRAMES_HIGH,
  "tx-usecs-high": E.COAL_TX_USECS_HIGH,
  "tx-frames-high": E.COAL_TX_FRAMES_HIGH,
};

/** Over netlink the kernel leaves out what the driver cannot set. The ioctl does not tell: what is 0 counts as absent. */
const ALWAYS_THERE: readonly number[] = [E.COAL_RX_USECS, E.COAL_TX_USECS];

export function* showCoalesce(c: Context): Blocking<number> {
  const r = new Request(c.dev, E.ETHTOOL_GCOALESCE, E.COALESCE_LEN);
  const err = r.send(c);
  if (err < 0) return yield* netlinkError(c, err, 1);
  const show = (field: number): string =>
    r.get(field) === 0 && !ALWAYS_THERE.includes(field) ? "n/a" : String(r.get(field));
  const onOff = (field: number): string => (r.get(field) === 0 ? "n/a" : "on");
  let text = `Coalesce parameters for ${c.dev}:\n`;
  text += `Adaptive RX: ${onOff(E.COAL_USE_ADAPTIVE_RX)}  TX: ${onOff(E.COAL_USE_ADAPTIVE_TX)}\n`;
  text += `stats-block-usecs: ${show(E.COAL_STATS_BLOCK_USECS)}\n`;
  text += `sample-interval: ${show(E.COAL_RATE_SAMPLE_INTERVAL)}\n`;
  text += `pkt-rate-low: ${show(E.COAL_PKT_RATE_LOW)}\npkt-rate-high: ${show(E.COAL_PKT_RATE_HIGH)}\n\n`;
  const four = (prefix: string, suffix: string, at: number): string =>
    `${prefix}-usecs${suffix}: ${show(at)}\n${prefix}-frames${suffix}: ${show(at + 4)}\n`;
  text += `${four("rx", "", E.COAL_RX_USECS)}${four("rx", "-irq", E.COAL_RX_USECS_IRQ)}\n`;
  text += `${four("tx", "", E.COAL_TX_USECS)}${four("tx", "-irq", E.COAL_TX_USECS_IRQ)}\n`;
  for (const [name, rx, tx] of [
    ["low", E.COAL_RX_USECS_LOW, E.COAL_TX_USECS_LOW],
    ["high", E.COAL_RX_USECS_HIGH, E.COAL_TX_USECS_HIGH],
  ] as const) {
    text += `rx-usecs-${name}: ${show(rx)}\nrx-frame-${name}: ${show(rx + 4)}\n`;
    text += `tx-usecs-${name}: ${show(tx)}\ntx-frame-${name}: ${show(tx + 4)}\n\n`;
  }
  yield* print(c.sys, `${text}CQE mode RX: n/a  TX: n/a\n\n`);
  return 0;
}

export function* changeCoalesce(c: Context, words: readonly string[]): Blocking<number> {
  return yield* change(c, "-C", words, {
    get: E.ETHTOOL_GCOALESCE,
    set: E.ETHTOOL_SCOALESCE,
    length: E.COALESCE_LEN,
    names: COALESCE_NAMES,
    kinds: { "adaptive-rx": "bool", "adaptive-tx": "bool" },
    status: 1,
    complaint: "",
  });
}

export function* showPause(c: Context): Blocking<number> {
  const r = new Request(c.dev, E.ETHTOOL_GPAUSEPARAM, E.PAUSEPARAM_LEN);
  const err = r.send(c);
  if (err < 0) {
    if (c.json) yield* print(c.sys, "[ ]\n");
    return yield* netlinkError(c, err, 1);
  }
  const on = (at: number): boolean => r.get(at) !== 0;
  if (c.json) {
    const fields = [
      `"ifname": "${c.dev}"`,
      `"autonegotiate": ${on(E.PAUSE_AUTONEG)}`,
      `"rx": ${on(E.PAUSE_RX)}`,
      `"tx": ${on(E.PAUSE_TX)}`,
    ];
    yield* print(c.sys, `[ {\n${fields.map((f) => `        ${f}`).join(",\n")}\n    } ]\n`);
    return 0;
  }
  const word = (at: number): string => (on(at) ? "on" : "off");
  let text = `Pause parameters for ${c.dev}:\nAutonegotiate:\t${word(E.PAUSE_AUTONEG)}\n`;
  text += `RX:\t\t${word(E.PAUSE_RX)}\nTX:\t\t${word(E.PAUSE_TX)}\n\n`;
  yield* print(c.sys, text);
  return 0;
}

export function* changePause(c: Context, words: readonly string[]): Blocking<number> {
  return yield* change(c, "-A", words, {
    get: E.ETHTOOL_GPAUSEPARAM,
    set: E.ETHTOOL_SPAUSEPARAM,
    length: E.PAUSEPARAM_LEN,
    names: { autoneg: E.PAUSE_AUTONEG, rx: E.PAUSE_RX, tx: E.PAUSE_TX },
    kinds: { autoneg: "bool", rx: "bool", tx: "bool" },
    status: 76,
    complaint: "",
  });
}

interface Change {
  get: number;
  set: number;
  length: number;
  names: Readonly<Record<string, number>>;
  kinds?: Readonly<Record<string, "bool">>;
  /** Exit status of a refusal. */
  status: number;
  exceeds?(r: Request, field: number): boolean;
  complaint: string;
}

/** Reads the struct, changes what was named, writes it back when it differs. */
function* change(c: Context, option: string, words: readonly string[], how: Change): Blocking<number> {
  const pairs = parsePairs(option, words, how.names, how.kinds);
  if (typeof pairs === "string") {
    yield* printError(c.sys, pairs);
    return 1;
  }
  const r = new Request(c.dev, how.get, how.length);
  let err = r.send(c);
  if (err < 0) return yield* netlinkError(c, err, how.status);
  let changed = false;
  // Where the attribute would stand in the netlink message: behind the header with the padded device name.
  let offset = 28 + ((c.dev.length + 4) & ~3);
  for (const [field, value] of pairs) {
    if (r.get(field) !== value) changed = true;
    r.set(field, value);
    if (how.exceeds?.(r, field)) {
      return yield* netlinkError(c, -EINVAL, how.status, `${how.complaint} (offset ${offset})`);
    }
    offset += 8;
  }
  if (!changed) return 0;
  r.set(0, how.set);
  err = r.send(c);
  return err < 0 ? yield* netlinkError(c, err, how.status) : 0;
}
