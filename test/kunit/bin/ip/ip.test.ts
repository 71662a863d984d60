// ip against iproute2 6.1 on Linux 6.18: every recorded command byte for byte (tools/record-netlink.mjs).

import assert from "node:assert/strict";
import { test } from "node:test";
import { ip } from "../../../../src/bin/ip/ip.ts";
import { loadGolden, replay, testRecording } from "../../../lib/replay_sys.ts";

for (const name of ["ip-link-show", "ip-link-set", "ip-addr", "ip-route", "ip-neigh", "ip-rule", "ip-misc"])
  testRecording(name, { ip });

const monitored = loadGolden("ip-monitor");
for (const c of monitored.cases)
  test(`ip-monitor: ${c.command}`, () => assert.equal(replay(monitored, c, ip).stdout, c.stdout));
