// Filter expressions against verdicts recorded from the real tcpdump, and against a plain matcher.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import fc from "fast-check";
import { bpf_dump, type PcapFilterOptions, pcap_compile } from "../../../../src/lib/pcap/pcap_filter.ts";
import { BpfBuffer, bpf_prog_create, bpf_run_buffer } from "../../../../src/net/core/filter.ts";
import { filter_frames } from "./corpus.ts";
import { filter_corpora, match_text } from "./filter_corpora.ts";

const matcher = (expr: string, o: PcapFilterOptions = {}): ((b: BpfBuffer) => boolean) => {
  const r = pcap_compile(expr, o);
  assert.ok("prog" in r, `${expr}: ${JSON.stringify(r)}`);
  const p = bpf_prog_create(r.prog);
  assert.ok(typeof p !== "number", `the verifier refuses the program of ${expr}`);
  return (b) => bpf_run_buffer(p, b) !== 0;
};

for (const c of filter_corpora()) {
  test(`verdicts and refusals as tcpdump's: ${c.name} (tools/gen-pcap-filter-golden.ts)`, () => {
    const golden = readFileSync(new URL(`./golden/filter-${c.name}.txt`, import.meta.url), "utf8")
      .trimEnd()
      .split("\n");
    assert.equal(golden.length, c.expressions.length);
    const wrong: string[] = [];
    for (const line of golden) {
      const [expr, want] = line.split("\t");
      const r = pcap_compile(expr, { linktype: c.linktype, netmask: 0 });
      let got: string;
      if ("error" in r) got = `!${r.error}`;
      else {
        const p = bpf_prog_create(r.prog);
        if (typeof p === "number") got = "refused by the verifier";
        else got = match_text(c.packets.map((s) => bpf_run_buffer(p, new BpfBuffer(s.bytes, s.wire_len)) !== 0));
      }
      if (got !== want) wrong.push(`${expr}: got ${got}, tcpdump says ${want}`);
    }
    assert.deepEqual(wrong, []);
  });
}

test("fuzzed expressions: an error or a program that the verifier takes, never an exception", () => {
  const word = fc.constantFrom(
    ..."tcp udp ip ip6 arp ether host net port portrange src dst and or not ( ) [ ] : = != > < & | + - * / % ^ ! 80 10.0.0.1 ::1".split(
      " ",
    ),
    ..."10.0.0.0/8 1-5 len vlan mpls pppoes less greater proto \\tcp broadcast 02:00:00:00:00:01 tcp[13] icmptype 0xffffffff".split(
      " ",
    ),
  );
  let ok = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(word, { maxLength: 14 }).map((w) => w.join(" ")),
        fc.string(),
      ),
      (expr) => {
        const r = pcap_compile(expr);
        if ("error" in r) {
          assert.ok(r.offset >= 0 && r.offset <= expr.length);
          return;
        }
        ok++;
        assert.ok(typeof bpf_prog_create(r.prog) !== "number", expr);
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(ok > 50);
});

test("hostile sizes: deep parentheses, long chains", () => {
  assert.ok("error" in pcap_compile("(".repeat(60000)));
  assert.ok("error" in pcap_compile(`${"(".repeat(3000)}tcp${")".repeat(3000)}`));
  assert.ok("error" in pcap_compile(`${"not ".repeat(10000)}tcp`));
  assert.ok("prog" in pcap_compile(`${"(".repeat(15)}tcp${")".repeat(15)}`));
  const long = Array.from({ length: 60 }, (_, i) => `port ${i + 1000}`).join(" or ");
  const m = matcher(`udp and (${long})`);
  const hits = filter_frames().filter(([, b]) => m(new BpfBuffer(Uint8Array.from(b))));
  assert.deepEqual(
    hits.map(([n]) => n),
    ["fragment first", "udp6"],
  );
  assert.ok(
    "prog" in pcap_compile(Array.from({ length: 150 }, (_, i) => `(len = ${i} and ip[${i}] = ${i})`).join(" or ")),
  );
});

type Term = { expr: string; match: (b: Uint8Array) => boolean };

