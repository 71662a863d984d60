// What client and server do alike around a test: streams made ready, the lines and the JSON of its start.
// Way in: addStream(), started(), aboutTest().

import { CLOCK_REALTIME, F_GETFL, F_SETFL, O_NONBLOCK } from "../../uapi/fcntl.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { strftime } from "../coreutils/info.ts";
import { decode, writeAll } from "../lib/io.ts";
import { type Json, JsonObject } from "./json.ts";
import { COOKIE_LEN } from "./protocol.ts";
import { endpoint, getInt, holdDescriptor } from "./sockets.ts";
import { fillPayload, type Stream } from "./stream.ts";
import type { Test } from "./test.ts";

/** A connected socket becomes a stream of the test. */
export function* addStream(test: Test, fd: number, sender: boolean): Blocking<Stream> {
  const { sys, settings } = test;
  // A server opens its source of random bytes only now.
  const files = !test.client && test.streams.length === 0 ? 2 : 1;
  let file = -1;
  for (let i = 0; i < files; i++) {
    const held = holdDescriptor(sys);
    if (held < 0) continue;
    test.held.push(held);
    file = held;
  }
  const buf = new Uint8Array(settings.length);
  if (sender) fillPayload(sys, buf, settings.repeatingPayload);
  const stream = test.addStream(fd, sender, buf);
  if (sender && settings.zeroCopy && !settings.udp && file >= 0 && (yield* writeAll(sys, file, buf)) === 0) {
    stream.file = file;
    // sendfile(2) has no MSG_DONTWAIT.
    sys.fcntl(fd, F_SETFL, sys.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
  }
  return stream;
}

/** SO_SNDBUF and SO_RCVBUF as they are, for the JSON. */
export function noteBuffers(test: Test, fd: number): void {
  test.sndbuf = getInt(test.sys, fd, S.SOL_SOCKET, S.SO_SNDBUF);
  test.rcvbuf = getInt(test.sys, fd, S.SOL_SOCKET, S.SO_RCVBUF);
  const start = test.out.start;
  start.set("sock_bufsize", test.settings.window).set("sndbuf_actual", test.sndbuf).set("rcvbuf_actual", test.rcvbuf);
}

/** "Time: …", who the other end is, and with -V what was agreed. */
export function* aboutTest(test: Test, who: string, key: string, host: string, port: number): Blocking<void> {
  const { sys, out, settings: s } = test;
  const now = sys.clock_gettime(CLOCK_REALTIME);
  const time = strftime("%a, %d %b %Y %H:%M:%S GMT", now);
  const cookie = decode(test.cookie.subarray(0, COOKIE_LEN - 1));
  out.start
    .set("timestamp", new JsonObject().set("time", time).set("timesecs", Math.floor(now / 1e9)))
    .set(key, new JsonObject().set("host", host).set("port", port))
    .set("cookie", cookie);
  if (!s.udp) out.start.set(s.mss > 0 ? "tcp_mss" : "tcp_mss_default", s.mss > 0 ? s.mss : test.controlMss);
  out.start.set("target_bitrate", s.rate);
  if (s.verbose) yield* out.line(`Time: ${time}\n`);
  yield* out.line(`${who}\n`);
  if (test.client && s.reverse) yield* out.line(`Reverse mode, remote host ${host} is sending\n`);
  if (!s.verbose) return;
  yield* out.line(`      Cookie: ${cookie}\n`);
  if (!s.udp) yield* out.line(`      TCP MSS: ${s.mss > 0 ? s.mss : `${test.controlMss} (default)`}\n`);
  if (s.rate > 0) yield* out.line(`      Target Bitrate: ${s.rate}\n`);
}

/** All streams are there. */
export function* started(test: Test): Blocking<void> {
  const { sys, out, settings: s } = test;
  const connected: Json[] = [];
  for (const x of test.streams) {
    const here = endpoint(sys, x.fd, false);
    const there = endpoint(sys, x.fd, true);
    connected.push(
      new JsonObject()
        .set("socket", x.fd)
        .set("local_host", here.host)
        .set("local_port", here.port)
        .set("remote_host", there.host)
        .set("remote_port", there.port),
    );
    yield* out.line(
      `[${String(x.fd).padStart(3)}] local ${here.host} port ${here.port} connected to ${there.host} port ${there.port}\n`,
    );
  }
  out.start.entries[0][1] = connected;
  out.start.set(
    "test_start",
    new JsonObject()
      .set("protocol", s.udp ? "UDP" : "TCP")
      .set("num_streams", s.parallel)
      .set("blksize", s.length)
      .set("omit", s.omit)
      .set("duration", s.time)
      .set("bytes", s.bytes)
      .set("blocks", s.blocks)
      .set("reverse", s.reverse ? 1 : 0)
      .set("tos", s.tos)
      .set("target_bitrate", s.rate),
  );
  if (!s.verbose) return;
  const end =
    s.bytes > 0 ? `${s.bytes} bytes to send` : s.blocks > 0 ? `${s.blocks} blocks to send` : `${s.time} second test`;
  yield* out.line(
    `Starting Test: protocol: ${s.udp ? "UDP" : "TCP"}, ${s.parallel} streams, ${s.length} byte blocks, omitting ${s.omit} seconds, ${end}, tos ${s.tos}\n`,
  );
}
