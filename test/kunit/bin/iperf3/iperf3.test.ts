// iperf3's numbers, JSON text and command line, pinned to what iperf3 3.12 prints and accepts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { IperfError, message } from "../../../../src/bin/iperf3/errors.ts";
import { JsonObject, numberField, parseObject, stringify } from "../../../../src/bin/iperf3/json.ts";
import { parseOptions, type Refusal, type Settings } from "../../../../src/bin/iperf3/options.ts";
import { applyParameters, parameters } from "../../../../src/bin/iperf3/protocol.ts";
import { formatBytes, formatG, formatRate, parseRate, parseSize } from "../../../../src/bin/iperf3/units.ts";

const options = (line: string): Settings => {
  const s = parseOptions(["iperf3", ...line.split(" ").filter((w) => w !== "")]);
  assert.ok(!("status" in s), line);
  return s;
};
const refusal = (line: string): Refusal => {
  const s = parseOptions(["iperf3", ...line.split(" ").filter((w) => w !== "")]);
  assert.ok("status" in s, line);
  return s;
};

test("amounts: bytes by 1024, bits by 1000, three digits that count", () => {
  assert.equal(formatBytes(0), "0.00 Bytes");
  assert.equal(formatBytes(512 * 1024), " 512 KBytes");
  assert.equal(formatBytes(1.26 * 2 ** 20), "1.26 MBytes");
  assert.equal(formatBytes(1007 * 2 ** 20), "1007 MBytes");
  assert.equal(formatRate(0, ""), "0.00 bits");
  assert.equal(formatRate(936902656, ""), "7.50 Gbits");
  assert.equal(formatRate(10e6 / 8, ""), "10.0 Mbits");
  assert.equal(formatRate(5117 * 2 ** 20, "M"), "5117 MBytes");
  assert.equal(formatRate(1e6, "k"), "8000 Kbits");
});

test("sizes and rates of the command line: -n 1K is 1024 bytes, -b 1K is 1000 bits", () => {
  assert.deepEqual(["1K", "20k", "1.5M", "2G", "7", "x"].map(parseSize), [1024, 20480, 1572864, 2 ** 31, 7, 0]);
  assert.deepEqual(["10M", "1G", "9"].map(parseRate), [10e6, 1e9, 9]);
  const s = options("-c h -b 10M/5 -w 100K -n 20K");
  assert.deepEqual([s.rate, s.burst, s.window, s.bytes, s.time], [10e6, 5, 102400, 20480, 0]);
  assert.equal(options("-c h -u").rate, 1048576);
  assert.equal(options("-c h --dscp af11").tos, 40);
  assert.equal(options("-c h -S 0x10").tos, 16);
  assert.equal(options("-c 10.0.0.1%eth0").device, "eth0");
});

test("digits of a double: 15 where they are the number, else 17", () => {
  assert.equal(formatG(1.5, 2), "1.5");
  assert.equal(formatG(0.0000362672386380411, 15), "3.62672386380411e-05");
  assert.equal(formatG(14.123, 2), "14");
  assert.equal(formatG(0, 2), "0");
  assert.equal(formatG(100, 2), "1e+02");
  assert.equal(stringify(7488092543.56502, false), "7488092543.56502");
  assert.equal(stringify(6383523606.7492342, false), "6383523606.7492342");
  assert.equal(stringify(-1, false), "18446744073709551615");
  assert.equal(numberField({ a: 2 ** 64 }, "a", 0), -1);
});

test("JSON text: tabs, and what is empty", () => {
  const o = new JsonObject().set("a", [new JsonObject().set("b", 1), new JsonObject().set("b", true)]);
  o.set("c", new JsonObject()).set("d", []);
  assert.equal(stringify(o, false), '{"a":[{"b":1},{"b":true}],"c":{},"d":[]}');
  assert.equal(
    stringify(o, true),
    '{\n\t"a":\t[{\n\t\t\t"b":\t1\n\t\t}, {\n\t\t\t"b":\ttrue\n\t\t}],\n\t"c":\t{\n\t},\n\t"d":\t[]\n}',
  );
  for (const text of ["", "[]", "7", "{", "null", '{"a":1'] as const) assert.equal(parseObject(text), undefined, text);
});

