// The peers of `npm run bench`: lwIP from Debian's source, natively and as WebAssembly, and the kernel in network namespaces.
// Way in: prepare(), then measure(peer, workload, size, seconds). What cannot be built or run says why; nothing is made up.
import "./help.mjs";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = join(dirname(fileURLToPath(import.meta.url)), "../bench/peers");
export const cache = join(tmpdir(), "skbuff-bench-peers");
const LWIP_URL = "http://deb.debian.org/debian/pool/main/l/lwip/lwip_2.1.3+dfsg1.orig.tar.xz";
const LWIP_SHA256 = "0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24";
const CORE = [
  "core/init",
  "core/def",
  "core/inet_chksum",
  "core/ip",
  "core/mem",
  "core/memp",
  "core/netif",
  "core/pbuf",
  "core/raw",
  "core/stats",
  "core/sys",
  "core/timeouts",
  "core/udp",
  "core/ipv4/etharp",
  "core/ipv4/icmp",
  "core/ipv4/ip4",
  "core/ipv4/ip4_addr",
  "core/ipv4/ip4_frag",
  "netif/ethernet",
];

export const run = (cmd, args, options = {}) =>
  execFileSync(cmd, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
export const found = (cmd) => spawnSync("which", [cmd], { stdio: "ignore" }).status === 0;
export const reason = (e) => String(e.stderr?.toString().trim() || e.message).split("\n")[0];

export async function lwip_source() {
  const dir = join(cache, "lwip");
  if (existsSync(join(dir, "src/core/init.c"))) return dir;
  const r = await fetch(LWIP_URL);
  if (!r.ok) throw new Error(`lwIP source: HTTP ${r.status}`);
  const bytes = Buffer.from(await r.arrayBuffer());
  const sum = createHash("sha256").update(bytes).digest("hex");
  if (sum !== LWIP_SHA256) throw new Error("lwIP source: wrong checksum");
  mkdirSync(dir, { recursive: true });
  const tar = join(cache, "lwip.tar.xz");
  writeFileSync(tar, bytes);
  run("tar", ["xf", tar, "-C", dir, "--strip-components=1"]);
  return dir;
}

export function compile_lwip(src, out, cc, flags, main = "lwip_bench.c", more = []) {
  const files = [...CORE, ...more].map((f) => join(src, "src", `${f}.c`));
  const harness = join(here, "lwip");
  run(cc, [
    "-O2",
    "-w",
    ...flags,
    `-I${harness}`,
    `-I${join(src, "src/include")}`,
    join(harness, main),
    ...files,
    "-o",
    out,
  ]);
}

/** Builds all; returns peers by name: { available, why, version }. */
export async function prepare(log) {
  mkdirSync(cache, { recursive: true });
  const peers = {};
  const attempt = async (name, build) => {
    try {
      peers[name] = { available: true, note: await build() };
    } catch (e) {
      peers[name] = { available: false, why: reason(e) };
      log(`peer ${name} not available: ${peers[name].why}`);
    }
  };
  let src;
  let source_error;
  try {
    src = await lwip_source();
  } catch (e) {
    source_error = e;
  }
  const need_source = () => {
    if (source_error) throw source_error;
  };
  const version = (cc) => run(cc, ["--version"]).toString().split("\n")[0];
  await attempt("lwip", () => {
    need_source();
    compile_lwip(src, join(cache, "lwip_native"), "gcc", []);
    return `lwIP 2.1.3, ${version("gcc")}, -O2, checksums on`;
  });
  await attempt("lwip-nocsum", () => {
    need_source();
    compile_lwip(src, join(cache, "lwip_nocsum"), "gcc", ["-DNO_CHECKSUM"]);
    return `lwIP 2.1.3, ${version("gcc")}, -O2, no UDP checksums`;
  });
  await attempt("lwip-wasm", () => {
    need_source();
    const clang = ["clang-14", "clang-16", "clang-19", "clang"].find(found);
    if (clang === undefined) throw new Error("no clang (apt install clang lld wasi-libc libclang-rt-14-dev-wasm32)");
    compile_lwip(src, join(cache, "lwip.wasm"), clang, ["--target=wasm32-wasi", "-mexec-model=reactor"]);
    return `lwIP 2.1.3, ${version(clang)}, -O2 wasm32-wasi, checksums on, node ${process.version}`;
  });
  await attempt("kernel", () => {
    if (process.platform !== "linux" || process.getuid() !== 0)
      throw new Error("network namespaces need root on Linux");
    run("gcc", ["-O2", join(here, "kernel/kernel_udp.c"), "-o", join(cache, "kernel_udp")]);
    const ns = netns_create([`skbuff-bench-${process.pid}-try`]);
    netns_delete(ns);
    return `Linux ${run("uname", ["-r"]).toString().split(".").slice(0, 2).join(".")}, veth between network namespaces`;
  });
  return peers;
}

export function netns_create(names) {
  for (const n of names) run("ip", ["netns", "add", n]);
  return names;
}
export function netns_delete(names) {
  for (const n of names) spawnSync("ip", ["netns", "del", n], { stdio: "ignore" });
}

export const pin = (core, cmd, args) => (core === null ? [cmd, args] : ["taskset", ["-c", String(core), cmd, ...args]]);
export const last_json = (out) => JSON.parse(out.toString().trim().split("\n").pop());

/** A socket in the first namespace sends to the last, through `routers` in between. Packets per second of CPU, and ns. */
function kernel_udp(routers, size, seconds, core) {
  const names = Array.from({ length: routers + 2 }, (_, i) => `skbuff-bench-${process.pid}-${i}`);
  netns_create(names);
  try {
    for (let i = 0; i + 1 < names.length; i++) {
      const [a, b] = [names[i], names[i + 1]];
      run("ip", ["-n", a, "link", "add", "name", "out0", "type", "veth", "peer", "name", "in0", "netns", b]);
      run("ip", ["-n", a, "addr", "add", `10.99.${i}.1/24`, "dev", "out0"]);
      run("ip", ["-n", b, "addr", "add", `10.99.${i}.2/24`, "dev", "in0"]);
      run("ip", ["-n", a, "link", "set", "out0", "up"]);
      run("ip", ["-n", b, "link", "set", "in0", "up"]);
    }
    for (let i = 0; i + 1 < names.length; i++) {
      if (i > 0) run("ip", ["netns", "exec", names[i], "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
      if (i + 2 < names.length) run("ip", ["-n", names[i], "route", "add", "default", "via", `10.99.${i}.2`]);
      for (let j = 0; j + 1 < i; j++)
        run("ip", ["-n", names[i], "route", "add", `10.99.${j}.0/24`, "via", `10.99.${i - 1}.1`]);
    }
    const n = names.length;
    if (n > 2) run("ip", ["-n", names[n - 1], "route", "add", "default", "via", `10.99.${n - 2}.1`]);
    spawnSync("sleep", ["0.2"]);
    const thread = run("pgrep", ["-x", `ksoftirqd/${core ?? 0}`])
      .toString()
      .trim();
    const args = [names[0], names[n - 1], `10.99.${n - 2}.2`, String(size), String(seconds), thread];
    return last_json(run(...pin(core ?? 0, join(cache, "kernel_udp"), args)));
  } finally {
    netns_delete(names);
  }
}

/** A figure of one run. `workload` is "udp" or "forward"; `size` counts the payload of udp, the whole frame of forward. */
export function measure(peer, workload, size, seconds, core) {
  if (peer === "kernel") {
    if (workload === "udp") return kernel_udp(0, size, seconds, core).value;
    // What one hop more costs: datagrams of the same frame size through one and through three routers.
    const one = kernel_udp(1, size - 42, seconds, core);
    const three = kernel_udp(3, size - 42, seconds, core);
    return 2e9 / (three.ns - one.ns);
  }
  const args = [workload, String(size), String(seconds)];
  if (peer === "lwip") return last_json(run(...pin(core, join(cache, "lwip_native"), args))).value;
  if (peer === "lwip-nocsum") return last_json(run(...pin(core, join(cache, "lwip_nocsum"), args))).value;
  const self = fileURLToPath(import.meta.url);
  const env = { ...process.env, NODE_NO_WARNINGS: "1" };
  return last_json(run(...pin(core, process.execPath, [self, "wasm", ...args]), { env })).value;
}

/** The WebAssembly build, in a process of its own: `node tools/bench-peers.mjs wasm udp 64 1`. */
async function wasm_main(workload, size, seconds) {
  const { WASI } = await import("node:wasi");
  const wasi = new WASI({ version: "preview1" });
  const module = await WebAssembly.compile(readFileSync(join(cache, "lwip.wasm")));
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  wasi.initialize(instance);
  const { bench_init, bench_run } = instance.exports;
  if (bench_init(workload === "forward" ? 1 : 0, size) < 0) throw new Error("bench_init");
  const cpu = () => {
    const u = process.cpuUsage();
    return (u.user + u.system) / 1e6;
  };
  const work = (s) => {
    const t0 = cpu();
    let t = t0;
    let n = 0;
    while (t - t0 < s) {
      n += bench_run(4096);
      t = cpu();
    }
    return n / (t - t0);
  };
  work(0.5);
  process.stdout.write(`${JSON.stringify({ value: work(seconds) })}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === "wasm")
  await wasm_main(process.argv[3], Number(process.argv[4]), Number(process.argv[5]));
