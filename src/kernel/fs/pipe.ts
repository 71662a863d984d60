// Pipes, and the terminal: byte queues with a reader and a writer. Mirrors fs/pipe.c and, in small, drivers/tty.
// Way in: create_pipe(); Tty for a shell's terminal; "null" and "zero" in /dev.

import { EAGAIN, EFAULT, EIO, ENOTTY, EPIPE, ERESTARTSYS } from "../../uapi/errno.ts";
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  POLLRDNORM,
  POLLWRNORM,
  S_IFCHR,
  S_IFIFO,
  SIGPIPE,
  SIGTTIN,
} from "../../uapi/fcntl.ts";
import type { Kernel } from "../kernel.ts";
import { is_current_pgrp_orphaned, kill_something, send_sig, type Task } from "../sched.ts";
import { WaitQueueHead, waitqueue_active, wake_up } from "../wait.ts";
import { File, type FileOps } from "./file.ts";
import type { DirInode, Inode } from "./vfs.ts";

/** Bytes a pipe holds, as on Linux. */
export const PIPE_SIZE = 65536;

export class PipeInode {
  readonly buf: Uint8Array = new Uint8Array(PIPE_SIZE);
  head = 0;
  len = 0;
  readers = 1;
  writers = 1;
  readonly wq: WaitQueueHead = new WaitQueueHead();
}

/** The pipe that a file is an end of, or null. */
export const get_pipe_info = (file: File): PipeInode | null =>
  file.private_data instanceof PipeInode ? file.private_data : null;

/** A copy of the first bytes, at most `n`. They stay until pipe_consume(). */
export function pipe_peek(p: PipeInode, n: number): Uint8Array {
  const out = new Uint8Array(Math.min(n, p.len));
  copy_out(p, out);
  return out;
}
export function pipe_consume(p: PipeInode, n: number): void {
  p.head = (p.head + n) % PIPE_SIZE;
  p.len -= n;
  wake_up(p.wq, EPOLLOUT | POLLWRNORM);
}
function copy_out(p: PipeInode, out: Uint8Array): number {
  const n = Math.min(out.length, p.len);
  const first = Math.min(n, PIPE_SIZE - p.head);
  out.set(p.buf.subarray(p.head, p.head + first));
  if (n > first) out.set(p.buf.subarray(0, n - first), first);
  return n;
}

function pipe_read(file: File, out: Uint8Array): number {
  const p = file.private_data as PipeInode;
  if (p.len === 0) return p.writers === 0 ? 0 : -EAGAIN;
  const n = copy_out(p, out);
  pipe_consume(p, n);
  return n;
}

function pipe_write(file: File, data: Uint8Array): number {
  const p = file.private_data as PipeInode;
  if (p.readers === 0) {
    if (file.kernel.current) send_sig(file.kernel.current, SIGPIPE);
    return -EPIPE;
  }
  const room = PIPE_SIZE - p.len;
  // POSIX: writes of up to PIPE_BUF bytes are atomic.
  if (room === 0 || (data.length <= 4096 && room < data.length)) return -EAGAIN;
  const n = Math.min(room, data.length);
  const at = (p.head + p.len) % PIPE_SIZE;
  const first = Math.min(n, PIPE_SIZE - at);
  p.buf.set(data.subarray(0, first), at);
  if (n > first) p.buf.set(data.subarray(first, n), 0);
  p.len += n;
  wake_up(p.wq, EPOLLIN | POLLRDNORM);
  return n;
}

const read_ops: FileOps = {
  read: pipe_read,
  poll(file, wait) {
    const p = file.private_data as PipeInode;
    wait?.poll_wait(p.wq);
    return (p.len > 0 ? EPOLLIN | POLLRDNORM : 0) | (p.writers === 0 ? EPOLLHUP : 0);
  },
  release(file) {
    const p = file.private_data as PipeInode;
    p.readers--;
    wake_up(p.wq, EPOLLOUT | EPOLLERR);
  },
  stat: () => ({ mode: S_IFIFO | 0o600, size: 0, ino: 0 }),
};
const write_ops: FileOps = {
  write: pipe_write,
  write_all: true,
  poll(file, wait) {
    const p = file.private_data as PipeInode;
    wait?.poll_wait(p.wq);
    return (PIPE_SIZE - p.len >= 4096 ? EPOLLOUT | POLLWRNORM : 0) | (p.readers === 0 ? EPOLLERR : 0);
  },
  release(file) {
    const p = file.private_data as PipeInode;
    p.writers--;
    wake_up(p.wq, EPOLLIN | EPOLLHUP);
  },
  stat: () => ({ mode: S_IFIFO | 0o600, size: 0, ino: 0 }),
};

/** [read end, write end]. */
export function create_pipe(k: Kernel): [File, File] {
  const p = new PipeInode();
  return [new File(k, read_ops, O_RDONLY, p), new File(k, write_ops, O_WRONLY, p)];
}

/**
 * A terminal or any other stream whose far end is JavaScript: `output` takes what programs write, push() gives them
 * input. Without input it is at end of file once closed.
 */
export class Tty {
  readonly kernel: Kernel;
  readonly isatty: boolean;
  columns = 80;
  rows = 24;
  /** Takes over nothing: the bytes are only valid during the call. */
  output: (bytes: Uint8Array) => void;
  private readonly input: Uint8Array[] = [];
  private eof = false;
  /** N of pts/N. */
  readonly index: number;
  readonly wq: WaitQueueHead = new WaitQueueHead();
  /** Foreground process group: gets the signals of the keyboard. */
  foreground = 0;

