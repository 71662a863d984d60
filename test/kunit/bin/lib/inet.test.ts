// inet_aton's forms, ancillary data, sums, and the DNS codec behind its wrapper.

import assert from "node:assert/strict";
import { test } from "node:test";
import { arpaName, decodeMessage, encodeMessage, NXDOMAIN, query } from "../../../../src/bin/lib/dns.ts";
import {
  cmsgs,
  inetAton,
  inetChecksum,
  inetNtoa,
  inetPton,
  macAton,
  macNtoa,
  msghdr,
  sockaddrAddr,
  sockaddrIn,
  sockaddrPort,
  view,
} from "../../../../src/bin/lib/inet.ts";
import { candidates } from "../../../../src/bin/lib/resolve.ts";

test("inet_aton(3): one to four parts, decimal, octal, hex", () => {
  const cases: [string, string | undefined][] = [
    ["10.0.0.1", "10.0.0.1"],
    ["1", "0.0.0.1"],
    ["127.1", "127.0.0.1"],
    ["10.1.2", "10.1.0.2"],
    ["0x7f.1", "127.0.0.1"],
    ["010.0.0.1", "8.0.0.1"],
    ["4294967295", "255.255.255.255"],
    ["256.1.1.1", undefined],
    ["1.2.3.4.5", undefined],
    ["08.1.1.1", undefined],
    ["", undefined],
    ["a.b", undefined],
  ];
  for (const [text, want] of cases) {
    const got = inetAton(text);
    assert.equal(got === undefined ? undefined : inetNtoa(got), want, text);
  }
  assert.equal(inetPton("127.1"), undefined);
  assert.equal(inetPton("01.2.3.4"), undefined);
});

test("struct sockaddr_in", () => {
  const sa = sockaddrIn(inetAton("10.1.2.3")!, 0x1234);
  assert.equal(Buffer.from(sa).toString("hex"), "020012340a0102030000000000000000");
  assert.equal(inetNtoa(sockaddrAddr(sa)), "10.1.2.3");
  assert.equal(sockaddrPort(sa), 0x1234);
});

test("cmsgs: lengths that lie end the walk", () => {
  const msg = msghdr(new Uint8Array(0), null, 64);
  const dv = view(msg.msg_control!);
  dv.setUint32(0, 20, true);
  dv.setInt32(8, 1, true);
  dv.setInt32(12, 29, true);
  dv.setUint32(24, 1000, true);
  assert.deepEqual(
    cmsgs(msg).map((c) => [c.level, c.type, c.data.length]),
    [[1, 29, 4]],
  );
});

test("the Internet checksum (RFC 1071) of the example bytes, and of an odd length", () => {
  assert.equal(inetChecksum(Uint8Array.of(0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7)), ~0xddf2 & 0xffff);
  assert.equal(inetChecksum(Uint8Array.of(1)), ~0x0100 & 0xffff);
});

test("hardware addresses", () => {
  assert.equal(macNtoa(macAton("2:0:0:0:0:1")!), "02:00:00:00:00:01");
  assert.equal(macAton("02:00:00:00:00"), undefined);
  assert.equal(macAton("02:00:00:00:00:0g"), undefined);
});

test("DNS messages go through the codec and back; hostile bytes do not throw", () => {
  const m = { ...query(7, "www.lab.example", "A"), response: true, authoritative: true, rcode: NXDOMAIN };
  const bytes = encodeMessage(m)!;
  const back = decodeMessage(bytes)!;
  assert.deepEqual([back.id, back.response, back.authoritative, back.rcode], [7, true, true, NXDOMAIN]);
  assert.deepEqual(back.questions, [{ name: "www.lab.example", type: "A" }]);
  assert.equal(encodeMessage(query(1, "a..b", "A")), null);
  assert.equal(encodeMessage(query(1, `${"x".repeat(64)}.example`, "A")), null);
  for (let n = 0; n < 200; n++) {
    const junk = Uint8Array.from({ length: 12 + (n % 40) }, (_, i) => (i * 37 + n * 101) & 255);
    decodeMessage(junk);
    decodeMessage(bytes.subarray(0, n % bytes.length));
  }
  // A compression pointer to itself.
  decodeMessage(Uint8Array.of(0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1));
  assert.equal(arpaName(inetAton("10.0.0.1")!), "1.0.0.10.in-addr.arpa");
});

test("names to try, by ndots and the search list (resolv.conf(5))", () => {
  assert.deepEqual(candidates("www", ["lab.example"], 1), ["www.lab.example", "www"]);
  assert.deepEqual(candidates("www.x", ["lab.example"], 1), ["www.x", "www.x.lab.example"]);
  assert.deepEqual(candidates("www.", ["lab.example"], 1), ["www"]);
});
