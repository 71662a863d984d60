// Open files and the table that numbers them. Mirrors fs/file.c, fs/file_table.c, fs/select.c.
// Way in: fd_install(), fget(); do_poll() for poll(2).

import { EBADF, EMFILE } from "../../uapi/errno.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../sched.ts";
import type { WaitQueueHead } from "../wait.ts";

/** Collects the wait queues a poll sleeps on. */
export interface PollTable {
  poll_wait(wq: WaitQueueHead): void;
}

/** struct file_operations. All return >= 0 or -errno; -EAGAIN means "wait": poll says on what. */
export interface FileOps {
  read?(file: File, buf: Uint8Array): number;
  write?(file: File, buf: Uint8Array): number;
  poll?(file: File, wait: PollTable | null): number;
  ioctl?(file: File, cmd: number, arg: Uint8Array): number;
  release?(file: File): void;
  lseek?(file: File, offset: number, whence: number): number;
  readdir?(file: File): string[];
  /** S_IFMT bits and permissions, and size. */
  stat?(file: File): { mode: number; size: number; ino: number };
  /** A blocking write(2) goes on until everything is written. */
  readonly write_all?: boolean;
  /** poll(2) of a file that is always ready needs none of the above. */
  readonly isatty?: boolean;
}

export class File {
  readonly f_op: FileOps;
  f_flags: number;
  f_pos = 0;
  f_count = 1;
  private_data: unknown;
  readonly kernel: Kernel;

  constructor(kernel: Kernel, f_op: FileOps, f_flags: number, private_data: unknown) {
    this.kernel = kernel;
    this.f_op = f_op;
    this.f_flags = f_flags;
    this.private_data = private_data;
    kernel.live_files++;
  }
}

declare module "../kernel.ts" {
  interface Kernel {
    live_files: number;
  }
}
declare module "../sched.ts" {
  interface Task {
    files: FilesStruct;
  }
}

/** RLIMIT_NOFILE. */
const NR_OPEN = 65536;

class FilesStruct {
  readonly fd: (File | null)[] = [];
  readonly close_on_exec: Set<number> = new Set();
  next_fd = 0;
}

/** The file of a descriptor, or null. */
export const fget = (task: Task, fd: number): File | null => task.files.fd[fd] ?? null;

export function get_unused_fd(task: Task, start = 0): number {
  const fds = task.files.fd;
  for (let i = Math.max(start, start === 0 ? task.files.next_fd : 0); i < NR_OPEN; i++) {
    if (fds[i] === null || fds[i] === undefined) {
      if (start === 0) task.files.next_fd = i + 1;
      return i;
    }
  }
  return -EMFILE;
}

/** Takes over the caller's reference. */
export function fd_install(task: Task, fd: number, file: File): void {
  const fds = task.files.fd;
  while (fds.length <= fd) fds.push(null);
  fds[fd] = file;
}

export function fput(file: File): void {
  if (--file.f_count > 0) return;
  file.kernel.live_files--;
  file.f_op.release?.(file);
}

export function close_fd(task: Task, fd: number): number {
  const file = detach_fd(task, fd);
  if (file === null) return -EBADF;
  fput(file);
  return 0;
}

/** The number is free again; the file's reference goes to the caller, null when there was none. */
export function detach_fd(task: Task, fd: number): File | null {
  const file = fget(task, fd);
  if (file === null) return null;
  task.files.fd[fd] = null;
  task.files.close_on_exec.delete(fd);
  if (fd < task.files.next_fd) task.files.next_fd = fd;
  return file;
}

export function files_dup2(task: Task, oldfd: number, newfd: number): number {
  const file = fget(task, oldfd);
  if (file === null || newfd < 0 || newfd >= NR_OPEN) return -EBADF;
  if (oldfd === newfd) return newfd;
  file.f_count++;
  if (fget(task, newfd) !== null) close_fd(task, newfd);
  fd_install(task, newfd, file);
  return newfd;
}

export function set_close_on_exec(task: Task, fd: number, on: boolean): void {
  if (on) task.files.close_on_exec.add(fd);
  else task.files.close_on_exec.delete(fd);
}

export function files_init(k: Kernel): void {
  k.live_files = 0;
  k.live.set("files", () => k.live_files);
  k.fork_hooks.push((task) => {
    task.files = new FilesStruct();
  });
  k.exit_hooks.push((task) => {
    for (let fd = 0; fd < task.files.fd.length; fd++) if (task.files.fd[fd]) close_fd(task, fd);
  });
}
