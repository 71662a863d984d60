// Wire input never throws: ip, ss and tc end normally whatever bytes the kernel's answers hold.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { ip } from "../../../../src/bin/ip/ip.ts";
import { ss } from "../../../../src/bin/ss/ss.ts";
import { tc } from "../../../../src/bin/tc/tc.ts";
import type { Program } from "../../../../src/uapi/sys.ts";
import { loadGolden, replay } from "../../../lib/replay_sys.ts";

/** A small generator of numbers below n, the same in every run. */
function random(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * n);
  };
}

const programs: Record<string, Program> = { ip, ss, tc };
for (const name of ["ip-link-show", "ip-addr", "ip-route", "ip-neigh", "ip-rule", "ip-misc", "ss", "tc"])
  test(`${name}: corrupted and cut answers`, () => {
    const golden = loadGolden(name);
    const next = random(name.length);
    for (let round = 0; round < 3; round++) {
      const blobs = golden.blobs.map((b) => {
        let bytes = Buffer.from(inflateRawSync(Buffer.from(b, "base64")));
        // Headers stay mostly whole, so that the damage is met behind them.
        for (let n = next(8); n > 0 && bytes.length > 17; n--) bytes[16 + next(bytes.length - 16)] = next(256);
        if (next(4) === 0) bytes = bytes.subarray(0, next(bytes.length + 1));
        return deflateRawSync(bytes).toString("base64");
      });
      for (const c of golden.cases) {
        const got = replay({ ...golden, blobs }, c, programs[c.argv[0]]);
        assert.ok(got.status >= 0 && got.status <= 255, c.command);
      }
    }
  });
