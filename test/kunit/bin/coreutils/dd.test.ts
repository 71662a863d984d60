// dd(1): operands, blocks, counts and messages, as GNU's prints them in the C locale.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TestStack } from "../../../../src/testing/index.ts";

const cases: readonly (readonly [string, string])[] = [
  ["dd if=/dev/zero of=/tmp/z bs=1000 count=5 status=noxfer", "5+0 records in\n5+0 records out\n"],
  ["dd if=/tmp/z of=/tmp/z2 bs=64 status=noxfer", "78+1 records in\n78+1 records out\n"],
  ["dd if=/tmp/z ibs=100 obs=1k of=/dev/null status=noxfer", "50+0 records in\n4+1 records out\n"],
  ["dd if=/tmp/z of=/tmp/z3 status=none; wc -c < /tmp/z3", "5000\n"],
  ["dd if=/dev/zero of=/tmp/n bs=2b count=2x2 status=none; wc -c < /tmp/n", "4096\n"],
  ["echo abcdefgh | dd bs=2 count=2 skip=1 status=none", "cdef"],
  ["echo abcdefgh > /tmp/a; printf XY | dd of=/tmp/a bs=2 seek=1 conv=notrunc status=none; cat /tmp/a", "abXYefgh\n"],
  ["echo 12 > /tmp/b; printf 34 | dd of=/tmp/b oflag=append conv=notrunc status=none; cat /tmp/b", "12\n34"],
  ["dd if=/nosuch", "dd: failed to open '/nosuch': No such file or directory\n"],
  ["dd if=/dev/zero of=/nosuch/x count=1", "dd: failed to open '/nosuch/x': No such file or directory\n"],
  ["dd foo", "dd: unrecognized operand 'foo'\nTry 'dd --help' for more information.\n"],
  ["dd bs=x", "dd: invalid number: 'x'\n"],
  ["dd bs=0", "dd: invalid number: '0'\n"],
  ["dd conv=foo", "dd: invalid conversion: 'foo'\nTry 'dd --help' for more information.\n"],
  ["dd status=foo", "dd: invalid status level: 'foo'\nTry 'dd --help' for more information.\n"],
];

test("dd copies, counts and complains as GNU's", () => {
  const s = new TestStack({ seed: 1 });
  for (const [command, out] of cases) assert.equal(s.shell(command).out, out, command);
  assert.equal(s.shell("dd foo").code, 1);
  assert.match(
    s.shell("dd if=/dev/zero of=/tmp/z bs=1M count=3").out,
    /^3\+0 records in\n3\+0 records out\n3145728 bytes \(3\.1 MB, 3\.0 MiB\) copied, \S+ s, \S+ \S+\/s\n$/,
  );
  assert.match(s.shell("dd if=/dev/zero of=/tmp/z bs=100 count=1").out, /^100 bytes copied, /m);
  s.close_all();
});
