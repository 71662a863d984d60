// A lab at a terminal: one shell per host behind one line editor (Node's readline), with history and completion.
// `@pc2` or `connect pc2` goes to another host, `@pc2 COMMAND` runs one there and comes back, `hosts` lists them. What other
// hosts print in the background appears with their name in front. Way in: `runTerminal(lab, options)`.
// The shells read whole lines from their Tty and print their own prompts: the last unfinished line of output is what
// the editor shows in front of what is typed.

import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Process } from "../api/machine.ts";
import { BUILTINS } from "../bin/sh/builtins.ts";
import { syscall } from "../kernel/cpu.ts";
import { Tty } from "../kernel/fs/pipe.ts";
import { kill_something } from "../kernel/sched.ts";
import { S_IFDIR, S_IFMT, SIGINT } from "../uapi/fcntl.ts";
import { complete } from "./complete.ts";
import type { Lab, LabHost } from "./lab.ts";
import { Pacer } from "./pacer.ts";

export interface TerminalOptions {
  /** Host of the first prompt; default the first of the lab. */
  host?: string;
  /** Printed once before the first prompt. */
  hint?: string;
  input?: Readable;
  output?: Writable & { columns?: number; rows?: number };
  /** Default: whether the input is a terminal. Without one the input is run as commands, as fast as it goes. */
  terminal?: boolean;
}

/** Output of a host that nobody looks at is kept up to here. */
const BACKLOG = 64 * 1024;

/** Runs until the user leaves; the exit code is that of the last shell. */
export async function runTerminal(lab: Lab, options: TerminalOptions = {}): Promise<number> {
  const input = options.input ?? process.stdin;
  const terminal = options.terminal ?? (input as { isTTY?: boolean }).isTTY === true;
  return terminal ? await new Terminal(lab, options, input).run() : await runPiped(lab, options, input);
}

/** One host's shell and what of its output is not finished. */
class Session {
  readonly host: LabHost;
  readonly tty: Tty;
  readonly process: Process;
  /** Output since the last newline: the prompt, mostly. */
  partial = "";
  /** Finished lines that are not on the screen yet. */
  pending = "";
  /** Where `@HOST COMMAND` was typed: the prompt goes back there when this shell prompts again. */
  errandFor: Session | null = null;
  /** It does: the prompt was swallowed, so that what is printed from now on stands alone. */
  errandDone = false;
  private readonly decoder = new TextDecoder();

  constructor(host: LabHost, columns: number, rows: number) {
    this.host = host;
    const k = host.computer.kernel;
    this.tty = new Tty(k, true, (bytes) => this.take(this.decoder.decode(bytes, { stream: true })));
    this.resize(columns, rows);
    const sh = k.programs.get("sh");
    if (sh === undefined) throw new Error(`${host.name} has no shell`);
    this.process = host.computer.spawn(sh, ["sh", "-i"], { tty: this.tty, cwd: "/root" });
    this.tty.foreground = this.process.pid;
  }

  resize(columns: number, rows: number): void {
    this.tty.columns = columns;
    this.tty.rows = rows;
  }

  take(text: string): void {
    const all = this.partial + text;
    const nl = all.lastIndexOf("\n");
    this.partial = all.slice(nl + 1);
    this.pending += all.slice(0, nl + 1);
    if (this.errandFor !== null && this.atPrompt && this.partial.endsWith("$ ")) {
      this.errandDone = true;
      this.partial = "";
    }
    if (this.pending.length > BACKLOG * 2) this.pending = `…\n${this.pending.slice(-BACKLOG)}`;
  }

  /** The shell itself is in the foreground: a prompt, or a builtin. */
  get atPrompt(): boolean {
    return this.tty.foreground === this.process.pid;
  }

  send(bytes: Uint8Array): void {
    syscall(this.host.computer.kernel, () => this.tty.push(bytes));
  }

  interrupt(): void {
    const k = this.host.computer.kernel;
    this.tty.flush_input();
    syscall(k, () => kill_something(k, null, -this.tty.foreground, SIGINT));
  }
}

