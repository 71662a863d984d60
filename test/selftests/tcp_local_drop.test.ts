// Packets that our own queue drops: that is not the network's fault, so TCP tries again every half second, without backing off
// (TCP_RESOURCE_PROBE_INTERVAL), seen on Linux 6.18 with the same tbf.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as S from "../../src/uapi/socket.ts";
import type { Blocking } from "../../src/uapi/sys.ts";
import { MS, pair, SEC } from "./net.ts";
import { sockaddr } from "./socket.ts";

test("a full queue of our own: what waits goes within half a second of its end; after 15 tries the connection times out, as on Linux", () => {
  const { net, a, b } = pair();
  const got: number[] = [];
  net.task(b, function* (sys): Blocking<void> {
    const l = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    sys.bind(l, sockaddr("0.0.0.0", 7));
    sys.listen(l, 8);
    const fd = yield* sys.accept4(l, null, 0);
    const buf = new Uint8Array(1000);
    for (let n = yield* sys.read(fd, buf); n > 0; n = yield* sys.read(fd, buf)) got.push(net.world.now);
  });
  net.run(MS);
  let stage = 0;
  net.task(a, function* (sys): Blocking<void> {
    const fd = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    yield* sys.connect(fd, sockaddr("10.0.0.2", 7));
    while (stage === 0) yield* sys.nanosleep(MS);
    yield* sys.write(fd, new Uint8Array(100));
    while (stage === 1) yield* sys.nanosleep(MS);
    yield* sys.write(fd, new Uint8Array(100));
    while (stage === 2) yield* sys.nanosleep(SEC);
  });
  net.run(10 * MS);
  // Nothing fits into this one.
  net.ok(a, "tc qdisc replace dev eth0 root tbf rate 1mbit burst 2000 limit 20");
  stage = 1;
  net.run(6 * SEC);
  assert.equal(got.length, 0);
  assert.match(net.ok(a, "tc -s qdisc show dev eth0"), /dropped [1-9]/);
  const info = net.ok(a, "ss -tinH dport = :7");
  assert.doesNotMatch(info, /backoff/);
  const end = net.world.now;
  net.ok(a, "tc qdisc del dev eth0 root");
  net.run(SEC);
  assert.equal(got.length, 1);
  assert.ok(got[0]! - end <= 600 * MS, `${(got[0]! - end) / MS} ms`);
  // Linux 6.18: 16 segments, 0.5 s apart, then ETIMEDOUT.
  net.ok(a, "tc qdisc replace dev eth0 root tbf rate 1mbit burst 2000 limit 20");
  stage = 2;
  net.run(6 * SEC);
  assert.match(net.ok(a, "ss -tinH dport = :7"), /FIN-WAIT-1|cubic/);
  net.run(4 * SEC);
  assert.equal(net.mib(a).TcpExtTCPAbortOnTimeout, 1);
  net.ok(a, "tc qdisc del dev eth0 root");
  net.end();
});
