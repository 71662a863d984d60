// ethtool(8) 6.1 over SIOCETHTOOL. Read first: ethtool(8), uapi/ethtool.ts. Way in: `ethtool`; COMMANDS names every option.

import * as E from "../../uapi/ethtool.ts";
import { AF_INET, SOCK_DGRAM } from "../../uapi/socket.ts";
import type { Blocking, Program } from "../../uapi/sys.ts";
import { macNtoa } from "../lib/inet.ts";
import { print, printError } from "../lib/io.ts";
import { changeFeatures, showFeatures, stringSet } from "./features.ts";
import {
  changeEeprom,
  changePhyTunable,
  changeTunables,
  flash,
  reset,
  setDump,
  showDump,
  showEeprom,
  showPhyTunable,
  showRegisters,
  showTunables,
} from "./hardware.ts";
import { badArguments, type Context, cannot, integer, netlinkError, Request } from "./ioctl.ts";
import {
  changeEee,
  changeFec,
  changeModule,
  changePrivateFlags,
  perQueue,
  showGroups,
  showModule,
  showModuleEeprom,
  shows,
  showTunnels,
  testCableTdr,
} from "./optional.ts";
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
import { changeRules, showRules } from "./rxclass.ts";
import { changeRxfh, showRxfh } from "./rxfh.ts";
import { changeSettings, showSettings } from "./settings.ts";
import { HELP } from "./usage.ts";

