// Our iperf3 against the real one over TAP, both ways round: what each says and counts.
// Needs root, /dev/net/tun and: apt install iperf3

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type HostProcess, prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("iperf3");
const TAP = ["--tap", "tap0", "--ip", "10.9.0.2/24", "--gw", "10.9.0.1"];

/** A test by each of its kinds: short, for what is said and whether both ends agree, not for how fast. */
const KINDS = [
  "-n 20M",
  "-t 1 -R -V",
  "-n 20M --bidir",
  "-n 20M -P 2 -V",
  "-t 1 -O 1 -R -P 2",
  "-n 2M -w 100K -M 1000 -N -C reno -S 16 -Z -V",
  "-k 5 -b 10M/5 -f m",
  "-n 200K -u -b 5M -V",
  "-n 100K -u -b 5M -R -P 2",
  "-n 100K -u -b 5M --bidir --udp-counters-64bit",
  "-k 20 -u -l 500 --repeating-payload",
  "-n 20M --get-server-output",
];
const JSON_KINDS = ["-n 20M -J", "-n 20M -J --bidir", "-n 200K -J -u -b 5M", "-t 1 -J -R -P 2 -T a --extra-data b"];

/** What is left of a text when its figures go: lines that are alike one after another once. */
function shape(text: string): string[] {
  const lines = text.split("\n").map((l) =>
    l
      .replace(/^Linux .*/, "Linux")
      .replace(/Cookie: \w+/, "Cookie")
      .replace(/^Time: .*/, "Time")
      .replace(/(snd|rcv)_tcp_congestion \w+/, "$1_tcp_congestion")
      .replace(/^\[ *\d+\]/, "[ N]")
      .replace(/[KMGT]?Bytes/g, "Bytes")
      .replace(/[KMGT]?bits/g, "bits")
      .replace(/\d+(\.\d+)*(e[+-]\d+)?/g, "N")
      .replace(/ +(?=\S)/g, " "),
  );
  return lines.filter((l, i) => l !== lines[i - 1]);
}

/** The interval that a server gets out of what was still under way is there or not. */
const isLastInterval = (l: string): boolean => /^\[(?: N|SUM)\](?:\[..-.\])? N-N ?sec .*\d* $/.test(l);

/** Keys in order, and the types of what they hold; of a list what its members are. */
function keys(v: unknown): unknown {
  if (Array.isArray(v)) return [...new Set(v.map((x) => JSON.stringify(keys(x))))].sort();
  if (typeof v === "object" && v !== null) return Object.entries(v).map(([k, x]) => [k, keys(x)]);
  return typeof v;
}

describe("iperf3 over TAP against the real one", { skip }, () => {
  const net = new RealNet();
  let ns: string;
  /** As printed by the real client to the real server. */
  const real = new Map<string, string>();
  let host: HostProcess;

  before(async () => {
    ns = net.ns("k");
    await net.ok(ns, "ip tuntap add tap0 mode tap; ip addr add 10.9.0.1/24 dev tap0; ip link set tap0 up");
    net.spawn(ns, ["iperf3", "-s"]);
    await net.ok(ns, "for i in $(seq 50); do ss -ltn | grep -q :5201 && break; sleep 0.1; done");
    await Promise.all(
      [...KINDS, ...JSON_KINDS].map(async (kind, i) => {
        const port = 6000 + i;
        net.spawn(ns, ["iperf3", "-s", "-1", "-p", String(port)]);
        await net.ok(ns, `for i in $(seq 50); do ss -ltn | grep -q :${port} && break; sleep 0.1; done`);
        real.set(kind, (await net.ok(ns, `iperf3 -c 127.0.0.1 -p ${port} ${kind}`)).replaceAll(`${port}`, "5201"));
      }),
    );
  });
  after(() => net.end());

  const agree = (kind: string, got: string): void => {
    const want = real.get(kind)!;
    if (kind.includes("-J")) {
      assert.deepEqual(keys(JSON.parse(got)), keys(JSON.parse(want)), kind);
      const end = JSON.parse(got).end;
      // Ticks of 10 ms: the short ones may take none.
      const cpu = end.cpu_utilization_percent;
      if (kind.includes("-t 1")) assert.ok(cpu.host_total > 0 && cpu.remote_total > 0, got);
      if (!kind.includes("-u")) assert.ok(end.sum_received.bytes > 0 && end.sum_sent.bytes >= end.sum_received.bytes);
      return;
    }
    const plain = (text: string): string[] => shape(text).filter((l) => !isLastInterval(l));
    assert.deepEqual(plain(got), plain(want), `${kind}\n${got}\n${want}`);
    for (const line of got.split("\n")) {
      // Nobody loses half, nothing stands still.
      const share = /\((\d[\d.e+-]*)%\) {2}receiver/.exec(line)?.[1];
      if (share !== undefined) assert.ok(Number(share) < 50, line);
      if (/receiver$/.test(line)) assert.doesNotMatch(line, / 0\.00 Bytes/, got);
    }
  };

  test("the real client, our server", { timeout: 120_000 }, async () => {
    host = await net.host(ns, [...TAP, "--exec", "iperf3 -s"]);
    await net.ok(ns, "for i in $(seq 50); do nc -z 10.9.0.2 9 && break; sleep 0.1; done");
    for (const kind of [...KINDS, ...JSON_KINDS]) {
      const got = (await net.ok(ns, `iperf3 -c 10.9.0.2 ${kind}`)).replaceAll("10.9.0.1", "10.9.0.2");
      agree(kind, got);
    }
    const busy = net.sh(ns, "iperf3 -c 10.9.0.2 -t 3");
    await net.ok(ns, "sleep 1");
    const other = await net.sh(ns, "iperf3 -c 10.9.0.2");
    assert.deepEqual(
      [other.code, other.err],
      [1, "iperf3: error - the server is busy running a test. try again later\n"],
    );
    assert.equal((await busy).code, 0);
    // A client that is killed leaves a server that serves.
    await net.sh(ns, "timeout -s KILL 1 iperf3 -c 10.9.0.2 -t 5");
    await net.sh(ns, "timeout -s INT 1 iperf3 -c 10.9.0.2 -t 5 -R");
    await net.ok(ns, "sleep 0.5; iperf3 -c 10.9.0.2 -n 1M");
    assert.match(host.err, /the client has terminated/);
    assert.doesNotMatch(host.err, /BUG/);
    await host.stop();
  });

  test("our client, the real server", { timeout: 120_000 }, async () => {
    // The real server needs a moment between tests: who comes at once is told that it is busy.
    const commands = [...KINDS, ...JSON_KINDS].map((kind) => `iperf3 -c 10.9.0.1 ${kind}; echo "=> $?"; sleep 0.1`);
    const r = await net.hostExec(ns, TAP, commands.join("; "));
    assert.equal(r.err, "");
    const parts = r.out.split(/^=> (\d+)\n/m);
    [...KINDS, ...JSON_KINDS].forEach((kind, i) => {
      assert.equal(parts[2 * i + 1], "0", `${kind}\n${parts[2 * i]}`);
      agree(kind, parts[2 * i]!);
    });
    const gone = await net.hostExec(
      ns,
      TAP,
      "iperf3 -c 10.9.0.1 -p 5999; echo $?; iperf3 -c 10.9.0.1 -t 1 -B 1.2.3.4; echo $?",
    );
    assert.equal(gone.out, "1\n1\n");
    assert.equal(
      gone.err,
      "iperf3: error - unable to connect to server: Connection refused\niperf3: error - unable to connect to server: Cannot assign requested address\n",
    );
  });
});
