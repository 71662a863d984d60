// A lab at a terminal: one shell per host behind one line editor (Node's readline), with history and completion.
// `@pc2` or `connect pc2` goes to another host, `@pc2 COMMAND` runs one there and comes back, `hosts` lists them. What other
// hosts print in the background appears with their name in front. Ctrl-R searches the history, Ctrl-Z stops a program.
// Way in: `runTerminal(lab, options)`.
// The shells read whole lines from their Tty and print their own prompts: the last unfinished line of output is what
// the editor shows in front of what is typed.

import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { BUILTINS } from "../bin/sh/builtins.ts";
import { S_IFDIR, S_IFMT, SIGHUP, SIGINT, SIGQUIT, SIGTSTP } from "../uapi/fcntl.ts";
import { complete } from "./complete.ts";
import type { Lab } from "./lab.ts";
import { Pacer } from "./pacer.ts";
import { hostsText, noHost, promptCommand, runPiped } from "./piped.ts";
import { ReverseSearch } from "./reverse_search.ts";
import { Session, type SessionEvent } from "./session.ts";
import { usageOf } from "./usage.ts";

export interface TerminalOptions {
  /** Host of the first prompt; default the first of the lab. */
  host?: string;
  /** Printed once before the first prompt. */
  hint?: string;
  input?: Readable;
  output?: Writable & { columns?: number; rows?: number };
  /** Default: whether the input is a terminal. Without one the input is run as commands, as fast as it goes. */
  terminal?: boolean;
  /** Gets what was typed, and when, for replay. Virtual time only. */
  journal?: SessionEvent[];
}

/** Output of a host that nobody looks at is kept up to here. */
const BACKLOG = 64 * 1024;

/** Runs until the user leaves; the exit code is that of the last shell. */
export async function runTerminal(lab: Lab, options: TerminalOptions = {}): Promise<number> {
  const input = options.input ?? process.stdin;
  const terminal = options.terminal ?? (input as { isTTY?: boolean }).isTTY === true;
  const host = options.host ?? lab.hosts.keys().next().value!;
  if (terminal) return await new Terminal(lab, options, input).run(host);
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  return await runPiped(lab, new TextDecoder().decode(Buffer.concat(chunks)), {
    host,
    stdout: (b) => (options.output ?? process.stdout).write(b),
    stderr: (b) => (options.output ?? process.stderr).write(b),
    journal: options.journal,
  });
}

/** One host's shell and what of its output is not finished. */
class View {
  readonly shell: Session;
  /** Output since the last newline: the prompt, mostly. */
  partial = "";
  /** Finished lines that are not on the screen yet. */
  pending = "";
  /** Where `@HOST COMMAND` was typed: the prompt goes back there when this shell prompts again. */
  errandFor: View | null = null;
  /** It does: the prompt was swallowed, so that what is printed from now on stands alone. */
  errandDone = false;

  constructor(lab: Lab, name: string, columns: number, rows: number, journal: SessionEvent[] | undefined) {
    this.shell = new Session(lab, name, { terminal: [columns, rows], output: (text) => this.take(text), journal });
  }

  take(text: string): void {
    const all = this.partial + text;
    const nl = all.lastIndexOf("\n");
    this.partial = all.slice(nl + 1);
    this.pending += all.slice(0, nl + 1);
    if (this.errandFor !== null && this.shell.atPrompt && this.partial.endsWith("$ ")) {
      this.errandDone = true;
      this.partial = "";
    }
    if (this.pending.length > BACKLOG * 2) this.pending = `…\n${this.pending.slice(-BACKLOG)}`;
  }
}

class Terminal {
  private readonly lab: Lab;
  private readonly input: Readable;
  private readonly output: Writable & { columns?: number; rows?: number };
  private readonly options: TerminalOptions;
  private readonly sessions = new Map<string, View>();
  /** Hosts left for another one, most recent last: `exit` goes back. */
  private readonly trail: View[] = [];
  private active!: View;
  private readline!: Interface;
  private search!: ReverseSearch;
  /** What was typed on each host, newest first: it outlives the shell. */
  private readonly histories = new Map<string, string[]>();
  private readonly pacer: Pacer | undefined;
  private finish!: (code: number) => void;
  private done = false;
  private scheduled = false;

  constructor(lab: Lab, options: TerminalOptions, input: Readable) {
    this.lab = lab;
    this.options = options;
    this.input = input;
    this.output = options.output ?? process.stdout;
    this.pacer = lab.world.sim === null ? undefined : new Pacer(lab.world.sim, () => this.refresh());
  }

