// Writes the accessors of fields that few sockets change (src/net/**/*_rare.ts), from the classes that hold them
// (*_fields.ts): all sockets share one such object until they write to it. `--check` only says whether they are current.
import "./help.mjs";
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
/** Where the fields stand, their class, what the accessors' class is called, what it extends, and its constructor. */
const FILES = [
  { dir: "src/net/core", stem: "sock", rare: "SockRare", name: "SockFields" },
  {
    dir: "src/net/ipv4",
    stem: "inet_sock",
    rare: "InetSockRare",
    name: "InetSockFields",
    base: "Sock",
    from: "../core/sock.ts",
  },
  {
    dir: "src/net/ipv4",
    stem: "tcp_sock",
    rare: "TcpSockRare",
    name: "TcpSockFields",
    base: "InetSock",
    from: "./inet_sock.ts",
  },
];

let stale = false;
for (const f of FILES) {
  const fields = join(root, f.dir, `${f.stem}_fields.ts`);
  const out = join(root, f.dir, `${f.stem}_rare.ts`);
  const source = readFileSync(fields, "utf8");
  const head = `export class ${f.rare} {`;
  const at = source.indexOf(head);
  if (at < 0) throw new Error(`${relative(root, fields)}: no ${head}`);
  const body = source.slice(at, source.indexOf("\n}\n", at));
  const names = [...body.matchAll(/^ {2}(\w+)(?:: [^=]+)? = .*;$/gm)].map((m) => m[1]);
  const v = `${f.stem}_rare`;
  const shared = `${f.stem.toUpperCase()}_RARE`;
  const text = `// Written by tools/gen-rare.mjs from ${f.stem}_fields.ts, where the fields are explained. Do not edit.

${f.base === undefined ? "" : `import { ${f.base} } from "${f.from}";\n`}import { ${shared}, ${f.rare} } from "./${f.stem}_fields.ts";

export class ${f.name}${f.base === undefined ? "" : ` extends ${f.base}`} {
  private ${v}: ${f.rare} = ${shared};
  private own_${v}(): ${f.rare} {
    if (this.${v} === ${shared}) this.${v} = new ${f.rare}();
    return this.${v};
  }

${names
  .map(
    (n) => `  get ${n}(): ${f.rare}["${n}"] {
    return this.${v}.${n};
  }
  set ${n}(v: ${f.rare}["${n}"]) {
    if (this.${v}.${n} !== v) this.own_${v}().${n} = v;
  }
`,
  )
  .join("")}}
`;
  let old = "";
  try {
    old = readFileSync(out, "utf8");
  } catch {}
  if (old === text) continue;
  stale = true;
  if (process.argv.includes("--check")) {
    console.error(`${relative(root, out)} is not current: run node tools/gen-rare.mjs`);
  } else {
    writeFileSync(out, text);
    console.log(`${relative(root, out)}: ${names.length} fields`);
  }
}
if (process.argv.includes("--check") && stale) process.exit(1);
