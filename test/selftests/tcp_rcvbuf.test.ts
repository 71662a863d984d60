// A receive buffer that is full of small packets: its data is packed before anything is dropped (Linux: TCPRcvCollapsed).

import assert from "node:assert/strict";
import { test } from "node:test";
import * as S from "../../src/uapi/socket.ts";
import type { Blocking } from "../../src/uapi/sys.ts";
import { MS, pair, SEC } from "./net.ts";
import { sockaddr } from "./socket.ts";

test("many tiny segments in a buffer that nobody reads: packed, not dropped, and the stream is whole", () => {
  const { net, a, b } = pair();
  net.ok(b, "ethtool -K eth0 gro off");
  const TOTAL = 12000;
  const server = net.task(b, function* (sys): Blocking<string> {
    const l = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    // Set before listen(): the window is made for it, and the buffer stays as it is.
    sys.setsockopt(l, S.SOL_SOCKET, S.SO_RCVBUF, 16384);
    sys.bind(l, sockaddr("0.0.0.0", 7));
    sys.listen(l, 1);
    const fd = yield* sys.accept4(l, null, 0);
    sys.close(l);
    yield* sys.nanosleep(20 * SEC);
    const buf = new Uint8Array(4096);
    let got = 0;
    let wrong = 0;
    for (let n = yield* sys.read(fd, buf); n > 0; n = yield* sys.read(fd, buf)) {
      for (let i = 0; i < n; i++) if (buf[i] !== ((got + i) & 255)) wrong++;
      got += n;
    }
    sys.close(fd);
    return `${got} bytes, ${wrong} wrong`;
  });
  net.run(MS);
  net.task(a, function* (sys): Blocking<void> {
    const fd = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    sys.setsockopt(fd, S.SOL_TCP, 1, 1);
    yield* sys.connect(fd, sockaddr("10.0.0.2", 7));
    for (let at = 0; at < TOTAL; at += 10) {
      yield* sys.write(
        fd,
        Uint8Array.from({ length: 10 }, (_, i) => (at + i) & 255),
      );
      yield* sys.nanosleep(MS);
    }
    sys.close(fd);
  });
  net.run(60 * SEC);
  assert.equal(server.value, `${TOTAL} bytes, 0 wrong`);
  const count = (name: string): number =>
    Number(new RegExp(`${name} +(\\d+)`).exec(net.ok(b, `nstat -az ${name}`))?.[1]);
  assert.ok(count("TcpExtTCPRcvCollapsed") > 0, "TCPRcvCollapsed");
  assert.equal(count("TcpExtTCPRcvQDrop"), 0, "TCPRcvQDrop");
  net.end();
});
