// lab.conf: what is accepted, and how each mistake is named (issue 2, section 6: file, line, skipped or fatal).

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDiagnostic } from "../../../src/lab/diagnostics.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { memoryTree } from "../../../src/lab/tree.ts";

function load(files: Record<string, string> | string) {
  const tree = memoryTree(typeof files === "string" ? { "lab.conf": files } : files);
  const t = loadTopology(tree, { folder: "demo" });
  return { t, said: t.diagnostics.map(formatDiagnostic) };
}

test("two hosts and a router", () => {
  const { t, said } = load({
    "lab.conf": [
      'LAB_NAME="first lab"',
      "LAB_DESCRIPTION='two hosts'",
      "# a comment",
      'pc1[0]="A"',
      'r1[0]="A/02:00:00:00:00:01"   # trailing',
      "r1[1]=B",
      "pc2[0]='B'",
      'pc1[image]="kathara/base"',
      "pc2[mem]=64m",
      'r1[sysctl]="net.ipv4.ip_forward=1"',
      "r1[env]=ROLE=router",
      "r1[cpus]=1.5",
      "r1[queues]=2",
      "pc2[nic]=igb",
      'pc2[exec]="ip link show"',
      'link[B]="rate=100mbit delay=2ms loss=1% duplex=half mtu=1400"',
    ].join("\n"),
    "pc1.startup": "ip addr add 10.0.0.1/24 dev eth0\r\nip link set eth0 up\r\n",
    "pc2.startup": "true\n",
    "pc2.shutdown": "echo bye\n",
    "shared.startup": "echo all\n",
    "pc1/etc/hosts": "10.0.0.2 pc2\n",
    "pc1/etc/deep/er/x": "1",
    "shared/readme": "hi",
  });
  assert.deepEqual(said, []);
  assert.ok(t.ok);
  assert.equal(t.name, "first lab");
  assert.equal(t.description, "two hosts");
  assert.deepEqual(
    t.machines.map((m) => m.name),
    ["pc1", "r1", "pc2"],
  );
  const [pc1, r1, pc2] = t.machines;
  assert.deepEqual(
    r1.interfaces.map((i) => [i.index, i.name, i.segment, i.mac, i.mtu]),
    [
      [0, "eth0", "A", "02:00:00:00:00:01", undefined],
      [1, "eth1", "B", undefined, 1400],
    ],
  );
  assert.deepEqual([r1.cpus, r1.queues, r1.nic, pc2.nic], [2, 2, "igb", "igb"]);
  assert.deepEqual(r1.sysctls, [["net.ipv4.ip_forward", "1"]]);
  assert.deepEqual(r1.env, [["ROLE", "router"]]);
  assert.deepEqual(pc1.startup, [
    { file: "shared.startup", text: "echo all\n", startLine: 1 },
    { file: "pc1.startup", text: "ip addr add 10.0.0.1/24 dev eth0\nip link set eth0 up\n", startLine: 1 },
  ]);
  assert.deepEqual(pc2.startup.at(-1), { file: "lab.conf", text: "ip link show", startLine: 15 });
  assert.equal(pc2.shutdown[0].file, "pc2.shutdown");
  assert.deepEqual(
    pc1.files.map((f) => f.path),
    ["/shared/readme", "/etc/deep/er/x", "/etc/hosts"],
  );
  assert.deepEqual(
    t.segments.map((s) => [s.name, s.ends.length, s.hub]),
    [
      ["A", 2, false],
      ["B", 2, false],
    ],
  );
  assert.deepEqual(t.segments[1].link, { rate_bps: 1e8, delay_ns: 2e6, loss: 0.01, half_duplex: true, mtu: 1400 });
});

test("three ends make a hub", () => {
  const { t } = load("a[0]=X\nb[0]=X\nc[0]=X\n");
  assert.equal(t.segments[0].hub, true);
  assert.deepEqual(t.segments[0].ends, [
    { machine: "a", index: 0 },
    { machine: "b", index: 0 },
    { machine: "c", index: 0 },
  ]);
});

