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

/** Something that came from outside; one of open, type, signal, resize. */
export interface SessionEvent extends Moment {
  host: string;
  /** A shell was started on a terminal of so many columns and rows. */
  open?: [number, number];
  /** Typed text; "" is end of file. */
  type?: string;
  /** A key that sends a signal to the foreground process group. */
  signal?: number;
  resize?: [number, number];
}

export interface SessionOptions {
  columns: number;
  rows: number;
  output: (text: string) => void;
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
    const { columns, rows, output, journal } = options;
    const { sim } = lab.world;
    this.host = lab.host(name);
    this.note =
      journal === undefined || sim === null
        ? () => {}
        : (event) => void journal.push({ ...momentOf(sim), host: name, ...event });
    const k = this.host.computer.kernel;
    const decoder = new TextDecoder();
    const sh = k.programs.get("sh");
    if (sh === undefined) throw new Error(`${name} has no shell`);
    this.note({ open: [columns, rows] });
    this.tty = new Tty(k, true, (bytes) => output(decoder.decode(bytes, { stream: true })));
    this.tty.columns = columns;
    this.tty.rows = rows;
    this.process = this.host.computer.spawn(sh, ["sh", "-i"], { tty: this.tty, cwd: "/root" });
    this.tty.foreground = this.process.pid;
  }

  /** The shell itself is in the foreground: a prompt, or a builtin. */
  get atPrompt(): boolean {
    return this.tty.foreground === this.process.pid;
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
  output: (text: string) => void,
): boolean {
  const sim = lab.world.sim!;
  const sessions = new Map<string, Session>();
  for (const e of journal) {
    if (!advance(sim, e)) return false;
    if (e.open !== undefined) {
      const [columns, rows] = e.open;
      sessions.set(e.host, new Session(lab, e.host, { columns, rows, output }));
    }
    const session = sessions.get(e.host);
    if (session === undefined) return false;
    if (e.type !== undefined) session.type(e.type);
    if (e.signal !== undefined) session.signal(e.signal);
    if (e.resize !== undefined) session.resize(...e.resize);
  }
  return advance(sim, end);
}
