// npm run bench: builds the benches, runs each in fresh processes on one core, beside its peers, and prints medians.
//   npm run bench [-- OPTION...]
//     --only NAME,…      benches by name or beginning of a name
//     --quick            short runs: a look
//     --runs N           runs per bench (5)
//     --no-peers         without lwIP and the kernel
//     --json FILE        the rows as JSON
//     --profile NAME     where the time of a bench goes; with --heap, what it allocates
// Method: bench/README.md.
import "./help.mjs";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { measure, prepare } from "./bench-peers.mjs";
import { is_tcp, measure_tcp, prepare_tcp } from "./bench-peers-tcp.mjs";
import { available, load_tap, load_veth, ping_tap, ping_veth } from "./bench-tap.mjs";
import { top_level_const } from "./bundle-const.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
/** Where packages resolve and no linter looks. */
const out = join(root, "node_modules/.cache/skbuff-bench");

const option = (name) => {
  const i = process.argv.indexOf(name);
  return i >= 0 ? (process.argv[i + 1] ?? "") : null;
};
const flag = (name) => process.argv.includes(name);

const LWIP = ["lwip", "lwip-nocsum", "lwip-wasm", "kernel"];
const FORWARD = ["lwip", "lwip-wasm", "kernel"];
const TCP = ["lwip", "lwip-wasm", "gvisor", "kernel", "kernel-lo"];
const TCP_MSS = ["lwip", "lwip-wasm", "gvisor", "kernel-mss"];
const TCP_GSO = ["lwip-nocsum", "kernel", "kernel-lo"];
const TCP_IDLE = ["lwip", "gvisor", "kernel"];
/** `aim` is the project's target; `workload` is what peers run. */
const BENCHES = [
  { name: "udp-veth-64", file: "udp_veth", size: 64, workload: "udp", peers: LWIP, aim: 3e6 },
  { name: "udp-veth-64-sendto", file: "udp_veth", export: "bench_sendto", size: 64 },
  { name: "udp-veth-1400", file: "udp_veth", size: 1400, workload: "udp", peers: LWIP },
  { name: "forward-veth-60", file: "forward_veth", size: 60, workload: "forward", peers: FORWARD, aim: 3e6 },
  { name: "forward-veth-1514", file: "forward_veth", size: 1514, workload: "forward", peers: FORWARD },
  { name: "forward-igb-60", file: "forward_igb", size: 60, workload: "forward", peers: FORWARD, aim: 1.5e6 },
  { name: "forward-igb-1514", file: "forward_igb", size: 1514, workload: "forward", peers: FORWARD },
  { name: "tcp-bulk-mss", file: "tcp_bulk", size: 1, workload: "bulk", peers: TCP_MSS, aim: 16 },
  { name: "tcp-bulk-gso", file: "tcp_bulk", export: "bench_gso", size: 1, workload: "bulk", peers: TCP_GSO, aim: 45 },
  { name: "tcp-conn", file: "tcp_conn", size: 1, workload: "conn", peers: TCP, aim: 1e5 },
  { name: "tcp-rr-10", file: "tcp_conn", export: "bench_rr", size: 10, workload: "rr", peers: TCP },
  { name: "tcp-rr-1000", file: "tcp_conn", export: "bench_rr", size: 1000, workload: "rr", peers: TCP },
  { name: "tcp-rr-9000", file: "tcp_conn", export: "bench_rr", size: 9000, workload: "rr", peers: TCP, aim: 3e5 },
  { name: "tcp-idle", file: "tcp_idle", once: true, size: 10_000, workload: "idle", peers: TCP_IDLE, aim: 1000 },
  // The same build twice: what the figures below are worth.
  { name: "trace-noise-udp", file: "udp_veth", size: 64, pair: "same" },
  { name: "trace-noise-forward", file: "forward_veth", size: 60, pair: "same" },
  { name: "trace-noise-igb", file: "forward_igb", size: 60, pair: "same" },
  { name: "trace-off-udp", file: "udp_veth", size: 64, pair: "off", aim: 1 },
  { name: "trace-off-forward", file: "forward_veth", size: 60, pair: "off", aim: 1 },
  { name: "trace-off-igb", file: "forward_igb", size: 60, pair: "off", aim: 1 },
  { name: "trace-on-udp", file: "udp_veth", size: 64, pair: "on", aim: 40 },
  { name: "trace-on-forward", file: "forward_veth", size: 60, pair: "on", aim: 40 },
  { name: "trace-on-igb", file: "forward_igb", size: 60, pair: "on", aim: 40 },
  // W7: the kernel's ping against a machine of ours; the peer is the kernel itself behind a veth, which needs no process.
  { name: "ping-tap-virtio", tap: "virtio" },
  { name: "ping-tap-igb", tap: "igb" },
  // W7: the real iperf3, and a client in C, against a machine of ours; the peer is the same with the kernel behind a veth.
  { name: "tap-tcp-rx", load: "rx", aim: 10 },
  { name: "tap-tcp-tx", load: "tx", aim: 10 },
  { name: "tap-tcp-rx-mss", load: "rx-mss", aim: 3 },
  { name: "tap-tcp-tx-mss", load: "tx-mss", aim: 3 },
  { name: "tap-udp-echo", load: "echo", aim: 2e5 },
  { name: "tap-tcp-rr", load: "rr" },
  { name: "tap-tcp-conn", load: "conn", aim: 2e4 },
  { name: "boot-1000", file: "boot", once: true, aim: 10 },
  // W6 at its size.
  { name: "tcp-hold-200000", file: "tcp_hold", once: true, aim: 1000 },
];

