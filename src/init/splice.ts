// sendfile(2), splice(2), tee(2), vmsplice(2): bytes from one descriptor to another, with a pipe between or at one end. Mirrors
// fs/splice.c and do_sendfile() of fs/read_write.c. Read first: splice(2). Way in: TaskSys.splice() … sendfile().
// DIFF: what Linux hands over by reference to its pages (MSG_SPLICE_PAGES) is copied here; a pipe holds 64 KiB of bytes, not 16 buffers.

import { type File, fget } from "../kernel/fs/file.ts";
import { get_pipe_info, PIPE_SIZE, type PipeInode, pipe_consume, pipe_peek } from "../kernel/fs/pipe.ts";
import { send_sig, type Task } from "../kernel/sched.ts";
import type { Socket } from "../net/core/sock.ts";
import { sock_from_file } from "../net/socket.ts";
import { EAGAIN, EBADF, EINVAL, EPIPE, ESPIPE } from "../uapi/errno.ts";
import {
  EPOLLIN,
  EPOLLOUT,
  O_ACCMODE,
  O_APPEND,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  SIGPIPE,
  SPLICE_F_ALL,
  SPLICE_F_MORE,
  SPLICE_F_NONBLOCK,
} from "../uapi/fcntl.ts";
import { MSG_DONTWAIT, MSG_MORE } from "../uapi/socket.ts";
import type { Blocking } from "../uapi/sys.ts";

/** What the system calls of a task lend. */
export interface SpliceIo {
  readonly task: Task;
  enter<T>(fn: () => T): T;
  /** Sleeps until the file polls ready: 0, -EINTR, or -EAGAIN after the socket's timeout. */
  wait(file: File, mask: number): Blocking<number>;
  send(fd: number, buf: Uint8Array, flags: number): Blocking<number>;
  recv(fd: number, buf: Uint8Array, flags: number): Blocking<number>;
}

const PAGE_SIZE = 4096;

const readable = (f: File): boolean => (f.f_flags & O_ACCMODE) !== O_WRONLY;
const writable = (f: File): boolean => (f.f_flags & O_ACCMODE) !== O_RDONLY;
/** Has it places to read and write at? */
const seekable = (f: File): boolean => f.f_op.lseek !== undefined;

/** A loff_t of the program, read and written in place. */
const loff_of = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, 8);

/** Runs `fn` with the file at that place; where it then stands goes back to the program, and the file to where it was. */
function at_offset(file: File, off: Uint8Array | null, fn: () => number): number {
  if (off === null) return fn();
  const dv = loff_of(off);
  const was = file.f_pos;
  file.f_pos = Number(dv.getBigInt64(0, true));
  const n = fn();
  if (n > 0) dv.setBigInt64(0, BigInt(file.f_pos), true);
  file.f_pos = was;
  return n;
}
const check_offset = (file: File, off: Uint8Array | null): number =>
  off === null ? 0 : !seekable(file) || loff_of(off).getBigInt64(0, true) < 0n ? -EINVAL : 0;

/** The pipe has something: 0. 1: it never will. Else -EAGAIN or -EINTR. */
function* wait_for_data(io: SpliceIo, file: File, pipe: PipeInode, nonblock: boolean): Blocking<number> {
  while (pipe.len === 0) {
    if (pipe.writers === 0) return 1;
    if (nonblock) return -EAGAIN;
    const err = yield* io.wait(file, EPOLLIN);
    if (err < 0) return err;
  }
  return 0;
}

/** The pipe has room: 0. Nobody reads: -EPIPE and SIGPIPE. Else -EAGAIN or -EINTR. */
function* wait_for_space(io: SpliceIo, file: File, pipe: PipeInode, nonblock: boolean): Blocking<number> {
  for (;;) {
    if (pipe.readers === 0) {
      io.enter(() => send_sig(io.task, SIGPIPE));
      return -EPIPE;
    }
    if (pipe.len < PIPE_SIZE) return 0;
    if (nonblock) return -EAGAIN;
    const err = yield* io.wait(file, EPOLLOUT);
    if (err < 0) return err;
  }
}

/** Into the pipe, which has the room. */
const put = (io: SpliceIo, out: File, data: Uint8Array): number =>
  // In pieces that are not atomic ones: all of it fits.
  data.length === 0 ? 0 : io.enter(() => out.f_op.write!(out, data));

// --- splice(2) ------------------------------------------------------------------------------------------------------

