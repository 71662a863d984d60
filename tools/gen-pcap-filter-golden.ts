// Records which packets of the corpus the real tcpdump lets through for each expression, or what it says against it.
// Needs tcpdump. Run: node --import tsx tools/gen-pcap-filter-golden.ts

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  is_capture_error,
  type PcapReader,
  pcap_file_header,
  pcap_next,
  pcap_open,
  pcap_record,
} from "../src/lib/pcap/pcap.ts";
import { filter_corpora, match_text } from "../test/kunit/lib/pcap/filter_corpora.ts";

const dir = mkdtempSync(join(tmpdir(), "pcap-golden-"));
const env = { ...process.env, LC_ALL: "C", TZ: "UTC" };
for (const c of filter_corpora()) {
  const file = join(dir, `${c.name}.pcap`);
  const o = { linktype: c.file_linktype };
  // The number of the packet is its time, so that the output says which packets passed.
  writeFileSync(
    file,
    Buffer.concat([pcap_file_header(o), ...c.packets.map((p, i) => pcap_record(o, i, 0, p.bytes, p.wire_len))]),
  );
  const lines: string[] = [];
  for (const e of c.expressions) {
    const r = spawnSync("tcpdump", ["-r", file, "-w", "-", "--", e], { env, maxBuffer: 1 << 26 });
    const stderr = r.stderr.toString();
    if (r.status !== 0) {
      const message = /^tcpdump: (.*)$/m.exec(stderr.replace(/^tcpdump: WARNING.*\n/gm, ""))?.[1] ?? stderr;
      lines.push(`${e}\t!${message}`);
      continue;
    }
    const reader = pcap_open(new Uint8Array(r.stdout)) as PcapReader;
    const hits: boolean[] = c.packets.map(() => false);
    for (let p = pcap_next(reader); p && !is_capture_error(p); p = pcap_next(reader)) hits[p.ts_sec] = true;
    lines.push(`${e}\t${match_text(hits)}`);
  }
  writeFileSync(
    new URL(`../test/kunit/lib/pcap/golden/filter-${c.name}.txt`, import.meta.url),
    `${lines.join("\n")}\n`,
  );
  console.log(c.name, c.packets.length, "packets", lines.length, "expressions");
}
rmSync(dir, { recursive: true });
