// Which functions a run entered, by V8's own counters: a fuzzer that never gets somewhere says nothing about it.
// Way in: const calls = entered(); … ; calls(/^src\/net\//).

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
