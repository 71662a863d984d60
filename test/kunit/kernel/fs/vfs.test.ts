// Files in memory: errno of every wrong path as Linux 6.18 gives it on tmpfs, offsets, what unlinked files keep, the limit.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../../src/init/sys.ts";
import { VFS_MAX_BYTES } from "../../../../src/kernel/fs/vfs.ts";
import { KernelRig, now } from "../../../lib/kernel.ts";

const [RDONLY, WRONLY, RDWR, CREAT, EXCL, TRUNC, APPEND, DIRECTORY] = [0, 1, 2, 0o100, 0o200, 0o1000, 0o2000, 0o200000];
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

function put(sys: TaskSys, path: string, s: string): void {
  const fd = sys.open(path, WRONLY | CREAT | TRUNC);
  assert.ok(fd >= 0, path);
  assert.equal(now(sys.write(fd, text(s))), s.length);
  sys.close(fd);
}
function get(sys: TaskSys, path: string): string {
  const fd = sys.open(path, RDONLY);
  const buf = new Uint8Array(200);
  const n = now(sys.read(fd, buf)) as number;
  sys.close(fd);
  return new TextDecoder().decode(buf.subarray(0, n));
}

test("paths that lead nowhere (recorded on Linux, tmpfs)", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  sys.mkdir("/tmp/d");
  sys.mkdir("/tmp/d/sub");
  put(sys, "/tmp/d/f", "hi");
  const long = "a".repeat(256);
  const d = "/tmp/d";
  const table: [string, number, string][] = [
    ["open dir for writing", sys.open(d, WRONLY), "EISDIR"],
    ["create over dir", sys.open(d, CREAT | RDWR), "EISDIR"],
    ["O_EXCL", sys.open(`${d}/f`, CREAT | EXCL), "EEXIST"],
    ["under a file", sys.open(`${d}/f/x`, RDONLY), "ENOTDIR"],
    ["create under a file", sys.open(`${d}/f/x`, CREAT | WRONLY), "ENOTDIR"],
    ["no directory", sys.open(`${d}/n/x`, CREAT | WRONLY), "ENOENT"],
    ["O_DIRECTORY", sys.open(`${d}/f`, DIRECTORY), "ENOTDIR"],
    ["file with slash", sys.open(`${d}/f/`, RDONLY), "ENOTDIR"],
    ["create with slash", sys.open(`${d}/new/`, CREAT | WRONLY), "EISDIR"],
    ["empty", sys.open("", RDONLY), "ENOENT"],
    ["empty, create", sys.open("", CREAT), "ENOENT"],
    ["long name", sys.open(`${d}/${long}`, CREAT | WRONLY), "ENAMETOOLONG"],
    ["long path", sys.open("/a".repeat(2100), RDONLY), "ENAMETOOLONG"],
    ["unlink dir", sys.unlink(`${d}/sub`), "EISDIR"],
    ["rmdir file", sys.rmdir(`${d}/f`), "ENOTDIR"],
    ["rmdir full", sys.rmdir(d), "ENOTEMPTY"],
    ["unlink nothing", sys.unlink(`${d}/n`), "ENOENT"],
    ["mkdir over file", sys.mkdir(`${d}/f`), "EEXIST"],
    ["mkdir under file", sys.mkdir(`${d}/f/g`), "ENOTDIR"],
    ["mkdir /", sys.mkdir("/"), "EEXIST"],
    ["rmdir /", sys.rmdir("/"), "EBUSY"],
    ["unlink /", sys.unlink("/"), "EISDIR"],
    ["rmdir .", sys.rmdir(`${d}/.`), "EINVAL"],
    ["chdir file", sys.chdir(`${d}/f`), "ENOTDIR"],
    ["chdir nothing", sys.chdir(`${d}/n`), "ENOENT"],
    ["up from nothing", sys.open(`${d}/n/../f`, RDONLY), "ENOENT"],
    ["up from a file", sys.open(`${d}/f/../f`, RDONLY), "ENOTDIR"],
  ];
  const names: Record<number, string> = {
    2: "ENOENT",
    16: "EBUSY",
    17: "EEXIST",
    20: "ENOTDIR",
    21: "EISDIR",
    22: "EINVAL",
    36: "ENAMETOOLONG",
    39: "ENOTEMPTY",
  };
  assert.deepEqual(
    table.map(([what, n]) => [what, n < 0 ? names[-n] : n]),
    table.map(([what, , want]) => [what, want]),
  );
  assert.equal(now(sys.read(sys.open(d, RDONLY), new Uint8Array(1))), -21);
  rig.end();
});

