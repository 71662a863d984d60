// What a program says of its own arguments, for completion: the option table that it gives to getopt, and what it prints
// for --help (or for `help`, as ip and tc). It runs apart from any machine, with no system call but write. Way in: `usageOf()`.

import { DECLARED, type ProbingArgv } from "../bin/lib/getopt.ts";
import { EOPNOTSUPP } from "../uapi/errno.ts";
import type { Program, Sys } from "../uapi/sys.ts";

export interface Usage {
  /** What was printed. */
  text: string;
  /** "-c", "--count". */
  options: string[];
}

/** A program that asks for anything else than to print is not printing its help. */
class Stop extends Error {}

/** Steps a program may take: help is printed in a few. */
const MAX_STEPS = 1000;

export function usageOf(program: Program, argv: readonly string[]): Usage {
  const decoder = new TextDecoder();
  const probe: ProbingArgv = Object.assign([...argv], { [DECLARED]: [] });
  let text = "";
  const calls: Partial<Sys> = {
    env: {},
    isatty: () => false,
    winsize: () => [80, 24],
    getpid: () => 1,
    sigaction: () => 0,
    clock_gettime: () => 0,
    // ip opens its netlink socket before it looks at its arguments.
    socket: () => 3,
    setsockopt: () => 0,
    bind: () => 0,
    getsockname: () => 0,
    close: () => 0,
    // ip link asks the kernel something first, and goes on without an answer.
    *sendmsg() {
      return -EOPNOTSUPP;
    },
    *write(fd, bytes) {
      if (fd === 1 || fd === 2) text += decoder.decode(bytes);
      return bytes.length;
    },
  };
  const sys = new Proxy(calls, {
    get(known, name) {
      if (Object.hasOwn(known, name)) return Reflect.get(known, name);
      return () => {
        throw new Stop(String(name));
      };
    },
  }) as Sys;
  try {
    const run = program(sys, probe);
    for (let i = 0; i < MAX_STEPS && !run.next().done; i++);
  } catch {
    // It goes on as if it had been told to work, or looks something up after its help.
    if (!/^\s*usage/i.test(text)) text = "";
  }
  // `echo --help` says what it was told.
  if (text.trim() === argv.slice(1).join(" ")) text = "";
  return { text, options: [...new Set([...probe[DECLARED], ...optionsIn(text)])].filter((o) => o !== "-?").sort() };
}

/** "-4", "--count", "-statistics" of iproute's "-s[tatistics]", and each letter of "[-vnD]". */
function optionsIn(text: string): string[] {
  const clusters = [...text.matchAll(/\[-([A-Za-z0-9]{2,})\]/g)].flatMap((m) => [...m[1]].map((c) => `-${c}`));
  const single = text.replace(/\[-[A-Za-z0-9]{2,}\]/g, " ");
  const found = single.matchAll(/(?<![\w.%$/)-])(--?[A-Za-z0-9][\w-]*)(?:\[([a-z]+)\])?/g);
  return [...clusters, ...[...found].map((m) => m[1] + (m[2] ?? ""))];
}

/** Words of a usage in iproute's style that are typed as they stand: no placeholders, no definitions' names. */
export function keywordsIn(text: string): string[] {
  const plain = text.replace(/^Usage:/gm, " ").replace(/"[^"]*"/g, " ");
  const words = plain.match(/(?<![\w.%<-])[a-z][a-z0-9_]*(?:[-][a-z0-9_]+)*(?![\w.>=-])/g) ?? [];
  return [...new Set(words)];
}
