// What a machine tells of itself in /proc: interrupts, softirqs, CPU time, tasks. Mirrors fs/proc/{stat,uptime,base,array}.c
// and kernel/irq/proc.c. Read first: proc(5). Way in: proc_root_init() at boot.

import { bitmap_parse, bitmap_parselist, bitmap_print, bitmap_print_list } from "../lib/bitmap_text.ts";
import { EINVAL, ENXIO } from "../uapi/errno.ts";
import { ACCT_HARDIRQ, ACCT_SOFTIRQ, ACCT_SYSTEM, ACCT_USER, type Cpu } from "./cpu.ts";
import { fget } from "./fs/file.ts";
import { GenDir, GenInode, LinkInode, proc_create, proc_mkdir, TaskView } from "./fs/procfs.ts";
import { DirInode, type Inode } from "./fs/vfs.ts";
import { type IrqDesc, irq_set_affinity } from "./irq.ts";
import type { Kernel } from "./kernel.ts";
import type { Task } from "./sched.ts";
import { NR_SOFTIRQS, softirq_to_name } from "./softirq.ts";

/** Ticks of CPU time as programs see them: USER_HZ is 100. */
const NS_PER_CLOCK_T = 10_000_000;
/** new_encode_dev() of pts/0: UNIX98_PTY_SLAVE_MAJOR. */
const TTY_PTS_MAJOR = 136 << 8;
/** nr_irqs of a PC with one I/O APIC. */
const NR_IRQS = 256;

declare module "./kernel.ts" {
  interface Kernel {
    /** Set by the network: what stands for the namespace of a task. */
    proc_net_ns?: (task: Task) => Inode;
  }
}
declare module "./sched.ts" {
  interface Task {
    /** ns after boot. */
    start_time: number;
  }
}

const ticks = (ns: number): number => Math.floor(ns / NS_PER_CLOCK_T);
const uptime_ns = (k: Kernel): number => k.host.monotonic_ns() - k.boot_ns;
const secs = (ns: number): string => {
  const cs = Math.floor(ns / NS_PER_CLOCK_T);
  return `${Math.floor(cs / 100)}.${String(cs % 100).padStart(2, "0")}`;
};
const busy_ns = (cpu: Cpu): number => cpu.acct[0]! + cpu.acct[1]! + cpu.acct[2]! + cpu.acct[3]!;
const idle_ns = (k: Kernel, cpu: Cpu): number => Math.max(0, uptime_ns(k) - busy_ns(cpu));

// --- interrupts ---------------------------------------------------------------------------------------------------

function interrupts_show(k: Kernel): string {
  let s = " ".repeat(11);
  for (const cpu of k.cpus) s += `CPU${String(cpu.id).padEnd(8)}`;
  s += "\n";
  for (const desc of k.irq_desc) {
    if (desc === undefined || (desc.handler === null && desc.counts.every((c) => c === 0))) continue;
    s += `${String(desc.irq).padStart(3)}:`;
    for (const cpu of k.cpus) s += ` ${String(desc.counts[cpu.id]).padStart(10)}`;
    s += ` ${irq_chip_text(desc)}${desc.name !== "" ? `  ${desc.name}` : ""}\n`;
  }
  return `${s}ERR:${"0".padStart(11)}\nMIS:${"0".padStart(11)}\n`;
}

/** "PCI-MSIX-0000:01:00.0   0-edge    ": chip, line of the chip, trigger, each in its column. */
function irq_chip_text(desc: IrqDesc): string {
  const m = /^(.*?)\s+(\d+)-(\w+)$/.exec(desc.chip);
  if (!m) return desc.chip.padStart(8);
  return `${m[1]!.padStart(8)} ${m[2]!.padStart(3)}-${m[3]!.padEnd(8)}`;
}

