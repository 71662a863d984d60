// Generated files: /proc, /proc/sys, /sys. Content is made when it is opened, for the task that opens it.
// Mirrors fs/proc/generic.c, fs/seq_file.c, fs/proc/proc_sysctl.c. Way in: proc_create(k, "net/dev", …).

import { EACCES, EINVAL, ELOOP } from "../../uapi/errno.ts";
import { O_ACCMODE, O_RDONLY, S_IFDIR, S_IFLNK, S_IFREG } from "../../uapi/fcntl.ts";
import { utf8_decode, utf8_encode } from "../../uapi/utf8.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../sched.ts";
import { type CtlTable, type SysctlTable, sysctl_read, sysctl_write } from "../sysctl.ts";
import { File, type FileOps } from "./file.ts";
import { DirInode, generic_lseek, type Inode, open_dir } from "./vfs.ts";

class GenFile {
  readonly data: Uint8Array;
  readonly ino: number;
  readonly mode: number;
  readonly write: ((text: string) => number) | null;
  constructor(ino: number, mode: number, data: Uint8Array, write: ((text: string) => number) | null) {
    this.ino = ino;
    this.mode = mode;
    this.data = data;
    this.write = write;
  }
}

const gen_ops: FileOps = {
  read(file, buf) {
    const g = file.private_data as GenFile;
    const n = Math.max(0, Math.min(buf.length, g.data.length - file.f_pos));
    buf.set(g.data.subarray(file.f_pos, file.f_pos + n));
    file.f_pos += n;
    return n;
  },
  write(file, buf) {
    const g = file.private_data as GenFile;
    if ((file.f_flags & O_ACCMODE) === O_RDONLY) return -9;
    if (g.write === null) return -EACCES;
    if (buf.length === 0) return 0;
    if (buf.length > 65536) return -EINVAL;
    const err = g.write(utf8_decode(buf));
    return err < 0 ? err : buf.length;
  },
  lseek: generic_lseek,
  // Generated files show no size, as in Linux.
  stat: (file) => ({ mode: (file.private_data as GenFile).mode, size: 0, ino: (file.private_data as GenFile).ino }),
};

/** A file whose text `show` makes at open. */
export class GenInode implements Inode {
  readonly ino: number;
  readonly mode: number;
  private readonly show: (task: Task) => string;
  private readonly store: ((task: Task, text: string) => number) | null;
  constructor(
    k: Kernel,
    mode: number,
    show: (task: Task) => string,
    store: ((task: Task, text: string) => number) | null,
  ) {
    this.ino = k.next_ino++;
    this.mode = S_IFREG | mode;
    this.show = show;
    this.store = store;
  }
  open(task: Task, flags: number): File | number {
    const writing = (flags & O_ACCMODE) !== O_RDONLY;
    if (writing && (this.mode & 0o222) === 0) return -EACCES;
    const reading = (flags & O_ACCMODE) !== 1;
    if (reading && (this.mode & 0o444) === 0) return -EACCES;
    const data = reading ? utf8_encode(this.show(task)) : new Uint8Array(0);
    const store = this.store;
    return new File(
      task.kernel,
      gen_ops,
      flags,
      new GenFile(this.ino, this.mode, data, store ? (t) => store(task, t) : null),
    );
  }
}

/** A directory whose entries are made on demand (devices come and go). */
export class GenDir implements Inode {
  readonly ino: number;
  readonly mode: number = S_IFDIR | 0o555;
  private readonly names: (task: Task) => string[];
  private readonly find: (name: string, task: Task) => Inode | null;
  constructor(k: Kernel, names: (task: Task) => string[], find: (name: string, task: Task) => Inode | null) {
    this.ino = k.next_ino++;
    this.names = names;
    this.find = find;
  }
  lookup(name: string, task: Task): Inode | null {
    return this.find(name, task);
  }
  list(task: Task): string[] {
    return this.names(task);
  }
  open(task: Task, flags: number): File | number {
    return open_dir(task, flags, this);
  }
}

