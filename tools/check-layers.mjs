// The "may import" column of docs/architecture.md: fails when a file imports from a room that its own may not, or when the core
// computes with functions that each JavaScript engine rounds in its own way.
import "./help.mjs";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const HOST = ["arch/host.ts"];
const KERNEL = ["uapi/", "lib/", "kernel/", ...HOST];
const CORE = [
  ...KERNEL,
  "net/core/",
  "net/netlink/af_netlink.ts",
  "net/netlink/genetlink.ts",
  "net/netlink/nlattr.ts",
  "net/sched/sch_generic.ts",
  "net/netfilter/core.ts",
  "net/ethernet/",
];
/** Room → what its files may import; the first matching room decides. Type imports count as well. */
const rules = [
  ["uapi/", ["uapi/"]],
  ["lib/", ["uapi/", "lib/"]],
  ["kernel/", KERNEL],
  ["net/core/", CORE],
  ["net/ethernet/", CORE],
  ["net/sched/", [...CORE, "net/sched/"]],
  ["net/packet/", [...CORE, "net/packet/"]],
  ["net/unix/", [...CORE, "net/unix/"]],
  ["net/netlink/", [...CORE, "net/netlink/"]],
  ["net/netfilter/", [...CORE, "net/netfilter/"]],
  ["net/ipv4/", [...CORE, "net/ipv4/"]],
  ["net/ipv6/", [...CORE, "net/ipv4/", "net/ipv6/"]],
  ["net/socket.ts", [...KERNEL, "net/core/"]],
  ["net/socketcall.ts", ["uapi/"]],
  ["drivers/", [...CORE, "drivers/", "hw/82576_regs.ts", "hw/virtio_net.ts", "hw/pci.ts"]],
  ["hw/", ["uapi/", "lib/", "hw/", ...HOST]],
  ["arch/host.ts", []],
  ["arch/slab.ts", ["arch/"]],
  ["arch/csum.ts", ["arch/"]],
  ["arch/csum_wasm.ts", []],
  ["arch/", ["uapi/", "lib/", "hw/", "arch/"]],
  ["init/", [...KERNEL, "net/", "drivers/", "hw/", "init/"]],
  ["bin/", ["uapi/", "bin/", "lib/pcap/", "lib/prng.ts"]],
  ["api/", ["uapi/", "lib/", "kernel/", "net/", "drivers/", "hw/", "init/", "api/", "bin/", "arch/"]],
  ["lab/", ["uapi/", "lib/", "kernel/", "net/", "hw/", "init/", "api/", "bin/", "arch/", "lab/"]],
  ["testing/", ["uapi/", "kernel/", "net/", "drivers/", "init/", "api/", "arch/sim/", "testing/"]],
  ["cli/", ["uapi/", "lib/", "api/", "bin/", "lab/", "testing/", "arch/", "cli/", "hw/"]],
];
/** Node built-ins and packages: only these. The rest of api/ is for browsers, too (docs/decisions/007-node-and-browser.md). */
const platform_rooms = ["arch/node/", "lab/", "cli/", "api/net", "api/dgram", "api/dns", "api/node", "bin/"];
/** Their last digits are each engine's own (ECMA-262 section 21.3.2): the same seed would not give the same trace in all of them. */
const inexact = /\bMath\.(a?cosh?|a?sinh?|a?tanh?|atan2|cbrt|expm?1?|hypot|log(?:10|1p|2)?|pow)\(/g;
const exact_rooms = ["uapi/", "lib/", "kernel/", "net/", "drivers/", "hw/", "init/", "arch/sim/", "arch/slab.ts"];

let bad = 0;
function walk(dir) {
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const p = join(dir, e.name);
    if (e.isDirectory()) walk(p);
    else if (e.name.endsWith(".ts")) check(p);
  }
}
function check(path) {
  const file = relative(join(root, "src"), path).split("\\").join("/");
  const rule = rules.find(([room]) => file.startsWith(room));
  if (!rule) {
    console.error(`src/${file}: in no room of tools/check-layers.mjs`);
    bad++;
    return;
  }
  const text = readFileSync(path, "utf8");
  if (exact_rooms.some((r) => file.startsWith(r)))
    for (const m of text.matchAll(inexact)) {
      console.error(
        `src/${file}:${text.slice(0, m.index).split("\n").length}: ${m[0].slice(0, -1)} differs between engines`,
      );
      bad++;
    }
  const re =
    /^\s*(?:import|export)\b[^;'"]*?from\s+["']([^"']+)["']|^\s*import\s+["']([^"']+)["']|declare module ["']([^"']+)["']/gm;
  for (const m of text.matchAll(re)) {
    const spec = m[1] ?? m[2] ?? m[3];
    const line = text.slice(0, m.index).split("\n").length;
    if (!spec.startsWith(".")) {
      if (!platform_rooms.some((r) => file.startsWith(r))) {
        console.error(`src/${file}:${line}: imports the package ${spec}; only ${platform_rooms.join(" ")} may`);
        bad++;
      }
      continue;
    }
    const target = posix.join(posix.dirname(file), spec);
    if (!rule[1].some((allowed) => target.startsWith(allowed))) {
      console.error(`src/${file}:${line}: may not import ${target} (room ${rule[0]})`);
      bad++;
    }
  }
}
walk(join(root, "src"));
if (bad > 0) {
  console.error(`${bad} line${bad > 1 ? "s" : ""} against the layers`);
  process.exit(1);
}
