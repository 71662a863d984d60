// Captures of a machine of ours, read by tcpdump and tshark; captures of the real kernel, replayed into ours.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("ping", "tcpdump", "tshark");

describe("captures", { skip }, () => {
  const net = new RealNet();
  let ns: string;
  const dir = mkdtempSync(join(tmpdir(), "skbuff-"));
  before(() => {
    ns = net.ns("k");
  });
  after(async () => {
    await net.end();
    rmSync(dir, { recursive: true });
  });

  // Behind a virtio card an ICMP error quotes a datagram with the open sum that it came with, as Linux's do.
  for (const [nic, except] of [
    ["igb", ""],
    ["virtio", " && !(icmp.type == 3)"],
  ])
    test(`--pcap, ${nic}: tcpdump and tshark read it without complaint, and everything is in it`, async () => {
      const file = join(dir, `${nic}.pcapng`);
      const host = await net.host(ns, ["--tap", "tap0", "--ip", "10.9.0.2/24", "--pcap", file, "--nic", nic!]);
      await net.ok(ns, "ip addr add 10.9.0.1/24 dev tap0");
      await net.ok(
        ns,
        "ping -c 4 -i 0.1 10.9.0.2; ping -c 1 -s 3000 10.9.0.2; nc -u -w 1 10.9.0.2 7 <<< hello || true",
      );
      await net.sh(ns, "nc -u -w 1 10.9.0.2 4444 <<< closed");
      assert.equal(await host.stop(), 0);
      const dump = await net.sh(ns, `tcpdump -n -r ${file}`);
      assert.equal(dump.code, 0);
      assert.doesNotMatch(dump.err + dump.out, /truncated|bad|invalid|\[\|/i);
      assert.equal(dump.out.match(/10\.9\.0\.1 > 10\.9\.0\.2: ICMP echo request/g)?.length, 5);
      assert.equal(dump.out.match(/10\.9\.0\.2 > 10\.9\.0\.1: ICMP echo reply/g)?.length, 5);
      assert.match(dump.out, /ARP, Request who-has 10\.9\.0\.2 tell 10\.9\.0\.1/);
      assert.match(dump.out, /ARP, Reply 10\.9\.0\.2 is-at 02:00:00:00:00:02/);
      assert.match(dump.out, /udp port 4444 unreachable/);
      // Checksums of what we sent (the kernel's own may still be open: it left them to the device).
      const bad = await net.ok(
        ns,
        `tshark -r ${file} -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -Y 'ip.src == 10.9.0.2 && (ip.checksum.status == "Bad" || udp.checksum.status == "Bad" || icmp.checksum.status == "Bad" || _ws.malformed)${except}' 2>/dev/null`,
      );
      assert.equal(bad, "");
      const meta = await net.ok(
        ns,
        `tshark -r ${file} -T fields -e frame.interface_name -e frame.packet_flags_direction 2>/dev/null | sort | uniq -c`,
      );
      assert.match(meta, /tap0\s+0x00000001/);
      assert.match(meta, /tap0\s+0x00000002/);
      // The capture of the same traffic by time: no frame lies in the future or in 1970.
      const times = (await net.ok(ns, `tshark -r ${file} -T fields -e frame.time_epoch 2>/dev/null`))
        .trim()
        .split("\n")
        .map(Number);
      for (const t of times) assert.ok(Math.abs(t - Date.now() / 1000) < 120);
      assert.deepEqual(
        times,
        [...times].sort((x, y) => x - y),
      );
    });

  test("--replay-pcap: a capture of the real kernel goes into the machine, which answers as it would have", async () => {
    const file = join(dir, "in.pcap");
    // Recorded on a veth: five echo requests to 10.9.0.2, which a namespace answers.
    const other = net.ns("o");
    await net.ok(
      ns,
      `ip link add va type veth peer name vb netns ${other}; ip addr add 10.9.0.1/24 dev va; ip link set va up`,
    );
    await net.ok(other, "ip link set vb address 02:00:00:00:00:02; ip addr add 10.9.0.2/24 dev vb; ip link set vb up");
    const dump = net.spawn(ns, [
      "tcpdump",
      "-Z",
      "root",
      "-i",
      "va",
      "-U",
      "--immediate-mode",
      "-w",
      file,
      "icmp[0] == 8",
    ]);
    await new Promise((resolve) => dump.stderr!.once("data", resolve));
    await net.ok(ns, "ping -c 5 -i 0.05 -s 100 10.9.0.2; sleep 0.3");
    dump.kill("SIGINT");
    await new Promise((resolve) => dump.once("close", resolve));
    await net.ok(ns, "ip link del va");
    const r = await net.hostExec(
      ns,
      ["--tap", "tap1", "--ip", "10.9.0.2/24", "--replay-pcap", file],
      "ip neigh add 10.9.0.1 lladdr 02:00:00:00:00:01 dev eth0; sleep 0.1; grep Icmp: /proc/net/snmp",
    );
    assert.equal(r.code, 0, r.err);
    assert.match(r.err, /5 frames of .*in\.pcap went in/);
    const [names, values] = r.out
      .trim()
      .split("\n")
      .map((l) => l.split(" "));
    const icmp = Object.fromEntries(names!.map((n, i) => [n, values![i]]));
    assert.equal(icmp.InEchos, "5");
    assert.equal(icmp.OutEchoReps, "5");
  });
});
