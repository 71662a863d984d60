// The system-call table of a task: Sys (uapi/sys.ts) over the kernel's sys_* functions. What may sleep, sleeps here.
// Read first: uapi/sys.ts. Way in: new TaskSys(task).

import { syscall_enter, syscall_exit } from "../kernel/cpu.ts";
import {
  do_epoll_ctl,
  do_poll_once,
  ep_of,
  ep_send_events,
  epoll_create,
  PollWait,
  vfs_poll,
} from "../kernel/fs/eventpoll.ts";
import {
  close_fd,
  detach_fd,
  type File,
  fd_install,
  fget,
  files_dup2,
  fput,
  get_unused_fd,
  type PollTable,
  set_close_on_exec,
} from "../kernel/fs/file.ts";
import { create_pipe, type Tty } from "../kernel/fs/pipe.ts";
import { do_mkdir, do_open, do_unlink, path_components, vfs_lookup } from "../kernel/fs/vfs.ts";
import type { Kernel } from "../kernel/kernel.ts";
import {
  cond_resched,
  deliver_signals,
  do_wait,
  kill_something,
  need_resched,
  type SignalAction,
  schedule,
  schedule_timeout,
  signal_pending,
  type Task,
  task_create,
  WNOHANG,
  wake_up_process,
} from "../kernel/sched.ts";
import { add_wait_queue, remove_wait_queue, WaitQueueEntry, type WaitQueueHead } from "../kernel/wait.ts";
import { net_unlink_name, put_net, setup_net } from "../net/core/net_namespace.ts";
import { type Socket, TCP_CLOSE } from "../net/core/sock.ts";
import {
  sock_from_file,
  sockfd_lookup,
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getpeername,
  sys_getsockname,
  sys_getsockopt,
  sys_listen,
  sys_recvfrom,
  sys_recvmsg,
  sys_sendmsg,
  sys_sendto,
  sys_setsockopt,
  sys_shutdown,
  sys_socket,
  sys_socketpair,
} from "../net/socket.ts";
import { sys_socketcall } from "../net/socketcall.ts";
import {
  EAGAIN,
  EALREADY,
  EBADF,
  ECHILD,
  EEXIST,
  EINPROGRESS,
  EINTR,
  EINVAL,
  EMFILE,
  ENOENT,
  ENOTDIR,
  ENOTTY,
  ERESTART_RESTARTBLOCK,
  ERESTARTSYS,
  ESPIPE,
  ESRCH,
} from "../uapi/errno.ts";
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  F_DUPFD,
  F_GETFD,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
} from "../uapi/fcntl.ts";
import {
  MSG_CONTINUED,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_FASTOPEN,
  MSG_OOB,
  MSG_PEEK,
  MSG_WAITALL,
  RCV_SHUTDOWN,
  SOCK_STREAM,
} from "../uapi/socket.ts";
import type {
  Blocking,
  EpollEvent,
  MsgHdr,
  PollFd,
  Program,
  SocketcallArg,
  SpawnOptions,
  Stat,
  Sys,
} from "../uapi/sys.ts";
import { do_sendfile, do_splice, do_tee, do_vmsplice, type SpliceIo } from "./splice.ts";

declare module "../kernel/kernel.ts" {
  interface Kernel {
    /** Built-in programs by name, given at boot (bin/ is above the core). */
    programs: Map<string, Program>;
  }
}

/** One of several that wait for the same thing: each event wakes the one that has waited longest (WQ_FLAG_EXCLUSIVE). */
class ExclusiveWait implements PollTable {
  private readonly entry: WaitQueueEntry;
  constructor(task: Task) {
    this.entry = new WaitQueueEntry((e) => wake_up_process(e.owner as Task), task);
    this.entry.exclusive = true;
  }
  poll_wait(wq: WaitQueueHead): void {
    add_wait_queue(wq, this.entry);
  }
  free(): void {
    remove_wait_queue(this.entry);
  }
}

/** What a message still has room for, or still holds, behind its first `done` bytes. What came in went with the first. */
function msg_rest(msg: MsgHdr, done: number, send: boolean): MsgHdr {
  const iov: Uint8Array[] = [];
  for (const b of msg.msg_iov) {
    if (done >= b.length) done -= b.length;
    else {
      iov.push(done > 0 ? b.subarray(done) : b);
      done = 0;
    }
  }
  return send ? { ...msg, msg_iov: iov } : { ...msg, msg_iov: iov, msg_control: null, msg_controllen: 0 };
}

/** A look at what comes behind what was looked at before (SO_PEEK_OFF): what is there already is no news. */
const peeks_on = (sock: Socket, flags: number): boolean => (flags & MSG_PEEK) !== 0 && sock.sk.sk_peek_off >= 0;

const iov_bytes = (msg: MsgHdr): number => msg.msg_iov.reduce((n, b) => n + b.length, 0);

