// dnsd over TCP: for answers that are longer than UDP's 512 bytes, and whoever likes it better. A message goes behind its length;
// connections stay for more, several questions may be under way. Read first: RFC 7766, RFC 1035 section 4.2.2. Way in: new DnsStreams().

import { EAGAIN, EINTR } from "../../uapi/errno.ts";
import { POLLIN } from "../../uapi/fcntl.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, PollFd, Sys } from "../../uapi/sys.ts";

/** Idle connections are closed after this (RFC 7766 section 6.2.3), the oldest also when there would be more than so many. */
const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 64;
/** No question is longer. */
const MAX_QUESTION = 4096;
const NS_PER_MS = 1e6;

interface Connection {
  readonly fd: number;
  readonly peer: Uint8Array;
  readonly buf: Uint8Array;
  have: number;
  /** When it is closed unless something comes. */
  until: number;
}

export class DnsStreams {
  private readonly sys: Sys;
  private readonly listener: number;
  /** The one that has been idle for longest comes first. */
  private connections: Connection[] = [];

  constructor(sys: Sys, listener: number) {
    this.sys = sys;
    this.listener = listener;
  }

  fds(): PollFd[] {
    return [this.listener, ...this.connections.map((c) => c.fd)].map((fd) => ({ fd, events: POLLIN, revents: 0 }));
  }

  /** ms that poll() may take; -1 for ever. */
  timeout(): number {
    const first = this.connections[0];
    if (first === undefined) return -1;
    return Math.max(0, Math.ceil((first.until - this.now()) / NS_PER_MS));
  }

  /** After poll() of fds(). `answer` is asked for each message; null: none. */
  *run(
    ready: PollFd[],
    answer: (question: Uint8Array, peer: Uint8Array) => Blocking<Uint8Array | null>,
  ): Blocking<void> {
    for (const { fd, revents } of ready) {
      if (revents === 0) continue;
      if (fd === this.listener) yield* this.accept();
      else {
        const c = this.connections.find((x) => x.fd === fd);
        if (c !== undefined && !(yield* this.input(c, answer))) this.close(c);
      }
    }
    const now = this.now();
    for (const c of this.connections.filter((x) => x.until <= now)) this.close(c);
  }

  end(): void {
    for (const c of [...this.connections]) this.close(c);
    this.sys.close(this.listener);
  }

  private now(): number {
    return this.sys.clock_gettime(1);
  }

  private close(c: Connection): void {
    this.sys.close(c.fd);
    this.connections = this.connections.filter((x) => x !== c);
  }

  private touch(c: Connection): void {
    c.until = this.now() + IDLE_MS * NS_PER_MS;
    this.connections = [...this.connections.filter((x) => x !== c), c];
  }

  private *accept(): Blocking<void> {
    const peer = new Uint8Array(S.SOCKADDR_IN_LEN);
    const fd = yield* this.sys.accept4(this.listener, peer, S.SOCK_NONBLOCK | S.SOCK_CLOEXEC);
    if (fd < 0) return;
    if (this.connections.length >= MAX_CONNECTIONS) this.close(this.connections[0]!);
    this.touch({ fd, peer, buf: new Uint8Array(2 + MAX_QUESTION), have: 0, until: 0 });
  }

  /** False when the connection is over. */
  private *input(
    c: Connection,
    answer: (question: Uint8Array, peer: Uint8Array) => Blocking<Uint8Array | null>,
  ): Blocking<boolean> {
    const { sys } = this;
    const n = yield* sys.recvfrom(c.fd, c.buf.subarray(c.have), S.MSG_DONTWAIT, null);
    if (n === -EAGAIN || n === -EINTR) return true;
    if (n <= 0) return false;
    c.have += n;
    this.touch(c);
    for (;;) {
      const len = c.have < 2 ? Number.NaN : (c.buf[0]! << 8) | c.buf[1]!;
      if (len > MAX_QUESTION) return false;
      if (!(c.have >= 2 + len)) return true;
      const reply = yield* answer(c.buf.slice(2, 2 + len), c.peer);
      c.buf.copyWithin(0, 2 + len, c.have);
      c.have -= 2 + len;
      if (reply === null) continue;
      const out = new Uint8Array(2 + reply.length);
      out[0] = reply.length >> 8;
      out[1] = reply.length;
      out.set(reply, 2);
      // Who asks and asks and does not read is not waited for.
      if ((yield* sys.sendto(c.fd, out, S.MSG_DONTWAIT | S.MSG_NOSIGNAL, null)) !== out.length) return false;
    }
  }
}
