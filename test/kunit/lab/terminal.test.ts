// The prompt of a lab: typed keys in, screen out. A lab of two hosts in virtual time; ping is not needed here.

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { complete } from "../../../src/lab/complete.ts";
import { Lab } from "../../../src/lab/lab.ts";
import { runTerminal } from "../../../src/lab/terminal.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { memoryTree } from "../../../src/lab/tree.ts";

function newLab(): Lab {
  const lab = new Lab(loadTopology(memoryTree({ "lab.conf": "pc1[0]=A\npc2[0]=A\n", "pc1/tmp/notes.txt": "x" })));
  lab.boot();
  return lab;
}

class Screen {
  readonly input = new PassThrough();
  readonly output = Object.assign(new PassThrough(), { columns: 80, rows: 24, isTTY: true });
  text = "";
  readonly ended: Promise<number>;

  /** After the end the lab is stopped: no BUG, nothing left open. */
  constructor(lab: Lab, hint?: string) {
    this.output.on("data", (b: Buffer) => {
      this.text += b.toString();
    });
    this.ended = runTerminal(lab, {
      input: this.input,
      output: this.output,
      terminal: true,
      ...(hint !== undefined && { hint }),
    }).then((code) => {
      lab.stop();
      assert.deepEqual(lab.bugs(), []);
      for (const h of lab.hosts.values()) {
        assert.deepEqual(
          Object.entries(h.computer.live()).filter(([, n]) => n !== 0),
          [],
        );
      }
      return code;
    });
  }

