// Writes src/arch/csum_wasm.ts from src/arch/csum.wat. `--check` only says whether the file is current.
import "./help.mjs";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import wabtInit from "wabt";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = join(root, "src/arch/csum_wasm.ts");
const wabt = await wabtInit();
const module = wabt.parseWat("csum.wat", readFileSync(join(root, "src/arch/csum.wat"), "utf8"), {
  simd: true,
  bulk_memory: true,
});
module.validate();
const bytes = [...module.toBinary({}).buffer];
const rows = [];
for (let i = 0; i < bytes.length; i += 24) rows.push(`  ${bytes.slice(i, i + 24).join(", ")},`);
const text = `// Written by tools/gen-csum-wasm.mjs from csum.wat. Do not edit.

// biome-ignore format: bytes
export const csum_wasm: readonly number[] = [
${rows.join("\n")}
];
`;
let old = "";
try {
  old = readFileSync(out, "utf8");
} catch {}
if (process.argv.includes("--check")) {
  if (old !== text) {
    console.error("src/arch/csum_wasm.ts is not current: run node tools/gen-csum-wasm.mjs");
    process.exit(1);
  }
} else if (old !== text) {
  writeFileSync(out, text);
  console.log(`src/arch/csum_wasm.ts: ${bytes.length} bytes`);
}
