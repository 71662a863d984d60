// A table of system calls that says what is called, around the one that does the work: so nothing is slower that is not traced.
// Read first: uapi/sys.ts, tracer.ts. Way in: traced_program(program, tracer).

import { AF_NETLINK } from "../../uapi/socket.ts";
import type { Blocking, EpollEvent, MsgHdr, PollFd, Program, SpawnOptions, Sys } from "../../uapi/sys.ts";
import * as N from "./names.ts";
import * as S from "./structs.ts";
import { restart_of, TracedTask, type Tracer } from "./tracer.ts";

/** Where a traced task has the tracer's descriptor: above all that it opens itself. */
export const TRACE_FD = 1000;

const num = (r: number): string => (r < 0 ? N.error_of(r) : String(r));
const text_bytes = (s: string): Uint8Array => Uint8Array.from(unescape_utf8(s));

function unescape_utf8(s: string): number[] {
  const out: number[] = [];
  for (const ch of s) {
    const c = ch.codePointAt(0)!;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return out;
}

const path = (s: string): string => N.quoted(text_bytes(s), 1e9);

/** A loff_t, as a pointer to it is shown. */
const loff_of = (b: Uint8Array | null): string =>
  b === null ? "NULL" : `[${new DataView(b.buffer, b.byteOffset, 8).getBigInt64(0, true)}]`;

function open_flags(flags: number): string {
  const access = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"][flags & 3]!;
  const rest = flags & ~3;
  return rest === 0 ? access : `${access}|${N.flags_of(N.OPEN_FLAGS, rest, "O")}`;
}

/** The calls of one task: those of `inner`, each with its line. What is not of the kernel (lookup_program) is passed on. */
function traced_sys(inner: Sys, tracer: Tracer, t: TracedTask): Sys {
  const p = tracer;
  const begin = (name: string, head: string, failed: () => string): void => tracer.begin(t, name, head, failed);
  /** What sleeps may print for long: what has gathered goes out first. */
  const flush = tracer.o.fd !== undefined ? () => tracer.flush(inner, tracer.o.fd!) : null;
  const call = (name: string, args: string, ret: string): void => tracer.call(t, name, args, ret);
  const called = (name: string, args: string, r: number): number => {
    call(name, args, num(r));
    return r;
  };
  /** -EINTR is what the program sees; strace sees what the kernel said before. */
  const ret = (name: string, r: number): string => (r === -4 ? restart_of(name) : num(r));
  const nl = (fd: number): boolean => t.netlink.has(fd);

  const own: Partial<Sys> = {
    getpid: () => called("getpid", "", inner.getpid()),
    getppid: () => called("getppid", "", inner.getppid()),
    spawn(program: Program, argv: string[], options: SpawnOptions = {}): number {
      let o = options;
      if (tracer.o.follow && tracer.o.fd !== undefined) {
        const fds = [...(options.fds ?? [0, 1, 2])];
        while (fds.length < TRACE_FD) fds.push(-1);
        fds[TRACE_FD] = TRACE_FD;
        o = { ...options, fds };
      }
      const r = inner.spawn(tracer.o.follow ? traced_program(program, tracer, true) : program, argv, o);
      // DIFF: a child starts when its parent waits, so vfork() is never seen unfinished.
      return called("vfork", "", r);
    },
    *wait4(pid: number, options: number) {
      begin("wait4", `${pid}, `, () => `${p.addr(own)}, ${N.flags_of(N.WAIT_FLAGS, options, "W")}, NULL`);
      if (flush !== null) yield* flush();
      const r = yield* inner.wait4(pid, options);
      const status = r[0] > 0 ? S.wait_status_of(r[1]) : p.addr(own);
      tracer.end(t, `${status}, ${N.flags_of(N.WAIT_FLAGS, options, "W")}, NULL`, ret("wait4", r[0]));
      return r;
    },
    kill(pid: number, sig: number): number {
      begin("kill", `${pid}, ${N.sig_of(sig)}`, () => "");
      const r = inner.kill(pid, sig);
      tracer.end(t, "", num(r));
      return r;
    },
    sigaction(sig: number, handler): number {
      const fn = typeof handler === "function" ? handler : null;
      const r = inner.sigaction(
        sig,
        fn === null
          ? handler
          : (s) => {
              tracer.signal(t, s);
              fn(s);
            },
      );
      const name = N.sig_of(sig);
      const how = fn === null ? String(handler) : p.addr(fn);
      return called("rt_sigaction", `${name}, {sa_handler=${how}, sa_mask=[], sa_flags=SA_RESTORER}, NULL, 8`, r);
    },
    setpgid: (pid: number, pgid: number) => called("setpgid", `${pid}, ${pgid}`, inner.setpgid(pid, pgid)),
    sched_setaffinity(pid: number, mask: number): number {
      const cpus: number[] = [];
      for (let i = 0; i < 32; i++) if ((mask & (1 << i)) !== 0) cpus.push(i);
      return called("sched_setaffinity", `${pid}, 8, [${cpus.join(" ")}]`, inner.sched_setaffinity(pid, mask));
    },
    *sched_yield() {
      call("sched_yield", "", "0");
      yield* inner.sched_yield();
    },
    uname() {
      const u = inner.uname();
      call("uname", `{sysname="${u.sysname}", nodename=${path(u.nodename)}, ...}`, "0");
      return u;
    },
    sethostname: (name: string) =>
      called("sethostname", `${path(name)}, ${text_bytes(name).length}`, inner.sethostname(name)),
    // DIFF: a namespace is named here where Linux has a descriptor of a file in /run/netns.
    netns_add(name: string): number {
      return called("unshare", "CLONE_NEWNET", inner.netns_add(name));
    },
    netns_del: (name: string) => called("umount2", `${path(`/run/netns/${name}`)}, MNT_DETACH`, inner.netns_del(name)),
    setns: (name: string) => called("setns", `${path(`/run/netns/${name}`)}, CLONE_NEWNET`, inner.setns(name)),
    *nanosleep(ns: number) {
      const head = `CLOCK_REALTIME, 0, ${S.timespec_of(Math.max(0, ns))}, `;
      begin("clock_nanosleep", head, () => p.addr(own));
      if (flush !== null) yield* flush();
      const r = yield* inner.nanosleep(ns);
      tracer.end(t, r < 0 ? null : "NULL", ret("clock_nanosleep", r));
      return r;
    },
    getrandom(buf: Uint8Array): number {
      const r = inner.getrandom(buf);
      return called("getrandom", `${N.hex_quoted(buf, p.strsize)}, ${buf.length}, 0`, r);
    },

    open(name: string, flags: number, mode?: number): number {
      const m = (flags & 0o100) !== 0 ? `, 0${(mode ?? 0o666).toString(8).padStart(3, "0")}` : "";
      return called("openat", `AT_FDCWD, ${path(name)}, ${open_flags(flags)}${m}`, inner.open(name, flags, mode));
    },
    close(fd: number): number {
      const r = called("close", String(fd), inner.close(fd));
      if (r === 0) t.netlink.delete(fd);
      return r;
    },
    *read(fd: number, buf: Uint8Array) {
      begin("read", `${fd}, `, () => `${p.addr(buf)}, ${buf.length}`);
      if (flush !== null) yield* flush();
      const r = yield* inner.read(fd, buf);
      const args = r < 0 ? null : `${S.payload_of(p, buf.subarray(0, r), nl(fd))}, ${buf.length}`;
      tracer.end(t, args, ret("read", r));
      return r;
    },
    *write(fd: number, buf: Uint8Array) {
      begin("write", `${fd}, ${S.payload_of(p, buf, nl(fd))}, ${buf.length}`, () => "");
      if (flush !== null) yield* flush();
      const r = yield* inner.write(fd, buf);
      tracer.end(t, "", ret("write", r));
      return r;
    },
    lseek: (fd: number, off: number, whence: number) =>
      called("lseek", `${fd}, ${off}, ${N.name_of(N.WHENCES, whence, "SEEK")}`, inner.lseek(fd, off, whence)),
    *splice(fd_in, off_in, fd_out, off_out, len, flags) {
      const how = N.flags_of(N.SPLICE_FLAGS, flags, "SPLICE_F");
      begin("splice", `${fd_in}, ${loff_of(off_in)}, ${fd_out}, ${loff_of(off_out)}, ${len}, ${how}`, () => "");
      if (flush !== null) yield* flush();
      const r = yield* inner.splice(fd_in, off_in, fd_out, off_out, len, flags);
      tracer.end(t, "", ret("splice", r));
      return r;
    },
    *tee(fd_in, fd_out, len, flags) {
      begin("tee", `${fd_in}, ${fd_out}, ${len}, ${N.flags_of(N.SPLICE_FLAGS, flags, "SPLICE_F")}`, () => "");
      if (flush !== null) yield* flush();
      const r = yield* inner.tee(fd_in, fd_out, len, flags);
      tracer.end(t, "", ret("tee", r));
      return r;
    },
    *sendfile(fd_out, fd_in, offset, count) {
      const head = `${fd_out}, ${fd_in}, ${loff_of(offset)}`;
      begin("sendfile", offset === null ? `${head}, ${count}` : head, () => `, ${count}`);
      if (flush !== null) yield* flush();
      const r = yield* inner.sendfile(fd_out, fd_in, offset, count);
      const moved = r < 0 ? null : ` => ${loff_of(offset)}, ${count}`;
      tracer.end(t, offset === null ? "" : moved, ret("sendfile", r));
      return r;
    },
    *close_linger(fd: number) {
      begin("close", String(fd), () => "");
      if (flush !== null) yield* flush();
      const r = yield* inner.close_linger(fd);
      tracer.end(t, "", ret("close", r));
      if (r === 0) t.netlink.delete(fd);
      return r;
    },
    dup: (fd: number) => called("dup", String(fd), inner.dup(fd)),
    dup2: (fd: number, newfd: number) => called("dup2", `${fd}, ${newfd}`, inner.dup2(fd, newfd)),
    pipe(): [number, number] {
      const r = inner.pipe();
      call("pipe2", `${r[0] < 0 ? p.addr(own) : `[${r[0]}, ${r[1]}]`}, 0`, num(Math.min(0, r[0])));
      return r;
    },
    stat(name: string) {
      const r = inner.stat(name);
      const what = typeof r === "number" ? p.addr(own) : S.stat_of(r);
      call("newfstatat", `AT_FDCWD, ${path(name)}, ${what}, 0`, num(typeof r === "number" ? r : 0));
      return r;
    },
    lstat(name: string) {
      const r = inner.lstat(name);
      const what = typeof r === "number" ? p.addr(own) : S.stat_of(r);
      call("newfstatat", `AT_FDCWD, ${path(name)}, ${what}, AT_SYMLINK_NOFOLLOW`, num(typeof r === "number" ? r : 0));
      return r;
    },
    readlink(name: string) {
      const r = inner.readlink(name);
      const what = typeof r === "number" ? p.addr(own) : path(r);
      call("readlink", `${path(name)}, ${what}, 4096`, num(typeof r === "number" ? r : text_bytes(r).length));
      return r;
    },
    fstat(fd: number) {
      const r = inner.fstat(fd);
      const what = typeof r === "number" ? p.addr(own) : S.stat_of(r);
      call("newfstatat", `${fd}, "", ${what}, AT_EMPTY_PATH`, num(typeof r === "number" ? r : 0));
      return r;
    },
    // DIFF: one call here; Linux opens the folder, reads entries and closes it.
    readdir(name: string) {
      const r = inner.readdir(name);
      const n = typeof r === "number" ? r : r.length;
      call("getdents64", `${path(name)}, ${p.addr(own)}${n >= 0 ? ` /* ${n} entries */` : ""}, 32768`, num(n));
      return r;
    },
    mkdir: (name: string, mode?: number) =>
      called("mkdir", `${path(name)}, 0${(mode ?? 0o777).toString(8)}`, inner.mkdir(name, mode)),
    unlink: (name: string) => called("unlink", path(name), inner.unlink(name)),
    rmdir: (name: string) => called("rmdir", path(name), inner.rmdir(name)),
    chdir: (name: string) => called("chdir", path(name), inner.chdir(name)),
    getcwd(): string {
      const r = inner.getcwd();
      call("getcwd", `${path(r)}, 4096`, String(text_bytes(r).length + 1));
      return r;
    },
    isatty(fd: number): boolean {
      const r = inner.isatty(fd);
      call("ioctl", `${fd}, TCGETS, ${r ? "{...}" : p.addr(own)}`, r ? "0" : N.error_of(25));
      return r;
    },
    winsize(): [number, number] {
      const r = inner.winsize();
      call("ioctl", `1, TIOCGWINSZ, {ws_row=${r[1]}, ws_col=${r[0]}, ws_xpixel=0, ws_ypixel=0}`, "0");
      return r;
    },
    fcntl(fd: number, cmd: number, arg: number): number {
      const r = inner.fcntl(fd, cmd, arg);
      const name = N.name_of(N.FCNTLS, cmd, "F");
      const what =
        name === "F_SETFL"
          ? `, ${open_flags(arg)}`
          : name === "F_SETFD"
            ? `, ${arg === 1 ? "FD_CLOEXEC" : N.hex(arg)}`
            : name.startsWith("F_GET")
              ? ""
              : `, ${arg}`;
      let show = num(r);
      if (r >= 0 && name === "F_GETFL") show = `${N.hex(r)} (flags ${open_flags(r)})`;
      else if (r > 0 && name === "F_GETFD") show = `${N.hex(r)} (flags FD_CLOEXEC)`;
      call("fcntl", `${fd}, ${name}${what}`, show);
      return r;
    },
    *ioctl_wait(fd: number, request: number, arg: Uint8Array): Blocking<number> {
      const r = yield* inner.ioctl_wait(fd, request, arg);
      return called("ioctl", `${fd}, ${N.SIOCS.get(request) ?? N.hex(request)}, ${p.addr(arg)}`, r);
    },
    ioctl(fd: number, request: number, arg: Uint8Array): number {
      const name = N.SIOCS.get(request) ?? N.hex(request);
      const ifreq = name.startsWith("SIOCGIF") || name.startsWith("SIOCSIF");
      const before = ifreq && name !== "SIOCGIFCONF" ? S.ifreq_of(p, name, arg, false) : p.addr(arg);
      const r = inner.ioctl(fd, request, arg);
      let what = before;
      if (r >= 0 && ifreq && name !== "SIOCGIFCONF") what = S.ifreq_of(p, name, arg, true);
      else if (r >= 0 && (name === "FIONREAD" || name === "TIOCOUTQ") && arg.length >= 4) {
        what = `[${new DataView(arg.buffer, arg.byteOffset).getInt32(0, true)}]`;
      }
      return called("ioctl", `${fd}, ${name}, ${what}`, r);
    },

    socket(family: number, type: number, protocol: number): number {
      const r = inner.socket(family, type, protocol);
      if (r >= 0 && family === AF_NETLINK) t.netlink.add(r);
      const rest = type & ~0xf;
      const base = N.name_of(N.SOCK_TYPES, type & 0xf, "SOCK");
      const kind = rest === 0 ? base : `${base}|${N.flags_of(N.SOCK_FLAGS, rest, "SOCK")}`;
      const args = `${N.name_of(N.FAMILIES, family, "AF")}, ${kind}, ${S.protocol_of(family, protocol)}`;
      return called("socket", args, r);
    },
    bind: (fd: number, addr: Uint8Array) =>
      called("bind", `${fd}, ${S.sockaddr_of(p, addr)}, ${addr.length}`, inner.bind(fd, addr)),
    *connect(fd: number, addr: Uint8Array) {
      begin("connect", `${fd}, ${S.sockaddr_of(p, addr)}, ${addr.length}`, () => "");
      if (flush !== null) yield* flush();
      const r = yield* inner.connect(fd, addr);
      tracer.end(t, "", ret("connect", r));
      return r;
    },
    listen: (fd: number, backlog: number) => called("listen", `${fd}, ${backlog}`, inner.listen(fd, backlog)),
    *accept4(fd: number, addr: Uint8Array | null, flags: number) {
      const end = `, ${N.flags_of(N.SOCK_FLAGS, flags, "SOCK")}`;
      const nothing = `NULL, NULL${end}`;
      const room = addr?.length ?? 0;
      begin("accept4", `${fd}, `, () => (addr === null ? nothing : `${p.addr(addr)}, [${room}]${end}`));
      if (flush !== null) yield* flush();
      const r = yield* inner.accept4(fd, addr, flags);
      const got = addr === null ? nothing : `${S.sockaddr_of(p, addr)}, [${room}]${end}`;
      tracer.end(t, r < 0 ? null : got, ret("accept4", r));
      return r;
    },
    shutdown: (fd: number, how: number) =>
      called("shutdown", `${fd}, ${N.name_of(N.SHUTS, how, "SHUT")}`, inner.shutdown(fd, how)),
    getsockname: (fd: number, addr: Uint8Array) => name_call("getsockname", fd, addr, inner.getsockname(fd, addr)),
    getpeername: (fd: number, addr: Uint8Array) => name_call("getpeername", fd, addr, inner.getpeername(fd, addr)),
    setsockopt(fd: number, level: number, optname: number, optval: Uint8Array | number): number {
      const r = inner.setsockopt(fd, level, optname, optval);
      const value = typeof optval === "number" ? `[${optval}]` : S.optval_of(p, level, optname, optval);
      const len = typeof optval === "number" ? 4 : optval.length;
      const what = `${N.name_of(N.LEVELS, level, "SOL")}, ${S.optname_of(level, optname)}`;
      return called("setsockopt", `${fd}, ${what}, ${value}, ${len}`, r);
    },
    getsockopt(fd: number, level: number, optname: number, optval: Uint8Array): number {
      const r = inner.getsockopt(fd, level, optname, optval);
      const what = `${N.name_of(N.LEVELS, level, "SOL")}, ${S.optname_of(level, optname)}`;
      const value = r <= 0 ? p.addr(optval) : S.optval_of(p, level, optname, optval.subarray(0, r));
      const len = r < 0 || r === optval.length ? `[${optval.length}]` : `[${optval.length} => ${r}]`;
      call("getsockopt", `${fd}, ${what}, ${value}, ${len}`, num(Math.min(0, r)));
      return r;
    },
    *sendto(fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null) {
      const to = addr === null ? "NULL, 0" : `${S.sockaddr_of(p, addr)}, ${addr.length}`;
      const what = `${S.payload_of(p, buf, nl(fd))}, ${buf.length}, ${N.flags_of(N.MSG_FLAGS, flags, "MSG")}`;
      begin("sendto", `${fd}, ${what}, ${to}`, () => "");
      if (flush !== null) yield* flush();
      const r = yield* inner.sendto(fd, buf, flags, addr);
      tracer.end(t, "", ret("sendto", r));
      return r;
    },
    *recvfrom(fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null) {
      const end = `${buf.length}, ${N.flags_of(N.MSG_FLAGS, flags, "MSG")}`;
      begin(
        "recvfrom",
        `${fd}, `,
        () => `${p.addr(buf)}, ${end}, ${addr === null ? "NULL, NULL" : `${p.addr(addr)}, [${addr.length}]`}`,
      );
      if (flush !== null) yield* flush();
      const r = yield* inner.recvfrom(fd, buf, flags, addr);
      let rest: string | null = null;
      if (r >= 0) {
        const got = S.payload_of(p, buf.subarray(0, Math.min(r, buf.length)), nl(fd));
        rest = `${got}, ${end}, ${addr === null ? "NULL, NULL" : `${S.sockaddr_of(p, addr)}, [${addr.length}]`}`;
      }
      tracer.end(t, rest, ret("recvfrom", r));
      return r;
    },
    *sendmsg(fd: number, msg: MsgHdr, flags: number) {
      const what = `${S.msghdr_of(p, msg, null, 0, nl(fd))}, ${N.flags_of(N.MSG_FLAGS, flags, "MSG")}`;
      begin("sendmsg", `${fd}, ${what}`, () => "");
      if (flush !== null) yield* flush();
      const r = yield* inner.sendmsg(fd, msg, flags);
      tracer.end(t, "", ret("sendmsg", r));
      return r;
    },
    *recvmsg(fd: number, msg: MsgHdr, flags: number) {
      const room = msg.msg_name?.length ?? 0;
      const how = N.flags_of(N.MSG_FLAGS, flags, "MSG");
      begin("recvmsg", `${fd}, `, () => `{msg_namelen=${room}}, ${how}`);
      if (flush !== null) yield* flush();
      const r = yield* inner.recvmsg(fd, msg, flags);
      tracer.end(t, r < 0 ? null : `${S.msghdr_of(p, msg, r, room, nl(fd))}, ${how}`, ret("recvmsg", r));
      return r;
    },

    // Told as the call that it stands for, as strace does.
    socketcall: (what: number, args) => inner.socketcall!.call(table, what, args),

    *poll(fds: PollFd[], timeout: number) {
      begin("poll", `${S.pollfds_of(fds)}, ${fds.length}, ${timeout}`, () => "");
      if (flush !== null) yield* flush();
      const r = yield* inner.poll(fds, timeout);
      const got = r > 0 ? ` (${S.polled_of(fds)})` : r === 0 ? " (Timeout)" : "";
      tracer.end(t, "", `${ret("poll", r)}${got}`);
      return r;
    },
    epoll_create1: (flags: number) =>
      called("epoll_create1", flags === 0o2000000 ? "EPOLL_CLOEXEC" : String(flags), inner.epoll_create1(flags)),
    epoll_ctl(epfd: number, op: number, fd: number, event: EpollEvent | null): number {
      const what = event === null ? "NULL" : S.epoll_event_of(event);
      const r = inner.epoll_ctl(epfd, op, fd, event);
      return called("epoll_ctl", `${epfd}, ${N.name_of(N.EPOLL_OPS, op, "EPOLL_CTL")}, ${fd}, ${what}`, r);
    },
    *epoll_wait(epfd: number, events: EpollEvent[], maxevents: number, timeout: number) {
      begin("epoll_wait", `${epfd}, `, () => `${p.addr(events)}, ${maxevents}, ${timeout}`);
      if (flush !== null) yield* flush();
      const r = yield* inner.epoll_wait(epfd, events, maxevents, timeout);
      const got = r >= 0 ? events.slice(0, r).map(S.epoll_event_of).join(", ") : "";
      tracer.end(t, r < 0 ? null : `[${got}], ${maxevents}, ${timeout}`, num(r));
      return r;
    },
  };

  function name_call(name: string, fd: number, addr: Uint8Array, r: number): number {
    if (r < 0) call(name, `${fd}, ${p.addr(addr)}, [${addr.length}]`, num(r));
    else {
      const len = r === addr.length ? `[${r}]` : `[${addr.length} => ${r}]`;
      call(name, `${fd}, ${S.sockaddr_of(p, addr, Math.min(r, addr.length))}, ${len}`, "0");
    }
    return r;
  }

  // What is not listed here is the inner table's own, with its own state.
  const table: Sys = Object.assign(Object.create(inner) as Sys, own);
  return table;
}

function execve_of(tracer: Tracer, sys: Sys, argv: string[]): string {
  const name = argv[0] ?? "";
  const words = argv.slice(0, 32).map((a) => N.quoted(text_bytes(a), tracer.strsize));
  const more = argv.length > 32 ? ", ..." : "";
  const vars = Object.keys(sys.env).length;
  const file = name.includes("/") ? name : `/usr/bin/${name}`;
  return `${path(file)}, [${words.join(", ")}${more}], ${tracer.addr(sys.env)} /* ${vars} var${vars === 1 ? "" : "s"} */`;
}

/** The program, with each of its system calls told to the tracer. */
export function traced_program(program: Program, tracer: Tracer, attached = false): Program {
  return function* (sys, argv) {
    const t = new TracedTask(sys.getpid(), sys);
    tracer.attach(t, attached);
    tracer.call(t, "execve", execve_of(tracer, sys, argv), "0");
    try {
      const code = yield* program(traced_sys(sys, tracer, t), argv);
      tracer.exited(t, code & 255);
      if (tracer.o.fd !== undefined) yield* tracer.flush(sys, tracer.o.fd);
      return code;
    } catch (e) {
      // The kernel ends a task by an exception that carries the signal.
      const sig = (e as { sig?: unknown } | null)?.sig;
      if (typeof sig === "number") tracer.killed(t, sig);
      throw e;
    }
  };
}

/** A program that is not traced itself, but whose children are: the shell that runs a command line. */
export function traced_children(program: Program, tracer: Tracer): Program {
  return function* (sys, argv) {
    const own: Partial<Sys> = {
      spawn: (child, words, options) => sys.spawn(traced_program(child, tracer), words, options),
    };
    return yield* program(Object.assign(Object.create(sys) as Sys, own), argv);
  };
}