  /** What a person would have read: without the editor's cursor movements. */
  get plain(): string {
    return this.text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, "").replace(/\r/g, "");
  }

  type(keys: string): void {
    this.input.write(keys);
  }

  async until(what: RegExp, ms = 4000): Promise<void> {
    const end = Date.now() + ms;
    while (!what.test(this.plain)) {
      if (Date.now() > end) assert.fail(`waited for ${what}; the screen: ${JSON.stringify(this.plain)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

test("a prompt, commands, several lines, another host and back, exit", async () => {
  const s = new Screen(newLab(), "three lines\nof a\nhint");
  await s.until(/hint\n.*pc1\$ /s);
  s.type("echo one; uname -n\n");
  await s.until(/\none\npc1\n.*pc1\$ $/s);
  s.type("for i in 1 2; do\n");
  await s.until(/> $/);
  s.type("echo n$i; done\n");
  await s.until(/\nn1\nn2\n.*pc1\$ $/s);
  s.type("hosts\n");
  await s.until(/\* pc1 +eth0 on A\n {2}pc2 +eth0 on A\n/);
  s.type("@pc2\n");
  await s.until(/pc2\$ $/);
  s.type("connect nowhere\n");
  await s.until(/no host "nowhere"; there are: pc1, pc2\n/);
  s.type("uname -n; exit\n");
  await s.until(/\npc2\n(?:exit\n)?.*pc1\$ $/s);
  s.type("@pc2 echo from $(uname -n)\n");
  await s.until(/\nfrom pc2\n[\s\S]*pc1\$ $/);
  // In the background there: its lines come with the host's name, and go above what is being typed here.
  s.type("@pc2 sleep 0.05 && echo later &\n");
  await s.until(/\n\[1\] \d+\n[\s\S]*pc1\$ $/);
  s.type("echo ty");
  await s.until(/pc2: later\n[\s\S]*pc1\$ echo ty$/);
  s.type("ped\n");
  await s.until(/\ntyped\n[\s\S]*pc1\$ $/);
  s.type("@pc2 sleep 1000\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x03");
  await s.until(/sleep 1000\n\^C\n[\s\S]*pc1\$ $/);
  s.type("exit 7\n");
  assert.equal(await s.ended, 7);
});

test("Ctrl-C ends what runs, and an endless loop; output streams meanwhile", async () => {
  const s = new Screen(newLab());
  await s.until(/pc1\$ $/);
  s.type("sleep 1000\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x03");
  await s.until(/\^C.*\n.*pc1\$ $/s);
  s.type("echo $?\n");
  await s.until(/\n130\n/);
  s.type("while true; do :; done\n");
  await new Promise((resolve) => setTimeout(resolve, 80));
  s.type("\x03");
  await s.until(/130\n[\s\S]*\^C\n.*pc1\$ $/);
  s.type("for i in a b c; do echo tick-$i; sleep 0.05; done\n");
  await s.until(/tick-a\n/);
  assert.ok(!s.plain.includes("tick-c"), "the last line came with the first");
  await s.until(/tick-c\n.*pc1\$ $/s);
  s.type("half typed\x03");
  await s.until(/half typed\^C\n.*pc1\$ $/s);
  s.type("exit\n");
  assert.equal(await s.ended, 130);
});

test("Ctrl-C throws away what was typed ahead, as a Linux terminal without NOFLSH; Ctrl-Z only explains itself", async () => {
  const s = new Screen(newLab());
  await s.until(/pc1\$ $/);
  s.type("sleep 1000\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x1a");
  await s.until(/cannot be stopped/);
  s.type("bg; fg; echo ran $((6 * 7))\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x03");
  await s.until(/\^C\n.*pc1\$ $/);
  s.type("bg; fg\n");
  await s.until(/fg: current: no such job\n.*pc1\$ $/);
  s.type("while :; do :; done\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x03");
  await s.until(/done\n\^C\n.*pc1\$ $/);
  assert.doesNotMatch(s.plain, /ran 42/);
  s.type("exit\n");
  assert.equal(await s.ended, 130);
});

test("Ctrl-D is end of file for a program, then for the shell", async () => {
  const s = new Screen(newLab());
  await s.until(/pc1\$ $/);
  s.type("cat; echo end\n");
  await new Promise((resolve) => setTimeout(resolve, 30));
  s.type("line\n");
  await s.until(/line\nline\n/);
  s.type("\x04");
  await s.until(/\nend\n.*pc1\$ $/s);
  s.type("\x04");
  assert.equal(await s.ended, 0);
});

test("history and completion", async () => {
  const s = new Screen(newLab());
  await s.until(/pc1\$ $/);
  s.type("echo first\n");
  await s.until(/\nfirst\n.*pc1\$ $/s);
  s.type("\x1b[A\n");
  await s.until(/\nfirst\n[\s\S]*\nfirst\n.*pc1\$ $/);
  s.type("cat /tmp/no");
  s.type("\t");
  await s.until(/notes\.txt $/);
  s.type("\n");
  await s.until(/cat \/tmp\/notes\.txt \nxpc1\$ $/);
  s.type("connect pc2\n");
  await s.until(/pc2\$ $/);
  s.type("exit\n");
  await s.until(/pc1\$ $/);
  s.type("exit\n");
  assert.equal(await s.ended, 0);
});

test("without a terminal the input is a script, @HOST changes the host", async () => {
  const lab = newLab();
  const input = new PassThrough();
  const output = new PassThrough();
  input.end("uname -n\nfor i in 1 2; do\necho $i\ndone\n@pc2 uname -n\nsleep 100; exit 4\n");
  const code = await runTerminal(lab, { input, output });
  assert.equal(code, 4);
  assert.equal(output.read().toString(), "pc1\n1\n2\npc2\n");
});

test("what completes where", () => {
  const context = {
    commands: () => ["ip", "ping", "ps", "cat", "ls"],
    hosts: () => ["pc1", "pc2", "r1"],
    interfaces: () => ["eth0", "eth1", "lo"],
    folder: (path: string) => ({ "": ["a.txt", "dir/", ".hidden"], "/etc/": ["hosts", "hostname"] })[path] ?? null,
  };
  const c = (line: string) => complete(line, context).candidates;
  assert.deepEqual(c("pi"), ["ping"]);
  assert.deepEqual(c("echo x | p"), ["ping", "ps"]);
  assert.deepEqual(c("true && p"), ["ping", "ps"]);
  assert.deepEqual(c("for i in 1; do pin"), ["ping"]);
  assert.deepEqual(c("@p"), ["@pc1", "@pc2"]);
  assert.deepEqual(c("connect "), ["pc1", "pc2", "r1"]);
  assert.deepEqual(c("conn"), ["connect"]);
  assert.deepEqual(c("ping r"), ["r1"]);
  assert.deepEqual(c("ip ro"), ["route"]);
  assert.deepEqual(c("ip -4 route a"), ["add", "append"]);
  assert.deepEqual(c("ip addr add 10.0.0.1/24 dev e"), ["eth0", "eth1"]);
  assert.deepEqual(c("tcpdump -i l"), ["lo"]);
  assert.deepEqual(c("cat /etc/hos"), ["/etc/hostname", "/etc/hosts"]);
  assert.deepEqual(c("ls "), ["a.txt", "dir/"]);
  assert.deepEqual(c("echo > a"), ["a.txt"]);
  assert.deepEqual(c("cat nothing/"), []);
});
