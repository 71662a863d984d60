// Every relative link of the documents leads to a file, and every #anchor to a heading of it.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { root } from "../lib/lab_pages.ts";

const SKIP = new Set(["node_modules", "dist", ".git"]);

function find(dir: string, out: string[] = []): string[] {
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    if (SKIP.has(e.name)) continue;
    if (e.isDirectory()) find(join(dir, e.name), out);
    else if (e.name.endsWith(".md")) out.push(join(dir, e.name));
  }
  return out;
}

/** As GitHub makes them: lower case, blanks to hyphens, punctuation gone. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");

function anchors(file: string): Set<string> {
  const text = readFileSync(file, "utf8").replace(/^```[\s\S]*?^```/gm, "");
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map((m) => anchor(m[1]!.trim())));
}

test("no link of the documents is broken", () => {
  const broken: string[] = [];
  let links = 0;
  for (const file of find(root)) {
    const text = readFileSync(file, "utf8").replace(/^```[\s\S]*?^```/gm, "");
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      links++;
      const [path, hash] = target!.split("#") as [string, string | undefined];
      const to = path === "" ? file : join(dirname(file), path);
      const where = `${relative(root, file)}: ${target}`;
      if (!existsSync(to)) broken.push(where);
      else if (hash && statSync(to).isFile() && to.endsWith(".md") && !anchors(to).has(hash))
        broken.push(`${where} (anchor)`);
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(links > 100, `${links} links`);
});
