// What the shell says when something is wrong: script and line first (issue 2, section 6), then bash's words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { coreutils } from "../../../../src/bin/coreutils/index.ts";
import { checkScript } from "../../../../src/bin/sh/check.ts";
import { sh } from "../../../../src/bin/sh/main.ts";
import { scriptProgram } from "../../../../src/bin/sh/script.ts";
import { isIncomplete } from "../../../../src/bin/sh/source.ts";
import { FakeMachine } from "../../../lib/fake_sys.ts";

function startup(text: string, options: Parameters<typeof scriptProgram>[1] = {}, startLine = 1) {
  const program = scriptProgram({ file: "pc1.startup", text, startLine }, options);
  return new FakeMachine({ programs: { ...coreutils, sh, script: program } }).run(["script"]);
}

const c = (text: string) => new FakeMachine({ programs: { ...coreutils, sh } }).run(["sh", "-c", text]).stderr;

test("an error of a startup script names script and line, and the script goes on", () => {
  const r = startup("echo a\n\n# comment\npinq -c 1 x\nfor i in 1 2; do\n  nosuch$i\ndone\necho b\n");
  assert.equal(
    r.stderr,
    "pc1.startup:4: pinq: command not found\npc1.startup:6: nosuch1: command not found\npc1.startup:6: nosuch2: command not found\n",
  );
  assert.equal(r.stdout, "a\nb\n");
  assert.equal(startup("x\n", {}, 17).stderr, "pc1.startup:17: x: command not found\n");
});

test("lines inside functions, substitutions, here-documents and multi-line commands", () => {
  assert.equal(startup("f() {\n  lost\n}\necho \\\n  x\nf\n").stderr, "pc1.startup:2: lost: command not found\n");
  assert.equal(startup("x=$(\n\n lost)\n").stderr, "pc1.startup:3: lost: command not found\n");
  assert.equal(
    startup("cat <<E\n$(lost)\nE\nlost2\n").stderr,
    "pc1.startup:2: lost: command not found\npc1.startup:4: lost2: command not found\n",
  );
  assert.equal(startup("\n\neval 'echo a\nlost'\n").stderr, "pc1.startup:3: lost: command not found\n");
  assert.equal(
    startup("a |\n  b\n").stderr,
    "pc1.startup:1: a: command not found\npc1.startup:2: b: command not found\n",
  );
});

test("a program that fails is named with its line when the lab asks for it", () => {
  const r = startup("cat /nosuch\ncat /nosuch || true\nif cat /nosuch; then :; fi\n! cat /nosuch\ntrue\n", {
    report: true,
  });
  const own = "cat: /nosuch: No such file or directory\n";
  assert.equal(r.stderr, `${own}pc1.startup:1: cat /nosuch: failed (exit status 1)\n${own}${own}${own}`);
});

test("for the lab a mistake says what became of it", () => {
  const said = (text: string) => startup(text, { report: true }).stderr;
  assert.equal(said("systemctl start x\ntrue\n"), "pc1.startup:1: systemctl: command not found: skipped\n");
  assert.equal(said("\ncoproc cat\n").replace(/;.*:/, ":"), "pc1.startup:2: coproc is not supported: skipped\n");
  assert.equal(said("echo ${x:?gone}\n"), "pc1.startup:1: x: gone: fatal\n");
  assert.match(said("if true\n"), /^pc1\.startup:1: syntax error: .*: fatal\n$/);
});

test("a syntax error: what stands before it runs, it is told with its line, the status is 2", () => {
  const r = startup("echo one\necho two\nif true; then\n  echo three\n");
  assert.deepEqual(
    [r.stdout, r.stderr, r.status],
    ["one\ntwo\n", "pc1.startup:4: syntax error: expected 'fi' to close 'if'\n", 2],
  );
  assert.equal(startup("echo 'open\n").stderr, "pc1.startup:1: syntax error: unterminated single quote\n");
});

