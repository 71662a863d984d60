// containerlab YAML: nodes, layers, links of both forms, bridges; every mistake with line and column.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDiagnostic } from "../../../src/lab/diagnostics.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { memoryTree } from "../../../src/lab/tree.ts";

function load(yaml: string, more: Record<string, string> = {}) {
  const t = loadTopology(memoryTree({ "x.clab.yml": yaml, ...more }), { folder: "demo" });
  return { t, said: t.diagnostics.map(formatDiagnostic) };
}

test("layers, both link forms, labels, binds", () => {
  const { t, said } = load(
    `name: demo1
topology:
  defaults:
    kind: linux
    env: {COMMON: "1"}
  kinds:
    linux:
      image: alpine
      exec: [ip link set lo up]
  groups:
    routers:
      sysctls: {net.ipv4.ip_forward: 1}
  nodes:
    r1:
      group: routers
      cpu: 2
      labels: {nic: igb, queues: 4, owner: me}
      exec:
        - ip addr add 10.0.0.1/24 dev eth1
        - |
          ip addr add 10.0.1.1/24 dev eth2
          ip link set eth2 up
    h1:
      mtu: 1400
      binds:
        - ./conf/hosts:/etc/hosts:ro
        - conf:/srv/__clabNodeName__
    h2:
  links:
    - endpoints: ["r1:eth1", "h1:eth1"]
      vars: {rate: 10mbit, delay: 1ms}
    - type: veth
      mtu: 1300
      endpoints:
        - {node: r1, interface: eth2, mac: "02:00:00:00:00:0A"}
        - node: h2
          interface: ens3
      labels: {loss: 2%, colour: red}
`,
    { "conf/hosts": "127.0.0.1 x\n" },
  );
  assert.deepEqual(said, []);
  assert.equal(t.name, "demo1");
  const [r1, h1, h2] = t.machines;
  assert.deepEqual([r1.cpus, r1.nic, r1.queues], [2, "igb", 4]);
  assert.deepEqual(r1.sysctls, [["net.ipv4.ip_forward", "1"]]);
  assert.deepEqual(h2.env, [["COMMON", "1"]]);
  assert.deepEqual(
    r1.startup.map((s) => [s.startLine, s.text]),
    [
      [9, "ip link set lo up"],
      [19, "ip addr add 10.0.0.1/24 dev eth1"],
      [21, "ip addr add 10.0.1.1/24 dev eth2\nip link set eth2 up\n"],
    ],
  );
  assert.deepEqual(
    h1.files.map((f) => f.path),
    ["/etc/hosts", "/srv/h1/hosts"],
  );
  assert.deepEqual(
    [...r1.interfaces, ...h1.interfaces, ...h2.interfaces].map((i) => [i.index, i.name, i.segment, i.mac, i.mtu]),
    [
      [1, "eth1", "r1:eth1-h1:eth1", undefined, undefined],
      [2, "eth2", "r1:eth2-h2:ens3", "02:00:00:00:00:0a", 1300],
      [1, "eth1", "r1:eth1-h1:eth1", undefined, 1400],
      [1, "ens3", "r1:eth2-h2:ens3", undefined, 1300],
    ],
  );
  assert.deepEqual(
    t.segments.map((s) => s.link),
    [
      { rate_bps: 1e7, delay_ns: 1e6 },
      { loss: 0.02, mtu: 1300 },
    ],
  );
});

test("a bridge is a shared segment; two joined bridges are one", () => {
  const { t, said } = load(`topology:
  nodes: {b1: {kind: bridge}, b2: {kind: bridge}, a: {}, b: {}, c: {}}
  links:
    - endpoints: [a:eth1, b1:p1]
    - endpoints: [b2:p9, b1:p9]
    - endpoints: [b:eth1, b2:p1]
    - endpoints: [c:eth1, b1:p2]
`);
  assert.deepEqual(said, []);
  assert.deepEqual(t.segments, [
    {
      name: "b2",
      hub: true,
      link: {},
      ends: [
        { machine: "a", index: 1 },
        { machine: "b", index: 1 },
        { machine: "c", index: 1 },
      ],
    },
  ]);
});

test("anchors and merge keys", () => {
  const { t, said } = load(`topology:
  nodes:
    a: &host
      exec: [ip link set eth1 up]
    b:
      <<: *host
      env: {X: y}
    c: *host
  links: [{endpoints: [a:eth1, b:eth1]}]
`);
  assert.deepEqual(said, []);
  assert.deepEqual(
    t.machines.map((m) => m.startup.length),
    [1, 1, 1],
  );
});

