// `ethtool DEV` and `ethtool -s DEV …`: link settings, wake-on-LAN, message level, link.
// Read first: ethtool(8), uapi/ethtool.ts on ETHTOOL_GLINKSETTINGS. Way in: showSettings(), changeSettings().

import { EINVAL, EOPNOTSUPP, strerror } from "../../uapi/errno.ts";
import * as E from "../../uapi/ethtool.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { print, printError } from "../lib/io.ts";
import { type Context, integer, netlinkError, Request } from "./ioctl.ts";
import { LINK_MODE_NAMES } from "./link_modes.ts";

interface Settings {
  request: Request;
  nwords: number;
}

/** The link settings, or -errno. */
function readSettings(c: Context): Settings | number {
  const probe = new Request(c.dev, E.ETHTOOL_GLINKSETTINGS, E.LINK_MODE_MASKS);
  let err = probe.send(c);
  if (err < 0) return err;
  const nwords = -((probe.get8(E.LINK_NWORDS) << 24) >> 24);
  if (nwords <= 0) return -EOPNOTSUPP;
  const request = new Request(c.dev, E.ETHTOOL_GLINKSETTINGS, E.LINK_MODE_MASKS + 3 * 4 * nwords);
  request.set8(E.LINK_NWORDS, nwords);
  err = request.send(c);
  return err < 0 ? err : { request, nwords };
}

/** Bits of one of the three maps: 0 supported, 1 advertising, 2 of the link partner. */
function modes(s: Settings, map: number): number[] {
  const out: number[] = [];
  for (let bit = 0; bit < s.nwords * 32; bit++) {
    const at = E.LINK_MODE_MASKS + (map * s.nwords + (bit >> 5)) * 4;
    if ((s.request.get(at) >>> (bit & 31)) & 1) out.push(bit);
  }
  return out;
}

const PORT_BITS: readonly number[] = [
  E.ETHTOOL_LINK_MODE_TP_BIT,
  E.ETHTOOL_LINK_MODE_AUI_BIT,
  E.ETHTOOL_LINK_MODE_MII_BIT,
  E.ETHTOOL_LINK_MODE_FIBRE_BIT,
  E.ETHTOOL_LINK_MODE_BNC_BIT,
  E.ETHTOOL_LINK_MODE_Backplane_BIT,
];
const isLinkMode = (bit: number): boolean => /^\d+base/.test(LINK_MODE_NAMES[bit] ?? "");

/** Modes of one speed that differ in their duplex stand on one line. */
function modeLines(bits: readonly number[]): string {
  const lines: string[] = [];
  let last = "";
  for (const bit of bits.filter(isLinkMode)) {
    const name = LINK_MODE_NAMES[bit];
    const base = name.split("/")[0];
    if (base === last) lines[lines.length - 1] += ` ${name}`;
    else lines.push(name);
    last = base;
  }
  return lines.length === 0 ? "Not reported" : lines.join(`\n\t${" ".repeat(24)}`);
}

function pauseText(bits: readonly number[]): string {
  const pause = bits.includes(E.ETHTOOL_LINK_MODE_Pause_BIT);
  if (bits.includes(E.ETHTOOL_LINK_MODE_Asym_Pause_BIT)) return pause ? "Symmetric Receive-only" : "Transmit-only";
  return pause ? "Symmetric" : "No";
}

function fecText(bits: readonly number[]): string {
  const names = bits.map((b) => LINK_MODE_NAMES[b]).filter((n) => ["None", "RS", "BASER", "LLRS"].includes(n));
  return names.length === 0 ? "Not reported" : names.join(" ");
}

const yes = (on: boolean): string => (on ? "Yes" : "No");

const PORTS: Readonly<Record<number, string>> = {
  [E.PORT_TP]: "Twisted Pair",
  [E.PORT_AUI]: "AUI",
  [E.PORT_MII]: "MII",
  [E.PORT_FIBRE]: "FIBRE",
  [E.PORT_BNC]: "BNC",
  [E.PORT_DA]: "Direct Attach Copper",
  [E.PORT_NONE]: "None",
  [E.PORT_OTHER]: "Other",
};

