// Long runs of the fuzzers: node tools/fuzz.mjs frames|calls|text|tcp [--count 1000000] [--seed 1] [--rounds 1]. See test/fuzz/main.ts.
import "./help.mjs";
import { bundle_and_run } from "./bundle-run.mjs";

process.exit(await bundle_and_run("test/fuzz/main.ts", process.argv.slice(2)));