class Terminal {
  private readonly lab: Lab;
  private readonly input: Readable;
  private readonly output: Writable & { columns?: number; rows?: number };
  private readonly options: TerminalOptions;
  private readonly sessions = new Map<string, Session>();
  /** Hosts left for another one, most recent last: `exit` goes back. */
  private readonly trail: Session[] = [];
  private active!: Session;
  private readline!: Interface;
  private history: string[] = [];
  private readonly pacer: Pacer | undefined;
  private finish!: (code: number) => void;
  private done = false;
  private scheduled = false;
  private readonly encoder = new TextEncoder();

  constructor(lab: Lab, options: TerminalOptions, input: Readable) {
    this.lab = lab;
    this.options = options;
    this.input = input;
    this.output = options.output ?? process.stdout;
    this.pacer = lab.world.sim === null ? undefined : new Pacer(lab.world.sim, () => this.refresh());
  }

  async run(): Promise<number> {
    const over = new Promise<number>((resolve) => {
      this.finish = resolve;
    });
    if (this.options.hint) this.output.write(`${this.options.hint.trimEnd()}\n`);
    this.editor();
    const resize = (): void => {
      for (const s of this.sessions.values()) s.resize(this.output.columns ?? 80, this.output.rows ?? 24);
    };
    this.output.on("resize", resize);
    this.connect(this.options.host ?? this.lab.hosts.keys().next().value!);
    this.pacer?.start();
    const code = await over;
    this.done = true;
    this.pacer?.stop();
    this.output.off("resize", resize);
    this.readline.close();
    return code;
  }

  // --- the line editor ---------------------------------------------------------------------------------------------

  /** readline ends itself on Ctrl-D; a program that reads may want more than one end of file, so it is made again. */
  private editor(): void {
    const rl = createInterface({
      input: this.input,
      output: this.output,
      terminal: true,
      prompt: "",
      history: this.history,
      historySize: 1000,
      removeHistoryDuplicates: true,
      completer: (line: string) => this.completions(line),
    });
    this.readline = rl;
    rl.on("history", (h: string[]) => {
      this.history = [...h];
    });
    rl.on("line", (line) => this.line(line));
    rl.on("SIGINT", () => {
      if (rl.line !== "") rl.write(null, { ctrl: true, name: "e" });
      this.output.write("^C");
      // What was typed stays on the screen, but is no longer the line.
      Object.assign(rl, { line: "", cursor: 0, prevRows: 0 });
      this.active.partial = "";
      rl.setPrompt("");
      this.active.interrupt();
      this.moved();
    });
    rl.on("SIGTSTP", () =>
      this.say("A program cannot be stopped and resumed here: end it with Ctrl-C, or start it with & at the end."),
    );
    rl.on("close", () => {
      if (this.done) return;
      this.editor();
      this.active.send(new Uint8Array(0));
      this.moved();
    });
  }

