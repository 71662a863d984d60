// The tree of files: a root in memory, with /proc and /sys in it. Mirrors fs/namei.c, fs/libfs.c and mm/shmem.c in small.
// Way in: vfs_lookup(), do_open(), proc files by register in procfs.ts.

import {
  EACCES,
  EADDRINUSE,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EPERM,
} from "../../uapi/errno.ts";
import {
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  S_IFDIR,
  S_IFREG,
  S_IFSOCK,
} from "../../uapi/fcntl.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../sched.ts";
import { File, type FileOps } from "./file.ts";

/** A file or a directory. Generated ones (procfs) make their content for the task that looks. */
export interface Inode {
  readonly ino: number;
  readonly mode: number;
  /** Directory: the entry, or null. */
  lookup?(name: string, task: Task): Inode | null;
  list?(task: Task): string[];
  create?(name: string, dir: boolean): Inode | number;
  remove?(name: string, dir: boolean): number;
  /** File: how it is opened. Returns a File or -errno. */
  open(task: Task, flags: number): File | number;
  size?(): number;
  /** Symbolic link: the path it holds, relative to the directory it is in. Only /proc and /sys have some. */
  readlink?(task: Task): string;
  /** A link whose text is no path (those of /proc/PID/ns): where it leads. */
  follow?(task: Task): Inode;
}

declare module "../kernel.ts" {
  interface Kernel {
    root_inode: DirInode;
    next_ino: number;
    /** Bytes of all files, open ones without a name included. */
    vfs_bytes: number;
  }
}

/** What the files of one machine may take: programs inside cannot exhaust the memory outside. */
export const VFS_MAX_BYTES = 64 << 20;
/** What a name, and an entry of a directory, counts besides its content. */
const INODE_BYTES = 256;
const NAME_MAX = 255;
const PATH_MAX = 4096;
const MAXSYMLINKS = 40;

/** A regular file in memory. */
class RegInode implements Inode {
  readonly ino: number;
  mode: number = S_IFREG | 0o644;
  data: Uint8Array = new Uint8Array(0);
  len = 0;
  /** Opened how often; content without a name goes with the last one. */
  opens = 0;
  linked = true;
  private readonly k: Kernel;

  constructor(k: Kernel) {
    this.k = k;
    this.ino = k.next_ino++;
  }
  truncate(): void {
    this.len = 0;
    this.k.vfs_bytes -= this.data.length;
    this.data = new Uint8Array(0);
  }
  /** The name, or the last open file, is gone. */
  put(): void {
    if (!this.linked && this.opens === 0) this.truncate();
  }
  size(): number {
    return this.len;
  }
  open(task: Task, flags: number): File | number {
    if ((flags & O_TRUNC) !== 0 && (flags & O_ACCMODE) !== O_RDONLY) this.truncate();
    this.opens++;
    const file = new File(task.kernel, reg_ops, flags, this);
    return file;
  }
  /** 0, or -ENOSPC when the files of the machine would take too much. */
  write_at(at: number, buf: Uint8Array): number {
    if (buf.length === 0) return 0;
    const end = at + buf.length;
    if (end > this.data.length) {
      const room = VFS_MAX_BYTES - this.k.vfs_bytes + this.data.length;
      if (end > room) return -ENOSPC;
      const n = new Uint8Array(Math.min(Math.max(end, this.data.length * 2, 64), room));
      n.set(this.data.subarray(0, this.len));
      this.k.vfs_bytes += n.length - this.data.length;
      this.data = n;
    }
    if (at > this.len) this.data.fill(0, this.len, at);
    this.data.set(buf, at);
    if (end > this.len) this.len = end;
    return 0;
  }
}

const reg_ops: FileOps = {
  read(file, buf) {
    const ino = file.private_data as RegInode;
    if ((file.f_flags & O_ACCMODE) === O_WRONLY) return -9;
    const n = Math.max(0, Math.min(buf.length, ino.len - file.f_pos));
    buf.set(ino.data.subarray(file.f_pos, file.f_pos + n));
    file.f_pos += n;
    return n;
  },
  write(file, buf) {
    const ino = file.private_data as RegInode;
    if ((file.f_flags & O_ACCMODE) === O_RDONLY) return -9;
    if ((file.f_flags & O_APPEND) !== 0) file.f_pos = ino.len;
    const err = ino.write_at(file.f_pos, buf);
    if (err < 0) return err;
    file.f_pos += buf.length;
    return buf.length;
  },
  lseek: generic_lseek,
  release: (file) => {
    const ino = file.private_data as RegInode;
    ino.opens--;
    ino.put();
  },
  stat: (file) => {
    const ino = file.private_data as RegInode;
    return { mode: ino.mode, size: ino.len, ino: ino.ino };
  },
};

