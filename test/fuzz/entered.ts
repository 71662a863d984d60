// Which functions a run entered, by V8's own counters: a fuzzer that never gets somewhere says nothing about it.
// Way in: const calls = entered(); … ; calls(/^src\/net\//); then never_entered() for the rest.

import { readdirSync, readFileSync } from "node:fs";
import { type Profiler, Session } from "node:inspector";

/** Starts counting. The function that it returns stops, and says how often each named function of src/ files was entered. */
export function entered(): (files: RegExp) => Map<string, number> {
  const session = new Session();
  session.connect();
  const post = <T>(method: string, params = {}): T => {
    let answer: T | undefined;
    // On a session of the same thread the answer is there when post() returns.
    session.post(method, params, (err, result) => {
      if (err) throw err;
      answer = result as T;
    });
    return answer as T;
  };
  post("Profiler.enable");
  post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  return (files) => {
    const { result } = post<Profiler.TakePreciseCoverageReturnType>("Profiler.takePreciseCoverage");
    post("Profiler.stopPreciseCoverage");
    session.disconnect();
    const calls = new Map<string, number>();
    for (const script of result) {
      const at = script.url.lastIndexOf("/src/");
      const file = script.url.slice(at + 1).replace(/\?.*$/, "");
      if (at < 0 || !files.test(file)) continue;
      for (const fn of script.functions) {
        if (fn.functionName === "") continue;
        const name = `${file} ${fn.functionName}`;
        calls.set(name, (calls.get(name) ?? 0) + fn.ranges[0]!.count);
      }
    }
    return calls;
  };
}

/**
 * The functions (no arrow functions: they come without their names) that stand in the sources and are not in `calls`, by
 * file. V8 itself says nothing of what it never compiled.
 */
export function never_entered(calls: Map<string, number>, files: RegExp): Map<string, string[]> {
  const root = new URL("../../", import.meta.url);
  const out = new Map<string, string[]>();
  for (const path of (readdirSync(new URL("src/", root), { recursive: true }) as string[]).sort()) {
    const file = `src/${path}`;
    if (!file.endsWith(".ts") || !files.test(file)) continue;
    const text = readFileSync(new URL(file, root), "utf8");
    const names = [...text.matchAll(/^(?:export )?function\*? (\w+)/gm)].map((m) => m[1]!);
    const never = names.filter((name) => !(calls.get(`${file} ${name}`)! > 0));
    if (never.length > 0) out.set(file, never);
  }
  return out;
}
