// The files of a lab as the parsers see them: read only, inside one folder. Implementations: fs_node.ts, `memoryTree()`.
// Way in: `readTree.list("pc1")`, `readTree.read("pc1/etc/hosts")`; paths are relative, "/" separated, without "..".

export interface TreeEntry {
  name: string;
  /** "refused": a symbolic link out of the lab, a device, a socket, … */
  kind: "file" | "dir" | "refused";
}

export interface ReadTree {
  /** Sorted by name; null when there is no such folder. */
  list(path: string): TreeEntry[] | null;
  /** The bytes, null when there is no such file, or the reason why it is refused. */
  read(path: string): Uint8Array | string | null;
}

/** "./a//b/./c" → "a/b/c"; null when it is absolute, climbs out by "..", or holds a NUL. The folder itself is "". */
export function normalizePath(path: string): string | null {
  if (path.startsWith("/") || path.includes("\0") || path.includes("\\")) return null;
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") out.push(part);
    else if (out.pop() === undefined) return null;
  }
  return out.join("/");
}

/** A lab given as an object of path → content (tests, the browser). */
export function memoryTree(files: Readonly<Record<string, string | Uint8Array>>): ReadTree {
  const encoder = new TextEncoder();
  const content = new Map<string, string | Uint8Array>();
  const dirs = new Map<string, Map<string, "file" | "dir">>([["", new Map()]]);
  for (const [path, data] of Object.entries(files)) {
    const clean = normalizePath(path);
    if (clean === null || clean === "") continue;
    content.set(clean, data);
    let dir = "";
    const parts = clean.split("/");
    for (let i = 0; i < parts.length; i++) {
      const leaf = i === parts.length - 1;
      dirs.get(dir)?.set(parts[i], leaf ? "file" : "dir");
      dir = dir === "" ? parts[i] : `${dir}/${parts[i]}`;
      if (!leaf && !dirs.has(dir)) dirs.set(dir, new Map());
    }
  }
  return {
    list(path) {
      const dir = dirs.get(normalizePath(path) ?? "\0");
      if (dir === undefined) return null;
      return [...dir].map(([name, kind]) => ({ name, kind })).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    read(path) {
      const data = content.get(normalizePath(path) ?? "\0");
      if (data === undefined) return null;
      return typeof data === "string" ? encoder.encode(data) : data;
    },
  };
}