export function generic_lseek(file: File, offset: number, whence: number): number {
  const size = file.f_op.stat ? file.f_op.stat(file).size : 0;
  const base = whence === 0 ? 0 : whence === 1 ? file.f_pos : whence === 2 ? size : -1;
  if (base < 0 || base + offset < 0) return -EINVAL;
  file.f_pos = base + offset;
  return file.f_pos;
}

/** The name of a socket (unix(7)): it can be connected to, not opened, and stays when the socket is closed. */
export class SockInode implements Inode {
  readonly ino: number;
  readonly mode: number = S_IFSOCK | 0o755;
  /** The socket that is bound here, as long as it is open. */
  sk: unknown = null;

  constructor(k: Kernel) {
    this.ino = k.next_ino++;
  }
  open(): number {
    return -ENXIO;
  }
}

/** A directory in memory. */
export class DirInode implements Inode {
  readonly ino: number;
  readonly mode: number = S_IFDIR | 0o755;
  readonly entries: Map<string, Inode> = new Map();
  private readonly k: Kernel;

  constructor(k: Kernel) {
    this.k = k;
    this.ino = k.next_ino++;
  }
  lookup(name: string): Inode | null {
    return this.entries.get(name) ?? null;
  }
  list(): string[] {
    return [...this.entries.keys()].sort();
  }
  create(name: string, dir: boolean): Inode | number {
    return this.link(name, (k) => (dir ? new DirInode(k) : new RegInode(k)));
  }
  /** A new entry, or -errno. */
  link<I extends Inode>(name: string, make: (k: Kernel) => I): I | number {
    if (this.entries.has(name)) return -EEXIST;
    if (name.length > NAME_MAX) return -ENAMETOOLONG;
    if (this.k.vfs_bytes + INODE_BYTES > VFS_MAX_BYTES) return -ENOSPC;
    this.k.vfs_bytes += INODE_BYTES;
    const n = make(this.k);
    this.entries.set(name, n);
    return n;
  }
  remove(name: string, dir: boolean): number {
    const n = this.entries.get(name);
    if (n === undefined) return -ENOENT;
    const is_dir = (n.mode & 0o170000) === S_IFDIR;
    if (dir && !is_dir) return -ENOTDIR;
    if (!dir && is_dir) return -EISDIR;
    if (n instanceof DirInode ? n.entries.size > 0 : is_dir) return n instanceof DirInode ? -ENOTEMPTY : -EPERM;
    this.entries.delete(name);
    this.k.vfs_bytes -= INODE_BYTES;
    if (n instanceof RegInode) {
      n.linked = false;
      n.put();
    }
    return 0;
  }
  open(task: Task, flags: number): File | number {
    return open_dir(task, flags, this);
  }
}

/** Opens any directory inode for reading its names. */
export function open_dir(task: Task, flags: number, dir: Inode): File | number {
  if ((flags & O_ACCMODE) !== O_RDONLY) return -EISDIR;
  return new File(task.kernel, dir_ops, flags, dir);
}

const dir_ops: FileOps = {
  read: () => -EISDIR,
  stat: (file) => {
    const ino = file.private_data as Inode;
    return { mode: ino.mode, size: 0, ino: ino.ino };
  },
};

/** Components of `path` as seen from the task's directory, with "." and ".." resolved. */
export function path_components(task: Task, path: string): string[] {
  const out: string[] = [];
  const full = path.startsWith("/") ? path : `${task.cwd}/${path}`;
  for (const part of full.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") out.pop();
    else out.push(part);
  }
  return out;
}

/** The inode of a path, or -ENOENT / -ENOTDIR. Without `follow` a link at its end stands for itself. */
export function vfs_lookup(task: Task, path: string, follow = true): Inode | number {
  if (path === "") return -ENOENT;
  if (path.length >= PATH_MAX) return -ENAMETOOLONG;
  const dotdot = check_dotdot(task, path);
  if (dotdot < 0) return dotdot;
  const inode = walk(task, path_components(task, path), follow || path.endsWith("/"));
  return path.endsWith("/") && typeof inode !== "number" && !inode.lookup ? -ENOTDIR : inode;
}

/** ".." leads up from a directory only: what stands in front of it must be one. */
function check_dotdot(task: Task, path: string): number {
  if (!path.includes("..")) return 0;
  const full = path.startsWith("/") ? path : `${task.cwd}/${path}`;
  const parts = full.split("/");
  for (let i = 1; i < parts.length; i++) {
    if (parts[i] !== "..") continue;
    const dir = walk(task, path_components(task, parts.slice(0, i).join("/") || "/"));
    if (typeof dir === "number") return dir;
    if (!dir.lookup) return -ENOTDIR;
  }
  return 0;
}

