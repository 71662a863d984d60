// What strace prints, line by line, of the tasks that it follows: who is in the middle of a call, who goes on, who ended.
// Read first: strace(1). Way in: new Tracer(options), then traced_program() of table.ts.

import type { Blocking, Sys } from "../../uapi/sys.ts";
import type { CallFilter } from "./classes.ts";
import { error_of, sig_of } from "./names.ts";
import type { Printer } from "./structs.ts";

export interface TracerOptions {
  filter: CallFilter;
  /** Takes text as it comes (the command line). Without it text gathers for flush(), which writes it to `fd`. */
  out?: (text: string) => void;
  /** Descriptor of each traced task for the text; it is kept above all others. */
  fd?: number;
  follow: boolean;
  strsize?: number;
  columns?: number;
  /** -t, -tt, -ttt, -r. */
  clock?: "time" | "time_us" | "epoch_us" | "relative";
  /** -T */
  spent?: boolean;
  /** -q: no word about who was attached; 2: nor about who ended. */
  quiet?: number;
  /** -o: the pid stands before each line without brackets. */
  to_file?: boolean;
  /** -z, -Z: only calls that went well, or failed. */
  status?: "successful" | "failed";
}

/** A call under way. */
export interface OpenCall {
  readonly name: string;
  /** Arguments that are known before the call ends. */
  readonly head: string;
  /** The arguments after `head` when it failed: nothing was filled in. */
  readonly failed: () => string;
  readonly began: number;
}

export class TracedTask {
  readonly pid: number;
  readonly sys: Sys;
  open: OpenCall | null = null;
  /** Signals whose handlers ran within the call. */
  readonly signals: number[] = [];
  readonly netlink: Set<number> = new Set();

  constructor(pid: number, sys: Sys) {
    this.pid = pid;
    this.sys = sys;
  }
}

export class Tracer implements Printer {
  readonly o: TracerOptions;
  readonly strsize: number;
  private readonly tasks: Set<TracedTask> = new Set();
  /** The line that is begun: whoever prints next makes it "<unfinished ...>". */
  private current: TracedTask | null = null;
  private began_text = "";
  private text = "";
  private last = Number.NaN;
  private readonly addresses: WeakMap<object, number> = new WeakMap();
  private next_address = 0x7ffd00001000;

  constructor(o: TracerOptions) {
    this.o = o;
    this.strsize = o.strsize ?? 32;
  }

  /** DIFF: buffers have no address here; each gets a number of its own, the same wherever it is passed. */
  addr(what: object): string {
    const key = ArrayBuffer.isView(what) ? what.buffer : what;
    let a = this.addresses.get(key);
    if (a === undefined) {
      a = this.next_address;
      this.next_address += 0x10000;
      this.addresses.set(key, a);
    }
    return `0x${(a + (ArrayBuffer.isView(what) ? what.byteOffset : 0)).toString(16)}`;
  }

  ifname(index: number): string {
    return index === 1 ? 'if_nametoindex("lo")' : String(index);
  }

  now(t: TracedTask): number {
    return this.o.clock !== undefined || this.o.spent ? t.sys.clock_gettime(0) : 0;
  }

  private stamp(t: TracedTask, began: number): string {
    const pid = this.o.to_file
      ? this.o.follow
        ? `${String(t.pid).padEnd(5)} `
        : ""
      : this.tasks.size > 1
        ? `[pid ${String(t.pid).padStart(5)}] `
        : "";
    if (this.o.clock === undefined) return pid;
    const us = Math.floor(began / 1000);
    const frac = String(us % 1e6).padStart(6, "0");
    const s = Math.floor(us / 1e6);
    if (this.o.clock === "epoch_us") return `${pid}${s}.${frac} `;
    if (this.o.clock === "relative") {
      const d = Number.isNaN(this.last) ? 0 : us - this.last;
      this.last = us;
      return `${pid}${String(Math.floor(d / 1e6)).padStart(6)}.${String(d % 1e6).padStart(6, "0")} `;
    }
    const hms = [Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60]
      .map((n) => String(n).padStart(2, "0"))
      .join(":");
    return this.o.clock === "time" ? `${pid}${hms} ` : `${pid}${hms}.${frac} `;
  }

  private put(text: string): void {
    if (this.o.out !== undefined) this.o.out(text);
    else this.text += text;
  }

  /** Ends the line that another task has begun. */
  private interrupt(): void {
    if (this.current === null) return;
    this.put(`${this.began_text} <unfinished ...>\n`);
    this.current = null;
  }

