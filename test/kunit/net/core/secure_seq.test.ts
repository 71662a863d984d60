// Where a connection's timestamps start (RFC 7323 section 5.4). Linux 6.18 was watched over veth: another port at either end, or
// another address, and TSval jumps, in the SYN as in the SYN-ACK; the same four numbers again, and it goes on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TCP_ESTABLISHED } from "../../../../src/net/core/sock.ts";
import { inet_ehash_entries } from "../../../../src/net/ipv4/inet_hashtables.ts";
import type { TcpSock } from "../../../../src/net/ipv4/tcp_sock.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

const linger = (): Uint8Array => Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

test("the timestamp clock of a connection starts where its addresses and ports say", () => {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  for (const port of [80, 81]) {
    const fd = sb.socket(2, 1, 0);
    assert.equal(sb.bind(fd, sockaddr("0.0.0.0", port)), 0);
    assert.equal(sb.listen(fd, 8), 0);
  }
  /** What both ends add to their clock. */
  const connection = (sport: number, dport: number): [number, number] => {
    const fd = sa.socket(2, 1 | 0o4000, 0);
    assert.equal(sa.setsockopt(fd, 1, 2, 1), 0);
    assert.equal(sa.setsockopt(fd, 1, 13, linger()), 0);
    assert.equal(sa.bind(fd, sockaddr("10.0.0.1", sport)), 0);
    now(sa.connect(fd, sockaddr("10.0.0.2", dport)));
    rig.run(10);
    const ends = [a, b].map((net) => {
      const sk = [...inet_ehash_entries(net)].find((s) => s.sk_state === TCP_ESTABLISHED) as TcpSock;
      return sk.tsoffset;
    });
    sa.close(fd);
    rig.run(10);
    return ends as [number, number];
  };
  const first = connection(3000, 80);
  assert.notEqual(first[0], first[1]);
  for (const other of [connection(3001, 80), connection(3000, 81)]) {
    assert.notEqual(other[0], first[0]);
    assert.notEqual(other[1], first[1]);
  }
  assert.deepEqual(connection(3000, 80), first);
  // "2": timestamps without an offset.
  a.ipv4.sysctl_tcp_timestamps = b.ipv4.sysctl_tcp_timestamps = 2;
  assert.deepEqual(connection(3000, 80), [0, 0]);
  rig.end();
});
