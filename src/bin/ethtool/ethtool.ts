// ethtool(8) 6.1 over SIOCETHTOOL. Read first: ethtool(8), uapi/ethtool.ts. Way in: `ethtool`; COMMANDS names every option.

import * as E from "../../uapi/ethtool.ts";
import { AF_INET, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking, Program } from "../../uapi/sys.ts";
import { print, printError } from "../lib/io.ts";
import { changeFeatures, showFeatures, stringSet } from "./features.ts";
import { badArguments, type Context, cannot, netlinkError, Request } from "./ioctl.ts";
import {
  changeChannels,
  changeCoalesce,
  changePause,
  changeRings,
  showChannels,
  showCoalesce,
  showPause,
  showRings,
} from "./params.ts";
import { changeRxfh, showRules, showRxfh } from "./rxfh.ts";
import { changeSettings, showSettings } from "./settings.ts";
import { HELP } from "./usage.ts";

interface Command {
  names: readonly string[];
  run(c: Context, words: readonly string[]): Blocking<number>;
  /** Takes words after the device. */
  words?: boolean;
  json?: boolean;
}

const COMMANDS: readonly Command[] = [
  { names: ["-s", "--change"], run: changeSettings, words: true },
  { names: ["-a", "--show-pause"], run: showPause, json: true },
  { names: ["-A", "--pause"], run: changePause, words: true },
  { names: ["-c", "--show-coalesce"], run: showCoalesce },
  { names: ["-C", "--coalesce"], run: changeCoalesce, words: true },
  { names: ["-g", "--show-ring"], run: showRings },
  { names: ["-G", "--set-ring"], run: changeRings, words: true },
  { names: ["-k", "--show-features", "--show-offload"], run: showFeatures, json: true },
  { names: ["-K", "--features", "--offload"], run: changeFeatures, words: true },
  { names: ["-i", "--driver"], run: showDriver },
  { names: ["-S", "--statistics"], run: showStatistics, words: true },
  { names: ["-l", "--show-channels"], run: showChannels },
  { names: ["-L", "--set-channels"], run: changeChannels, words: true },
  { names: ["-x", "--show-rxfh", "--show-rxfh-indir"], run: showRxfh, words: true },
  { names: ["-X", "--set-rxfh-indir", "--rxfh"], run: changeRxfh, words: true },
  { names: ["-n", "-u", "--show-nfc", "--show-ntuple"], run: showRules, words: true },
  { names: ["-P", "--show-permaddr"], run: showPermanentAddress },
  { names: ["-T", "--show-time-stamping"], run: showTimestamping },
  { names: ["-r", "--negotiate"], run: restartNegotiation },
  { names: ["-p", "--identify"], run: (c) => unsupported(c, E.ETHTOOL_PHYS_ID, "identify NIC", 255), words: true },
  { names: ["-t", "--test"], run: (c) => unsupported(c, E.ETHTOOL_TEST, "test", 74), words: true },
  {
    names: ["-d", "--register-dump"],
    run: (c) => unsupported(c, E.ETHTOOL_GREGS, "get register dump", 74),
    words: true,
  },
];

export const ethtool: Program = function* (sys, argv) {
  const words = argv.slice(1);
  let json = false;
  while (["--json", "-I", "--include-statistics", "--debug"].includes(words[0])) {
    const flag = words.shift();
    if (flag === "--json") json = true;
    if (flag === "--debug") words.shift();
  }
  const [first] = words;
  if (first === "-h" || first === "--help") {
    yield* print(sys, HELP);
    return 0;
  }
  if (first === "--version") {
    yield* print(sys, "ethtool version 6.1\n");
    return 0;
  }
  const command = first?.startsWith("-") ? COMMANDS.find((x) => x.names.includes(first)) : undefined;
  if (first === undefined || (first.startsWith("-") && command === undefined)) return yield* badArguments(sys);
  const [dev, ...rest] = command === undefined ? words : words.slice(1);
  const tooMany = rest.length > 0 && !command?.words;
  if (dev === undefined || dev.length >= 16 || tooMany || (json && !command?.json)) return yield* badArguments(sys);
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) {
    yield* printError(sys, "Cannot get control socket\n");
    return 70;
  }
  const context: Context = { sys, fd, dev, json };
  const status = command === undefined ? yield* showSettings(context) : yield* command.run(context, rest);
  sys.close(fd);
  return status;
};

