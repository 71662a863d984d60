// Records what the real tcpdump prints of the packets of test/kunit/lib/pcap/print_corpus.ts. Needs tcpdump.
// Run: node --import tsx tools/gen-pcap-print-golden.ts

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pcap_file_header, pcap_record } from "../src/lib/pcap/pcap.ts";
import { print_corpora } from "../test/kunit/lib/pcap/print_corpus.ts";

const dir = mkdtempSync(join(tmpdir(), "pcap-golden-"));
const env = { ...process.env, LC_ALL: "C", TZ: "UTC" };
for (const c of print_corpora()) {
  const file = join(dir, "in.pcap");
  const o = { linktype: c.file_linktype, nanosecond: true };
  const records = c.packets.map((p) => pcap_record(o, p.ts_sec, p.ts_nsec, p.bytes, p.wire_len));
  writeFileSync(file, Buffer.concat([pcap_file_header(o), ...records]));
  let out = "";
  for (const options of c.options) {
    const r = spawnSync("tcpdump", ["-r", file, ...options], { env, maxBuffer: 1 << 26 });
    if (r.status !== 0) throw new Error(r.stderr.toString());
    out += `### ${options.join(" ")}\n${r.stdout.toString("latin1")}`;
  }
  writeFileSync(new URL(`../test/kunit/lib/pcap/golden/print-${c.name}.txt`, import.meta.url), out, "latin1");
  console.log(c.name, c.packets.length, "packets", c.options.length, "runs");
}
rmSync(dir, { recursive: true });
