// W7 over TAP: the kernel's ping, iperf3 and a client in C against `skbuff host` in a namespace of its own, and against another namespace over veth.
// Way in: available(kind), ping_tap(nic), ping_veth(), load_tap(kind, seconds), load_veth(kind, seconds). Needs root and iproute2.
import "./help.mjs";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const ip = (...args) => execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
const last = availableParallelism() - 1;

const load_c = join(root, "node_modules/.cache/skbuff-tap-load");
const TICKS = 100;
/** Real packets of 1500 bytes: nobody cuts, joins or leaves a sum to others. */
const NO_OFFLOADS = "tso off gso off gro off tx off";

/** The loads: what the client runs against an address, and what the machine that serves it does. */
const LOADS = {
  rx: { client: iperf("") },
  tx: { client: iperf("-R") },
  "rx-mss": { client: iperf(""), mss: true },
  "tx-mss": { client: iperf("-R"), mss: true },
  echo: { client: (to, s) => [load_c, "udp", to, "7", "64", String(s), "64"], c: true },
  rr: { client: (to, s) => [load_c, "rr", to, "7", "64", String(s)], c: true },
  conn: { client: (to, s) => [load_c, "conn", to, "9", String(s), "16"], c: true },
};
function iperf(direction) {
  return (to, s) => `iperf3 -c ${to} -J -C reno -t ${s} ${direction}`.trim().split(" ");
}

/** "" when these can run; else why not. */
export function available(kind = "ping") {
  if (process.platform !== "linux" || process.getuid() !== 0) return "needs Linux and root";
  try {
    readFileSync("/sys/class/misc/tun/dev");
  } catch {
    return "needs /dev/net/tun";
  }
  const load = LOADS[kind];
  const needed = load === undefined ? ["ping"] : load.c ? ["gcc"] : load.mss ? ["iperf3", "ethtool"] : ["iperf3"];
  for (const program of ["ip", "taskset", ...needed]) {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    } catch {
      return `needs ${program}`;
    }
  }
  return "";
}

/** Median round trip in µs of `count` pings, one per millisecond, the client on the first core. */
function p50(ns, to, count) {
  const argv = ["netns", "exec", ns, "taskset", "-c", "0", "ping", "-i", "0.001", "-c", String(count), to];
  const text = execFileSync("ip", argv, { encoding: "utf8", maxBuffer: 1 << 26 });
  const times = [...text.matchAll(/time=([\d.]+) ms/g)].map((m) => Number(m[1]) * 1000).sort((a, b) => a - b);
  if (times.length < count * 0.99) throw new Error(`${count - times.length} of ${count} pings lost`);
  return times[times.length >> 1];
}

function namespace(name) {
  const ns = `skbbench${process.pid}${name}`;
  ip("netns", "add", ns);
  ip("-n", ns, "link", "set", "lo", "up");
  const sysctls = [
    ["net/ipv6/conf/default/disable_ipv6", "1"],
    ["net/ipv4/tcp_congestion_control", "reno"],
    // Ports enough for some seconds of connections, which rest for one.
    ["net/ipv4/ip_local_port_range", "1024 65535"],
    ["net/ipv4/tcp_tw_reuse", "1"],
  ];
  for (const [path, value] of sysctls)
    execFileSync("ip", ["netns", "exec", ns, "sh", "-c", `echo ${value} > /proc/sys/${path}`]);
  return ns;
}

