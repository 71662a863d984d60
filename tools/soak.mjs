// A day of 20 pinging hosts under 5 % loss: node tools/soak.mjs [--hours 24] [--seed 1] [--runs 2] [--streams]. See test/selftests/soak_main.ts.
// `--engine 'COMMAND'` runs it elsewhere: another Node, bun, or an arm64 one: 'qemu-aarch64-static -L /usr/aarch64-linux-gnu node'. The
// trace hash must be the same: node tools/soak.mjs --hours 0.1 --functions --streams --engine bun
import "./help.mjs";
import { bundle_and_run } from "./bundle-run.mjs";

const args = process.argv.slice(2);
const at = args.indexOf("--engine");
const engine = at >= 0 ? args.splice(at, 2)[1]?.split(" ") : null;
process.exit(await bundle_and_run("test/selftests/soak_main.ts", args, ["--expose-gc"], engine));
