// A lab folder on disk, for Node. Nothing outside the folder is read: symbolic links are resolved and must end inside,
// linked folders are refused, and only regular files of bounded size are opened.

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { COST_PROFILES, type CostProfile, parseCostProfile } from "./cost.ts";
import type { ReadTree, TreeEntry } from "./tree.ts";
import { normalizePath } from "./tree.ts";

/** One file of a lab; larger ones are refused. */
export const MAX_FILE_BYTES = 16 << 20;

export interface OpenedLab {
  tree: ReadTree;
  /** The topology file to parse, relative to the tree; undefined to search the folder. */
  entry: string | undefined;
  /** The folder's own name: a lab without a name takes it. */
  folder: string;
}

/** Opens a lab folder, or the folder around a topology file. A text says why it cannot be. */
export function openLab(path: string): OpenedLab | string {
  let real: string;
  let isDirectory: boolean;
  try {
    real = realpathSync(path);
    isDirectory = statSync(real).isDirectory();
  } catch (e) {
    return `${path}: ${reason(e)}`;
  }
  const folder = isDirectory ? real : dirname(real);
  return { tree: nodeTree(folder), entry: isDirectory ? undefined : basename(real), folder: basename(folder) };
}

export function nodeTree(root: string): ReadTree {
  const base = realpathSync(root);
  const inside = (real: string): boolean => real === base || real.startsWith(base.endsWith(sep) ? base : base + sep);

  const resolve = (path: string): string | null => {
    const clean = normalizePath(path);
    return clean === null ? null : join(base, clean);
  };

  const kindOf = (full: string): TreeEntry["kind"] => {
    try {
      const s = lstatSync(full);
      if (s.isDirectory()) return "dir";
      if (s.isFile()) return "file";
      if (!s.isSymbolicLink()) return "refused";
      const real = realpathSync(full);
      return inside(real) && lstatSync(real).isFile() ? "file" : "refused";
    } catch {
      return "refused";
    }
  };

  return {
    list(path) {
      const full = resolve(path);
      if (full === null) return null;
      try {
        if (!lstatSync(full).isDirectory() || !inside(realpathSync(full))) return null;
        const entries = readdirSync(full).sort();
        return entries.map((name) => ({ name, kind: kindOf(join(full, name)) }));
      } catch {
        return null;
      }
    },
    read(path) {
      const full = resolve(path);
      if (full === null) return "leaves the lab folder";
      let fd: number;
      try {
        const real = realpathSync(full);
        if (!inside(real)) return "a symbolic link out of the lab folder";
        // Not O_NOFOLLOW alone: `real` has no link left in it; O_NONBLOCK so that a FIFO cannot hang us.
        fd = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
      } catch (e) {
        return (e as { code?: string }).code === "ENOENT" ? null : reason(e);
      }
      try {
        const s = fstatSync(fd);
        if (!s.isFile()) return "not a regular file";
        if (s.size > MAX_FILE_BYTES) return `larger than ${MAX_FILE_BYTES >> 20} MiB`;
        return new Uint8Array(readFileSync(fd));
      } catch (e) {
        return reason(e);
      } finally {
        closeSync(fd);
      }
    },
  };
}

function reason(e: unknown): string {
  const code = (e as { code?: string }).code;
  if (code === "ENOENT") return "no such file or folder";
  if (code === "EACCES") return "permission denied";
  return code ?? String(e);
}

/** "none" → null; a built-in name or a JSON file → the profile; a text that says what is wrong. */
export function loadCostProfile(name: string): CostProfile | null | string {
  if (Object.hasOwn(COST_PROFILES, name)) return COST_PROFILES[name]!;
  let text: string;
  try {
    text = readFileSync(name, "utf8");
  } catch {
    const names = Object.keys(COST_PROFILES).join(" and ");
    return `no cost profile "${name}": there are ${names}, or a JSON file {"default": ns, "user": ns, "functions": {"ip_rcv": ns, …}}`;
  }
  return parseCostProfile(name, text);
}