  attach(t: TracedTask, announce: boolean): void {
    this.tasks.add(t);
    if (!announce || (this.o.quiet ?? 0) > 0 || this.o.to_file) return;
    this.interrupt();
    this.put(`strace: Process ${t.pid} attached\n`);
  }

  begin(t: TracedTask, name: string, head: string, failed: () => string): void {
    if (!this.o.filter(name)) return;
    const began = this.now(t);
    t.open = { name, head, failed, began };
    if (this.o.status !== undefined) return;
    this.interrupt();
    this.current = t;
    this.began_text = `${this.stamp(t, began)}${name}(${head}`;
  }

  /** `rest`: the arguments after those of begin(); null when it failed. */
  end(t: TracedTask, rest: string | null, ret: string): void {
    const c = t.open;
    if (c === null) {
      t.signals.length = 0;
      return;
    }
    t.open = null;
    const bad = ret.startsWith("-1 ");
    const wanted = this.o.status === undefined || bad === (this.o.status === "failed");
    if (wanted) {
      const args = rest ?? c.failed();
      let line: string;
      if (this.current === t) line = `${this.began_text}${args})`;
      else {
        this.interrupt();
        const stamp = this.stamp(t, this.o.status !== undefined ? c.began : this.now(t));
        line =
          this.o.status !== undefined
            ? `${stamp}${c.name}(${c.head}${args})`
            : `${stamp}<... ${c.name} resumed>${args})`;
      }
      const spent = this.o.spent ? ` <${((this.now(t) - c.began) / 1e9).toFixed(6)}>` : "";
      this.put(`${line.padEnd((this.o.columns ?? 40) - 1)} = ${ret}${spent}\n`);
    }
    if (this.current === t) this.current = null;
    for (const sig of t.signals.splice(0)) this.signal(t, sig);
  }

  /** A call that cannot sleep. */
  call(t: TracedTask, name: string, args: string, ret: string): void {
    if (!this.o.filter(name)) return;
    this.begin(t, name, args, () => "");
    this.end(t, "", ret);
  }

  line(t: TracedTask, text: string): void {
    this.interrupt();
    this.put(`${this.stamp(t, this.now(t))}${text}\n`);
  }

  /** A handler is about to run: said at once, or when the call that it interrupted has been printed. */
  signal(t: TracedTask, sig: number): void {
    if (t.open !== null) t.signals.push(sig);
    else this.line(t, `--- ${sig_of(sig)} {si_signo=${sig_of(sig)}} ---`);
  }

  exited(t: TracedTask, code: number): void {
    if (this.o.filter("exit_group")) {
      this.begin(t, "exit_group", String(code), () => "");
      this.end(t, "", "?");
    }
    if ((this.o.quiet ?? 0) < 2) this.line(t, `+++ exited with ${code} +++`);
    this.tasks.delete(t);
  }

  killed(t: TracedTask, sig: number): void {
    if (t.open !== null) {
      if (sig === 9) {
        if (this.current !== t) this.end(t, "", "?");
        else {
          this.current = null;
          this.put(`${`${this.began_text} <unfinished ...>)`.padEnd((this.o.columns ?? 40) - 1)} = ?\n`);
          t.open = null;
        }
      } else this.end(t, null, restart_of(t.open.name));
    }
    if (sig !== 9) this.line(t, `--- ${sig_of(sig)} {si_signo=${sig_of(sig)}} ---`);
    if ((this.o.quiet ?? 0) < 2) this.line(t, `+++ killed by ${sig_of(sig)} +++`);
    this.tasks.delete(t);
  }

  /** Writes what has gathered, in the name of a traced task. */
  *flush(sys: Sys, fd: number): Blocking<void> {
    while (this.text !== "") {
      const bytes = utf8(this.text);
      this.text = "";
      for (let done = 0; done < bytes.length; ) {
        const n = yield* sys.write(fd, bytes.subarray(done));
        if (n <= 0 && n !== -4) return;
        if (n > 0) done += n;
      }
    }
  }
}

/** What is printed is ASCII: strings are escaped. */
function utf8(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0) & 0x7f);
}

/** How an interrupted call ends for the kernel, before anybody sees EINTR. */
export function restart_of(name: string): string {
  if (name === "poll" || name === "clock_nanosleep") return "? ERESTART_RESTARTBLOCK (Interrupted by signal)";
  if (name === "epoll_wait") return error_of(4);
  return "? ERESTARTSYS (To be restarted if SA_RESTART is set)";
}