  private completions(line: string): [string[], string] {
    const { computer } = this.active.host;
    const cwd = computer.kernel.tasks.get(this.active.process.pid)?.cwd ?? "/";
    const list = (path: string): string[] | null => {
      const names = computer.sys.readdir(path);
      return typeof names === "number" ? null : names;
    };
    const c = complete(line, {
      commands: () => [...computer.kernel.programs.keys(), ...BUILTINS.keys()],
      hosts: () => [...this.lab.hosts.keys()],
      interfaces: () => list("/sys/class/net") ?? [],
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
    const words = line.trim().split(/\s+/);
    if (this.active.atPrompt && this.ownCommand(words, line)) return;
    this.active.send(this.encoder.encode(`${line}\n`));
    this.moved();
  }

  /** @HOST [COMMAND], connect HOST, hosts. */
  private ownCommand(words: string[], line: string): boolean {
    const at = /^\s*@(\S+)\s*(.*)$/.exec(line);
    const to = at !== null ? at[1] : words[0] === "connect" && words.length === 2 ? words[1] : undefined;
    if (to !== undefined) {
      const from = this.active;
      if (!this.lab.hosts.has(to)) this.say(`no host "${to}"; there are: ${[...this.lab.hosts.keys()].join(", ")}`);
      else this.connect(to);
      if (at !== null && at[2] !== "" && this.lab.hosts.has(to)) {
        this.active.errandFor = from === this.active ? null : from;
        this.active.take(`${at[2]}\n`);
        this.active.send(this.encoder.encode(`${at[2]}\n`));
      } else if (!this.lab.hosts.has(to)) this.prompt();
      this.moved();
      return true;
    }
    if (words[0] !== "hosts" || words.length > 1) return false;
    for (const h of this.lab.hosts.values()) {
      const wires = h.spec.interfaces.map((i) => `${i.name} on ${i.segment}`).join(", ");
      this.output.write(`${h === this.active.host ? "*" : " "} ${h.name.padEnd(12)} ${wires}\n`);
    }
    this.prompt();
    return true;
  }

  /** An empty line makes the shell print its prompt again. */
  private prompt(): void {
    if (this.active.partial === "" && this.active.pending === "") this.active.send(this.encoder.encode("\n"));
    this.moved();
  }

  private connect(name: string): void {
    let session = this.sessions.get(name);
    const started = session !== undefined;
    if (session === undefined) {
      session = new Session(this.lab.host(name), this.output.columns ?? 80, this.output.rows ?? 24);
      this.sessions.set(name, session);
      session.process.exited.then((code) => this.ended(name, code));
    }
    if (this.active !== undefined && this.active !== session) {
      this.trail.push(this.active);
      // Back on a host whose prompt was typed over, as by `@pc2` there.
      if (started && session.partial === "" && session.atPrompt) session.send(this.encoder.encode("\n"));
    }
    this.active = session;
    this.moved();
  }

  private ended(name: string, code: number): void {
    const session = this.sessions.get(name);
    this.sessions.delete(name);
    this.refresh();
    if (session !== this.active) return;
    for (let back = this.trail.pop(); back !== undefined; back = this.trail.pop()) {
      if (!back.process.running) continue;
      this.active = back;
      if (back.partial === "" && back.atPrompt) back.send(this.encoder.encode("\n"));
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
    this.active = back;
    if (back.partial === "" && back.atPrompt) back.send(this.encoder.encode("\n"));
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

  private say(text: string): void {
    this.active.pending += `${text}\n`;
    this.refresh();
  }

  /** Writes finished lines above what is being typed, those of other hosts with their name. */
  private putLines(s: Session, prefix: string): void {
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
    if (others.length > 0 || s.pending !== "" || rl.getPrompt() !== s.partial) this.paint(s, others);
    this.goBack();
  }

  private paint(s: Session, others: Session[]): void {
    const rl = this.readline;
    moveCursor(this.output, 0, -rl.getCursorPos().rows);
    cursorTo(this.output, 0);
    clearScreenDown(this.output);
    for (const o of others) this.putLines(o, `${o.host.name}: `);
    this.putLines(s, "");
    rl.setPrompt(s.partial);
    // readline still counts the rows that were just cleared.
    (rl as { prevRows?: number }).prevRows = 0;
    // With nothing to show readline would put a blank there.
    if (rl.getPrompt() !== "" || rl.line !== "") rl.prompt(true);
  }
}

/** No terminal: the input is a script. Lines from `@HOST` on run on that host. */
async function runPiped(lab: Lab, options: TerminalOptions, input: Readable): Promise<number> {
  const output = options.output ?? process.stdout;
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  const text = new TextDecoder().decode(Buffer.concat(chunks));
  let host = options.host ?? lab.hosts.keys().next().value!;
  let code = 0;
  let script = "";
  const flush = async (): Promise<void> => {
    const command = script;
    script = "";
    if (command.trim() === "") return;
    const sinks = {
      stdout: (b: Uint8Array) => void output.write(b.slice()),
      stderr: (b: Uint8Array) => void (options.output ?? process.stderr).write(b.slice()),
    };
    code = (
      lab.world.sim === null ? await lab.execRealtime(host, command, sinks) : lab.execStreaming(host, command, sinks)
    ).exitCode;
  };
  for (const line of text.split("\n")) {
    const at = /^\s*(?:@|connect\s+)(\S+)\s*(.*)$/.exec(line);
    if (at === null || !lab.hosts.has(at[1])) {
      script += `${line}\n`;
      continue;
    }
    await flush();
    host = at[1];
    script = `${at[2]}\n`;
  }
  await flush();
  return code;
}
