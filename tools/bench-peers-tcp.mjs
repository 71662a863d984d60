// The peers of the TCP rows of `npm run bench` (W1, W4, W5, W6): lwIP natively and as WebAssembly, gVisor's netstack, and the kernel over
// veth and over its loopback, reno on every side. Way in: prepare_tcp(peers, log), then measure_tcp(peer, workload, size, seconds, core).
import "./help.mjs";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  cache,
  compile_lwip,
  found,
  here,
  last_json,
  lwip_source,
  netns_create,
  netns_delete,
  pin,
  reason,
  run,
} from "./bench-peers.mjs";

const CORE = ["core/tcp", "core/tcp_in", "core/tcp_out"];
const GOPATH = "/usr/share/gocode";

export const is_tcp = (workload) => ["bulk", "conn", "rr", "idle"].includes(workload);

/** lwIP looks through all ends it has room for: 1,024 where connections come and go, 18,100 where 9,000 stand. */
const FEW = "-DTCP_PCBS=1024";
const MANY = "-DTCP_PCBS=20100";
const size_of = (workload) => (workload === "rr" || workload === "idle" ? "many" : "few");

/** Builds what TCP needs, next to what `peers` has; a peer that cannot be built is not available any more. */
export async function prepare_tcp(peers, log) {
  const attempt = async (name, build) => {
    if (peers[name]?.available === false) return;
    try {
      const note = await build();
      peers[name] = { available: true, note: peers[name] ? `${peers[name].note}; ${note}` : note };
    } catch (e) {
      peers[name] = { available: false, why: reason(e) };
      log(`peer ${name} not available: ${peers[name].why}`);
    }
  };
  const lwip = async (name, cc, flags) => {
    const src = await lwip_source();
    for (const [many, size] of [
      ["few", FEW],
      ["many", MANY],
    ])
      compile_lwip(src, join(cache, `${name}_${many}`), cc, ["-DBENCH_TCP", size, ...flags], "lwip_tcp.c", CORE);
    return "TCP with windows of 256 KiB, timestamps, no SACK";
  };
  await attempt("lwip", () => lwip("lwip_tcp", "gcc", []));
  await attempt("lwip-nocsum", () => lwip("lwip_tcp_nocsum", "gcc", ["-DNO_CHECKSUM"]));
  await attempt("lwip-wasm", () => {
    const clang = ["clang-14", "clang-16", "clang-19", "clang"].find(found);
    return lwip("lwip_tcp_wasm", clang, ["--target=wasm32-wasi", "-mexec-model=reactor"]);
  });
  await attempt("gvisor", () => {
    if (!found("go") || !existsSync(join(GOPATH, "src/gvisor.dev/gvisor/pkg/tcpip")))
      throw new Error("apt install golang-go golang-gvisor-gvisor-dev");
    const env = { ...process.env, GO111MODULE: "off", GOPATH, GOFLAGS: "", GOCACHE: join(cache, "go") };
    run("go", ["build", "-o", join(cache, "gvisor_tcp"), "gvisor_tcp.go"], { env, cwd: join(here, "gvisor") });
    const version = run("dpkg-query", ["-W", "-f", `\${Version}`, "golang-gvisor-gvisor-dev"]);
    return `gVisor ${version}, ${run("go", ["version"]).toString().trim()}, IP packets of 1,500 bytes through its pipe, no GSO`;
  });
  await attempt("kernel", () => {
    run("gcc", ["-O2", join(here, "kernel/kernel_tcp.c"), "-o", join(cache, "kernel_tcp")]);
    return "TCP: both ends in one thread";
  });
  const { kernel } = peers;
  peers["kernel-lo"] = kernel.available ? { available: true, note: "both ends in one namespace" } : kernel;
  peers["kernel-mss"] = kernel.available ? { available: true, note: "veth without offloads" } : kernel;
  if (kernel.available && !found("ethtool")) peers["kernel-mss"] = { available: false, why: "apt install ethtool" };
}