function softirqs_show(k: Kernel): string {
  let s = " ".repeat(20);
  for (const cpu of k.cpus) s += `CPU${String(cpu.id).padEnd(8)}`;
  s += "\n";
  for (let nr = 0; nr < NR_SOFTIRQS; nr++) {
    s += `${softirq_to_name[nr]!.padStart(12)}:`;
    for (const cpu of k.cpus) s += ` ${String(cpu.softirqs[nr]).padStart(10)}`;
    s += "\n";
  }
  return s;
}

/** /proc/irq/N. Writing an affinity moves the line at once. */
function irq_dir(k: Kernel, irq: number): Inode {
  const n = k.cpus.length;
  const desc = (): IrqDesc => k.irq_desc[irq]!;
  const set = (mask: number): number => (mask < 0 ? mask : irq_set_affinity(k, irq, mask) < 0 ? -EINVAL : 0);
  const files: Record<string, [(() => string) | null, ((text: string) => number) | null]> = {
    actions: [() => `${desc().name}\n`, null],
    affinity_hint: [() => `${bitmap_print(0, n)}\n`, null],
    effective_affinity: [() => `${bitmap_print(1 << desc().target_cpu, n)}\n`, null],
    effective_affinity_list: [() => `${desc().target_cpu}\n`, null],
    node: [() => "0\n", null],
    smp_affinity: [() => `${bitmap_print(desc().smp_affinity, n)}\n`, (t) => set(bitmap_parse(t, n))],
    smp_affinity_list: [() => `${bitmap_print_list(desc().smp_affinity, n)}\n`, (t) => set(bitmap_parselist(t, n))],
    spurious: [() => `count ${desc().unhandled}\nunhandled ${desc().unhandled}\nlast_unhandled 0 ms\n`, null],
  };
  return file_dir(k, files);
}

type FileTable = Record<string, [(() => string) | null, ((text: string) => number) | null]>;

function file_dir(k: Kernel, files: FileTable): GenDir {
  return new GenDir(
    k,
    () => Object.keys(files).sort(),
    (name) => {
      if (!Object.hasOwn(files, name)) return null;
      const [show, store] = files[name]!;
      const mode = (show ? 0o444 : 0) | (store ? 0o200 : 0);
      return new GenInode(k, mode, show ?? (() => ""), store ? (_task, text) => store(text) : null);
    },
  );
}

function irq_root(k: Kernel): GenDir {
  const lines = (): string[] => k.irq_desc.filter((d) => d !== undefined).map((d) => String(d.irq));
  return new GenDir(
    k,
    () => [...lines(), "default_smp_affinity"],
    (name) => {
      if (name === "default_smp_affinity")
        return new GenInode(k, 0o444, () => `${bitmap_print(-1, k.cpus.length)}\n`, null);
      return /^\d+$/.test(name) && k.irq_desc[Number(name)] !== undefined ? irq_dir(k, Number(name)) : null;
    },
  );
}

// --- the machine --------------------------------------------------------------------------------------------------

function cpu_line(name: string, user: number, system: number, idle: number, irq: number, softirq: number): string {
  return `${name} ${ticks(user)} 0 ${ticks(system)} ${ticks(idle)} 0 ${ticks(irq)} ${ticks(softirq)} 0 0 0\n`;
}

