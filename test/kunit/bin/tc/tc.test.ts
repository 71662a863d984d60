// tc against iproute2 6.1: recorded commands byte for byte (tools/record-netlink.mjs), and qdiscs that the recording kernel
// did not have, shown to the real tc by tools/record-fake-tc.mjs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { distribution } from "../../../../src/bin/tc/distribution.ts";
import { tc } from "../../../../src/bin/tc/tc.ts";
import { formatG, formatRate, formatSize, formatTime, parseRate, parseSize } from "../../../../src/bin/tc/units.ts";
import { loadGolden, replay, testRecording } from "../../../lib/replay_sys.ts";

testRecording("tc", { tc });

interface Fake {
  name: string;
  argv: string[];
  stdout: string;
  reply: string;
}
const fakes: Fake[] = JSON.parse(readFileSync(new URL("../golden/tc-fake.json", import.meta.url), "utf8"));
// The interfaces as any recording has them: lo is 1 everywhere.
const golden = loadGolden("tc");
const links = golden.cases[0].io[0];
for (const f of fakes) {
  // The real one breaks its JSON with plain text here.
  if (f.name === "unknown" && f.argv.includes("-j")) continue;
  test(`tc: ${f.name}: ${f.argv.join(" ")}`, () => {
    const blobs = [...golden.blobs, deflateRawSync(Buffer.from(f.reply, "base64")).toString("base64")];
    const io = [links, [0, blobs.length - 1]];
    const c = { command: f.name, argv: f.argv, status: 0, stdout: "", stderr: "", io, files: {} };
    const got = replay({ ...golden, blobs }, c, tc);
    assert.equal(got.stderr, "");
    assert.equal(got.stdout, f.stdout);
  });
}

test("units as tc prints them", () => {
  assert.equal(formatG(1000, 3), "1e+03");
  assert.equal(formatG(0.00001234), "1.234e-05");
  assert.equal(formatTime(123456), "123ms");
  assert.equal(formatTime(1234567), "1.23s");
  assert.equal(formatSize(10240), "10Kb");
  assert.equal(formatSize(1600), "1600b");
  assert.equal(formatRate(125000), "1Mbit");
  assert.equal(formatRate(32000), "256Kbit");
  assert.equal(parseRate("100mbps"), 100e6);
  assert.equal(parseSize("1m"), 1 << 20);
});

test("the delay distributions have mean 0 and the shape of their files", () => {
  for (const name of ["normal", "pareto", "paretonormal"]) {
    const t = distribution(name)!;
    assert.equal(t.length, 4096);
    const mean = t.reduce((sum, n) => sum + n, 0) / t.length;
    assert.ok(Math.abs(mean) < 400, `${name}: ${mean}`);
  }
  // The ends of pareto.dist as Debian ships it.
  assert.deepEqual([...distribution("pareto")!.slice(0, 5)], [-5461, -5460, -5460, -5459, -5458]);
  assert.equal(distribution("nosuch"), undefined);
});