function* showDriver(c: Context): Blocking<number> {
  const r = new Request(c.dev, E.ETHTOOL_GDRVINFO, E.DRVINFO_LEN);
  const err = r.send(c);
  if (err < 0) return yield* cannot(c, "get driver information", err, 71);
  const yes = (at: number): string => (r.get(at) !== 0 ? "yes" : "no");
  const text =
    `driver: ${r.text(E.DRVINFO_DRIVER, 32)}\n` +
    `version: ${r.text(E.DRVINFO_VERSION, 32)}\n` +
    `firmware-version: ${r.text(E.DRVINFO_FW_VERSION, 32)}\n` +
    `expansion-rom-version: ${r.text(E.DRVINFO_EROM_VERSION, 32)}\n` +
    `bus-info: ${r.text(E.DRVINFO_BUS_INFO, 32)}\n` +
    `supports-statistics: ${yes(E.DRVINFO_N_STATS)}\n` +
    `supports-test: ${yes(E.DRVINFO_TESTINFO_LEN)}\n` +
    `supports-eeprom-access: ${yes(E.DRVINFO_EEDUMP_LEN)}\n` +
    `supports-register-dump: ${yes(E.DRVINFO_REGDUMP_LEN)}\n` +
    `supports-priv-flags: ${yes(E.DRVINFO_N_PRIV_FLAGS)}\n`;
  yield* print(c.sys, text);
  return 0;
}

function* showStatistics(c: Context): Blocking<number> {
  const names = stringSet(c, E.ETH_SS_STATS);
  if (typeof names === "number") return yield* cannot(c, "get stats strings information", names, 96);
  if (names.length === 0) {
    yield* printError(c.sys, "no stats available\n");
    return 94;
  }
  const r = new Request(c.dev, E.ETHTOOL_GSTATS, E.STATS_DATA + names.length * 8);
  r.set(E.STATS_COUNT, names.length);
  const err = r.send(c);
  if (err < 0) return yield* cannot(c, "get stats information", err, 97);
  let text = "NIC statistics:\n";
  names.forEach((name, i) => void (text += `     ${name}: ${r.get64(E.STATS_DATA + i * 8)}\n`));
  yield* print(c.sys, text);
  return 0;
}

function* showPermanentAddress(c: Context): Blocking<number> {
  const r = new Request(c.dev, E.ETHTOOL_GPERMADDR, E.PERMADDR_DATA + 32);
  r.set(E.PERMADDR_SIZE, 32);
  const err = r.send(c);
  if (err < 0) {
    yield* printError(
      c.sys,
      err === -19 ? "netlink error: No such device\n" : "netlink error: Operation not supported\n",
    );
    return 1;
  }
  const bytes = Array.from({ length: r.get(E.PERMADDR_SIZE) }, (_, i) => r.get8(E.PERMADDR_DATA + i));
  const text = bytes.every((b) => b === 0) ? "not set" : bytes.map((b) => b.toString(16).padStart(2, "0")).join(":");
  yield* print(c.sys, `Permanent address: ${text}\n`);
  return 0;
}

const TX_TYPES = ["off", "on", "onestep-sync", "onestep-p2p"];
const RX_FILTERS = ["none", "all", "some", "ptpv1-l4-event", "ptpv1-l4-sync", "ptpv1-l4-delay-req", "ptpv2-l4-event"];

function* showTimestamping(c: Context): Blocking<number> {
  const r = new Request(c.dev, E.ETHTOOL_GET_TS_INFO, E.TS_INFO_LEN);
  const err = r.send(c);
  if (err < 0) return yield* netlinkError(c, err, 1);
  const list = (bits: number, names: readonly string[]): string =>
    names
      .filter((_, i) => (bits >> i) & 1)
      .map((n) => `\t${n}\n`)
      .join("");
  const modes = (title: string, bits: number, names: readonly string[]): string =>
    bits === 0 ? `${title}: none\n` : `${title}:\n${list(bits, names)}`;
  const clock = r.get(E.TS_PHC_INDEX);
  let text = `Time stamping parameters for ${c.dev}:\nCapabilities:\n`;
  text += list(r.get(E.TS_SO_TIMESTAMPING), E.SOF_TIMESTAMPING_NAMES);
  text += `PTP Hardware Clock: ${clock === 0xffffffff ? "none" : clock}\n`;
  text += modes("Hardware Transmit Timestamp Modes", r.get(E.TS_TX_TYPES), TX_TYPES);
  text += modes("Hardware Receive Filter Modes", r.get(E.TS_RX_FILTERS), RX_FILTERS);
  yield* print(c.sys, text);
  return 0;
}

function* restartNegotiation(c: Context): Blocking<number> {
  const err = new Request(c.dev, E.ETHTOOL_NWAY_RST, E.ETHTOOL_VALUE_LEN).send(c);
  return err < 0 ? yield* cannot(c, "restart autonegotiation", err, 255) : 0;
}

/** What no driver here has: the kernel says so. */
function* unsupported(c: Context, cmd: number, what: string, status: number): Blocking<number> {
  const err = new Request(c.dev, cmd, 64).send(c);
  return err < 0 ? yield* cannot(c, what, err, status) : 0;
}
