// Hostile shell input: no exception leaves the shell, and each run ends within its budget of steps.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { coreutils } from "../../../../src/bin/coreutils/index.ts";
import { checkScript } from "../../../../src/bin/sh/check.ts";
import { sh } from "../../../../src/bin/sh/main.ts";
import { isIncomplete } from "../../../../src/bin/sh/source.ts";
import { FakeMachine } from "../../../lib/fake_sys.ts";

const { yes: _yes, watch: _watch, tail: _tail, ...finite } = coreutils;

function run(text: string): void {
  const m = new FakeMachine({ programs: { ...finite, sh }, files: { "/tmp/a": "1\n2\n", "/tmp/b/c": "x" } });
  m.maxTasks = 20;
  m.maxSteps = 20_000;
  try {
    const r = m.run(["sh", "-c", text], { cwd: "/tmp", stdin: "line one\nline two\n" });
    assert.ok(r.status >= 0 && r.status <= 255);
  } catch (e) {
    // A loop without end that yields is the script's own; so is waiting for what never comes.
    if (!(e instanceof Error) || !/step budget|deadlock/.test(e.message)) throw e;
  }
  isIncomplete(text);
  checkScript({ file: "f", text, startLine: 1 }, () => true);
}

const piece = fc.constantFrom(
  ..."echo;cat;x=1;$x;${x};${x:-;};${x#;${#x};${x/a/b};$((;));1+;$(;`;\";';\\;{1..3};{a,b};*;?;[;];[[;]];==;=~;if;then;else;fi;for;i;in;do;done;while;until;case;esac;|;||;&;&&;!;(;);{;>;>>;<;<<E;<<<;2>&1;&>;E;f();function;return;break;continue;exit;local;export;unset;set -e;set -u;shift;read y;eval;trap 'x' EXIT;wait;jobs;kill %1;true;false;sleep 1;a=(1 2);${a[@]};a[0]=;$@;\"$@\";$*;$#;$?;$!;$$;~;-n;-z;0;9999999999999999999;%s;printf;test;declare;alias q=;getopts;exec;source;/tmp/a;#;,;+=;@;:;seq 3;head;grep;-o;sort;tr a b;xargs;sed s/a/b/;cut -f1;wc;date;;;;;;&;;;&".split(
    ";",
  ),
);
const glue = fc.constantFrom(" ", " ", " ", "\n", ";", "; ", "", "\t");

test("token soup", () => {
  const soup = fc.array(fc.tuple(piece, glue), { maxLength: 40 }).map((p) => p.map(([a, b]) => a + b).join(""));
  fc.assert(fc.property(soup, run), { numRuns: 3000 });
});

test("lines at a prompt: history expansion, jobs, lines without end", () => {
  const at = fc.oneof(
    { weight: 4, arbitrary: piece },
    fc.constantFrom(
      "!!",
      "!1",
      "!-1",
      "!ec",
      "!$",
      "!?a?",
      "!",
      "history",
      "history -c",
      "fg",
      "bg",
      "jobs -l",
      "exit",
      "\x03",
    ),
  );
  const line = fc.array(fc.tuple(at, glue), { maxLength: 8 }).map((p) =>
    p
      .map(([a, b]) => a + b)
      .join("")
      .replaceAll("\n", " "),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const m = new FakeMachine({ programs: { ...finite, sh }, files: { "/tmp/a": "1\n2\n" } });
      m.maxTasks = 20;
      m.maxSteps = 20_000;
      m.ttyInput = lines.map((l) => (l.trim() === "\x03" ? "\x03" : `${l}\n`));
      try {
        const r = m.run(["sh"], { cwd: "/tmp", tty: true });
        assert.ok(r.status >= 0 && r.status <= 255);
      } catch (e) {
        if (!(e instanceof Error) || !/step budget|deadlock/.test(e.message)) throw e;
      }
    }),
    { numRuns: 1500, examples: [[["seq 3 9999999999999999999 "]]] },
  );
});

test("any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 120 }), run), { numRuns: 1500 });
});

test("well-formed programs", () => {
  const { script } = fc.letrec<{ script: string; word: string; simple: string; arith: string }>((tie) => ({
    arith: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom("x", "1", "0", "-3", "y++", "a[1]", "08", "0x1f", "$x", "${#x}"),
      fc
        .tuple(
          tie("arith"),
          fc.constantFrom("+", "-", "*", "/", "%", "**", "<<", "&&", "||", "?1:", "=", ","),
          tie("arith"),
        )
        .map((t) => t.join("")),
      tie("arith").map((a) => `(${a})`),
    ),
    word: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(
        "a",
        "b c",
        "*",
        "$x",
        '"$x"',
        "${x:-d}",
        "'q'",
        "{1..3}",
        "~",
        "${x%b*}",
        "$@",
        '"$@"',
        "${x:1:1}",
        "\\n",
        "[a-c]*",
      ),
      tie("simple").map((s) => `$(${s})`),
      tie("arith").map((a) => `$((${a}))`),
      fc.tuple(tie("word"), tie("word")).map((t) => t.join("")),
    ),
    simple: fc.oneof(
      { maxDepth: 3 },
      fc
        .tuple(
          fc.constantFrom(
            "echo",
            "printf",
            "x=",
            "test",
            "[",
            "[[",
            "read x",
            "cat <<<",
            "eval",
            "set --",
            "f",
            "cd",
            "local x=",
            "export x=",
          ),
          fc.array(tie("word"), { maxLength: 3 }),
        )
        .map(
          ([c, w]) => `${c}${c.endsWith("=") ? "" : " "}${w.join(" ")}${c === "[" ? " ]" : c === "[[" ? " ]]" : ""}`,
        ),
    ),
    script: fc.oneof(
      { maxDepth: 5 },
      tie("simple"),
      fc.tuple(tie("script"), fc.constantFrom(";", "\n", "|", "&&", "||", " & "), tie("script")).map((t) => t.join("")),
      tie("script").map((s) => `( ${s}\n)`),
      tie("script").map((s) => `{ ${s}\n}`),
      tie("script").map((s) => `if ${s}; then ${s}\nfi`),
      tie("script").map((s) => `for i in 1 2; do ${s}\ndone`),
      tie("script").map((s) => `f() { ${s}\n}`),
      fc.tuple(tie("word"), tie("script")).map(([w, s]) => `case ${w} in ${w}) ${s}\n;; esac`),
      tie("script").map((s) => `${s} > f 2>&1`),
      tie("script").map((s) => `trap '${s.replaceAll("'", "")}' EXIT`),
    ),
  }));
  fc.assert(fc.property(script, run), { numRuns: 2000 });
});
