// A script as a program: what `sh FILE`, ./FILE and a machine's startup run. Way in: `scriptProgram({file, text, …})`.

import type { Program } from "../../uapi/sys.ts";
import { runToExit } from "./exec.ts";
import { runSource } from "./source.ts";
import type { Options } from "./state.ts";
import { Shell } from "./state.ts";

export interface ScriptSource {
  /** As errors name it: "pc1.startup" gives "pc1.startup:4: …". */
  file: string;
  text: string;
  /** Line of `file` on which `text` starts. */
  startLine: number;
}

/**
 * argv[1…] are the script's parameters. With `report`, a program that fails where nothing looks at its status is named
 * with its line, as it knows nothing of the script: "pc1.startup:4: ip link set eth9 up: failed (exit status 1)".
 */
export function scriptProgram(script: ScriptSource, options: Partial<Options> & { report?: boolean } = {}): Program {
  return function* (sys, argv) {
    const unit = { name: script.file, source: script.text, startLine: script.startLine, numbered: true };
    const sh = new Shell(sys, unit);
    sh.arg0 = script.file;
    sh.params = argv.slice(1);
    const { report, ...flags } = options;
    Object.assign(sh.options, flags);
    sh.reportFailures = report === true;
    return yield* runToExit(sh, runSource(sh, script.text, unit));
  };
}
