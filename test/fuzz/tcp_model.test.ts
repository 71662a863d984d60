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

test("a reader of a few bytes at a time: packed memory comes back page by page, so that an orphan's data is not dropped for minutes", () => {
  const r = run_scenario({
    seed: 2147483639,
    sides: [
      {
        writes: [
          { size: 65535, flags: 0, pause: 95, option: 0 },
          { size: 951, flags: 1, pause: 0, option: 4 },
          { size: 2959, flags: 0, pause: 0, option: 0 },
          { size: 2924, flags: 0, pause: 0, option: 0 },
          { size: 753, flags: 1, pause: 0, option: 2 },
          { size: 38, flags: 0, pause: 6, option: 3 },
          { size: 18817, flags: 0, pause: 0, option: 1 },
          { size: 536, flags: 0, pause: 0, option: 1 },
          { size: 57497, flags: 0, pause: 2, option: 0 },
        ],
        reads: [
          { size: 2353, pause: 7 },
          { size: 2302, pause: 2 },
        ],
        end: "abort",
        abort_after: 29992,
        rcvbuf: 30000,
        sndbuf: 30000,
        maxseg: 0,
        clamp: 0,
        nodelay: false,
        quickack: false,
        congestion: "cubic",
      },
      {
        writes: [{ size: 1337, flags: 0, pause: 23, option: 0 }],
        reads: [
          { size: 6, pause: 29 },
          { size: 7, pause: 1 },
        ],
        end: "shutdown",
        abort_after: 1110,
        rcvbuf: 0,
        sndbuf: 0,
        maxseg: 0,
        clamp: 6328,
        nodelay: true,
        quickack: false,
        congestion: "dctcp",
      },
    ],
    loss: 0.01,
    corrupt: 0,
    duplicate: 0.2,
    reorder: 0.3,
    reorder_us: 50,
    jitter_us: 100,
    delay_us: 0,
    rate: 1000000000,
    queue: 3,
    damage: 0,
    mtus: [{ side: 1, at: 2996, mtu: 1300 }],
    sysctls: ["tcp_recovery=2"],
    gro: true,
  } as Scenario);
  assert.equal(r.outcomes[1]!.read, 150_010);
});

// Found by the model: readers with buffers of a few packets, and a writer that has closed. Segments in the window were refused when their
// memory did not fit to the byte, so that the orphan gave up. (test/packetdrill/orphan: when Linux's orphans really give up.)
const SLOW: readonly [string, number, number][] = [
  [
    `{"seed":225477716,"sides":[{"writes":[{"size":58725,"flags":128,"pause":0,"option":0},{"size":623,"flags":0,"pause":0,"option":0},{"size":1278,"flags":0,"pause":0,"option":0},{"size":57289,"flags":0,"pause":15,"option":0},{"size":57737,"flags":0,"pause":0,"option":0}],"reads":[{"size":2672,"pause":2989}],"end":"shutdown","abort_after":7629,"rcvbuf":2304,"sndbuf":0,"maxseg":0,"clamp":0,"nodelay":false,"quickack":false,"congestion":"dctcp"},{"writes":[],"reads":[{"size":1395,"pause":665},{"size":535,"pause":2942},{"size":7,"pause":24}],"end":"shutdown","abort_after":2321,"rcvbuf":0,"sndbuf":0,"maxseg":0,"clamp":0,"nodelay":false,"quickack":false,"congestion":"dctcp"}],"loss":0.01,"corrupt":0,"duplicate":0,"reorder":0,"reorder_us":1000,"jitter_us":0,"delay_us":100,"rate":100000000,"queue":10,"damage":0,"mtus":[{"side":0,"at":2469,"mtu":1499},{"side":1,"at":2031,"mtu":1500},{"side":0,"at":1241,"mtu":1006}],"sysctls":["tcp_mtu_probing=2","tcp_reflect_tos=1"],"gro":false}`,
    0,
    175_652,
  ],
  [
    `{"seed":1635158109,"sides":[{"writes":[{"size":17258,"flags":0,"pause":29,"option":3},{"size":495,"flags":0,"pause":60,"option":0},{"size":1876,"flags":0,"pause":51,"option":0},{"size":37,"flags":0,"pause":0,"option":0},{"size":1900,"flags":0,"pause":0,"option":0}],"reads":[{"size":757,"pause":1081},{"size":2247,"pause":0},{"size":1456,"pause":9}],"end":"shutdown","abort_after":25483,"rcvbuf":1200,"sndbuf":2304,"maxseg":94,"clamp":535,"nodelay":true,"quickack":true,"congestion":"reno"},{"writes":[{"size":1890,"flags":0,"pause":0,"option":0}],"reads":[{"size":39335,"pause":0}],"end":"shutdown","abort_after":25933,"rcvbuf":0,"sndbuf":0,"maxseg":0,"clamp":0,"nodelay":false,"quickack":true,"congestion":"cubic"}],"loss":0.01,"corrupt":0,"duplicate":0,"reorder":0,"reorder_us":1000,"jitter_us":0,"delay_us":0,"rate":1000000000,"queue":3,"damage":0.01,"mtus":[{"side":1,"at":1563,"mtu":1499}],"sysctls":["tcp_timestamps=0","tcp_window_scaling=0","tcp_recovery=2","tcp_comp_sack_nr=0"],"gro":false}`,
    1890,
    21_566,
  ],
];
test("a slow reader with a tiny buffer gets everything of a peer that has closed", () => {
  for (const [text, first, second] of SLOW) {
    const r = run_scenario(JSON.parse(text) as Scenario);
    assert.equal(r.lonely, false);
    assert.deepEqual(
      r.outcomes.map((o) => o.read),
      [first, second],
    );
  }
});

test("the client's namespace ends with the programs: what is left there, in whatever state, goes with it", () => {
  const writes = [write(30_000), write(20_000, 5)];
  for (const loss of [0, 0.15]) {
    const r = run_scenario({
      ...calm,
      loss,
      ns_end: true,
      sides: [
        { ...plain, writes },
        { ...plain, writes },
      ],
    });
    assert.equal(r.outcomes[0]!.read, 50_000);
  }
});