  async run(first: string): Promise<number> {
    const over = new Promise<number>((resolve) => {
      this.finish = resolve;
    });
    if (this.options.hint) this.output.write(`${this.options.hint.trimEnd()}\n`);
    this.editor();
    const resize = (): void => {
      for (const s of this.sessions.values()) s.shell.resize(this.size().columns, this.size().rows);
    };
    this.output.on("resize", resize);
    this.connect(first);
    this.pacer?.start();
    const code = await over;
    this.done = true;
    this.pacer?.stop();
    this.output.off("resize", resize);
    this.readline.close();
    return code;
  }

  /** Some terminals say 0 for a size that they do not know. */
  private size(): { columns: number; rows: number } {
    return { columns: this.output.columns || 80, rows: this.output.rows || 24 };
  }

  // --- the line editor ---------------------------------------------------------------------------------------------

  /** readline ends itself on Ctrl-D; a program that reads may want more than one end of file, so it is made again. */
  private editor(): void {
    const rl = createInterface({
      input: this.input,
      output: this.output,
      terminal: true,
      prompt: "",
      history: [...this.history()],
      historySize: 1000,
      removeHistoryDuplicates: true,
      completer: (line: string) => this.completions(line),
    });
    this.readline = rl;
    // readline knows no QUIT key.
    this.search = new ReverseSearch(rl, (text) => text === "\x1c" && this.jobKey(SIGQUIT, "^\\"));
    rl.on("history", (h: string[]) => {
      this.histories.set(this.active.shell.host.name, [...h]);
    });
    rl.on("line", (line) => this.line(line));
    rl.on("SIGINT", () => this.signal(SIGINT, "^C"));
    rl.on("SIGTSTP", () => this.jobKey(SIGTSTP, "^Z"));
    rl.on("close", () => {
      if (this.done) return;
      if (this.input.readableEnded || this.input.destroyed) return this.hangUp();
      this.editor();
      this.active.shell.type("");
      this.moved();
    });
  }

  private history(): readonly string[] {
    return this.histories.get(this.active?.shell.host.name) ?? [];
  }

  /** What is typed goes to this host from now on, and the arrows show what was typed there. */
  private activate(view: View): void {
    this.active = view;
    Object.assign(this.readline, { history: [...this.history()], historyIndex: -1 });
  }

  /** Ctrl-Z and Ctrl-\: a shell at its prompt ignores them. */
  private jobKey(sig: number, shown: string): true {
    if (!this.active.shell.atPrompt) this.signal(sig, shown);
    return true;
  }

  /** A key that sends a signal: what was typed stays on the screen, but is no longer the line. */
  private signal(sig: number, shown: string): void {
    const rl = this.readline;
    if (rl.line !== "") rl.write(null, { ctrl: true, name: "e" });
    this.output.write(shown);
    Object.assign(rl, { line: "", cursor: 0, prevRows: 0 });
    this.active.partial = "";
    rl.setPrompt("");
    this.active.shell.signal(sig);
    this.moved();
  }

  /** The terminal is gone: SIGHUP to what is in the foreground, and the end. */
  private hangUp(): void {
    for (const s of this.sessions.values()) s.shell.signal(SIGHUP);
    this.finish(128 + SIGHUP);
  }

  private completions(line: string): [string[], string] {
    // Behind `@HOST ` it is that host's.
    const at = /^\s*@(\S+)\s+/.exec(line);
    const other = at === null ? undefined : this.lab.hosts.get(at[1]);
    const { computer } = other ?? this.active.shell.host;
    const shell = other === undefined ? this.active.shell : this.sessions.get(other.name)?.shell;
    const cwd = (shell && computer.kernel.tasks.get(shell.process.pid)?.cwd) ?? "/root";
    const list = (path: string): string[] | null => {
      const names = computer.sys.readdir(path);
      return typeof names === "number" ? null : names;
    };
    const c = complete(other === undefined ? line : line.slice(at![0].length), {
      commands: () => [...computer.kernel.programs.keys(), ...BUILTINS.keys()],
      hosts: () => [...this.lab.hosts.keys()],
      interfaces: () => list("/sys/class/net") ?? [],
      usage: (argv) => {
        const program = computer.kernel.programs.get(argv[0]);
        return program === undefined ? null : usageOf(program, argv);
      },
      folder: (path) => {
        const folder = path.startsWith("/") ? path : path.startsWith("~/") ? `/root${path.slice(1)}` : `${cwd}/${path}`;
        return (
          list(folder)?.map((n) => {
            const s = computer.sys.stat(`${folder}/${n}`);
            return typeof s !== "number" && (s.st_mode & S_IFMT) === S_IFDIR ? `${n}/` : n;
          }) ?? null
        );
      },
    });
    const only = c.candidates.length === 1 && !c.candidates[0].endsWith("/") ? [`${c.candidates[0]} `] : c.candidates;
    return [only, c.word];
  }

