// W6: what an idle connection costs: 10,000 of them over veth, both ends in one machine; bytes of JavaScript's heap and of packet
// memory for one end, its descriptor included. Run by itself.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { connect, pair } from "./tcp_conn.ts";

const COUNT = 10_000;
setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

function memory(): number {
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const p = pair();
// Tables and pools have their first size, the code is there.
const first = connect(p, 1000);
p.r.run(1e9);
const before = memory();
const ends = connect(p, COUNT);
// Handshakes end, timers of theirs are gone.
p.r.run(5e9);
const value = (memory() - before) / (2 * COUNT);
if (first.length + ends.length !== COUNT + 1000 || p.r.k.bugs.length > 0) throw new Error(`${ends.length} connections`);
process.stdout.write(`${JSON.stringify({ value, unit: "bytes" })}\n`);
