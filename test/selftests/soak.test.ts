// Ten virtual minutes of 20 hosts that ping over cables that lose 5 %. The day is tools/soak.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type SoakResult, soak } from "./soak.ts";

function sound(r: SoakResult, seconds: number): void {
  assert.deepEqual(r.bugs, []);
  assert.deepEqual(r.left, {});
  assert.ok(r.sent > 19 * seconds, `${r.sent} sent`);
  // Two or four cables each way, plus the router's: most arrive, some do not.
  assert.ok(r.received > r.sent * 0.5 && r.received < r.sent * 0.9, `${r.received} of ${r.sent} received`);
  for (const [name, n] of Object.entries(r.live_end)) {
    const warm = r.live_warm[name] ?? 0;
    assert.ok(n <= warm * 1.5 + 60, `${name} grew from ${warm} to ${n}`);
  }
}

test("20 hosts ping for ten minutes under 5 % loss: nothing grows, nothing is left", () => {
  sound(soak({ seed: 7, seconds: 600 }), 600);
});

test("and send streams over TCP besides: the same", () => {
  const r = soak({ seed: 7, seconds: 60, streams: true });
  sound(r, 60);
  assert.ok(r.streamed > 10e6, `${r.streamed} bytes`);
});

test("the same seed gives the same frames and the same function calls; another seed does not", () => {
  const a = soak({ seed: 7, seconds: 60, functions: true, streams: true });
  const b = soak({ seed: 7, seconds: 60, functions: true, streams: true });
  const c = soak({ seed: 8, seconds: 60, functions: true, streams: true });
  assert.equal(a.hash, b.hash);
  assert.equal(a.frames, b.frames);
  assert.equal(a.events, b.events);
  assert.notEqual(a.hash, c.hash);
});
