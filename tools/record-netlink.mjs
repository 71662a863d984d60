// Records what the real ip, tc and ss do: for every command of a scene, the netlink messages sent and received, the output
// and the exit code, as golden files for the tests in test/kunit/bin. Needs root, strace and Debian's iproute2.
// Way in: `node tools/record-netlink.mjs [SCENE...]`; scenes are in record-scenes.mjs, replayed by test/lib/replay_sys.ts.
import "./help.mjs";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { scenes } from "./record-scenes.mjs";

const NS = "skbrec";
const golden = new URL("../test/kunit/bin/golden/", import.meta.url).pathname;
const tmp = mkdtempSync(join(tmpdir(), "record-"));

/** Splits on blanks; single quotes keep a word together. */
export function split(command) {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map((m) => m[1] ?? m[2]);
}

function sh(command) {
  const r = spawnSync("ip", ["netns", "exec", NS, "sh", "-c", command], { encoding: "utf8" });
  if (r.status !== 0) process.stderr.write(`setup: ${command}: ${r.stderr}\n`);
}

/** Whether the replies so far are all: the end of a dump, an error, or a message that is not part of one. */
function answered([, ...replies]) {
  return replies.some((b) => {
    for (let at = 0; at + 16 <= b.length; at += Math.max(16, (b.readUInt32LE(at) + 3) & ~3))
      if ([2, 3].includes(b.readUInt16LE(at + 4)) || (b.readUInt16LE(at + 6) & 2) === 0) return true;
    return false;
  });
}

/**
 * The netlink traffic in strace's output: [[request, reply, ...], ...]. Port ids are zeroed, and sequence numbers are relative
 * to the last request.
 */
function exchanges(text, watching) {
  const calls = [];
  let call;
  for (const line of text.split("\n")) {
    const dump = /^ \| [0-9a-f]+ {2}((?:[0-9a-f]{2} {1,2})+)/.exec(line);
    if (dump)
      call?.bytes.push(
        ...dump[1]
          .trim()
          .split(/\s+/)
          .map((h) => Number.parseInt(h, 16)),
      );
    const start = /^(?:\d+ +)?(sendmsg|sendto|recvmsg|recvfrom)\((\d+), /.exec(line);
    if (start) {
      const keep = /nlmsg_len|\{len=/.test(line) && !line.includes("MSG_PEEK");
      call = { send: start[1].startsWith("send"), fd: start[2], bytes: [] };
      if (keep) calls.push(call);
    }
  }
  const last = new Map();
  const out = [];
  const events = [];
  for (const c of calls) {
    const b = Buffer.from(c.bytes);
    let end = 0;
    let sequence = 0;
    while (end + 16 <= b.length && b.readUInt32LE(end) >= 16) {
      const seq = b.readUInt32LE(end + 8);
      if (c.send) sequence = seq;
      b.writeUInt32LE(c.send ? 0 : (seq - (last.get(c.fd)?.sequence ?? seq)) >>> 0, end + 8);
      b.fill(0, end + 12, end + 16);
      end += (b.readUInt32LE(end) + 3) & ~3;
    }
    if (c.send) {
      // ip sends some requests with the unused rest of its buffer behind them.
      const e = [b.subarray(0, end)];
      last.set(c.fd, { e, sequence });
      out.push(e);
    } else if (last.has(c.fd) && !(watching && answered(last.get(c.fd).e))) last.get(c.fd).e.push(b);
    else events.push(b);
  }
  return { out, events };
}

function record(name, scene) {
  spawnSync("ip", ["netns", "del", NS]);
  spawnSync("ip", ["netns", "add", NS]);
  sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
  for (const extra of scene.namespaces ?? []) spawnSync("ip", ["netns", "add", extra]);
  const blobs = [];
  const index = new Map();
  const blob = (b) => {
    const text = deflateRawSync(b).toString("base64");
    if (!index.has(text)) index.set(text, blobs.push(text) - 1);
    return index.get(text);
  };
  const cases = [];
  const trace = join(tmp, "trace");
  for (const step of scene.steps) {
    if (step.startsWith("# ")) {
      sh(step.slice(2));
      continue;
    }
    // "~ ACTIONS ~ COMMAND": a command that runs for a second, with things happening meanwhile.
    const [, actions, watched] = /^~ (.*) ~ (.*)$/.exec(step) ?? [];
    const [command, input] = (watched ?? step).split(" <<< ");
    const argv = split(command);
    const cmd = ["netns", "exec", NS, "strace", "-o", trace, "-s", "64", "-e", "trace=sendmsg,sendto,recvmsg,recvfrom"];
    const meanwhile = actions === undefined ? [] : ["-f", "timeout", "1"];
    if (actions !== undefined)
      spawn("ip", ["netns", "exec", NS, "sh", "-c", `sleep 0.4; ${actions}`], { stdio: "ignore" });
    const r = spawnSync("ip", [...cmd, "-e", "read=all", "-e", "write=all", ...meanwhile, ...argv], {
      encoding: "utf8",
      input: input?.replaceAll("\\n", "\n") ?? "",
      env: { PATH: process.env.PATH, LANG: "C" },
    });
    const traffic = exchanges(readFileSync(trace, "latin1"), actions !== undefined);
    const io = traffic.out.map((e) => e.map(blob));
    const events = actions === undefined ? undefined : traffic.events.map(blob);
    const files = {};
    for (const f of scene.files ?? []) files[f] = blob(spawnSync("ip", ["netns", "exec", NS, "cat", f]).stdout);
    cases.push({
      command: watched ?? step,
      argv,
      status: r.status,
      stdout: r.stdout,
      stderr: r.stderr,
      io,
      events,
      files,
    });
  }
  spawnSync("ip", ["netns", "del", NS]);
  for (const extra of scene.namespaces ?? []) spawnSync("ip", ["netns", "del", extra]);
  const lines = cases.map((c) => `    ${JSON.stringify(c)}`).join(",\n");
  const data = blobs.map((b) => `    ${JSON.stringify(b)}`).join(",\n");
  const file = join(golden, `${name}.json`);
  writeFileSync(
    file,
    `{\n  "cases": [\n${lines}\n  ],\n  "namespaces": ${JSON.stringify(scene.namespaces ?? [])},\n  "blobs": [\n${data}\n  ]\n}\n`,
  );
  console.log(`${name}: ${cases.length} commands`);
}

const wanted = process.argv.slice(2);
for (const [name, scene] of Object.entries(scenes))
  if (wanted.length === 0 || wanted.includes(name)) record(name, scene);
rmSync(tmp, { recursive: true });
