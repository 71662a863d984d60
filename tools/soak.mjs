// A day of 20 pinging hosts under 5 % loss: node tools/soak.mjs [--hours 24] [--seed 1] [--runs 2] [--streams]. See test/selftests/soak_main.ts.
import "./help.mjs";
import { bundle_and_run } from "./bundle-run.mjs";

process.exit(await bundle_and_run("test/selftests/soak_main.ts", process.argv.slice(2), ["--expose-gc"]));
