// The system-call interface that programs see: synchronous where Linux never sleeps, a generator where it may.
// Read first: docs/architecture.md, "Tasks are generators". Way in: `function* ping(sys: Sys, argv: string[])`.

/** What a program may yield: only the kernel's own calls do, to sleep. */
export type Sleep = undefined;
/** A call that may sleep, used as `const n = yield* sys.read(fd, buf)`. */
export type Blocking<T> = Generator<Sleep, T, unknown>;
/** A program: argv[0] is its name, the returned number its exit status (0–255). */
export type Program = (sys: Sys, argv: string[]) => Blocking<number>;

/** struct msghdr. The caller owns every buffer; the kernel neither keeps nor resizes one. */
export interface MsgHdr {
  /** struct sockaddr in Linux's byte layout, or null. On receive it is filled up to its length. */
  msg_name: Uint8Array | null;
  /** Bytes of msg_name in use; set on receive. */
  msg_namelen: number;
  msg_iov: Uint8Array[];
  /** Ancillary data in struct cmsghdr layout (64-bit: 16-byte header, 8-byte alignment), or null. */
  msg_control: Uint8Array | null;
  msg_controllen: number;
  /** MSG_TRUNC, MSG_CTRUNC, … set on receive. */
  msg_flags: number;
}

export interface MmsgHdr {
  msg_hdr: MsgHdr;
  /** Bytes of this message; set by the call. */
  msg_len: number;
}

/** A word of socketcall(2)'s array: a number, or what a pointer points at. */
export type SocketcallArg = number | null | Uint8Array | MsgHdr | MmsgHdr[];

export interface PollFd {
  fd: number;
  events: number;
  revents: number;
}

export interface EpollEvent {
  events: number;
  data: number;
}

export interface Stat {
  /** S_IFMT type bits and permissions. */
  st_mode: number;
  st_size: number;
  st_ino: number;
}

export interface SpawnOptions {
  /** fds of the child: index in the child, value in the parent. Default: 0, 1, 2 as in the parent. */
  fds?: number[];
  env?: Record<string, string>;
  cwd?: string;
  /** Process group: 0 makes a new one led by the child, a number joins it; default: the parent's. */
  pgid?: number;
  /** Network namespace by name (`ip netns`), default the parent's. */
  netns?: string;
  /** Signals that are SIG_DFL in the child, though the parent ignores them (posix_spawnattr_setsigdefault(3)). */
  sigdefault?: readonly number[];
}

/**
 * All calls return >= 0, or -errno. Buffers and sockaddrs are bytes in Linux's x86-64 layout (little-endian host order,
 * big-endian where the wire is). Strings are UTF-8.
 */
export interface Sys {
  // --- process -------------------------------------------------------------------------------------------------
  getpid(): number;
  getppid(): number;
  /** The environment of this process; changes are its own. */
  readonly env: Record<string, string>;
  /** Starts a program as a child. Returns its pid. */
  spawn(program: Program, argv: string[], options?: SpawnOptions): number;
  /**
   * Becomes another program: its name and arguments, its environment; caught signals are SIG_DFL again, O_CLOEXEC files
   * closed. Returns its exit status, with which the caller has to end.
   */
  execve(program: Program, argv: string[], env: Record<string, string>): Blocking<number>;
  /** Finds a program by name (no path search: all programs are built in); null when there is none. */
  lookup_program(name: string): Program | null;
  /** Names of all built-in programs, sorted. */
  programs(): string[];
  /** Waits for a child: pid > 0 that one, -1 any. Returns [pid, status] with status in waitpid(2) layout, or [-errno, 0]. */
  wait4(pid: number, options: number): Blocking<[number, number]>;
  kill(pid: number, sig: number): number;
  /** SIG_DFL, SIG_IGN or a handler that runs before the interrupted call returns -EINTR. */
  sigaction(sig: number, handler: "SIG_DFL" | "SIG_IGN" | ((sig: number) => void)): number;
  setpgid(pid: number, pgid: number): number;
  sched_setaffinity(pid: number, mask: number): number;
  /** Lets other tasks run. */
  sched_yield(): Blocking<void>;
  /** "nodename" and the rest of uname(2). */
  uname(): { sysname: string; nodename: string; release: string; version: string; machine: string };
  sethostname(name: string): number;
  /** Creates (or deletes) a named network namespace, as `ip netns add|del` does. */
  netns_add(name: string): number;
  netns_del(name: string): number;
  netns_list(): string[];
  /** Moves the calling process into the named namespace; "" is the initial one. */
  setns(name: string): number;
  /** The kernel log as `dmesg` reads it: lines with seconds since boot. */
  syslog(): { ts_ns: number; level: number; text: string }[];

