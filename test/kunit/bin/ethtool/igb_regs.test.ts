// The register dump of an igb as Debian's ethtool 6.1 words it: golden/igb-registers.txt is what it printed for these 740 words, given to
// it in place of the kernel's answer.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { igbRegisters } from "../../../../src/bin/ethtool/igb_regs.ts";

test("every word has ethtool's name, address and meaning", () => {
  const words = Uint32Array.from({ length: 740 }, (_, i) => Math.imul(i, 0x9e3779b1) + 0x12345678);
  const golden = readFileSync(new URL("../golden/igb-registers.txt", import.meta.url), "utf8");
  assert.deepEqual(igbRegisters(new Uint8Array(words.buffer)).split("\n"), golden.split("\n"));
});
