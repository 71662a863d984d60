// `skbuff` and `skbuff/web` in a browser: esbuild bundles them without plugins or replacements, no import is left, and Chromium sees
// what Node sees, to the virtual millisecond. Read first: docs/decisions/007-node-and-browser.md.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Metafile } from "esbuild";
import { chromium } from "playwright-core";
import type { Seen } from "./browser_page.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) =>
  existsSync(p),
);

async function bundle(entry: string): Promise<{ code: string; meta: Metafile }> {
  const r = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: "browser",
    target: "es2022",
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  assert.deepEqual(r.warnings, []);
  return { code: r.outputFiles[0]!.text, meta: r.metafile };
}

test("nothing that skbuff and skbuff/web reach imports a Node module", async () => {
  for (const entry of ["src/api/index.ts", "src/api/web/index.ts"]) {
    const { code, meta } = await bundle(entry);
    for (const [file, { imports }] of Object.entries(meta.inputs))
      for (const i of imports) assert(!i.external && !i.path.startsWith("node:"), `${file} imports ${i.path}`);
    for (const out of Object.values(meta.outputs)) assert.deepEqual(out.imports, []);
    assert.doesNotMatch(code, /\bfrom\s*["']node:|\bimport\(["']node:|\brequire\(["']/);
    // The package's own conditions lead there, too.
    const inputs = Object.keys(meta.inputs);
    assert(!inputs.some((f) => /^src\/(api\/(node|net|dgram|dns)[._]|arch\/node|cli)/.test(f)), inputs.join(" "));
  }
});

let page: string;
let expected: Seen;
before(async () => {
  page = (await bundle("test/selftests/api/browser_page.ts")).code;
  const { run } = (await import("./browser_page.ts")) as { run(): Promise<Seen> };
  expected = await run();
});

test("in Node: TCP of both kinds, BYOB, UDP, names, a refusal", () => {
  const { live, virtual_ms, hash, ...rest } = expected;
  assert.deepEqual(rest, {
    tcp: "1 MB intact",
    byob: "byob",
    udp: "datagram from 10.0.0.1",
    named: "10.0.0.2:7",
    refused: "true SocketError: connect 10.0.0.2:81 ECONNREFUSED: Connection refused",
    ping: "2 received",
    bugs: 0,
  });
  assert(virtual_ms > 1000 && hash > 0);
  assert.deepEqual([live.sockets ?? 0, live.skbs ?? 0], [0, 0]);
});

test("in Chromium: the same, to the virtual millisecond", {
  skip:
    CHROMIUM === undefined && process.env.SKBUFF_CI === undefined ? "no Chromium (apt-get install chromium)" : false,
}, async () => {
  const browser = await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"] });
  try {
    const tab = await browser.newPage();
    const errors: string[] = [];
    tab.on("pageerror", (e) => errors.push(String(e)));
    tab.on("console", (m) => m.type() === "error" && errors.push(m.text()));
    await tab.goto("about:blank");
    const seen = await tab.evaluate(async (code) => {
      const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
      const module = (await import(url)) as { run(): Promise<Seen> };
      return module.run();
    }, page);
    assert.deepEqual(errors, []);
    assert.deepEqual(seen, expected);
  } finally {
    await browser.close();
  }
});

test("package.json: a bundler for browsers gets the entry without Node, Node the one with machine.net", async () => {
  const { exports: map } = JSON.parse(
    await (await import("node:fs/promises")).readFile(join(root, "package.json"), "utf8"),
  ) as { exports: Record<string, Record<string, unknown>> };
  assert.equal((map["."]!.node as Record<string, string>).default, "./dist/api/node.js");
  assert.equal(map["."]!.default, "./dist/api/index.js");
  const r = await build({
    stdin: {
      contents: 'export { createWorld } from "skbuff"; export { webSockets } from "skbuff/web";',
      resolveDir: root,
    },
    bundle: true,
    platform: "browser",
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  for (const out of Object.values(r.metafile.outputs)) assert.deepEqual(out.imports, []);
  assert(Object.keys(r.metafile.inputs).some((f) => f.endsWith("dist/api/index.js")));
  const inNode = (await import(pathToFileURL(join(root, "dist/api/node.js")).href)) as Record<string, unknown>;
  const inBrowser = (await import(pathToFileURL(join(root, "dist/api/index.js")).href)) as Record<string, unknown>;
  for (const name of Object.keys(inBrowser)) assert(name in inNode, name);
  assert("NetApi" in inNode && !("NetApi" in inBrowser));
});

test("the published declarations of skbuff and skbuff/web need no types of Node's", () => {
  const dir = mkdtempSync(join(tmpdir(), "skbuff-types-"));
  try {
    const tsc = (args: string[]): void => {
      const r = spawnSync("npx", ["--no-install", "tsc", ...args], { cwd: root, encoding: "utf8" });
      assert.equal(r.status, 0, r.stdout);
    };
    // What is in them is another test's: `npm test` checks all types.
    tsc(["-p", "tsconfig.types.json", "--noCheck", "--outDir", join(dir, "types")]);
    const program = `
      import { createWorld } from "./types/api/index.js";
      import { type Socket, SocketError, type TCPSocket } from "./types/api/web/index.js";
      const m = createWorld({ seed: 1 }).createMachine({});
      const s: Socket = m.web.connect("a:1");
      const t: TCPSocket = new m.web.TCPSocket("a", 1);
      const r: ReadableStream<Uint8Array> = s.readable;
      export { r, t, SocketError };
      // @ts-expect-error nothing may bring Node's globals along
      export const b = Buffer.alloc(1);
      // @ts-expect-error that is the other entry's
      m.net.connect(1);`;
    writeFileSync(join(dir, "use.ts"), program);
    const options = {
      lib: ["es2023", "dom", "dom.asynciterable"],
      types: [],
      module: "nodenext",
      strict: true,
      noEmit: true,
    };
    writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["use.ts"] }));
    tsc(["-p", dir]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
