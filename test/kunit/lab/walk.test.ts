// Parts of the walk that need no lab: hints cover every drop reason, words for notes, headers over any bytes.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { innerTuple, tupleOf } from "../../../src/lab/walk/headers.ts";
import { explained } from "../../../src/lab/walk/hints.ts";
import { phaseOf } from "../../../src/lab/walk/phases.ts";
import { icmpName, noteWords } from "../../../src/lab/walk/words.ts";

const SRC = new URL("../../../src", import.meta.url).pathname;

test("every drop reason that the sources use has an explanation", () => {
  const used = new Set<string>();
  for (const room of ["net", "drivers"]) {
    for (const f of readdirSync(join(SRC, room), { recursive: true, encoding: "utf8" })) {
      if (!f.endsWith(".ts") || f.endsWith("dropreason.ts")) continue;
      for (const m of readFileSync(join(SRC, room, f), "utf8").matchAll(/SKB_DROP_REASON_([A-Z0-9_]+)/g))
        used.add(m[1]!);
    }
  }
  const missing = [...used].filter((r) => !explained.includes(r));
  assert.deepEqual(missing, []);
});

test("phases", () => {
  assert.equal(phaseOf("ip_rcv"), "ip");
  assert.equal(phaseOf("ip_route_input_slow"), "route");
  assert.equal(phaseOf("igb_tx_map"), "driver");
  assert.equal(phaseOf("no_such_function"), "net");
  const traced = readFileSync(join(SRC, "kernel/trace_fn.ts"), "utf8").matchAll(/^export const F_(\w+)/gm);
  const unplaced = [...traced].map((m) => m[1]!).filter((fn) => phaseOf(fn) === "net");
  assert.deepEqual(unplaced, [], "each traced function has its part of the stack");
});

test("notes in words", () => {
  assert.equal(
    noteWords({ kind: "fib", daddr: "10.0.2.2", prefix: "10.0.2.0/24", table: 254, type: 1, via: "", dev: "eth1" }),
    "10.0.2.2 matches 10.0.2.0/24 dev eth1 (table main)",
  );
  assert.equal(noteWords({ kind: "fib", daddr: "10.9.9.9", error: -101 }), "no route to 10.9.9.9 (ENETUNREACH)");
  assert.equal(noteWords({ kind: "new", a: 1 }), "new a 1");
  assert.equal(icmpName(3, 4), "fragmentation needed");
  assert.equal(icmpName(99, 1), "type 99 code 1");
});

test("headers are read from bytes of any length without an exception", () => {
  let x = 1;
  const rnd = (): number => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return x >>> 16;
  };
  for (let i = 0; i < 20000; i++) {
    const bytes = new Uint8Array(rnd() % 100).map(() => rnd());
    if (bytes.length > 14) {
      bytes[12] = 8;
      bytes[13] = rnd() % 8;
    }
    const c = { l2: true, bytes, len: bytes.length };
    tupleOf(c);
    innerTuple(c);
  }
});