function stat_show(k: Kernel): string {
  const sum = [0, 0, 0, 0, 0];
  let lines = "";
  let switches = 0;
  const soft = new Float64Array(NR_SOFTIRQS);
  for (const cpu of k.cpus) {
    const a = cpu.acct;
    const v = [a[ACCT_USER]!, a[ACCT_SYSTEM]!, idle_ns(k, cpu), a[ACCT_HARDIRQ]!, a[ACCT_SOFTIRQ]!] as const;
    for (let i = 0; i < 5; i++) sum[i]! += v[i]!;
    lines += cpu_line(`cpu${cpu.id}`, ...v);
    switches += cpu.nr_switches;
    for (let i = 0; i < NR_SOFTIRQS; i++) soft[i]! += cpu.softirqs[i]!;
  }
  let irqs = 0;
  const per_irq = new Array<number>(NR_IRQS).fill(0);
  for (const desc of k.irq_desc) {
    if (desc === undefined) continue;
    const n = desc.counts.reduce((x, y) => x + y, 0);
    irqs += n;
    if (desc.irq < NR_IRQS) per_irq[desc.irq] = n;
  }
  let running = 0;
  for (const t of k.tasks.values()) if (t.state === "R") running++;
  const total_soft = soft.reduce((x, y) => x + y, 0);
  const btime = Math.floor((k.host.realtime_ms() - uptime_ns(k) / 1e6) / 1000);
  return (
    cpu_line("cpu ", sum[0]!, sum[1]!, sum[2]!, sum[3]!, sum[4]!) +
    lines +
    `intr ${irqs} ${per_irq.join(" ")}\nctxt ${switches}\nbtime ${btime}\nprocesses ${k.next_pid - 1}\n` +
    `procs_running ${running}\nprocs_blocked 0\nsoftirq ${total_soft} ${soft.join(" ")}\n`
  );
}

function uptime_show(k: Kernel): string {
  let idle = 0;
  for (const cpu of k.cpus) idle += idle_ns(k, cpu);
  return `${secs(uptime_ns(k))} ${secs(idle)}\n`;
}

function loadavg_show(k: Kernel): string {
  let running = 0;
  for (const t of k.tasks.values()) if (t.state === "R") running++;
  return `0.00 0.00 0.00 ${running}/${k.tasks.size} ${k.next_pid - 1}\n`;
}

function cpuinfo_show(k: Kernel): string {
  let s = "";
  for (const cpu of k.cpus) {
    s +=
      `processor\t: ${cpu.id}\nvendor_id\t: skbuff\nmodel name\t: skbuff virtual CPU\n` +
      `siblings\t: ${k.cpus.length}\ncore id\t\t: ${cpu.id}\ncpu cores\t: ${k.cpus.length}\n\n`;
  }
  return s;
}

function meminfo_show(): string {
  const kb = (name: string, v: number): string => `${`${name}:`.padEnd(16)}${String(v).padStart(8)} kB\n`;
  return (
    kb("MemTotal", 1048576) + kb("MemFree", 1048576) + kb("MemAvailable", 1048576) + kb("Buffers", 0) + kb("Cached", 0)
  );
}

// --- tasks --------------------------------------------------------------------------------------------------------

const state_names: Readonly<Record<string, string>> = {
  R: "running",
  S: "sleeping",
  T: "stopped",
  Z: "zombie",
  X: "dead",
};

const PAGE_SIZE = 4096;
/** Pages of stack that a new program gets. */
const STACK_PAGES = 33;
/** The auxiliary vector behind the environment. */
const AUXV_BYTES = 20 * 16;

/**
 * Memory of a task in pages, as a whole and what of it is used. DIFF: code and heap are the JavaScript engine's and nobody can tell
 * whose; what is counted is the stack, on which execve(2) has put arguments and environment, and one page of calls.
 */
function task_mm(t: Task): { size: number; resident: number } {
  if (t.kthread || t.argv.length === 0) return { size: 0, resident: 0 };
  let bytes = AUXV_BYTES;
  for (const a of t.argv) bytes += a.length + 1 + 8;
  for (const [name, value] of Object.entries(t.env)) bytes += name.length + value.length + 2 + 8;
  const resident = 1 + Math.ceil(bytes / PAGE_SIZE);
  return { size: Math.max(STACK_PAGES, resident), resident };
}

const kb_of = (pages: number): string => `${String((pages * PAGE_SIZE) / 1024).padStart(8)} kB`;

/** The lines of /proc/PID/status about memory; a kernel thread has none. */
function status_mm(t: Task): string {
  const { size, resident } = task_mm(t);
  if (size === 0) return "";
  const rows: readonly (readonly [string, number])[] = [
    ["VmPeak", size],
    ["VmSize", size],
    ["VmLck", 0],
    ["VmPin", 0],
    ["VmHWM", resident],
    ["VmRSS", resident],
    ["RssAnon", resident],
    ["RssFile", 0],
    ["RssShmem", 0],
    ["VmData", 0],
    ["VmStk", size],
    ["VmExe", 0],
    ["VmLib", 0],
    ["VmPTE", 0],
    ["VmSwap", 0],
  ];
  return rows.map(([name, pages]) => `${name}:\t${kb_of(pages)}\n`).join("");
}