/** A symbolic link whose path `read` tells at each look; with `follow` it leads there instead. */
export class LinkInode implements Inode {
  readonly ino: number;
  readonly mode: number = S_IFLNK | 0o777;
  readonly readlink: (task: Task) => string;
  declare readonly follow?: (task: Task) => Inode;
  constructor(k: Kernel, read: (task: Task) => string, follow?: (task: Task) => Inode) {
    this.ino = k.next_ino++;
    this.readlink = read;
    if (follow !== undefined) this.follow = follow;
  }
  size(): number {
    return 0;
  }
  open(): number {
    return -ELOOP;
  }
}

/** What another task sees of `inode`: the files of /proc/PID/net are those of its namespace. */
export class TaskView implements Inode {
  private readonly inode: Inode;
  private readonly task: Task;
  constructor(inode: Inode, task: Task) {
    this.inode = inode;
    this.task = task;
    if (inode.lookup === undefined) this.lookup = undefined;
  }
  get ino(): number {
    return this.inode.ino;
  }
  get mode(): number {
    return this.inode.mode;
  }
  lookup?(name: string): Inode | null {
    const found = this.inode.lookup!(name, this.task);
    return found !== null ? new TaskView(found, this.task) : null;
  }
  list(): string[] {
    return this.inode.list!(this.task);
  }
  open(task: Task, flags: number): File | number {
    return this.inode.lookup !== undefined ? open_dir(task, flags, this) : this.inode.open(this.task, flags);
  }
}

function dir_at(k: Kernel, root: string, parts: string[]): DirInode {
  let dir = k.root_inode.lookup(root) as DirInode;
  for (const part of parts) {
    // By its own entries: what a lookup gives may be a link to elsewhere.
    let next = dir.entries.get(part);
    if (next === undefined) {
      next = new DirInode(k);
      dir.entries.set(part, next);
    }
    dir = next as DirInode;
  }
  return dir;
}

function add(k: Kernel, root: string, path: string, inode: Inode): void {
  const parts = path.split("/");
  const name = parts.pop()!;
  dir_at(k, root, parts).entries.set(name, inode);
}

/** /proc/PATH. `show` runs at each open; files of /proc/net use `task.net_ns`. */
export function proc_create(
  k: Kernel,
  path: string,
  show: (task: Task) => string,
  store: ((task: Task, text: string) => number) | null = null,
): void {
  add(k, "proc", path, new GenInode(k, store ? 0o644 : 0o444, show, store));
}

/** /proc/PATH as a directory made on demand. */
export function proc_mkdir(k: Kernel, path: string, inode: Inode): void {
  add(k, "proc", path, inode);
}

/** /sys/PATH. */
export function sysfs_add(k: Kernel, path: string, inode: Inode): void {
  add(k, "sys", path, inode);
}

// --- /proc/sys ----------------------------------------------------------------------------------------------------

function tables_of(task: Task): SysctlTable[] {
  return task.kernel.sysctl_tables_of(task);
}

declare module "../kernel.ts" {
  interface Kernel {
    /** The tables a task sees: those of its network namespace before the machine's. */
    sysctl_tables_of: (task: Task) => SysctlTable[];
  }
}

function sys_dir(k: Kernel, prefix: string): GenDir {
  const names = (task: Task): string[] => {
    const out = new Set<string>();
    for (const table of tables_of(task)) {
      for (const path of table.keys()) {
        if (!path.startsWith(prefix)) continue;
        const rest = path.slice(prefix.length);
        const slash = rest.indexOf("/");
        out.add(slash < 0 ? rest : rest.slice(0, slash));
      }
    }
    return [...out].sort();
  };
  const find = (name: string, task: Task): Inode | null => {
    const path = prefix + name;
    for (const table of tables_of(task)) {
      const entry: CtlTable | undefined = table.get(path);
      if (entry) {
        return new GenInode(
          k,
          entry.mode,
          (t) => {
            const v = sysctl_read(tables_of(t), path);
            return typeof v === "number" ? "" : `${v}\n`;
          },
          (entry.mode & 0o200) === 0 ? null : (t, text) => sysctl_write(tables_of(t), path, text),
        );
      }
    }
    for (const table of tables_of(task)) {
      for (const p of table.keys()) if (p.startsWith(`${path}/`)) return sys_dir(k, `${path}/`);
    }
    return null;
  };
  return new GenDir(k, names, find);
}

export function proc_sys_init(k: Kernel): void {
  k.sysctl_tables_of ??= () => [k.sysctl_table];
  proc_mkdir(k, "sys", sys_dir(k, ""));
}
