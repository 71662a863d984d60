// tcpdump against what Debian's tcpdump 4.99.3 said (record.ts), and live on machines of ours.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bpf_filter } from "../../../../src/bin/tcpdump/bpf.ts";
import { openLab } from "../../../../src/lab/fs_node.ts";
import { type ExecResult, Lab } from "../../../../src/lab/lab.ts";
import { loadTopology } from "../../../../src/lab/topology.ts";
import { pcap_compile } from "../../../../src/lib/pcap/pcap_filter.ts";
import { BpfBuffer, bpf_prog_create, bpf_run_buffer } from "../../../../src/net/core/filter.ts";

function bootedLab(): Lab {
  const opened = openLab(new URL("../../../../examples/first-lab", import.meta.url).pathname);
  assert.ok(typeof opened !== "string");
  const lab = new Lab(loadTopology(opened.tree, { entry: opened.entry, folder: opened.folder }), { seed: 1 });
  lab.boot();
  return lab;
}

interface Golden {
  file: string;
  commands: { command: string; status: number; stdout: string; stderr: string }[];
}
const golden: Golden = JSON.parse(readFileSync(new URL("../golden/tcpdump.json", import.meta.url), "utf8"));

/** The real tool names a library more, and ends a listing of the program's versions with it. */
const plain = (text: string): string => text.replace(/^OpenSSL .*\n/m, "");

test("files: as Debian's tcpdump printed them", () => {
  const lab = bootedLab();
  const pc = lab.host("pc1").computer;
  pc.writeFile("/root/g.pcap", Buffer.from(golden.file, "base64"));
  pc.writeFile("/root/filter.txt", "icmp[icmptype] == icmp-echo\n");
  pc.writeFile("/root/text", "this is no capture file\n");
  const wrong: string[] = [];
  for (const g of golden.commands) {
    const r = lab.exec("pc1", `cd /root; tcpdump ${g.command}`);
    const ours = `${r.exitCode}\n${r.stdout}\n${r.stderr}`;
    const theirs = `${g.status}\n${plain(g.stdout)}\n${plain(g.stderr)}`;
    if (ours !== theirs) wrong.push(`tcpdump ${g.command}\n--- ours\n${ours}\n--- Debian's\n${theirs}`);
  }
  assert.equal(wrong.length, 0, wrong.join("\n"));
});

const lines = (r: ExecResult): string[] =>
  r.stdout
    .split("\n")
    .filter((l) => l !== "")
    .map((l) => l.replace(/^\S+ /, ""));

test("live on eth0: what the machine sends and gets, counts on standard error", () => {
  const lab = bootedLab();
  const r = lab.exec("pc1", "tcpdump -n -i eth0 -c 4 & ping -c 2 10.0.2.2 >/dev/null; wait $!");
  assert.equal(r.exitCode, 0);
  assert.deepEqual(
    lines(r).map((l) => l.replace(/id \d+/, "id N")),
    [
      "ARP, Request who-has 10.0.1.1 tell 10.0.1.2, length 28",
      "ARP, Reply 10.0.1.1 is-at 02:00:00:00:02:00, length 46",
      "IP 10.0.1.2 > 10.0.2.2: ICMP echo request, id N, seq 1, length 64",
      "IP 10.0.2.2 > 10.0.1.2: ICMP echo reply, id N, seq 1, length 64",
    ],
  );
  assert.equal(
    r.stderr,
    "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n" +
      "listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n" +
      "4 packets captured\n4 packets received by filter\n0 packets dropped by kernel\n",
  );
  assert.deepEqual(lab.bugs(), []);
});

test("-i any on a router sees each packet twice, cooked", () => {
  const lab = bootedLab();
  lab.exec("pc1", "ping -c 1 10.0.2.2");
  const p = lab.start("r1", "tcpdump -n -i any -c 4 icmp", { stdout: () => {}, stderr: () => {} });
  lab.run(1e8);
  lab.exec("pc1", "ping -c 1 10.0.2.2");
  lab.run(1e8);
  assert.equal(p.exitCode, 0);
  const r = lab.exec("r1", "tcpdump -n -e -i any -c 2 icmp & sleep 0.1; ping -c 1 10.0.2.2 >/dev/null; wait $!");
  assert.match(
    lines(r)[0]!,
    /^eth1 {2}Out ifindex 3 02:00:00:00:02:01 ethertype IPv4 \(0x0800\), length 104: 10\.0\.2\.1 > /,
  );
  assert.match(lines(r)[1]!, /^eth1 {2}In {2}ifindex 3 02:00:00:00:03:00 ethertype IPv4/);
  assert.match(r.stderr, /^tcpdump: data link type LINUX_SLL2\ntcpdump: verbose/);
});

