// ethtool -e, -E (EEPROM), -d (registers), -f, -w, -W (firmware), --reset, tunables of the driver and of the PHY.
// Read first: ethtool(8). Way in: showEeprom(), showRegisters(), …

import { strerror } from "../../uapi/errno.ts";
import * as E from "../../uapi/ethtool.ts";
import { O_RDONLY } from "../../uapi/fcntl.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { print, printError, readAll, writeAll } from "../lib/io.ts";
import { igbRegisters } from "./igb_regs.ts";
import { badArguments, type Context, cannot, integer, Request } from "./ioctl.ts";

const STDIN = 0;
const ROW = 16;

const hex = (v: number, digits: number): string => v.toString(16).padStart(digits, "0");

/** Bytes as -e shows them, and -d where nothing knows the registers. */
function hexDump(bytes: Uint8Array, offset: number): string {
  let text = "Offset\t\tValues\n------\t\t------";
  bytes.forEach((b, i) => void (text += `${i % ROW === 0 ? `\n0x${hex(offset + i, 4)}:\t\t` : ""}${hex(b, 2)} `));
  return `${text}\n`;
}

/** "name value" pairs where any mistake gets the same answer; undefined then. */
function pairs(
  words: readonly string[],
  kinds: Readonly<Record<string, "number" | "switch" | "text">>,
): Map<string, number | string> | undefined {
  const out = new Map<string, number | string>();
  for (let i = 0; i < words.length; i += 2) {
    const [name, value] = [words[i], words[i + 1]];
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined || value === undefined) return undefined;
    const v =
      kind === "text" ? value : kind === "number" ? integer(value) : value === "on" ? 1 : value === "off" ? 0 : NaN;
    if (Number.isNaN(v)) return undefined;
    out.set(name, v);
  }
  return out;
}

const numberOf = (map: ReadonlyMap<string, number | string>, name: string): number | undefined => {
  const v = map.get(name);
  return typeof v === "number" ? v : undefined;
};

/** What -i tells, which every dump begins with. */
function driverInfo(c: Context): Request | number {
  const r = new Request(c.dev, E.ETHTOOL_GDRVINFO, E.DRVINFO_LEN);
  const err = r.send(c);
  return err < 0 ? err : r;
}

// --- EEPROM -------------------------------------------------------------------------------------------------------

export function* showEeprom(c: Context, words: readonly string[]): Blocking<number> {
  const want = pairs(words, { raw: "switch", offset: "number", length: "number" });
  if (want === undefined) return yield* badArguments(c.sys);
  const info = driverInfo(c);
  if (typeof info === "number") return yield* cannot(c, "get driver information", info, 74);
  const size = info.get(E.DRVINFO_EEDUMP_LEN);
  const offset = Math.min(numberOf(want, "offset") ?? 0, size);
  const length = Math.min(numberOf(want, "length") ?? size, size - offset);
  const r = new Request(c.dev, E.ETHTOOL_GEEPROM, E.EEPROM_DATA + length);
  r.set(E.EEPROM_OFFSET, offset);
  r.set(E.EEPROM_LEN, length);
  const err = r.send(c);
  if (err < 0) return yield* cannot(c, "get EEPROM data", err, 74);
  const bytes = r.data(E.EEPROM_DATA, length);
  if (want.get("raw") === 1) yield* writeAll(c.sys, 1, bytes);
  else yield* print(c.sys, hexDump(bytes, offset));
  return 0;
}

export function* changeEeprom(c: Context, words: readonly string[]): Blocking<number> {
  const want = pairs(words, { magic: "number", offset: "number", length: "number", value: "number" });
  const value = want === undefined ? undefined : numberOf(want, "value");
  if (want === undefined || (value !== undefined && value > 255)) return yield* badArguments(c.sys);
  const info = driverInfo(c);
  if (typeof info === "number") return yield* cannot(c, "get driver information", info, 74);
  const size = info.get(E.DRVINFO_EEDUMP_LEN);
  const offset = numberOf(want, "offset") ?? 0;
  const length = value !== undefined ? 1 : (numberOf(want, "length") ?? size);
  const refuse = function* (text: string, status: number): Blocking<number> {
    yield* printError(c.sys, `${text}\n`);
    return status;
  };
  if (size < offset + length) return yield* refuse("offset & length out of bounds", 1);
  let bytes = Uint8Array.of(value ?? 0);
  if (value === undefined) {
    const all = yield* readAll(c.sys, STDIN);
    if (typeof all === "number" || length === 0 || all.length < length) {
      return yield* refuse("not enough data from stdin", 75);
    }
    if (all.length > length) return yield* refuse("too much data from stdin", 75);
    bytes = all.slice();
  }
  const r = new Request(c.dev, E.ETHTOOL_SEEPROM, E.EEPROM_DATA + length);
  r.set(E.EEPROM_MAGIC, numberOf(want, "magic") ?? 0);
  r.set(E.EEPROM_OFFSET, offset);
  r.set(E.EEPROM_LEN, length);
  r.data(E.EEPROM_DATA, length).set(bytes);
  const err = r.send(c);
  return err < 0 ? yield* cannot(c, "set EEPROM data", err, 87) : 0;
}

