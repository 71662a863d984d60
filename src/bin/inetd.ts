// inetd: the small servers of a lab over TCP and UDP: echo (RFC 862), discard (863), daytime (867), chargen (864), time (868).
// `inetd [SERVICE[:PORT]]...`, default echo and discard; `echod` and `discardd` run one of them. Way in: `inetd`. For each TCP
// connection a process is started that talks to it over standard input and output, as inetd does for its streams.

import { EINTR, strerror } from "../uapi/errno.ts";
import { CLOCK_REALTIME, POLLIN, SIGCHLD, SIGPIPE } from "../uapi/fcntl.ts";
import * as S from "../uapi/socket.ts";
import type { Blocking, PollFd, Program, Sys } from "../uapi/sys.ts";
import { sockaddrIn, sockaddrPort, view } from "./lib/inet.ts";
import { encode, printError, writeAll } from "./lib/io.ts";

const MAX_DATAGRAM = 65507;
const BUFFER = 65536;
/** Most connections say little: a large buffer for each would be most of what they cost. */
const FIRST_BUFFER = 1024;
/** Connections that may wait to be taken. */
const BACKLOG = 128;

interface Service {
  port: number;
  /** What goes back for a datagram; null: nothing. */
  reply(sys: Sys, data: Uint8Array): Uint8Array | null;
  /** The same for a connection, on standard input and output, until its end. */
  stream(sys: Sys): Blocking<void>;
}

function* echoStream(sys: Sys): Blocking<void> {
  let buf = new Uint8Array(FIRST_BUFFER);
  for (;;) {
    const n = yield* sys.read(0, buf);
    if (n === -EINTR) continue;
    if (n <= 0 || (yield* writeAll(sys, 1, buf.subarray(0, n))) < 0) return;
    if (n === FIRST_BUFFER) buf = new Uint8Array(BUFFER);
  }
}

function* discardStream(sys: Sys): Blocking<void> {
  let buf = new Uint8Array(FIRST_BUFFER);
  for (;;) {
    const n = yield* sys.read(0, buf);
    if (n <= 0 && n !== -EINTR) return;
    if (n === FIRST_BUFFER) buf = new Uint8Array(BUFFER);
  }
}

/** Lines of 72 of the 95 printing characters, each a character further than the one before (RFC 864). */
function* chargenStream(sys: Sys): Blocking<void> {
  for (let from = 0; ; from = (from + 1) % 95) {
    let text = "";
    for (let i = 0; i < 72; i++) text += String.fromCharCode(32 + ((from + i) % 95));
    if ((yield* writeAll(sys, 1, `${text}\r\n`)) < 0) return;
  }
}

const SERVICES: Readonly<Record<string, Service>> = {
  echo: { port: 7, reply: (_sys, data) => data, stream: echoStream },
  discard: { port: 9, reply: () => null, stream: discardStream },
  daytime: { port: 13, reply: daytime, stream: (sys) => once(sys, daytime) },
  chargen: { port: 19, reply: () => pattern(), stream: chargenStream },
  time: { port: 37, reply: time, stream: (sys) => once(sys, time) },
};

/** Two servers that answer each other would never stop: what comes from these ports gets no answer. */
const LOOP_PORTS = new Set([7, 13, 17, 19, 37]);

function daytime(sys: Sys): Uint8Array {
  return encode(`${new Date(sys.clock_gettime(CLOCK_REALTIME) / 1e6).toUTCString()}\r\n`);
}

function time(sys: Sys): Uint8Array {
  const bytes = new Uint8Array(4);
  // Seconds since 1900.
  view(bytes).setUint32(0, (Math.floor(sys.clock_gettime(CLOCK_REALTIME) / 1e9) + 2208988800) % 2 ** 32);
  return bytes;
}

function* once(sys: Sys, answer: (sys: Sys) => Uint8Array): Blocking<void> {
  yield* writeAll(sys, 1, answer(sys));
}

function pattern(): Uint8Array {
  let text = "";
  for (let i = 0; i < 72; i++) text += String.fromCharCode(32 + i);
  return encode(`${text}\r\n`);
}

export const inetd: Program = function* (sys, argv) {
  return yield* serve(sys, argv[0], argv.length > 1 ? argv.slice(1) : ["echo", "discard"]);
};

export const echod: Program = function* (sys, argv) {
  return yield* serve(sys, argv[0], [`echo:${argv[1] ?? 7}`]);
};

export const discardd: Program = function* (sys, argv) {
  return yield* serve(sys, argv[0], [`discard:${argv[1] ?? 9}`]);
};

function* serve(sys: Sys, prog: string, words: readonly string[]): Blocking<number> {
  const open: { service: Service; name: string; stream: boolean; poll: PollFd }[] = [];
  for (const word of words) {
    const [name, portText] = word.split(":");
    const service = SERVICES[name];
    const port = portText === undefined ? service?.port : Number(portText);
    if (service === undefined || !Number.isInteger(port) || port < 1 || port > 65535) {
      const known = Object.keys(SERVICES).join(", ");
      yield* printError(sys, `${prog}: unknown service '${word}'\nusage: inetd [service[:port]]...  (${known})\n`);
      return 1;
    }
    for (const type of [S.SOCK_DGRAM, S.SOCK_STREAM]) {
      const fd = sys.socket(S.AF_INET, type | S.SOCK_NONBLOCK, 0);
      if (fd >= 0) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEADDR, 1);
      let err = fd < 0 ? fd : sys.bind(fd, sockaddrIn(S.INADDR_ANY, port));
      if (err >= 0 && type === S.SOCK_STREAM) err = sys.listen(fd, BACKLOG);
      if (err < 0) {
        yield* printError(sys, `${prog}: ${name} on port ${port}: ${strerror(err)}\n`);
        return 1;
      }
      open.push({ service, name, stream: type === S.SOCK_STREAM, poll: { fd, events: POLLIN, revents: 0 } });
    }
  }
  // Who ignores SIGCHLD has no zombies.
  sys.sigaction(SIGCHLD, "SIG_IGN");
  const polls = open.map((x) => x.poll);
  const buf = new Uint8Array(MAX_DATAGRAM);
  const peer = new Uint8Array(S.SOCKADDR_IN_LEN);
  for (;;) {
    const ready = yield* sys.poll(polls, -1);
    if (ready === -EINTR) continue;
    if (ready < 0) return 1;
    for (const { service, name, stream, poll } of open) {
      if (poll.revents === 0) continue;
      if (stream) {
        // Readiness is a hint: the connection may be gone by now and accept() would wait for the next.
        const fd = yield* sys.accept4(poll.fd, null, S.SOCK_CLOEXEC);
        if (fd < 0) continue;
        sys.spawn(connection(service), [name], { fds: [fd, fd, 2] });
        sys.close(fd);
        continue;
      }
      for (;;) {
        const n = yield* sys.recvfrom(poll.fd, buf, S.MSG_DONTWAIT, peer);
        if (n < 0) break;
        if (LOOP_PORTS.has(sockaddrPort(peer))) continue;
        const reply = service.reply(sys, buf.subarray(0, n));
        if (reply !== null) yield* sys.sendto(poll.fd, reply, 0, peer);
      }
    }
  }
}

function connection(service: Service): Program {
  return function* (sys) {
    sys.sigaction(SIGPIPE, "SIG_IGN");
    yield* service.stream(sys);
    return 0;
  };
}
