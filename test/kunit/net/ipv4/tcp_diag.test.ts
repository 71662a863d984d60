// What ss and netstat see of TCP: listeners with their queues, connections on both sides of accept(2), TIME_WAIT, SOCK_DESTROY.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as D from "../../../../src/uapi/inet_diag.ts";
import { NETLINK_SOCK_DIAG, NLM_F_ACK, NLMSG_ERROR } from "../../../../src/uapi/netlink.ts";
import { NlRig } from "../netlink/nl_rig.ts";

const sockaddr = (a: string, port: number): Uint8Array => {
  const b = new Uint8Array(16);
  b.set([2, 0, port >> 8, port & 255, ...a.split(".").map(Number)]);
  return b;
};
const STREAM = 1 | 0o4000;

/** State, queues and ports, a line per socket. */
const brief = (text: string): string[] =>
  text
    .trim()
    .split("\n")
    .slice(1)
    .map((l) => l.trim().split(/\s+/).slice(0, 5).join(" "));

test("ss shows a listener, both ends of a connection, and TIME_WAIT; SOCK_DESTROY ends a listener", () => {
  const rig = new NlRig();
  rig.sh("ip link set lo up");
  const sys = rig.machine.sys;
  const l = sys.socket(2, STREAM, 0);
  assert.equal(sys.bind(l, sockaddr("127.0.0.1", 5353)), 0);
  assert.equal(sys.listen(l, 5), 0);
  const c = sys.socket(2, STREAM, 0);
  assert.equal(sys.bind(c, sockaddr("127.0.0.1", 40001)), 0);
  assert.equal(sys.connect(c, sockaddr("127.0.0.1", 5353)).next().value, -115);
  rig.sh("sleep 0.1");
  assert.deepEqual(brief(rig.sh("ss -tan").stdout).sort(), [
    "ESTAB 0 0 127.0.0.1:40001 127.0.0.1:5353",
    "ESTAB 0 0 127.0.0.1:5353 127.0.0.1:40001",
    // One is waiting for accept(2), five may.
    "LISTEN 1 5 127.0.0.1:5353 0.0.0.0:*",
  ]);
  // Not accepted yet: no program has it, so it has no inode.
  const lines = rig.sh("ss -tne sport = 5353").stdout;
  assert.match(lines, /ino:0 /);
  const info = rig.sh("ss -tni dport = 5353").stdout;
  assert.match(info, /cubic wscale:\d+,\d+ .*mss:\d+ pmtu:65535 .*cwnd:10 /);
  assert.deepEqual(brief(rig.sh("ss -tln").stdout), ["LISTEN 1 5 127.0.0.1:5353 0.0.0.0:*"]);
  assert.deepEqual(brief(rig.sh("ss -tn state time-wait").stdout), []);

  const a = sys.accept4(l, null, 0).next().value as number;
  sys.close(c);
  rig.sh("sleep 0.1");
  sys.close(a);
  rig.sh("sleep 0.1");
  assert.deepEqual(brief(rig.sh("ss -tano").stdout), [
    "LISTEN 0 5 127.0.0.1:5353 0.0.0.0:*",
    "TIME-WAIT 0 0 127.0.0.1:40001 127.0.0.1:5353",
  ]);
  assert.match(rig.sh("ss -tano state time-wait").stdout, /timer:\(timewait,59sec,0\)/);
  assert.match(rig.sh("cat /proc/net/sockstat").stdout, /^TCP: inuse 1 orphan 0 tw 1 alloc \d+ mem \d+$/m);
  // What ss -K sends.
  const diag = rig.open(NETLINK_SOCK_DIAG);
  diag.request(D.SOCK_DESTROY, NLM_F_ACK, D.INET_DIAG_REQ_V2_LEN, (w, at) => {
    w.buf[at] = 2;
    w.buf[at + 1] = 6;
    const id = at + D.INET_DIAG_REQ_V2_ID;
    w.dv.setUint16(id, 5353);
    w.dv.setInt32(id + 4, 0x7f000001);
    w.dv.setUint32(id + 40, D.INET_DIAG_NOCOOKIE, true);
    w.dv.setUint32(id + 44, D.INET_DIAG_NOCOOKIE, true);
  });
  const [ack] = diag.answers();
  assert.deepEqual([ack!.type, ack!.dv.getInt32(ack!.off, true)], [NLMSG_ERROR, 0]);
  assert.deepEqual(brief(rig.sh("ss -tln").stdout), []);
  for (let i = 0; i < 31; i++) rig.sh("sleep 2");
  assert.deepEqual(brief(rig.sh("ss -tan").stdout), []);
});
