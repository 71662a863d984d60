// Microsoft, "Verifying the RSS hash calculation": the published key and vectors.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toeplitz_bytes, toeplitz_hash, toeplitz_table } from "../../../src/lib/toeplitz.ts";
import { KEY } from "./rss_key.ts";

// source, source port, destination, destination port, hash with ports, hash of the addresses
const V4: [string, number, string, number, number, number][] = [
  ["66.9.149.187", 2794, "161.142.100.80", 1766, 0x51ccc178, 0x323e8fc2],
  ["199.92.111.2", 14230, "65.69.140.83", 4739, 0xc626b0ea, 0xd718262a],
  ["24.19.198.95", 12898, "12.22.207.184", 38024, 0x5c2b394a, 0xd2d0a5de],
  ["38.27.205.30", 48228, "209.142.163.6", 2217, 0xafc7327f, 0x82989176],
  ["153.39.163.191", 44251, "202.188.127.2", 1303, 0x10e828a2, 0x5d1809c5],
];
const V6: [string, number, string, number, number, number][] = [
  [
    "3ffe:2501:0200:1fff:0000:0000:0000:0007",
    2794,
    "3ffe:2501:0200:0003:0000:0000:0000:0001",
    1766,
    0x40207d3d,
    0x2cc18cd5,
  ],
  [
    "3ffe:0501:0008:0000:0260:97ff:fe40:efab",
    14230,
    "ff02:0000:0000:0000:0000:0000:0000:0001",
    4739,
    0xdde51bbf,
    0x0f0c461c,
  ],
  [
    "3ffe:1900:4545:0003:0200:f8ff:fe21:67cf",
    44251,
    "fe80:0000:0000:0000:0200:f8ff:fe21:67cf",
    38024,
    0x02d1feef,
    0x4b61e985,
  ],
];
const port = (p: number): number[] => [p >> 8, p & 0xff];
const quad = (s: string): number[] => s.split(".").map(Number);
const hexes = (s: string): number[] => s.split(":").flatMap((h) => port(Number.parseInt(h, 16)));

test("the published IPv4 and IPv6 vectors", () => {
  const t = toeplitz_table(KEY);
  for (const [conv, list] of [
    [quad, V4],
    [hexes, V6],
  ] as const) {
    for (const [s, sp, d, dp, with_ports, addrs] of list) {
      const a = Uint8Array.from([...conv(s), ...conv(d)]);
      const b = Uint8Array.from([...a, ...port(sp), ...port(dp)]);
      assert.equal(toeplitz_hash(t, a, 0, a.length) >>> 0, addrs);
      assert.equal(toeplitz_hash(t, b, 0, b.length) >>> 0, with_ports);
      assert.equal(toeplitz_bytes(t, toeplitz_hash(t, a, 0, a.length), a.length, b, a.length, 4) >>> 0, with_ports);
    }
  }
});
