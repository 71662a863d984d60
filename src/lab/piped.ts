// A prompt without a terminal: the input is a script, run as fast as it goes. `@HOST COMMAND` runs one there,
// `@HOST` or `connect HOST` alone goes there, `hosts` lists them, as at the prompt. Way in: `runPiped()`.

import { isIncomplete } from "../bin/sh/source.ts";
import type { Lab } from "./lab.ts";

/** Lines of `hosts`. */
export function hostsText(lab: Lab, active: string): string {
  return [...lab.hosts.values()]
    .map((h) => {
      const wires = h.spec.interfaces.map((i) => `${i.name} on ${i.segment}`).join(", ");
      return `${h.name === active ? "*" : " "} ${h.name.padEnd(12)} ${wires}\n`;
    })
    .join("");
}

export function noHost(lab: Lab, name: string): string {
  return `no host "${name}"; there are: ${[...lab.hosts.keys()].join(", ")}\n`;
}

/** What a line of the prompt says to the prompt itself: another host, a command there, the list of hosts. */
export function promptCommand(line: string): { to: string; command: string } | "hosts" | null {
  const at = /^\s*@(\S+)\s*(.*)$/s.exec(line);
  if (at !== null) return { to: at[1]!, command: at[2]! };
  const words = line.trim().split(/\s+/);
  if (words[0] === "connect" && words.length === 2) return { to: words[1]!, command: "" };
  return words[0] === "hosts" && words.length === 1 ? "hosts" : null;
}

export interface PipedOptions {
  host: string;
  stdout: (text: string | Uint8Array) => void;
  stderr: (text: string | Uint8Array) => void;
  /** Gets each command as 'HOST: COMMAND', to be run again by replay. */
  exec?: string[] | undefined;
}

/** Runs `text`; the exit code is that of the last command. */
export async function runPiped(lab: Lab, text: string, options: PipedOptions): Promise<number> {
  const sinks = {
    stdout: (b: Uint8Array) => options.stdout(b.slice()),
    stderr: (b: Uint8Array) => options.stderr(b.slice()),
  };
  let host = options.host;
  let code = 0;
  const run = async (where: string, command: string): Promise<void> => {
    if (command.trim() === "") return;
    options.exec?.push(`${where}: ${command}`);
    const r =
      lab.world.sim === null ? lab.execRealtime(where, command, sinks) : lab.execStreaming(where, command, sinks);
    code = (await r).exitCode;
  };
  const lines = text.split("\n");
  let script = "";
  for (let i = 0; i < lines.length; i++) {
    // Inside of a loop, quotes or a here-document a line is not the prompt's.
    const own = promptCommand(lines[i]!);
    if (own === null || isIncomplete(script)) {
      script += `${lines[i]}\n`;
      continue;
    }
    await run(host, script);
    script = "";
    if (own === "hosts") options.stdout(hostsText(lab, host));
    else if (!lab.hosts.has(own.to)) {
      options.stderr(noHost(lab, own.to));
      code = 1;
    } else if (own.command === "") host = own.to;
    else {
      let { command } = own;
      while (isIncomplete(`${command}\n`) && i + 1 < lines.length) command += `\n${lines[++i]}`;
      await run(own.to, command);
    }
  }
  await run(host, script);
  return code;
}
