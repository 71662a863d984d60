// The prompt: continuation lines, jobs, Ctrl-C, end of input.

import assert from "node:assert/strict";
import { test } from "node:test";
import { coreutils } from "../../../../src/bin/coreutils/index.ts";
import { sh } from "../../../../src/bin/sh/main.ts";
import type { Program } from "../../../../src/uapi/sys.ts";
import { FakeMachine } from "../../../lib/fake_sys.ts";

function session(lines: string[], programs: Record<string, Program> = {}): { out: string; status: number } {
  const m = new FakeMachine({ programs: { ...coreutils, sh, ...programs } });
  m.ttyInput = lines.map((l) => (l === "\x03" ? l : `${l}\n`));
  const r = m.run(["sh"], { tty: true });
  return { out: m.ttyOutput, status: r.status };
}

test("prompts, output, exit", () => {
  assert.deepEqual(session(["echo hi", "x=5; echo $x"]), { out: "pc1$ hi\npc1$ 5\npc1$ exit\n", status: 0 });
  assert.deepEqual(session(["exit 3", "echo no"]), { out: "pc1$ ", status: 3 });
});

test("a command over several lines", () => {
  const { out } = session(["for i in 1 2; do", "echo $i", "done", "cat <<E", "text", "E", "echo 'a", "b'"]);
  assert.equal(out, "pc1$ > > 1\n2\npc1$ > > text\npc1$ > a\nb\npc1$ exit\n");
});

test("an error does not end the session", () => {
  const { out } = session([
    "nosuch",
    "echo $?",
    ")",
    "echo ${x:?no}; echo same line",
    "set -u; echo $zz",
    "echo alive",
  ]);
  assert.match(out, /sh: nosuch: command not found.*\npc1\$ 127\npc1\$ sh: syntax error: unexpected token '\)'\n/);
  assert.match(out, /pc1\$ sh: x: no\npc1\$ sh: zz: unbound variable\npc1\$ alive\n/);
});

test("Ctrl-C at the prompt and in a half-typed command", () => {
  assert.equal(session(["\x03", "echo $?"]).out, "pc1$ \npc1$ 130\npc1$ exit\n");
  assert.equal(session(["for i in 1; do", "\x03", "echo a"]).out, "pc1$ > \npc1$ a\npc1$ exit\n");
});

test("Ctrl-C ends the foreground job, its loop and its line, and not the shell", () => {
  const m = new FakeMachine();
  const hang: Program = function* (sys) {
    // The user presses Ctrl-C while this runs.
    yield* sys.nanosleep(1_000_000_000);
    m.interrupt();
    yield* sys.nanosleep(1_000_000_000);
    return 0;
  };
  for (const [name, p] of Object.entries({ ...coreutils, sh, hang })) m.programs.set(name, p);
  m.ttyInput = [
    "while true; do hang; echo again; done; echo rest\n",
    "echo $?\n",
    "hang | cat\n",
    "echo $?\n",
    "echo $(hang); echo x\n",
    "echo after\n",
  ];
  m.run(["sh"], { tty: true });
  assert.equal(m.ttyOutput, "pc1$ \npc1$ 130\npc1$ \npc1$ 130\npc1$ \npc1$ after\npc1$ exit\n");
});

test("background jobs: number, list, notice, wait, kill, fg", () => {
  const { out } = session([
    "sleep 1 &",
    "jobs",
    "sleep 2",
    "echo next",
    "sleep 50 &",
    "kill %1",
    "wait %1",
    "echo $?",
    "sleep 1 & fg",
    "jobs",
    "fg",
  ]);
  const text = out.replace(/^((?:pc1\$ )*)(\[1\]) 1\d\d$/gm, "$1$2 PID");
  assert.equal(
    text,
    "pc1$ [1] PID\n" +
      "pc1$ [1]+  Running                 sleep 1 &\n" +
      "pc1$ [1]+  Done                    sleep 1\n" +
      "pc1$ next\n" +
      "pc1$ [1] PID\n" +
      "pc1$ [1]+  Terminated              sleep 50\n" +
      "pc1$ sh: wait: %1: no such job\n" +
      "pc1$ 127\n" +
      "pc1$ [1] PID\nsleep 1\n" +
      "pc1$ pc1$ sh: fg: current: no such job\n" +
      "pc1$ exit\n",
  );
});

test("read and cat take what is typed after the command", () => {
  assert.equal(
    session(['read x; echo "got $x"', "typed", "cat; echo end", "more"]).out,
    "pc1$ got typed\npc1$ more\nend\npc1$ exit\n",
  );
});

test("without a terminal commands are read one by one: what follows belongs to them (as bash and dash from a pipe)", () => {
  const run = (stdin: string): [string, string, number] => {
    const m = new FakeMachine({ programs: { ...coreutils, sh } });
    const r = m.run(["sh"], { stdin });
    return [r.stdout, r.stderr, r.status];
  };
  assert.deepEqual(run('read x\nfoo\necho "got $x"\nif true\nthen cat\nfi\nrest\n'), ["got foo\nrest\n", "", 0]);
  assert.deepEqual(run("cat; echo c\nlines\n"), ["lines\nc\n", "", 0]);
  assert.deepEqual(run("echo a\nexit 3\necho b\n"), ["a\n", "", 3]);
  assert.deepEqual(run("cat <<E\nx $((1 + 1))\n E\nE\necho y"), ["x 2\n E\ny\n", "", 0]);
  assert.deepEqual(run("echo a\n)\necho b\n").slice(0, 3), ["a\n", "sh:2: syntax error: unexpected token ')'\n", 2]);
  assert.deepEqual(
    run("echo a\necho $(\necho b\n").filter((_, i) => i !== 1),
    ["a\n", 2],
  );
  assert.deepEqual(run("set -e\nfalse\necho b\n"), ["", "", 1]);
  assert.deepEqual(run("trap 'echo bye' EXIT\nx=1\n\n# nothing\necho $x"), ["1\nbye\n", "", 0]);
  // A long here-document is not parsed anew for each of its lines.
  const [out] = run(`wc -l <<E\n${"line\n".repeat(3000)}E\n`);
  assert.equal(out.trim(), "3000");
});
