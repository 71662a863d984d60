// `ip route|address|rule save`, `restore` and `showdump`: a table as the messages of its dump, behind a magic number.
// Read first: ip-route(8). Way in: beginSave(), saveMessages(); restore(), showDump().

import { EEXIST } from "../../uapi/errno.ts";
import { NLM_F_CREATE, NLM_F_REQUEST, NLMSG_HDRLEN } from "../../uapi/netlink.ts";
import { type NlMsg, NlMsgWriter, nlmsg_end, nlmsg_for_each, nlmsg_put } from "../../uapi/nlattr.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Context } from "../iproute/context.ts";
import { readAll, writeAll } from "../lib/io.ts";
import type { Run } from "./link_show.ts";

/** One kind of dump. */
export interface DumpKind {
  readonly magic: number;
  /** What the message about a terminal calls it, and the exit status where the number is another one. */
  readonly what: string;
  readonly mismatch: number;
}
export const ROUTE_DUMP: DumpKind = { magic: 0x45311224, what: "route", mismatch: 1 };
export const ADDRESS_DUMP: DumpKind = { magic: 0x47361222, what: "address", mismatch: 255 };
export const RULE_DUMP: DumpKind = { magic: 0x71706986, what: "rule", mismatch: 255 };

const MAGIC_LEN = 4;
const STDIN = 0;
const STDOUT = 1;

/** Refuses a terminal; writes the magic number, which stands there even when the dump then fails. */
export function* beginSave(ctx: Context, kind: DumpKind): Blocking<void> {
  if (ctx.sys.isatty(STDOUT)) ctx.fail("Not sending a binary stream to stdout\n", 255);
  const magic = new Uint8Array(MAGIC_LEN);
  new DataView(magic.buffer).setUint32(0, kind.magic, true);
  yield* writeAll(ctx.sys, STDOUT, magic);
}

export function* saveMessages(ctx: Context, messages: readonly NlMsg[]): Blocking<void> {
  for (const m of messages) {
    yield* writeAll(ctx.sys, STDOUT, m.buf.subarray(m.off - NLMSG_HDRLEN, m.off + ((m.len + 3) & ~3)));
  }
}

/** The messages of a dump from standard input, or an exit status; whether a part is cut off behind them. */
function* readDump(ctx: Context, kind: DumpKind): Blocking<{ messages: NlMsg[]; cut: boolean } | number> {
  if (ctx.sys.isatty(STDIN)) {
    ctx.error(`Can't restore ${kind.what} dump from a terminal\n`);
    return 255;
  }
  const bytes = yield* readAll(ctx.sys, STDIN);
  const all = typeof bytes === "number" ? new Uint8Array(0) : bytes;
  // As fread(3) leaves it: what there is of the number, and whether that was all of it.
  const magic = all.subarray(0, MAGIC_LEN).reduceRight((v, b) => v * 256 + b, 0);
  if (magic !== kind.magic) {
    ctx.error(`Magic mismatch (${all.length >= MAGIC_LEN ? 1 : 0} elems, ${magic.toString(16)} magic)\n`);
    return kind.mismatch;
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

/** Puts the messages of a dump back, in `rounds` rounds; `round` says in which one a message can be there. */
export function* restore(
  run: Run,
  kind: DumpKind,
  rounds = 1,
  round: (m: NlMsg) => number = () => 0,
): Blocking<number> {
  const { ctx, rtnl } = run;
  const dump = yield* readDump(ctx, kind);
  if (typeof dump === "number") return dump;
  for (let now = 0; now < rounds; now++) {
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

/** Prints the messages of a dump. */
export function* showDump(run: Run, kind: DumpKind, show: (m: NlMsg) => Blocking<void>): Blocking<number> {
  const dump = yield* readDump(run.ctx, kind);
  if (typeof dump === "number") return dump;
  for (const m of dump.messages) yield* show(m);
  return dump.cut ? truncated(run.ctx) : 0;
}
