// A prompt without a terminal: the input is a script, run as fast as it goes. `@HOST COMMAND` runs one there,
// `@HOST` or `connect HOST` alone goes there, `hosts` lists them, as at the prompt. Way in: `runPiped()`.

import { CommandLines } from "../bin/sh/source.ts";
import type { Lab } from "./lab.ts";
import { Session, type SessionEvent } from "./session.ts";

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
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  journal?: SessionEvent[] | undefined;
}

/** Runs `text`, with one shell per host; the exit code is that of the last command. */
export async function runPiped(lab: Lab, text: string, options: PipedOptions): Promise<number> {
  const output = (text: string, stream: "stdout" | "stderr"): void => options[stream](text);
  const sessions = new Map<string, Session>();
  /** The shell that was used last: its end is the exit code. */
  let last: Session | undefined;
  const wait = async (done: () => boolean): Promise<void> => {
    if (lab.world.sim !== null) lab.world.sim.run_until(done);
    else while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const run = async (name: string, command: string): Promise<void> => {
    if (command.trim() === "") return;
    let session = sessions.get(name);
    if (session?.process.running !== true) {
      session = new Session(lab, name, { output, journal: options.journal });
      sessions.set(name, session);
    }
    last = session;
    const shell = session;
    shell.type(command);
    await wait(() => shell.waiting);
  };
  const ended = (name: string): boolean => sessions.get(name)?.process.running === false;

  const trail = [options.host];
  let code = 0;
  const lines = text.replace(/\n$/, "").split("\n");
  for (let i = 0; i < lines.length && trail.length > 0; i++) {
    const host = trail[trail.length - 1]!;
    const own = promptCommand(lines[i]!);
    if (own === "hosts") {
      options.stdout(hostsText(lab, host));
      continue;
    }
    if (own !== null && !lab.hosts.has(own.to)) {
      options.stderr(noHost(lab, own.to));
      code = 1;
      last = undefined;
      continue;
    }
    if (own?.command === "") {
      trail.push(own.to);
      continue;
    }
    // Inside of a loop, quotes or a here-document a line is not the prompt's; what follows a command is its input.
    const command = new CommandLines();
    for (let line = own?.command ?? lines[i]!; !command.push(`${line}\n`) && i + 1 < lines.length; ) line = lines[++i]!;
    while (own === null && i + 1 < lines.length && promptCommand(lines[i + 1]!) === null) {
      const next = new CommandLines();
      while (!next.push(`${lines[++i]!}\n`) && i + 1 < lines.length);
      command.text += next.text;
    }
    await run(own?.to ?? host, command.text);
    // `exit` goes back, as at the prompt.
    while (own === null && trail.length > 0 && ended(trail[trail.length - 1]!)) sessions.delete(trail.pop()!);
  }
  for (const session of new Set([...sessions.values(), ...(last ? [last] : [])])) {
    if (session.process.running) session.type("");
    await wait(() => !session.process.running);
  }
  return last?.process.exitCode ?? code;
}
