// `@HOST COMMAND…` as a program of each machine of a lab: in lists, pipes, loops and scripts, as ssh would run it there.
// Its words are joined with blanks and read by a shell of that host; its input is empty. Way in: `addRemotePrograms(lab)`.
// No packet carries it: it stands for the person who walks over to the other keyboard.

import { syscall } from "../kernel/cpu.ts";
import { fd_install, get_unused_fd } from "../kernel/fs/file.ts";
import { Tty } from "../kernel/fs/pipe.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { SIGHUP } from "../uapi/fcntl.ts";
import type { Program } from "../uapi/sys.ts";
import type { Lab, LabHost } from "./lab.ts";

/** What came from the other machine: output for a descriptor, or the exit code. */
type News = { fd: number; bytes: Uint8Array } | { status: number };

function remoteProgram(here: Kernel, there: LabHost): Program {
  return function* (sys, argv) {
    const shell = there.computer.kernel.programs.get("sh")!;
    const news: News[] = [];
    // Each piece of news is one byte in this machine, so that a reader of it can sleep.
    const bell = new Tty(here, false, () => {});
    const tell = (n: News): void => {
      news.push(n);
      syscall(here, () => bell.push(Uint8Array.of(0)));
    };
    const fd = installFile(here, bell);
    if (fd < 0) return 1;
    const process = there.computer.spawn(shell, ["sh", "-c", argv.slice(1).join(" ")], {
      stdout: (b) => tell({ fd: 1, bytes: b.slice() }),
      stderr: (b) => tell({ fd: 2, bytes: b.slice() }),
    });
    const task = there.computer.kernel.tasks.get(process.pid);
    if (task === undefined || !process.running) tell({ status: process.exitCode });
    else {
      const { on_exit } = task;
      task.on_exit = (t) => {
        on_exit?.(t);
        tell({ status: process.exitCode });
      };
    }
    process.write(new Uint8Array(0));
    try {
      for (const one = new Uint8Array(1); ; ) {
        if ((yield* sys.read(fd, one)) <= 0) continue;
        const n = news.shift()!;
        if ("status" in n) return n.status;
        for (let at = 0; at < n.bytes.length; ) {
          const wrote = yield* sys.write(n.fd, n.bytes.subarray(at));
          if (wrote < 0) return 1;
          at += wrote;
        }
      }
    } finally {
      // Ctrl-C here, or nobody reads: the line is cut.
      if (process.running) process.kill(SIGHUP);
    }
  };
}

function installFile(k: Kernel, tty: Tty): number {
  const task = k.current!;
  const fd = get_unused_fd(task);
  if (fd >= 0) fd_install(task, fd, tty.open());
  return fd;
}

/** The programs of a machine, and of the other machines by `@NAME`. */
class LabPrograms extends Map<string, Program> {
  private readonly remote: (name: string) => Program | undefined;
  constructor(own: Map<string, Program>, remote: (name: string) => Program | undefined) {
    super();
    for (const [name, program] of own) this.set(name, program);
    this.remote = remote;
  }
  override get(name: string): Program | undefined {
    return super.get(name) ?? (name.startsWith("@") ? this.remote(name.slice(1)) : undefined);
  }
}

export function addRemotePrograms(lab: Lab): void {
  for (const { computer } of lab.hosts.values()) {
    const { kernel } = computer;
    kernel.programs = new LabPrograms(kernel.programs, (name) => {
      const there = lab.hosts.get(name);
      return there === undefined ? undefined : remoteProgram(kernel, there);
    });
  }
}
