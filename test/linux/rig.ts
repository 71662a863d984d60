// Namespaces of the real kernel for tests: made, used and removed. Needs root and Debian's programs.
// Way in: prerequisites(), new RealNet(); ns(), sh(), host(); end() in an after().

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
/** In CI everything must be there: a missing prerequisite fails. */
const CI = process.env.SKBUFF_CI === "1";

/** Debian's package for a program, for the message. */
const PACKAGES: Record<string, string> = {
  ping: "iputils-ping",
  arping: "iputils-arping",
  nc: "netcat-openbsd",
  ip: "iproute2",
  tc: "iproute2",
  ss: "iproute2",
  nstat: "iproute2",
  ifconfig: "net-tools",
  route: "net-tools",
  arp: "net-tools",
  netstat: "net-tools",
  hostname: "hostname",
  sysctl: "procps",
  ps: "procps",
  nslookup: "bind9-dnsutils",
  dig: "bind9-dnsutils",
  ab: "apache2-utils",
  psql: "postgresql-client",
  ssh: "openssh-client",
  scp: "openssh-client",
  "ssh-keygen": "openssh-client",
  sshd: "openssh-server",
  "redis-cli": "redis-tools",
  "redis-benchmark": "redis-tools",
};

function inPath(program: string): boolean {
  const dirs = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return dirs.some((d) => existsSync(join(d, program)));
}

/** What these tests lack, as node:test's `skip`: a message, or false. In CI (SKBUFF_CI=1) a lack is an error instead. */
export function prerequisites(...programs: string[]): string | false {
  const lacks: string[] = [];
  if (process.platform !== "linux") lacks.push("Linux");
  else {
    if (process.getuid?.() !== 0) lacks.push("root");
    try {
      accessSync("/dev/net/tun");
    } catch {
      lacks.push("/dev/net/tun");
    }
  }
  const missing = ["ip", ...programs].filter((p) => !inPath(p));
  if (missing.length > 0) lacks.push(`apt install ${[...new Set(missing.map((p) => PACKAGES[p] ?? p))].join(" ")}`);
  if (lacks.length === 0) return false;
  const message = `needs ${lacks.join(" and ")}`;
  if (CI) throw new Error(`${message}; in CI these tests are not skipped`);
  return message;
}

export interface Result {
  code: number;
  out: string;
  err: string;
}

let instances = 0;

export class RealNet {
  private readonly prefix = `skb${process.pid}x${instances++}`;
  private readonly made: string[] = [];
  private readonly running: Set<ChildProcess> = new Set();

  /** A new namespace without IPv6, lo up. Returns its name as `ip netns` knows it. */
  ns(name: string): string {
    const full = `${this.prefix}${name}`;
    must("ip", ["netns", "add", full]);
    this.made.push(full);
    for (const what of ["all", "default"])
      must("ip", ["netns", "exec", full, "sh", "-c", `echo 1 > /proc/sys/net/ipv6/conf/${what}/disable_ipv6`]);
    must("ip", ["-n", full, "link", "set", "lo", "up"]);
    return full;
  }

  /** Runs a shell command in a namespace to its end; it does not block this process, whose machines go on. */
  sh(ns: string, command: string, options: { timeout?: number; input?: string } = {}): Promise<Result> {
    const p = this.spawn(ns, ["bash", "-c", command]);
    const timer = setTimeout(() => p.kill("SIGKILL"), options.timeout ?? 30_000);
    let out = "";
    let err = "";
    p.stdout!.setEncoding("utf8").on("data", (d) => {
      out += d;
    });
    p.stderr!.setEncoding("utf8").on("data", (d) => {
      err += d;
    });
    p.stdin!.on("error", () => {});
    p.stdin!.end(options.input ?? "");
    return new Promise((resolve) => {
      p.on("close", (code, signal) => {
        clearTimeout(timer);
        resolve({ code: code ?? -1, out, err: signal !== null ? `${err}[killed by ${signal}]` : err });
      });
    });
  }

  /** The same; it must succeed. Returns stdout. */
  async ok(ns: string, command: string, options: { timeout?: number; input?: string } = {}): Promise<string> {
    const r = await this.sh(ns, command, options);
    if (r.code !== 0) throw new Error(`${command}: exit code ${r.code}\n${r.out}${r.err}`);
    return r.out;
  }

  /** Runs python3 with a script. */
  python(ns: string, script: string): Promise<string> {
    return this.ok(ns, "python3 -", { input: script });
  }

  spawn(ns: string, argv: string[]): ChildProcess {
    const p = spawn("ip", ["netns", "exec", ns, ...argv], {
      cwd: root,
      env: { ...process.env, LC_ALL: "C", PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.running.add(p);
    p.on("close", () => this.running.delete(p));
    return p;
  }

  /** `skbuff host …` in a namespace, up and running. */
  host(ns: string, args: string[]): Promise<HostProcess> {
    const p = this.spawn(ns, [process.execPath, "--import", "tsx", "test/linux/skbuff.ts", "host", ...args]);
    const h = new HostProcess(p);
    return h.up.then(() => h);
  }

  /** `skbuff host … --exec COMMAND`: what it printed, without the line that says it is up. */
  async hostExec(ns: string, args: string[], command: string): Promise<Result> {
    const p = this.spawn(ns, [
      process.execPath,
      "--import",
      "tsx",
      "test/linux/skbuff.ts",
      "host",
      ...args,
      "--exec",
      command,
    ]);
    p.stdin!.end();
    const h = new HostProcess(p);
    const code = await h.exited;
    return { code, out: h.out, err: h.err.replace(/^.* is up on .*\n/m, "") };
  }

  /** Ends what still runs and removes the namespaces. */
  async end(): Promise<void> {
    for (const p of this.running) p.kill("SIGKILL");
    await Promise.all([...this.running].map((p) => new Promise((resolve) => p.on("close", resolve))));
    for (const ns of this.made) spawnSync("ip", ["netns", "del", ns]);
  }
}

export class HostProcess {
  readonly process: ChildProcess;
  out = "";
  err = "";
  readonly up: Promise<void>;
  readonly exited: Promise<number>;

  constructor(p: ChildProcess) {
    this.process = p;
    p.stdout!.setEncoding("utf8").on("data", (d) => {
      this.out += d;
    });
    this.exited = new Promise((resolve) => p.on("close", (code) => resolve(code ?? -1)));
    this.up = new Promise((resolve, reject) => {
      p.stderr!.setEncoding("utf8").on("data", (d) => {
        this.err += d;
        if (this.err.includes(" is up on ")) resolve();
      });
      p.on("close", () => reject(new Error(`skbuff host ended: ${this.err}`)));
    });
    this.up.catch(() => {});
  }

  async stop(): Promise<number> {
    this.process.kill("SIGTERM");
    return await this.exited;
  }
}

function must(command: string, args: string[]): void {
  const r = spawnSync(command, args, { encoding: "utf8" });
  if (r.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${r.stderr}`);
}
