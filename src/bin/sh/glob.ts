// Globs over the machine's files: a pattern with "/" is walked folder by folder. Way in: `globFiles(sys, pattern)`.

import { S_IFDIR, S_IFMT } from "../../uapi/fcntl.ts";
import type { Sys } from "../../uapi/sys.ts";
import { compilePattern, matches, unescapePattern } from "./pattern.ts";

const MAX_RESULTS = 100_000;

/** Sorted; empty when nothing matches. A leading dot is matched only by a dot. */
export function globFiles(sys: Sys, pattern: string): string[] {
  const absolute = pattern.startsWith("/");
  const parts = pattern.split("/").filter((p, i) => p !== "" || i === 0);
  if (absolute) parts.shift();
  const trailing = pattern.endsWith("/");
  let found: string[] = [absolute ? "/" : ""];
  for (let k = 0; k < parts.length; k++) {
    const last = k === parts.length - 1;
    const next: string[] = [];
    for (const dir of found) step(sys, dir, parts[k], last && !trailing, next);
    if (next.length === 0 || next.length > MAX_RESULTS) return [];
    found = next;
  }
  return trailing ? found.map((f) => `${f}/`) : found;
}

function step(sys: Sys, dir: string, part: string, last: boolean, out: string[]): void {
  const join = (name: string): string => (dir === "" ? name : dir === "/" ? `/${name}` : `${dir}/${name}`);
  if (!/[*?[]|[+@!]\(/.test(part.replace(/\\[\s\S]/g, ""))) {
    const path = join(unescapePattern(part));
    if (typeof sys.stat(path) !== "number") out.push(path);
    return;
  }
  const names = sys.readdir(dir === "" ? "." : dir);
  if (typeof names === "number") return;
  const compiled = compilePattern(part);
  const dots = part.startsWith(".") || part.startsWith("\\.");
  for (const name of [...names].sort()) {
    if (name === "." || name === ".." || (name.startsWith(".") && !dots)) continue;
    if (!matches(compiled, name)) continue;
    if (!last) {
      const s = sys.stat(join(name));
      if (typeof s === "number" || (s.st_mode & S_IFMT) !== S_IFDIR) continue;
    }
    out.push(join(name));
  }
}
