// TCP of `skbuff host` against the real kernel's over a TAP: its programs against our services and ours against its, bulk with
// a checksum, with segmentation and checksums left to the other side and without; tshark judges what went over the wire.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type HostProcess, prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("nc", "curl", "wget", "nmap", "python3", "tcpdump", "tshark", "ethtool", "nstat");
const TAP = ["--tap", "tap0", "--ip", "10.9.0.2/24", "--gw", "10.9.0.1"];
const MB = 1 << 20;

/** What tshark's expert may say of a good connection. All else is a fault of somebody's. */
const FINE =
  /Connection establish|Connection finish|connection closing|Connection reset|window update|Zero Window|completely full|Duplicate ACK|D-SACK|ZeroWindow|Keep-Alive/;
/** A probe or a retransmission that came too early: a busy machine may be late with its ACKs. */
const EARLY = /retransmission|out-of-order/;

for (const mode of ["offloads", "no offloads"]) {
  describe(`TCP against the real kernel, ${mode}`, { skip }, () => {
    const net = new RealNet();
    const dir = mkdtempSync(join(tmpdir(), "skb-tcp-"));
    let ns: string;
    let host: HostProcess;

    before(async () => {
      ns = net.ns("k");
      // 40,000 lines to fetch.
      const setup = `mkdir -p /srv; seq 40000 > /srv/numbers.txt; echo hello > /srv/index.html; ${
        mode === "offloads" ? "true" : "ethtool -K eth0 tso off tx off rx off gro off > /dev/null"
      }; httpd -p 80 -h /srv & nc -lk 5000 > /dev/null & echo up; wait`;
      host = await net.host(ns, [...TAP, "--exec", setup]);
      await net.ok(ns, "ip addr add 10.9.0.1/24 dev tap0");
      if (mode !== "offloads") await net.ok(ns, "ethtool -K tap0 tso off gso off tx off gro off > /dev/null");
      while (!host.out.includes("up")) await new Promise((r) => setTimeout(r, 20));
      await net.ok(ns, "for i in $(seq 50); do nc -z 10.9.0.2 80 && break; sleep 0.1; done");
    });
    after(async () => {
      await net.end();
      rmSync(dir, { recursive: true });
    });

    test("echo, discard, daytime, chargen", async () => {
      assert.equal(await net.ok(ns, "echo over TCP | nc -N -w 5 10.9.0.2 7"), "over TCP\n");
      assert.equal(await net.ok(ns, "echo over TCP | nc -N -w 5 10.9.0.2 9"), "");
      assert.match(await net.ok(ns, "nc -d -w 5 10.9.0.2 13"), /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n$/);
      const lines = (await net.ok(ns, "nc -d -w 5 10.9.0.2 19 | head -n 100")).split("\r\n");
      assert.equal(lines[1], lines[0]!.slice(1) + String.fromCharCode(32 + 72));
      assert.equal(lines[95], lines[0]);
    });

    test("a closed port refuses; nc -z sees which are open; nmap finds the services", async () => {
      const scan = await net.sh(ns, "nc -z -v -n -w 2 10.9.0.2 7-9");
      assert.match(
        scan.err,
        /10\.9\.0\.2 7 port .* succeeded!\n[\s\S]*port 8 .* Connection refused\n[\s\S]* 9 port .* succeeded!/,
      );
      const out = await net.ok(ns, "nmap -n -Pn -sS -sV --version-light -p 7,8,13,80 10.9.0.2", { timeout: 60_000 });
      assert.match(out, /\n7\/tcp +open +echo/);
      assert.match(out, /\n8\/tcp +closed /);
      assert.match(out, /\n13\/tcp +open +daytime/);
      assert.match(out, /\n80\/tcp +open +http/);
    });

    test("curl and wget from httpd: whole files, ranges, HEAD, keep-alive, what is not there", async () => {
      const numbers = `${Array.from({ length: 40000 }, (_, i) => i + 1).join("\n")}\n`;
      assert.equal(await net.ok(ns, "curl -s http://10.9.0.2/numbers.txt"), numbers);
      assert.equal(await net.ok(ns, "wget -q -O - http://10.9.0.2/numbers.txt"), numbers);
      assert.equal(await net.ok(ns, "curl -s -r 100-199 http://10.9.0.2/numbers.txt"), numbers.slice(100, 200));
      assert.match(await net.ok(ns, "curl -sI http://10.9.0.2/"), /^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: 6\r\n/);
      const kept = await net.ok(ns, "curl -sv http://10.9.0.2/ http://10.9.0.2/ 2>&1");
      assert.match(kept, /Re-using existing connection/);
      assert.equal(await net.ok(ns, "curl -s -o /dev/null -w '%{http_code}' http://10.9.0.2/none"), "404");
    });

    test("bulk into ours and back by echo: the same bytes; tshark finds nothing wrong", {
      timeout: 120_000,
    }, async () => {
      const pcap = join(dir, "bulk.pcap");
      const dump = net.spawn(ns, [
        "tcpdump",
        "-i",
        "tap0",
        "-s",
        mode === "offloads" ? "120" : "0",
        "-B",
        "32768",
        "-U",
        "-Z",
        "root",
        "-w",
        pcap,
      ]);
      await new Promise((resolve) => dump.stderr!.once("data", resolve));
      const bytes = 20 * MB;
      const sent = `python3 -c 'import random,sys; random.seed(5); [sys.stdout.buffer.write(random.randbytes(1<<20)) for i in range(${bytes / MB})]'`;
      const want = (await net.ok(ns, `${sent} | sha256sum`)).slice(0, 64);
      const back = await net.ok(ns, `${sent} | timeout 60 nc -N 10.9.0.2 7 | sha256sum`, { timeout: 100_000 });
      assert.equal(back.slice(0, 64), want);
      await net.ok(ns, `${sent} | timeout 60 nc -N 10.9.0.2 5000`, { timeout: 100_000 });
      dump.kill("SIGINT");
      await new Promise((resolve) => dump.on("close", resolve));
      const plain = "-d tcp.port==7,data -d tcp.port==5000,data";
      const from = (expert: string) =>
        net.ok(
          ns,
          `tshark ${plain} -r ${pcap}${mode === "offloads" ? "" : " -o tcp.check_checksum:TRUE"} -q -z '${expert}'`,
        );
      const said = await from("expert,note,ip.src==10.9.0.2");
      const lines = said.split("\n").filter((l) => /^ +\d+ /.test(l));
      assert.deepEqual(
        lines.filter((l) => !FINE.test(l) && !EARLY.test(l)),
        [],
      );
      // Ours sends again only what its probes take for lost: not more than one packet in a thousand.
      const again = await net.ok(
        ns,
        `tshark ${plain} -r ${pcap} -Y 'ip.src==10.9.0.2 && tcp.analysis.retransmission' | wc -l`,
      );
      assert.ok(Number(again) < 30, `${again} retransmissions`);
    });

    test("nothing of it was a BUG", () => assert.doesNotMatch(host.err, /BUG/));
  });
}