test("the loopback device: once each, though the filter sees both directions", () => {
  const lab = bootedLab();
  const r = lab.exec("pc1", "tcpdump -n -i lo & sleep 0.1; ping -c 2 127.0.0.1 >/dev/null; kill -INT $!; wait $!");
  assert.equal(r.exitCode, 0);
  assert.equal(lines(r).length, 4);
  assert.ok(r.stdout.endsWith("\n\n"), "an interrupted line is ended");
  assert.match(r.stderr, /4 packets captured\n8 packets received by filter\n0 packets dropped by kernel\n$/);
});

test("-Q, -s, -w and reading it again", () => {
  const lab = bootedLab();
  lab.exec("pc1", "ping -c 1 10.0.2.2");
  const into = lab.exec(
    "pc1",
    "tcpdump -n -i eth0 -Q in -c 1 icmp & sleep 0.1; ping -c 1 10.0.2.2 >/dev/null; wait $!",
  );
  assert.match(into.stdout, /echo reply/);
  const cut = lab.exec(
    "pc1",
    "tcpdump -s 40 -i eth0 -c 2 -w f icmp & sleep 0.1; ping -c 1 10.0.2.2 >/dev/null; wait $!; tcpdump -n -x -r f",
  );
  assert.match(cut.stdout, /\[\|icmp\]/);
  assert.ok(!cut.stderr.includes("verbose output suppressed"));
  const piped = lab.exec(
    "pc1",
    "tcpdump -i eth0 -c 2 -w - icmp 2>/dev/null | tcpdump -n -r - & sleep 0.1; ping -c 1 10.0.2.2 >/dev/null; wait",
  );
  assert.equal(lines(piped).length, 2);
});

test("promiscuous unless -p; over when the program is", () => {
  const lab = bootedLab();
  const promiscuity = (): number => {
    const k = lab.host("pc1").computer.kernel;
    return k.init_net.dev_by_name.get("eth0")!.promiscuity;
  };
  const p = lab.start("pc1", "tcpdump -i eth0");
  lab.run(1e7);
  assert.equal(promiscuity(), 1);
  p.kill(2);
  lab.run(1e7);
  assert.equal(promiscuity(), 0);
  const q = lab.start("pc1", "tcpdump -p -i eth0");
  lab.run(1e7);
  assert.equal(promiscuity(), 0);
  q.kill(2);
  lab.run(1e7);
  assert.ok(!q.running);
});

test("devices that are not there, down, or go away", () => {
  const lab = bootedLab();
  const exec = (c: string): ExecResult => lab.exec("r1", c);
  assert.deepEqual(
    [exec("tcpdump -i nosuch").exitCode, exec("tcpdump -i nosuch").stderr],
    [1, "tcpdump: nosuch: No such device exists\n(No such device exists)\n"],
  );
  const D = exec("tcpdump -D").stdout;
  assert.equal(
    D,
    "1.eth0 [Up, Running, Connected]\n2.eth1 [Up, Running, Connected]\n" +
      "3.any (Pseudo-device that captures on all interfaces) [Up, Running]\n4.lo [Up, Running, Loopback]\n",
  );
  assert.equal(exec("ip link set eth1 down; tcpdump -i eth1").stderr, "tcpdump: eth1: That device is not up\n");
  assert.equal(exec("tcpdump -i 99").stderr, "tcpdump: Invalid adapter index\n");
  const gone = exec(
    "ip link add v0 type veth peer name v1; ip link set v0 up; tcpdump -i v0 & sleep 0.1; ip link del v0; wait $!",
  );
  assert.equal(gone.exitCode, 1);
  assert.match(gone.stderr, /tcpdump: pcap_loop: The interface disappeared\n0 packets captured/);
});

test("the program's own BPF agrees with the kernel's", () => {
  let x = 7;
  const rnd = (): number => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return x >>> 16;
  };
  const file = Buffer.from(golden.file, "base64");
  const expressions =
    "icmp|udp port 5000|ip[2:2] > 100|ip[8]*2+1 == 129|tcp[13]&7 != 0|len <= 60|ether[0] & 1 = 1|not arp".split("|");
  const progs = expressions.map((e) => {
    const r = pcap_compile(e);
    assert.ok("prog" in r, e);
    const k = bpf_prog_create(r.prog);
    assert.ok(typeof k !== "number");
    return { ours: r.prog, kernel: k };
  });
  for (let i = 0; i < 3000; i++) {
    const at = 40 + (rnd() % (file.length - 200));
    const u8 = new Uint8Array(file.subarray(at, at + (rnd() % 120)));
    if (u8.length > 30 && i % 2) {
      u8.set([8, 0, 0x45], 12);
      u8[23] = [1, 6, 17][rnd() % 3]!;
    }
    for (const p of progs) {
      assert.equal(bpf_filter(p.ours, u8, u8.length), bpf_run_buffer(p.kernel, new BpfBuffer(u8, u8.length)));
    }
  }
});
