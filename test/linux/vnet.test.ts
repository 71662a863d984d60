// TAP with IFF_VNET_HDR against Linux: UDP GSO in both directions, sums left open, and what ethtool -K changes.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("python3", "ping", "tcpdump");

/** 40 datagrams of 1,000 bytes by one send with UDP_SEGMENT to the echo port; all must come back as they were. */
const SEND = (size: number, count: number): string => `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 103, ${size})
s.settimeout(3)
s.bind(("10.9.0.1", 0))
data = bytes((i * 7 + (i >> 8)) & 255 for i in range(${size * count}))
assert s.sendto(data, ("10.9.0.2", 7)) == len(data)
got = [s.recv(65535) for _ in range(${count})]
assert b"".join(got) == data, "another content"
assert all(len(g) == ${size} for g in got)
print("ok")
`;

describe("a virtio card of ours on a TAP", { skip }, () => {
  const net = new RealNet();
  let ns: string;
  let peer: ChildProcess;
  let lines: AsyncIterator<string>;

  const ask = async (request: object): Promise<{ exitCode: number; stdout: string; stderr: string }> => {
    peer.stdin!.write(`${JSON.stringify(request)}\n`);
    return JSON.parse((await lines.next()).value);
  };
  const ours = async (command: string): Promise<string> => {
    const r = await ask({ run: command });
    assert.equal(r.exitCode, 0, `${command}: ${r.stderr}`);
    return r.stdout;
  };
  const stat = async (name: string): Promise<number> =>
    Number(new RegExp(`${name}: (\\d+)`).exec(await ours("ethtool -S eth0"))?.[1] ?? Number.NaN);
  const csum_errors = async (): Promise<number> =>
    Number((await net.ok(ns, "grep ^Udp: /proc/net/snmp | tail -1")).trim().split(/\s+/)[7]);

  before(async () => {
    ns = net.ns("v");
    peer = net.spawn(ns, [
      process.execPath,
      "--import",
      "tsx",
      "test/linux/vnet_peer.ts",
      "tapv",
      "10.9.0.2/24",
      "virtio",
    ]);
    peer.stderr!.pipe(process.stderr);
    lines = createInterface({ input: peer.stdout! })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, "ready");
    await net.ok(ns, "ip addr add 10.9.0.1/24 dev tapv");
  });
  after(() => net.end());

  test("ethtool: the driver and its features", async () => {
    assert.match(await ours("ethtool -i eth0"), /driver: virtio_net\n/);
    const k = await ours("ethtool -k eth0");
    for (const f of [
      "tx-checksum-ip-generic",
      "tx-tcp-segmentation",
      "tx-udp-segmentation",
      "rx-gro-hw",
      "rx-checksumming",
    ]) {
      assert.match(k, new RegExp(`${f}: on`), f);
    }
    await net.ok(ns, "ping -c 2 -i 0.1 -s 1400 10.9.0.2");
  });

  test("from Linux: 40 datagrams of one send are one packet here, and each is delivered", async () => {
    const before = [await stat("rx0_gso_packets"), await stat("rx0_packets")];
    assert.equal(await net.python(ns, SEND(1000, 40)), "ok\n");
    assert.equal((await stat("rx0_gso_packets")) - before[0]!, 1);
    assert.ok((await stat("rx0_packets")) - before[1]! <= 3);
    assert.match(await ours("nstat -az UdpInCsumErrors"), /UdpInCsumErrors +0 /);
    assert.equal(await csum_errors(), 0);
  });

  test("odd sizes, a short last one, the largest", async () => {
    for (const [size, count] of [
      [1, 3],
      [999, 64],
      [1472, 44],
      [7, 9],
    ] as const) {
      assert.equal(await net.python(ns, SEND(size, count)), "ok\n");
    }
    assert.equal(await csum_errors(), 0);
  });

  test("ethtool -K rx-gro-hw off: Linux cuts; rx off: Linux sums as well", async () => {
    await ours("ethtool -K eth0 rx-gro-hw off");
    const gso = await stat("rx0_gso_packets");
    const packets = await stat("rx0_packets");
    assert.equal(await net.python(ns, SEND(1000, 40)), "ok\n");
    assert.equal(await stat("rx0_gso_packets"), gso);
    assert.ok((await stat("rx0_packets")) - packets >= 40);
    await ours("ethtool -K eth0 rx off");
    assert.equal(await net.python(ns, SEND(1000, 40)), "ok\n");
    assert.match(await ours("nstat -az UdpInCsumErrors"), /UdpInCsumErrors +0 /);
    await ours("ethtool -K eth0 rx on");
    await ours("ethtool -K eth0 rx-gro-hw on");
    assert.equal(await net.python(ns, SEND(1000, 40)), "ok\n");
    assert.equal(await stat("rx0_gso_packets"), gso + 1);
  });

  for (const how of ["as it is", "tx-udp-segmentation off", "tx off"]) {
    test(`to Linux, ${how}: UDP_SEGMENT of ours arrives whole, in order, with right sums`, async () => {
      if (how !== "as it is") await ours(`ethtool -K eth0 ${how}`);
      const size = 1200;
      const count = 30;
      const receiver = net.python(
        ns,
        `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.9.0.1", 5000))
s.settimeout(5)
got = [s.recv(65535) for _ in range(${count})]
data = b"".join(got)
assert data == bytes(((i >> 8) ^ i) & 255 for i in range(${size * count})), "another content"
assert all(len(g) == ${size} for g in got)
print("ok")
`,
      );
      for (;;) {
        if (/:5000/.test(await net.ok(ns, "ss -uln"))) break;
      }
      const gso = await stat("tx0_gso_packets");
      assert.equal((await ask({ gso: ["10.9.0.1", 5000, size, count] })).exitCode, 0);
      assert.equal(await receiver, "ok\n");
      assert.equal((await stat("tx0_gso_packets")) - gso, how === "as it is" ? 1 : 0);
      assert.equal(await csum_errors(), 0);
      if (how !== "as it is") await ours(`ethtool -K eth0 ${how.replace("off", "on")}`);
    });
  }

  test("the sums on the wire, by tcpdump: open ones only where a side said that it fills them in", async () => {
    await ours("ethtool -K eth0 tx off");
    const dump = net.ok(ns, "timeout 10 tcpdump -i tapv -c 3 -nvvl 'udp and src 10.9.0.2' 2>/dev/null", {
      timeout: 15_000,
    });
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal((await ask({ gso: ["10.9.0.1", 5001, 1000, 3] })).exitCode, 0);
    assert.equal((await dump).match(/\[udp sum ok\]/g)?.length, 3);
    await ours("ethtool -K eth0 tx on");
  });

  test("nothing is left when the machine goes", async () => {
    peer.stdin!.end();
    assert.deepEqual(JSON.parse((await lines.next()).value), { left: [], bugs: 0 });
  });
});