/** How the kernel does, both ends on one core; "kernel-mss": without offloads; "kernel-lo": over the loopback. */
function kernel(peer, workload, size, seconds, core) {
  const names = netns_create(["a", "b"].map((n) => `skbuff-bench-${process.pid}-${n}`));
  const [a, b] = names;
  const inside = (ns, command) => run("ip", ["netns", "exec", ns, "sh", "-c", command]);
  try {
    for (const ns of names) {
      // TIME_WAIT rests for a minute: ports and patience enough.
      inside(
        ns,
        `cd /proc/sys/net/ipv4; echo reno > tcp_congestion_control; echo 1024 65535 > ip_local_port_range; echo 4096 > tcp_max_tw_buckets
         echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link set lo up`,
      );
    }
    run("ip", ["link", "add", "va", "netns", a, "type", "veth", "peer", "name", "vb", "netns", b]);
    run("ip", ["-n", a, "addr", "add", "10.99.0.1/24", "dev", "va"]);
    run("ip", ["-n", b, "addr", "add", "10.99.0.2/24", "dev", "vb"]);
    for (const [ns, dev] of [
      [a, "va"],
      [b, "vb"],
    ]) {
      if (peer === "kernel-mss") inside(ns, `ethtool -K ${dev} tso off gso off gro off tx off rx off > /dev/null`);
      run("ip", ["-n", ns, "link", "set", dev, "up"]);
    }
    spawnSync("sleep", ["0.2"]);
    const thread = run("pgrep", ["-x", `ksoftirqd/${core ?? 0}`])
      .toString()
      .trim();
    const ends = peer === "kernel-lo" ? [a, a, "127.0.0.1"] : [a, b, "10.99.0.2"];
    // Two descriptors for each: often no more than 20,000 may be open.
    const count = workload === "idle" ? Math.min(size, 9000) : size;
    const args = [workload, ...ends, String(count), String(seconds), thread];
    return last_json(run(...pin(core ?? 0, join(cache, "kernel_tcp"), args))).value;
  } finally {
    netns_delete(names);
  }
}

/** Gbit/s of "bulk"; per second of "conn" and "rr" (`size` connections); bytes of one end of `size` "idle" ones. */
export function measure_tcp(peer, workload, size, seconds, core) {
  if (peer.startsWith("kernel")) return kernel(peer, workload, size, seconds, core);
  const args = [workload, String(size), String(seconds)];
  if (peer === "gvisor") return last_json(run(...pin(core, join(cache, "gvisor_tcp"), args))).value;
  const file = { lwip: "lwip_tcp", "lwip-nocsum": "lwip_tcp_nocsum", "lwip-wasm": "lwip_tcp_wasm" }[peer];
  const path = join(cache, `${file}_${size_of(workload)}`);
  if (peer !== "lwip-wasm") return last_json(run(...pin(core, path, args))).value;
  const self = fileURLToPath(import.meta.url);
  const env = { ...process.env, NODE_NO_WARNINGS: "1" };
  return last_json(run(...pin(core, process.execPath, [self, "wasm", path, ...args]), { env })).value;
}

/** The WebAssembly build, in a process of its own: `node tools/bench-peers-tcp.mjs wasm FILE bulk 1 1`. */
async function wasm_main(file, workload, size, seconds) {
  const { WASI } = await import("node:wasi");
  const wasi = new WASI({ version: "preview1" });
  const module = await WebAssembly.compile(readFileSync(file));
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  wasi.initialize(instance);
  const { bench_init, bench_run } = instance.exports;
  if (bench_init(workload.charCodeAt(0), size) < 0) throw new Error("bench_init");
  const cpu = () => {
    const u = process.cpuUsage();
    return (u.user + u.system) / 1e6;
  };
  const work = (s) => {
    const t0 = cpu();
    let t = t0;
    let n = 0;
    while (t - t0 < s) {
      n += bench_run(1024);
      t = cpu();
    }
    return n / (t - t0);
  };
  work(0.5);
  process.stdout.write(`${JSON.stringify({ value: work(seconds) * (workload === "bulk" ? 1e-6 : 1) })}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === "wasm")
  await wasm_main(process.argv[3], process.argv[4], Number(process.argv[5]), Number(process.argv[6]));