function settingsText(s: Settings): string {
  const supported = modes(s, 0);
  const advertised = modes(s, 1).filter((b) => supported.includes(b));
  const partner = modes(s, 2);
  const autonegBit = E.ETHTOOL_LINK_MODE_Autoneg_BIT;
  const ports = PORT_BITS.filter((b) => supported.includes(b)).map((b) => LINK_MODE_NAMES[b]);
  let text = `\tSupported ports: [ ${ports.join(" ")} ]\n`;
  text += `\tSupported link modes:   ${modeLines(supported)}\n`;
  text += `\tSupported pause frame use: ${pauseText(supported)}\n`;
  text += `\tSupports auto-negotiation: ${yes(supported.includes(autonegBit))}\n`;
  text += `\tSupported FEC modes: ${fecText(supported)}\n`;
  text += `\tAdvertised link modes:  ${modeLines(advertised)}\n`;
  text += `\tAdvertised pause frame use: ${pauseText(advertised)}\n`;
  text += `\tAdvertised auto-negotiation: ${yes(advertised.includes(autonegBit))}\n`;
  text += `\tAdvertised FEC modes: ${fecText(advertised)}\n`;
  if (partner.length > 0) {
    text += `\tLink partner advertised link modes:  ${modeLines(partner).replaceAll("\n\t", `\n\t${" ".repeat(13)}`)}\n`;
    text += `\tLink partner advertised pause frame use: ${pauseText(partner)}\n`;
    text += `\tLink partner advertised auto-negotiation: ${yes(partner.includes(autonegBit))}\n`;
    text += `\tLink partner advertised FEC modes: ${fecText(partner)}\n`;
  }
  const r = s.request;
  const speed = r.get(E.LINK_SPEED);
  text += `\tSpeed: ${speed === 0 || speed === 0xffff || speed === 0xffffffff ? "Unknown!" : `${speed}Mb/s`}\n`;
  const duplex = r.get8(E.LINK_DUPLEX);
  text += `\tDuplex: ${["Half", "Full"][duplex] ?? `Unknown! (${duplex})`}\n`;
  text += `\tAuto-negotiation: ${r.get8(E.LINK_AUTONEG) ? "on" : "off"}\n`;
  const port = r.get8(E.LINK_PORT);
  text += `\tPort: ${PORTS[port] ?? `Unknown! (${port})`}\n`;
  text += `\tPHYAD: ${r.get8(E.LINK_PHY_ADDRESS)}\n`;
  text += `\tTransceiver: ${["internal", "external"][r.get8(E.LINK_TRANSCEIVER)] ?? "Unknown!"}\n`;
  if (port === E.PORT_TP) text += `\tMDI-X: ${mdix(r.get8(E.LINK_TP_MDIX), r.get8(E.LINK_TP_MDIX_CTRL))}\n`;
  return text;
}

function mdix(status: number, control: number): string {
  if (control === E.ETH_TP_MDI) return "off (forced)";
  if (control === E.ETH_TP_MDI_X) return "on (forced)";
  const now = status === E.ETH_TP_MDI ? "off" : status === E.ETH_TP_MDI_X ? "on" : "Unknown";
  return control === E.ETH_TP_MDI_AUTO ? `${now} (auto)` : now;
}

const WOL_LETTERS = "pumbagsf";

function wolText(bits: number): string {
  const text = [...WOL_LETTERS].filter((_, i) => (bits >> i) & 1).join("");
  return text === "" ? "d" : text;
}

export function* showSettings(c: Context): Blocking<number> {
  let text = "";
  const settings = readSettings(c);
  if (typeof settings !== "number") text += settingsText(settings);
  else if (settings !== -EOPNOTSUPP) {
    for (let i = 0; i < 5; i++) yield* netlinkError(c, settings, 0);
    yield* print(c.sys, "No data available\n");
    return 75;
  }
  const wol = new Request(c.dev, E.ETHTOOL_GWOL, E.WOL_LEN);
  if (wol.send(c) >= 0) {
    text += `\tSupports Wake-on: ${wolText(wol.get(E.WOL_SUPPORTED))}\n\tWake-on: ${wolText(wol.get(E.WOL_OPTS))}\n`;
  }
  const level = new Request(c.dev, E.ETHTOOL_GMSGLVL, E.ETHTOOL_VALUE_LEN);
  if (level.send(c) >= 0) {
    const bits = level.get(E.ETHTOOL_VALUE_DATA);
    const names = E.NETIF_MSG_NAMES.filter((_, i) => (bits >> i) & 1);
    text += `        Current message level: 0x${bits.toString(16).padStart(8, "0")} (${bits})\n`;
    text += `${" ".repeat(30)}${names.map((n) => ` ${n}`).join("")}\n`;
  }
  const link = new Request(c.dev, E.ETHTOOL_GLINK, E.ETHTOOL_VALUE_LEN);
  const err = link.send(c);
  if (err >= 0) text += `\tLink detected: ${link.get(E.ETHTOOL_VALUE_DATA) ? "yes" : "no"}\n`;
  if (text === "") {
    yield* print(c.sys, "No data available\n");
    return 75;
  }
  yield* print(c.sys, `Settings for ${c.dev}:\n${text}`);
  return 0;
}

const CHANGE_STATUS = 75;
const PORT_WORDS: Readonly<Record<string, number>> = {
  tp: E.PORT_TP,
  aui: E.PORT_AUI,
  bnc: E.PORT_BNC,
  mii: E.PORT_MII,
  fibre: E.PORT_FIBRE,
  da: E.PORT_DA,
};
const MDIX_WORDS: Readonly<Record<string, number>> = {
  auto: E.ETH_TP_MDI_AUTO,
  on: E.ETH_TP_MDI_X,
  off: E.ETH_TP_MDI,
};

