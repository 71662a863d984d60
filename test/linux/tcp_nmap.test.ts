// What a scanner can tell of a machine of ours, beside what it tells of the real kernel behind a veth: every kind of TCP scan,
// the path, and the fingerprint of nmap -O line by line (its sixteen probes are odd packets to open and closed ports).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("nmap", "python3", "ip");
/** The services of `skbuff host`, for the kernel. */
const SERVICES = `
import socket, threading
def serve(port, answer):
    l = socket.socket(); l.setsockopt(1, 2, 1); l.bind(("", port)); l.listen(64)
    def one(c):
        try:
            while True:
                b = c.recv(65536)
                if not b: break
                if answer: c.sendall(b)
        except OSError: pass
        c.close()
    while True: threading.Thread(target=one, args=(l.accept()[0],), daemon=True).start()
threading.Thread(target=serve, args=(9, False), daemon=True).start()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 7))
serve(7, True)
`;
const MAC = "02:00:00:00:00:02";

/** "T1(R=Y%DF=Y…)" of nmap's subject fingerprint, by name of the test and of the field. */
function fingerprint(out: string): Record<string, Record<string, string>> {
  const text = (/^TCP\/IP fingerprint:\n((?:.+\n)*)/m.exec(out)?.[1] ?? "").replace(/^OS:|\n/gm, "");
  const tests: Record<string, Record<string, string>> = {};
  for (const m of text.matchAll(/([A-Z]+\d?)\(([^)]*)\)/g))
    tests[m[1]!] = Object.fromEntries(m[2]!.split("%").map((f) => f.split("=") as [string, string]));
  return tests;
}

describe("nmap sees the same kernel", { skip }, () => {
  const net = new RealNet();
  /** Where nmap runs against the kernel, and against ours. */
  let beside: [string, string];
  /** nmap with these arguments, against both at once. */
  const both = (args: string): Promise<[string, string]> =>
    Promise.all(beside.map((ns) => net.ok(ns, `nmap -n -Pn -T5 ${args} 10.9.0.2`, { timeout: 120_000 }))) as Promise<
      [string, string]
    >;

  before(async () => {
    const [a, k, t] = [net.ns("a"), net.ns("k"), net.ns("t")];
    await net.ok(a, `ip link add va type veth peer name vb address ${MAC} netns ${k}`);
    await net.ok(a, "ip addr add 10.9.0.1/24 dev va; ip link set va up");
    await net.ok(k, "ip addr add 10.9.0.2/24 dev vb; ip link set vb up; ip route add default via 10.9.0.1");
    net.spawn(k, ["python3", "-c", SERVICES]);
    await net.host(t, ["--tap", "tap0", "--ip", "10.9.0.2/24", "--gw", "10.9.0.1", "--mac", MAC]);
    await net.ok(t, "ip addr add 10.9.0.1/24 dev tap0");
    beside = [a, t];
    for (const ns of beside)
      await net.ok(ns, "for i in $(seq 50); do nmap -n -Pn -sT -p 7 10.9.0.2 | grep -q open && break; sleep 0.1; done");
  });
  after(() => net.end());

  test("-O: each line of the fingerprint", async () => {
    const out = await both("-O -d --osscan-guess -p 7,8");
    const [kernel, ours] = out.map(fingerprint) as [ReturnType<typeof fingerprint>, ReturnType<typeof fingerprint>];
    const names = ["SCAN", "SEQ", "OPS", "WIN", "ECN", "T1", "T2", "T3", "T4", "T5", "T6", "T7", "U1", "IE"];
    assert.deepEqual(Object.keys(kernel), names);
    // How predictable initial sequence numbers are and how fast they grow is an estimate from six of them.
    for (const field of ["SP", "ISR", "GCD"]) {
      const [x, y] = [kernel, ours].map((f) => Number.parseInt(f.SEQ![field]!, 16)) as [number, number];
      assert.ok(Math.abs(x - y) <= (field === "GCD" ? 4 : 24), `${field}: ${x.toString(16)} and ${y.toString(16)}`);
      delete kernel.SEQ![field];
      delete ours.SEQ![field];
    }
    // The IDs of ICMP grow by a random share of the time in between: how much of it that looks like is a matter of load.
    for (const f of [kernel, ours]) {
      assert.match(f.SEQ!.II ?? "I", /^R?I$/);
      delete f.SEQ!.II;
    }
    // The timestamp clock of each connection starts elsewhere: nmap sees no clock, or by chance a wrong one.
    for (const f of [kernel, ours]) delete f.SEQ!.TS;
    for (const name of names.slice(1)) assert.deepEqual(ours[name], kernel[name], name);
    for (const text of out) assert.match(text, /^(Aggressive OS guesses|OS details): Linux /m);
  });

  test("every scan: the state of open and closed ports, and why", async () => {
    const scans = ["-sS", "-sT", "-sF", "-sX", "-sN", "-sA", "-sW", "-sM", "-sS --scanflags SYNFIN", "-sS --badsum"];
    // They wait for answers that do not come: five of them at a time.
    for (let i = 0; i < scans.length; i += 5) {
      await Promise.all(
        scans.slice(i, i + 5).map(async (scan) => {
          const [kernel, ours] = (await both(`${scan} --reason --max-retries 1 -p 7-9`)).map((text) =>
            (text.match(/^(PORT|\d+\/tcp) .*|^All .*ports.*/gm) ?? []).join("\n"),
          );
          assert.match(kernel!, /7-9|7\/tcp|3 scanned/);
          assert.equal(ours, kernel, scan);
        }),
      );
    }
  });

  test("--traceroute over TCP and ICMP: one hop", async () => {
    for (const how of ["-sS -p 7", "-sn -PE"]) {
      const [kernel, ours] = (await both(`${how} --traceroute`)).map((text) =>
        (text.match(/^(TRACEROUTE.*|HOP .*|\d+ +[\d.]+ ms .*)$/gm) ?? []).join("\n").replace(/[\d.]+ ms/g, "- ms"),
      );
      assert.match(kernel!, /^1 +- ms 10\.9\.0\.2$/m);
      assert.equal(ours, kernel);
    }
  });

  test("-sV: echo is recognised", async () => {
    const [kernel, ours] = (await both("-sV --version-light -p 7,8")).map((text) =>
      (text.match(/^\d+\/tcp .*/gm) ?? []).join("\n"),
    );
    assert.match(kernel!, /^7\/tcp open +echo/);
    assert.equal(ours, kernel);
  });
});
