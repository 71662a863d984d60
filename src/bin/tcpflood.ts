// tcpflood and tcpsink: bulk for labs over TCP, as udpflood and udpsink over UDP. Way in: `tcpflood`, `tcpsink`.

import { EINTR, strerror } from "../uapi/errno.ts";
import { CLOCK_MONOTONIC, SIGPIPE } from "../uapi/fcntl.ts";
import * as S from "../uapi/socket.ts";
import type { Blocking, Program, Sys } from "../uapi/sys.ts";
import { getopt, type Options } from "./lib/getopt.ts";
import { sockaddrIn } from "./lib/inet.ts";
import { print, printError } from "./lib/io.ts";
import { gaiStrerror, resolve } from "./lib/resolve.ts";
import { dial } from "./lib/tcp.ts";

const FLOOD_USAGE = `usage: tcpflood [-n bytes] [-t seconds] [-s size] [-p port] [-q] host
  -n bytes    stop after so many bytes
  -t seconds  stop after this time (default 10 where there is no -n)
  -s size     bytes of a write (default 65536)
  -p port     (default 9, discard)
  -q          print nothing
`;
const SINK_USAGE = `usage: tcpsink [-p port] [-c connections] [-s size] [-q]
  -p port         (default 9, discard)
  -c connections  stop after so many, one after another (default 1; 0: never)
  -s size         bytes of a read (default 65536)
  -q              print nothing
`;

/** The numbers of these options, or what is wrong. */
function numbers(o: Options, names: string): Record<string, number | undefined> | string {
  const out: Record<string, number | undefined> = {};
  for (const name of names) {
    const text = o.get(name);
    if (text === undefined) continue;
    const n = Number(text);
    if (text === "" || !Number.isFinite(n) || n < 0) return `-${name}: not a number: '${text}'`;
    out[name] = n;
  }
  return out;
}

function summary(bytes: number, ns: number, verb: string): string {
  const rate = ns > 0 ? ((bytes * 8000) / ns).toFixed(1) : "-";
  return `${bytes} bytes ${verb} in ${(ns / 1e9).toFixed(3)} s: ${rate} Mbit/s\n`;
}

export const tcpflood: Program = function* (sys, argv) {
  const o = getopt(argv, "n:t:s:p:qh");
  const v = o.error ?? numbers(o, "ntsp");
  if (typeof v === "string" || o.has("h") || o.operands.length !== 1) {
    yield* printError(sys, `${typeof v === "string" ? `${o.error ?? `tcpflood: ${v}`}\n` : ""}${FLOOD_USAGE}`);
    return o.has("h") ? 0 : 2;
  }
  const found = yield* resolve(sys, o.operands[0]);
  if (typeof found === "number") {
    yield* printError(sys, `tcpflood: ${o.operands[0]}: ${gaiStrerror(found)}\n`);
    return 2;
  }
  const fd = yield* dial(sys, found.addrs[0], v.p ?? 9);
  if (fd < 0) {
    yield* printError(sys, `tcpflood: connect: ${strerror(fd)}\n`);
    return 1;
  }
  sys.sigaction(SIGPIPE, "SIG_IGN");
  const data = new Uint8Array(Math.max(1, v.s ?? 65536)).fill(0x2e);
  const bytes = v.n ?? Infinity;
  const start = sys.clock_gettime(CLOCK_MONOTONIC);
  const end = v.t === undefined && v.n !== undefined ? Infinity : start + (v.t ?? 10) * 1e9;
  let sent = 0;
  let err = 0;
  while (sent < bytes && sys.clock_gettime(CLOCK_MONOTONIC) < end) {
    const left = bytes - sent;
    const n = yield* sys.write(fd, left < data.length ? data.subarray(0, left) : data);
    if (n === -EINTR) continue;
    if (n < 0) {
      err = n;
      break;
    }
    sent += n;
  }
  // Until the peer has it all: what only lies in our buffer does not count as sent.
  sys.shutdown(fd, S.SHUT_WR);
  while (err === 0) {
    const n = yield* sys.read(fd, data);
    if (n === 0) break;
    if (n < 0 && n !== -EINTR) err = n;
  }
  const ns = sys.clock_gettime(CLOCK_MONOTONIC) - start;
  sys.close(fd);
  if (err < 0) yield* printError(sys, `tcpflood: ${strerror(err)}\n`);
  if (!o.has("q")) yield* print(sys, summary(sent, ns, "sent"));
  return err < 0 ? 1 : 0;
};

export const tcpsink: Program = function* (sys, argv) {
  const o = getopt(argv, "p:c:s:qh");
  const v = o.error ?? numbers(o, "pcs");
  if (typeof v === "string" || o.has("h") || o.operands.length > 0) {
    yield* printError(sys, `${typeof v === "string" ? `${o.error ?? `tcpsink: ${v}`}\n` : ""}${SINK_USAGE}`);
    return o.has("h") ? 0 : 2;
  }
  const listener = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
  if (listener >= 0) sys.setsockopt(listener, S.SOL_SOCKET, S.SO_REUSEADDR, 1);
  let err = listener < 0 ? listener : sys.bind(listener, sockaddrIn(S.INADDR_ANY, v.p ?? 9));
  if (err >= 0) err = sys.listen(listener, 16);
  if (err < 0) {
    yield* printError(sys, `tcpsink: port ${v.p ?? 9}: ${strerror(err)}\n`);
    return 1;
  }
  const buf = new Uint8Array(Math.max(1, v.s ?? 65536));
  const most = v.c === 0 ? Infinity : (v.c ?? 1);
  for (let i = 0; i < most; ) {
    const fd = yield* sys.accept4(listener, null, S.SOCK_CLOEXEC);
    if (fd === -EINTR) continue;
    if (fd < 0) return 1;
    i++;
    const text = yield* drain(sys, fd, buf);
    sys.close(fd);
    if (!o.has("q")) yield* print(sys, text);
  }
  return 0;
};

function* drain(sys: Sys, fd: number, buf: Uint8Array): Blocking<string> {
  const start = sys.clock_gettime(CLOCK_MONOTONIC);
  let bytes = 0;
  for (;;) {
    const n = yield* sys.read(fd, buf);
    if (n === -EINTR) continue;
    if (n <= 0) {
      const text = summary(bytes, sys.clock_gettime(CLOCK_MONOTONIC) - start, "received");
      return n < 0 ? text.replace("\n", ` (${strerror(n)})\n`) : text;
    }
    bytes += n;
  }
}