  constructor(k: Kernel, isatty: boolean, output: (bytes: Uint8Array) => void) {
    this.kernel = k;
    this.isatty = isatty;
    this.index = isatty ? k.next_pts++ : -1;
    this.output = output;
  }

  /** Input for the reader; an empty array is end of file. Call inside a system call of the machine (cpu.ts, syscall()). */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) this.eof = true;
    else this.input.push(bytes.slice());
    wake_up(this.wq, EPOLLIN | POLLRDNORM);
  }

  /**
   * The keyboard's INTR (SIGINT) or SUSP (SIGTSTP): the foreground group gets the signal, and what was typed and not read
   * is gone, as without NOFLSH (termios(3)). Call inside a system call of the machine.
   */
  isig(sig: number): void {
    this.input.length = 0;
    this.eof = false;
    kill_something(this.kernel, null, -this.foreground, sig);
  }

  /** All that came was read, and somebody waits for more. */
  get starved(): boolean {
    return this.input.length === 0 && !this.eof && waitqueue_active(this.wq);
  }

  read(out: Uint8Array): number {
    const first = this.input[0];
    if (first === undefined) {
      if (!this.eof) return -EAGAIN;
      if (this.isatty) this.eof = false;
      return 0;
    }
    const n = Math.min(out.length, first.length);
    out.set(first.subarray(0, n));
    if (n === first.length) this.input.shift();
    else this.input[0] = first.subarray(n);
    return n;
  }

  poll(): number {
    return (this.input.length > 0 || this.eof ? EPOLLIN | POLLRDNORM : 0) | EPOLLOUT | POLLWRNORM;
  }

  open(flags: number = O_RDWR): File {
    return new File(this.kernel, this.isatty ? tty_ops : stream_ops, flags, this);
  }
}

const stream_ops: FileOps = {
  read: (file, buf) => (file.private_data as Tty).read(buf),
  write: (file, buf) => {
    (file.private_data as Tty).output(buf);
    return buf.length;
  },
  poll: (file, wait) => {
    const tty = file.private_data as Tty;
    wait?.poll_wait(tty.wq);
    return tty.poll();
  },
  stat: () => ({ mode: S_IFIFO | 0o600, size: 0, ino: 0 }),
};
const TIOCGPGRP = 0x540f;
const TIOCSPGRP = 0x5410;

/** __tty_check_change(): input belongs to the foreground group; others are stopped until they are brought there. */
function tty_check_read(tty: Tty): number {
  const task = tty.kernel.current;
  if (task === null || task.tty !== tty || tty.foreground === 0 || task.pgid === tty.foreground) return 0;
  if (task.sigactions.get(SIGTTIN) === "SIG_IGN" || is_current_pgrp_orphaned(task)) return -EIO;
  kill_something(tty.kernel, task, 0, SIGTTIN);
  return -ERESTARTSYS;
}

declare module "../sched.ts" {
  interface Task {
    /** Controlling terminal, or null; children inherit it. */
    tty: Tty | null;
  }
}
declare module "../kernel.ts" {
  interface Kernel {
    next_pts: number;
  }
}

const tty_ops: FileOps = {
  ...stream_ops,
  read: (file, buf) => tty_check_read(file.private_data as Tty) || (file.private_data as Tty).read(buf),
  isatty: true,
  /** tcsetpgrp(3), tcgetpgrp(3): an int. */
  ioctl: (file, cmd, arg) => {
    const tty = file.private_data as Tty;
    if (cmd !== TIOCSPGRP && cmd !== TIOCGPGRP) return -ENOTTY;
    if (arg.length < 4) return -EFAULT;
    const dv = new DataView(arg.buffer, arg.byteOffset, 4);
    if (cmd === TIOCSPGRP) tty.foreground = dv.getInt32(0, true);
    else dv.setInt32(0, tty.foreground, true);
    return 0;
  },
  stat: () => ({ mode: S_IFCHR | 0o620, size: 0, ino: 0 }),
};

const null_ops: FileOps = {
  read: () => 0,
  write: (_file, buf) => buf.length,
  stat: () => ({ mode: S_IFCHR | 0o666, size: 0, ino: 0 }),
};
const zero_ops: FileOps = { ...null_ops, read: (_file, buf) => buf.fill(0).length };

class CharDev implements Inode {
  readonly ino: number;
  readonly mode: number = S_IFCHR | 0o666;
  private readonly ops: FileOps;
  constructor(k: Kernel, ops: FileOps) {
    this.ino = k.next_ino++;
    this.ops = ops;
  }
  open(task: Task, flags: number): File {
    return new File(task.kernel, this.ops, flags, null);
  }
}

export function chrdev_init(k: Kernel): void {
  k.next_pts = 0;
  for (const task of k.tasks.values()) task.tty = null;
  k.fork_hooks.push((task, parent) => {
    task.tty = parent?.tty ?? null;
  });
  const dev = k.root_inode.lookup("dev") as DirInode;
  dev.entries.set("null", new CharDev(k, null_ops));
  dev.entries.set("zero", new CharDev(k, zero_ops));
}
