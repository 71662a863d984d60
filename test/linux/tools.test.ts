// Options, output and exit codes are those of Debian's tools: the same commands, run by them on the real kernel and by ours on
// a machine of ours, compared byte for byte. Scenarios: scenarios.ts; what is normalised: compare.ts.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, normalise, runOurs, runReal } from "./compare.ts";
import { prerequisites } from "./rig.ts";
import { PROGRAMS, scenarios } from "./scenarios.ts";

const skip = prerequisites(...PROGRAMS);
const only = process.env.SCENARIO;

const chosen = scenarios.filter((s) => only === undefined || s.name === only);
/** All at the same time: most of it is waiting. */
const real = new Map(chosen.map((s) => [s, skip === false ? runReal(s) : null]));
for (const p of real.values()) p?.catch(() => {});

for (const s of chosen) {
  describe(s.name, { skip }, async () => {
    const debian = await real.get(s);
    if (!debian) return;
    const ours = runOurs(s);
    const show = (a: Answer, i: number): string =>
      `${normalise(a.out, s.commands[i]!.also)}--- stderr\n${normalise(a.err, s.commands[i]!.also)}--- exit code ${a.code}\n`;
    s.commands.forEach((c, i) => {
      if (c.background || c.quiet) return;
      test(`${c.at}# ${c.run}`, () => {
        if (c.differs === undefined) assert.equal(show(ours.answers[i]!, i), show(debian[i]!, i));
        else assert.notEqual(show(ours.answers[i]!, i), show(debian[i]!, i), `no longer differs: ${c.differs}`);
      });
    });
    test("no leak, no BUG, and the set-up worked", () => assert.deepEqual(ours.leaks, []));
  });
}
