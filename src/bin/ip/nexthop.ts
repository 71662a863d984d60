import type { Blocking } from "../../uapi/sys.ts";
import type { Args } from "../iproute/context.ts";
import type { Run } from "./link_show.ts";
// biome-ignore lint/correctness/useYield: stub
export function* nexthop(run: Run, _a: Args): Blocking<number> {
  return run.ctx.fail("TODO\n", 1);
}
