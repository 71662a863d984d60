// Flushing, as `ip address|route|neigh flush` do it: dump, delete what passes the filter, and again until nothing is left.

import { NLM_F_REQUEST } from "../../uapi/netlink.ts";
import type { NlMsg } from "../../uapi/nlattr.ts";
import { NlMsgWriter, nlmsg_end, nlmsg_put } from "../../uapi/nlattr.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Context } from "../iproute/context.ts";
import type { Run } from "./link_show.ts";

/** A copy of a dumped message as a request of another type, behind what the writer holds. */
export function appendCopy(run: Run, w: NlMsgWriter, m: NlMsg, type: number, flags: number): void {
  const at = nlmsg_put(w, type, flags, run.rtnl.nextSequence(), 0, m.len);
  w.buf.set(m.buf.subarray(m.off, m.off + m.len), at);
  nlmsg_end(w);
}

/**
 * @param what "addresses", "entries": for the -statistics lines.
 * @param once stop after one round (ip route flush).
 * @param select what is still there, printed when asked for.
 */
export function* flushRounds(
  run: Run,
  what: string,
  once: boolean,
  select: () => Blocking<NlMsg[]>,
  command: number,
): Blocking<number> {
  const ctx: Context = run.ctx;
  const stats = ctx.opt.statistics > 0;
  for (let round = 0; ctx.opt.maxFlushLoops === 0 || round < ctx.opt.maxFlushLoops; round++) {
    const doomed = yield* select();
    if (doomed.length === 0) {
      if (stats) {
        if (round === 0) ctx.raw("Nothing to flush.\n");
        else ctx.raw(`*** Flush is complete after ${round} round${round > 1 ? "s" : ""} ***\n`);
      }
      return 0;
    }
    const w = new NlMsgWriter(4096);
    for (const m of doomed) appendCopy(run, w, m, command, NLM_F_REQUEST);
    const sent = yield* run.rtnl.send(w);
    if (sent < 0) ctx.fail(`Failed to send flush request: ${sent}\n`, 1);
    if (stats) ctx.raw(`\n*** Round ${round + 1}, deleting ${doomed.length} ${what} ***\n`);
    if (once && round > 0) break;
  }
  ctx.error(`*** Flush remains incomplete after ${ctx.opt.maxFlushLoops} rounds. ***\n`);
  return 1;
}
