// docs/how-to-add.md, README.md: the examples that they show are the files under examples/, and those work.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { echo_init } from "../../examples/how-to-add/device.ts";
import { shout } from "../../examples/how-to-add/program.ts";
import { experiment_init } from "../../examples/how-to-add/protocol.ts";
import { createWorld, type Machine, type MachineOptions, TextCollector, type World } from "../../src/api/index.ts";
import { syscall } from "../../src/kernel/cpu.ts";
import { live_counts } from "../../src/kernel/kernel.ts";
import { AF_INET, SOCK_RAW } from "../../src/uapi/socket.ts";
import { root } from "../lib/lab_pages.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

function boot(options: Partial<MachineOptions> = {}): { world: World; m: Machine; sh: (command: string) => string } {
  const world = createWorld({ seed: 1 });
  const m = world.createMachine({ hostname: "m", ...options });
  const sh = (command: string): string => {
    const out = new TextCollector();
    const code = world.wait(m.exec(command, { stdout: out.push, stderr: out.push }), 10e9);
    assert.equal(code, 0, `${command}: ${out.text()}`);
    return out.text();
  };
  return { world, m, sh };
}

function end(m: Machine): void {
  m.poweroff();
  assert.deepEqual(m.kernel.bugs, []);
  for (const [name, n] of Object.entries(live_counts(m.kernel))) assert.equal(n, 0, name);
}

test("the pages show the files", () => {
  const page = read("docs/how-to-add.md");
  for (const name of ["device", "protocol", "program"]) {
    const code = read(`examples/how-to-add/${name}.ts`).trimEnd();
    assert.ok(page.includes(`\`\`\`ts\n${code}\n\`\`\``), `docs/how-to-add.md: ${name}.ts differs`);
  }
  const readme = read("README.md");
  for (const name of ["virtual-time", "tap"]) {
    const code = read(`examples/library/${name}.mjs`).trimEnd();
    assert.ok(readme.includes(`\`\`\`js\n${code}\n\`\`\``), `README.md: ${name}.mjs differs`);
  }
});

test("the device of docs/how-to-add.md echoes", () => {
  const { m, sh } = boot();
  syscall(m.kernel, () => echo_init(m.kernel));
  sh("ip link add e0 type echo && ip address add 10.1.0.1/24 dev e0 && ip link set e0 up");
  // What is sent to a neighbour comes back with our own source address: a martian, which proves that it came back.
  sh("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:99 dev e0 && sysctl -q -w net.ipv4.conf.all.accept_local=1");
  const before = sh("cat /sys/class/net/e0/statistics/rx_packets");
  sh("udpflood -q -c 1 10.1.0.2");
  assert.equal(Number(sh("cat /sys/class/net/e0/statistics/rx_packets")), Number(before) + 1);
  sh("ip link del e0");
  end(m);
});

test("the protocol of docs/how-to-add.md takes its packets", () => {
  const { world, m, sh } = boot();
  syscall(m.kernel, () => experiment_init(m.kernel));
  sh("ip link set lo up");
  const fd = m.sys.socket(AF_INET, SOCK_RAW, 253);
  assert.ok(fd >= 0);
  const to = Uint8Array.of(AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  const r = m.sys.sendto(fd, new Uint8Array(100), 0, to).next();
  assert.equal(r.value, 100);
  world.run(1e6);
  assert.equal(m.kernel.experiment_bytes, 100);
  m.sys.close(fd);
  end(m);
});

test("the program of docs/how-to-add.md shouts", () => {
  const { m, sh } = boot({ programs: new Map([["shout", shout]]) });
  sh("ip link set lo up");
  sh("inetd echo &");
  assert.equal(sh("shout 127.0.0.1 hello world"), "HELLO WORLD\n");
  end(m);
});

test("the README's example in virtual time runs", () => {
  const r = spawnSync(process.execPath, [join(root, "examples/library/virtual-time.mjs")], {
    cwd: root,
    encoding: "utf8",
  });
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stdout, /5 packets transmitted, [1-5] received/);
});
