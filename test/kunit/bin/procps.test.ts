// ps and free on a machine. The columns are those of procps-ng 4.0.2, with which ps and free were compared over one /proc.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMachine, type Machine, TextCollector } from "../../../src/api/machine.ts";
import { SimWorld, sim_host } from "../../../src/arch/sim/world.ts";
import { syscall } from "../../../src/kernel/cpu.ts";
import { Tty } from "../../../src/kernel/fs/pipe.ts";

function machine(): { m: Machine; run: (command: string) => string; end: () => void } {
  const world = new SimWorld();
  const host = { host: sim_host(world), clock: world, dma: world.dma, frames: world.frames };
  const m = createMachine({ host, hostname: "pc1" });
  const run = (command: string): string => {
    const out = new TextCollector();
    const p = m.exec(command, { stdout: out.push, stderr: out.push });
    world.run_until(() => !p.running, world.now + 100e9);
    return out.text();
  };
  const end = (): void => {
    m.poweroff();
    world.run(world.now + 1e9);
    assert.deepEqual(m.kernel.bugs, []);
    assert.deepEqual(
      Object.entries(m.live()).filter(([, n]) => n !== 0),
      [],
    );
  };
  return { m, run, end };
}

test("ps aux, -ef, f, -o, -p, -C; a stopped process shows T", () => {
  const { run, end } = machine();
  run("sleep 500 & sleep 501 & sleep 1; kill -STOP $!; sleep 60");
  assert.equal(
    run("ps aux"),
    `USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND
root         1  0.0  0.0      0     0 ?        Ss   00:00   0:00 [init]
root         2  0.0  0.0      0     0 ?        S    00:00   0:00 [ksoftirqd/0]
root         4  0.0  0.0    132     8 ?        S    00:00   0:00 sleep 500
root         5  0.0  0.0    132     8 ?        T    00:00   0:00 sleep 501
root         8  0.0  0.0    132     8 ?        Ss   00:01   0:00 sh -c ps aux
root         9  0.0  0.0    132     8 ?        R    00:01   0:00 ps aux
`,
  );
  assert.equal(
    run("ps -fp 1,4"),
    `UID        PID  PPID  C STIME TTY          TIME CMD
root         1     0  0 00:00 ?        00:00:00 [init]
root         4     1  0 00:00 ?        00:00:00 sleep 500
`,
  );
  assert.equal(
    run("ps -C sleep -o pid=,stat=,comm=Name,args"),
    "           Name            COMMAND\n    4 S    sleep           sleep 500\n    5 T    sleep           sleep 501\n",
  );
  assert.equal(run("ps -o pid,etime,time,ni,psr --no-headers 5"), "    5       01:01 00:00:00   0   0\n");
  // Memory: the stack with its arguments, of which a page more for each 4 KiB of them; kernel threads have none.
  assert.equal(run("ps -o vsz,rss,sz,pmem --no-headers 4"), "   132     8    33  0.0\n");
  assert.equal(run("ps -o vsz=,rss= 2"), "     0     0\n");
  assert.equal(
    run("cat /proc/4/statm; grep -E '^(VmSize|VmRSS)' /proc/4/status"),
    "33 2 0 0 0 33 0\nVmSize:\t     132 kB\nVmRSS:\t       8 kB\n",
  );
  run("X=$(head -c 300000 /dev/zero | tr '\\0' x) sleep 600 &");
  assert.equal(run("ps -C sleep -o vsz=,rss=,args= | grep 600"), "   300   300 sleep 600\n");
  assert.match(run("true; ps axf; true"), /STAT {3}TIME COMMAND\n.*\[init\]\n[\s\S]* sh -c .*\n.* {2}\\_ ps axf\n$/);
  assert.equal(run("ps -p 99; echo $?"), "  PID TTY          TIME CMD\n1\n");
  assert.match(run("ps xyz; echo $?"), /^error: unsupported option \(BSD syntax\)\n\nUsage:\n ps [\s\S]*\n1\n$/);
  assert.match(run("ps -o foo"), /^error: unknown user-defined format specifier "foo"\n/);
  end();
});

test("on a terminal ps shows what runs there, with the foreground marked; x and a add the others", () => {
  const { m, end } = machine();
  let screen = "";
  const tty = new Tty(m.kernel, true, (b) => {
    screen += new TextDecoder().decode(b);
  });
  tty.columns = 40;
  m.exec("sleep 77");
  m.spawn(m.kernel.programs.get("sh")!, ["sh", "-i"], { tty, env: { PS1: "$ " } });
  const type = (line: string): string => {
    screen = "";
    m.kernel.host.post(() => {});
    syscall(m.kernel, () => tty.push(new TextEncoder().encode(`${line}\n`)));
    return screen.replace(/\$ $/, "").replace(/^ *\d+/gm, "PID");
  };
  assert.equal(type("ps"), "  PID TTY          TIME CMD\nPID pts/0    00:00:00 sh\nPID pts/0    00:00:00 ps\n");
  assert.equal(type("sleep 5 &").length > 0, true);
  assert.equal(
    type("ps a"),
    "  PID TTY      STAT   TIME COMMAND\nPID pts/0    Ss     0:00 sh -i\nPID pts/0    S      0:00 sleep 5\nPID pts/0    R+     0:00 ps a\n",
  );
  assert.match(type("ps x"), /sleep 77/);
  // Cut at the terminal's width.
  assert.match(type("ps xu"), /^USER {7}PID %CPU %MEM {4}VSZ {3}RSS TT\n/);
  end();
});

test("free: KiB, -m, -h, -t, -w, -s with -c", () => {
  const { run, end } = machine();
  assert.equal(
    run("free"),
    `               total        used        free      shared  buff/cache   available
Mem:         1048576           0     1048576           0           0     1048576
Swap:              0           0           0
`,
  );
  assert.match(run("free -h"), /\nMem: {11}1\.0Gi {10}0B {7}1\.0Gi {10}0B {10}0B {7}1\.0Gi\n/);
  assert.match(
    run("free -m -t -w"),
    / buffers {7}cache {3}available\nMem: {12}1024 [\s\S]*\nTotal: {10}1024 {11}0 {8}1024\n$/,
  );
  assert.equal(run("free -s 2 -c 3 | grep -c Mem; cat /proc/uptime").split("\n")[0], "3");
  assert.match(run("free -s x; free -z"), /free: seconds argument `x' failed\n.*invalid option -- 'z'\n/);
  end();
});

test("env, nohup and taskset become the program they start: its name, its pid, its folder", () => {
  const { m, run, end } = machine();
  const lines = run(
    "env -- X=1 sh -c 'echo $X; ps -o comm= -p $$'; nohup ps -o args= -C ps; taskset 1 ps -o pid=,args= -C ps",
  );
  assert.match(lines, /^1\nsh\nps -o args= -C ps\n +\d+ ps -o pid=,args= -C ps\n$/);
  assert.equal(
    run("env -C /tmp pwd; env -C /nowhere pwd; echo $?"),
    "/tmp\nenv: cannot change directory to '/nowhere': No such file or directory\n125\n",
  );
  assert.equal(m.kernel.tasks.size, 2);
  end();
});