export function* do_splice(
  io: SpliceIo,
  fd_in: number,
  off_in: Uint8Array | null,
  fd_out: number,
  off_out: Uint8Array | null,
  len: number,
  flags: number,
): Blocking<number> {
  if (len === 0) return 0;
  if ((flags & ~SPLICE_F_ALL) !== 0) return -EINVAL;
  const input = fget(io.task, fd_in);
  const output = fget(io.task, fd_out);
  if (input === null || output === null) return -EBADF;
  const ipipe = get_pipe_info(input);
  const opipe = get_pipe_info(output);
  if ((ipipe !== null && off_in !== null) || (opipe !== null && off_out !== null)) return -ESPIPE;
  if (!readable(input) || !writable(output)) return -EBADF;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  const asleep = (f: File): boolean => nonblock || (f.f_flags & O_NONBLOCK) !== 0;
  if (ipipe !== null && opipe !== null) {
    if (ipipe === opipe) return -EINVAL;
    return yield* pipe_to_pipe(io, input, ipipe, output, opipe, len, asleep(input) || asleep(output), true);
  }
  if (ipipe !== null) {
    const err = check_offset(output, off_out);
    if (err < 0) return err;
    if ((output.f_flags & O_APPEND) !== 0) return -EINVAL;
    return yield* from_pipe(io, input, ipipe, fd_out, output, off_out, len, flags, asleep(input));
  }
  if (opipe === null) return -EINVAL;
  const err = check_offset(input, off_in);
  if (err < 0) return err;
  return yield* to_pipe(io, fd_in, input, off_in, output, opipe, len, asleep(output));
}

function* from_pipe(
  io: SpliceIo,
  input: File,
  pipe: PipeInode,
  fd_out: number,
  out: File,
  off: Uint8Array | null,
  len: number,
  flags: number,
  nonblock: boolean,
): Blocking<number> {
  const sock = sock_from_file(out);
  let done = 0;
  while (done < len) {
    // Once something went, what is not there is not waited for.
    const w = yield* wait_for_data(io, input, pipe, nonblock || done > 0);
    if (w !== 0) return w > 0 ? done : done || w;
    const data = pipe_peek(pipe, len - done);
    let n: number;
    if (sock !== null) {
      const more = (flags & SPLICE_F_MORE) !== 0 || (done + data.length < len && pipe.len > data.length);
      n = yield* io.send(fd_out, data, more ? MSG_MORE : 0);
    } else if (out.f_op.write === undefined) n = -EINVAL;
    else n = io.enter(() => at_offset(out, off, () => out.f_op.write!(out, data)));
    if (n <= 0) return done || n;
    io.enter(() => pipe_consume(pipe, n));
    done += n;
    if (n < data.length) break;
  }
  return done;
}

function* to_pipe(
  io: SpliceIo,
  fd_in: number,
  input: File,
  off: Uint8Array | null,
  out: File,
  pipe: PipeInode,
  len: number,
  nonblock: boolean,
): Blocking<number> {
  const err = yield* wait_for_space(io, out, pipe, nonblock);
  if (err < 0) return err;
  const room = PIPE_SIZE - pipe.len;
  const sock = sock_from_file(input);
  if (sock?.ops.splice_read) return yield* stream_to_pipe(io, input, sock, out, Math.min(len, room));
  if (sock !== null) {
    // A datagram, cut to what was asked for.
    const buf = new Uint8Array(Math.min(len, room));
    const n = yield* io.recv(fd_in, buf, 0);
    return n <= 0 ? n : put(io, out, buf.subarray(0, n));
  }
  if (input.f_op.read === undefined) return -EINVAL;
  // As many pages as a pipe has places for: of the first and the last the part that was asked for.
  const pos = off !== null ? Number(loff_of(off).getBigInt64(0, true)) : input.f_pos;
  const buf = new Uint8Array(Math.min(len, room, PIPE_SIZE - (pos % PAGE_SIZE)));
  const n = io.enter(() => at_offset(input, off, () => input.f_op.read!(input, buf)));
  return n <= 0 ? n : put(io, out, buf.subarray(0, n));
}

/** tcp_splice_read(): what is there; a blocking socket waits for the first of it. */
function* stream_to_pipe(io: SpliceIo, input: File, sock: Socket, out: File, len: number): Blocking<number> {
  let done = 0;
  while (done < len) {
    const buf = new Uint8Array(len - done);
    const n = io.enter(() => sock.ops.splice_read!(sock, buf));
    if (n === -EAGAIN && done === 0 && (input.f_flags & O_NONBLOCK) === 0) {
      const err = yield* io.wait(input, EPOLLIN);
      if (err < 0) return err;
      continue;
    }
    if (n <= 0) return done || n;
    put(io, out, buf.subarray(0, n));
    done += n;
    if ((input.f_flags & O_NONBLOCK) !== 0) break;
  }
  return done;
}

function* pipe_to_pipe(
  io: SpliceIo,
  input: File,
  ipipe: PipeInode,
  output: File,
  opipe: PipeInode,
  len: number,
  nonblock: boolean,
  take: boolean,
): Blocking<number> {
  const w = yield* wait_for_data(io, input, ipipe, nonblock);
  if (w !== 0) return w > 0 ? 0 : w;
  const err = yield* wait_for_space(io, output, opipe, nonblock);
  if (err < 0) return err;
  const data = pipe_peek(ipipe, Math.min(len, PIPE_SIZE - opipe.len));
  put(io, output, data);
  if (take) io.enter(() => pipe_consume(ipipe, data.length));
  return data.length;
}

