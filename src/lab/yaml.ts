// YAML with places, read node by node: every value knows its line and column, aliases and depth are bounded.
// Way in: `openYaml(file, text, diagnostics)`, then `map()`, `list()`, `text()` on its values.

import type { Alias, Document, Node, Pair } from "yaml";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Diagnostics, Where } from "./diagnostics.ts";
import { quote } from "./diagnostics.ts";

/** How many times aliases may be followed in one file. */
const MAX_ALIASES = 20_000;
/** Entries read in one file, those behind aliases counted each time. */
const MAX_ENTRIES = 1_000_000;

export interface YamlValue {
  node: Node | null;
  where: Where;
}

export interface Entry {
  value: YamlValue;
  /** Of the key. */
  where: Where;
}

export interface YamlFile {
  root: YamlValue;
  /** In file order, a later duplicate wins; undefined (and reported as fatal) when it is not a mapping. */
  map(value: YamlValue, what: string): Map<string, Entry> | undefined;
  list(value: YamlValue, what: string): YamlValue[] | undefined;
  /** A scalar as written in the file; undefined for null, a mapping or a list. */
  text(value: YamlValue | undefined): string | undefined;
  isNull(value: YamlValue): boolean;
  /** The line on which the text of a scalar starts: one below the indicator of a block scalar. */
  contentLine(value: YamlValue): number;
}

export function openYaml(file: string, content: string, diagnostics: Diagnostics): YamlFile | undefined {
  const lines = new LineCounter();
  const place = (offset: number): Where => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  let doc: Document.Parsed;
  try {
    doc = parseDocument(content, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, version: "1.2" });
  } catch (e) {
    diagnostics.fatal(
      { file, line: 1, column: 0 },
      e instanceof RangeError ? "nested too deeply" : `not YAML (${quote(String(e))})`,
    );
    return undefined;
  }
  for (const e of doc.errors) {
    const deep = e.message.startsWith("Maximum call stack");
    diagnostics.fatal(place(e.pos[0]), deep ? "nested too deeply" : `YAML: ${e.message.slice(0, 120)}`);
  }
  if (doc.errors.length > 0) return undefined;

  let aliases = 0;
  let entries = 0;
  let gaveUp = false;
  const anchors = anchorsOf(doc);

  const resolve = (node: unknown, where: Where): YamlValue => {
    let n = (node ?? null) as Node | null;
    while (isAlias(n)) {
      if (++aliases > MAX_ALIASES) return giveUp(where, `more than ${MAX_ALIASES} aliases`);
      const alias: Alias = n;
      const target = anchors.get(alias.source);
      if (target === undefined) {
        diagnostics.fatal(where, `alias ${quote(`*${alias.source}`)} without an anchor`);
        return { node: null, where };
      }
      n = target;
    }
    return { node: n, where };
  };
  const giveUp = (where: Where, why: string): YamlValue => {
    if (!gaveUp) diagnostics.fatal(where, why);
    gaveUp = true;
    return { node: null, where };
  };
  const whereOf = (node: unknown, fallback: Where): Where => {
    const range = (node as Node | null)?.range;
    return range ? place(range[0]) : fallback;
  };
  const tooMany = (n: number, where: Where): boolean => {
    if ((entries += n) <= MAX_ENTRIES) return false;
    giveUp(where, `more than ${MAX_ENTRIES} entries`);
    return true;
  };

  const map = (value: YamlValue, what: string, depth = 0): Map<string, Entry> | undefined => {
    if (!isMap(value.node)) {
      if (!gaveUp) diagnostics.fatal(value.where, `${what} is not a mapping`);
      return undefined;
    }
    const out = new Map<string, Entry>();
    if (tooMany(value.node.items.length, value.where)) return out;
    for (const item of value.node.items as Pair[]) {
      const where = whereOf(item.key, value.where);
      const key = isScalar(item.key) ? (item.key.source ?? String(item.key.value)) : undefined;
      if (key === undefined) {
        diagnostics.fatal(where, `a key of ${what} is not a text`);
        continue;
      }
      const entry = { value: resolve(item.value, whereOf(item.value, where)), where };
      if (key !== "<<") {
        if (out.has(key) && isScalar(item.key)) {
          const first = out.get(key)!;
          if (!merged.has(first)) diagnostics.fatal(where, `${quote(key)} again (first on line ${first.where.line})`);
        }
        out.set(key, entry);
        continue;
      }
      const sources = isSeq(entry.value.node) ? (list(entry.value, "<<") ?? []) : [entry.value];
      for (const s of depth < 16 ? sources : []) {
        for (const [k, e] of map(s, "<<", depth + 1) ?? []) {
          if (out.has(k)) continue;
          const copy = { ...e };
          merged.add(copy);
          out.set(k, copy);
        }
      }
    }
    return out;
  };
  const merged = new WeakSet<Entry>();

  const list = (value: YamlValue, what: string): YamlValue[] | undefined => {
    if (!isSeq(value.node)) {
      if (!gaveUp) diagnostics.fatal(value.where, `${what} is not a list`);
      return undefined;
    }
    if (tooMany(value.node.items.length, value.where)) return [];
    return value.node.items.map((item) => resolve(item, whereOf(item, value.where)));
  };

  const text = (value: YamlValue | undefined): string | undefined => {
    const node = value?.node;
    if (!isScalar(node) || node.value === null || node.value === undefined) return undefined;
    // As written, so that 0x10, 1_000 or yes stay what the user typed.
    return node.type === "PLAIN" && node.source !== undefined ? node.source : String(node.value);
  };

  const root = resolve(doc.contents, { file, line: 1, column: 1 });
  return {
    root,
    map,
    list,
    text,
    isNull: (value) => value.node === null || (isScalar(value.node) && value.node.value === null),
    contentLine: (value) => {
      const block = isScalar(value.node) && (value.node.type === "BLOCK_LITERAL" || value.node.type === "BLOCK_FOLDED");
      const own = value.node?.range ? place(value.node.range[0]).line : value.where.line;
      return block ? own + 1 : own;
    },
  };
}

/** All anchors of the document; a name used twice means its last definition. */
function anchorsOf(doc: Document.Parsed): Map<string, Node> {
  const out = new Map<string, Node>();
  const stack: unknown[] = [doc.contents];
  for (let node = stack.pop(); stack.length > 0 || node !== undefined; node = stack.pop()) {
    if (isMap(node)) for (const p of node.items) stack.push(p.value, p.key);
    else if (isSeq(node)) stack.push(...node.items);
    const anchor = (node as { anchor?: string } | null)?.anchor;
    if (anchor !== undefined && !out.has(anchor)) out.set(anchor, node as Node);
  }
  return out;
}