// --- registers ----------------------------------------------------------------------------------------------------

export function* showRegisters(c: Context, words: readonly string[]): Blocking<number> {
  const want = pairs(words, { raw: "switch", hex: "switch", file: "text" });
  if (want === undefined) return yield* badArguments(c.sys);
  const info = driverInfo(c);
  if (typeof info === "number") return yield* cannot(c, "get driver information", info, 72);
  const length = info.get(E.DRVINFO_REGDUMP_LEN);
  const r = new Request(c.dev, E.ETHTOOL_GREGS, E.REGS_DATA + length);
  r.set(E.REGS_LEN, length);
  const err = r.send(c);
  if (err < 0) return yield* cannot(c, "get register dump", err, 74);
  const bytes = r.data(E.REGS_DATA, length);
  if (want.get("raw") === 1) {
    yield* writeAll(c.sys, 1, bytes);
    return 0;
  }
  const file = want.get("file");
  if (typeof file === "string") {
    // A dump made earlier with `raw on`, instead of what the device has now.
    const fd = c.sys.open(file, O_RDONLY);
    if (fd < 0) {
      yield* printError(c.sys, `Can't open '${file}': ${strerror(fd)}\n`);
      return 75;
    }
    const saved = yield* readAll(c.sys, fd);
    c.sys.close(fd);
    if (typeof saved !== "number") bytes.set(saved.subarray(0, length));
  }
  const known = want.get("hex") !== 1 && info.text(E.DRVINFO_DRIVER, 32) === "igb";
  yield* print(c.sys, known ? igbRegisters(bytes) : hexDump(bytes, 0));
  return 0;
}

// --- firmware -----------------------------------------------------------------------------------------------------

export function* flash(c: Context, words: readonly string[]): Blocking<number> {
  if (words.length === 0 || words.length > 2) return yield* badArguments(c.sys);
  const err = new Request(c.dev, E.ETHTOOL_FLASHDEV, 136).send(c);
  if (err >= 0) return 0;
  yield* printError(c.sys, `Flashing failed: ${strerror(err)}\n`);
  return 255;
}

function* cannotDump(c: Context, what: string, err: number): Blocking<number> {
  yield* printError(c.sys, `Can not ${what} dump level: ${strerror(err)}\n`);
  return 1;
}

export function* showDump(c: Context, words: readonly string[]): Blocking<number> {
  const wrong = words.length > 0 && (words[0] !== "data" || words.length !== 2);
  if (wrong) return yield* badArguments(c.sys);
  const err = new Request(c.dev, E.ETHTOOL_GET_DUMP_FLAG, 16).send(c);
  return err < 0 ? yield* cannotDump(c, "get", err) : 0;
}

export function* setDump(c: Context, words: readonly string[]): Blocking<number> {
  if (words.length !== 1 || Number.isNaN(integer(words[0]))) return yield* badArguments(c.sys);
  const err = new Request(c.dev, E.ETHTOOL_SET_DUMP, 16).send(c);
  return err < 0 ? yield* cannotDump(c, "set", err) : 0;
}

/** Components, by bit; NAME-shared is the same bit 16 places up. */
const COMPONENTS = ["mgmt", "irq", "dma", "filter", "offload", "mac", "phy", "ram", "ap"];

export function* reset(c: Context, words: readonly string[]): Blocking<number> {
  if (words.length === 0) return yield* badArguments(c.sys);
  let flags = 0;
  for (let i = 0; i < words.length; i++) {
    const shared = words[i].endsWith("-shared");
    const bit = COMPONENTS.indexOf(shared ? words[i].slice(0, -7) : words[i]);
    if (words[i] === "flags") {
      const text = words[++i] ?? "";
      if (!/^(0x)?[0-9a-f]{1,8}$/i.test(text)) return yield* badArguments(c.sys);
      flags |= Number.parseInt(text, 16);
    } else if (words[i] === "dedicated") flags |= 0xffff;
    else if (words[i] === "all") flags = -1;
    else if (bit >= 0) flags |= 1 << (shared ? bit + 16 : bit);
    else return yield* badArguments(c.sys);
  }
  yield* print(c.sys, `ETHTOOL_RESET 0x${(flags >>> 0).toString(16)}\n`);
  const r = new Request(c.dev, E.ETHTOOL_RESET, E.ETHTOOL_VALUE_LEN);
  r.set(E.ETHTOOL_VALUE_DATA, flags >>> 0);
  const err = r.send(c);
  return err < 0 ? yield* cannot(c, "issue ETHTOOL_RESET", err, 1) : 0;
}

