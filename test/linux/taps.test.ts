// Many devices in one process: none waits for another's turn, nor do files, although Node has few threads (one that sleeps in
// poll() for each of them would leave none for the rest), and once they are closed the process ends by itself.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites("ping");
const COUNT = 6;

test("six TAPs and two threads", { skip }, async () => {
  const net = new RealNet();
  after(() => net.end());
  const ns = net.ns("k");
  for (let i = 0; i < COUNT; i++)
    await net.ok(ns, `ip tuntap add tap${i} mode tap; ip addr add 10.9.${i}.1/24 dev tap${i}; ip link set tap${i} up`);
  const p = net.spawn(ns, [
    ...["env", "UV_THREADPOOL_SIZE=2", process.execPath, "--import", "tsx", "test/linux/taps.ts", String(COUNT)],
  ]);
  let out = "";
  let err = "";
  p.stdout!.setEncoding("utf8").on("data", (d) => {
    out += d;
  });
  p.stderr!.setEncoding("utf8").on("data", (d) => {
    err += d;
  });
  const said = async (what: RegExp): Promise<void> => {
    while (!what.test(out)) {
      assert.equal(p.exitCode, null, err);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await said(/^ready\n/);
  // One after another, so that each of them sleeps before.
  for (let i = 0; i < COUNT; i++) {
    const r = await net.ok(ns, `ping -q -c 3 -i 0.2 -W 1 10.9.${i}.2`);
    assert.match(r, /3 packets transmitted, 3 received/);
  }
  p.stdin!.write("package.json\n");
  await said(/^ready\n\d+\n/);
  p.stdin!.end();
  const code = await new Promise((resolve) => p.on("close", resolve));
  assert.match(out, /\n\{"frames":0,"bugs":0\}\n$/);
  assert.equal(code, 0, err);
});
