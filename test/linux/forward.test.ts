// A machine of ours between two namespaces of the real kernel, over two TAPs: what Linux sees of a router.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("ping", "traceroute", "nc", "python3", "tcpdump");

describe("the real kernel – a router of ours – the real kernel", { skip }, () => {
  const net = new RealNet();
  let a: string;
  let b: string;
  let router: ChildProcess;
  let lines: AsyncIterator<string>;

  /** Runs a command on the router. */
  const ours = async (command: string): Promise<string> => {
    router.stdin!.write(`${command}\n`);
    const r = JSON.parse((await lines.next()).value);
    assert.equal(r.exitCode, 0, `${command}: ${r.stderr}`);
    return r.stdout;
  };

  before(async () => {
    a = net.ns("a");
    b = net.ns("b");
    const home = net.ns("r");
    router = net.spawn(home, [
      process.execPath,
      "--import",
      "tsx",
      "test/linux/router.ts",
      "tapa",
      "10.1.0.1/24",
      "tapb",
      "10.2.0.1/24",
    ]);
    router.stderr!.pipe(process.stderr);
    lines = createInterface({ input: router.stdout! })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, "ready");
    for (const [ns, tap, ip, gw] of [
      [a, "tapa", "10.1.0.2", "10.1.0.1"],
      [b, "tapb", "10.2.0.2", "10.2.0.1"],
    ] as const) {
      await net.ok(home, `ip link set ${tap} netns ${ns}`);
      await net.ok(
        ns,
        `ip addr add ${ip}/24 dev ${tap}; ip link set ${tap} up; ip route add default via ${gw}; sysctl -qw net.ipv4.conf.all.accept_redirects=1 net.ipv4.conf.${tap}.accept_redirects=1`,
      );
    }
  });
  after(() => net.end());

  test("ping through it: one hop less; flood without loss", async (t) => {
    const out = await net.ok(a, "ping -c 3 -i 0.1 10.2.0.2");
    assert.equal(out.match(/ttl=63/g)?.length, 3);
    const flood = await net.ok(a, "ping -f -q -c 3000 10.2.0.2");
    assert.match(flood, /3000 received, 0% packet loss/);
    t.diagnostic(flood.trim().split("\n").at(-1)!);
    assert.match(await net.ok(b, "ping -c 1 -s 20000 10.1.0.2"), /20008 bytes from 10\.1\.0\.2: icmp_seq=1 ttl=63/);
  });

  test("traceroute shows it; TTL exceeded comes from the near side", async () => {
    for (const options of ["", "-I"]) {
      const out = await net.ok(a, `traceroute -n -q 1 -N 1 ${options} 10.2.0.2`);
      assert.match(out, /\n 1 {2}10\.1\.0\.1 {2}[\d.]+ ms\n 2 {2}10\.2\.0\.2 {2}[\d.]+ ms\n$/, options);
    }
    const ttl = await net.sh(b, "ping -c 1 -t 1 10.1.0.2");
    assert.equal(ttl.code, 1);
    assert.match(ttl.out, /From 10\.2\.0\.1 icmp_seq=1 Time to live exceeded/);
  });

  test("a net it does not know, a host that is not there", async () => {
    assert.match(
      (await net.sh(a, "ping -c 1 -W 2 192.0.2.1")).out,
      /From 10\.1\.0\.1 icmp_seq=1 Destination Net Unreachable/,
    );
    assert.match(
      (await net.sh(a, "ping -c 1 -W 5 10.2.0.99")).out,
      /From 10\.1\.0\.1 icmp_seq=1 Destination Host Unreachable/,
    );
    await ours("ip route add prohibit 192.0.2.0/24");
    await ours("ip route add blackhole 198.51.100.0/24");
    assert.match((await net.sh(a, "ping -c 1 -W 2 192.0.2.1")).out, /From 10\.1\.0\.1 icmp_seq=1 Packet filtered/);
    assert.equal((await net.sh(a, "ping -c 1 -W 1 198.51.100.1")).code, 1);
  });

  test("a smaller MTU behind it: fragments without DF, discovery with DF", async () => {
    await ours("ip link set eth1 mtu 1000");
    assert.match(await net.ok(a, "ping -c 1 -s 1400 -M dont 10.2.0.2"), /1408 bytes from/);
    const r = await net.sh(a, "ping -c 1 -s 1400 -M do 10.2.0.2");
    assert.match(r.out, /From 10\.1\.0\.1 icmp_seq=1 Frag needed and DF set \(mtu = 1000\)/);
    assert.match(await net.ok(a, "ip route get 10.2.0.2"), /cache expires \d+sec mtu 1000/);
    assert.match((await net.sh(a, "ping -c 1 -s 1400 -M do 10.2.0.2")).err, /message too long, mtu=1000/);
    await ours("ip link set eth1 mtu 1500");
    await net.ok(a, "ip route flush cache");
    await net.ok(a, "ping -c 1 -s 1400 -M do 10.2.0.2");
  });

  test("redirect: Linux believes ours", async () => {
    await ours("ip route add 10.3.0.0/24 via 10.1.0.77");
    await net.ok(a, "ip neigh replace 10.1.0.77 lladdr 02:00:00:00:00:77 dev tapa nud permanent");
    const out = (await net.sh(a, "ping -c 1 -W 1 10.3.0.1")).out;
    assert.match(out, /From 10\.1\.0\.1: icmp_seq=1 Redirect Host\(New nexthop: 10\.1\.0\.77\)/);
    assert.match(await net.ok(a, "ip route get 10.3.0.1"), /10\.3\.0\.1 via 10\.1\.0\.77 .*\n\s+cache <redirected>/);
  });

  for (const how of ["on", "off"]) {
    test(`TCP of Linux in long segments through it, tcp-segmentation-offload ${how} behind: all of it arrives, cut where it must be`, async () => {
      await ours(`ethtool -K eth1 tso ${how}`);
      const dump = net.sh(b, "timeout 8 tcpdump -i tapb -c 400 -nl 'tcp and dst port 5009' 2>/dev/null", {
        timeout: 15_000,
      });
      const sink = net.python(
        b,
        `
import hashlib, socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("10.2.0.2", 5009))
s.listen()
c, _ = s.accept()
h = hashlib.sha256()
n = 0
while True:
  d = c.recv(1 << 16)
  if not d: break
  n += len(d)
  h.update(d)
print(n, h.hexdigest())
`,
      );
      while (!/:5009/.test(await net.ok(b, "ss -tln"))) await new Promise((resolve) => setTimeout(resolve, 50));
      await new Promise((resolve) => setTimeout(resolve, 500));
      const sent = await net.python(
        a,
        `
import hashlib, socket
d = bytes((i * 31 + (i >> 9)) & 255 for i in range(1 << 20)) * 4
s = socket.create_connection(("10.2.0.2", 5009))
s.sendall(d)
s.close()
print(len(d), hashlib.sha256(d).hexdigest())
`,
      );
      assert.equal(await sink, sent);
      const lengths = [...(await dump).out.matchAll(/length (\d+)/g)].map((m) => Number(m[1]));
      const longest = Math.max(...lengths);
      if (how === "off") assert.ok(longest <= 1460, String(longest));
      else assert.ok(longest > 1460, String(longest));
      const snmp = (await net.ok(b, "grep ^Tcp: /proc/net/snmp | tail -1")).trim().split(/\s+/);
      assert.equal(snmp[15], "0", "TCP checksum errors");
    });
  }

  test("record route lists both sides; a source route is refused", async () => {
    const out = await net.ok(a, "ping -c 1 -R 10.2.0.2");
    assert.match(
      out,
      /RR:\s+10\.1\.0\.2\n\s+10\.2\.0\.1\n\s+10\.2\.0\.2\n\s+10\.2\.0\.2\n\s+10\.1\.0\.1\n\s+10\.1\.0\.2\n/,
    );
    await ours("echo 0 > /proc/sys/net/ipv4/conf/all/accept_source_route");
    assert.equal((await net.sh(a, "ping -c 1 -W 1 -T tsprespec 10.1.0.1 10.2.0.2 10.2.0.2")).code, 0);
  });

  test("UDP between the two kernels, and a port unreachable that goes back through it", async () => {
    const out = await net.python(
      a,
      `
import os, socket, subprocess
server = subprocess.Popen(["ip", "netns", "exec", "${b}", "python3", "-c", """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("10.2.0.2", 7)); print("up", flush=True)
while True:
    d, w = s.recvfrom(70000); s.sendto(d, w)
"""], stdout=subprocess.PIPE)
server.stdout.readline()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
for n in list(range(0, 1600, 100)) + [20000, 65507]:
    d = os.urandom(n); s.sendto(d, ("10.2.0.2", 7)); assert s.recv(70000) == d, n
server.kill()
s.connect(("10.2.0.2", 4444)); s.send(b"x")
try: s.recv(10)
except ConnectionRefusedError: print("refused")
`,
    );
    assert.equal(out, "refused\n");
  });

  test("rp_filter and martians of the real kernel are dropped and counted by ours", async () => {
    await ours("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
    await net.ok(a, "ip addr add 10.2.0.50/32 dev tapa");
    const drops = async (): Promise<number> => {
      const [names, values] = (await ours("grep TcpExt /proc/net/netstat"))
        .trim()
        .split("\n")
        .map((l) => l.split(" "));
      return Number(values![names!.indexOf("IPReversePathFilter")]);
    };
    const before = await drops();
    assert.equal((await net.sh(a, "ping -c 1 -W 1 -I 10.2.0.50 10.2.0.2")).code, 1);
    assert.equal(await drops(), before + 1);
  });

  test("it ends without a leak", async () => {
    router.stdin!.end();
    assert.deepEqual(JSON.parse((await lines.next()).value), { left: [], frames: 0, bugs: 0 });
  });
});