export class TaskSys implements Sys {
  readonly task: Task;
  private readonly k: Kernel;

  constructor(task: Task) {
    this.task = task;
    this.k = task.kernel;
  }

  // --- process ----------------------------------------------------------------------------------------------------

  getpid(): number {
    return this.task.pid;
  }
  getppid(): number {
    return this.task.parent?.pid ?? 0;
  }
  get env(): Record<string, string> {
    return this.task.env;
  }

  spawn(program: Program, argv: string[], options: SpawnOptions = {}): number {
    const parent = this.task;
    let net = parent.net_ns;
    if (options.netns !== undefined) {
      const n = options.netns === "" ? this.k.init_net : this.k.netns_by_name.get(options.netns);
      if (n === undefined) return -ENOENT;
      net = n;
    }
    const files: (File | null)[] = [];
    const fds = options.fds ?? [0, 1, 2];
    for (const fd of fds) {
      const f = fd >= 0 ? fget(parent, fd) : null;
      if (fd >= 0 && f === null && options.fds !== undefined) return -EBADF;
      files.push(f);
    }
    return this.enter(() => {
      const child = spawn_task(this.k, parent, program, argv);
      child.net_ns = net;
      if (options.env !== undefined) child.env = { ...options.env };
      if (options.cwd !== undefined) child.cwd = options.cwd;
      for (const sig of options.sigdefault ?? []) child.sigactions.delete(sig);
      if (options.pgid !== undefined) child.pgid = options.pgid === 0 ? child.pid : options.pgid;
      for (let i = 0; i < files.length; i++) {
        const f = files[i];
        if (f === null || f === undefined) continue;
        f.f_count++;
        fd_install(child, i, f);
      }
      child.files.next_fd = 0;
      wake_up_process(child);
      return child.pid;
    });
  }

