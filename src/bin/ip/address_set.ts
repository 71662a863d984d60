// `ip address add|change|replace|delete`: words to a RTM_NEWADDR or RTM_DELADDR.

import * as A from "../../uapi/if_addr.ts";
import { nla_put, nla_put_string, nla_put_u32 } from "../../uapi/nlattr.ts";
import { RT_SCOPE_HOST, RTM_DELADDR } from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Prefix } from "../iproute/addr.ts";
import { addressBits, parseAddress, parseInteger, parsePrefix } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { parseScope } from "../iproute/names.ts";
import type { Run } from "./link_show.ts";
import { ADDRESS_USAGE } from "./usage.ts";

const CONF_FLAGS: readonly (readonly [number, string, number])[] = [
  [A.IFA_F_HOMEADDRESS, "home", AF_INET6],
  [A.IFA_F_NODAD, "nodad", AF_INET6],
  [A.IFA_F_MANAGETEMPADDR, "mngtmpaddr", AF_INET6],
  [A.IFA_F_NOPREFIXROUTE, "noprefixroute", 0],
  [A.IFA_F_MCAUTOJOIN, "autojoin", 0],
];

function lifetime(ctx: Context, key: string, word: string): number {
  if (word === "forever") return A.INFINITY_LIFE_TIME;
  const n = parseInteger(word);
  if (n === undefined || n < 0 || n > 0xffffffff) ctx.invalidArgument(`${key} value`, word);
  return n;
}

/** The address with all host bits one (or zero). */
function broadcastOf(p: Prefix, bits: number, ones: boolean): Uint8Array {
  const out = Uint8Array.from(p.bytes);
  for (let i = bits; i < out.length * 8; i++) {
    if (ones) out[i >> 3] |= 0x80 >> (i & 7);
    else out[i >> 3] &= ~(0x80 >> (i & 7));
  }
  return out;
}

