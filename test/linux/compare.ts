// One script of commands, run by Debian's tools in namespaces of the real kernel and by ours in namespaces of a machine of
// ours; outputs and exit codes side by side. Way in: runReal(scenario), runOurs(scenario), normalise().

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createWorld } from "../../src/api/index.ts";
import { TextCollector } from "../../src/api/machine.ts";

export interface Command {
  /** The namespace. */
  at: string;
  run: string;
  /** Ours, where it is another one. */
  ours?: string;
  /** Started and left to run until the end of the scenario; not compared. */
  background?: boolean;
  /** Neither output nor exit code is compared: it prepares. */
  quiet?: boolean;
  /** Why ours differs, and will: such a command must differ. */
  differs?: string;
  /** Applied to both outputs after the normalisation that all get. */
  also?: [RegExp, string][];
}

export interface Scenario {
  name: string;
  namespaces: string[];
  /** Shell, before the commands; `lo` of each namespace is up. */
  setup: string;
  commands: Command[];
  /** Files by name, in the folder $FILES. */
  files?: Record<string, string>;
}

export interface Answer {
  code: number;
  out: string;
  err: string;
}

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** The same on both sides: names come from here, and the name server cannot be reached. */
const ETC = {
  "/etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tlab\n10.0.0.2\th2\n",
  "/etc/resolv.conf": "nameserver 192.0.2.53\noptions timeout:1 attempts:1\n",
};

/** Times are times; everything else has to be equal. */
const RULES: [RegExp, string][] = [
  [/time=[\d.]+ ms/g, "time=T ms"],
  [/time \d+ms/g, "time Tms"],
  [/rtt min\/avg\/max\/mdev = [\d./]+ ms(, pipe \d+)?(, ipg\/ewma [\d./]+ ms)?/g, "rtt T"],
  [/, pipe \d+$/gm, ""],
  [/ {2}\d+\.\d+ ?ms/g, "  T ms"],
  [/expires \d+sec/g, "expires Nsec"],
  [/"expires":\s*\d+/g, '"expires":N'],
  // ping -D.
  [/^\[\d+\.\d+\] /gm, "[T] "],
  // What a namespace cannot hide: handles of qdiscs (counted up from 8001 for the whole kernel) and counts of TCP sockets.
  [/\b[89a-f][0-9a-f]{3}:(?=[ "\d])/g, "8xxx:"],
  [/^TCP: inuse .*$/gm, "TCP: …"],
  // Memory of a protocol is counted for all namespaces of the computer, and CPUs keep some of it.
  [/^(UDP: inuse \d+ mem) \d+$/gm, "$1 …"],
  [/^(UDP(?:-Lite)? +\d+ +\d+) +\d+/gm, "$1 …"],
  [/^TCP: {3}.*$/gm, "TCP: …"],
  // Protocols that a machine of ours does not have yet.
  [/^MPTcpExt:.*\n/gm, ""],
  [/^(Total: )\d+$/gm, "$1N"],
  [/ addrgenmode \w+/g, ""],
];

export function normalise(text: string, also: [RegExp, string][] = []): string {
  for (const [from, to] of [...RULES, ...also]) text = text.replace(from, to);
  return text;
}

/** How long what runs in the background has to get ready. */
const BACKGROUND_S = 1.5;

const quote = (s: string): string => `'${s.replaceAll("'", "'\\''")}'`;

export async function runReal(s: Scenario): Promise<Answer[]> {
  const dir = mkdtempSync(join(tmpdir(), "skbuff-"));
  // Names of namespaces are files in /run/netns: a private one makes them private too.
  let script = `set -e
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"; unset COLUMNS
mount -t tmpfs none /run/netns 2>/dev/null || { mkdir -p /run/netns; mount -t tmpfs none /run/netns; }
hostname lab
`;
  for (const [path, text] of Object.entries(ETC)) {
    const file = join(dir, path.replaceAll("/", "_"));
    writeFileSync(file, text);
    script += `mount --bind ${file} ${path}\n`;
  }
  for (const ns of s.namespaces) {
    script += `ip netns add ${ns}
ip netns exec ${ns} sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
ip -n ${ns} link set lo up
`;
  }
  for (const [name, text] of Object.entries(s.files ?? {})) writeFileSync(join(dir, name), text);
  script += `export FILES=${dir}\nset +e\npids=\n${s.setup}\n`;
  s.commands.forEach((c, i) => {
    const run = `ip netns exec ${c.at} bash -c ${quote(c.run)} </dev/null`;
    if (c.background) script += `${run} >/dev/null 2>&1 & pids="$pids $!"\nsleep ${BACKGROUND_S}\n`;
    else script += `timeout 30 ${run} >${dir}/${i}.out 2>${dir}/${i}.err; echo $? >${dir}/${i}.code\n`;
  });
  script += '[ -z "$pids" ] || kill $pids\nexit 0\n';
  const file = join(dir, "script");
  writeFileSync(file, script);
  const p = spawn("unshare", ["--mount", "--net", "--uts", "bash", file], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  p.stderr.setEncoding("utf8").on("data", (d) => {
    complaint += d;
  });
  const code = await new Promise((resolve) => p.on("close", resolve));
  if (code !== 0) throw new Error(`the set-up failed on the real kernel: ${complaint}`);
  const answers = s.commands.map((c, i): Answer => {
    if (c.background) return { code: 0, out: "", err: "" };
    const read = (what: string): string => readFileSync(join(dir, `${i}.${what}`), "utf8");
    return { code: Number(read("code")), out: read("out"), err: read("err") };
  });
  rmSync(dir, { recursive: true });
  return answers;
}

/** The same, in virtual time. Ends with a check that nothing leaks and no BUG was hit. */
export function runOurs(s: Scenario): { answers: Answer[]; leaks: string[] } {
  const world = createWorld({ seed: 1 });
  // As many CPUs as the real kernel has: virtual devices have a queue for each.
  const m = world.createMachine({ hostname: "lab", debug: true, cpus: Math.min(31, cpus().length) });
  for (const [path, text] of Object.entries(ETC)) m.writeFile(path, text);
  const leaks: string[] = [];
  m.kernel.on_bug = (error, where) => leaks.push(`BUG in ${where}: ${(error as Error)?.stack ?? error}`);
  const sh = (command: string, netns?: string): Answer => {
    const out = new TextCollector();
    const err = new TextCollector();
    const p = m.exec(command, { stdout: out.push, stderr: err.push, ...(netns !== undefined && { netns }) });
    const code = world.wait(p, 60e9);
    if (code === -1) p.kill(9);
    world.run(20e6);
    return { code, out: out.text(), err: err.text() };
  };
  for (const [name, text] of Object.entries(s.files ?? {})) m.writeFile(`/tmp/${name}`, text);
  m.init.env.FILES = "/tmp";
  for (const ns of s.namespaces) {
    const r = sh(`ip netns add ${ns} && ip -n ${ns} link set lo up`);
    if (r.code !== 0) throw new Error(`ours: ${r.err}`);
  }
  const r = sh(s.setup);
  if (r.err !== "") leaks.push(`set-up: ${r.err}`);
  const answers = s.commands.map((c): Answer => {
    if (!c.background) return sh(c.ours ?? c.run, c.at);
    m.exec(c.ours ?? c.run, { netns: c.at });
    world.run(300e6);
    return { code: 0, out: "", err: "" };
  });
  m.poweroff();
  world.run(2e9);
  for (const [what, n] of Object.entries(m.live())) if (n !== 0) leaks.push(`${what}: ${n} left`);
  return { answers, leaks };
}