const at = "x.clab.yml";

test("mistakes are named with line, column and outcome", () => {
  const cases: [string, string[]][] = [
    ["topology:\n  nodes:\n    a: {foo: 1}\n", [`${at}:3:9: unknown option "foo" of node a: skipped`]],
    [
      "topology:\n  nodes:\n    a: {exce: []}\n",
      [`${at}:3:9: unknown option "exce" of node a (did you mean "exec"?): skipped`],
    ],
    [
      "topolgy: 1\n",
      [
        `${at}:1:1: unknown key "topolgy" (did you mean "topology"?): skipped`,
        `${at}:1:1: "topology" is missing: fatal`,
      ],
    ],
    ["topology: 5\n", [`${at}:1:11: "topology" is not a mapping: fatal`]],
    [
      "topology:\n  nodes: {a: {}}\n  links:\n    - endpoints: [a:eth1, bb:eth1]\n",
      [`${at}:4:27: no node "bb": fatal`],
    ],
    [
      "topology:\n  nodes: {a: {}}\n  links:\n    - endpoints: [a:eth1]\n",
      [`${at}:4:7: a link of type veth has 2 endpoints, not 1: fatal`],
    ],
    [
      "topology:\n  nodes: {a: {}, b: {}}\n  links:\n    - endpoints: [a:eth1, b]\n",
      [`${at}:4:27: an endpoint is "NODE:INTERFACE", not "b": fatal`],
    ],
    [
      "topology:\n  nodes: {a: {}, b: {}}\n  links:\n    - endpoints: [a:eth1, a:eth1]\n",
      [`${at}:4:27: a:eth1 is already used on line 4: fatal`],
    ],
    [
      "topology:\n  nodes: {a: {kind: ceos}}\n",
      [`${at}:2:15: kind "ceos" of node a is not known, it runs as kind linux: the kind: skipped`],
    ],
    [
      "topology:\n  nodes: {a: {}}\n  links:\n    - type: vxlan\n",
      [`${at}:4:7: link of type "vxlan" reaches outside of the lab, which it cannot: skipped`],
    ],
    [
      "topology:\n  nodes: {a: {binds: ['../../etc/passwd:/x']}}\n",
      [`${at}:2:23: bind "../../etc/passwd:/x" of a leaves the lab folder: skipped`],
    ],
    [
      "topology:\n  nodes: {a: {binds: ['/etc/passwd:/x']}}\n",
      [`${at}:2:23: bind "/etc/passwd:/x" of a leaves the lab folder: skipped`],
    ],
    [
      "topology:\n  nodes: {a: {ports: ['80:80']}}\n",
      [`${at}:2:15: option ports of a: no port of this computer is forwarded into a lab: no effect here`],
    ],
    ["topology:\n  nodes: {a: {}, a: {}}\n", [`${at}:2:18: "a" again (first on line 2): fatal`]],
    ["topology:\n  nodes: {a: *x}\n", [`${at}:2:14: alias "*x" without an anchor: fatal`]],
  ];
  for (const [text, expected] of cases) assert.deepEqual(load(text).said, expected, text);
});

test("an alias bomb and a deep file end quickly", () => {
  const bomb = ["a0: &a0 {x: 1}"];
  for (let i = 1; i < 40; i++) bomb.push(`a${i}: &a${i} {<<: [*a${i - 1}, *a${i - 1}, *a${i - 1}]}`);
  const merge = load(`topology:\n  nodes:\n    n: &n0 {}\n${bomb.map((l) => `    ${l}`).join("\n")}\n`);
  assert.equal(merge.t.ok, false);
  const deep = load(`topology: ${"[".repeat(100_000)}`);
  assert.equal(deep.t.ok, false);
  assert.ok(deep.said.length >= 1);
});

test("a thousand nodes parse at once", () => {
  const nodes: string[] = [];
  const links: string[] = [];
  for (let i = 0; i < 1000; i++) {
    nodes.push(`    h${i}: {kind: linux, exec: [ip link set eth1 up]}`);
    if (i > 0) links.push(`    - endpoints: [h${i - 1}:eth2, h${i}:eth1]`);
  }
  const { t, said } = load(`topology:\n  nodes:\n${nodes.join("\n")}\n  links:\n${links.join("\n")}\n`);
  assert.deepEqual(said, []);
  assert.equal(t.segments.length, 999);
});
