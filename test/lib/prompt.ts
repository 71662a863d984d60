// A shell at the terminal of a machine: typed keys in, screen out. Way in: `promptSession(["sleep 100", "^Z", "jobs"])`.

import assert from "node:assert/strict";
import { createMachine } from "../../src/api/machine.ts";
import { SimWorld, sim_host } from "../../src/arch/sim/world.ts";
import { syscall } from "../../src/kernel/cpu.ts";
import { Tty } from "../../src/kernel/fs/pipe.ts";

const MS = 1e6;
const keys: Readonly<Record<string, number>> = { "^C": 2, "^Z": 20 };

/** Types each line, 0.4 s apart; "^Z" and "^C" are keys. Returns the screen without what the terminal would echo. */
export function promptSession(lines: readonly string[]): { screen: string; code: number } {
  const world = new SimWorld();
  const host = { host: sim_host(world), clock: world, dma: world.dma, frames: world.frames };
  const m = createMachine({ host, hostname: "pc1" });
  m.kernel.next_pid = 10_000;
  let screen = "";
  const tty = new Tty(m.kernel, true, (b) => {
    screen += new TextDecoder().decode(b);
  });
  const shell = m.spawn(m.kernel.programs.get("sh")!, ["bash", "-i"], { tty, env: { PS1: "$ " } });
  for (const line of lines) {
    world.run(world.now + 400 * MS);
    syscall(m.kernel, () =>
      keys[line] !== undefined
        ? tty.isig(keys[line])
        : tty.push(new TextEncoder().encode(line === "^D" ? "" : `${line}\n`)),
    );
  }
  world.run(world.now + 400 * MS);
  const code = shell.exitCode;
  m.poweroff();
  world.run(world.now + 1e9);
  assert.deepEqual(m.kernel.bugs, []);
  assert.deepEqual(
    Object.entries(m.live()).filter(([, n]) => n !== 0),
    [],
  );
  // Pids as letters, in the order of their appearance.
  const pids: string[] = [];
  screen = screen.replace(/\b100\d\d\b/g, (n) => {
    if (!pids.includes(n)) pids.push(n);
    return String.fromCharCode(65 + pids.indexOf(n));
  });
  return { screen, code };
}