  *execve(program: Program, argv: string[], env: Record<string, string>): Blocking<number> {
    const task = this.task;
    for (const [sig, action] of task.sigactions) if (typeof action === "function") task.sigactions.delete(sig);
    for (const fd of [...task.files.close_on_exec]) this.close(fd);
    task.comm = (argv[0] ?? "?").replace(/^.*\//, "").slice(0, 15);
    task.argv = argv;
    task.env = { ...env };
    return yield* program(this, argv);
  }
  lookup_program(name: string): Program | null {
    return this.k.programs.get(name) ?? null;
  }
  programs(): string[] {
    return [...this.k.programs.keys()].sort();
  }

  *wait4(pid: number, options: number): Blocking<[number, number]> {
    const task = this.task;
    for (;;) {
      const r = do_wait(this.k, task, pid, options);
      if (r[0] !== 0) return r;
      if ((options & WNOHANG) !== 0) return [0, 0];
      add_wait_queue(task.wait_chldexit, task.wait);
      const err = yield* schedule(task);
      remove_wait_queue(task.wait);
      if (err < 0) {
        // A child's change that interrupted us is what we wait for.
        const z = do_wait(this.k, task, pid, options);
        return z[0] !== 0 && z[0] !== -ECHILD ? z : [err, 0];
      }
    }
  }

  kill(pid: number, sig: number): number {
    if (sig < 0 || sig > 31) return -EINVAL;
    const r = this.enter(() => kill_something(this.k, this.task, pid, sig));
    // A signal to oneself arrives before the call returns.
    if (signal_pending(this.task)) deliver_signals(this.task);
    return r;
  }
  sigaction(sig: number, handler: SignalAction): number {
    if (sig < 1 || sig > 31 || sig === 9 || sig === 19) return -EINVAL;
    this.task.sigactions.set(sig, handler);
    return 0;
  }
  setpgid(pid: number, pgid: number): number {
    const t = pid === 0 ? this.task : this.k.tasks.get(pid);
    if (t === undefined) return -ESRCH;
    t.pgid = pgid === 0 ? t.pid : pgid;
    return 0;
  }
  sched_setaffinity(pid: number, mask: number): number {
    const t = pid === 0 ? this.task : this.k.tasks.get(pid);
    if (t === undefined) return -ESRCH;
    const all = this.k.cpus.length >= 31 ? -1 : (1 << this.k.cpus.length) - 1;
    if ((mask & all) === 0) return -EINVAL;
    t.cpus_mask = mask & all;
    if ((t.cpus_mask & (1 << t.cpu)) === 0) t.cpu = 31 - Math.clz32(t.cpus_mask & -t.cpus_mask);
    return 0;
  }
  *sched_yield(): Blocking<void> {
    this.task.yielded = true;
    yield;
    if (signal_pending(this.task)) deliver_signals(this.task);
  }
  uname(): { sysname: string; nodename: string; release: string; version: string; machine: string } {
    return {
      sysname: "Linux",
      nodename: this.k.hostname,
      release: "6.18.0-skbuff",
      version: "#1 SMP",
      machine: "x86_64",
    };
  }
  sethostname(name: string): number {
    if (name.length > 64) return -EINVAL;
    this.k.hostname = name;
    return 0;
  }
  netns_add(name: string): number {
    if (this.k.netns_by_name.has(name)) return -EEXIST;
    if (name === "" || name.includes("/") || name.length > 255) return -EINVAL;
    return this.enter(() => {
      setup_net(this.k, name);
      return 0;
    });
  }
  netns_del(name: string): number {
    const net = this.k.netns_by_name.get(name);
    if (net === undefined) return -ENOENT;
    return this.enter(() => {
      net_unlink_name(net);
      return 0;
    });
  }
  netns_list(): string[] {
    // Linux lists the files of /run/netns, a tmpfs: the newest first.
    return [...this.k.netns_by_name.keys()].reverse();
  }
  setns(name: string): number {
    const net = name === "" ? this.k.init_net : this.k.netns_by_name.get(name);
    if (net === undefined) return -ENOENT;
    const old = this.task.net_ns;
    this.task.net_ns = net;
    return this.enter(() => {
      put_net(old);
      return 0;
    });
  }
  syslog(): { ts_ns: number; level: number; text: string }[] {
    return this.k.log;
  }

  // --- time -------------------------------------------------------------------------------------------------------

  clock_gettime(clock: number): number {
    // Outside of a call the clock may have moved since the last entry; and in real time it does while a task runs.
    if (this.k.entry_depth === 0 || !this.k.host.virtual_time) this.k.now = this.k.host.monotonic_ns();
    if (clock === 0) return Math.round(this.k.host.realtime_ms() * 1e6 + (this.k.now - this.k.host.monotonic_ns()));
    return this.k.now - this.k.boot_ns;
  }
  *nanosleep(ns: number): Blocking<number> {
    const task = this.task;
    const deadline = this.k.now + Math.max(0, ns);
    for (;;) {
      const err = yield* schedule_timeout(task, deadline);
      // Who was stopped and goes on sleeps what is left (ERESTART_RESTARTBLOCK).
      if (err < 0 || task.timed_out) return err;
    }
  }
  getrandom(buf: Uint8Array): number {
    this.k.host.random_bytes(buf);
    return buf.length;
  }

  // --- files ------------------------------------------------------------------------------------------------------

  open(path: string, flags: number, _mode?: number): number {
    const fd = get_unused_fd(this.task);
    if (fd < 0) return fd;
    const file = this.enter(() => do_open(this.task, path, flags));
    if (typeof file === "number") {
      this.task.files.next_fd = Math.min(this.task.files.next_fd, fd);
      return file;
    }
    if ((flags & O_APPEND) !== 0 && file.f_op.stat) file.f_pos = file.f_op.stat(file).size;
    fd_install(this.task, fd, file);
    if ((flags & O_CLOEXEC) !== 0) set_close_on_exec(this.task, fd, true);
    return fd;
  }
  close(fd: number): number {
    return this.enter(() => close_fd(this.task, fd));
  }

  *close_linger(fd: number): Blocking<number> {
    const task = this.task;
    const file = detach_fd(task, fd);
    if (file === null) return -EBADF;
    const sock = file.f_count === 1 ? sock_from_file(file) : null;
    const ms = sock === null ? 0 : this.enter(() => sock.ops.linger?.(sock) ?? 0);
    if (sock !== null && ms > 0) {
      const deadline = this.k.now + ms * 1e6;
      const wait = new PollWait(task);
      wait.poll_wait(sock.wq);
      try {
        // A signal ends the wait; the descriptor is closed all the same.
        while (sock.ops.lingering!(sock)) if ((yield* schedule_timeout(task, deadline)) < 0 || task.timed_out) break;
      } finally {
        wait.free();
        this.enter(() => fput(file));
      }
    } else this.enter(() => fput(file));
    return 0;
  }

  *read(fd: number, buf: Uint8Array): Blocking<number> {
    return yield* this.file_io(fd, buf, false);
  }
  *write(fd: number, buf: Uint8Array): Blocking<number> {
    return yield* this.file_io(fd, buf, true);
  }

  private *file_io(fd: number, buf: Uint8Array, write: boolean): Blocking<number> {
    const task = this.task;
    let done = 0;
    for (;;) {
      const file = fget(task, fd);
      if (file === null) return -EBADF;
      const sock = sock_from_file(file);
      if (sock !== null && sock.type === SOCK_STREAM) {
        // read(2) of nothing is nothing, even of a stream that has ended (sock_read_iter()).
        if (buf.length === 0 && !write) return 0;
        return yield* this.sock_io(write ? sys_sendto : sys_recvfrom, write ? EPOLLOUT : EPOLLIN, fd, buf, 0, null);
      }
      const op = write ? file.f_op.write : file.f_op.read;
      if (op === undefined) return (file.f_flags & O_ACCMODE) === (write ? O_RDONLY : O_WRONLY) ? -EBADF : -EINVAL;
      syscall_enter(this.k);
      let n: number;
      try {
        n = op(file, done === 0 ? buf : buf.subarray(done));
      } finally {
        syscall_exit(this.k);
      }
      if (signal_pending(task)) deliver_signals(task);
      if (n === -ERESTARTSYS) {
        if (task.stop_pending === 0) return -EINTR;
        yield;
        if (signal_pending(task)) deliver_signals(task);
        continue;
      }
      const wait = (file.f_flags & O_NONBLOCK) === 0;
      // A blocking write to a pipe ends when all of it is in (pipe(7)).
      if (n > 0 && n < buf.length - done && wait && write && file.f_op.write_all === true) done += n;
      else if (n !== -EAGAIN || !wait) {
        if (need_resched(task)) yield* cond_resched(task);
        return n < 0 ? done || n : done + n;
      }
      const err = yield* this.wait_file(file, write ? EPOLLOUT : EPOLLIN, this.file_deadline(file, write));
      if (err < 0) return done || err;
    }
  }

  /** SO_RCVTIMEO and SO_SNDTIMEO bound how long a socket's call may sleep. */
  private file_deadline(file: File, write: boolean): number {
    const sock = sock_from_file(file);
    if (sock === null || sock.sk === null) return Number.POSITIVE_INFINITY;
    const ms = write ? sock.sk.sk_sndtimeo : sock.sk.sk_rcvtimeo;
    return ms === Number.POSITIVE_INFINITY ? ms : this.k.now + ms * 1e6;
  }

  /** Sleeps until the file polls ready for `mask`. 0, -EINTR, or -EAGAIN when the deadline passed. */
  private *wait_file(file: File, mask: number, deadline: number, exclusive = false): Blocking<number> {
    const task = this.task;
    const wait = exclusive ? new ExclusiveWait(task) : new PollWait(task);
    const stops = task.nr_stops;
    try {
      for (let registered = false; ; ) {
        const now = vfs_poll(file, registered ? null : wait) & (mask | EPOLLERR | EPOLLHUP);
        registered = true;
        if (now !== 0) return 0;
        const err = yield* schedule_timeout(task, deadline);
        if (err < 0) return err;
        if (task.timed_out) return -EAGAIN;
        // signal(7): a socket's call with a timeout is not restarted after SIGSTOP and SIGCONT.
        if (task.nr_stops !== stops && deadline !== Number.POSITIVE_INFINITY) return -EINTR;
      }
    } finally {
      wait.free();
    }
  }

  splice(
    fd_in: number,
    off_in: Uint8Array | null,
    fd_out: number,
    off_out: Uint8Array | null,
    len: number,
    flags: number,
  ): Blocking<number> {
    return do_splice(this.splice_io(), fd_in, off_in, fd_out, off_out, len, flags);
  }
  tee(fd_in: number, fd_out: number, len: number, flags: number): Blocking<number> {
    return do_tee(this.splice_io(), fd_in, fd_out, len, flags);
  }
  vmsplice(fd: number, iov: Uint8Array[], flags: number): Blocking<number> {
    return do_vmsplice(this.splice_io(), fd, iov, flags);
  }
  sendfile(fd_out: number, fd_in: number, offset: Uint8Array | null, count: number): Blocking<number> {
    return do_sendfile(this.splice_io(), fd_out, fd_in, offset, count);
  }
  private splice_io(): SpliceIo {
    return {
      task: this.task,
      enter: (fn) => this.enter(fn),
      wait: (file, mask) => this.wait_file(file, mask, this.file_deadline(file, mask === EPOLLOUT)),
      send: (fd, buf, flags) => this.sendto(fd, buf, flags, null),
      recv: (fd, buf, flags) => this.recvfrom(fd, buf, flags, null),
    };
  }

  lseek(fd: number, offset: number, whence: number): number {
    const file = fget(this.task, fd);
    if (file === null) return -EBADF;
    return file.f_op.lseek ? file.f_op.lseek(file, offset, whence) : -ESPIPE;
  }
  dup(fd: number): number {
    const newfd = get_unused_fd(this.task);
    if (newfd < 0) return newfd;
    const r = files_dup2(this.task, fd, newfd);
    if (r < 0) this.task.files.next_fd = Math.min(this.task.files.next_fd, newfd);
    return r;
  }
  dup2(fd: number, newfd: number): number {
    return this.enter(() => files_dup2(this.task, fd, newfd));
  }
  pipe(): [number, number] {
    const a = get_unused_fd(this.task);
    if (a < 0) return [-EMFILE, 0];
    const [r, w] = create_pipe(this.k);
    fd_install(this.task, a, r);
    const b = get_unused_fd(this.task);
    if (b < 0) {
      this.close(a);
      fput(w);
      return [b, 0];
    }
    fd_install(this.task, b, w);
    return [a, b];
  }
  stat(path: string): Stat | number {
    const inode = vfs_lookup(this.task, path);
    if (typeof inode === "number") return inode;
    return { st_mode: inode.mode, st_size: inode.size ? inode.size() : 0, st_ino: inode.ino };
  }
  fstat(fd: number): Stat | number {
    const file = fget(this.task, fd);
    if (file === null) return -EBADF;
    const s = file.f_op.stat ? file.f_op.stat(file) : { mode: 0, size: 0, ino: 0 };
    return { st_mode: s.mode, st_size: s.size, st_ino: s.ino };
  }
  lstat(path: string): Stat | number {
    const inode = vfs_lookup(this.task, path, false);
    if (typeof inode === "number") return inode;
    return { st_mode: inode.mode, st_size: inode.size ? inode.size() : 0, st_ino: inode.ino };
  }
  readlink(path: string): string | number {
    const inode = vfs_lookup(this.task, path, false);
    if (typeof inode === "number") return inode;
    return inode.readlink ? inode.readlink(this.task) : -EINVAL;
  }
  readdir(path: string): string[] | number {
    const inode = vfs_lookup(this.task, path);
    if (typeof inode === "number") return inode;
    return inode.list ? inode.list(this.task) : -ENOTDIR;
  }
  mkdir(path: string, _mode?: number): number {
    return do_mkdir(this.task, path);
  }
  unlink(path: string): number {
    return do_unlink(this.task, path, false);
  }
  rmdir(path: string): number {
    return do_unlink(this.task, path, true);
  }
  chdir(path: string): number {
    const inode = vfs_lookup(this.task, path);
    if (typeof inode === "number") return inode;
    if (!inode.lookup) return -ENOTDIR;
    this.task.cwd = `/${path_components(this.task, path).join("/")}`;
    return 0;
  }
  getcwd(): string {
    return this.task.cwd;
  }
  isatty(fd: number): boolean {
    return fget(this.task, fd)?.f_op.isatty === true;
  }
  winsize(): [number, number] {
    for (const fd of [1, 0, 2]) {
      const file = fget(this.task, fd);
      if (file?.f_op.isatty) {
        const tty = file.private_data as Tty;
        return [tty.columns, tty.rows];
      }
    }
    return [80, 24];
  }
  fcntl(fd: number, cmd: number, arg: number): number {
    const file = fget(this.task, fd);
    if (file === null) return -EBADF;
    switch (cmd) {
      case F_DUPFD: {
        const n = get_unused_fd(this.task, arg);
        return n < 0 ? n : files_dup2(this.task, fd, n);
      }
      case F_GETFD:
        return this.task.files.close_on_exec.has(fd) ? 1 : 0;
      case F_SETFD:
        set_close_on_exec(this.task, fd, (arg & 1) !== 0);
        return 0;
      case F_GETFL:
        return file.f_flags;
      case F_SETFL:
        file.f_flags = (file.f_flags & ~(O_NONBLOCK | O_APPEND)) | (arg & (O_NONBLOCK | O_APPEND));
        return 0;
      default:
        return -EINVAL;
    }
  }
  ioctl(fd: number, request: number, arg: Uint8Array): number {
    const file = fget(this.task, fd);
    if (file === null) return -EBADF;
    if (!file.f_op.ioctl) return -ENOTTY;
    const op = file.f_op.ioctl;
    const r = this.enter(() => op(file, request, arg));
    return r === -ERESTART_RESTARTBLOCK ? this.restart(-EINTR) : r;
  }
  *ioctl_wait(fd: number, request: number, arg: Uint8Array): Blocking<number> {
    const file = fget(this.task, fd);
    if (file === null) return -EBADF;
    const op = file.f_op.ioctl;
    if (!op) return -ENOTTY;
    let r = this.enter(() => op(file, request, arg));
    try {
      while (r === -ERESTART_RESTARTBLOCK) {
        const err = yield* this.nanosleep(this.task.restart_block!.ns);
        const block = this.task.restart_block!;
        r = this.enter(() => block.fn(err));
      }
    } finally {
      // A signal may have ended the task in its sleep.
      if (r === -ERESTART_RESTARTBLOCK) this.restart(-EINTR);
      this.task.restart_block = null;
    }
    return r;
  }
  /** Ends a call that would sleep. */
  private restart(err: number): number {
    let r = -ERESTART_RESTARTBLOCK;
    while (r === -ERESTART_RESTARTBLOCK) {
      const block = this.task.restart_block!;
      r = this.enter(() => block.fn(err));
    }
    this.task.restart_block = null;
    return r;
  }

  // --- sockets ----------------------------------------------------------------------------------------------------

  socketpair(family: number, type: number, protocol: number, sv: [number, number]): number {
    return this.enter(() => sys_socketpair(this.task, family, type, protocol, sv));
  }
  socket(family: number, type: number, protocol: number): number {
    return this.enter(() => sys_socket(this.task, family, type, protocol));
  }
  bind(fd: number, addr: Uint8Array): number {
    return this.enter(() => sys_bind(this.task, fd, addr));
  }
  *connect(fd: number, addr: Uint8Array): Blocking<number> {
    const r = this.enter(() => sys_connect(this.task, fd, addr));
    if (r !== -EINPROGRESS && r !== -EALREADY) return r;
    const file = fget(this.task, fd);
    if (file === null || (file.f_flags & O_NONBLOCK) !== 0) return r;
    const deadline = this.file_deadline(file, true);
    for (;;) {
      // SO_SNDTIMEO bounds it: then the attempt goes on behind.
      const err = yield* this.wait_file(file, EPOLLOUT, deadline);
      if (err < 0) return err === -EAGAIN ? r : err;
      const again = this.enter(() => sys_connect(this.task, fd, addr));
      if (again !== -EALREADY && again !== -EINPROGRESS) return again;
    }
  }
  listen(fd: number, backlog: number): number {
    return this.enter(() => sys_listen(this.task, fd, backlog));
  }
  *accept4(fd: number, addr: Uint8Array | null, flags: number): Blocking<number> {
    let deadline = -1;
    for (;;) {
      const r = this.enter(() => sys_accept4(this.task, fd, addr, flags));
      const file = fget(this.task, fd);
      if (r !== -EAGAIN || file === null || (file.f_flags & O_NONBLOCK) !== 0) {
        if (need_resched(this.task)) yield* cond_resched(this.task);
        return r;
      }
      if (deadline < 0) deadline = this.file_deadline(file, false);
      const err = yield* this.wait_file(file, EPOLLIN, deadline, true);
      if (err < 0) return err;
    }
  }
  shutdown(fd: number, how: number): number {
    return this.enter(() => sys_shutdown(this.task, fd, how));
  }
  getsockname(fd: number, addr: Uint8Array): number {
    return sys_getsockname(this.task, fd, addr);
  }
  getpeername(fd: number, addr: Uint8Array): number {
    return sys_getpeername(this.task, fd, addr);
  }
  setsockopt(fd: number, level: number, optname: number, optval: Uint8Array | number): number {
    let v: Uint8Array;
    if (typeof optval === "number") {
      v = new Uint8Array(4);
      new DataView(v.buffer).setInt32(0, optval, true);
    } else v = optval;
    return this.enter(() => sys_setsockopt(this.task, fd, level, optname, v));
  }
  getsockopt(fd: number, level: number, optname: number, optval: Uint8Array): number {
    return this.enter(() => sys_getsockopt(this.task, fd, level, optname, optval));
  }

  sendto(fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null): Blocking<number> {
    return this.sock_io(sys_sendto, EPOLLOUT, fd, buf, flags, addr);
  }
  recvfrom(fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null): Blocking<number> {
    return this.sock_io(sys_recvfrom, EPOLLIN, fd, buf, flags, addr);
  }
  private *sock_io(
    call: typeof sys_sendto,
    mask: number,
    fd: number,
    buf: Uint8Array,
    flags: number,
    addr: Uint8Array | null,
  ): Blocking<number> {
    const task = this.task;
    const k = this.k;
    flags &= ~MSG_CONTINUED;
    for (;;) {
      syscall_enter(k);
      let n: number;
      try {
        n = call(task, fd, buf, flags, addr);
      } finally {
        syscall_exit(k);
      }
      if (signal_pending(task)) deliver_signals(task);
      if (n < buf.length && (flags & MSG_DONTWAIT) === 0) {
        // What a stream leaves over is waited for.
        const sock = this.stream_of(fd);
        if (sock !== null) return yield* this.stream_rest(n, call, mask === EPOLLOUT, sock, fd, buf, flags, addr);
      }
      if (n !== -EAGAIN || (flags & MSG_DONTWAIT) !== 0) {
        if (need_resched(task)) yield* cond_resched(task);
        return n;
      }
      const err = yield* this.sock_wait(fd, mask, flags);
      if (err < 0) return err;
    }
  }
  private stream_of(fd: number): Socket | null {
    const sock = sockfd_lookup(this.task, fd);
    return typeof sock !== "number" && sock.type === SOCK_STREAM ? sock : null;
  }
  /**
   * The rest of sendto(2), recvfrom(2), read(2) or write(2) of a stream, whose first call into the socket gave `n`: a blocking
   * write ends when all is in the send buffer, a blocking read when SO_RCVLOWAT bytes are there, or all with MSG_WAITALL.
   * What was moved before something ended it is its result.
   */
  private stream_rest(
    n: number,
    call: typeof sys_sendto,
    send: boolean,
    sock: Socket,
    fd: number,
    buf: Uint8Array,
    flags: number,
    addr: Uint8Array | null,
  ): Blocking<number> {
    const task = this.task;
    return this.stream_loop(n, send, sock, fd, buf.length, flags, (done, f) =>
      call(task, fd, done > 0 ? buf.subarray(done) : buf, f, addr),
    );
  }
  private stream_msg(n: number, send: boolean, sock: Socket, fd: number, msg: MsgHdr, flags: number): Blocking<number> {
    const task = this.task;
    const call = send ? sys_sendmsg : sys_recvmsg;
    return this.stream_loop(n, send, sock, fd, iov_bytes(msg), flags, (done, f) => {
      if (done === 0) return call(task, fd, msg, f);
      const rest = msg_rest(msg, done, send);
      const r = call(task, fd, rest, f);
      if (!send) msg.msg_flags |= rest.msg_flags;
      return r;
    });
  }
  private *stream_loop(
    n: number,
    send: boolean,
    sock: Socket,
    fd: number,
    len: number,
    flags: number,
    call: (done: number, flags: number) => number,
  ): Blocking<number> {
    const task = this.task;
    const k = this.k;
    const peek_off = !send && peeks_on(sock, flags);
    const peek = !send && (flags & MSG_PEEK) !== 0 && !peek_off;
    // Neither urgent data nor the error queue is ever waited for.
    const nowait = (flags & MSG_DONTWAIT) !== 0 || (!send && (flags & (MSG_OOB | MSG_ERRQUEUE)) !== 0);
    let deadline = -1;
    let done = 0;
    let in_vain = false;
    for (;;) {
      if (n < 0 && n !== -EAGAIN && !(send && n === -EINPROGRESS && (flags & MSG_FASTOPEN) !== 0)) return done || n;
      // Nothing more where something was before: the stream ended, or the urgent mark is here.
      if (n === 0 && done > 0 && !send) return done;
      const sk = sock.sk;
      // Closed by another task meanwhile.
      if (sk === null) return done || n;
      const news = n > 0 && (!peek || n > done);
      if (n >= 0) {
        done = peek ? Math.max(done, n) : done + n;
        const target = send || (flags & MSG_WAITALL) !== 0 ? len : Math.min(sk.sk_rcvlowat, len) || 1;
        if (done >= target || done === 0) {
          if (need_resched(task)) yield* cond_resched(task);
          return done;
        }
      }
      const file = fget(task, fd);
      if (nowait || file === null || (file.f_flags & O_NONBLOCK) !== 0) return done || n;
      if (deadline < 0) deadline = this.file_deadline(file, send);
      // The SYN took what it could: the rest goes the usual way.
      flags &= ~MSG_FASTOPEN;
      if (peek && n > 0 && !news) {
        // What is there already does not count.
        if (sk.sk_err !== 0 || sk.sk_state === TCP_CLOSE || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return done;
        const wait = new PollWait(task);
        wait.poll_wait(sock.wq);
        let err = 0;
        try {
          task.timed_out = false;
          n = this.enter(() => call(0, flags | MSG_CONTINUED));
          if (n === done) err = yield* schedule_timeout(task, deadline);
        } finally {
          wait.free();
        }
        if (err < 0 || task.timed_out) return done;
        continue;
      }
      if (n < 0) {
        // Ready, and yet not: whoever has to change that must get the CPU.
        if (in_vain) yield* this.sched_yield();
        const err = peek_off
          ? yield* this.wait_news(sock, deadline)
          : yield* this.wait_file(file, send ? EPOLLOUT : EPOLLIN, deadline);
        if (err < 0) return done || err;
      }
      in_vain = n < 0;
      syscall_enter(k);
      try {
        n = call(peek ? 0 : done, done > 0 ? flags | MSG_CONTINUED : flags);
      } finally {
        syscall_exit(k);
      }
      if (signal_pending(task)) deliver_signals(task);
    }
  }
  *sendmsg(fd: number, msg: MsgHdr, flags: number): Blocking<number> {
    flags &= ~MSG_CONTINUED;
    for (;;) {
      const n = this.enter(() => sys_sendmsg(this.task, fd, msg, flags));
      if (signal_pending(this.task)) deliver_signals(this.task);
      const sock = this.stream_of(fd);
      if (sock !== null) return yield* this.stream_msg(n, true, sock, fd, msg, flags);
      if (n !== -EAGAIN || (flags & MSG_DONTWAIT) !== 0) {
        if (need_resched(this.task)) yield* cond_resched(this.task);
        return n;
      }
      const err = yield* this.sock_wait(fd, EPOLLOUT);
      if (err < 0) return err;
    }
  }
  *recvmsg(fd: number, msg: MsgHdr, flags: number): Blocking<number> {
    flags &= ~MSG_CONTINUED;
    for (;;) {
      const n = this.enter(() => sys_recvmsg(this.task, fd, msg, flags));
      if (signal_pending(this.task)) deliver_signals(this.task);
      const sock = this.stream_of(fd);
      if (sock !== null) return yield* this.stream_msg(n, false, sock, fd, msg, flags);
      if (n !== -EAGAIN || (flags & (MSG_DONTWAIT | 0x2000)) !== 0) {
        if (need_resched(this.task)) yield* cond_resched(this.task);
        return n;
      }
      const err = yield* this.sock_wait(fd, EPOLLIN, flags);
      if (err < 0) return err;
    }
  }

  socketcall(call: number, args: readonly SocketcallArg[] | null): Blocking<number> {
    return sys_socketcall(this, call, args);
  }

  /** Sleeps until something happens to the socket, whatever it is ready for already. 0, -EINTR, or -EAGAIN after the deadline. */
  private *wait_news(sock: Socket, deadline: number): Blocking<number> {
    const task = this.task;
    const wait = new PollWait(task);
    wait.poll_wait(sock.wq);
    try {
      const err = yield* schedule_timeout(task, deadline);
      return err < 0 ? err : task.timed_out ? -EAGAIN : 0;
    } finally {
      wait.free();
    }
  }

  /** A socket call would block: sleeps, unless the descriptor says O_NONBLOCK or the timeout is over. */
  private *sock_wait(fd: number, mask: number, flags = 0): Blocking<number> {
    const file = fget(this.task, fd);
    if (file === null) return -EBADF;
    if ((file.f_flags & O_NONBLOCK) !== 0) return -EAGAIN;
    const sock = sockfd_lookup(this.task, fd);
    if (typeof sock === "number") return sock;
    const deadline = this.file_deadline(file, mask === EPOLLOUT);
    if (mask === EPOLLIN && peeks_on(sock, flags)) return yield* this.wait_news(sock, deadline);
    return yield* this.wait_file(file, mask, deadline);
  }

  // --- waiting for many -------------------------------------------------------------------------------------------

  *poll(fds: PollFd[], timeout: number): Blocking<number> {
    const task = this.task;
    const deadline = timeout < 0 ? Number.POSITIVE_INFINITY : this.k.now + timeout * 1e6;
    const wait = new PollWait(task);
    try {
      let registered = false;
      for (;;) {
        const n = do_poll_once(task, fds, registered || timeout === 0 ? null : wait);
        registered = true;
        if (n > 0 || timeout === 0) return n;
        const err = yield* schedule_timeout(task, deadline);
        if (err < 0) return err;
        if (task.timed_out) return do_poll_once(task, fds, null);
      }
    } finally {
      wait.free();
    }
  }
  epoll_create1(flags: number): number {
    const fd = get_unused_fd(this.task);
    if (fd < 0) return fd;
    fd_install(this.task, fd, epoll_create(this.k));
    if ((flags & O_CLOEXEC) !== 0) set_close_on_exec(this.task, fd, true);
    return fd;
  }
  epoll_ctl(epfd: number, op: number, fd: number, event: EpollEvent | null): number {
    return do_epoll_ctl(this.task, epfd, op, fd, event);
  }
  *epoll_wait(epfd: number, events: EpollEvent[], maxevents: number, timeout: number): Blocking<number> {
    if (maxevents <= 0) return -EINVAL;
    const task = this.task;
    const deadline = timeout < 0 ? Number.POSITIVE_INFINITY : this.k.now + timeout * 1e6;
    for (;;) {
      const ep = ep_of(task, epfd);
      if (typeof ep === "number") return ep;
      const n = ep_send_events(ep, events, maxevents);
      if (n > 0 || timeout === 0) return n;
      add_wait_queue(ep.wq, task.wait);
      const stops = task.nr_stops;
      const err = yield* schedule_timeout(task, deadline);
      remove_wait_queue(task.wait);
      if (err < 0) return err;
      if (task.timed_out) return 0;
      // signal(7): SIGSTOP and SIGCONT end it without any handler.
      if (task.nr_stops !== stops) return -EINTR;
    }
  }

  private enter<T>(fn: () => T): T {
    syscall_enter(this.k);
    try {
      return fn();
    } finally {
      syscall_exit(this.k);
    }
  }
}

/** A task that runs `program`; not yet runnable. */
export function spawn_task(k: Kernel, parent: Task | null, program: Program, argv: string[]): Task {
  const task = task_create(k, argv[0] ?? "?", parent, (t) => program(new TaskSys(t), argv));
  task.argv = argv;
  return task;
}
