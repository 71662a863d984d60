// ethtool -n and -N: what of a packet is hashed to choose its queue, and rules that choose one. Read first: ethtool(8).
// Way in: showRules(), changeRules().

import { strerror } from "../../uapi/errno.ts";
import * as E from "../../uapi/ethtool.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { print, printError } from "../lib/io.ts";
import { badArguments, type Context, cannot, integer, Request } from "./ioctl.ts";
import { ringCount } from "./rxfh.ts";

const FLOWS: Readonly<Record<string, readonly [type: number, title: string]>> = {
  tcp4: [E.TCP_V4_FLOW, "TCP over IPV4 flows"],
  udp4: [E.UDP_V4_FLOW, "UDP over IPV4 flows"],
  ah4: [E.AH_ESP_V4_FLOW, "IPSEC AH/ESP over IPV4 flows"],
  esp4: [E.AH_ESP_V4_FLOW, "IPSEC AH/ESP over IPV4 flows"],
  sctp4: [E.SCTP_V4_FLOW, "SCTP over IPV4 flows"],
  tcp6: [E.TCP_V6_FLOW, "TCP over IPV6 flows"],
  udp6: [E.UDP_V6_FLOW, "UDP over IPV6 flows"],
  ah6: [E.AH_ESP_V6_FLOW, "IPSEC AH/ESP over IPV6 flows"],
  esp6: [E.AH_ESP_V6_FLOW, "IPSEC AH/ESP over IPV6 flows"],
  sctp6: [E.SCTP_V6_FLOW, "SCTP over IPV6 flows"],
};
const flowOf = (name: string | undefined): readonly [number, string] | undefined =>
  name !== undefined && Object.hasOwn(FLOWS, name) ? FLOWS[name] : undefined;

/** RXH_*: the letter of -N and the line of -n. */
const FIELDS: readonly (readonly [bit: number, letter: string, line: string])[] = [
  [E.RXH_L2DA, "m", "L2DA"],
  [E.RXH_VLAN, "v", "VLAN tag"],
  [E.RXH_L3_PROTO, "t", "L3 proto"],
  [E.RXH_IP_SRC, "s", "IP SA"],
  [E.RXH_IP_DST, "d", "IP DA"],
  [E.RXH_L4_B_0_1, "f", "L4 bytes 0 & 1 [TCP/UDP src port]"],
  [E.RXH_L4_B_2_3, "n", "L4 bytes 2 & 3 [TCP/UDP dst port]"],
  [E.RXH_DISCARD, "r", ""],
];

function* failed(c: Context, what: string, err: number, then: string): Blocking<number> {
  yield* printError(c.sys, `${what}: ${strerror(err)}\n${then}\n`);
  return 1;
}

function* showHashed(c: Context, flow: readonly [number, string]): Blocking<number> {
  const r = new Request(c.dev, E.ETHTOOL_GRXFH, E.RXNFC_LEN);
  r.set(E.RXNFC_FLOW_TYPE, flow[0]);
  const err = r.send(c);
  if (err < 0) return yield* cannot(c, "get RX network flow hashing options", err, 1);
  const bits = r.get64(E.RXNFC_DATA);
  let text = `${flow[1]} use these fields for computing Hash flow key:\n`;
  for (const [bit, , line] of FIELDS) if (line !== "" && (bits & bit) !== 0) text += `${line}\n`;
  yield* print(c.sys, `${text}\n`);
  return 0;
}

/** rxclass of ethtool asks how many rules there are before it lists or adds one. */
function ruleCount(c: Context): number {
  const r = new Request(c.dev, E.ETHTOOL_GRXCLSRLCNT, E.RXNFC_LEN);
  const err = r.send(c);
  return err < 0 ? err : r.get(E.RXNFC_RULE_CNT);
}
const NO_COUNT = "rxclass: Cannot get RX class rule count";

export function* showRules(c: Context, words: readonly string[]): Blocking<number> {
  const [what, which] = words;
  if (what === "rx-flow-hash") {
    const flow = flowOf(which);
    return flow === undefined ? yield* badArguments(c.sys) : yield* showHashed(c, flow);
  }
  if (what === "rule") {
    if (Number.isNaN(integer(which ?? ""))) return yield* badArguments(c.sys);
    const err = new Request(c.dev, E.ETHTOOL_GRXCLSRULE, E.RXNFC_LEN).send(c);
    return yield* failed(c, "rxclass: Cannot get RX class rule", err, "Cannot get RX classification rule");
  }
  if (what !== undefined) return yield* badArguments(c.sys);
  const rings = ringCount(c);
  if (rings < 0) yield* cannot(c, "get RX rings", rings, 1);
  else yield* print(c.sys, `${rings} RX rings available\n`);
  const rules = ruleCount(c);
  if (rules < 0) return yield* failed(c, NO_COUNT, rules, "RX classification rule retrieval failed");
  yield* print(c.sys, `Total ${rules} rules\n\n`);
  return 0;
}

export function* changeRules(c: Context, words: readonly string[]): Blocking<number> {
  const [what, which, letters] = words;
  if (what === "rx-flow-hash") return yield* changeHashed(c, flowOf(which), letters);
  if (what === "delete") {
    if (Number.isNaN(integer(which ?? ""))) return yield* badArguments(c.sys);
    const err = new Request(c.dev, E.ETHTOOL_SRXCLSRLDEL, E.RXNFC_LEN).send(c);
    return yield* failed(c, "rmgr: Cannot delete RX class rule", err, "Cannot delete classification rule");
  }
  if (what !== "flow-type" || which === undefined) return yield* badArguments(c.sys);
  if (flowOf(which) === undefined && !["ether", "ip4", "ip6"].includes(which)) {
    yield* printError(c.sys, "Add rule, invalid syntax\n");
    return yield* badArguments(c.sys);
  }
  // Without a place of its own ethtool looks for a free one.
  if (!words.includes("loc")) {
    const rules = ruleCount(c);
    if (rules < 0) return yield* failed(c, NO_COUNT, rules, "Cannot insert classification rule");
  }
  const err = new Request(c.dev, E.ETHTOOL_SRXCLSRLINS, E.RXNFC_LEN).send(c);
  // Debian's 6.1 forgets the failure in its exit status.
  if (err < 0) yield* printError(c.sys, `rmgr: Cannot insert RX class rule: ${strerror(err)}\n`);
  return 0;
}

function* changeHashed(
  c: Context,
  flow: readonly [number, string] | undefined,
  letters: string | undefined,
): Blocking<number> {
  const bits = [...(letters ?? "?")].map((l) => FIELDS.find((f) => f[1] === l)?.[0]);
  if (flow === undefined || bits.includes(undefined)) return yield* badArguments(c.sys);
  const r = new Request(c.dev, E.ETHTOOL_SRXFH, E.RXNFC_LEN);
  r.set(E.RXNFC_FLOW_TYPE, flow[0]);
  r.set64(E.RXNFC_DATA, bits.reduce((a: number, b) => a | b!, 0) >>> 0);
  const err = r.send(c);
  // As above: the exit status is that of success.
  if (err < 0) yield* printError(c.sys, `Cannot change RX network flow hashing options: ${strerror(err)}\n`);
  return 0;
}