// --- tee(2), vmsplice(2) --------------------------------------------------------------------------------------------

export function* do_tee(io: SpliceIo, fd_in: number, fd_out: number, len: number, flags: number): Blocking<number> {
  if ((flags & ~SPLICE_F_ALL) !== 0) return -EINVAL;
  if (len === 0) return 0;
  const input = fget(io.task, fd_in);
  const output = fget(io.task, fd_out);
  if (input === null || output === null) return -EBADF;
  if (!readable(input) || !writable(output)) return -EBADF;
  const ipipe = get_pipe_info(input);
  const opipe = get_pipe_info(output);
  if (ipipe === null || opipe === null || ipipe === opipe) return -EINVAL;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0 || ((input.f_flags | output.f_flags) & O_NONBLOCK) !== 0;
  return yield* pipe_to_pipe(io, input, ipipe, output, opipe, len, nonblock, false);
}

/** The program's memory into a pipe, or out of one. */
export function* do_vmsplice(io: SpliceIo, fd: number, iov: readonly Uint8Array[], flags: number): Blocking<number> {
  if ((flags & ~SPLICE_F_ALL) !== 0) return -EINVAL;
  const file = fget(io.task, fd);
  const pipe = file !== null ? get_pipe_info(file) : null;
  if (file === null || pipe === null) return -EBADF;
  // Only the flag says not to wait: O_NONBLOCK of the pipe's read end does not count (Linux).
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  let done = 0;
  for (const buf of iov) {
    if (buf.length === 0) continue;
    if (writable(file)) {
      const err = yield* wait_for_space(io, file, pipe, nonblock || done > 0 || (file.f_flags & O_NONBLOCK) !== 0);
      if (err < 0) return done || err;
      const n = put(io, file, buf.subarray(0, PIPE_SIZE - pipe.len));
      done += n;
      if (n < buf.length) break;
    } else {
      const w = yield* wait_for_data(io, file, pipe, nonblock || done > 0);
      if (w !== 0) return w > 0 ? done : done || w;
      const data = pipe_peek(pipe, buf.length);
      buf.set(data);
      io.enter(() => pipe_consume(pipe, data.length));
      done += data.length;
      if (data.length < buf.length) break;
    }
  }
  return done;
}

// --- sendfile(2) ----------------------------------------------------------------------------------------------------

export function* do_sendfile(
  io: SpliceIo,
  fd_out: number,
  fd_in: number,
  off: Uint8Array | null,
  count: number,
): Blocking<number> {
  const input = fget(io.task, fd_in);
  if (input === null || !readable(input)) return -EBADF;
  if (off !== null && !seekable(input)) return -ESPIPE;
  const err = check_offset(input, off);
  if (err < 0) return err;
  const output = fget(io.task, fd_out);
  if (output === null || !writable(output)) return -EBADF;
  const opipe = get_pipe_info(output);
  if (opipe !== null) {
    if (count === 0) return 0;
    const nonblock = (output.f_flags & O_NONBLOCK) !== 0;
    return yield* to_pipe(io, fd_in, input, off, output, opipe, count, nonblock);
  }
  if (!seekable(input) || input.f_op.read === undefined || (output.f_flags & O_APPEND) !== 0) return -EINVAL;
  return yield* splice_direct(io, fd_out, input, output, off, count);
}

/** A file's pages to a file or socket, a pipe's worth at a time. */
function* splice_direct(
  io: SpliceIo,
  fd_out: number,
  input: File,
  output: File,
  off: Uint8Array | null,
  count: number,
): Blocking<number> {
  const sock = sock_from_file(output);
  const place = off !== null ? loff_of(off) : null;
  let pos = place !== null ? Number(place.getBigInt64(0, true)) : input.f_pos;
  let done = 0;
  let result = 0;
  while (done < count) {
    const buf = new Uint8Array(Math.min(count - done, PIPE_SIZE - (pos % PAGE_SIZE)));
    const was = input.f_pos;
    input.f_pos = pos;
    const got = io.enter(() => input.f_op.read!(input, buf));
    input.f_pos = was;
    if (got <= 0) {
      // The file ended early: what was held back for more goes.
      if (done > 0 && sock !== null) io.enter(() => sock.ops.splice_eof?.(sock));
      result = got;
      break;
    }
    const data = buf.subarray(0, got);
    let n: number;
    if (sock !== null) {
      const wait = (output.f_flags & O_NONBLOCK) !== 0 ? MSG_DONTWAIT : 0;
      n = yield* io.send(fd_out, data, wait | (done + got < count ? MSG_MORE : 0));
    } else n = output.f_op.write === undefined ? -EINVAL : io.enter(() => output.f_op.write!(output, data));
    if (n <= 0) {
      result = n;
      break;
    }
    done += n;
    pos += n;
    if (n < got) break;
  }
  if (place !== null) place.setBigInt64(0, BigInt(pos), true);
  else input.f_pos = pos;
  return done || result;
}
