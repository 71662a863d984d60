// AF_INET6 sockets of a machine without an IPv6 address: every call of calls.ts answers as Linux 6.18 did (golden/calls.json, made by
// unshare -n python3 tools/record-calls.py; live in test/linux/inet6.test.ts).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Answers, scenarios } from "./calls.ts";
import { differences, our_answers } from "./calls_play.ts";

test("calls on AF_INET6 sockets: bind, connect, mapped connections and datagrams, options, ancillary data, errors", () => {
  const asked = scenarios();
  const linux = JSON.parse(readFileSync(new URL("golden/calls.json", import.meta.url), "utf8")) as Answers;
  assert.deepEqual(Object.keys(linux), Object.keys(asked), "recorded from these scenarios");
  assert.deepEqual(differences(linux, our_answers(asked), asked), []);
});