interface Command {
  names: readonly string[];
  run(c: Context, words: readonly string[]): Blocking<number>;
  /** Takes words after the device. */
  words?: boolean;
  /** Takes none, and names the first one that is too many. */
  netlink?: boolean;
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
  { names: ["-S", "--statistics"], run: showStatistics, words: true, json: true },
  { names: ["-l", "--show-channels"], run: showChannels },
  { names: ["-L", "--set-channels"], run: changeChannels, words: true },
  { names: ["-x", "--show-rxfh", "--show-rxfh-indir"], run: showRxfh, words: true },
  { names: ["-X", "--set-rxfh-indir", "--rxfh"], run: changeRxfh, words: true },
  { names: ["-n", "-u", "--show-nfc", "--show-ntuple"], run: showRules, words: true },
  { names: ["-P", "--show-permaddr"], run: showPermanentAddress, words: true },
  { names: ["-T", "--show-time-stamping"], run: showTimestamping, netlink: true },
  { names: ["-r", "--negotiate"], run: restartNegotiation },
  { names: ["-p", "--identify"], run: identify, words: true },
  { names: ["-t", "--test"], run: selfTest, words: true },
  { names: ["-d", "--register-dump"], run: showRegisters, words: true },
  { names: ["-e", "--eeprom-dump"], run: showEeprom, words: true },
  { names: ["-E", "--change-eeprom"], run: changeEeprom, words: true },
  { names: ["-N", "-U", "--config-nfc", "--config-ntuple"], run: changeRules, words: true },
  { names: ["--phy-statistics"], run: (c) => showStrings(c, E.ETH_SS_PHY_STATS, E.ETHTOOL_GPHYSTATS, "PHY") },
  { names: ["-f", "--flash"], run: flash, words: true },
  { names: ["-w", "--get-dump"], run: showDump, words: true },
  { names: ["-W", "--set-dump"], run: setDump, words: true },
  { names: ["--reset"], run: reset, words: true },
  { names: ["--get-tunable"], run: showTunables, words: true },
  { names: ["--set-tunable"], run: changeTunables, words: true },
  { names: ["--get-phy-tunable"], run: showPhyTunable, words: true },
  { names: ["--set-phy-tunable"], run: changePhyTunable, words: true },
  { names: ["-Q", "--per-queue"], run: perQueue, words: true },
  { names: ["-m", "--dump-module-eeprom", "--module-info"], run: showModuleEeprom, words: true, json: true },
  { names: ["--show-eee"], run: shows(E.ETHTOOL_GEEE), netlink: true },
  { names: ["--set-eee"], run: changeEee, words: true },
  { names: ["--show-priv-flags"], run: shows(E.ETHTOOL_GPFLAGS), netlink: true },
  { names: ["--set-priv-flags"], run: changePrivateFlags, words: true },
  { names: ["--show-fec"], run: shows(E.ETHTOOL_GFECPARAM), netlink: true, json: true },
  { names: ["--set-fec"], run: changeFec, words: true },
  { names: ["--cable-test"], run: shows(null), words: true, json: true },
  { names: ["--cable-test-tdr"], run: testCableTdr, words: true, json: true },
  { names: ["--show-tunnels"], run: showTunnels, netlink: true, json: true },
  { names: ["--show-module"], run: showModule, netlink: true, json: true },
  { names: ["--set-module"], run: changeModule, words: true },
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
  if (dev !== undefined && command?.netlink && rest.length > 0) {
    yield* printError(sys, `ethtool: unexpected parameter '${rest[0]}'\n`);
    return 1;
  }
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

function* showStatistics(c: Context, words: readonly string[]): Blocking<number> {
  if (words.length > 0) return yield* showGroups(c, words);
  return yield* showStrings(c, E.ETH_SS_STATS, E.ETHTOOL_GSTATS, "NIC");
}

/** Counters with names of the driver's own. */
function* showStrings(c: Context, set: number, cmd: number, title: string): Blocking<number> {
  const names = stringSet(c, set);
  if (typeof names === "number") return yield* cannot(c, "get stats strings information", names, 96);
  if (names.length === 0) {
    yield* printError(c.sys, "no stats available\n");
    return 94;
  }
  const r = new Request(c.dev, cmd, E.STATS_DATA + names.length * 8);
  r.set(E.STATS_COUNT, names.length);
  const err = r.send(c);
  if (err < 0) return yield* cannot(c, "get stats information", err, 97);
  let text = `${title} statistics:\n`;
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
  const bytes = r.data(E.PERMADDR_DATA, r.get(E.PERMADDR_SIZE));
  const text = bytes.every((b) => b === 0) ? "not set" : macNtoa(bytes, 0, bytes.length);
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

function* identify(c: Context, words: readonly string[]): Blocking<number> {
  if (words.length > 1 || (words.length === 1 && Number.isNaN(integer(words[0])))) return yield* badArguments(c.sys);
  const r = new Request(c.dev, E.ETHTOOL_PHYS_ID, E.ETHTOOL_VALUE_LEN);
  r.set(E.ETHTOOL_VALUE_DATA, words.length > 0 ? integer(words[0]) : 0);
  const err = yield* r.sendAndWait(c);
  return err < 0 ? yield* cannot(c, "identify NIC", err, 255) : 0;
}

function* selfTest(c: Context, words: readonly string[]): Blocking<number> {
  const known = words.length === 0 || ["online", "offline", "external_lb"].includes(words[0]);
  if (words.length > 1 || !known) return yield* badArguments(c.sys);
  const names = stringSet(c, E.ETH_SS_TEST);
  if (typeof names === "number") return yield* cannot(c, "get strings", names, 74);
  const r = new Request(c.dev, E.ETHTOOL_TEST, E.TEST_DATA + names.length * 8);
  const flags = { online: 0, external_lb: E.ETH_TEST_FL_OFFLINE | E.ETH_TEST_FL_EXTERNAL_LB };
  r.set(E.TEST_FLAGS, flags[words[0] as keyof typeof flags] ?? E.ETH_TEST_FL_OFFLINE);
  r.set(E.TEST_LEN, names.length);
  const err = yield* r.sendAndWait(c);
  if (err < 0) return yield* cannot(c, "test", err, 74);
  const got = r.get(E.TEST_FLAGS);
  const failed = got & E.ETH_TEST_FL_FAILED;
  let text = `The test result is ${failed ? "FAIL" : "PASS"}\n`;
  if (got & E.ETH_TEST_FL_EXTERNAL_LB) {
    text += `External loopback test was ${got & E.ETH_TEST_FL_EXTERNAL_LB_DONE ? "" : "not "}executed\n`;
  }
  if (names.length > 0) text += "The test extra info:\n";
  names.forEach((name, i) => void (text += `${name}\t ${r.get(E.TEST_DATA + 8 * i)}\n`));
  yield* print(c.sys, `${text}\n`);
  return failed;
}