  // --- time ----------------------------------------------------------------------------------------------------
  /** CLOCK_REALTIME (0) or CLOCK_MONOTONIC (1), in ns as a number. */
  clock_gettime(clock: number): number;
  nanosleep(ns: number): Blocking<number>;
  /** Random bytes from the Host's (seeded) source. */
  getrandom(buf: Uint8Array): number;

  // --- files ---------------------------------------------------------------------------------------------------
  open(path: string, flags: number, mode?: number): number;
  /** close(2); it never waits, also where SO_LINGER would have it wait. */
  close(fd: number): number;
  /** close(2) as a lingering socket's: SO_LINGER with a time waits until the peer has everything, or the time is over. */
  close_linger(fd: number): Blocking<number>;
  read(fd: number, buf: Uint8Array): Blocking<number>;
  write(fd: number, buf: Uint8Array): Blocking<number>;
  lseek(fd: number, offset: number, whence: number): number;
  /** Offsets are a loff_t (8 bytes), read and written in place, or null. */
  splice(
    fd_in: number,
    off_in: Uint8Array | null,
    fd_out: number,
    off_out: Uint8Array | null,
    len: number,
    flags: number,
  ): Blocking<number>;
  tee(fd_in: number, fd_out: number, len: number, flags: number): Blocking<number>;
  vmsplice(fd: number, iov: Uint8Array[], flags: number): Blocking<number>;
  sendfile(fd_out: number, fd_in: number, offset: Uint8Array | null, count: number): Blocking<number>;
  dup(fd: number): number;
  dup2(fd: number, newfd: number): number;
  /** [read end, write end] or [-errno, 0]. */
  pipe(): [number, number];
  stat(path: string): Stat | number;
  /** Of a symbolic link itself. */
  lstat(path: string): Stat | number;
  fstat(fd: number): Stat | number;
  /** The text of a symbolic link. */
  readlink(path: string): string | number;
  readdir(path: string): string[] | number;
  mkdir(path: string, mode?: number): number;
  unlink(path: string): number;
  rmdir(path: string): number;
  chdir(path: string): number;
  getcwd(): string;
  isatty(fd: number): boolean;
  /** Terminal size in columns and rows; [80, 24] where there is none. */
  winsize(): [number, number];
  fcntl(fd: number, cmd: number, arg: number): number;
  /** The argument is a struct in Linux layout, read and written in place. */
  ioctl(fd: number, request: number, arg: Uint8Array): number;
  /** The same for requests that may take their time (ETHTOOL_TEST, ETHTOOL_PHYS_ID): ioctl() ends those with -EINTR. */
  ioctl_wait(fd: number, request: number, arg: Uint8Array): Blocking<number>;

  // --- sockets -------------------------------------------------------------------------------------------------
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, addr: Uint8Array): number;
  connect(fd: number, addr: Uint8Array): Blocking<number>;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, addr: Uint8Array | null, flags: number): Blocking<number>;
  shutdown(fd: number, how: number): number;
  /** Fills `addr` and returns the length, or -errno. */
  getsockname(fd: number, addr: Uint8Array): number;
  getpeername(fd: number, addr: Uint8Array): number;
  setsockopt(fd: number, level: number, optname: number, optval: Uint8Array | number): number;
  /** Fills `optval` and returns the length, or -errno. */
  getsockopt(fd: number, level: number, optname: number, optval: Uint8Array): number;
  sendto(fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null): Blocking<number>;
  /** `addr` is filled when given; its length is in the sockaddr's family. */
  recvfrom(fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null): Blocking<number>;
  sendmsg(fd: number, msg: MsgHdr, flags: number): Blocking<number>;
  recvmsg(fd: number, msg: MsgHdr, flags: number): Blocking<number>;
  /** All of the above by number (SYS_SOCKET …), with the arguments of C in an array: how 32-bit x86 calls them. */
  socketcall?(call: number, args: readonly SocketcallArg[] | null): Blocking<number>;

  // --- waiting for many ----------------------------------------------------------------------------------------
  /** timeout in ms, -1 for ever. */
  poll(fds: PollFd[], timeout: number): Blocking<number>;
  epoll_create1(flags: number): number;
  epoll_ctl(epfd: number, op: number, fd: number, event: EpollEvent | null): number;
  epoll_wait(epfd: number, events: EpollEvent[], maxevents: number, timeout: number): Blocking<number>;
}
