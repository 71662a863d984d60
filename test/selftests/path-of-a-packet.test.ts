// docs/path-of-a-packet.md says which functions a datagram passes, in order and context. This sends one and compares.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ctx_names } from "../../src/kernel/cpu.ts";
import { type TraceRecord, tracer_records, tracer_start, tracer_stop } from "../../src/kernel/trace.ts";
import { fn_names } from "../../src/kernel/trace_fn.ts";
import { bootLab, root } from "../lib/lab_pages.ts";

interface Step {
  context: string;
  fn: string;
  file: string;
}

/** The tables of the page, by the name in the comment above each. */
function tables(): Map<string, Step[]> {
  const out = new Map<string, Step[]>();
  let steps: Step[] = [];
  for (const line of readFileSync(join(root, "docs/path-of-a-packet.md"), "utf8").split("\n")) {
    const name = /^<!-- path: (\w+) -->$/.exec(line)?.[1];
    if (name !== undefined) out.set(name, (steps = []));
    const row = /^\| (\w+) \| \[`(\w+)`\]\(\.\.\/([^)]+)\) \|/.exec(line);
    if (row !== null) steps.push({ context: row[1]!, fn: row[2]!, file: row[3]! });
  }
  return out;
}

const words = (steps: { context: string; fn: string }[]): string[] => steps.map((s) => `${s.context} ${s.fn}`);
const step = (r: TraceRecord): { context: string; fn: string } => ({ context: ctx_names[r.ctx]!, fn: fn_names[r.fn]! });
const is = (name: string) => (r: TraceRecord) => fn_names[r.fn] === name;

test("a traced datagram goes exactly the way that docs/path-of-a-packet.md shows", () => {
  const page = tables();
  assert.deepEqual([...page.keys()], ["send", "complete", "forward", "receive", "read"]);
  const lab = bootLab("examples/first-lab");
  lab.exec("pc2", "udpsink -q &");
  const send = "udpflood -q -c 1 10.0.2.2";
  lab.exec("pc1", send);
  lab.run(1e9);
  for (const host of lab.hosts.values()) tracer_start(host.computer.kernel);
  lab.exec("pc1", send);
  // Less than the millisecond after which the drivers' watchdogs may speak.
  lab.run(5e5);
  const traces = new Map(
    [...lab.hosts.values()].map((h) => [h.name, [...tracer_records(tracer_stop(h.computer.kernel)!)]]),
  );
  const pc1 = traces.get("pc1")!;
  const split = pc1.findIndex(is("igb_msix_ring"));
  assert.deepEqual(words(pc1.slice(0, split).map(step)), words(page.get("send")!));
  assert.deepEqual(words(pc1.slice(split).map(step)), words(page.get("complete")!));

  // On r1 the completion of its own sending follows, as on pc1.
  const r1 = traces.get("r1")!;
  const sent = r1.findIndex(is("igb_tx_map"));
  assert.deepEqual(words(r1.slice(0, sent + 1).map(step)), words(page.get("forward")!));

  const pc2 = traces.get("pc2")!;
  const queued = pc2.findIndex(is("__udp_enqueue_schedule_skb"));
  assert.deepEqual(words(pc2.slice(0, queued + 1).map(step)), words(page.get("receive")!));
  const read = page.get("read")!.length;
  assert.deepEqual(words(pc2.slice(queued + 1, queued + 1 + read).map(step)), words(page.get("read")!));
  lab.stop();
  assert.deepEqual(lab.bugs(), []);
});

test("each function is traced in the file that the page links to", () => {
  for (const steps of tables().values()) {
    for (const s of steps) {
      const text = readFileSync(join(root, s.file), "utf8");
      assert.match(text, new RegExp(`trace_(fn|call)\\(F_${s.fn}\\b`), `${s.fn} in ${s.file}`);
    }
  }
});