/** /proc/PID/statm: pages as a whole, resident, shared, text, libraries, data with stack, dirty. */
function task_statm(t: Task): string {
  const { size, resident } = task_mm(t);
  return `${size} ${resident} 0 0 0 ${size} 0\n`;
}

/** /proc/PID/stat, 52 fields. */
function task_stat(t: Task): string {
  const f = new Array<number>(49).fill(0);
  f[0] = t.parent !== null ? t.parent.pid : 0;
  f[1] = t.kthread ? 0 : t.pgid;
  f[2] = t.kthread ? 0 : t.sid;
  f[3] = t.tty !== null ? TTY_PTS_MAJOR + t.tty.index : 0;
  f[4] = t.tty !== null ? t.tty.foreground : -1;
  f[5] = t.kthread ? 0x200040 : 0x400000;
  f[10] = ticks(t.utime);
  f[11] = ticks(t.stime);
  f[14] = 20;
  f[16] = 1;
  f[18] = ticks(t.start_time);
  const mm = task_mm(t);
  f[19] = mm.size * PAGE_SIZE;
  f[20] = mm.resident;
  f[34] = 17;
  f[35] = t.cpu;
  const fields = f.map(String);
  // RLIM_INFINITY, which no double holds.
  fields[21] = "18446744073709551615";
  return `${t.pid} (${t.comm}) ${t.state} ${fields.join(" ")}\n`;
}

function task_status(k: Kernel, t: Task): string {
  const n = k.cpus.length;
  const mask = n >= 31 ? t.cpus_mask : t.cpus_mask & ((1 << n) - 1);
  const sig = (v: number): string => (v >>> 0).toString(16).padStart(16, "0");
  let ignored = 0;
  let caught = 0;
  for (const [nr, action] of t.sigactions) {
    if (action === "SIG_IGN") ignored |= 1 << (nr - 1);
    else if (action !== "SIG_DFL") caught |= 1 << (nr - 1);
  }
  return (
    `Name:\t${t.comm}\nUmask:\t0022\nState:\t${t.state} (${state_names[t.state]})\nTgid:\t${t.pid}\nNgid:\t0\n` +
    `Pid:\t${t.pid}\nPPid:\t${t.parent !== null ? t.parent.pid : 0}\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n` +
    `FDSize:\t${Math.max(64, t.files.fd.length)}\nGroups:\t \nKthread:\t${t.kthread ? 1 : 0}\n${status_mm(t)}Threads:\t1\n` +
    `SigQ:\t0/0\nSigPnd:\t${sig(t.sigpending)}\nShdPnd:\t${sig(0)}\nSigBlk:\t${sig(0)}\nSigIgn:\t${sig(ignored)}\n` +
    `SigCgt:\t${sig(caught)}\nCpus_allowed:\t${bitmap_print(mask, n)}\nCpus_allowed_list:\t${bitmap_print_list(mask, n)}\n`
  );
}

/** /proc/PID/fd: stat of an entry tells what is open, as behind Linux's symbolic links. */
function fd_dir(k: Kernel, t: Task): Inode {
  const names = (): string[] => t.files.fd.flatMap((f, i) => (f ? [String(i)] : []));
  return new GenDir(k, names, (name) => {
    const file = /^\d+$/.test(name) ? fget(t, Number(name)) : null;
    if (file === null) return null;
    const s = file.f_op.stat?.(file) ?? { mode: 0, size: 0, ino: 0 };
    return { ino: s.ino, mode: s.mode, open: () => -ENXIO };
  });
}