test("what iperf3 says of wrong options", () => {
  for (const [line, text] of [
    ["", "must either be a client (-c) or server (-s)"],
    ["-s -c h", "cannot be both server and client"],
    ["-s -t 5", "some option you are trying to set is client only"],
    ["-s -P 2", "some option you are trying to set is client only"],
    ["-c h -1", "some option you are trying to set is server only"],
    ["-c h -t 1 -n 5", "only one test end condition (-t, -n, -k) may be specified"],
    ["-c h -n 1 -k 5", "only one test end condition (-t, -n, -k) may be specified"],
    ["-c h -t 100000", "test duration too long (maximum = 86400 seconds)"],
    ["-c h -P 500", "number of parallel streams too large (maximum = 128)"],
    ["-c h -l 9999999", "block size too large (maximum = 1048576 bytes)"],
    ["-c h -u -l 1", "block size invalid (minimum = 16 bytes, maximum = 65507 bytes)"],
    ["-c h -i 0.01", "invalid report interval (min = 0.1, max = 60 seconds)"],
    ["-c h -M 99999", "TCP MSS too large (maximum = 9216 bytes)"],
    ["-c h -w 99999999999", "socket buffer size too large (maximum = 536870912 bytes)"],
    ["-c h -O 1000", "bogus value for --omit"],
    ["-c h -f x", "bad format specifier (valid formats are in the set [kmgtKMGT])"],
    ["-c h -S 999", "bad TOS value (must be between 0 and 255 inclusive)"],
    ["-c h --dscp zz", "bad TOS value (must be between 0 and 255 inclusive)"],
    ["-c h -p 0", "port number must be between 1 and 65535 inclusive"],
    ["-s -p abc", "port number must be between 1 and 65535 inclusive"],
    ["-c h -b 5/9999", "invalid burst count (maximum = 1000)"],
    ["-c h -R --bidir", "cannot be both reverse and bidirectional"],
    ["-c h --sctp", "an option you are trying to set is not implemented yet"],
  ] as const) {
    const r = refusal(line);
    assert.equal(r.stderr, `iperf3: parameter error - ${text}\n\n`, line);
    assert.match(r.stdout, /^Usage: iperf3 /);
    assert.equal(r.status, 1);
  }
  assert.match(refusal("-x").stderr, /^iperf3: invalid option -- 'x'\nUsage: /);
  assert.match(refusal("-c").stderr, /^iperf3: option requires an argument -- 'c'\nUsage: /);
  assert.deepEqual([refusal("-h").status, refusal("-h").stderr], [0, ""]);
});

test("what a client asks for, in iperf3's order; a server takes nothing that is out of bounds", () => {
  const s = options(
    "-c h -t 1 -M 1000 -N -w 100K -b 10M/5 -S 16 -T ttl --extra-data xx -C reno --get-server-output --repeating-payload -Z -O 1 --fq-rate 1G --pacing-timer 500",
  );
  s.length = 131072;
  assert.equal(
    stringify(parameters(s), false),
    '{"tcp":true,"omit":1,"time":1,"num":0,"blockcount":0,"MSS":1000,"nodelay":true,"parallel":1,"window":102400,"len":131072,"bandwidth":10000000,"fqrate":1000000000,"pacing_timer":500,"burst":5,"TOS":16,"title":"ttl","extra_data":"xx","congestion":"reno","get_server_output":1,"repeating_payload":1,"zerocopy":1,"client_version":"3.12"}',
  );
  const server = options("-s");
  const taken = applyParameters(server, parseObject(stringify(parameters(s), false))!);
  assert.deepEqual(
    [taken.length, taken.parallel, taken.mss, taken.window, taken.rate, taken.burst, taken.congestion],
    [131072, 1, 1000, 102400, 10e6, 5, "reno"],
  );
  const wild = { len: 1e12, parallel: 1e6, window: -5, time: -1, MSS: "x", congestion: 7, udp: true, num: 1e18 };
  const bounded = applyParameters(server, wild);
  assert.deepEqual(
    [bounded.length, bounded.parallel, bounded.window, bounded.time, bounded.mss, bounded.congestion, bounded.bytes],
    [65507, 128, 0, 0, 0, "", Number.MAX_SAFE_INTEGER],
  );
});

test("errors by number, as a server may send them", () => {
  assert.equal(message(new IperfError(103, 111)), "unable to connect to server: Connection refused");
  assert.equal(message(new IperfError(121, 111)), "the server is busy running a test. try again later");
  assert.equal(message(new IperfError(139, 111)), "int_errno=139: Connection refused");
});
