// The lab folder on disk: nothing outside of it is read, whatever names and links it holds.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { formatDiagnostic } from "../../../src/lab/diagnostics.ts";
import { nodeTree, openLab } from "../../../src/lab/fs_node.ts";
import { loadTopology } from "../../../src/lab/topology.ts";

test("traversal, links, devices", (t) => {
  const outer = mkdtempSync(join(tmpdir(), "lab-"));
  t.after(() => rmSync(outer, { recursive: true }));
  const root = join(outer, "lab");
  mkdirSync(join(root, "pc1/etc"), { recursive: true });
  writeFileSync(join(outer, "secret"), "s");
  mkdirSync(join(outer, "lab2"));
  writeFileSync(join(outer, "lab2/secret"), "s");
  writeFileSync(join(root, "lab.conf"), "pc1[0]=A\n");
  writeFileSync(join(root, "pc1/etc/hosts"), "h");
  symlinkSync("hosts", join(root, "pc1/etc/inside"));
  symlinkSync("../../../secret", join(root, "pc1/etc/outside"));
  symlinkSync("/etc", join(root, "pc1/dir"));
  symlinkSync("..", join(root, "pc1/loop"));
  symlinkSync("../lab2/secret", join(root, "pc1.startup"));
  execFileSync("mkfifo", [join(root, "pc1/fifo")]);

  const tree = nodeTree(root);
  assert.equal(tree.read("../secret"), "leaves the lab folder");
  assert.equal(tree.read("/etc/passwd"), "leaves the lab folder");
  assert.equal(tree.read("pc1/../../secret"), "leaves the lab folder");
  assert.equal(tree.read("pc1/dir/passwd"), "a symbolic link out of the lab folder");
  assert.equal(tree.list("pc1/dir"), null);
  assert.equal(tree.read("pc1/fifo"), "not a regular file");
  assert.equal(tree.read("nothing"), null);

  const opened = openLab(root);
  assert.ok(typeof opened !== "string");
  const lab = loadTopology(opened.tree, { entry: opened.entry, folder: opened.folder });
  assert.equal(lab.name, "lab");
  assert.deepEqual(
    lab.machines[0].files.map((f) => f.path),
    ["/etc/hosts", "/etc/inside"],
  );
  assert.deepEqual(lab.machines[0].startup, []);
  assert.deepEqual(lab.diagnostics.map(formatDiagnostic), [
    "pc1/dir: a symbolic link out of the lab folder: skipped",
    "pc1/etc/outside: a symbolic link out of the lab folder: skipped",
    "pc1/fifo: not a regular file: skipped",
    "pc1/loop: not a regular file: skipped",
    "pc1.startup: a symbolic link out of the lab folder: skipped",
    "pc1.startup: not a regular file inside the lab folder: skipped",
  ]);
});

test("a lab that is not there", () => {
  assert.equal(openLab("/nonexistent/lab"), "/nonexistent/lab: no such file or folder");
});
