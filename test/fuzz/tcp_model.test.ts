// TCP as a pipe, whatever the cable does: random programs, options, sysctls and faults (tcp_model.ts). `node tools/fuzz.mjs tcp` runs more.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { run_scenario, type Scenario, type Side, scenario } from "./tcp_model.ts";

test("two peers, random programs and faults: equal streams, both ends finish, nothing is left", () => {
  fc.assert(
    fc.property(scenario, (c) => {
      run_scenario(c);
    }),
    { seed: 1, numRuns: 60, endOnFailure: false },
  );
});

test("the same seed: the same counters", () => {
  for (const c of fc.sample(scenario, { seed: 42, numRuns: 4 })) {
    const one = run_scenario(c);
    const two = run_scenario(c);
    assert.deepEqual(one, two);
  }
});

const plain: Side = {
  writes: [],
  reads: [{ size: 60_000, pause: 0 }],
  end: "shutdown",
  abort_after: 0,
  rcvbuf: 0,
  sndbuf: 0,
  maxseg: 0,
  clamp: 0,
  nodelay: false,
  quickack: true,
  congestion: "cubic",
};
const calm: Scenario = {
  seed: 1,
  sides: [plain, plain],
  loss: 0,
  corrupt: 0,
  duplicate: 0,
  reorder: 0,
  reorder_us: 0,
  jitter_us: 0,
  delay_us: 1000,
  rate: 1e8,
  queue: 1000,
  damage: 0,
  mtus: [],
  sysctls: [],
  gro: true,
};
const write = (size: number, pause = 0): Side["writes"][0] => ({ size, flags: 0, pause, option: 0 });

test("damage that the cards let through: TCP's own checksum finds it in every segment (RFC 9293 section 3.1)", () => {
  for (const gro of [true, false]) {
    const writes = Array.from({ length: 20 }, () => write(10_000));
    const r = run_scenario({
      ...calm,
      gro,
      damage: 0.1,
      sides: [
        { ...plain, writes },
        { ...plain, writes },
      ],
    });
    // Tcp: … InErrs OutRsts InCsumErrors
    const line = r.counters.split("\n").filter((l) => l.startsWith("Tcp: "))[1]!;
    assert.ok(Number(line.split(" ").at(-1)) > 5, line);
  }
});