/** /proc/PID/ns: the network namespace, as a link that leads to what stands for it. */
function ns_dir(k: Kernel, t: Task): Inode {
  const link = (): Inode => {
    const ns = k.proc_net_ns!(t);
    return new LinkInode(
      k,
      () => `net:[${ns.ino}]`,
      () => ns,
    );
  };
  return new GenDir(
    k,
    () => ["net"],
    (name) => (name === "net" ? link() : null),
  );
}

/** The folders of a task. */
function task_dirs(k: Kernel, t: Task): Record<string, () => Inode> {
  const dirs: Record<string, () => Inode> = { fd: () => fd_dir(k, t) };
  const net = (k.root_inode.lookup("proc") as DirInode).entries.get("net");
  if (net !== undefined) dirs.net = () => new TaskView(net, t);
  if (k.proc_net_ns !== undefined) dirs.ns = () => ns_dir(k, t);
  return dirs;
}

function task_dir(k: Kernel, t: Task): Inode {
  const files = task_files(k, t);
  const dirs = task_dirs(k, t);
  return new GenDir(
    k,
    (task) => [...files.list(task), ...Object.keys(dirs)].sort(),
    (name, task) => (Object.hasOwn(dirs, name) ? dirs[name]!() : files.lookup(name, task)),
  );
}

function task_files(k: Kernel, t: Task): GenDir {
  return file_dir(k, {
    cmdline: [() => (t.kthread ? "" : t.argv.map((a) => `${a}\0`).join("")), null],
    comm: [
      () => `${t.comm}\n`,
      (text) => {
        t.comm = text.replace(/\n$/, "").slice(0, 15);
        return 0;
      },
    ],
    stat: [() => task_stat(t), null],
    statm: [() => task_statm(t), null],
    status: [() => task_status(k, t), null],
  });
}

/** The root of /proc: its own entries, and a directory for each task. */
class ProcRoot extends DirInode {
  private readonly kernel: Kernel;
  private readonly self_link: Inode;
  private readonly net_link: Inode;
  constructor(k: Kernel, entries: Map<string, Inode>) {
    super(k);
    this.kernel = k;
    this.self_link = new LinkInode(k, (task) => String(task.pid));
    this.net_link = new LinkInode(k, () => "self/net");
    for (const [name, inode] of entries) this.entries.set(name, inode);
  }
  override lookup(name: string): Inode | null {
    // The files of the network are seen from one's own namespace.
    if (name === "net" && this.entries.has(name)) return this.net_link;
    const own = this.entries.get(name);
    if (own !== undefined) return own;
    if (name === "self") return this.self_link;
    const found = /^[1-9]\d*$/.test(name) ? this.kernel.tasks.get(Number(name)) : undefined;
    return found !== undefined ? task_dir(this.kernel, found) : null;
  }
  override list(): string[] {
    const pids = [...this.kernel.tasks.keys()].sort((a, b) => a - b).map(String);
    return [...pids, ...[...this.entries.keys(), "self"].sort()];
  }
}

/** After vfs_init() and files_init(): the root of /proc and what is not the net's. */
export function proc_root_init(k: Kernel): void {
  const old = k.root_inode.lookup("proc") as DirInode;
  k.root_inode.entries.set("proc", new ProcRoot(k, old.entries));
  for (const task of k.tasks.values()) task.start_time = 0;
  k.fork_hooks.push((task) => {
    task.start_time = k.now - k.boot_ns;
  });
  proc_create(k, "interrupts", () => interrupts_show(k));
  proc_create(k, "softirqs", () => softirqs_show(k));
  proc_create(k, "stat", () => stat_show(k));
  proc_create(k, "uptime", () => uptime_show(k));
  proc_create(k, "loadavg", () => loadavg_show(k));
  proc_create(k, "cpuinfo", () => cpuinfo_show(k));
  proc_create(k, "meminfo", meminfo_show);
  proc_create(k, "version", () => "Linux version 6.18.0-skbuff (skbuff@localhost) (TypeScript) #1 SMP\n");
  proc_mkdir(k, "irq", irq_root(k));
}
