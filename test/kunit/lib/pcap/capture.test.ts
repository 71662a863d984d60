// Capture files: what is written is read back, by us and (recorded) by others; hostile bytes end in an error, never an exception.

import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  type CapturedPacket,
  type CaptureError,
  is_capture_error,
  pcap_file_header,
  pcap_record,
} from "../../../../src/lib/pcap/pcap.ts";
import { next_packet, open_capture, pcapng_epb, pcapng_idb, pcapng_shb } from "../../../../src/lib/pcap/pcapng.ts";
import { utf8_decode, utf8_encode } from "../../../../src/uapi/utf8.ts";

const read_all = (u8: Uint8Array): { packets: CapturedPacket[]; error: CaptureError | undefined } => {
  const r = open_capture(u8);
  const packets: CapturedPacket[] = [];
  if (is_capture_error(r)) return { packets, error: r };
  for (;;) {
    const p = next_packet(r);
    if (p === undefined) return { packets, error: undefined };
    if (is_capture_error(p)) return { packets, error: p };
    packets.push(p);
  }
};

const cat = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));
const record = fc.record({
  sec: fc.nat(0xffffffff),
  nsec: fc.nat(999_999_999),
  data: fc.uint8Array({ maxLength: 60 }),
  more: fc.nat(2000),
  direction: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  comments: fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { maxLength: 3 }),
  id: fc.nat(1),
});

test("classic files: both byte orders and resolutions read back", () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), fc.boolean(), fc.boolean(), (rs, nanosecond, big_endian) => {
      const o = { linktype: 113, nanosecond, big_endian };
      const file = cat(
        pcap_file_header(o),
        ...rs.map((r) => pcap_record(o, r.sec, r.nsec, r.data, r.data.length + r.more)),
      );
      const { packets, error } = read_all(file);
      assert.equal(error, undefined);
      assert.deepEqual(
        packets.map((p) => [p.ts_sec, p.ts_nsec, [...p.data], p.len, p.linktype]),
        rs.map((r) => [
          r.sec,
          nanosecond ? r.nsec : r.nsec - (r.nsec % 1000),
          [...r.data],
          r.data.length + r.more,
          113,
        ]),
      );
    }),
  );
});

test("pcapng files: interface, direction, comments, nanoseconds read back", () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), (rs) => {
      const file = cat(
        pcapng_shb({ application: "test", os: "x", comment: "c" }),
        pcapng_idb({ linktype: 1, name: "eth0", description: "the first" }),
        pcapng_idb({ linktype: 276, name: "any" }),
        ...rs.map((r) =>
          pcapng_epb(r.sec, r.nsec, r.data, {
            interface_id: r.id,
            len: r.data.length + r.more,
            direction: r.direction,
            comments: r.comments,
          }),
        ),
      );
      const { packets, error } = read_all(file);
      assert.equal(error, undefined);
      assert.deepEqual(
        packets.map((p) => [
          p.ts_sec,
          p.ts_nsec,
          [...p.data],
          p.len,
          p.interface_id,
          p.linktype,
          p.direction,
          p.comments,
        ]),
        rs.map((r) => [
          r.sec,
          r.nsec,
          [...r.data],
          r.data.length + r.more,
          r.id,
          r.id ? 276 : 1,
          r.direction,
          r.comments,
        ]),
      );
    }),
  );
  const r = open_capture(cat(pcapng_shb(), pcapng_idb({ linktype: 1, name: "eth0", description: "d" })));
  assert.ok(!is_capture_error(r) && r.kind === "pcapng");
  assert.equal(next_packet(r), undefined);
  assert.equal(r.interfaces[0].name, "eth0");
  assert.equal(r.interfaces[0].description, "d");
});

test("a big-endian section, a simple packet block, microseconds by default, unknown blocks skipped", () => {
  const w = (...n: number[]): number[] => n.flatMap((v) => [v >>> 24, (v >> 16) & 255, (v >> 8) & 255, v & 255]);
  const shb = w(0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00010000, -1, -1, 28);
  const idb = w(1, 20, 0x00010000, 3, 20);
  const unknown = w(0x80000001, 16, 5, 16);
  const spb = w(3, 20, 5, 0x01020300, 20);
  const epb = w(6, 36, 0, 0x00000f00, 0x12345678, 2, 9, 0xaabb0000, 36);
  const { packets, error } = read_all(Uint8Array.from([...shb, ...idb, ...unknown, ...spb, ...epb]));
  assert.equal(error, undefined);
  assert.deepEqual([[...packets[0].data], packets[0].len], [[1, 2, 3], 5]);
  const t = 0xf00 * 2 ** 32 + 0x12345678;
  assert.deepEqual(
    [packets[1].ts_sec, packets[1].ts_nsec, [...packets[1].data], packets[1].len],
    [Math.floor(t / 1e6), (t % 1e6) * 1000, [0xaa, 0xbb], 9],
  );
});

test("a cut file says where; the packets before it are kept", () => {
  const o = { linktype: 1 };
  const file = cat(
    pcap_file_header(o),
    pcap_record(o, 1, 2, new Uint8Array(10)),
    pcap_record(o, 1, 2, new Uint8Array(10)),
  );
  const cut = read_all(file.subarray(0, file.length - 3));
  assert.equal(cut.packets.length, 1);
  assert.deepEqual(cut.error, {
    error: "truncated dump file; tried to read 10 captured bytes, only got 7",
    offset: 66,
  });
  assert.deepEqual(read_all(file.subarray(0, 55)).error, {
    error: "truncated dump file; tried to read 16 header bytes, only got 5",
    offset: 50,
  });
  assert.deepEqual(read_all(new Uint8Array(8)).error, { error: "unknown file format", offset: 0 });
  assert.ok(read_all(new Uint8Array(0)).error);
});

test("hostile bytes: mutated files end in packets and perhaps an error", () => {
  const o = { linktype: 1 };
  const data = new Uint8Array(20).fill(7);
  const files = [
    cat(pcap_file_header(o), pcap_record(o, 1, 2, data), pcap_record(o, 3, 4, data)),
    cat(
      pcapng_shb({ os: "linux" }),
      pcapng_idb({ linktype: 1, name: "eth0" }),
      pcapng_epb(1, 2, data, { direction: 1, comments: ["hello", "you"] }),
      pcapng_epb(3, 4, data),
    ),
  ];
  const interesting = fc.constantFrom(0, 1, 2, 3, 4, 8, 12, 0x0a, 0x0d, 0x7f, 0x80, 0xff);
  const change = fc.tuple(fc.nat(), fc.oneof(interesting, fc.nat(255)));
  fc.assert(
    fc.property(
      fc.constantFrom(...files),
      fc.array(change, { maxLength: 6 }),
      fc.option(fc.nat(200)),
      (f, changes, cut) => {
        const g = Uint8Array.from(f);
        for (const [at, v] of changes) g[at % g.length] = v;
        const { packets, error } = read_all(cut === null ? g : g.subarray(0, cut));
        assert.ok(packets.length <= g.length / 12);
        if (error) assert.ok(error.offset >= 0 && error.offset <= g.length);
      },
    ),
    { numRuns: 5000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (b) => void read_all(b)));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (b) => void read_all(cat(pcapng_shb(), b))));
});

test("UTF-8 without a platform agrees with the platform", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (s) => {
      const bytes = new TextEncoder().encode(s);
      assert.deepEqual(utf8_encode(s), bytes);
      assert.equal(utf8_decode(bytes, 0, bytes.length), new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
    }),
  );
  fc.assert(fc.property(fc.uint8Array(), (b) => void utf8_decode(b, 0, b.length)));
});
