// getopt(3) as glibc does it; the messages were recorded from Debian's grep, head and timeout.

import assert from "node:assert/strict";
import { test } from "node:test";
import { getopt } from "../../../../src/bin/lib/getopt.ts";

test("clusters, attached and separate arguments, permutation", () => {
  const o = getopt(["x", "-ab", "file", "-c3", "-c", "4", "-d"], "abc:d::");
  assert.deepEqual(
    o.list.map((e) => [e.name, e.value]),
    [
      ["a", undefined],
      ["b", undefined],
      ["c", "3"],
      ["c", "4"],
      ["d", undefined],
    ],
  );
  assert.deepEqual(o.operands, ["file"]);
  assert.equal(o.get("c"), "4");
  assert.equal(o.count("c"), 2);
  assert.equal(o.error, undefined);
});

test("-- ends the options, - is an operand, + stops at the first operand", () => {
  assert.deepEqual(getopt(["x", "-", "-a", "--", "-b"], "ab").operands, ["-", "-b"]);
  const o = getopt(["timeout", "-s", "INT", "5", "ping", "-c", "1"], "+s:");
  assert.deepEqual(o.operands, ["5", "ping", "-c", "1"]);
  assert.equal(o.get("s"), "INT");
});

test("long options: =, separate, abbreviation, alias", () => {
  const o = getopt(["head", "--lines=3", "--by", "7", "--qui"], "n:c:q", ["lines:=n", "bytes:=c", "quiet=q"]);
  assert.equal(o.get("n"), "3");
  assert.equal(o.get("c"), "7");
  assert.ok(o.has("q"));
});

test("glibc's messages", () => {
  assert.equal(getopt(["grep", "-z9"], "ab").error, "grep: invalid option -- 'z'");
  assert.equal(getopt(["head", "-n"], "n:").error, "head: option requires an argument -- 'n'");
  assert.equal(getopt(["head", "--foo"], "n:", ["lines:"]).error, "head: unrecognized option '--foo'");
  assert.equal(getopt(["head", "--lines"], "n:", ["lines:"]).error, "head: option '--lines' requires an argument");
  assert.equal(getopt(["head", "--q=1"], "q", ["quiet"]).error, "head: option '--quiet' doesn't allow an argument");
  assert.equal(
    getopt(["head", "--v"], "v", ["verbose", "version"]).error,
    "head: option '--v' is ambiguous; possibilities: '--verbose' '--version'",
  );
});