describe("our programs over TCP against the real kernel's", { skip }, () => {
  const net = new RealNet();
  let ns: string;
  const dir = mkdtempSync(join(tmpdir(), "skb-tcp-"));
  const ours = (command: string) => net.hostExec(ns, TAP, command);

  before(async () => {
    ns = net.ns("k");
    await net.ok(ns, "ip tuntap add tap0 mode tap; ip addr add 10.9.0.1/24 dev tap0; ip link set tap0 up");
    await net.ok(ns, `seq 300000 > ${dir}/numbers.txt; echo hello > ${dir}/hello.txt; mkdir ${dir}/sub`);
    net.spawn(ns, ["python3", "-m", "http.server", "-d", dir, "8000"]);
    await net.ok(ns, "for i in $(seq 50); do nc -z 10.9.0.1 8000 && break; sleep 0.1; done");
  });
  after(async () => {
    await net.end();
    rmSync(dir, { recursive: true });
  });

  test("wget: a file, a redirect, what is not there, nobody", async () => {
    const r = await ours(
      `wget -q -O - http://10.9.0.1:8000/numbers.txt | wc; wget -q -O - http://10.9.0.1:8000/hello.txt
       wget -O /x http://10.9.0.1:8000/sub; wget -q http://10.9.0.1:8000/none; echo "=> $?"; wget -q -t 1 http://10.9.0.1:8001/; echo "=> $?"`,
    );
    assert.match(r.out, /^ *300000 +300000 +1988895\nhello\n=> 8\n=> 4\n$/);
    assert.match(r.err, /301 Moved Permanently\nLocation: \/sub\/ \[following\]\n/);
  });

  test("nc into the real nc: the same bytes", async () => {
    const file = join(dir, "got");
    const server = net.sh(ns, `timeout 30 nc -l 5005 > ${file}`, { timeout: 40_000 });
    await net.ok(ns, "for i in $(seq 50); do ss -ltn | grep -q :5005 && break; sleep 0.1; done");
    const r = await ours("seq 500000 | nc -N 10.9.0.1 5005");
    assert.equal(r.code, 0, r.err);
    await server;
    const want = `${Array.from({ length: 500000 }, (_, i) => i + 1).join("\n")}\n`;
    const sha = (b: string | Buffer): string => createHash("sha256").update(b).digest("hex");
    assert.equal(sha(readFileSync(file)), sha(want));
  });

  test("nc into ours; telnet to a port where nobody is", async () => {
    const host = ours("nc -l 5006; telnet 10.9.0.1 9");
    await net.ok(
      ns,
      "for i in $(seq 80); do echo from the kernel | nc -N -w 1 10.9.0.2 5006 && break; sleep 0.1; done",
    );
    const r = await host;
    assert.equal(r.out, "from the kernel\nTrying 10.9.0.1...\n");
    assert.equal(r.err, "telnet: Unable to connect to remote host: Connection refused\n");
    assert.equal(r.code, 1);
  });
});