/** The compiler works at the same points of every run: two builds then differ by what they are, less by chance. */
const PAIR_FLAGS = ["--predictable"];

const quick = flag("--quick");
const runs = Number(option("--runs") ?? (quick ? 3 : 5));
const seconds = quick ? 0.4 : 1;
const warm = quick ? 0.5 : 1;
const core = spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0 ? availableParallelism() - 1 : null;

const { build } = await import("esbuild");

/** A build without tracepoints: what `trace_key.on` guards is not there. */
const without_tracing = {
  name: "without-tracing",
  setup(b) {
    b.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, (args) => {
      const text = readFileSync(args.path, "utf8");
      return { loader: "ts", contents: text.replace(/\btrace_key\.on\b(?!\s*=[^=])/g, "false") };
    });
  },
};

/** `entry` is a file of bench/, or the text of a module that has no file. */
async function bundle(name, entry, plugins = []) {
  const outfile = join(out, `${name}.mjs`);
  const from_file = entry.endsWith(".ts");
  await build({
    absWorkingDir: root,
    ...(from_file
      ? { entryPoints: [entry] }
      : { stdin: { contents: entry, resolveDir: root, sourcefile: `${name}.ts`, loader: "ts" } }),
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    // Dead branches go, names stay.
    minifySyntax: true,
    plugins: [...plugins, top_level_const],
    logLevel: "error",
  });
  return outfile;
}
const main_of = ({ file, export: name = "bench" }) =>
  file === "boot" || file === "tcp_idle"
    ? `bench/${file}.ts`
    : `import { ${name} } from "./bench/${file}.ts"; import { bench_main } from "./bench/lib/harness.ts"; await bench_main(${name});`;
const side_of = (file) =>
  `export { bench } from "./bench/${file}.ts"; export { tracer_start } from "./src/kernel/trace.ts";`;

function node(file, args, flags = []) {
  const cmd = [process.execPath, ...flags, file, ...args.map(String)];
  const argv = core === null ? cmd : ["taskset", "-c", String(core), ...cmd];
  const text = execFileSync(argv[0], argv.slice(1), { stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 26 });
  return JSON.parse(text.toString().trim().split("\n").pop());
}

/** Cores that worked during a tenth of a second; 0 where that cannot be known. */
function busy_cores() {
  const read = () => {
    try {
      const v = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1).map(Number);
      return v.reduce((a, b) => a + b, 0) - v[3] - v[4];
    } catch {
      return 0;
    }
  };
  const before = read();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  return (read() - before) / 10;
}

/** Other work on the machine takes cache and clock from ours: a run waits for quiet, but not for ever. */
function wait_for_quiet() {
  let busy = busy_cores();
  for (let i = 0; i < (quick ? 0 : 30) && busy >= 0.3; i++) busy = busy_cores();
  return busy;
}

const median = (v) => [...v].sort((a, b) => a - b)[v.length >> 1];
/** Of these less is better. */
const less = (unit) => unit === "%" || unit === "s" || unit === "us" || unit === "bytes";
const show = (v, unit) =>
  unit.endsWith("/s") && v >= 1e3
    ? v >= 1e6
      ? `${(v / 1e6).toFixed(2)} M`
      : `${(v / 1e3).toFixed(0)} k`
    : v.toFixed(2);