test("boolean combinations mean what a plain evaluation of the terms says", () => {
  const frames = filter_frames().map(([, b]) => Uint8Array.from(b));
  const leaf = fc.constantFrom<Term>(
    ...[
      "ip",
      "tcp",
      "udp",
      "arp",
      "ip6",
      "port 53",
      "host 10.0.0.1",
      "len > 60",
      "tcp[13] = 2",
      "ether[0] & 1 = 1",
      "net 172.16.0.0/12",
    ].map((expr) => {
      const m = matcher(expr);
      return { expr, match: (b: Uint8Array) => m(new BpfBuffer(b)) };
    }),
  );
  const { tree } = fc.letrec<{ tree: Term }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc
        .tuple(tie("tree"), tie("tree"))
        .map(([a, b]) => ({ expr: `(${a.expr}) and (${b.expr})`, match: (p: Uint8Array) => a.match(p) && b.match(p) })),
      fc
        .tuple(tie("tree"), tie("tree"))
        .map(([a, b]) => ({ expr: `(${a.expr}) or (${b.expr})`, match: (p: Uint8Array) => a.match(p) || b.match(p) })),
      tie("tree").map((a) => ({ expr: `not (${a.expr})`, match: (p: Uint8Array) => !a.match(p) })),
    ),
  }));
  // Whole packets only: a load past the end ends the program, which `not` does not turn round.
  const whole = frames.filter((f) => f.length >= 60);
  fc.assert(
    fc.property(tree, (t) => {
      const r = pcap_compile(t.expr);
      for (const f of whole) {
        const got =
          "error" in r
            ? r.error !== "expression rejects all packets"
            : bpf_run_buffer(bpf_prog_create(r.prog) as never, new BpfBuffer(f)) !== 0;
        assert.equal(got, t.match(f), t.expr);
      }
    }),
    { numRuns: 200 },
  );
});

test("live capture: a VLAN tag that was taken off into the skb", () => {
  const [, tagged] = filter_frames().find(([n]) => n === "vlan 5 ip")!;
  const in_bytes = new BpfBuffer(Uint8Array.from(tagged));
  const stripped = new BpfBuffer(Uint8Array.from([...tagged.slice(0, 12), ...tagged.slice(16)]));
  Object.assign(stripped, { vlan_present: 1, vlan_tci: 0x6005 });
  for (const [expr, want] of [
    ["vlan", true],
    ["vlan 5", true],
    ["vlan 6", false],
    ["vlan and tcp port 80", true],
    ["vlan 5 and udp", false],
    ["vlan and vlan", false],
    ["not vlan", false],
  ] as const) {
    const m = matcher(expr, { target: "live" });
    assert.equal(m(in_bytes), want, expr);
    assert.equal(m(stripped), want, expr);
  }
  assert.equal(matcher("tcp", { target: "live" })(stripped), true);
  assert.equal(matcher("outbound", { target: "live" })(stripped), false);
  stripped.pkt_type = 4;
  assert.equal(matcher("outbound", { target: "live" })(stripped), true);
});

test("cooked sockets: the bytes start at the network header, the protocol is ancillary", () => {
  for (const [name, b] of filter_frames()) {
    if (b.length < 60) continue;
    const buf = new BpfBuffer(Uint8Array.from(b.slice(14)));
    buf.protocol = (b[12] << 8) | b[13];
    const full = new BpfBuffer(Uint8Array.from(b));
    for (const expr of ["ip", "tcp port 80", "host 10.0.0.1", "arp", "ip6", "icmp6", "udp[0:2] = 53", "not ip"]) {
      assert.equal(matcher(expr, { target: "cooked" })(buf), matcher(expr)(full), `${name}: ${expr}`);
    }
  }
});

test("names come from the resolver, and the netmask makes ip broadcast possible", () => {
  const names = new Map([
    ["a", ["10.0.0.1", "2001:db8::1"]],
    ["b", ["10.0.0.2"]],
  ]);
  const o = { resolve_host: (n: string) => names.get(n), netmask: 0xffffff00 };
  const frames = filter_frames();
  const set = (expr: string): string[] =>
    frames.filter(([, b]) => matcher(expr, o)(new BpfBuffer(Uint8Array.from(b)))).map(([n]) => n);
  assert.deepEqual(set("host a"), set("host 10.0.0.1 or host 2001:db8::1"));
  assert.deepEqual(set("ip host a"), set("ip host 10.0.0.1"));
  assert.deepEqual(set("ip6 src a"), set("src host 2001:db8::1"));
  assert.deepEqual(set("host a and b"), set("(host 10.0.0.1 or host 2001:db8::1) and host 10.0.0.2"));
  assert.deepEqual(pcap_compile("host c", o), { error: `unknown host 'c'`, offset: 5 });
  assert.deepEqual(pcap_compile("ip6 host b", o), {
    error: `unknown host 'b' for specified address family`,
    offset: 9,
  });
  assert.deepEqual(set("ip broadcast"), ["broadcast", "directed broadcast"]);
});

test("the position of a fault", () => {
  for (const [expr, offset] of [
    ["tcp port 80 and", 15],
    ["tcp foo", 4],
    ["port 80 or port blah", 16],
    ["ip[0:3] = 1", 5],
    ["(tcp", 4],
  ] as const) {
    const r = pcap_compile(expr);
    assert.ok("error" in r);
    assert.equal(r.offset, offset, `${expr}: ${r.error}`);
  }
});

test("bpf_dump prints as tcpdump -d", () => {
  const r = pcap_compile("icmp");
  assert.ok("prog" in r);
  assert.deepEqual(bpf_dump(r.prog), [
    "(000) ldh      [12]",
    "(001) jeq      #0x800           jt 2\tjf 5",
    "(002) ldb      [23]",
    "(003) jeq      #0x1             jt 4\tjf 5",
    "(004) ret      #262144",
    "(005) ret      #0",
  ]);
});
