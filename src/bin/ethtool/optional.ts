// ethtool: what a driver may have and none here has: Energy-Efficient Ethernet, private flags, FEC, pluggable modules, cable tests,
// tunnel offloads, settings per queue, statistics by group. The command line is checked, then the kernel says why not.
// Read first: ethtool(8). DIFF: Debian's ethtool asks over generic netlink, where some of these have no ioctl; see ask().

import { EINVAL, EOPNOTSUPP } from "../../uapi/errno.ts";
import * as E from "../../uapi/ethtool.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { print, printError } from "../lib/io.ts";
import { showList } from "./features.ts";
import { badArguments, type Context, cannot, netlinkError, parsePairs, Request } from "./ioctl.ts";

/** 0 when the device exists: what can be asked of every one. */
function exists(c: Context): number {
  const r = new Request(c.dev, E.ETHTOOL_GPERMADDR, E.PERMADDR_DATA + 32);
  r.set(E.PERMADDR_SIZE, 32);
  return r.send(c);
}

/** Asks by the ioctl, or where netlink alone has the command answers as the kernel does for a driver without it. */
const ask = (c: Context, cmd: number | null): number =>
  cmd !== null ? new Request(c.dev, cmd, 64).send(c) : exists(c) || -EOPNOTSUPP;

type Kinds = Readonly<Record<string, "bool" | readonly string[]>>;

/** Pairs of -m, --set-eee and the like; an exit status when one is wrong or there must be some and are none. */
function* checked(c: Context, option: string, words: readonly string[], names: string, kinds: Kinds, some: boolean) {
  const fields = Object.fromEntries(names.split(" ").map((name, i) => [name, i]));
  const found = parsePairs(option, words, fields, kinds);
  if (typeof found !== "string" && (found.size > 0 || !some)) return found;
  yield* printError(c.sys, typeof found === "string" ? found : `ethtool (${option}): parameters missing\n`);
  return 1;
}

/** A command that shows: its ioctl, or null. */
export const shows = (cmd: number | null) =>
  function* (c: Context): Blocking<number> {
    return yield* netlinkError(c, ask(c, cmd), 1);
  };

export function* showTunnels(c: Context): Blocking<number> {
  const err = ask(c, null);
  return yield* netlinkError(c, err, 1, err === -EOPNOTSUPP ? "device does not report tunnel offload info" : "");
}

export function* changeEee(c: Context, words: readonly string[]): Blocking<number> {
  const kinds: Kinds = { eee: "bool", "tx-lpi": "bool" };
  const want = yield* checked(c, "--set-eee", words, "eee advertise tx-lpi tx-timer", kinds, true);
  return typeof want === "number" ? want : yield* netlinkError(c, ask(c, E.ETHTOOL_GEEE), 76);
}

export function* changePrivateFlags(c: Context, words: readonly string[]): Blocking<number> {
  for (let i = 0; i < words.length; i += 2) {
    if (words[i + 1] === "on" || words[i + 1] === "off") continue;
    const shown = words[i + 1] ?? words[i];
    const text = `flag '${shown}' for parameter '(null)' is not followed by 'on' or 'off'`;
    yield* printError(c.sys, `ethtool (--set-priv-flags): ${text}\n`);
    return 1;
  }
  return yield* netlinkError(c, ask(c, E.ETHTOOL_GPFLAGS), 1);
}

export function* changeFec(c: Context, words: readonly string[]): Blocking<number> {
  const [name, ...modes] = words;
  const complain = function* (text: string): Blocking<number> {
    yield* printError(c.sys, `ethtool (--set-fec): ${text}\n`);
    return 1;
  };
  if (name === undefined) return yield* complain("parameters missing");
  if (name !== "encoding") return yield* complain(`unknown parameter '${name}'`);
  if (modes.length === 0) return yield* complain("no value for parameter 'encoding'");
  return yield* netlinkError(c, ask(c, E.ETHTOOL_GFECPARAM), 83);
}

// --- modules and cables -------------------------------------------------------------------------------------------

const HALF_PAGE = 128;

