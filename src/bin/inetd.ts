// inetd: the small servers of a lab over UDP: echo (RFC 862), discard (863), daytime (867), chargen (864), time (868).
// `inetd [SERVICE[:PORT]]...`, default echo and discard; `echod` and `discardd` run one of them. Way in: `inetd`.

import { EINTR, strerror } from "../uapi/errno.ts";
import { CLOCK_REALTIME, POLLIN } from "../uapi/fcntl.ts";
import * as S from "../uapi/socket.ts";
import type { Blocking, PollFd, Program, Sys } from "../uapi/sys.ts";
import { sockaddrIn, sockaddrPort, view } from "./lib/inet.ts";
import { encode, printError } from "./lib/io.ts";

const MAX_DATAGRAM = 65507;

interface Service {
  port: number;
  /** What goes back; null: nothing. */
  reply(sys: Sys, data: Uint8Array): Uint8Array | null;
}

const SERVICES: Readonly<Record<string, Service>> = {
  echo: { port: 7, reply: (_sys, data) => data },
  discard: { port: 9, reply: () => null },
  daytime: {
    port: 13,
    reply: (sys) => encode(`${new Date(sys.clock_gettime(CLOCK_REALTIME) / 1e6).toUTCString()}\r\n`),
  },
  chargen: { port: 19, reply: () => pattern() },
  time: {
    port: 37,
    reply(sys) {
      const bytes = new Uint8Array(4);
      // Seconds since 1900.
      view(bytes).setUint32(0, (Math.floor(sys.clock_gettime(CLOCK_REALTIME) / 1e9) + 2208988800) % 2 ** 32);
      return bytes;
    },
  },
};

/** Two servers that answer each other would never stop: what comes from these ports gets no answer. */
const LOOP_PORTS = new Set([7, 13, 17, 19, 37]);

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
  const open: { service: Service; poll: PollFd }[] = [];
  for (const word of words) {
    const [name, portText] = word.split(":");
    const service = SERVICES[name];
    const port = portText === undefined ? service?.port : Number(portText);
    if (service === undefined || !Number.isInteger(port) || port < 1 || port > 65535) {
      const known = Object.keys(SERVICES).join(", ");
      yield* printError(sys, `${prog}: unknown service '${word}'\nusage: inetd [service[:port]]...  (${known})\n`);
      return 1;
    }
    const fd = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
    if (fd >= 0) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEADDR, 1);
    const err = fd < 0 ? fd : sys.bind(fd, sockaddrIn(S.INADDR_ANY, port));
    if (err < 0) {
      yield* printError(sys, `${prog}: ${name} on port ${port}: ${strerror(err)}\n`);
      return 1;
    }
    open.push({ service, poll: { fd, events: POLLIN, revents: 0 } });
  }
  const polls = open.map((x) => x.poll);
  const buf = new Uint8Array(MAX_DATAGRAM);
  const peer = new Uint8Array(S.SOCKADDR_IN_LEN);
  for (;;) {
    const ready = yield* sys.poll(polls, -1);
    if (ready === -EINTR) continue;
    if (ready < 0) return 1;
    for (const { service, poll } of open) {
      if (poll.revents === 0) continue;
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