/** A machine of ours on the last core, and what `use` finds out about it. */
async function with_host(args, use) {
  const ns = namespace("t");
  const argv = ["netns", "exec", ns, "taskset", "-c", String(last), process.execPath, join(root, "skbuff")];
  const host = spawn("ip", [...argv, "host", "--tap", "tap0", "--ip", "10.9.0.2/24", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const gone = new Promise((resolve) => host.on("close", resolve));
  try {
    await new Promise((resolve, reject) => {
      let text = "";
      host.stderr.setEncoding("utf8").on("data", (d) => {
        text += d;
        if (/ is up on /.test(text)) resolve();
      });
      gone.then(() => reject(new Error(`skbuff host: ${text.trim()}`)));
    });
    ip("-n", ns, "addr", "add", "10.9.0.1/24", "dev", "tap0");
    return await use(ns, host.pid);
  } finally {
    host.kill("SIGINT");
    await gone;
    ip("netns", "del", ns);
  }
}

export function ping_tap(nic, count = 5000) {
  return with_host(["--nic", nic], (ns) => {
    p50(ns, "10.9.0.2", 1000);
    return p50(ns, "10.9.0.2", count);
  });
}

/** Gbit/s received, or what came back per second: by the client, on the first core. */
function client(ns, argv) {
  const text = execFileSync("ip", ["netns", "exec", ns, "taskset", "-c", "0", ...argv], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  const r = JSON.parse(text);
  if (r.error !== undefined) throw new Error(`iperf3: ${r.error}`);
  return r.value ?? r.end.sum_received.bits_per_second / 1e9;
}

function compile() {
  execFileSync("gcc", ["-O2", join(root, "bench/peers/kernel/tap_load.c"), "-o", load_c], { stdio: "inherit" });
}

/** CPU seconds of a process with its threads. */
function cpu_of(pid) {
  const f = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(f[11]) + Number(f[12])) / TICKS;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `kind` of load on a machine of ours: { value, cores } with the share of a core that its process had. */
export function load_tap(kind, seconds) {
  const load = LOADS[kind];
  if (load.c) compile();
  // Its discard and echo services are there anyway.
  const off = load.mss ? `ethtool -K eth0 ${NO_OFFLOADS} rx off > /dev/null; ` : "";
  return with_host(load.c ? [] : ["--exec", `${off}iperf3 -s`], async (ns, pid) => {
    if (load.mss) execFileSync("ip", ["netns", "exec", ns, "sh", "-c", `ethtool -K tap0 ${NO_OFFLOADS} > /dev/null`]);
    await pause(500);
    // V8 compiles what it has seen often enough: until then a busy computer needs longer than a quiet one.
    const begun = cpu_of(pid);
    for (let i = 0; i < 10 && cpu_of(pid) - begun < 2.5; i++) client(ns, load.client("10.9.0.2", 1));
    await pause(100);
    const cpu = cpu_of(pid);
    const start = performance.now();
    const value = client(ns, load.client("10.9.0.2", seconds));
    return { value, cores: (cpu_of(pid) - cpu) / ((performance.now() - start) / 1000) };
  });
}

/** Two namespaces joined by a veth, and what `use` finds out. */
async function with_veth(use) {
  const a = namespace("a");
  const b = namespace("b");
  try {
    ip("link", "add", "va", "netns", a, "type", "veth", "peer", "name", "vb", "netns", b);
    ip("-n", a, "addr", "add", "10.9.1.1/24", "dev", "va");
    ip("-n", b, "addr", "add", "10.9.1.2/24", "dev", "vb");
    ip("-n", b, "link", "set", "vb", "up");
    ip("-n", a, "link", "set", "va", "up");
    return await use(a, b);
  } finally {
    ip("netns", "del", a);
    ip("netns", "del", b);
  }
}

/** The same load with the kernel on both sides, the server on the last core. */
export function load_veth(kind, seconds) {
  const load = LOADS[kind];
  if (load.c) compile();
  return with_veth(async (a, b) => {
    if (load.mss)
      for (const [ns, dev] of [
        [a, "va"],
        [b, "vb"],
      ])
        execFileSync("ip", ["netns", "exec", ns, "sh", "-c", `ethtool -K ${dev} ${NO_OFFLOADS} > /dev/null`]);
    const argv = load.c ? [load_c, "serve"] : ["iperf3", "-s"];
    const server = spawn("ip", ["netns", "exec", b, "taskset", "-c", String(last), ...argv], { stdio: "ignore" });
    const gone = new Promise((resolve) => server.on("close", resolve));
    try {
      await pause(300);
      return client(a, load.client("10.9.1.2", seconds));
    } finally {
      server.kill();
      await gone;
    }
  });
}

/** The kernel on both sides. */
export function ping_veth(count = 5000) {
  return with_veth((a) => {
    p50(a, "10.9.1.2", 100);
    return p50(a, "10.9.1.2", count);
  });
}
