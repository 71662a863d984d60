// dnsd over TCP (RFC 7766) against Debian's dig, and against clients that cut and join messages as TCP may.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type HostProcess, prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("dig", "python3");
const ZONE = `$TTL 1h
@ IN SOA ns hostmaster 1 3600 600 86400 60
www A 10.0.0.2
${Array.from({ length: 60 }, (_, i) => `many A 10.1.0.${i + 1}`).join("\n")}`;

const PYTHON = `
import socket, struct
def question(i, name):
    q = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0"
    m = struct.pack(">6H", i, 0x100, 1, 0, 0, 0) + q + struct.pack(">2H", 1, 1)
    return struct.pack(">H", len(m)) + m
def connect():
    s = socket.create_connection(("10.9.0.2", 53), 5)
    s.settimeout(15)
    return s
def answer(s):
    def exactly(n):
        b = b""
        while len(b) < n:
            d = s.recv(n - len(b))
            if not d: raise EOFError
            b += d
        return b
    m = exactly(struct.unpack(">H", exactly(2))[0])
    return struct.unpack(">6H", m[:12])
`;

describe("dnsd over TCP", { skip }, () => {
  const net = new RealNet();
  let ns: string;
  let host: HostProcess;

  before(async () => {
    ns = net.ns("k");
    const lines = ZONE.split("\n").map((l) => `echo '${l}'`);
    const setup = `mkdir -p /etc/dns; (${lines.join("; ")}) > /etc/dns/lab.example.zone; dnsd & echo up; wait`;
    host = await net.host(ns, ["--tap", "tap0", "--ip", "10.9.0.2/24", "--exec", setup]);
    await net.ok(ns, "ip addr add 10.9.0.1/24 dev tap0");
    await net.ok(
      ns,
      "for i in $(seq 50); do dig +tcp +tries=1 +time=1 @10.9.0.2 www.lab.example > /dev/null && break; done",
    );
  });
  after(() => net.end());

  test("dig: by TCP, several on a connection, and what UDP truncates", async () => {
    assert.equal(await net.ok(ns, "dig +tcp +short @10.9.0.2 www.lab.example"), "10.0.0.2\n");
    const two = await net.ok(ns, "dig +tcp +keepopen +short @10.9.0.2 www.lab.example @10.9.0.2 www.lab.example");
    assert.equal(two, "10.0.0.2\n10.0.0.2\n");
    const many = await net.ok(ns, "dig +noedns @10.9.0.2 many.lab.example");
    assert.match(many, /Truncated, retrying in TCP mode/);
    assert.match(many, /ANSWER: 60/);
    assert.match(await net.ok(ns, "dig +noedns +ignore @10.9.0.2 many.lab.example"), /flags: qr aa tc/);
    assert.match(await net.ok(ns, "dig +tcp @10.9.0.2 none.lab.example"), /status: NXDOMAIN/);
  });

  test("two questions in a segment, one in many, a half one: each has its answer", async () => {
    const script = `${PYTHON}
s = connect()
s.sendall(question(1, "www.lab.example") + question(2, "none.lab.example"))
print(answer(s)[0], answer(s)[:2][1] & 15)
s.setsockopt(6, 1, 1)
for b in question(3, "many.lab.example"): s.sendall(bytes([b]))
print(*answer(s)[::3])
s.sendall(question(4, "www.lab.example")[:9])
s.shutdown(socket.SHUT_WR)
print(s.recv(1) == b"")
`;
    assert.equal(await net.python(ns, script), "1 3\n3 60\nTrue\n");
  });

  test("no message is a FORMERR, a length without end is no connection; the oldest of 65 goes", async () => {
    const script = `${PYTHON}
s = connect()
s.sendall(struct.pack(">H12s", 12, b"\\0\\7\\0\\0\\0\\1" + b"\\0" * 6))
a = answer(s)
print(a[0], a[1] & 15)
s.sendall(b"\\xff\\xff")
print(s.recv(1) == b"")
all = [connect() for i in range(65)]
for i, s in enumerate(all[1:]): s.sendall(question(i, "www.lab.example"))
print(len([answer(s) for s in all[1:]]), all[0].recv(1) == b"")
`;
    assert.equal(await net.python(ns, script), "7 1\nTrue\n64 True\n");
    assert.doesNotMatch(host.err, /BUG/);
  });
});
