// sendmmsg(2) and recvmmsg(2): how many went, whose error counts, and that a long vector does not overrun the backlog.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../src/init/sys.ts";
import { sys_recvmmsg, sys_sendmmsg } from "../../../src/net/socket.ts";
import type { MmsgHdr } from "../../../src/uapi/sys.ts";
import { KernelRig, now, sockaddr } from "../../lib/kernel.ts";

const MSG_DONTWAIT = 0x40;

function vec(bufs: Uint8Array[], name: Uint8Array | null = null): MmsgHdr[] {
  return bufs.map((b) => ({
    msg_hdr: { msg_name: name, msg_namelen: 16, msg_iov: [b], msg_control: null, msg_controllen: 0, msg_flags: 0 },
    msg_len: -1,
  }));
}

function setup(): { rig: KernelRig; sa: TaskSys; sb: TaskSys; tx: number; rx: number } {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const tx = sa.socket(2, 2, 0);
  const rx = sb.socket(2, 2, 0);
  sb.bind(rx, sockaddr("0.0.0.0", 9));
  now(sa.connect(tx, sockaddr("10.0.0.2", 9)));
  const big = new Uint8Array(4);
  new DataView(big.buffer).setInt32(0, 1 << 20, true);
  sb.setsockopt(rx, 1, 33, big);
  now(sa.sendto(tx, new Uint8Array(1), MSG_DONTWAIT, null));
  rig.run(5);
  assert.equal(now(sb.recvfrom(rx, new Uint8Array(9), MSG_DONTWAIT, null)), 1, "ARP is done");
  return { rig, sa, sb, tx, rx };
}

test("sendmmsg sends each as sendmsg does and says how long each was; the vector may be longer than the count", () => {
  const { rig, sa, sb, tx, rx } = setup();
  const out = vec([1, 2, 3].map((n) => new Uint8Array(n).fill(n)));
  assert.equal(
    rig.call(() => sys_sendmmsg(sa.task, tx, out, 2, 0)),
    2,
  );
  assert.deepEqual(
    out.map((m) => m.msg_len),
    [1, 2, -1],
  );
  const inn = vec([0, 0, 0].map(() => new Uint8Array(9)));
  for (const m of inn) m.msg_hdr.msg_name = new Uint8Array(16);
  assert.equal(
    rig.call(() => sys_recvmmsg(sb.task, rx, inn, 3, MSG_DONTWAIT)),
    2,
    "what is there",
  );
  assert.deepEqual(
    inn.map((m) => m.msg_len),
    [1, 2, -1],
  );
  assert.deepEqual([...inn[1]!.msg_hdr.msg_iov[0]!.subarray(0, 3)], [2, 2, 0]);
  assert.equal(inn[0]!.msg_hdr.msg_name!.subarray(4, 8).join("."), "10.0.0.1");
  assert.equal(
    rig.call(() => sys_recvmmsg(sb.task, rx, inn, 3, MSG_DONTWAIT)),
    -11,
    "EAGAIN when there is none",
  );
  assert.equal(
    rig.call(() => sys_sendmmsg(sa.task, tx, [], 0, 0)),
    0,
  );
  assert.equal(
    rig.call(() => sys_sendmmsg(sa.task, 99, out, 2, 0)),
    -9,
  );
  sa.close(tx);
  sb.close(rx);
  rig.end();
});

test("the error of the first message is the call's; one in the middle only ends it", () => {
  const { rig, sa, sb, tx, rx } = setup();
  const out = vec([new Uint8Array(1), new Uint8Array(70_000), new Uint8Array(1)]);
  assert.equal(
    rig.call(() => sys_sendmmsg(sa.task, tx, out, 3, 0)),
    1,
  );
  assert.equal(
    rig.call(() => sys_sendmmsg(sa.task, tx, out.slice(1), 2, 0)),
    -90,
  );
  rig.run(5);
  assert.equal(
    rig.call(() => sys_recvmmsg(sb.task, rx, vec([new Uint8Array(9), new Uint8Array(9)]), 2, MSG_DONTWAIT)),
    1,
  );
  sa.close(tx);
  sb.close(rx);
  rig.end();
});

test("1,200 messages: the call takes 1,024 (UIO_MAXIOV), and the backlog of 1,000 loses none of them", () => {
  const { rig, sa, sb, tx, rx } = setup();
  const out = vec(Array.from({ length: 1200 }, () => new Uint8Array(8)));
  assert.equal(
    rig.call(() => sys_sendmmsg(sa.task, tx, out, 1200, 0)),
    1024,
  );
  rig.run(5);
  let got = 0;
  for (;;) {
    const n = rig.call(() =>
      sys_recvmmsg(sb.task, rx, vec(Array.from({ length: 100 }, () => new Uint8Array(9))), 100, MSG_DONTWAIT),
    );
    if (n < 0) break;
    got += n;
  }
  assert.equal(got, 1024);
  sa.close(tx);
  sb.close(rx);
  rig.end();
});
