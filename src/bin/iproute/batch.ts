// -batch of ip and tc: one command a line.

import { strerror } from "../../uapi/errno.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { readFileOrInput } from "../lib/io.ts";
import type { Context } from "./context.ts";
import { Exit } from "./context.ts";

/** Splits a batch line at blanks; quotes of both kinds keep words together, # starts a comment. */
function splitLine(line: string): string[] {
  const words: string[] = [];
  for (const m of line.matchAll(/"([^"]*)"|'([^']*)'|(#.*)|(\S+)/g)) {
    if (m[3] !== undefined) break;
    words.push(m[1] ?? m[2] ?? m[4]);
  }
  return words;
}

/** Runs every line of a file ("-": standard input) until one fails, or all of them with -force. */
export function* runBatch(
  ctx: Context,
  name: string,
  command: (words: string[]) => Blocking<number>,
): Blocking<number> {
  const text = yield* readFileOrInput(ctx.sys, name);
  if (typeof text === "number") ctx.fail(`Cannot open file "${name}" for reading: ${strerror(text)}\n`, 1);
  let status = 0;
  let number = 0;
  for (const line of text.replaceAll("\\\n", " ").split("\n")) {
    number++;
    const words = splitLine(line);
    if (words.length === 0) continue;
    let failed: number;
    try {
      failed = yield* command(words);
    } catch (e) {
      if (!(e instanceof Exit)) throw e;
      failed = e.status;
      if (failed === 255) throw e;
    }
    if (failed === 0) continue;
    ctx.error(`Command failed ${name}:${number}\n`);
    status = 1;
    if (!ctx.opt.force) break;
  }
  return status;
}