// --- tunables -----------------------------------------------------------------------------------------------------
// No driver has one: what is asked for is looked at, and the kernel refuses it.

/** struct ethtool_tunable, with room for its largest value. */
const TUNABLE_LEN = 24;
const TUNABLES = ["rx-copybreak", "tx-copybreak", "tx-buf-size", "pfc-prevention-tout"];

export function* showTunables(c: Context, words: readonly string[]): Blocking<number> {
  if (!TUNABLES.includes(words[0])) return yield* badArguments(c.sys);
  const err = new Request(c.dev, E.ETHTOOL_GTUNABLE, TUNABLE_LEN).send(c);
  if (err >= 0) return 0;
  yield* printError(c.sys, `${words[0]}: Cannot get tunable\n`);
  return 255;
}

export function* changeTunables(c: Context, words: readonly string[]): Blocking<number> {
  const wrong = (i: number): boolean => !TUNABLES.includes(words[i]) || Number.isNaN(integer(words[i + 1] ?? ""));
  if (words.length === 0) return yield* badArguments(c.sys);
  for (let i = 0; i < words.length; i += 2) if (wrong(i)) return yield* badArguments(c.sys);
  const err = new Request(c.dev, E.ETHTOOL_STUNABLE, TUNABLE_LEN).send(c);
  if (err >= 0) return 0;
  yield* printError(c.sys, `${words[0]}: ${strerror(err)}\n`);
  return 255;
}

interface PhyTunable {
  title: string;
  /** The option that says how much. */
  option: "count" | "msecs";
  /** What stands for "on" without it must be smaller. */
  max: number;
}
const PHY_TUNABLES: Readonly<Record<string, PhyTunable>> = {
  downshift: { title: "PHY downshift count", option: "count", max: 0xfe },
  "fast-link-down": { title: "PHY Fast Link Down value", option: "msecs", max: 0xfe },
  "energy-detect-power-down": { title: "PHY Energy Detect Power Down value", option: "msecs", max: 0xfffd },
};
const tunableOf = (name: string | undefined): PhyTunable | undefined =>
  name !== undefined && Object.hasOwn(PHY_TUNABLES, name) ? PHY_TUNABLES[name] : undefined;

export function* showPhyTunable(c: Context, words: readonly string[]): Blocking<number> {
  const tunable = tunableOf(words[0]);
  if (tunable === undefined) return yield* badArguments(c.sys);
  const err = new Request(c.dev, E.ETHTOOL_PHY_GTUNABLE, TUNABLE_LEN).send(c);
  return err < 0 ? yield* cannot(c, `Get ${tunable.title}`, err, 87) : 0;
}

export function* changePhyTunable(c: Context, words: readonly string[]): Blocking<number> {
  const [name, state, option, value] = words;
  const tunable = tunableOf(name);
  if (tunable === undefined || state === undefined) return yield* badArguments(c.sys);
  const complain = function* (text: string): Blocking<number> {
    yield* printError(c.sys, `${text}\n`);
    return yield* badArguments(c.sys);
  };
  if (state !== "on" && state !== "off") return yield* complain("Invalid boolean");
  if (option !== undefined) {
    const n = integer(value ?? "");
    if (option !== tunable.option || Number.isNaN(n)) return yield* badArguments(c.sys);
    if (state === "off") return yield* complain(`'${option}' may not be set when ${name} is off.`);
    if (n > tunable.max) return yield* complain(`'${option}' max value is ${tunable.max}.`);
  } else if (name === "energy-detect-power-down" && state === "on") {
    // Debian's 6.1: "on" alone stands for a value that it then finds too large.
    return yield* complain(`'msecs' max value is ${tunable.max}.`);
  }
  const err = new Request(c.dev, E.ETHTOOL_PHY_STUNABLE, TUNABLE_LEN).send(c);
  return err < 0 ? yield* cannot(c, `Set ${tunable.title}`, err, 87) : 0;
}
