// Looks at a script without running it: syntax errors, what this shell does not do, and commands that do not exist.
// Way in: `checkScript(script, isCommand)`; the lab asks it before a machine starts.

import type { SyntaxNode } from "unbash";
import { forEachChild } from "unbash";
import { BUILTINS } from "./builtins.ts";
import type { ScriptSource } from "./script.ts";
import { parseShell } from "./source.ts";
import type { Unit } from "./state.ts";
import { lineOf } from "./state.ts";

export interface ScriptProblem {
  /** In the file that the script is part of. */
  line: number;
  text: string;
  kind: "syntax" | "unsupported" | "unknown-command";
}

const MAX_PROBLEMS = 50;

export function checkScript(script: ScriptSource, isProgram: (name: string) => boolean): ScriptProblem[] {
  const out: ScriptProblem[] = [];
  const unit: Unit = { name: script.file, source: script.text, startLine: script.startLine, numbered: true };
  const add = (kind: ScriptProblem["kind"], pos: number, text: string): void => {
    if (out.length < MAX_PROBLEMS) out.push({ kind, line: lineOf(unit, pos), text });
  };
  const parsed = parseShell(script.text);
  const defined = new Set<string>();
  const commands: { name: string; pos: number }[] = [];
  const visit = (node: SyntaxNode, base: number | undefined): void => {
    // Places inside backticks with escapes count in a text of their own.
    let at = base;
    if (node.type === "CommandExpansion" && node.script?.source !== undefined) at ??= node.pos;
    const pos = at ?? node.pos;
    switch (node.type) {
      case "Script":
        for (const e of node.errors ?? [])
          add("syntax", at ?? Math.min(e.pos, script.text.trimEnd().length - 1), `syntax error: ${e.message}`);
        break;
      case "Function":
        defined.add(node.name.value);
        break;
      case "Command": {
        const name = node.name;
        if (name?.parts === undefined && name !== undefined && name.text === name.value) {
          commands.push({ name: name.value, pos });
          if (name.value === "alias") for (const a of node.args) defined.add(a.text.replace(/=.*/s, ""));
        }
        break;
      }
      case "Select":
      case "Coproc":
        add("unsupported", pos, `${node.type.toLowerCase()} is not supported`);
        break;
      case "ProcessSubstitution":
        add("unsupported", pos, "process substitution is not supported");
        break;
    }
    forEachChild(node, (child) => visit(child, at));
  };
  try {
    visit(parsed, undefined);
  } catch (e) {
    if (!(e instanceof RangeError)) throw e;
    add("syntax", 0, "nested too deeply");
  }
  for (const { name, pos } of commands) {
    if (name.includes("/") || defined.has(name) || BUILTINS.has(name) || isProgram(name)) continue;
    add("unknown-command", pos, `${name}: command not found`);
  }
  return out.sort((a, b) => a.line - b.line);
}
