// @HOST COMMAND as a program: output, exit codes, pipes, loops, Ctrl-C, the machine itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Lab } from "../../../src/lab/lab.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { memoryTree } from "../../../src/lab/tree.ts";

const FILES = {
  "lab.conf": "pc1[0]=A\npc2[0]=A\n",
  "pc1.startup": "ip a a 10.0.0.1/24 dev eth0\n@pc2 'echo written > /tmp/by-pc1'\n",
  "pc2.startup": "ip a a 10.0.0.2/24 dev eth0\n",
};

function withLab(body: (lab: Lab) => void): void {
  const lab = new Lab(loadTopology(memoryTree(FILES)));
  assert.deepEqual(lab.boot(), []);
  body(lab);
  lab.stop();
  assert.deepEqual(lab.bugs(), []);
  for (const h of lab.hosts.values()) {
    assert.deepEqual(
      Object.entries(h.computer.live()).filter(([, n]) => n !== 0),
      [],
    );
  }
}

test("in lists, pipes, loops and substitutions; the exit code and both outputs come back", () => {
  withLab((lab) => {
    const run = (command: string): [string, string, number] => {
      const r = lab.exec("pc1", command);
      return [r.stdout, r.stderr, r.exitCode];
    };
    assert.deepEqual(run("uname -n; @pc2 uname -n && echo ok"), ["pc1\npc2\nok\n", "", 0]);
    assert.deepEqual(run("for h in pc1 pc2; do @$h uname -n; done | tr a-z A-Z"), ["PC1\nPC2\n", "", 0]);
    assert.deepEqual(run("x=$(@pc2 cat /tmp/by-pc1); echo got $x"), ["got written\n", "", 0]);
    assert.deepEqual(run("@pc2 'ls /nowhere; exit 7'"), [
      "",
      "ls: cannot access '/nowhere': No such file or directory\n",
      7,
    ]);
    assert.deepEqual(run("@pc2 'kill -9 $$'; echo $?"), ["137\n", "", 0]);
    assert.deepEqual(run("@pc2 cat; echo $?"), ["0\n", "", 0]);
    assert.deepEqual(run("@pc2 seq 30000 | tail -n 1"), ["30000\n", "", 0]);
    assert.deepEqual(run("@pc2 yes | head -n 1; @pc9 ls")[0], "y\n");
    assert.match(run("@pc9 ls")[1], /@pc9: command not found/);
    assert.match(
      run("ping -c 1 10.0.0.2 > /dev/null & @pc2 tcpdump -n -c 1 -i eth0 icmp; wait")[0],
      /10\.0\.0\.1 > 10\.0\.0\.2/,
    );
  });
});

test("who is killed here does not run on there", () => {
  withLab((lab) => {
    const sleeping = (): number => Number(lab.exec("pc2", "ps -C sleep -o pid= | wc -l").stdout);
    const p = lab.start("pc1", "@pc2 sleep 1000; echo no");
    lab.run(1e9);
    assert.equal(sleeping(), 1);
    p.kill(2);
    lab.run(1e9);
    assert.equal(sleeping(), 0);
    assert.equal(p.running, false);
    lab.exec("pc1", "@pc2 'sleep 50 &'");
    assert.equal(sleeping(), 1);
  });
});