function print_profile(name, r) {
  const per = 1e9 / r.value;
  console.log(`${name}: ${show(r.value, r.unit)} ${r.unit}, ${per.toFixed(0)} ns each, under the profiler`);
  if (r.profile) {
    console.log("\n  self ns  total ns  self %  function");
    for (const p of r.profile.slice(0, 45)) {
      if (p.ns < 0.05) continue;
      console.log(
        `${p.ns.toFixed(1).padStart(9)} ${p.total_ns.toFixed(1).padStart(9)} ${p.percent.toFixed(1).padStart(7)}  ${p.name}`,
      );
    }
    console.log("\n  self ns  line");
    for (const l of r.lines.slice(0, 30))
      console.log(`${((l.percent * per) / 100).toFixed(1).padStart(9)}  ${l.name}: ${l.text.slice(0, 110)}`);
  }
  if (r.heap) {
    console.log(`\n${r.heap.bytes_per_unit.toFixed(2)} bytes allocated per packet (sampled), by function:`);
    for (const s of r.heap.sites) console.log(`${s.bytes_per_unit.toFixed(3).padStart(9)}  ${s.name}`);
  }
}

mkdirSync(out, { recursive: true });
const profile = option("--profile");
if (profile !== null) {
  const b = BENCHES.find((x) => x.name === profile && !x.pair && !x.once);
  if (b === undefined) {
    console.error(`no bench "${profile}" to profile`);
    process.exit(2);
  }
  const file = await bundle(b.name, main_of(b));
  const args = ["--size", b.size, "--warm", warm, "--seconds", 2 * seconds, "--profile"];
  print_profile(b.name, node(file, flag("--heap") ? [...args, "--heap"] : args));
  process.exit(0);
}

const only = option("--only")?.split(",");
const selected = BENCHES.filter((b) => !only || only.some((o) => b.name === o || b.name.startsWith(`${o}-`)));
if (selected.length === 0) {
  console.error(`no such bench; there are: ${BENCHES.map((b) => b.name).join(" ")}`);
  process.exit(2);
}
const with_peers = !flag("--no-peers") && selected.some((b) => b.peers);
const say = (text) => console.error(text);
const with_tcp = with_peers && selected.some((b) => is_tcp(b.workload));
const peers = with_peers ? await prepare(say) : {};
if (with_tcp) await prepare_tcp(peers, say);

const rows = [];
const raw = [];
const spread_of = (v) => [Math.min(...v), Math.max(...v)];

