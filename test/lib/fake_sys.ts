// A small machine for testing programs without a kernel: files in memory, pipes, processes as generators run in turn,
// signals, a clock that moves when all wait. Way in: `new FakeMachine({programs, files})`, `machine.run(["sh", "-c", …])`.

import type { Blocking, Program, SpawnOptions, Stat, Sys } from "../../src/uapi/sys.ts";

const ENOENT = 2,
  ESRCH = 3,
  EINTR = 4,
  EBADF = 9,
  ECHILD = 10,
  EAGAIN = 11,
  EEXIST = 17,
  ENOTDIR = 20,
  EISDIR = 21,
  EINVAL = 22,
  EMFILE = 24,
  ENOTTY = 25,
  ENOSPC = 28,
  EPIPE = 32,
  ENOTEMPTY = 39,
  ENOSYS = 38;
const PIPE_SIZE = 65536;

interface Node {
  ino: number;
  dir?: Map<string, Node>;
  data?: Uint8Array;
  /** A device or proc file: reads and writes go here. */
  read?: () => Uint8Array;
  write?: (bytes: Uint8Array) => number;
}

interface Pipe {
  chunks: Uint8Array[];
  size: number;
  readers: number;
  writers: number;
}

/** struct file */
interface File {
  refs: number;
  node?: Node;
  pipe?: Pipe;
  end?: "read" | "write";
  pos: number;
  flags: number;
  tty?: boolean;
}

interface Task {
  pid: number;
  ppid: number;
  pgid: number;
  name: string;
  gen: Generator<undefined, number, unknown>;
  fds: (File | undefined)[];
  env: Record<string, string>;
  cwd: string;
  handlers: Map<number, "SIG_IGN" | ((sig: number) => void)>;
  /** A handler ran: the waiting call returns -EINTR. */
  interrupted: boolean;
  status: number | undefined;
  reaped: boolean;
  wakeAt: number;
  blocked: boolean;
}

export interface RunResult {
  status: number;
  stdout: string;
  stderr: string;
}

export class FakeMachine {
  readonly root: Node = { ino: 1, dir: new Map() };
  readonly programs = new Map<string, Program>();
  now = 1e9;
  /** Input of the terminal, as the user's lines; end of input after them. */
  ttyInput: string[] = [];
  ttyOutput = "";
  foregroundGroup = 0;
  maxTasks = 300;
  maxSteps = 2_000_000;
  /** Characters that the terminal shows at most. */
  maxOutput = 1 << 24;
  private readonly tasks: Task[] = [];
  private nextPid = 100;
  private nextIno = 2;
  private activity = 0;
  private steps = 0;
  private writes = 0;
  private current: Task | undefined;
  private ttyPending = new Uint8Array(0);

  constructor(options: { programs?: Record<string, Program>; files?: Record<string, string> } = {}) {
    for (const [name, p] of Object.entries(options.programs ?? {})) this.programs.set(name, p);
    for (const d of ["/dev", "/tmp", "/etc", "/root", "/proc", "/bin"]) this.mkdirp(d);
    this.device(
      "/dev/null",
      () => new Uint8Array(0),
      (b) => b.length,
    );
    for (const [path, text] of Object.entries(options.files ?? {})) this.writeFile(path, text);
  }

  writeFile(path: string, text: string): void {
    this.mkdirp(path.slice(0, path.lastIndexOf("/")) || "/");
    const dir = this.lookup(path.slice(0, path.lastIndexOf("/")) || "/") as Node;
    dir.dir!.set(path.slice(path.lastIndexOf("/") + 1), { ino: this.nextIno++, data: new TextEncoder().encode(text) });
  }

  readFile(path: string): string | undefined {
    const n = this.lookup(path);
    return typeof n === "number" || n.data === undefined ? undefined : new TextDecoder().decode(n.data);
  }

  device(path: string, read: () => Uint8Array, write: (b: Uint8Array) => number): void {
    this.writeFile(path, "");
    const n = this.lookup(path) as Node;
    n.read = read;
    n.write = write;
  }

  private mkdirp(path: string): void {
    let n = this.root;
    for (const part of path.split("/")) {
      if (part === "") continue;
      let next = n.dir!.get(part);
      if (next === undefined) n.dir!.set(part, (next = { ino: this.nextIno++, dir: new Map() }));
      n = next;
    }
  }

