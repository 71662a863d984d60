// sh: the shell as a program. `sh`, `sh FILE [ARG…]`, `sh -c TEXT [NAME ARG…]`, with -e -u -x -f -n -i -s.
// Read first: state.ts, exec.ts. Way in: `sh(sys, argv)`; a prompt is interactive.ts.

import { strerror } from "../../uapi/errno.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { printError, readFile } from "../lib/io.ts";
import { runToExit } from "./exec.ts";
import { interactive, runInput } from "./interactive.ts";
import { runSource } from "./source.ts";
import type { Options, Unit } from "./state.ts";
import { Shell } from "./state.ts";

const FLAGS: Readonly<Record<string, keyof Options>> = {
  e: "errexit",
  u: "nounset",
  x: "xtrace",
  f: "noglob",
  n: "noexec",
};

export const sh: Program = function* (sys, argv) {
  const name = (argv[0] ?? "sh").replace(/^.*\//, "").replace(/^-/, "");
  const options: Partial<Options> = {};
  let command = false;
  let prompt = false;
  let fromInput = false;
  let at = 1;
  for (; at < argv.length && /^[-+]./.test(argv[at]); at++) {
    if (argv[at] === "--") {
      at++;
      break;
    }
    if (argv[at] === "--login" || argv[at] === "--posix" || argv[at] === "--norc" || argv[at] === "--noprofile")
      continue;
    for (const f of argv[at].slice(1)) {
      if (f === "c") command = true;
      else if (f === "i") prompt = true;
      else if (f === "s") fromInput = true;
      else if (f === "o" && argv[at + 1] === "pipefail") {
        options.pipefail = argv[at][0] === "-";
        at++;
        break;
      } else if (Object.hasOwn(FLAGS, f)) options[FLAGS[f]] = argv[at][0] === "-";
      else if (f !== "l" && f !== "h" && f !== "m") {
        yield* printError(sys, `${name}: ${argv[at]}: invalid option\n`);
        return 2;
      }
    }
  }
  const rest = argv.slice(at);
  if (command) {
    if (rest.length === 0) {
      yield* printError(sys, `${name}: -c: option requires an argument\n`);
      return 2;
    }
    return yield* runText(sys, { name, text: rest[0], arg0: rest[1] ?? name, params: rest.slice(2), options });
  }
  if (rest.length > 0 && !fromInput) {
    const text = yield* readFile(sys, rest[0]);
    if (typeof text === "number") {
      yield* printError(sys, `${name}: ${rest[0]}: ${strerror(text)}\n`);
      return text === -2 ? 127 : 126;
    }
    const unit: Unit = { name: rest[0], source: text, startLine: 1, numbered: true };
    const shell = newShell(sys, unit, rest[0], rest.slice(1), options);
    return yield* runToExit(shell, runSource(shell, text, unit));
  }
  const unit: Unit = { name, source: "", startLine: 1, numbered: false };
  const shell = newShell(sys, unit, name, rest, options);
  if (prompt || sys.isatty(0)) return yield* interactive(shell);
  return yield* runToExit(shell, runInput(shell));
};

function* runText(
  sys: Sys,
  o: { name: string; text: string; arg0: string; params: string[]; options: Partial<Options> },
): Blocking<number> {
  const unit: Unit = { name: o.name, source: o.text, startLine: 1, numbered: o.text.trimEnd().includes("\n") };
  const shell = newShell(sys, unit, o.arg0, o.params, o.options);
  shell.fatalStatus = 127;
  return yield* runToExit(shell, runSource(shell, o.text, unit));
}

function newShell(sys: Sys, unit: Unit, arg0: string, params: string[], options: Partial<Options>): Shell {
  const shell = new Shell(sys, unit);
  shell.arg0 = arg0;
  shell.params = params;
  Object.assign(shell.options, options);
  return shell;
}
