// Our programs on a machine of ours against the real kernel: `skbuff host --exec`.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("ping", "python3");
const TAP = ["--tap", "tap0", "--ip", "10.9.0.2/24", "--gw", "10.9.0.1"];

describe("our programs against the real kernel", { skip }, () => {
  const net = new RealNet();
  let k: string;
  let far: string;
  const ours = (command: string) => net.hostExec(k, TAP, command);

  before(async () => {
    k = net.ns("k");
    far = net.ns("f");
    // The TAP is there before the machine comes, and stays when it goes.
    await net.ok(k, "ip tuntap add tap0 mode tap; ip addr add 10.9.0.1/24 dev tap0; ip link set tap0 up");
    await net.ok(
      k,
      `ip link add v0 type veth peer name v1 netns ${far}; ip addr add 10.8.0.1/24 dev v0; ip link set v0 up`,
    );
    await net.ok(far, "ip addr add 10.8.0.2/24 dev v1; ip link set v1 up; ip route add default via 10.8.0.1");
    await net.ok(k, "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratemask=0");
    await net.ok(far, "sysctl -qw net.ipv4.icmp_ratemask=0");
  });
  after(() => net.end());

  test("ping: exit codes, errors of the real kernel", async () => {
    const out = await ours(
      `ping -c 2 -i 0.1 10.9.0.1; echo "=> $?"
       ping -c 1 -s 20000 10.8.0.2; echo "=> $?"
       ping -c 1 -t 1 10.8.0.2; echo "=> $?"
       ping -c 1 -W 2 203.0.113.1; echo "=> $?"
       ping -c 1 -W 4 10.8.0.99; echo "=> $?"
       ping -c 1 -W 4 10.9.0.99; echo "=> $?"
       ping -c 1 -R 10.8.0.2`,
    );
    assert.equal(out.code, 0, out.err);
    const part = out.out.split(/=> (\d+)\n/);
    assert.deepEqual(
      part.filter((_, i) => i % 2 === 1),
      ["0", "0", "1", "1", "1", "1"],
    );
    assert.match(part[0]!, /2 packets transmitted, 2 received, 0% packet loss/);
    assert.match(part[2]!, /20008 bytes from 10\.8\.0\.2: icmp_seq=1 ttl=63/);
    assert.match(part[4]!, /From 10\.9\.0\.1 icmp_seq=1 Time to live exceeded/);
    assert.match(part[6]!, /From 10\.9\.0\.1 icmp_seq=1 Destination Net Unreachable/);
    assert.match(part[8]!, /From 10\.9\.0\.1 icmp_seq=1 Destination Host Unreachable/);
    assert.match(part[10]!, /From 10\.9\.0\.2 icmp_seq=1 Destination Host Unreachable/);
    assert.match(
      part[12]!,
      /RR:\s+10\.9\.0\.2\n\s+10\.8\.0\.1\n\s+10\.8\.0\.2\n\s+10\.8\.0\.2\n\s+10\.9\.0\.1\n\s+10\.9\.0\.2\n/,
    );
  });

  test("traceroute through the real kernel, by UDP and ICMP", async () => {
    const out = await ours("traceroute -n -q 1 10.8.0.2; traceroute -I -n -q 1 10.8.0.2");
    assert.equal(out.code, 0, out.err);
    const hops = / 1 {2}10\.9\.0\.1 {2}[\d.]+ ms\n 2 {2}10\.8\.0\.2 {2}[\d.]+ ms\n/g;
    assert.equal(out.out.match(hops)?.length, 2, out.out);
  });

  test("path MTU: the real kernel's fragmentation needed becomes a local error", async () => {
    await net.ok(k, "ip link set v0 mtu 900");
    const out = await ours("ping -c 1 -s 1200 -M do 10.8.0.2; ping -c 1 -s 1200 -M do 10.8.0.2; ip route get 10.8.0.2");
    await net.ok(k, "ip link set v0 mtu 1500");
    assert.match(out.out, /From 10\.9\.0\.1 icmp_seq=1 Frag needed and DF set \(mtu = 900\)/);
    assert.match(out.err, /local error: message too long, mtu=900/);
    assert.match(out.out, /cache expires \d+sec mtu 900/);
  });

  test("nc -u to a server of the real kernel; its closed port refuses", async () => {
    const server = net.spawn(far, [
      "python3",
      "-c",
      `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 7)); print("up", flush=True)
while True:
    d, w = s.recvfrom(70000); s.sendto(d.upper(), w)
`,
    ]);
    await new Promise((resolve) => server.stdout!.once("data", resolve));
    const out = await ours('echo hello | nc -u -w 1 10.8.0.2 7; nc -u -z -v 10.8.0.2 4444; echo "=> $?"');
    server.kill();
    assert.equal(out.out, "HELLO\n=> 1\n", out.err);
  });

  test("arping, ip neigh, gratuitous ARP, duplicate addresses", async () => {
    const mac = (await net.ok(k, "cat /sys/class/net/tap0/address")).trim();
    const out = await ours(
      'arping -c 2 -I eth0 10.9.0.1; ip neigh; arping -D -c 1 -w 2 -I eth0 10.9.0.1; echo "=> $?"',
    );
    assert.match(out.out, new RegExp(`Unicast reply from 10\\.9\\.0\\.1 \\[${mac}\\]`, "i"));
    assert.match(out.out, /Received 2 response\(s\)/);
    assert.match(out.out, /=> 1\n/);
    const table = await ours("ping -c 1 10.9.0.1 >/dev/null; ip neigh show dev eth0; cat /proc/net/arp");
    assert.match(table.out, new RegExp(`10\\.9\\.0\\.1 lladdr ${mac} REACHABLE`));
    assert.match(table.out, new RegExp(`10\\.9\\.0\\.1 +0x1 +0x2 +${mac} +\\* +eth0`));
  });

  test("the kernel's broadcast and multicast reach our sockets, and ours reach its", async () => {
    const script = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); s.bind(("0.0.0.0", 6000))
s.settimeout(10); print(s.recv(100).decode().strip(), flush=True)
s.sendto(b"from the kernel\\n", ("10.9.0.255", 6001))
`;
    const server = net.spawn(k, ["python3", "-c", script]);
    let heard = "";
    server.stdout!.setEncoding("utf8").on("data", (d) => {
      heard += d;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const out = await ours("nc -u -l -w 2 6001 & sleep 0.2; echo ours | nc -u -b -w 1 10.9.0.255 6000; wait");
    assert.equal(heard, "ours\n");
    assert.match(out.out, /from the kernel\n/, out.err);
  });

  test("exit code and output of --exec are the command's", async () => {
    const r = await ours("echo out; echo err >&2; exit 7");
    assert.deepEqual(r, { code: 7, out: "out\n", err: "err\n" });
    assert.equal((await ours("no-such-program")).code, 127);
  });
});