/** DIFF: ".." was resolved by the names before, as a shell does it, not from where a link led. */
function walk(task: Task, parts: readonly string[], follow = true): Inode | number {
  let at: Inode = task.kernel.root_inode;
  let left = parts;
  let links = 0;
  /** The way down, for ".." in the text of a link. */
  const above: Inode[] = [];
  for (let i = 0; i < left.length; i++) {
    const part = left[i]!;
    if (!at.lookup) return -ENOTDIR;
    if (part === "..") {
      at = above.pop() ?? at;
      continue;
    }
    if (part.length > NAME_MAX) return -ENAMETOOLONG;
    const next = at.lookup(part, task);
    if (next === null) return -ENOENT;
    if (next.readlink === undefined || (i === left.length - 1 && !follow)) {
      above.push(at);
      at = next;
      continue;
    }
    if (++links > MAXSYMLINKS) return -ELOOP;
    if (next.follow !== undefined) {
      above.push(at);
      at = next.follow(task);
    } else {
      left = [...next.readlink(task).split("/"), ...left.slice(i + 1)];
      i = -1;
    }
  }
  return at;
}

/** The directory and the last name of a path; a number when there is no such directory. */
function parent_of(task: Task, path: string): [Inode, string] | number {
  const parts = path_components(task, path);
  const name = parts.pop();
  if (name === undefined) return -EEXIST;
  const dir = walk(task, parts);
  if (typeof dir === "number") return dir;
  if (!dir.lookup) return -ENOTDIR;
  return [dir, name];
}

/** open(2): an open File, or -errno. */
export function do_open(task: Task, path: string, flags: number): File | number {
  let inode = vfs_lookup(task, path);
  if (inode === -ENOENT && (flags & O_CREAT) !== 0 && path !== "") {
    if (path.endsWith("/")) return -EISDIR;
    const p = parent_of(task, path);
    if (typeof p === "number") return p;
    if (!p[0].create) return -ENOENT;
    inode = p[0].create(p[1], false);
  } else if (typeof inode !== "number" && (flags & O_CREAT) !== 0) {
    if ((flags & O_EXCL) !== 0) return -EEXIST;
    if (inode.lookup) return -EISDIR;
  }
  if (typeof inode === "number") return inode;
  if ((flags & O_DIRECTORY) !== 0 && !inode.lookup) return -ENOTDIR;
  return inode.open(task, flags);
}

export function do_mkdir(task: Task, path: string): number {
  const p = parent_of(task, path);
  if (typeof p === "number") return p;
  if (p[0].lookup?.(p[1], task)) return -EEXIST;
  if (!p[0].create) return -ENOENT;
  const r = p[0].create(p[1], true);
  return typeof r === "number" ? r : 0;
}

/** What bind(2) of a unix socket makes: its name in the tree. */
export function vfs_mksock(task: Task, path: string): SockInode | number {
  const p = parent_of(task, path);
  if (p === -EEXIST) return -EADDRINUSE;
  if (typeof p === "number") return p;
  if (p[0].lookup?.(p[1], task)) return -EADDRINUSE;
  if (!(p[0] instanceof DirInode)) return -EACCES;
  return p[0].link(p[1], (k) => new SockInode(k));
}

export function do_unlink(task: Task, path: string, dir: boolean): number {
  if (dir && /(^|\/)\.\/*$/.test(path)) return -EINVAL;
  const p = parent_of(task, path);
  if (p === -EEXIST) return dir ? -EBUSY : -EISDIR;
  if (typeof p === "number") return p;
  if (!p[0].lookup?.(p[1], task)) return -ENOENT;
  // procfs lets nobody remove what it shows.
  return p[0].remove ? p[0].remove(p[1], dir) : -EACCES;
}

/** Writes a whole file from outside (a lab's files), making its directories. */
export function vfs_write_file(k: Kernel, path: string, data: Uint8Array): number {
  let dir: Inode = k.root_inode;
  const parts = path.split("/").filter((s) => s !== "");
  const name = parts.pop();
  if (name === undefined) return -EISDIR;
  for (const part of parts) {
    let next = dir instanceof DirInode ? dir.lookup(part) : null;
    if (next === null) {
      if (!(dir instanceof DirInode)) return -ENOTDIR;
      const made = dir.create(part, true);
      if (typeof made === "number") return made;
      next = made;
    }
    dir = next;
  }
  if (!(dir instanceof DirInode)) return -ENOTDIR;
  let file = dir.lookup(name);
  if (file === null) {
    const made = dir.create(name, false);
    if (typeof made === "number") return made;
    file = made;
  }
  if (!(file instanceof RegInode)) return -EISDIR;
  file.truncate();
  return file.write_at(0, data);
}

export function vfs_init(k: Kernel): void {
  k.next_ino = 1;
  k.vfs_bytes = 0;
  k.root_inode = new DirInode(k);
  for (const name of ["etc", "tmp", "root", "home", "var", "run", "dev", "proc", "sys"])
    k.root_inode.create(name, true);
  (k.root_inode.lookup("var") as DirInode).create("log", true);
  (k.root_inode.lookup("run") as DirInode).create("netns", true);
}
