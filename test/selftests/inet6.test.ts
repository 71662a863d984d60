// Programs and /proc over AF_INET6 sockets that serve IPv4: what ss, netstat and cat print, as Debian's tools do on Linux 6.18 in a
// namespace without an IPv6 address.

import assert from "node:assert/strict";
import { test } from "node:test";
import { constants as C, TestStack } from "../../src/testing/index.ts";
import { ANY, in4, in6, mapped } from "../kunit/net/ipv6/calls.ts";

const bytes = (h: string): Uint8Array => Uint8Array.from(Buffer.from(h, "hex"));

test("ss, netstat and /proc show dual-stack sockets as Linux does", () => {
  const s = new TestStack({ seed: 7 });
  const listener = (address: string, only = false): number => {
    const fd = s.socket(C.AF_INET6, C.SOCK_STREAM, 0);
    if (only) s.setsockopt(fd, 41, 26, 1);
    assert.equal(s.bind(fd, bytes(address)), 0);
    assert.equal(s.listen(fd, 5), 0);
    return fd;
  };
  const any = listener(in6(ANY, 8000));
  listener(in6(ANY, 8001), true);
  listener(in6(mapped("127.0.0.1"), 8002));
  listener(in6(mapped("0.0.0.0"), 8003));
  const peer = s.socket(C.AF_INET, C.SOCK_STREAM, 0);
  assert.equal(s.bind(peer, bytes(in4("127.0.0.1", 9000))), 0);
  assert.equal(s.connect(peer, bytes(in4("127.0.0.1", 8000))), 0);
  assert.ok(s.accept4(any, null, 0) >= 0);
  const udp = s.socket(C.AF_INET6, C.SOCK_DGRAM, 0);
  assert.equal(s.bind(udp, bytes(in6(ANY, 8004))), 0);
  assert.ok(s.socket(C.AF_INET6, 3, 58) >= 0);
  const rows = (command: string): string[] => {
    const r = s.shell(command);
    assert.equal(r.code, 0, r.out);
    return r.out
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((l) => l.trim().replace(/ +/g, " "))
      .sort();
  };
  assert.deepEqual(rows("ss -tan"), [
    "ESTAB 0 0 127.0.0.1:9000 127.0.0.1:8000",
    "ESTAB 0 0 [::ffff:127.0.0.1]:8000 [::ffff:127.0.0.1]:9000",
    "LISTEN 0 5 *:8000 *:*",
    "LISTEN 0 5 [::]:8001 [::]:*",
    "LISTEN 0 5 [::ffff:0.0.0.0]:8003 *:*",
    "LISTEN 0 5 [::ffff:127.0.0.1]:8002 *:*",
  ]);
  assert.deepEqual(rows("ss -4tan"), ["ESTAB 0 0 127.0.0.1:9000 127.0.0.1:8000"]);
  // A filter for an IPv4 address means its mapped form as well.
  assert.deepEqual(rows("ss -tan src 127.0.0.1 sport = :8000"), [
    "ESTAB 0 0 [::ffff:127.0.0.1]:8000 [::ffff:127.0.0.1]:9000",
  ]);
  assert.deepEqual(rows("ss -6uan"), ["UNCONN 0 0 *:8004 *:*"]);
  assert.deepEqual(rows("ss -wan"), ["UNCONN 0 0 *:58 *:*"]);
  assert.match(s.shell("ss -6tlne").out, /:8000 +\*:\* +ino:\d+ sk:\w+ v6only:0 <->/);
  assert.match(s.shell("ss -6tlne").out, /\[::\]:8001 +\[::\]:\* +ino:\d+ sk:\w+ v6only:1 <->/);
  assert.deepEqual(rows("netstat -tuwan").slice(1), [
    "raw6 0 0 :::58 :::* 7",
    "tcp 0 0 127.0.0.1:9000 127.0.0.1:8000 ESTABLISHED",
    "tcp6 0 0 0.0.0.0:8003 :::* LISTEN",
    "tcp6 0 0 127.0.0.1:8000 127.0.0.1:9000 ESTABLISHED",
    "tcp6 0 0 127.0.0.1:8002 :::* LISTEN",
    "tcp6 0 0 :::8000 :::* LISTEN",
    "tcp6 0 0 :::8001 :::* LISTEN",
    "udp6 0 0 :::8004 :::*",
  ]);
  assert.deepEqual(s.shell("cat /proc/net/sockstat6").out.split("\n").slice(0, 4), [
    "TCP6: inuse 5",
    "UDP6: inuse 1",
    "UDPLITE6: inuse 0",
    "RAW6: inuse 1",
  ]);
  assert.match(s.shell("cat /proc/net/sockstat").out, /^TCP: inuse 1 /m);
  assert.match(
    s.shell("cat /proc/net/tcp6").out,
    /^ +\d: 0000000000000000FFFF00000100007F:1F40 0000000000000000FFFF00000100007F:2328 01 /m,
  );
  assert.doesNotMatch(s.shell("cat /proc/net/tcp").out, /1F42/);
  // `ss -K` finds it by its mapped addresses.
  s.shell("ss -K dport = :9000");
  assert.equal(s.read(peer, new Uint8Array(1)), -C.ECONNRESET);
  assert.deepEqual(s.bugs, []);
  s.close_all();
  s.advance(2e9);
  assert.deepEqual(
    Object.entries(s.live()).filter(([, n]) => n !== 0),
    [],
  );
});

test("nc -6 and IPv6 addresses, as OpenBSD's netcat of Debian prints them without an IPv6 address", () => {
  const s = new TestStack({ seed: 7 });
  const out = (command: string): string => s.shell(command).out;
  assert.equal(
    out("nc -6 -l 9999 > /tmp/got & sleep .1; echo hi | nc -q0 127.0.0.1 9999; sleep .1; cat /tmp/got"),
    "hi\n",
  );
  assert.match(
    out("nc -v -n -6 -l 9997 & sleep .1; echo hi | nc -q0 -p 7000 ::ffff:127.0.0.1 9997; sleep .1"),
    /^Listening on :: 9997\nConnection received on ::ffff:127\.0\.0\.1 7000\nhi$/m,
  );
  assert.equal(out("nc -v ::1 9"), "nc: connect to ::1 port 9 (tcp) failed: Cannot assign requested address\n");
  assert.equal(
    out("nc -v ::ffff:127.0.0.1 9"),
    "nc: connect to ::ffff:127.0.0.1 port 9 (tcp) failed: Connection refused\n",
  );
  for (const words of ["-6 127.0.0.1", "-4 ::1"])
    assert.equal(
      out(`nc ${words} 9`),
      `nc: getaddrinfo for host "${words.slice(3)}" port 9: Address family for hostname not supported\n`,
    );
  s.close_all();
});