test("reading and writing: access mode, O_APPEND, O_TRUNC, holes, lseek", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  put(sys, "/tmp/f", "hello");
  assert.equal(now(sys.write(sys.open("/tmp/f", RDONLY), text("x"))), -9);
  assert.equal(now(sys.read(sys.open("/tmp/f", WRONLY), new Uint8Array(1))), -9);
  const a = sys.open("/tmp/f", WRONLY | APPEND);
  sys.lseek(a, 0, 0);
  now(sys.write(a, text(" you")));
  assert.equal(get(sys, "/tmp/f"), "hello you");
  const fd = sys.open("/tmp/f", RDWR);
  assert.deepEqual([sys.lseek(fd, -1, 0), sys.lseek(fd, 0, 9), sys.lseek(fd, -2, 2)], [-22, -22, 7]);
  now(sys.write(fd, text("XX")));
  sys.lseek(fd, 12, 0);
  assert.equal(now(sys.read(fd, new Uint8Array(4))), 0, "beyond the end");
  now(sys.write(fd, text("end")));
  assert.equal(get(sys, "/tmp/f"), "hello yXX\0\0\0end");
  sys.close(sys.open("/tmp/f", RDWR | TRUNC));
  assert.deepEqual([get(sys, "/tmp/f"), sys.lseek(fd, 0, 2)], ["", 0]);
  sys.lseek(fd, 3, 0);
  now(sys.write(fd, text("z")));
  assert.equal(get(sys, "/tmp/f"), "\0\0\0z", "no bytes of before");
  rig.end();
});

test("an unlinked file lives while it is open, then its memory is free", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const before = rig.k.vfs_bytes;
  put(sys, "/tmp/f", "x".repeat(1000));
  const fd = sys.open("/tmp/f", RDONLY);
  assert.equal(sys.unlink("/tmp/f"), 0);
  assert.equal(sys.open("/tmp/f", RDONLY), -2);
  assert.ok(rig.k.vfs_bytes > before);
  assert.equal(now(sys.read(fd, new Uint8Array(2000))), 1000);
  sys.close(fd);
  assert.equal(rig.k.vfs_bytes, before);
  rig.end();
});

test("the files of a machine take 64 MiB at most: ENOSPC, also for holes and for names; room comes back", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const before = rig.k.vfs_bytes;
  const fd = sys.open("/tmp/big", RDWR | CREAT);
  const mb = new Uint8Array(1 << 20);
  let n = 0;
  for (; n < 100; n++) if (now(sys.write(fd, mb)) !== mb.length) break;
  assert.ok(n >= 60 && n < 64, String(n));
  assert.equal(now(sys.write(fd, mb)), -28);
  sys.lseek(fd, 1e12, 0);
  assert.equal(now(sys.write(fd, new Uint8Array(1))), -28, "a hole of a terabyte");
  assert.ok(rig.k.vfs_bytes <= VFS_MAX_BYTES);
  sys.close(fd);
  assert.equal(sys.unlink("/tmp/big"), 0);
  assert.equal(rig.k.vfs_bytes, before);
  rig.k.vfs_bytes = VFS_MAX_BYTES;
  assert.deepEqual([sys.open("/tmp/one", CREAT | WRONLY), sys.mkdir("/tmp/two")], [-28, -28]);
  rig.k.vfs_bytes = before;
  rig.end();
});

test("cwd: relative paths, . and .., readdir sorted", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  sys.mkdir("/tmp/a");
  sys.mkdir("/tmp/a/b");
  assert.equal(sys.chdir("/tmp/a/b/.././b"), 0);
  assert.equal(sys.getcwd(), "/tmp/a/b");
  put(sys, "f", "1");
  put(sys, "../e", "2");
  assert.deepEqual([sys.readdir("."), sys.readdir(".."), sys.readdir("f")], [["f"], ["b", "e"], -20]);
  assert.equal(sys.chdir("/../.."), 0);
  assert.equal(sys.getcwd(), "/");
  rig.end();
});