for (const b of selected) {
  const on_tap = b.tap !== undefined || b.load !== undefined;
  const lacking = on_tap ? available(b.load) : "";
  if (lacking !== "") {
    console.log(`${b.name.padEnd(20)} not run: ${lacking}`);
    continue;
  }
  let file = "";
  let side_a = "";
  let side_b = "";
  if (b.pair) {
    file = await bundle("pair", "bench/lib/pair.ts");
    const full = `${b.file}-full`;
    const bare = `${b.file}-bare`;
    if (b.pair === "off") {
      side_a = await bundle(bare, side_of(b.file), [without_tracing]);
      side_b = await bundle(full, side_of(b.file));
    } else {
      // A file each: one module loaded twice would be one machine code.
      side_a = await bundle(`${b.file}-one`, side_of(b.file));
      side_b = await bundle(`${b.file}-two`, side_of(b.file));
    }
  } else if (!on_tap) file = await bundle(b.name, main_of(b));
  const values = [];
  const of_peer = Object.fromEntries((b.peers ?? []).filter((p) => peers[p]?.available).map((p) => [p, []]));
  if (on_tap && !flag("--no-peers")) of_peer.kernel = [];
  const cores = [];
  let unit = "%";
  const once = b.once || on_tap ? Math.min(runs, 3) : runs;
  const busy = [];
  for (let i = 0; i < once; i++) {
    busy.push(wait_for_quiet());
    if (b.pair) {
      // Who is loaded second has a small advantage: both orders, and the mean of the two.
      const time = [b.size, 2 * seconds];
      const on = b.pair === "on";
      const ab = node(file, on ? [side_a, side_b, ...time, "--trace-b"] : [side_a, side_b, ...time], PAIR_FLAGS);
      const ba = node(file, on ? [side_b, side_a, ...time, "--trace-a"] : [side_b, side_a, ...time], PAIR_FLAGS);
      values.push((Math.sqrt(ab.value / ba.value) - 1) * 100);
    } else if (b.tap) {
      unit = "us";
      const count = quick ? 2000 : 5000;
      values.push(await ping_tap(b.tap, count));
      of_peer.kernel?.push(await ping_veth(count));
      continue;
    } else if (b.load) {
      unit = b.load === "rr" ? "us" : b.load === "echo" || b.load === "conn" ? "/s" : "Gbit/s";
      const r = await load_tap(b.load, quick ? 2 : 5);
      values.push(r.value);
      if (unit !== "us") cores.push(r.cores);
      of_peer.kernel?.push(await load_veth(b.load, quick ? 2 : 3));
      continue;
    } else {
      const r = node(file, b.once ? [] : ["--size", b.size, "--warm", warm, "--seconds", seconds]);
      values.push(r.value);
      unit = r.unit;
    }
    // Peers take turns with ours, so that all of them see the same machine.
    for (const [p, v] of Object.entries(of_peer)) {
      try {
        const of = is_tcp(b.workload) ? measure_tcp : measure;
        v.push(of(p, b.workload, b.size, Math.min(seconds, 0.6), core));
      } catch (e) {
        peers[p] = { available: false, why: String(e.message).split("\n")[0] };
        delete of_peer[p];
        console.error(`peer ${p} not available: ${peers[p].why}`);
      }
    }
  }
  const value = median(values);
  const row = { name: b.name, value, unit, spread: spread_of(values), aim: b.aim ?? null };
  // Of these the wall clock is the measure; what the process would have done with a whole core tells a busy machine from a slow one.
  if (cores.length > 0) {
    row.cores = median(cores);
    row.perCore = median(values.map((v, i) => v / cores[i]));
  }
  const names = Object.keys(of_peer);
  if (names.length === 0) rows.push({ ...row, peer: null, peerValue: null, ratio: null });
  for (const p of names) {
    const peerValue = median(of_peer[p]);
    rows.push({ ...row, peer: p, peerValue, peerSpread: spread_of(of_peer[p]), ratio: value / peerValue });
  }
  raw.push({
    name: b.name,
    unit,
    runs: values,
    ...(cores.length > 0 && { cores }),
    busyCoresBefore: busy,
    peers: of_peer,
  });
  const digits = unit === "%" || unit === "s" || unit === "Gbit/s" ? 2 : 0;
  const fmt = (v) => (digits === 2 ? v.toFixed(2) : show(v, unit));
  console.log(
    `${b.name.padEnd(20)} ${fmt(value).padStart(8)} ${unit.padEnd(10)} [${spread_of(values).map(fmt).join(" – ")}]${
      b.aim ? `  aim ${less(unit) ? `≤ ${b.aim}` : `≥ ${show(b.aim, unit)}`}` : ""
    }${row.cores ? `  (${row.cores.toFixed(2)} cores: ${fmt(row.perCore)} ${unit} per core)` : ""}`,
  );
  for (const p of names) {
    const v = median(of_peer[p]);
    console.log(
      `${"".padEnd(20)} ${fmt(v).padStart(8)} ${p.padEnd(12)} ${(value / v).toFixed(2)} × its ${unit === "us" ? "time" : unit === "bytes" ? "size" : "rate"}`,
    );
  }
}

const unavailable = Object.entries(peers).filter(([, p]) => !p.available);
const report = {
  date: new Date().toISOString().slice(0, 10),
  node: process.version,
  runs,
  seconds,
  pinned: core !== null,
  rows,
  raw,
  peers,
};
const text = `${JSON.stringify(report, null, 1)}\n`;
const json = option("--json");
if (json !== null) writeFileSync(json, text);
if (!quick && !only) {
  mkdirSync(join(root, "bench/results"), { recursive: true });
  const file = join(root, "bench/results", `${report.date}.json`);
  writeFileSync(file, text);
  spawnSync("npx", ["--no-install", "biome", "format", "--write", file], { cwd: root, stdio: "ignore" });
  console.log(`raw figures: bench/results/${report.date}.json`);
}
for (const [name, p] of unavailable) console.log(`peer ${name} not available: ${p.why}`);
rmSync(out, { recursive: true, force: true });