test("mistakes are named with their line and outcome", () => {
  const cases: [string, string][] = [
    ['pc1[0]=A\npc1[foo]="1"', 'lab.conf:2: unknown option "foo" of pc1: skipped'],
    ["pc1[0]=A\npc1[sysctk]=a=1", 'lab.conf:2: unknown option "sysctk" of pc1 (did you mean "sysctl"?): skipped'],
    ['pc1[x="A"', 'lab.conf:1: "pc1[x" is not NAME[KEY]=VALUE: fatal'],
    ["pc1", 'lab.conf:1: "pc1" is not NAME[KEY]=VALUE: fatal'],
    ["pc1[0]", 'lab.conf:1: "pc1[0]" is not NAME[KEY]=VALUE: fatal'],
    ["pc1[0]=", 'lab.conf:1: "" is not a value (a quote is missing, or words follow it): fatal'],
    ['pc1[0]="A', 'lab.conf:1: "\\"A" is not a value (a quote is missing, or words follow it): fatal'],
    ["pc1[0]=A\npc1[0]=B", "lab.conf:2: interface 0 of pc1 is already on segment A (line 1): fatal"],
    ["pc1[0]=A/xx", 'lab.conf:1: "xx" is not a MAC address (six hexadecimal bytes with ":"): fatal'],
    [
      "pc1[0]=A/01:00:5e:00:00:01",
      'lab.conf:1: "01:00:5e:00:00:01" is a multicast address, a card cannot have it: fatal',
    ],
    ["pc1[999]=A", "lab.conf:1: interface 999 of pc1: at most 256 interfaces: fatal"],
    ["../x[0]=A", 'lab.conf:1: "../x" is not a name for a machine (letters, digits, "_", "-", "."): fatal'],
    ["pc1[0]=A\npc1[cpus]=0", 'lab.conf:2: cpus is a number from 1 to 64, not "0": skipped'],
    ["pc1[0]=A\npc1[nic]=e1000", 'lab.conf:2: nic is igb, not "e1000": skipped'],
    [
      "pc1[0]=A\npc1[bridged]=true",
      "lab.conf:2: option bridged of pc1: there is no Internet behind a lab: no effect here",
    ],
    ["LAB_NAMES=x\npc1[0]=A", 'lab.conf:1: unknown key "LAB_NAMES" (did you mean "LAB_NAME"?): skipped'],
    ["pc1[0]=A\nlink[A]=rat=5", 'lab.conf:2: unknown property "rat" of a link (did you mean "rate"?): skipped'],
    ["pc1[0]=A\nlink[A]=loss=101", 'lab.conf:2: loss of a link is a percentage from 0% to 100%, not "101": skipped'],
    ["pc1[0]=A B", 'lab.conf:1: "A B" is not a name for a segment: fatal'],
    ["# nothing", "lab.conf: no machine in this lab: fatal"],
  ];
  for (const [text, expected] of cases) assert.deepEqual(load(text).said, [expected], text);
});

test("scripts without a machine, and folders that hold no lab", () => {
  assert.deepEqual(load({ "lab.conf": "pc1[0]=A", "pc11.startup": "x" }).said, [
    'pc11.startup: no machine "pc11" in lab.conf (did you mean "pc1"?): skipped',
  ]);
  assert.deepEqual(load({ readme: "" }).said, [".: neither a lab.conf nor a *.clab.yml in this folder: fatal"]);
  assert.equal(load("pc1[0]=A").t.ok, true);
  assert.equal(load({ readme: "" }).t.ok, false);
});

test("a quoted command may hold quotes", () => {
  const { t, said } = load(`pc1[0]=A\npc1[exec]="sh -c "echo hi""\npc1[exec]='echo "x" # no comment'`);
  assert.deepEqual(said, []);
  assert.deepEqual(
    t.machines[0].startup.map((s) => s.text),
    ['sh -c "echo hi"', 'echo "x" # no comment'],
  );
});

test("a thousand hosts parse at once", () => {
  const conf: string[] = [];
  const files: Record<string, string> = {};
  for (let i = 0; i < 1000; i++) {
    conf.push(`h${i}[0]=S${i}`, `r${i >> 5}[${i & 31}]=S${i}`);
    files[`h${i}.startup`] = "ip link set eth0 up\n";
    files[`h${i}/etc/motd`] = "hello\n";
  }
  files["lab.conf"] = conf.join("\n");
  const { t, said } = load(files);
  assert.deepEqual(said, []);
  assert.equal(t.machines.length, 1032);
  assert.equal(t.segments.length, 1000);
});

test("a property of a link at the name of its segment: the right form is shown, and no machine appears", () => {
  const { t, said } = load("pc1[0]=A\nA[loss]=10%\n");
  assert.deepEqual(said, ['lab.conf:2: A is a segment, not a machine: write link[A]="loss 10%": skipped']);
  assert.deepEqual(
    t.machines.map((m) => m.name),
    ["pc1"],
  );
});