export function* addressModify(run: Run, a: Args, command: number, flags: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const w = rtnl.request(command, flags, A.IFADDRMSG_LEN);
  const at = w.msg + 16;
  let family = ctx.opt.family;
  let dev: string | undefined;
  let local: Prefix | undefined;
  let localText = "";
  let peer: Prefix | undefined;
  let broadcast: "+" | "-" | undefined;
  let broadcastGiven = false;
  let scope: number | undefined;
  let preferred: number | undefined;
  let valid: number | undefined;
  let addressFlags = 0;
  const setFamily = (p: Prefix): void => {
    if (family === 0) family = p.family;
  };

  for (; a.more; a.skip()) {
    const conf = CONF_FLAGS.find((f) => f[1] === a.word);
    if (a.is("peer", "remote")) {
      a.next();
      if (peer !== undefined) ctx.duplicate("peer", a.word);
      peer = parsePrefix(ctx, a.word, family);
      setFamily(peer);
      nla_put(w, A.IFA_ADDRESS, peer.bytes);
    } else if (a.matches("broadcast") || a.is("brd")) {
      a.next();
      if (broadcastGiven) ctx.duplicate("broadcast", a.word);
      broadcastGiven = true;
      if (a.is("+", "-")) broadcast = a.word as "+" | "-";
      else {
        const p = parseAddress(ctx, a.word, family);
        setFamily(p);
        nla_put(w, A.IFA_BROADCAST, p.bytes);
      }
    } else if (a.is("anycast")) {
      const p = parseAddress(ctx, a.next(), family);
      setFamily(p);
      nla_put(w, A.IFA_ANYCAST, p.bytes);
    } else if (a.is("scope")) {
      scope = parseScope(a.next());
      if (scope === undefined) ctx.invalidArgument("invalid scope value.", a.word);
    } else if (a.is("dev")) {
      dev = a.next();
    } else if (a.is("label")) {
      nla_put_string(w, A.IFA_LABEL, a.next());
    } else if (a.is("metric") || a.matches("priority") || a.is("preference")) {
      const n = parseInteger(a.next());
      if (n === undefined || n < 0 || n > 0xffffffff) ctx.invalidArgument('"metric" value is invalid\n', a.word);
      nla_put_u32(w, A.IFA_RT_PRIORITY, n);
    } else if (a.matches("valid_lft")) {
      a.next();
      if (valid !== undefined) ctx.duplicate("valid_lft", a.word);
      valid = lifetime(ctx, "valid_lft", a.word);
    } else if (a.matches("preferred_lft")) {
      a.next();
      if (preferred !== undefined) ctx.duplicate("preferred_lft", a.word);
      preferred = lifetime(ctx, "preferred_lft", a.word);
    } else if (conf !== undefined) {
      if (conf[2] === 0 || family === conf[2]) addressFlags |= conf[0];
      else ctx.error(`Warning: ${conf[1]} option can be set only for IPv6 addresses\n`);
    } else {
      if (a.is("local")) a.next();
      if (a.matches("help")) ctx.fail(ADDRESS_USAGE, 255);
      if (local !== undefined) ctx.garbage("local", a.word);
      localText = a.word;
      local = parsePrefix(ctx, a.word, family);
      setFamily(local);
      nla_put(w, A.IFA_LOCAL, local.bytes);
    }
  }
  if (addressFlags <= 0xff) w.buf[at + A.IFADDRMSG_FLAGS] = addressFlags;
  else nla_put_u32(w, A.IFA_FLAGS, addressFlags);
  if (dev === undefined) ctx.fail('Not enough information: "dev" argument is required.\n', 1);

  let bits = local?.bits ?? 0;
  if (peer === undefined && local !== undefined) {
    if (command === RTM_DELADDR && local.family === AF_INET && !local.explicit) {
      ctx.error(
        "Warning: Executing wildcard deletion to stay compatible with old scripts.\n" +
          `         Explicitly specify the prefix length (${localText}/${local.bytes.length * 8}) to avoid this warning.\n` +
          "         This special behaviour is likely to disappear in further releases,\n" +
          "         fix your scripts!\n",
      );
    } else nla_put(w, A.IFA_ADDRESS, local.bytes);
  } else if (peer !== undefined) bits = peer.bits;
  if (broadcast !== undefined && command !== RTM_DELADDR) {
    const base = peer ?? local;
    if (base === undefined || base.family !== AF_INET) ctx.fail("Broadcast can be set only for IPv4 addresses\n", 1);
    if (bits <= 30) nla_put(w, A.IFA_BROADCAST, broadcastOf(base, bits, broadcast === "+"));
  }
  if (scope === undefined && command !== RTM_DELADDR && local !== undefined) {
    const loopback = local.family === AF_INET && local.bytes[0] === 127;
    if (loopback) scope = RT_SCOPE_HOST;
  }
  const index = yield* rtnl.nameToIndex(dev);
  if (index === 0) ctx.noDevice(dev);
  if (valid !== undefined || preferred !== undefined) {
    const v = valid ?? A.INFINITY_LIFE_TIME;
    const p = preferred ?? A.INFINITY_LIFE_TIME;
    if (v === 0) ctx.fail("valid_lft is zero\n", 1);
    if (v < p && preferred !== undefined) ctx.fail("preferred_lft is greater than valid_lft\n", 1);
    const bytes = new Uint8Array(A.IFA_CACHEINFO_LEN);
    const dv = new DataView(bytes.buffer);
    dv.setUint32(0, p, true);
    dv.setUint32(4, v, true);
    nla_put(w, A.IFA_CACHEINFO, bytes);
  }
  w.buf[at] = family;
  w.buf[at + A.IFADDRMSG_PREFIXLEN] = bits < 0 ? addressBits(family) : bits;
  w.buf[at + A.IFADDRMSG_SCOPE] = scope ?? 0;
  w.dv.setUint32(at + A.IFADDRMSG_INDEX, index, true);
  return (yield* rtnl.talk(w)) ? 0 : 2;
}