test("bash's words", () => {
  assert.equal(c("cd /nosuch"), "sh: cd: /nosuch: No such file or directory\n");
  assert.equal(c("cat < /nosuch"), "sh: /nosuch: No such file or directory\n");
  assert.equal(c("./x"), "sh: ./x: No such file or directory\n");
  assert.equal(c("/tmp"), "sh: /tmp: Is a directory\n");
  assert.equal(c("[ a b ]"), "sh: [: a: unary operator expected\n");
  assert.equal(c("[ 1 -eq x ]"), "sh: [: x: integer expression expected\n");
  assert.equal(c("[ 1"), "sh: [: missing `]'\n");
  assert.equal(c("readonly a=1; a=2"), "sh: a: readonly variable\n");
  assert.equal(c("set -u; echo $zz"), "sh: zz: unbound variable\n");
  assert.equal(c("echo ${x:?gone}"), "sh: x: gone\n");
  assert.equal(c("echo $((1/0))"), 'sh: 1/0: division by 0 (error token is "0")\n');
  assert.equal(c("export 1x=3"), "sh: export: `1x=3': not a valid identifier\n");
  assert.equal(c("return 3"), "sh: return: can only `return' from a function or sourced script\n");
  assert.equal(c("wait 99999"), "sh: wait: pid 99999 is not a child of this shell\n");
  assert.equal(c("kill 99999"), "sh: kill: (99999) - No such process\n");
  assert.equal(c("type nosuch"), "sh: type: nosuch: not found\n");
  assert.equal(c("fg"), "sh: fg: no job control\n");
  assert.equal(c("printf %d abc"), "sh: printf: abc: invalid number\n");
  assert.equal(c("slep 1"), 'sh: slep: command not found (did you mean "sleep"?)\n');
});

test("what bash has and this shell has not is said, and only that command is skipped", () => {
  const r = startup("cat <(echo a)\nselect x in a; do :; done\ncoproc cat\nexec {fd}>x\ndeclare -A m\necho end\n");
  assert.equal(r.stdout, "end\n");
  assert.deepEqual(
    r.stderr
      .trimEnd()
      .split("\n")
      .map((l) => l.replace(/;.*/, "")),
    [
      "pc1.startup:1: <(...): process substitution is not supported",
      "pc1.startup:2: select is not supported",
      "pc1.startup:3: coproc is not supported",
      "pc1.startup:4: {fd}: descriptors in variables are not supported",
      "pc1.startup:5: declare: -A: associative arrays are not supported",
    ],
  );
});

test("set -x shows commands after expansion", () => {
  const r = startup("set -x\na=1\necho $a \"b c\" 'd'\n[[ a == a ]]\nfor i in 1; do :; done\n");
  assert.equal(r.stderr, "+ a=1\n+ echo 1 'b c' d\n+ [[ a == a ]]\n+ for i in 1\n+ :\n");
});

test("a script is looked at before it runs", () => {
  const known = (n: string) => ["ip", "ping"].includes(n);
  const look = (text: string) =>
    checkScript({ file: "f", text, startLine: 10 }, known).map((p) => `${p.line} ${p.kind} ${p.text}`);
  assert.deepEqual(look("ip link\nf() { ping x; }\nf\necho $(lost `lost2`)\n$cmd x\n/bin/any\n[ a ]\n"), [
    "13 unknown-command lost: command not found",
    "13 unknown-command lost2: command not found",
  ]);
  assert.deepEqual(look("ip a\nif x; then\nselect a in b; do :; done"), [
    "11 unknown-command x: command not found",
    "12 syntax syntax error: expected 'fi' to close 'if'",
    "12 unsupported select is not supported",
  ]);
});

test("a prompt knows when a command goes on", () => {
  for (const t of [
    "if true",
    "if true; then",
    "echo 'a",
    'echo "a',
    "a &&",
    "a ||",
    "a |",
    "echo \\",
    "f() {",
    "{ a",
    "( a",
    "for i in 1; do",
    "case x in",
    "cat <<E\nx",
    "echo $(a",
    "echo ${x",
    "while :",
    "echo `a",
    "[[ a",
  ]) {
    assert.equal(isIncomplete(`${t}\n`), true, t);
  }
  for (const t of [
    "a",
    "",
    "fi",
    "a; )",
    "a ;; b",
    "cat <<E\nx\nE",
    "echo a # it's",
    "echo a\\\\",
    "x=1 y",
    "a &",
    "if; then",
  ]) {
    assert.equal(isIncomplete(`${t}\n`), false, t);
  }
});
