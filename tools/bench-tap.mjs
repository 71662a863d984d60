// W7, round trips over TAP: the kernel's ping against `skbuff host` in a namespace of its own, and against another namespace over veth.
// Way in: available(), ping_tap(nic), ping_veth(). Needs root, iproute2 and iputils-ping.
import "./help.mjs";
import { execFileSync, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const ip = (...args) => execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
const last = availableParallelism() - 1;

/** "" when these can run; else why not. */
export function available() {
  if (process.platform !== "linux" || process.getuid() !== 0) return "needs Linux and root";
  for (const program of ["ip", "ping", "taskset"]) {
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
  execFileSync("ip", ["netns", "exec", ns, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"]);
  return ns;
}

/** A machine of ours on the last core, with this card on its TAP. */
export async function ping_tap(nic, count = 5000) {
  const ns = namespace("t");
  const argv = ["netns", "exec", ns, "taskset", "-c", String(last), process.execPath, join(root, "skbuff")];
  const host = spawn("ip", [...argv, "host", "--tap", "tap0", "--ip", "10.9.0.2/24", "--nic", nic], {
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
    p50(ns, "10.9.0.2", 1000);
    return p50(ns, "10.9.0.2", count);
  } finally {
    host.kill("SIGINT");
    await gone;
    ip("netns", "del", ns);
  }
}

/** The kernel on both sides. */
export function ping_veth(count = 5000) {
  const a = namespace("a");
  const b = namespace("b");
  try {
    ip("link", "add", "va", "netns", a, "type", "veth", "peer", "name", "vb", "netns", b);
    ip("-n", a, "addr", "add", "10.9.1.1/24", "dev", "va");
    ip("-n", b, "addr", "add", "10.9.1.2/24", "dev", "vb");
    ip("-n", b, "link", "set", "vb", "up");
    ip("-n", a, "link", "set", "va", "up");
    p50(a, "10.9.1.2", 100);
    return p50(a, "10.9.1.2", count);
  } finally {
    ip("netns", "del", a);
    ip("netns", "del", b);
  }
}