  private line(line: string): void {
    // What stood in front of it is on the screen for good.
    this.active.partial = "";
    this.readline.setPrompt("");
    if (this.active.shell.atPrompt && this.ownCommand(line)) return;
    this.active.shell.type(`${line}\n`);
    this.moved();
  }

  /** @HOST [COMMAND], connect HOST, hosts. */
  private ownCommand(line: string): boolean {
    const own = promptCommand(line);
    if (own === null) return false;
    if (own === "hosts") {
      this.output.write(hostsText(this.lab, this.active.shell.host.name));
      this.prompt();
    } else if (!this.lab.hosts.has(own.to)) {
      this.active.pending += noHost(this.lab, own.to);
      this.refresh();
      this.prompt();
    } else {
      const from = this.active;
      this.connect(own.to);
      if (own.command === "") return true;
      this.active.errandFor = from === this.active ? null : from;
      this.active.take(`${own.command}\n`);
      this.active.shell.type(`${own.command}\n`);
      this.moved();
    }
    return true;
  }

  /** An empty line makes the shell print its prompt again. */
  private prompt(): void {
    if (this.active.partial === "" && this.active.pending === "") this.active.shell.type("\n");
    this.moved();
  }

  private connect(name: string): void {
    let session = this.sessions.get(name);
    const started = session !== undefined;
    if (session === undefined) {
      const { columns, rows } = this.size();
      session = new View(this.lab, name, columns, rows, this.options.journal);
      this.sessions.set(name, session);
      session.shell.process.exited.then((code) => this.ended(name, code));
    }
    if (this.active !== undefined && this.active !== session) {
      this.trail.push(this.active);
      // Back on a host whose prompt was typed over, as by `@pc2` there.
      if (started && session.partial === "" && session.shell.atPrompt) session.shell.type("\n");
    }
    this.activate(session);
    this.moved();
  }

  private ended(name: string, code: number): void {
    const session = this.sessions.get(name);
    this.sessions.delete(name);
    this.refresh();
    if (session !== this.active) return;
    for (let back = this.trail.pop(); back !== undefined; back = this.trail.pop()) {
      if (!back.shell.process.running) continue;
      this.activate(back);
      if (back.partial === "" && back.shell.atPrompt) back.shell.type("\n");
      this.moved();
      return;
    }
    this.finish(code);
  }

  /** The command of `@HOST COMMAND` is done, or in the background: back to where it was typed. */
  private goBack(): void {
    const back = this.active.errandFor;
    if (back === null || !this.active.errandDone) return;
    this.active.errandFor = null;
    this.active.errandDone = false;
    if (this.trail.at(-1) === back) this.trail.pop();
    this.putLines(this.active, "");
    this.activate(back);
    if (back.partial === "" && back.shell.atPrompt) back.shell.type("\n");
    this.moved();
  }

  // --- the screen --------------------------------------------------------------------------------------------------

  /** Something was put into a machine: let it run, then show. */
  private moved(): void {
    if (this.pacer !== undefined) this.pacer.poke();
    else setImmediate(() => this.refresh());
    if (this.pacer === undefined && !this.scheduled) {
      // In real time the machines run by themselves: look regularly.
      this.scheduled = true;
      const look = setInterval(() => (this.done ? clearInterval(look) : this.refresh()), 20);
    }
  }

  /** Writes finished lines above what is being typed, those of other hosts with their name. */
  private putLines(s: View, prefix: string): void {
    if (s.pending !== "")
      this.output.write(prefix === "" ? s.pending : s.pending.replace(/^/gm, prefix).slice(0, -prefix.length));
    s.pending = "";
  }

  /** Writes finished lines above what is being typed, and shows the unfinished one before it. */
  private refresh(): void {
    if (this.done) return;
    const rl = this.readline;
    const others = [...this.sessions.values()].filter((o) => o !== this.active && o.pending !== "");
    const s = this.active;
    if (others.length > 0 || s.pending !== "" || rl.getPrompt() !== this.promptOf(s)) this.paint(s, others);
    this.goBack();
  }

  /** What stands in front of the line. */
  private promptOf(s: View): string {
    return this.search.prompt ?? s.partial;
  }

  private paint(s: View, others: View[]): void {
    const rl = this.readline;
    moveCursor(this.output, 0, -rl.getCursorPos().rows);
    cursorTo(this.output, 0);
    clearScreenDown(this.output);
    for (const o of others) this.putLines(o, `${o.shell.host.name}: `);
    this.putLines(s, "");
    rl.setPrompt(this.promptOf(s));
    // readline still counts the rows that were just cleared.
    (rl as { prevRows?: number }).prevRows = 0;
    // With nothing to show readline would put a blank there.
    if (rl.getPrompt() !== "" || rl.line !== "") rl.prompt(true);
  }
}
