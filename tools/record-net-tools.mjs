// Records what Debian's ping, traceroute, ifconfig, route, arp, netstat, sysctl, nslookup, … print on a network of three
// namespaces (pc1 - r1 - pc2), as golden files for test/selftests/bin/net_tools.test.ts, which runs the same on machines of
// ours. Also records single ethtool runs with their ioctls, and `netstat -s` and `nstat` over made-up counters.
// Needs root and: iputils-ping iputils-arping traceroute netcat-openbsd net-tools ethtool procps bind9-dnsutils dnsmasq.
// Way in: `node tools/record-net-tools.mjs [SCENE...]`; the scenes are in record-net-scenes.mjs.

import "./help.mjs";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DNSMASQ, FILES, scenes, TOPOLOGY } from "./record-net-scenes.mjs";

const PREFIX = "skbnet-";
const golden = new URL("../test/kunit/bin/golden/net/", import.meta.url).pathname;

function run(command, quiet = false) {
  const r = spawnSync("sh", ["-c", command], { encoding: "utf8" });
  if (r.status !== 0 && !quiet) process.stderr.write(`setup: ${command}: ${r.stderr}`);
}

const on = (host, command) => `ip netns exec ${PREFIX}${host} ${command}`;

function down() {
  for (const host of TOPOLOGY.hosts) {
    run(`ip netns pids ${PREFIX}${host} | xargs -r kill`, true);
    run(`ip netns del ${PREFIX}${host}`, true);
    rmSync(`/etc/netns/${PREFIX}${host}`, { recursive: true, force: true });
  }
}

function up() {
  down();
  for (const host of TOPOLOGY.hosts) {
    run(`ip netns add ${PREFIX}${host}`);
    run(on(host, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"));
    run(on(host, "ip link set lo up"));
    for (const [path, text] of Object.entries(FILES[host] ?? {})) {
      if (path.slice(1).split("/").length !== 2) continue;
      mkdirSync(`/etc/netns/${PREFIX}${host}`, { recursive: true });
      writeFileSync(`/etc/netns/${PREFIX}${host}/${path.slice(5)}`, text);
    }
  }
  for (const [a, b] of TOPOLOGY.links) {
    const end = (e) => `${e.name} netns ${PREFIX}${e.host} address ${e.mac}`;
    run(`ip link add ${end(a)} type veth peer name ${end(b)}`);
  }
  for (const [host, commands] of Object.entries(TOPOLOGY.startup)) for (const c of commands) run(on(host, c));
}

function record(scene) {
  up();
  const server = spawn("ip", ["netns", "exec", `${PREFIX}pc2`, "dnsmasq", ...DNSMASQ], { stdio: "ignore" });
  spawnSync("sleep", ["0.3"]);
  const cases = [];
  for (const step of scenes[scene]) {
    const { host, command, quiet } = typeof step === "string" ? { host: "pc1", command: step } : step;
    const r = spawnSync("sh", ["-c", on(host, command)], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    if (quiet) cases.push({ host, command, quiet: true });
    else cases.push({ host, command, status: r.status, stdout: r.stdout, stderr: r.stderr });
    process.stderr.write(`${scene}: ${host}$ ${command} [${r.status}]\n`);
  }
  server.kill();
  down();
  writeFileSync(join(golden, `${scene}.json`), `${JSON.stringify({ cases }, null, 1)}\n`);
}

/** netstat -s and nstat over counters that each have a number of their own, and over zeros. */
function recordCounters() {
  const tmp = mkdtempSync(join(tmpdir(), "proc-"));
  mkdirSync(join(tmp, "net"));
  const cases = [];
  for (const first of [1000, 0]) {
    const files = {};
    let n = first;
    for (const name of ["snmp", "netstat"]) {
      const lines = readFileSync(`/proc/net/${name}`, "utf8").trimEnd().split("\n");
      let text = "";
      for (let i = 0; i < lines.length; i += 2) {
        let [table, ...names] = lines[i].split(" ");
        if (table === "MPTcpExt:") continue;
        if (table === "IcmpMsg:") names = ["InType0", "InType3", "InType8", "OutType0", "OutType8"];
        text += `${table} ${names.join(" ")}\n${table} ${names.map(() => (first === 0 ? 0 : ++n)).join(" ")}\n`;
      }
      files[`/proc/net/${name}`] = text;
      writeFileSync(join(tmp, "net", name), text);
    }
    for (const command of ["netstat -s", "netstat -st", "netstat -su", "netstat -sw", "nstat -as", "nstat -asz"]) {
      const r = spawnSync("unshare", ["-m", "sh", "-c", `mount --bind ${tmp} /proc; exec ${command}`], {
        encoding: "utf8",
      });
      cases.push({
        command,
        status: r.status,
        stdout: r.stdout,
        stderr: r.stderr,
        files: first === 0 ? "zeros" : "numbers",
      });
    }
    cases.push({ files: first === 0 ? "zeros" : "numbers", content: files });
  }
  rmSync(tmp, { recursive: true });
  writeFileSync(join(golden, "counters.json"), `${JSON.stringify({ cases }, null, 1)}\n`);
}

/** Each run of the real tool, with the ioctls of ours on the same kernel and their answers. */
function recordIoctls() {
  down();
  run(`ip netns add ${PREFIX}pc1`);
  const ns = (c) => run(on("pc1", c));
  ns("ip link set lo up");
  ns("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
  ns("ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02");
  ns("ip tuntap add tap0 mode tap");
  ns("ip link set v0 up");
  const cases = [];
  for (const command of scenes.ioctls) {
    const words = command.split(" ");
    const r = spawnSync("sh", ["-c", on("pc1", command)], { encoding: "utf8" });
    const program = new URL("../test/linux/run-program.ts", import.meta.url).pathname;
    const args = ["netns", "exec", `${PREFIX}pc1`, "node", "--import", "tsx", program, "--record", ...words];
    const ours = spawnSync("ip", args, { encoding: "utf8" });
    const calls = JSON.parse(ours.stderr.slice(ours.stderr.indexOf("\x01") + 1) || "[]");
    cases.push({ command, status: r.status, stdout: r.stdout, stderr: r.stderr, calls });
    process.stderr.write(`ioctls: ${command} [${r.status}]\n`);
  }
  down();
  writeFileSync(join(golden, "ioctls.json"), `${JSON.stringify({ cases })}\n`);
}

const chosen = process.argv.slice(2);
mkdirSync(golden, { recursive: true });
for (const scene of chosen.length > 0 ? chosen : Object.keys(scenes).concat("counters")) {
  if (scene === "counters") recordCounters();
  else if (scene === "ioctls") recordIoctls();
  else record(scene);
}
