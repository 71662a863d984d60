// `ip netconf`: how a device forwards, and what it believes. Read first: ip-netconf(8).
// Way in: netconf(), printNetconf().

import {
  NETCONFA_FORWARDING,
  NETCONFA_IFINDEX,
  NETCONFA_IFINDEX_ALL,
  NETCONFA_IFINDEX_DEFAULT,
  NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN,
  NETCONFA_MC_FORWARDING,
  NETCONFA_PROXY_NEIGH,
  NETCONFA_RP_FILTER,
} from "../../uapi/netconf.ts";
import { type NlMsg, nla_get_s32, nla_put_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import { RTM_DELNETCONF, RTM_GETNETCONF, RTM_NEWNETCONF } from "../../uapi/rtnetlink.ts";
import { AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { familyName } from "../iproute/addr.ts";
import type { Args } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import type { Run } from "./link_show.ts";
import { MORE_USAGE } from "./usage_more.ts";

/** struct netconfmsg, padded. */
const NETCONFMSG_LEN = 4;

const SWITCHES: readonly (readonly [attr: number, key: string])[] = [
  [NETCONFA_FORWARDING, "forwarding"],
  [NETCONFA_RP_FILTER, "rp_filter"],
  [NETCONFA_MC_FORWARDING, "mc_forwarding"],
  [NETCONFA_PROXY_NEIGH, "proxy_neigh"],
  [NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN, "ignore_routes_with_linkdown"],
];
const RP_FILTERS = ["off", "strict", "loose"];

export function* printNetconf(run: Run, m: NlMsg): Blocking<void> {
  const { ctx } = run;
  if (m.len < NETCONFMSG_LEN) return;
  const tb = nlmsg_parse(m, NETCONFMSG_LEN);
  ctx.openObject();
  if (m.type === RTM_DELNETCONF) ctx.put("deleted", true, "Deleted ");
  const family = familyName(m.buf[m.off]);
  ctx.put("family", family, `${family} `);
  if (tb[NETCONFA_IFINDEX] !== undefined) {
    const index = nla_get_s32(tb[NETCONFA_IFINDEX]);
    let name: string;
    if (index === NETCONFA_IFINDEX_ALL) name = "all";
    else if (index === NETCONFA_IFINDEX_DEFAULT) name = "default";
    else name = yield* run.rtnl.indexToName(index);
    ctx.put("interface", name, `${name} `);
  }
  for (const [attr, key] of SWITCHES) {
    if (tb[attr] === undefined) continue;
    const v = nla_get_s32(tb[attr]);
    if (attr === NETCONFA_RP_FILTER) ctx.put(key, RP_FILTERS[v] ?? "unknown", `${key} ${RP_FILTERS[v] ?? "unknown"} `);
    else ctx.put(key, v !== 0, `${key} ${v !== 0 ? "on" : "off"} `);
  }
  ctx.text("\n");
  ctx.closeObject();
}

function* show(run: Run, a: Args): Blocking<number> {
  const { ctx, rtnl } = run;
  let index = 0;
  for (; a.more; a.skip()) {
    if (!a.is("dev")) continue;
    index = yield* rtnl.nameToIndex(a.next());
    if (index <= 0) ctx.fail(`Device "${a.word}" does not exist.\n`, 1);
  }
  const { family } = ctx.opt;
  const w = rtnl.request(RTM_GETNETCONF, 0, NETCONFMSG_LEN);
  w.buf[w.msg + 16] = family;
  // One device of one family is asked for, and iproute2 then knows no -json; of all families it is picked out.
  if (index !== 0 && family !== AF_UNSPEC) {
    nla_put_u32(w, NETCONFA_IFINDEX, index);
    const m = yield* rtnl.ask(w);
    if (m === undefined) return 2;
    yield* printNetconf(run, m);
    return 0;
  }
  const all = yield* rtnl.dumpOrExit(w);
  const wanted = (m: NlMsg): boolean =>
    index === 0 || nla_get_s32(nlmsg_parse(m, NETCONFMSG_LEN)[NETCONFA_IFINDEX]) === index;
  ctx.startJson();
  for (const m of all) if (m.type === RTM_NEWNETCONF && wanted(m)) yield* printNetconf(run, m);
  ctx.endJson();
  return 0;
}

export function* netconf(run: Run, a: Args): Blocking<number> {
  const { ctx } = run;
  if (!a.more) return yield* show(run, a);
  if (["show", "lst", "list"].some((l) => matches(a.word, l))) return yield* show(run, a.tail());
  if (matches(a.word, "help")) ctx.fail(MORE_USAGE.netconf, 255);
  return ctx.fail(`Command "${a.word}" is unknown, try "ip netconf help".\n`, 255);
}