export function* showModuleEeprom(c: Context, words: readonly string[]): Blocking<number> {
  const kinds: Kinds = { raw: "bool", hex: "bool" };
  const want = yield* checked(c, "-m", words, "raw hex offset length page bank i2c", kinds, false);
  if (typeof want === "number") return want;
  const [raw, hex, offset, length] = [0, 1, 2, 3].map((field) => want.get(field));
  const err = ask(c, E.ETHTOOL_GMODULEINFO);
  if (raw === 1 || hex === 1) return yield* cannot(c, "get module EEPROM information", err, 1);
  const [from, bytes] = [offset ?? 0, length ?? HALF_PAGE];
  if (err === -EOPNOTSUPP && offset !== undefined && from < HALF_PAGE && from + bytes > HALF_PAGE) {
    return yield* netlinkError(c, -EINVAL, 1, `reading cross half page boundary is illegal (offset ${attributeAt(c)})`);
  }
  return yield* netlinkError(c, err, 1);
}

/** Where the first attribute behind the device's name is in a message of ethtool's netlink. */
const attributeAt = (c: Context): number => 28 + ((c.dev.length + 4) & ~3);

export function* showModule(c: Context): Blocking<number> {
  const err = exists(c);
  if (err < 0) return yield* netlinkError(c, err, 1);
  yield* print(c.sys, `Module parameters for ${c.dev}:\n`);
  return 0;
}

export function* changeModule(c: Context, words: readonly string[]): Blocking<number> {
  const kinds: Kinds = { "power-mode-policy": ["high", "auto"] };
  const want = yield* checked(c, "--set-module", words, "power-mode-policy", kinds, true);
  if (typeof want === "number") return want;
  const err = ask(c, null);
  const why = `Setting power mode policy is not supported by this device (offset ${attributeAt(c)})`;
  return yield* netlinkError(c, err, 83, err === -EOPNOTSUPP ? why : "");
}

export function* testCableTdr(c: Context, words: readonly string[]): Blocking<number> {
  const want = yield* checked(c, "--cable-test-tdr", words, "first last step pair", {}, false);
  return typeof want === "number" ? want : yield* netlinkError(c, ask(c, null), 1);
}

// --- by queue, by group -------------------------------------------------------------------------------------------

/** -Q: one of two commands for some queues, both refused. */
export function* perQueue(c: Context, words: readonly string[]): Blocking<number> {
  let rest = words;
  if (words.length === 0) return yield* badArguments(c.sys);
  if (words[0] === "queue_mask") {
    if (!/^(0x)?[0-9a-fA-F]+$/.test(words[1] ?? "")) {
      yield* print(c.sys, "Invalid queue mask\n");
      return 255;
    }
    rest = words.slice(2);
    if (rest.length === 0) return yield* badArguments(c.sys);
  } else {
    const r = new Request(c.dev, E.ETHTOOL_GCHANNELS, E.CHANNELS_LEN);
    const err = r.send(c);
    if (err < 0) return yield* cannot(c, "get number of queues", err, 242);
    const n = Math.max(r.get(E.CHAN_RX), r.get(E.CHAN_TX)) + r.get(E.CHAN_COMBINED);
    yield* print(c.sys, `The sub commands will be applied to all ${n} queues\n`);
  }
  if (!["--show-coalesce", "--coalesce", "-c", "-C"].includes(rest[0])) return yield* badArguments(c.sys);
  yield* cannot(c, "get device per queue parameters", ask(c, E.ETHTOOL_PERQUEUE), 242);
  return yield* cannot(c, "get device per queue parameters", -EINVAL, 242);
}

const GROUPS = ["eth-phy", "eth-mac", "eth-ctrl", "rmon", "phydev"];

/** -S with --groups or --all-groups: the standard counters, of which drivers here keep none. */
export function* showGroups(c: Context, words: readonly string[]): Blocking<number> {
  const [option, ...names] = words;
  if (option !== "--all-groups" && option !== "--groups") {
    yield* printError(c.sys, `ethtool (-S): unknown parameter '${option}'\n`);
    return 1;
  }
  if (option === "--groups" && names.length === 0) {
    yield* printError(c.sys, "ethtool (-S): no value for parameter '--groups'\n");
    return 1;
  }
  const err = exists(c);
  if (err < 0) return yield* netlinkError(c, err, 1);
  const wanted = option === "--all-groups" ? GROUPS : names;
  // In the message each name is a nest of its own, behind the header and three nests.
  let offset = attributeAt(c) + 16;
  for (const name of wanted) {
    if (!GROUPS.includes(name)) return yield* netlinkError(c, -EOPNOTSUPP, 1, `bit name not found (offset ${offset})`);
    offset += 8 + ((name.length + 4) & ~3);
  }
  const shown = GROUPS.filter((g) => wanted.includes(g)).map((g) => `        "${g}": {}`);
  yield* print(c.sys, c.json ? showList(c.dev, shown) : `Standard stats for ${c.dev}:\n`);
  return 0;
}
