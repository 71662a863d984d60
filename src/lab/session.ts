// One host's shell at a prompt: what goes in, as a journal if wanted, and what comes out.
// Way in: `new Session(host, …)` and its verbs; `replaySessions()` does again what a journal says.

import type { Process } from "../api/machine.ts";
import type { SimWorld } from "../arch/sim/world.ts";
import { syscall } from "../kernel/cpu.ts";
import { Tty } from "../kernel/fs/pipe.ts";
import type { Lab, LabHost } from "./lab.ts";

/** A moment of virtual time, exactly: how many events the world had run, and its clock. */
export interface Moment {
  events: number;
  ns: number;
}

/** Something that came from outside; one of open, pipe, type, signal, resize. */
export interface SessionEvent extends Moment {
  host: string;
  /** A shell was started on a terminal of so many columns and rows. */
  open?: [number, number];
  /** A shell was started that reads from a pipe. */
  pipe?: true;
  /** Typed text; "" is end of file. */
  type?: string;
  /** A key that sends a signal to the foreground process group. */
  signal?: number;
  resize?: [number, number];
}

export interface SessionOptions {
  /** Columns and rows; without them there is no terminal, and the shell does not prompt. */
  terminal?: [number, number] | undefined;
  output: (text: string, stream: "stdout" | "stderr") => void;
  /** Gets every event. Virtual time only. */
  journal?: SessionEvent[] | undefined;
}

export const momentOf = (sim: SimWorld): Moment => ({ events: sim.events, ns: sim.now });

const encoder = new TextEncoder();

export class Session {
  readonly host: LabHost;
  readonly process: Process;
  private readonly tty: Tty;
  private readonly note: (event: Omit<SessionEvent, "host" | keyof Moment>) => void;

  constructor(lab: Lab, name: string, options: SessionOptions) {
    const { terminal, output, journal } = options;
    const { sim } = lab.world;
    this.host = lab.host(name);
    this.note =
      journal === undefined || sim === null
        ? () => {}
        : (event) => void journal.push({ ...momentOf(sim), host: name, ...event });
    const k = this.host.computer.kernel;
    const to = (stream: "stdout" | "stderr"): ((bytes: Uint8Array) => void) => {
      const decoder = new TextDecoder();
      return (bytes) => output(decoder.decode(bytes, { stream: true }), stream);
    };
    const sh = k.programs.get("sh");
    if (sh === undefined) throw new Error(`${name} has no shell`);
    if (terminal === undefined) {
      this.note({ pipe: true });
      this.process = this.host.computer.spawn(sh, ["sh"], { stdout: to("stdout"), stderr: to("stderr") });
      this.tty = this.process.stdin;
      return;
    }
    this.note({ open: terminal });
    this.tty = new Tty(k, true, to("stdout"));
    [this.tty.columns, this.tty.rows] = terminal;
    this.process = this.host.computer.spawn(sh, ["sh", "-i"], { tty: this.tty, cwd: "/root" });
    this.tty.foreground = this.process.pid;
  }

  /** The shell itself is in the foreground: a prompt, or a builtin. */
  get atPrompt(): boolean {
    return this.tty.foreground === this.process.pid;
  }

  /** It ended, or waits for more to be typed. */
  get waiting(): boolean {
    return !this.process.running || this.tty.starved;
  }

  resize(columns: number, rows: number): void {
    this.note({ resize: [columns, rows] });
    this.tty.columns = columns;
    this.tty.rows = rows;
  }

  /** Types; "" is end of file. */
  type(text: string): void {
    this.note({ type: text });
    syscall(this.host.computer.kernel, () => this.tty.push(encoder.encode(text)));
  }

  signal(sig: number): void {
    this.note({ signal: sig });
    syscall(this.host.computer.kernel, () => this.tty.isig(sig));
  }
}

/** Lets the world run to a moment of the past run. False when it comes to its end, or past the moment, before. */
function advance(sim: SimWorld, to: Moment): boolean {
  while (sim.events < to.events) if (!sim.step(to.ns)) return false;
  if (sim.now < to.ns) sim.now = to.ns;
  return sim.events === to.events && sim.now === to.ns;
}

/** Does again what was done in a journal, at the same moments, up to `end`. False when the run takes another course. */
export function replaySessions(
  lab: Lab,
  journal: readonly SessionEvent[],
  end: Moment,
  output: (text: string, stream: "stdout" | "stderr") => void,
): boolean {
  const sim = lab.world.sim!;
  const sessions = new Map<string, Session>();
  for (const e of journal) {
    if (!advance(sim, e)) return false;
    if (e.open !== undefined || e.pipe) sessions.set(e.host, new Session(lab, e.host, { terminal: e.open, output }));
    const session = sessions.get(e.host);
    if (session === undefined) return false;
    if (e.type !== undefined) session.type(e.type);
    if (e.signal !== undefined) session.signal(e.signal);
    if (e.resize !== undefined) session.resize(...e.resize);
  }
  return advance(sim, end);
}
