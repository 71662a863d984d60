// The sysctl tree: names, values, ranges and what a change does. Mirrors kernel/sysctl.c.
// Way in: register_sysctl(); sysctl_read()/sysctl_write() from /proc/sys.

import { EINVAL, ENOENT, EPERM } from "../uapi/errno.ts";
import type { Kernel } from "./kernel.ts";

/** One leaf. Values are numbers, vectors of numbers, or strings, as text in /proc/sys. */
export interface CtlTable {
  /** "net/ipv4/ip_forward". */
  readonly path: string;
  readonly mode: number;
  read(): string;
  /** Returns 0 or -errno; a refused value changes nothing. */
  write(text: string): number;
}

/** Where leaves are kept: one table per machine and one per network namespace. */
export type SysctlTable = Map<string, CtlTable>;

export function register_sysctl(table: SysctlTable, entry: CtlTable): void {
  table.set(entry.path, entry);
}

/** Parses what proc_dointvec accepts: decimal, 0x or 0 octal, perhaps negative, up to 21 characters. Else NaN. */
export function parse_sysctl_int(word: string): number {
  const m = /^(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(word);
  if (!m || word.length > 21) return Number.NaN;
  const digits = m[2]!;
  const v = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return m[1] === "-" ? -v : v;
}

/**
 * An integer that lives in `obj[key]`. Out of `min`…`max` is -EINVAL, as proc_dointvec_minmax answers.
 * `changed` runs after a successful write with the old value.
 */
export function proc_dointvec<T extends object, K extends keyof T>(
  path: string,
  obj: T,
  key: K,
  options: { min?: number; max?: number; mode?: number; changed?: (old: number) => void } = {},
): CtlTable {
  const set = (v: number): void => {
    const old = obj[key] as number;
    obj[key] = v as T[K];
    options.changed?.(old);
  };
  return proc_dointvec_conv(path, () => obj[key] as number, set, options);
}

/** A value kept in other units than it is shown in (proc_dointvec_jiffies, _ms_jiffies, _userhz_jiffies). */
export function proc_dointvec_conv(
  path: string,
  get: () => number,
  set: (v: number) => void,
  options: { min?: number; max?: number; mode?: number } = {},
): CtlTable {
  const { min = -0x80000000, max = 0x7fffffff, mode = 0o644 } = options;
  return {
    path,
    mode,
    read: () => String(get()),
    write: (text) => {
      const v = parse_sysctl_int(text.trim().split(/\s+/)[0] ?? "");
      if (Number.isNaN(v) || v < min || v > max) return -EINVAL;
      set(v);
      return 0;
    },
  };
}

/** Several integers in one leaf, separated by tabs: tcp_rmem, ip_local_port_range. `set` may refuse with -errno. */
export function proc_dointvec_array(
  path: string,
  get: () => readonly number[],
  set: (v: number[]) => number,
): CtlTable {
  return {
    path,
    mode: 0o644,
    read: () => get().join("\t"),
    write: (text) => {
      const words = text.trim().split(/\s+/);
      const now = [...get()];
      for (let i = 0; i < words.length && i < now.length; i++) {
        const v = parse_sysctl_int(words[i]!);
        if (Number.isNaN(v)) return -EINVAL;
        now[i] = v;
      }
      return set(now);
    },
  };
}

export function proc_dostring(path: string, get: () => string, set: ((v: string) => number) | null): CtlTable {
  return {
    path,
    mode: set ? 0o644 : 0o444,
    read: get,
    write: (text) => (set ? set(text.replace(/\n+$/, "")) : -EPERM),
  };
}

/** "net.ipv4.ip_forward" or "net/ipv4/ip_forward" → the key of the tables. A dot inside a device name is a slash here. */
export function sysctl_path(name: string): string {
  const first = name.search(/[./]/);
  if (first >= 0 && name[first] === "/") return name.replace(/\/+/g, "/").replace(/^\/|\/$/g, "");
  return name.replace(/[./]/g, (c) => (c === "." ? "/" : "."));
}

export function sysctl_read(tables: readonly SysctlTable[], path: string): string | number {
  for (const table of tables) {
    const entry = table.get(path);
    if (entry) return entry.read();
  }
  return -ENOENT;
}

export function sysctl_write(tables: readonly SysctlTable[], path: string, text: string): number {
  for (const table of tables) {
    const entry = table.get(path);
    if (entry) return (entry.mode & 0o200) === 0 ? -EPERM : entry.write(text);
  }
  return -ENOENT;
}

export function sysctl_init(k: Kernel): void {
  register_sysctl(
    k.sysctl_table,
    proc_dostring(
      "kernel/hostname",
      () => k.hostname,
      (v) => {
        k.hostname = v;
        return 0;
      },
    ),
  );
  register_sysctl(
    k.sysctl_table,
    proc_dostring("kernel/ostype", () => "Linux", null),
  );
  register_sysctl(
    k.sysctl_table,
    proc_dostring("kernel/osrelease", () => "6.18.0-skbuff", null),
  );
}
