// trap: commands run for EXIT and for signals, between two commands. Way in: `runTraps()`, `runTrap()`.

import type { Blocking } from "../../uapi/sys.ts";
import { signalName } from "../lib/signals.ts";
import { runSource } from "./source.ts";
import type { Shell } from "./state.ts";

/** Runs what is due for the signals that arrived. */
export function* runTraps(sh: Shell): Blocking<void> {
  while (sh.pending.length > 0 && !sh.inTrap) {
    const sig = sh.pending.shift()!;
    yield* runTrap(sh, signalName(sig));
  }
}

/** Runs the command of one trap, if there is one; its status does not become the shell's. */
export function* runTrap(sh: Shell, name: string): Blocking<void> {
  const command = sh.traps.get(name);
  if (command === undefined || command === "" || sh.inTrap) return;
  if (name === "EXIT") sh.traps.delete(name);
  const status = sh.status;
  sh.inTrap = true;
  try {
    yield* runSource(sh, command);
    sh.status = status;
  } finally {
    sh.inTrap = false;
  }
}
