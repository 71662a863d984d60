// Records what the real tc says of qdiscs that this kernel does not have (netem, prio): made-up answers to RTM_GETQDISC are
// put in front of it by fake-netlink.c. Needs gcc and Debian's iproute2, no root. Way in: `node tools/record-fake-tc.mjs`.
import "./help.mjs";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = new URL(".", import.meta.url).pathname;
const tmp = mkdtempSync(join(tmpdir(), "fake-tc-"));
const lib = join(tmp, "fake.so");
execFileSync("gcc", ["-shared", "-fPIC", "-o", lib, join(here, "fake-netlink.c"), "-ldl"]);

const u32 = (...list) => {
  const b = Buffer.alloc(4 * list.length);
  for (const [i, n] of list.entries()) b.writeUInt32LE(n >>> 0, 4 * i);
  return b;
};
const u64 = (n) => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(BigInt(n));
  return b;
};
const attr = (type, data) => {
  const b = Buffer.alloc((4 + data.length + 3) & ~3);
  b.writeUInt16LE(4 + data.length, 0);
  b.writeUInt16LE(type, 2);
  data.copy(b, 4);
  return b;
};
const message = (type, body) => Buffer.concat([u32(16 + body.length, type | (2 << 16), 0, 0), body]);
const qdisc = (kind, options, stats) => {
  const tcm = u32(0, 1, 0x80010000, 0xffffffff, 2);
  return message(36, Buffer.concat([tcm, attr(1, Buffer.from(`${kind}\0`)), attr(2, options), stats]));
};
const percent = (p) => Math.round((p / 100) * 0xffffffff);
const ticks = (us) => Math.floor(us * 15.625);
const netem = (o, ...attrs) =>
  Buffer.concat([
    u32(
      ticks(o.delay ?? 0),
      o.limit ?? 1000,
      percent(o.loss ?? 0),
      o.gap ?? 0,
      percent(o.dup ?? 0),
      ticks(o.jitter ?? 0),
    ),
    ...attrs,
  ]);
const chances = (type, ...list) => attr(type, u32(...list.map(percent)));
const slot = (packets, bytes) =>
  attr(12, Buffer.concat([u64(800000), u64(1000000), u32(packets, bytes), u64(0), u64(0)]));

const basic = attr(1, Buffer.concat([u64(5 * 2 ** 32), u32(789, 0)]));
const queue = attr(3, u32(3, 4500, 7, 2, 9));
const stats = attr(7, Buffer.concat([basic, queue]));
const none = Buffer.alloc(0);

/** Name, kind, options, statistics. */
const cases = [
  ["plain", "netem", netem({}), stats],
  ["delay", "netem", netem({ delay: 100000 }, attr(10, u64(100000000))), stats],
  ["delay and jitter", "netem", netem({ delay: 100000, jitter: 10000 }), stats],
  ["delay, jitter, correlation", "netem", netem({ delay: 100000, jitter: 10000 }, chances(1, 25, 0, 0)), stats],
  ["a microsecond", "netem", netem({ delay: 1 }), stats],
  ["seconds", "netem", netem({ delay: 1500000, loss: 100 }), stats],
  ["loss", "netem", netem({ loss: 1 }), stats],
  ["loss with correlation", "netem", netem({ loss: 0.3 }, chances(1, 0, 25, 0)), stats],
  ["a third", "netem", netem({ loss: 100 / 3, limit: 7 }), stats],
  ["loss state", "netem", netem({}, attr(5, chances(1, 1, 50, 3, 5, 4))), stats],
  ["loss gemodel", "netem", netem({}, attr(5, chances(2, 1, 10, 30, 0.1))), stats],
  ["ecn", "netem", netem({ loss: 10 }, attr(7, u32(1))), stats],
  ["duplicate", "netem", netem({ dup: 2 }, chances(1, 0, 0, 10)), stats],
  ["reorder", "netem", netem({ delay: 10000, gap: 1 }, chances(3, 25, 50)), stats],
  ["reorder with gap", "netem", netem({ delay: 10000, gap: 5 }, chances(3, 25, 0)), stats],
  ["corrupt", "netem", netem({}, chances(4, 0.1, 5)), stats],
  ["rate", "netem", netem({}, attr(6, u32(125000, 0, 0, 0))), stats],
  ["rate with overheads", "netem", netem({}, attr(6, u32(625, 20, 100, 5))), stats],
  ["slot packets", "netem", netem({}, slot(5, 0)), stats],
  ["slot bytes", "netem", netem({}, slot(0, 3000)), stats],
  [
    "all",
    "netem",
    netem(
      { limit: 100, delay: 50000, jitter: 5000, loss: 1, dup: 2 },
      chances(4, 3, 0),
      attr(6, u32(1250000, 0, 0, 0)),
    ),
    stats,
  ],
  ["prio", "prio", Buffer.concat([u32(4), Buffer.from([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])]), stats],
  ["rate estimate", "pfifo", u32(5), attr(7, Buffer.concat([basic, attr(2, u32(125000, 100)), queue]))],
  [
    "64-bit rate estimate",
    "pfifo",
    u32(5),
    attr(7, Buffer.concat([basic, attr(5, Buffer.concat([u64(1250000000), u64(100)])), queue])),
  ],
  ["64-bit packets", "pfifo", u32(5), attr(7, Buffer.concat([basic, attr(8, u64(2 ** 33)), queue]))],
  ["offloaded, no queue", "pfifo", u32(5), Buffer.concat([attr(7, basic), attr(12, Buffer.from([1]))])],
  ["no options", "tbf", none, none],
  ["unknown", "foo", u32(1), none],
  ["noqueue", "noqueue", none, none],
];
const out = [];
for (const [name, kind, options, statistics] of cases) {
  const reply = Buffer.concat([qdisc(kind, options, statistics), message(3, u32(0))]);
  const file = join(tmp, "reply");
  writeFileSync(file, reply);
  for (const argv of [
    ["tc", "qdisc", "show", "dev", "lo"],
    ["tc", "-s", "qdisc", "show"],
    ["tc", "-s", "-j", "qdisc", "show", "dev", "lo"],
    ["tc", "-s", "-o", "qdisc", "show", "dev", "lo"],
  ]) {
    const env = { PATH: process.env.PATH, LD_PRELOAD: lib, FAKE_REPLY: file };
    const r = spawnSync(argv[0], argv.slice(1), { encoding: "utf8", env });
    out.push({ name, argv, stdout: r.stdout, reply: reply.toString("base64") });
  }
}
const text = out.map((c) => `  ${JSON.stringify(c)}`).join(",\n");
writeFileSync(new URL("../test/kunit/bin/golden/tc-fake.json", import.meta.url), `[\n${text}\n]\n`);
rmSync(tmp, { recursive: true });
console.log(`${out.length} commands`);
