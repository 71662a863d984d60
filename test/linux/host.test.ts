// `skbuff host` on a TAP, and the real kernel's programs against it (issue 2, section 7).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { type HostProcess, prerequisites, RealNet } from "./rig.ts";

const MAIN = `import("${new URL("../../src/cli/main.ts", import.meta.url)}").then((m) => m.main(process.argv.slice(1))).then((c) => process.exit(c))`;
const skip = prerequisites("ping", "arping", "traceroute", "nc", "nmap", "python3");

describe("the real kernel against skbuff host", { skip }, () => {
  const net = new RealNet();
  let ns: string;
  let host: HostProcess;
  const run = (command: string) => net.sh(ns, command);

  before(async () => {
    ns = net.ns("k");
    host = await net.host(ns, ["--tap", "tap0", "--ip", "10.9.0.2/24", "--gw", "10.9.0.1"]);
    await net.ok(ns, "ip addr add 10.9.0.1/24 dev tap0");
  });
  after(() => net.end());

  test("--tap with the name of another device: what is wrong, and what to do", async () => {
    const r = spawnSync(
      "ip",
      [
        "netns",
        "exec",
        ns,
        process.execPath,
        "--import",
        "tsx",
        "-e",
        MAIN,
        "--",
        "host",
        "--tap",
        "lo",
        "--ip",
        "10.9.1.2/24",
      ],
      {
        encoding: "utf8",
        timeout: 20_000,
      },
    );
    assert.equal(r.status, 1);
    assert.match(
      r.stderr,
      /^skbuff host: cannot attach to lo: there is a device lo that is not a TAP .*: choose another name/,
    );
  });

  test("ping", async () => {
    const out = await net.ok(ns, "ping -c 3 -i 0.1 10.9.0.2");
    assert.equal(out.match(/64 bytes from 10\.9\.0\.2: icmp_seq=\d ttl=64 time=/g)?.length, 3);
  });

  test("ping -f: 5,000 packets, none lost", async (t) => {
    const out = await net.ok(ns, "ping -f -q -c 5000 10.9.0.2");
    assert.match(out, /5000 packets transmitted, 5000 received, 0% packet loss/);
    t.diagnostic(out.trim().split("\n").at(-1)!);
  });

  test("ping -s 60000: 41 fragments there, 41 back", async () => {
    assert.match(await net.ok(ns, "ping -c 3 -i 0.2 -s 60000 10.9.0.2"), /60008 bytes from 10\.9\.0\.2: icmp_seq=3/);
    assert.match(await net.ok(ns, "ping -c 1 -s 65507 10.9.0.2"), /65515 bytes from/);
  });

  test("the MTU: 1472 bytes fit, 1473 are the kernel's local error; a pattern comes back whole", async () => {
    await net.ok(ns, "ping -c 1 -s 1472 -M do 10.9.0.2");
    const big = await run("ping -c 1 -s 1473 -M do 10.9.0.2");
    assert.equal(big.code, 1);
    assert.match(big.out + big.err, /local error: message too long, mtu=1500/);
    await net.ok(ns, "ping -c 1 -s 1473 -M dont 10.9.0.2");
    for (const size of [0, 1, 17, 18, 19, 1471]) {
      assert.doesNotMatch(await net.ok(ns, `ping -c 1 -s ${size} -p a5c3 10.9.0.2`), /wrong data byte/);
    }
  });

  test("IP options: record route and timestamps come back filled", async () => {
    assert.match(
      await net.ok(ns, "ping -c 1 -R 10.9.0.2"),
      /RR:\s+10\.9\.0\.1\n\s+10\.9\.0\.2\n\s+10\.9\.0\.2\n\s+10\.9\.0\.1\n/,
    );
    assert.match(await net.ok(ns, "ping -c 1 -T tsandaddr 10.9.0.2"), /TS:[\s\S]*10\.9\.0\.2\s+-?\d+/);
    assert.match(await net.ok(ns, "ping -c 1 -T tsonly 10.9.0.2"), /TS:\s+\d+ absolute/);
  });

  test("TTL and TOS of the request; broadcast is ignored, as by default on Linux", async () => {
    await net.ok(ns, "ping -c 1 -t 1 10.9.0.2");
    await net.ok(ns, "ping -c 1 -Q 0x10 10.9.0.2");
    assert.equal((await run("ping -b -c 1 -W 1 10.9.0.255")).code, 1);
  });

  test("traceroute by UDP and by ICMP", async () => {
    for (const options of ["", "-I"]) {
      const out = await net.ok(ns, `traceroute -n -q 1 ${options} 10.9.0.2`);
      assert.match(out, /\n 1 {2}10\.9\.0\.2 {2}[\d.]+ ms\n$/, options);
    }
  });

  test("nc -u: echo comes back, discard is silent", async () => {
    assert.equal(await net.ok(ns, "echo over UDP | nc -u -w 1 10.9.0.2 7"), "over UDP\n");
    assert.equal(await net.ok(ns, "echo over UDP | nc -u -w 1 10.9.0.2 9"), "");
  });

  test("datagrams of all sizes are echoed, in fragments where they must", async () => {
    const out = await net.python(
      ns,
      `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
s.setsockopt(socket.SOL_IP, 10, 0)
for size in (0, 1, 2, 63, 1471, 1472, 1473, 2960, 9000, 65507):
    data = bytes(i * 7 & 255 for i in range(size))
    s.sendto(data, ("10.9.0.2", 7))
    back, who = s.recvfrom(70000)
    assert back == data and who == ("10.9.0.2", 7), size
print("ok")
`,
    );
    assert.equal(out, "ok\n");
  });

  test("a closed port: the error reaches the kernel's socket", async () => {
    const out = await net.python(
      ns,
      `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
s.connect(("10.9.0.2", 4444))
s.send(b"x")
try:
    s.recv(10)
except ConnectionRefusedError as e:
    print("refused")
`,
    );
    assert.equal(out, "refused\n");
  });

  test("arping: who-has, duplicate detection, unsolicited ARP updates the machine's neighbour", async () => {
    assert.match(await net.ok(ns, "arping -c 2 -w 5 -I tap0 10.9.0.2"), /Received 2 response\(s\)/);
    assert.match(await net.ok(ns, "arping -c 1 -I tap0 10.9.0.2"), /\[02:00:00:00:00:02\]/i);
    // -D: exit code 1 when somebody has the address, 0 when it is free.
    assert.equal((await run("arping -D -c 2 -w 3 -I tap0 10.9.0.2")).code, 1);
    assert.equal((await run("arping -D -c 1 -w 1 -I tap0 10.9.0.77")).code, 0);
    await net.ok(ns, "ip link set tap0 address 02:aa:00:00:00:01; arping -U -c 1 -I tap0 10.9.0.1");
    await net.ok(ns, "ping -c 1 -W 1 10.9.0.2");
  });

  test("nmap -sU: the echo port is open, others are closed", async () => {
    const out = await net.ok(ns, "nmap -n -Pn -sU -p 7,5000,5001 --max-retries 3 10.9.0.2");
    assert.match(out, /\n7\/udp\s+open\s+echo\n/);
    assert.match(out, /\n5000\/udp\s+closed\s/);
    assert.match(out, /\n5001\/udp\s+closed\s/);
    assert.match(out, /MAC Address: 02:00:00:00:00:02/);
  });

  test("protocols that it does not have: protocol unreachable", async () => {
    const out = await net.ok(ns, "nmap -n -Pn -sO -p 1,17,200 --max-retries 2 10.9.0.2");
    assert.match(out, /\n1\s+open\s+icmp\n/);
    assert.match(out, /\n17\s+(open|open\|filtered)\s+udp\n/);
    assert.match(out, /\n200\s+closed\s/);
  });

  test("broken frames: nothing answers, nothing breaks", async () => {
    const out = await net.python(
      ns,
      `
import os, random, socket, struct
random.seed(7)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("tap0", 0))
mac = bytes.fromhex("020000000002") + bytes.fromhex("020000000001")
def sum16(b):
    if len(b) & 1: b += b"\\0"
    t = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while t >> 16: t = (t & 65535) + (t >> 16)
    return ~t & 65535
def ip(ihl=5, total=None, proto=17, payload=b"", ver=4, frag=0, csum=None, opts=b""):
    total = 20 + len(opts) + len(payload) if total is None else total
    h = struct.pack("!BBHHHBBH4s4s", ver << 4 | ihl, 0, total, 1, frag, 64, proto, 0, bytes((10,9,0,1)), bytes((10,9,0,2))) + opts
    c = sum16(h) if csum is None else csum
    return h[:10] + struct.pack("!H", c) + h[12:] + payload
bad = [
    ip(ihl=4), ip(ihl=15), ip(ver=6), ip(total=10), ip(total=2000), ip(csum=1),
    ip(payload=b"x"), ip(payload=struct.pack("!HHHH", 1, 7, 4, 0)), ip(payload=struct.pack("!HHHH", 1, 7, 900, 0)),
    ip(payload=struct.pack("!HHHH", 1, 7, 8, 0xdead)), ip(proto=1, payload=b"\\x08"), ip(proto=1, payload=b"\\x08\\0\\0\\0\\0\\0\\0\\0"),
    ip(ihl=6, opts=b"\\x07\\x03\\x04\\0"), ip(ihl=6, opts=b"\\x44\\x00\\0\\0"), ip(ihl=6, opts=b"\\x83\\xff\\0\\0"),
    ip(frag=0x1fff, payload=b"z" * 100), ip(frag=0x3fff, payload=b"z" * 8), ip(frag=0x2000, payload=b"z" * 7),
]
for b in bad: s.send(mac + b"\\x08\\0" + b)
for proto in (0x0800, 0x0806, 0x86dd, 0x8100, 0x0004, 0xffff):
    for i in range(300): s.send(mac + struct.pack("!H", proto) + os.urandom(random.randrange(0, 200)))
print("sent")
`,
    );
    assert.equal(out, "sent\n");
    await net.ok(ns, "ping -c 2 -i 0.1 -W 2 10.9.0.2");
    assert.doesNotMatch(host.err, /BUG/);
  });

  test("the link goes down and up again on the kernel's side", async () => {
    await net.ok(ns, "ip link set tap0 down; sleep 0.2; ip link set tap0 up; sleep 0.2");
    await net.ok(ns, "ping -c 2 -i 0.2 -W 2 10.9.0.2");
  });

  test("an idle machine does nearly nothing", async (t) => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const ticks = (): number => {
      const f = readFileSync(`/proc/${host.process.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
      return Number(f[11]) + Number(f[12]);
    };
    const from = ticks();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const percent = (ticks() - from) / 3;
    t.diagnostic(`${percent.toFixed(1)} % of a CPU`);
    assert.ok(percent < 10, `${percent} % of a CPU while idle`);
  });

  test("measures: round trips, latency", async (t) => {
    const out = await net.python(
      ns,
      `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("10.9.0.2", 7)); s.settimeout(2)
lat = []; end = time.time() + 1
while time.time() < end:
    t = time.perf_counter(); s.send(b"x" * 64); s.recv(2000); lat.append(time.perf_counter() - t)
lat.sort()
print("UDP echo: %d round trips/s, p50 %.0f us, p99 %.0f us" % (len(lat), lat[len(lat) // 2] * 1e6, lat[len(lat) * 99 // 100] * 1e6))
`,
    );
    t.diagnostic(out.trim());
    t.diagnostic((await net.ok(ns, "ping -i 0.02 -c 100 -q 10.9.0.2")).trim().split("\n").at(-1)!);
  });

  test("SIGTERM ends it with 0, the TAP is gone", async () => {
    assert.equal(await host.stop(), 0);
    assert.notEqual((await run("ip link show tap0")).code, 0);
    assert.doesNotMatch(host.err, /BUG/);
  });
});

describe("skbuff host says what is wrong", { skip }, () => {
  const net = new RealNet();
  after(() => net.end());

  test("bad arguments, a busy device, a port in use by nobody", async () => {
    const ns = net.ns("e");
    const bad = async (...args: string[]) => {
      const r = await net.hostExec(ns, args, "true");
      assert.notEqual(r.code, 0, args.join(" "));
      return r.err;
    };
    assert.match(await bad("--tap", "tap0", "--ip", "10.9.0.2"), /prefix length is wanted/);
    assert.match(await bad("--tap", "tap0", "--ip", "10.9.0.2/24", "--mac", "03:00:00:00:00:01"), /unicast MAC/);
    assert.match(await bad("--tap", "a-name-that-is-too-long", "--ip", "10.9.0.2/24"), /not a device name/);
    assert.match(await bad("--tap", "tap0", "--ip", "10.9.0.2/24", "--gw", "10.8.0.1"), /cannot configure eth0/);
    assert.match(await bad("--tap", "tap0", "--ip", "10.9.0.2/24", "--replay-pcap", "/nowhere.pcap"), /nowhere\.pcap/);
    const first = await net.host(ns, ["--tap", "tap0", "--ip", "10.9.0.2/24"]);
    assert.match(await bad("--tap", "tap0", "--ip", "10.9.0.3/24"), /another process has this device open/);
    assert.equal(await first.stop(), 0);
  });
});