  /** Runs a program to its end and gives what it wrote. Throws when all tasks wait for ever or the step budget is used up. */
  run(
    argv: string[],
    options: { stdin?: string; env?: Record<string, string>; tty?: boolean; cwd?: string } = {},
  ): RunResult {
    const out: Uint8Array[] = [];
    const err: Uint8Array[] = [];
    const sink = (to: Uint8Array[]): File => ({
      refs: 1,
      pos: 0,
      flags: 1,
      node: {
        ino: 0,
        write: (b) => {
          to.push(b.slice());
          return b.length;
        },
        read: () => new Uint8Array(0),
      },
    });
    const stdin: File = {
      refs: 1,
      pos: 0,
      flags: 0,
      node: { ino: 0, data: new TextEncoder().encode(options.stdin ?? "") },
    };
    const tty: File = { refs: 3, pos: 0, flags: 2, tty: true };
    const program = this.programs.get(argv[0]);
    if (program === undefined) throw new Error(`no program ${argv[0]}`);
    const task = this.start(program, argv, {
      fds: options.tty ? [tty, tty, tty] : [stdin, sink(out), sink(err)],
      env: { HOME: "/root", PATH: "/bin", ...options.env },
      cwd: options.cwd ?? "/root",
      ppid: 1,
      pgid: 0,
    });
    this.loop(task);
    const text = (chunks: Uint8Array[]): string => new TextDecoder().decode(Buffer.concat(chunks));
    const status = (task.status! & 0x7f) === 0 ? (task.status! >> 8) & 0xff : 128 + (task.status! & 0x7f);
    return { status, stdout: options.tty ? this.ttyOutput : text(out), stderr: text(err) };
  }

  /** Descriptors still open, of tasks that still run: for tests of leaks. */
  get alive(): string[] {
    return this.tasks.filter((t) => t.status === undefined).map((t) => t.name);
  }

  private loop(main: Task): void {
    this.steps = 0;
    while (main.status === undefined) {
      const before = this.activity;
      for (const t of [...this.tasks]) {
        if (t.status !== undefined) continue;
        if (++this.steps > this.maxSteps) throw new Error("step budget used up");
        this.resume(t);
      }
      if (this.activity !== before || main.status !== undefined) continue;
      let next = Number.POSITIVE_INFINITY;
      for (const t of this.tasks) if (t.status === undefined) next = Math.min(next, t.wakeAt);
      if (next === Number.POSITIVE_INFINITY) throw new Error(`deadlock: ${this.alive.join(", ")}`);
      this.now = Math.max(this.now, next);
    }
  }

  private resume(t: Task): void {
    const before = this.current;
    this.current = t;
    try {
      const r = t.gen.next();
      if (r.done) this.exit(t, (r.value & 0xff) << 8);
    } finally {
      this.current = before;
    }
  }

  private exit(t: Task, status: number): void {
    if (t.status !== undefined) return;
    t.status = status;
    this.activity++;
    for (let fd = 0; fd < t.fds.length; fd++) this.closeFile(t.fds[fd]);
    t.fds = [];
    for (const child of this.tasks) if (child.ppid === t.pid) child.ppid = 1;
  }

  private closeFile(f: File | undefined): void {
    if (f === undefined || --f.refs > 0 || f.pipe === undefined) return;
    if (f.end === "read") f.pipe.readers--;
    else f.pipe.writers--;
    this.activity++;
  }

  signal(t: Task, sig: number): void {
    if (t.status !== undefined || sig === 0) return;
    const h = t.handlers.get(sig);
    if (sig !== 9 && h === "SIG_IGN") return;
    this.activity++;
    if (sig !== 9 && typeof h === "function") {
      h(sig);
      t.interrupted = true;
      return;
    }
    if (sig === 17 || sig === 18) return;
    this.exit(t, sig);
  }

  /** Ctrl-C at the terminal. */
  interrupt(sig = 2): void {
    for (const t of [...this.tasks]) if (t.pgid === this.foregroundGroup) this.signal(t, sig);
  }

  private start(
    program: Program,
    argv: string[],
    o: {
      fds: (File | undefined)[];
      env: Record<string, string>;
      cwd: string;
      ppid: number;
      pgid: number;
      sigdefault?: readonly number[] | undefined;
    },
  ): Task {
    const pid = this.nextPid++;
    const t: Task = {
      pid,
      ppid: o.ppid,
      pgid: o.pgid === 0 ? pid : o.pgid,
      name: argv[0],
      gen: undefined as never,
      fds: o.fds,
      env: { ...o.env },
      cwd: o.cwd,
      handlers: new Map(),
      interrupted: false,
      status: undefined,
      reaped: false,
      wakeAt: Number.POSITIVE_INFINITY,
      blocked: false,
    };
    for (const [sig, h] of this.tasks.find((x) => x.pid === o.ppid)?.handlers ?? [])
      if (h === "SIG_IGN" && !o.sigdefault?.includes(sig)) t.handlers.set(sig, h);
    t.gen = program(this.sysOf(t), argv) as Generator<undefined, number, unknown>;
    this.tasks.push(t);
    this.activity++;
    return t;
  }

