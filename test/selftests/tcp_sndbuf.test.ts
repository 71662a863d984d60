// A write queue whose last packet was split again and again goes on: what a blocking writer waits for does come.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN } from "../../src/uapi/errno.ts";
import { POLLOUT } from "../../src/uapi/fcntl.ts";
import * as S from "../../src/uapi/socket.ts";
import type { Blocking } from "../../src/uapi/sys.ts";
import { MS, pair, SEC } from "./net.ts";
import { sockaddr } from "./socket.ts";

test("a reader of odd amounts, a writer of whole buffers: writable means that a write takes something", () => {
  const { net, a, b } = pair();
  const TOTAL = 20 << 20;
  const server = net.task(b, function* (sys): Blocking<number> {
    const l = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    sys.bind(l, sockaddr("0.0.0.0", 7));
    sys.listen(l, 1);
    const fd = yield* sys.accept4(l, null, 0);
    sys.close(l);
    const buf = new Uint8Array(70000);
    let got = 0;
    for (let i = 1; ; i++) {
      const n = yield* sys.read(fd, buf.subarray(0, 1 + ((i * 7919) % 66000)));
      if (n <= 0) break;
      got += n;
      if (i % 3 === 0) yield* sys.nanosleep(((i * 31) % 1000) * 1000);
    }
    sys.close(fd);
    return got;
  });
  net.run(MS);
  const client = net.task(a, function* (sys): Blocking<string> {
    const fd = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    yield* sys.connect(fd, sockaddr("10.0.0.2", 7));
    const data = new Uint8Array(65536);
    let sent = 0;
    let vain = 0;
    while (sent < TOTAL) {
      const n = yield* sys.sendto(fd, data.subarray(0, Math.min(data.length, TOTAL - sent)), S.MSG_DONTWAIT, null);
      if (n > 0) {
        sent += n;
        vain = 0;
        continue;
      }
      if (n !== -EAGAIN) return `error ${n}`;
      if (++vain > 50) return `stuck after ${sent} bytes: writable, and nothing is taken`;
      yield* sys.poll([{ fd, events: POLLOUT, revents: 0 }], -1);
    }
    sys.close(fd);
    return "all sent";
  });
  net.run(60 * SEC);
  assert.equal(client.value, "all sent");
  assert.equal(server.value, TOTAL);
  net.end();
});
