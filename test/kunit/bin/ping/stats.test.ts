// ping's numbers: the decimals of a reply's time, the closing block, duplicates. Pinned to what iputils prints.

import assert from "node:assert/strict";
import { test } from "node:test";
import { msFixed, PingStats, percent, replyTime, snapshot, summary } from "../../../../src/bin/ping/stats.ts";

test("a reply's time has three digits that mean something", () => {
  const shown = (us: number): string => replyTime(us);
  assert.equal(shown(0), "0.000");
  assert.equal(shown(330), "0.330");
  assert.equal(shown(1083), "1.08");
  assert.equal(shown(12345), "12.3");
  assert.equal(shown(350504), "351");
  assert.equal(shown(99960), "100");
});

test("percentages are C's %g", () => {
  assert.equal(percent(1, 3), "33.3333");
  assert.equal(percent(4, 13), "30.7692");
  assert.equal(percent(2, 5), "40");
  assert.equal(percent(0, 5), "0");
});

test("the closing block: 0.330 and 0.059 ms give avg 0.194, mdev 0.135", () => {
  const s = new PingStats();
  for (const [seq, us] of [
    [1, 330],
    [2, 59],
  ]) {
    s.transmitted = seq;
    s.received++;
    s.addTime(us);
    s.acknowledge(seq);
    s.markSeq(seq);
  }
  s.lastSend = 204e6;
  const text = summary(s, "10.0.1.1", true, true);
  assert.equal(
    text,
    "\n--- 10.0.1.1 ping statistics ---\n2 packets transmitted, 2 received, 0% packet loss, time 204ms\n" +
      "rtt min/avg/max/mdev = 0.059/0.194/0.330/0.135 ms\n",
  );
  assert.match(
    snapshot(s, true),
    /^\r2\/2 packets, 0% loss, min\/avg\/ewma\/max = 0\.059\/0\.194\/0\.296\/0\.330 ms\n$/,
  );
});

test("errors only: an empty line where the times would be, and the pipe", () => {
  const s = new PingStats();
  s.transmitted = 3;
  s.errors = 3;
  s.acknowledge(1);
  s.lastSend = 406e6;
  assert.equal(
    summary(s, "h", true, true),
    "\n--- h ping statistics ---\n3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 406ms\npipe 3\n",
  );
});

test("a sequence number answered twice is a duplicate until it is sent again", () => {
  const s = new PingStats();
  assert.equal(s.markSeq(7), false);
  assert.equal(s.markSeq(7), true);
  s.clearSeq(7);
  assert.equal(s.markSeq(7), false);
  assert.equal(msFixed(65536), "65.536");
});
