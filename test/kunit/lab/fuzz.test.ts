// Hostile topology files: no exception, no endless loop, and a lab that is ok has consistent parts.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDiagnostic } from "../../../src/lab/diagnostics.ts";
import type { Topology } from "../../../src/lab/topology.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { memoryTree } from "../../../src/lab/tree.ts";

function check(t: Topology): void {
  for (const d of t.diagnostics) assert.ok(formatDiagnostic(d).length < 2000);
  assert.equal(t.ok, !t.diagnostics.some((d) => d.severity === "fatal"));
  const segments = new Map(t.segments.map((s) => [s.name, s]));
  assert.equal(segments.size, t.segments.length);
  for (const m of t.machines) {
    assert.equal(new Set(m.interfaces.map((i) => i.index)).size, m.interfaces.length);
    for (const i of m.interfaces) {
      assert.ok(
        segments.get(i.segment)?.ends.some((e) => e.machine === m.name && e.index === i.index),
        i.segment,
      );
    }
    for (const f of m.files) assert.ok(f.path.startsWith("/") && !f.path.includes(".."));
  }
}

const piece = fc.constantFrom(
  ..."pc1 r1 [ ] 0 1 [0] [1] = \" ' A B /02:00:00:00:00:01 # \n \t link [A] rate= 10mbit loss= % cpus sysctl env exec ../ __proto__ constructor \r\n LAB_NAME \0 é".split(
    " ",
  ),
);

test("lab.conf", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.array(piece, { maxLength: 60 }).map((p) => p.join("")),
  );
  fc.assert(
    fc.property(text, fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 3 }), (conf, files) => {
      check(loadTopology(memoryTree({ ...Object.fromEntries(files), "lab.conf": conf })));
    }),
    { numRuns: 3000 },
  );
});

const yamlPiece = fc.constantFrom(
  "topology:",
  "\n",
  "\n  ",
  "\n    ",
  "\n      ",
  "nodes:",
  "links:",
  "- ",
  "a",
  "b",
  ": ",
  "{",
  "}",
  "[",
  "]",
  ", ",
  "&x ",
  "*x",
  "<<: ",
  "endpoints:",
  "a:eth1",
  "b:eth1",
  "kind: bridge",
  "exec:",
  "|",
  ">",
  '"',
  "'",
  "#",
  "!!map",
  "?",
  "binds:",
  "./x:/y",
  "env:",
  "mtu: 9",
  "__proto__",
  "%",
  "---",
  "null",
);

test("containerlab", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.array(yamlPiece, { maxLength: 60 }).map((p) => p.join("")),
  );
  fc.assert(
    fc.property(text, (yaml) => check(loadTopology(memoryTree({ "t.clab.yml": yaml })))),
    { numRuns: 3000 },
  );
});

test("containerlab, well-formed YAML of the wrong shape", () => {
  const keys = [
    "topology",
    "nodes",
    "links",
    "endpoints",
    "kind",
    "exec",
    "env",
    "a",
    "b",
    "<<",
    "type",
    "node",
    "interface",
    "labels",
    "cpu",
  ];
  const value = fc.letrec((tie) => ({
    v: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom("a:eth1", "b:eth1", "bridge", "linux", "a", "b", 5, null, "veth", "x y"),
      fc.array(tie("v"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie("v"), { maxKeys: 4 }),
    ),
  })).v;
  fc.assert(
    fc.property(value, value, (nodes, links) => {
      check(loadTopology(memoryTree({ "t.clab.yml": JSON.stringify({ topology: { nodes, links } }) })));
    }),
    { numRuns: 3000 },
  );
});
