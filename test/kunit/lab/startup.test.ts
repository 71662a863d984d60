// Startup scripts that fail: what is said, and whether the lab has to say more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Lab } from "../../../src/lab/lab.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { memoryTree } from "../../../src/lab/tree.ts";

test("a failing command is named with file and line; a script that only ends badly is reported as silent", () => {
  let said = "";
  const lab = new Lab(
    loadTopology(
      memoryTree({
        "lab.conf": "a[0]=A\nb[0]=A\n",
        "a.startup": "true\nip link set eth7 up\n",
        "b.startup": "exit 3\n",
      }),
    ),
    { seed: 1, onOutput: (host, stream, text) => void (said += `${host} ${stream} ${text}`) },
  );
  assert.deepEqual(lab.boot(), [
    { host: "a", script: "a.startup", exitCode: 1, silent: false },
    { host: "b", script: "b.startup", exitCode: 3, silent: true },
  ]);
  assert.equal(
    said,
    'a stderr Cannot find device "eth7"\na stderr a.startup:2: ip link set eth7 up: failed (exit status 1)\n',
  );
  lab.stop();
});