export function* changeSettings(c: Context, words: readonly string[]): Blocking<number> {
  const want = new Map<string, number>();
  for (let i = 0; i < words.length; i += 2) {
    const [name, value] = [words[i], words[i + 1]];
    const parse = SETTERS[name];
    const refuse = function* (text: string): Blocking<number> {
      yield* printError(c.sys, `ethtool (-s): ${text}\n`);
      return 1;
    };
    if (name === "xcvr") return yield* refuse("deprecated parameter 'xcvr' not supported by kernel");
    if (parse === undefined) return yield* refuse(`unknown parameter '${name}'`);
    if (value === undefined) return yield* refuse(`no value for parameter '${name}'`);
    const n = parse(value);
    if (n === undefined || Number.isNaN(n)) return yield* refuse(`invalid value '${value}' for parameter '${name}'`);
    want.set(name, n);
  }
  if (want.size === 0) return 0;
  const level = want.get("msglvl");
  if (level !== undefined) {
    const r = new Request(c.dev, E.ETHTOOL_SMSGLVL, E.ETHTOOL_VALUE_LEN);
    r.set(E.ETHTOOL_VALUE_DATA, level);
    const err = r.send(c);
    if (err < 0) return yield* netlinkError(c, err, CHANGE_STATUS);
    if (want.size === 1) return 0;
  }
  const wol = want.get("wol");
  if (wol !== undefined) {
    const r = new Request(c.dev, E.ETHTOOL_SWOL, E.WOL_LEN);
    r.set(E.WOL_OPTS, wol);
    const err = r.send(c);
    if (err < 0) return yield* netlinkError(c, err, CHANGE_STATUS);
    if (want.size === 1) return 0;
  }
  const settings = readSettings(c);
  if (typeof settings === "number") return yield* netlinkError(c, settings, CHANGE_STATUS);
  const r = settings.request;
  for (const [name, at] of [
    ["duplex", E.LINK_DUPLEX],
    ["port", E.LINK_PORT],
    ["autoneg", E.LINK_AUTONEG],
    ["phyad", E.LINK_PHY_ADDRESS],
    ["mdix", E.LINK_TP_MDIX_CTRL],
  ] as const) {
    const value = want.get(name);
    if (value !== undefined) r.set8(at, value);
  }
  const speed = want.get("speed");
  if (speed !== undefined) r.set(E.LINK_SPEED, speed);
  advertise(settings, want);
  r.set(0, E.ETHTOOL_SLINKSETTINGS);
  const err = r.send(c);
  if (err >= 0) return 0;
  if (err === -EINVAL) {
    yield* printError(c.sys, `netlink error: link settings update failed\nnetlink error: ${strerror(err)}\n`);
    return CHANGE_STATUS;
  }
  return yield* netlinkError(c, err, CHANGE_STATUS);
}

/** With autonegotiation on, a speed or duplex means: advertise the supported modes that have it. */
function advertise(s: Settings, want: ReadonlyMap<string, number>): void {
  const mask = want.get("advertise");
  const speed = want.get("speed");
  const duplex = want.get("duplex");
  const at = (map: number, bit: number): number => E.LINK_MODE_MASKS + (map * s.nwords + (bit >> 5)) * 4;
  if (mask !== undefined) {
    // The mask is of link modes; pause and port bits of the first word stay.
    const kept = [...Array(32).keys()].reduce((m, b) => (isLinkMode(b) ? m & ~(1 << b) : m), -1);
    s.request.set(at(1, 0), (s.request.get(at(1, 0)) & kept) | mask);
    return;
  }
  if (s.request.get8(E.LINK_AUTONEG) === 0) return;
  if (speed === undefined && duplex === undefined && want.get("autoneg") === undefined) return;
  for (const bit of modes(s, 0).filter(isLinkMode)) {
    const [, mbit, kind] = /^(\d+)base.*\/(Half|Full)$/.exec(LINK_MODE_NAMES[bit]) ?? [];
    const fits =
      (speed === undefined || Number(mbit) === speed) && (duplex === undefined || (kind === "Full" ? 1 : 0) === duplex);
    const word = at(1, bit);
    const value = s.request.get(word);
    s.request.set(word, fits ? value | (1 << (bit & 31)) : value & ~(1 << (bit & 31)));
  }
}

function hexMask(text: string): number | undefined {
  return /^(0x)?[0-9a-fA-F]{1,8}$/.test(text) ? Number.parseInt(text, 16) : undefined;
}

const SETTERS: Readonly<Record<string, (value: string) => number | undefined>> = {
  speed: integer,
  duplex: (v) => ({ half: E.DUPLEX_HALF, full: E.DUPLEX_FULL })[v],
  port: (v) => PORT_WORDS[v],
  mdix: (v) => MDIX_WORDS[v],
  autoneg: (v) => ({ on: 1, off: 0 })[v],
  phyad: integer,
  advertise: hexMask,
  msglvl: integer,
  wol: (v) =>
    v === "d" ? 0 : /^[pumbagsf]+$/.test(v) ? [...v].reduce((m, l) => m | (1 << WOL_LETTERS.indexOf(l)), 0) : undefined,
};
