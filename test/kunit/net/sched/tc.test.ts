// tc against a transcript of Linux 6.18 (golden/tc.txt, made by `bash golden/tc.sh` in a fresh namespace).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TextCollector } from "../../../../src/api/machine.ts";
import { createWorld } from "../../../../src/api/world.ts";
import { live_counts } from "../../../../src/kernel/kernel.ts";

const golden = (name: string): string => readFileSync(new URL(`./golden/${name}`, import.meta.url), "utf8");
/** Handles that the kernel chose: Linux counts them for all namespaces. */
const normal = (text: string): string[] =>
  text
    .replace(/\b80[0-9a-f]{2}:/g, "AUTO:")
    .trimEnd()
    .split("\n");

test("tc qdisc and class: adding, changing, grafting, deleting, refusing, as Linux answers", () => {
  const world = createWorld();
  const m = world.createMachine({ debug: true });
  m.writeFile("/tmp/tc.sh", golden("tc.sh"));
  const out = new TextCollector();
  const p = m.exec("sh /tmp/tc.sh", { stdout: out.push, stderr: out.push });
  world.wait(p, 600e9);
  assert.deepEqual(normal(out.text()), normal(golden("tc.txt")));
  assert.deepEqual(m.kernel.bugs, []);
  m.poweroff();
  for (const [name, n] of Object.entries(live_counts(m.kernel))) assert.equal(n, 0, name);
});

test("net.core.default_qdisc: an unknown discipline is -ENOENT, a known one serves the next device", () => {
  const world = createWorld();
  const m = world.createMachine({ debug: true });
  const sh = (command: string): string => {
    const out = new TextCollector();
    const p = m.exec(command, { stdout: out.push, stderr: out.push });
    world.wait(p, 10e9);
    return out.text();
  };
  assert.match(sh("echo nosuch > /proc/sys/net/core/default_qdisc"), /No such file or directory/);
  assert.equal(sh("cat /proc/sys/net/core/default_qdisc"), "pfifo_fast\n");
  sh("echo pfifo > /proc/sys/net/core/default_qdisc");
  m.addNic(Uint8Array.of(2, 0, 0, 0, 0, 1));
  sh("ip link set eth0 up");
  const shown = sh("tc qdisc show dev eth0");
  assert.match(shown, /^qdisc (mq 0: root|pfifo 0: root refcnt 2 limit 1000p)/);
  assert.match(shown, /qdisc pfifo 0: /);
  m.poweroff();
});

test("tc filter show: no classifier, so no filter; Linux answers with an empty list", () => {
  const world = createWorld();
  const m = world.createMachine({ debug: true });
  const out = new TextCollector();
  const p = m.exec("tc filter show dev lo; echo $?", { stdout: out.push, stderr: out.push });
  world.wait(p, 10e9);
  assert.equal(out.text(), "0\n");
  m.poweroff();
});
