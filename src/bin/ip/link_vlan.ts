// What `ip -d link` says of a VLAN device, and `type vlan` of `ip link add`.

import * as L from "../../uapi/if_link.ts";
import type { NlAttrs, NlMsgWriter } from "../../uapi/nlattr.ts";
import { nla_get_be16, nla_get_u16, nla_get_u32, nla_put, nla_put_be16, nla_put_u16 } from "../../uapi/nlattr.ts";
import { parseInteger } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { etherTypeName, parseEtherType } from "../iproute/names.ts";
import { VLAN_USAGE } from "./usage.ts";

const FLAGS: readonly (readonly [number, string, string])[] = [
  [L.VLAN_FLAG_REORDER_HDR, "REORDER_HDR", "reorder_hdr"],
  [L.VLAN_FLAG_GVRP, "GVRP", "gvrp"],
  [L.VLAN_FLAG_LOOSE_BINDING, "LOOSE_BINDING", "loose_binding"],
  [L.VLAN_FLAG_MVRP, "MVRP", "mvrp"],
  [L.VLAN_FLAG_BRIDGE_BINDING, "BRIDGE_BINDING", "bridge_binding"],
];

export function printVlan(ctx: Context, tb: NlAttrs): void {
  const proto = tb[L.IFLA_VLAN_PROTOCOL] ? etherTypeName(nla_get_be16(tb[L.IFLA_VLAN_PROTOCOL])) : "802.1Q";
  ctx.put("protocol", proto, `protocol ${proto} `);
  const id = nla_get_u16(tb[L.IFLA_VLAN_ID]);
  ctx.put("id", id, `id ${id} `);
  if (tb[L.IFLA_VLAN_FLAGS] === undefined) return;
  let flags = nla_get_u32(tb[L.IFLA_VLAN_FLAGS]);
  const words: string[] = [];
  for (const [bit, name] of FLAGS) {
    if ((flags & bit) !== 0) words.push(name);
    flags &= ~bit;
  }
  if (flags !== 0) words.push(flags.toString(16));
  ctx.openArray("flags");
  for (const w of words) ctx.json?.element(w);
  ctx.closeArray();
  ctx.text(`<${words.join(",")}> `);
}

export function addVlan(ctx: Context, a: Args, w: NlMsgWriter): void {
  let flags = 0;
  let mask = 0;
  for (; a.more; a.skip()) {
    const flag = FLAGS.find((f) => a.matches(f[2]));
    if (a.matches("protocol")) {
      const proto = parseEtherType(a.next());
      if (proto === undefined) ctx.invalidArgument("protocol is invalid", a.word);
      nla_put_be16(w, L.IFLA_VLAN_PROTOCOL, proto);
    } else if (a.matches("id")) {
      const id = parseInteger(a.next());
      if (id === undefined || id < 0 || id > 0xffff) ctx.invalidArgument("id is invalid", a.word);
      nla_put_u16(w, L.IFLA_VLAN_ID, id);
    } else if (flag !== undefined) {
      const value = a.next();
      if (value !== "on" && value !== "off") ctx.invalidArgument(`"${flag[2]}" value is invalid`, value);
      mask |= flag[0];
      if (value === "on") flags |= flag[0];
    } else if (a.matches("help")) ctx.fail(VLAN_USAGE, 1);
    else ctx.fail(`vlan: unknown command "${a.word}"?\n${VLAN_USAGE}`, 1);
  }
  if (mask === 0) return;
  const bytes = new Uint8Array(8);
  const dv = new DataView(bytes.buffer);
  dv.setUint32(0, flags, true);
  dv.setUint32(4, mask, true);
  nla_put(w, L.IFLA_VLAN_FLAGS, bytes);
}
