// The frame around ip, tc and ss.

import type { Blocking, Sys } from "../../uapi/sys.ts";
import { Context, Exit } from "./context.ts";

/** Runs the main part of an iproute2 program: its output leaves when it ends, however it ends. */
export function* runProgram(
  sys: Sys,
  argv: string[],
  name: string,
  body: (ctx: Context, argv: string[]) => Blocking<number>,
): Blocking<number> {
  const ctx = new Context(sys, name);
  let status: number;
  try {
    status = yield* body(ctx, argv);
  } catch (e) {
    if (!(e instanceof Exit)) throw e;
    status = e.status;
  }
  yield* ctx.flush();
  return status;
}