  private lookup(path: string, cwd = "/"): Node | number {
    let n = this.root;
    for (const part of this.absolute(path, cwd).split("/")) {
      if (part === "") continue;
      if (n.dir === undefined) return -ENOTDIR;
      const next = n.dir.get(part);
      if (next === undefined) return -ENOENT;
      n = next;
    }
    return n;
  }

  private absolute(path: string, cwd: string): string {
    const out: string[] = [];
    for (const p of (path.startsWith("/") ? path : `${cwd}/${path}`).split("/")) {
      if (p === "..") out.pop();
      else if (p !== "" && p !== ".") out.push(p);
    }
    return `/${out.join("/")}`;
  }

  private sysOf(t: Task): Sys {
    const m = this;
    const file = (fd: number): File | undefined => t.fds[fd];
    const install = (f: File): number => {
      let fd = 0;
      while (t.fds[fd] !== undefined) fd++;
      if (fd > 512) return -EMFILE;
      t.fds[fd] = f;
      return fd;
    };
    /** Waits until `attempt` gives something else than undefined; a handled signal gives -EINTR. */
    function* wait<T>(attempt: () => T | undefined, interrupted: T): Blocking<T> {
      for (;;) {
        const r = attempt();
        if (r !== undefined) {
          m.activity++;
          return r;
        }
        if (t.interrupted) {
          t.interrupted = false;
          return interrupted;
        }
        yield undefined;
      }
    }
    const parent = (path: string): { dir: Node; name: string } | number => {
      const full = m.absolute(path, t.cwd);
      const dir = m.lookup(full.slice(0, full.lastIndexOf("/")) || "/");
      if (typeof dir === "number") return dir;
      if (dir.dir === undefined) return -ENOTDIR;
      return { dir, name: full.slice(full.lastIndexOf("/") + 1) };
    };
    const statOf = (n: Node): Stat => ({
      st_mode: n.dir !== undefined ? 0o040755 : n.read !== undefined ? 0o020666 : 0o100644,
      st_size: n.data?.length ?? 0,
      st_ino: n.ino,
    });

    const sys: Partial<Sys> = {
      getpid: () => t.pid,
      getppid: () => t.ppid,
      env: t.env,
      spawn(program: Program, argv: string[], o: SpawnOptions = {}) {
        if (m.tasks.filter((x) => x.status === undefined).length >= m.maxTasks) return -EAGAIN;
        const fds = (o.fds ?? [0, 1, 2]).map((fd) => file(fd));
        for (const f of fds) if (f !== undefined) f.refs++;
        return m.start(program, argv, {
          fds,
          env: o.env ?? t.env,
          cwd: o.cwd ?? t.cwd,
          ppid: t.pid,
          pgid: o.pgid ?? t.pgid,
          sigdefault: o.sigdefault,
        }).pid;
      },
      *execve(program: Program, argv: string[], env: Record<string, string>) {
        for (const [sig, h] of t.handlers) if (h !== "SIG_IGN") t.handlers.delete(sig);
        t.name = argv[0];
        t.env = env;
        return yield* program(m.sysOf(t), argv);
      },
      lookup_program: (name: string) => m.programs.get(name) ?? null,
      programs: () => [...m.programs.keys()].sort(),
      *wait4(pid: number, options: number) {
        return yield* wait<[number, number]>(() => {
          const children = m.tasks.filter((c) => c.ppid === t.pid && !c.reaped && (pid === -1 || c.pid === pid));
          if (children.length === 0) return [-ECHILD, 0];
          const done = children.find((c) => c.status !== undefined);
          if (done === undefined) return options & 1 ? [0, 0] : undefined;
          done.reaped = true;
          m.tasks.splice(m.tasks.indexOf(done), 1);
          return [done.pid, done.status!];
        }, [-EINTR, 0]);
      },
      kill(pid: number, sig: number) {
        const targets = m.tasks.filter(
          (x) => x.status === undefined && (pid > 0 ? x.pid === pid : x.pgid === (pid === 0 ? t.pgid : -pid)),
        );
        if (targets.length === 0) return -ESRCH;
        for (const x of targets) m.signal(x, sig);
        return 0;
      },
      sigaction(sig, handler) {
        if (handler === "SIG_DFL") t.handlers.delete(sig);
        else t.handlers.set(sig, handler);
        return 0;
      },
      setpgid(pid: number, pgid: number) {
        const x = pid === 0 ? t : m.tasks.find((y) => y.pid === pid);
        if (x === undefined) return -ESRCH;
        x.pgid = pgid === 0 ? x.pid : pgid;
        return 0;
      },
      *sched_yield() {
        m.activity++;
        yield undefined;
      },
      uname: () => ({ sysname: "Linux", nodename: "pc1", release: "6.18.0", version: "#1", machine: "x86_64" }),
      clock_gettime: (clock: number) => (clock === 0 ? 1.7e18 + m.now : m.now),
      *nanosleep(ns: number) {
        t.wakeAt = m.now + ns;
        const r = yield* wait(() => (m.now >= t.wakeAt ? 0 : undefined), -EINTR);
        t.wakeAt = Number.POSITIVE_INFINITY;
        return r;
      },
      getrandom(buf: Uint8Array) {
        buf.fill(7);
        return buf.length;
      },
      open(path: string, flags: number) {
        let n = m.lookup(path, t.cwd);
        if (n === -ENOENT && flags & 0o100) {
          const p = parent(path);
          if (typeof p === "number") return p;
          n = { ino: m.nextIno++, data: new Uint8Array(0) };
          p.dir.dir!.set(p.name, n);
        }
        if (typeof n === "number") return n;
        if (n.dir !== undefined && flags & 3) return -EISDIR;
        if (flags & 0o1000 && n.data !== undefined) n.data = new Uint8Array(0);
        return install({ refs: 1, node: n, pos: 0, flags });
      },
      close(fd: number) {
        const f = file(fd);
        if (f === undefined) return -EBADF;
        t.fds[fd] = undefined;
        m.closeFile(f);
        return 0;
      },
      *read(fd: number, buf: Uint8Array) {
        const f = file(fd);
        if (f === undefined) return -EBADF;
        if (f.tty) return m.ttyRead(buf);
        if (f.pipe !== undefined) {
          const p = f.pipe;
          return yield* wait(() => {
            if (p.size === 0) return p.writers === 0 ? 0 : undefined;
            const chunk = p.chunks[0];
            const n = Math.min(chunk.length, buf.length);
            buf.set(chunk.subarray(0, n));
            if (n === chunk.length) p.chunks.shift();
            else p.chunks[0] = chunk.subarray(n);
            p.size -= n;
            return n;
          }, -EINTR);
        }
        const node = f.node!;
        if (node.dir !== undefined) return -EISDIR;
        const data = node.read !== undefined ? node.read() : node.data!;
        const n = Math.max(0, Math.min(buf.length, data.length - f.pos));
        buf.set(data.subarray(f.pos, f.pos + n));
        f.pos += n;
        m.activity++;
        return n;
      },
      *write(fd: number, buf: Uint8Array) {
        const f = file(fd);
        if (f === undefined) return -EBADF;
        m.activity++;
        // As a kernel would: a task that only writes gives way now and then.
        if ((++m.writes & 31) === 0) yield undefined;
        if (f.tty) {
          m.ttyOutput += new TextDecoder().decode(buf);
          // Who prints without end does not come to one either.
          if (m.ttyOutput.length > m.maxOutput) throw new Error("step budget used up by output");
          return buf.length;
        }
        if (f.pipe !== undefined) {
          const p = f.pipe;
          return yield* wait(() => {
            if (p.readers === 0) {
              m.signal(t, 13);
              return -EPIPE;
            }
            const n = Math.min(buf.length, PIPE_SIZE - p.size);
            if (n === 0) return buf.length === 0 ? 0 : undefined;
            p.chunks.push(buf.slice(0, n));
            p.size += n;
            return n;
          }, -EINTR);
        }
        const node = f.node!;
        if (node.write !== undefined) return node.write(buf);
        if (node.data === undefined) return -EISDIR;
        if ((f.flags & 3) === 0) return -EBADF;
        if (node.data.length + buf.length > 1 << 22) return -ENOSPC;
        const at = f.flags & 0o2000 ? node.data.length : f.pos;
        const grown = new Uint8Array(Math.max(node.data.length, at + buf.length));
        grown.set(node.data);
        grown.set(buf, at);
        node.data = grown;
        f.pos = at + buf.length;
        return buf.length;
      },
      lseek: () => -EINVAL,
      dup(fd: number) {
        const f = file(fd);
        if (f === undefined) return -EBADF;
        f.refs++;
        return install(f);
      },
      dup2(fd: number, to: number) {
        const f = file(fd);
        if (f === undefined) return -EBADF;
        if (fd === to) return to;
        m.closeFile(t.fds[to]);
        f.refs++;
        t.fds[to] = f;
        return to;
      },
      pipe() {
        const pipe: Pipe = { chunks: [], size: 0, readers: 1, writers: 1 };
        const r = install({ refs: 1, pipe, end: "read", pos: 0, flags: 0 });
        const w = install({ refs: 1, pipe, end: "write", pos: 0, flags: 1 });
        if (r < 0 || w < 0) {
          if (r >= 0) sys.close!(r);
          return [-EMFILE, 0];
        }
        return [r, w];
      },
      stat(path: string) {
        const n = m.lookup(path, t.cwd);
        return typeof n === "number" ? n : statOf(n);
      },
      // No links here.
      lstat: (path: string) => sys.stat!(path),
      readlink: () => -EINVAL,
      fstat(fd: number) {
        const f = file(fd);
        if (f === undefined) return -EBADF;
        return f.node === undefined ? { st_mode: 0o010600, st_size: 0, st_ino: 0 } : statOf(f.node);
      },
      readdir(path: string) {
        const n = m.lookup(path, t.cwd);
        if (typeof n === "number") return n;
        return n.dir === undefined ? -ENOTDIR : [...n.dir.keys()];
      },
      mkdir(path: string) {
        const p = parent(path);
        if (typeof p === "number") return p;
        if (p.dir.dir!.has(p.name)) return -EEXIST;
        p.dir.dir!.set(p.name, { ino: m.nextIno++, dir: new Map() });
        return 0;
      },
      unlink(path: string) {
        const p = parent(path);
        if (typeof p === "number") return p;
        const n = p.dir.dir!.get(p.name);
        if (n === undefined) return -ENOENT;
        if (n.dir !== undefined) return -EISDIR;
        p.dir.dir!.delete(p.name);
        return 0;
      },
      rmdir(path: string) {
        const p = parent(path);
        if (typeof p === "number") return p;
        const n = p.dir.dir!.get(p.name);
        if (n === undefined) return -ENOENT;
        if (n.dir === undefined) return -ENOTDIR;
        if (n.dir.size > 0) return -ENOTEMPTY;
        p.dir.dir!.delete(p.name);
        return 0;
      },
      chdir(path: string) {
        const n = m.lookup(path, t.cwd);
        if (typeof n === "number") return n;
        if (n.dir === undefined) return -ENOTDIR;
        t.cwd = m.absolute(path, t.cwd);
        return 0;
      },
      getcwd: () => t.cwd,
      isatty: (fd: number) => file(fd)?.tty === true,
      winsize: () => [80, 24],
      fcntl: () => -EINVAL,
      ioctl(fd: number, request: number, arg: Uint8Array) {
        if (!file(fd)?.tty || request !== 0x5410) return -ENOTTY;
        m.foregroundGroup = new DataView(arg.buffer).getInt32(0, true);
        return 0;
      },
      *poll(fds, timeout) {
        const ready = (): number => {
          let n = 0;
          for (const p of fds) {
            const f = file(p.fd);
            p.revents =
              f === undefined
                ? 0x20
                : f.pipe !== undefined
                  ? f.pipe.size > 0
                    ? 1
                    : f.pipe.writers === 0
                      ? 0x10
                      : 0
                  : 1;
            if (p.revents) n++;
          }
          return n;
        };
        if (timeout >= 0) t.wakeAt = m.now + timeout * 1e6;
        const r = yield* wait(() => ready() || (timeout >= 0 && m.now >= t.wakeAt ? 0 : undefined), -EINTR);
        t.wakeAt = Number.POSITIVE_INFINITY;
        return r;
      },
    };
    return new Proxy(sys, { get: (target, key) => Reflect.get(target, key) ?? (() => -ENOSYS) }) as Sys;
  }

  /** The line discipline in short: "\x03" as a line of its own is Ctrl-C. */
  private ttyRead(buf: Uint8Array): number {
    if (this.ttyPending.length === 0) {
      const line = this.ttyInput.shift();
      if (line === undefined) return 0;
      if (line === "\x03") {
        this.interrupt();
        this.current!.interrupted = false;
        return -EINTR;
      }
      this.ttyPending = new TextEncoder().encode(line);
    }
    const n = Math.min(buf.length, this.ttyPending.length);
    buf.set(this.ttyPending.subarray(0, n));
    this.ttyPending = this.ttyPending.subarray(n);
    this.activity++;
    return n;
  }
}
