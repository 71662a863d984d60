// The printer against recorded output of the real tcpdump, byte for byte (tools/gen-pcap-print-golden.ts).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import fc from "fast-check";
import { format_packet, new_print_state, type PrintOptions } from "../../../../src/lib/pcap/print/format.ts";
import { print_corpora } from "./print_corpus.ts";

const options_of = (words: readonly string[], linktype: number): PrintOptions => {
  const o: PrintOptions = { linktype };
  for (const w of words) {
    if (w === "--nano") o.nano = true;
    else if (w === "-#") o.number = true;
    else if (/^-t+$/.test(w)) o.t = (w.length - 1) as PrintOptions["t"];
    else if (/^-v+$/.test(w)) o.v = w.length - 1;
    else if (/^-[xXA]+$/.test(w)) o.hex = w.slice(1) as PrintOptions["hex"];
    else o[w.slice(1) as "n" | "e" | "q" | "S" | "K"] = true;
  }
  return o;
};

for (const c of print_corpora()) {
  const golden = readFileSync(new URL(`./golden/print-${c.name}.txt`, import.meta.url), "latin1");
  const runs = golden.split(/^### .*\n/m).slice(1);
  c.options.forEach((words, i) => {
    test(`as tcpdump ${words.join(" ")}: ${c.name}`, () => {
      const o = options_of(words, c.linktype);
      const state = new_print_state();
      const got: string[] = [];
      for (const p of c.packets) {
        got.push(...format_packet(p.bytes, p.bytes.length, p.wire_len, p.ts_sec, p.ts_nsec, o, state));
      }
      assert.deepEqual(got, runs[i].slice(0, -1).split("\n"));
    });
  });
}

test("hostile bytes are printed, not thrown", () => {
  const corpora = print_corpora();
  const packets = corpora.flatMap((c) => c.packets.map((p) => ({ bytes: p.bytes, linktype: c.linktype })));
  const options = fc.record({
    linktype: fc.constantFrom(1, 113, 276, 12, 0, 77),
    e: fc.boolean(),
    q: fc.boolean(),
    n: fc.boolean(),
    v: fc.nat(3),
    hex: fc.constantFrom<PrintOptions["hex"]>("", "x", "XX", "A"),
  });
  const state = new_print_state();
  const print = (b: Uint8Array, o: PrintOptions, caplen = b.length): void => {
    const lines = format_packet(b, caplen, b.length, 0, 0, o, state);
    assert.ok(lines.length > 0 && lines.length < 20000);
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), options, (b, o) => print(b, o)),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...packets),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 5 }),
      options,
      fc.nat(150),
      (s, changes, o, cut) => {
        const b = Uint8Array.from(s.bytes);
        for (const [at, v] of changes) if (at < b.length) b[at] = v;
        print(b, { ...o, linktype: s.linktype }, cut < 100 ? cut : b.length);
      },
    ),
    { numRuns: 5000 },
  );
});

test("names, time zone and interfaces come from the caller", () => {
  const c = print_corpora().find((x) => x.name === "sll2")!;
  const p = c.packets[40];
  const o: PrintOptions = {
    linktype: 276,
    tz_offset: 3600,
    if_name: (i) => (i === 9000 ? "eth0" : "veth0"),
    host_name: (a) => (a === "10.0.0.1" ? "one.lab" : undefined),
    port_name: (n, proto) => (n === 1 && proto === 17 ? "tcpmux" : undefined),
  };
  const [line] = format_packet(p.bytes, p.bytes.length, p.wire_len, 0, 5000, o, new_print_state());
  assert.match(line, /^01:00:00\.000005 (eth0 |veth0) (In |Out) IP one\.lab\.\S+ > 10\.0\.0\.2\.\d+: UDP, length \d+$/);
});
