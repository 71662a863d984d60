// ACK compression (ip-sysctl: tcp_comp_sack_nr, tcp_comp_sack_delay_ns): behind a hole the first three ACKs go at once, the others
// are held for a twentieth of the RTT and told in one; TCPAckCompressed counts those that never went.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Blocking } from "../../src/uapi/sys.ts";
import { MS, pair, SEC } from "./net.ts";
import { sockaddr } from "./socket.ts";

/** 2 MB over 20 ms with a little loss; what the receiver sent and counted. */
function transfer(sysctls: string[], seed = 5): { compressed: number; out: number; bytes: number } {
  const { net, a, b } = pair(3, { rate: 1e8, delay_ns: 10 * MS, impair: { loss: 0.004 }, seed });
  net.ok(b, "ethtool -K eth0 gro off");
  net.ok(a, "ip neigh replace 10.0.0.2 lladdr 02:00:00:00:02:00 dev eth0 nud permanent");
  net.ok(b, "ip neigh replace 10.0.0.1 lladdr 02:00:00:00:01:00 dev eth0 nud permanent");
  for (const s of sysctls) net.ok(b, `echo ${s.split("=")[1]} > /proc/sys/net/ipv4/${s.split("=")[0]}`);
  const size = 2 << 20;
  const rx = net.task(b, function* (sys): Blocking<number> {
    const l = sys.socket(2, 1, 0);
    sys.bind(l, sockaddr("0.0.0.0", 5001));
    sys.listen(l, 1);
    const fd = yield* sys.accept4(l, null, 0);
    const buf = new Uint8Array(65_536);
    let got = 0;
    for (let n = yield* sys.read(fd, buf); n > 0; n = yield* sys.read(fd, buf)) got += n;
    sys.close(fd);
    sys.close(l);
    return got;
  });
  net.run(MS);
  net.call(a, function* (sys): Blocking<void> {
    const fd = sys.socket(2, 1, 0);
    assert.equal(yield* sys.connect(fd, sockaddr("10.0.0.2", 5001)), 0);
    assert.equal(yield* sys.write(fd, new Uint8Array(size)), size);
    sys.close(fd);
  });
  net.run(60 * SEC);
  const m = net.mib(b);
  net.run(70 * SEC);
  net.end();
  return { compressed: m.TcpExtTCPAckCompressed!, out: m.TcpOutSegs!, bytes: rx.value };
}

// Where the losses fall depends on what was sent: sums of a few runs. `held`: of the ACKs that were due, the share that never went.
function runs(sysctls: string[]): { compressed: number; held: number; bytes: number } {
  let compressed = 0;
  let out = 0;
  let bytes = 0;
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const t = transfer(sysctls, seed);
    compressed += t.compressed;
    out += t.out;
    bytes += t.bytes;
  }
  return { compressed, held: compressed / (compressed + out), bytes };
}

test("ACKs behind a hole are held back and counted; tcp_comp_sack_nr=0 sends each, 1 holds one of two", () => {
  const many = runs([]);
  const one = runs(["tcp_comp_sack_nr=1"]);
  const off = runs(["tcp_comp_sack_nr=0"]);
  for (const t of [many, one, off]) assert.equal(t.bytes, 6 * (2 << 20));
  assert.equal(off.compressed, 0);
  assert.ok(many.compressed > 300, JSON.stringify([many, one, off]));
  assert.ok(one.held > 0 && one.held < many.held, JSON.stringify([many, one, off]));
});
