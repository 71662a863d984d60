// telnet(1), Debian's (inetutils), as a line to a TCP port: input goes there, what comes back is printed. Options that the other side
// negotiates (RFC 854, RFC 1143) are refused. Read first: telnet(1). Way in: `telnet`.

import { EAGAIN, EINTR, strerror } from "../uapi/errno.ts";
import { POLLERR, POLLHUP, POLLIN } from "../uapi/fcntl.ts";
import type { Blocking, PollFd, Program, Sys } from "../uapi/sys.ts";
import { getopt } from "./lib/getopt.ts";
import { inetNtoa } from "./lib/inet.ts";
import { print, printError, writeAll } from "./lib/io.ts";
import { gaiStrerror, resolve } from "./lib/resolve.ts";
import { servicePort } from "./lib/services.ts";
import { dial } from "./lib/tcp.ts";

const IAC = 255;
const DONT = 254;
const DO = 253;
const WONT = 252;
const WILL = 251;
const SB = 250;
const SE = 240;
const ESCAPE = 0x1d;

export const telnet: Program = function* (sys, argv) {
  const o = getopt(argv, "4E8Ke:");
  if (o.error !== undefined || o.operands.length === 0 || o.operands.length > 2) {
    yield* printError(
      sys,
      `${o.error === undefined ? "" : `${o.error}\n`}Usage: telnet [-4] [-E] [-e CHAR] HOST [PORT]\n`,
    );
    return o.error === undefined ? 1 : 64;
  }
  const [host, portText = "telnet"] = o.operands;
  const port = (yield* servicePort(sys, portText, "tcp")) ?? Number(portText);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    yield* print(sys, `Invalid port name '${portText}'.\n`);
    return 1;
  }
  const found = yield* resolve(sys, host);
  if (typeof found === "number") {
    yield* printError(sys, `telnet: could not resolve ${host}/${portText}: ${gaiStrerror(found)}\n`);
    return 1;
  }
  let fd = -1;
  for (const addr of found.addrs) {
    yield* print(sys, `Trying ${inetNtoa(addr)}...\n`);
    fd = yield* dial(sys, addr, port);
    if (fd >= 0) break;
  }
  if (fd < 0) {
    yield* printError(sys, `telnet: Unable to connect to remote host: ${strerror(fd)}\n`);
    return 1;
  }
  const escape = o.has("E") ? -1 : o.has("e") ? (o.get("e") as string).charCodeAt(0) : ESCAPE;
  yield* print(sys, `Connected to ${found.canonname}.\n`);
  if (escape >= 0) {
    const shown = escape < 32 ? `^${String.fromCharCode(escape + 64)}` : String.fromCharCode(escape);
    yield* print(sys, `Escape character is '${shown}'.\n`);
  }
  const status = yield* converse(sys, fd, escape);
  sys.close(fd);
  return status;
};

function* converse(sys: Sys, fd: number, escape: number): Blocking<number> {
  const input: PollFd = { fd: 0, events: POLLIN, revents: 0 };
  const net: PollFd = { fd, events: POLLIN, revents: 0 };
  const buf = new Uint8Array(4096);
  const options = new Negotiation();
  for (;;) {
    const n = yield* sys.poll([input, net], -1);
    if (n === -EINTR) continue;
    if (n < 0) return 1;
    if ((net.revents & (POLLIN | POLLHUP | POLLERR)) !== 0) {
      const got = yield* sys.read(fd, buf);
      if (got <= 0 && got !== -EAGAIN && got !== -EINTR) {
        yield* printError(sys, "Connection closed by foreign host.\n");
        return 1;
      }
      if (got > 0) {
        const { text, reply } = options.take(buf.subarray(0, got));
        if (reply.length > 0 && (yield* writeAll(sys, fd, Uint8Array.from(reply))) < 0) return 1;
        if ((yield* writeAll(sys, 1, Uint8Array.from(text))) < 0) return 1;
      }
    }
    if ((input.revents & (POLLIN | POLLHUP)) !== 0) {
      const got = yield* sys.read(0, buf);
      if (got === -EINTR || got === -EAGAIN) continue;
      if (got <= 0) {
        yield* printError(sys, "Connection closed by foreign host.\n");
        return 0;
      }
      const line = buf.subarray(0, got);
      if (escape >= 0 && line.includes(escape)) {
        yield* print(sys, "\ntelnet> Connection closed.\n");
        return 0;
      }
      if ((yield* writeAll(sys, fd, options.escape(line))) < 0) return 1;
    }
  }
}

/** Commands among the text, wherever reads cut them (RFC 854). */
class Negotiation {
  /** A peer that speaks TELNET; others get bytes as they are. */
  private spoken = false;
  private command: number[] = [];

  take(bytes: Uint8Array): { text: number[]; reply: number[] } {
    const text: number[] = [];
    const reply: number[] = [];
    for (const b of bytes) {
      const c = this.command;
      if (c.length === 0) {
        if (b === IAC) c.push(b);
        // A line of the network ends in CR LF, of the terminal in LF; CR NUL is a bare CR.
        else if (b !== 0) text.push(b);
        continue;
      }
      c.push(b);
      if (c.length === 2) {
        if (b === IAC) text.push(IAC);
        if (b === IAC || (b < SB && b !== SB)) this.command = [];
        else this.spoken = true;
        continue;
      }
      if (c[1] === SB) {
        if (b === SE && c[c.length - 2] === IAC) this.command = [];
        else if (c.length > 512) c.splice(2, c.length - 3);
        continue;
      }
      if (c[1] === DO) reply.push(IAC, WONT, b);
      else if (c[1] === WILL) reply.push(IAC, DONT, b);
      this.command = [];
    }
    return { text, reply };
  }

  escape(bytes: Uint8Array): Uint8Array {
    const out: number[] = [];
    for (const b of bytes) {
      if (b === 10) out.push(13);
      out.push(b);
      if (b === IAC && this.spoken) out.push(IAC);
    }
    return Uint8Array.from(out);
  }
}
