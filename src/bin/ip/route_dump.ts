// `ip route save`, `restore` and `showdump`: a table as the messages of its dump, behind a magic number.
// Read first: ip-route(8). Way in: saveRoutes(), restoreRoutes(), showDump().

import { EEXIST } from "../../uapi/errno.ts";
import { NLM_F_CREATE, NLM_F_REQUEST, NLMSG_HDRLEN } from "../../uapi/netlink.ts";
import {
  type NlMsg,
  NlMsgWriter,
  nla_data,
  nlmsg_end,
  nlmsg_for_each,
  nlmsg_parse,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import * as R from "../../uapi/rtnetlink.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Context } from "../iproute/context.ts";
import { readAll, writeAll } from "../lib/io.ts";
import type { Run } from "./link_show.ts";
import { noRouteFilter, printRoute } from "./route_show.ts";

const MAGIC = 0x45311224;
const MAGIC_LEN = 4;
const STDIN = 0;
const STDOUT = 1;

/** Refuses a terminal; writes the magic number, which stands there even when the dump then fails. */
export function* beginSave(ctx: Context): Blocking<void> {
  if (ctx.sys.isatty(STDOUT)) ctx.fail("Not sending a binary stream to stdout\n", 255);
  const magic = new Uint8Array(MAGIC_LEN);
  new DataView(magic.buffer).setUint32(0, MAGIC, true);
  yield* writeAll(ctx.sys, STDOUT, magic);
}

export function* saveRoutes(run: Run, routes: readonly NlMsg[]): Blocking<void> {
  for (const m of routes) {
    yield* writeAll(run.ctx.sys, STDOUT, m.buf.subarray(m.off - NLMSG_HDRLEN, m.off + ((m.len + 3) & ~3)));
  }
}

/** The messages of a dump from standard input, or an exit status; a part that is cut off is told after them. */
function* readDump(ctx: Context): Blocking<{ messages: NlMsg[]; cut: boolean } | number> {
  if (ctx.sys.isatty(STDIN)) {
    ctx.error("Can't restore route dump from a terminal\n");
    return 255;
  }
  const bytes = yield* readAll(ctx.sys, STDIN);
  const all = typeof bytes === "number" ? new Uint8Array(0) : bytes;
  const whole = all.length >= MAGIC_LEN ? 1 : 0;
  const magic = whole === 0 ? 0 : new DataView(all.buffer, all.byteOffset).getUint32(0, true);
  if (magic !== MAGIC) {
    ctx.error(`Magic mismatch (${whole} elems, ${magic.toString(16)} magic)\n`);
    return 1;
  }
  const messages = nlmsg_for_each(all.slice(MAGIC_LEN));
  const last = messages.at(-1);
  const end = last === undefined ? 0 : last.off + ((last.len + 3) & ~3);
  return { messages, cut: end < all.length - MAGIC_LEN };
}

function truncated(ctx: Context): number {
  ctx.error("rtnl-from_file: truncated message\n");
  return 2;
}

/** When a route can be there: addresses of the host first, then its networks, then what has a gateway. */
function round(m: NlMsg): number {
  const a = nlmsg_parse(m, R.RTMSG_LEN);
  if (a[R.RTA_GATEWAY] !== undefined) return 2;
  const src = a[R.RTA_PREFSRC];
  const dst = a[R.RTA_DST];
  if (src === undefined) return 0;
  return dst !== undefined && nla_data(src).join() === nla_data(dst).join() ? 0 : 1;
}

export function* restoreRoutes(run: Run): Blocking<number> {
  const { ctx, rtnl } = run;
  const dump = yield* readDump(ctx);
  if (typeof dump === "number") return dump;
  for (let now = 0; now < 3; now++) {
    for (const m of dump.messages) {
      if (round(m) !== now) continue;
      const w = new NlMsgWriter();
      const at = nlmsg_put(w, m.type, m.flags | NLM_F_REQUEST | NLM_F_CREATE, 0, 0, m.len);
      w.buf.set(m.buf.subarray(m.off, m.off + m.len), at);
      nlmsg_end(w);
      const ack = yield* rtnl.acknowledge(w);
      rtnl.report(ack);
      if (ack.errno !== 0 && ack.errno !== EEXIST) return 2;
    }
    if (dump.cut) return truncated(ctx);
  }
  return 0;
}

export function* showDump(run: Run): Blocking<number> {
  const dump = yield* readDump(run.ctx);
  if (typeof dump === "number") return dump;
  for (const m of dump.messages) if (m.type === R.RTM_NEWROUTE) yield* printRoute(run, m, noRouteFilter());
  return dump.cut ? truncated(run.ctx) : 0;
}
