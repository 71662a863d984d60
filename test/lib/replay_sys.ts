// A Sys that replays a recording of tools/record-netlink.mjs: it checks every netlink request a program sends against the
// one that the real tool sent, and answers with what the kernel answered then.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { EAGAIN, ENOENT } from "../../src/uapi/errno.ts";
import type { MsgHdr, Program, Sys } from "../../src/uapi/sys.ts";

interface Case {
  command: string;
  argv: string[];
  status: number;
  stdout: string;
  stderr: string;
  /** Request and replies, as indexes into blobs. */
  io: number[][];
  /** What came without being asked for. */
  events?: number[];
  /** Files the program may read, as indexes into blobs. */
  files: Record<string, number>;
}
export interface Golden {
  cases: Case[];
  blobs: string[];
  namespaces?: string[];
}

const GOLDEN = new URL("../kunit/bin/golden/", import.meta.url);
const hex = (b: Uint8Array): string =>
  Buffer.from(b)
    .toString("hex")
    .replace(/(.{8})/g, "$1 ");

export function loadGolden(name: string): Golden {
  return JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), "utf8"));
}

/** Relative sequence numbers become absolute, port ids are set. */
function patch(b: Uint8Array, seq: number, pid: number): Uint8Array {
  const out = Uint8Array.from(b);
  const dv = new DataView(out.buffer);
  for (let at = 0; at + 16 <= out.length; ) {
    const n = dv.getUint32(at, true);
    if (n < 16 || n > out.length - at) break;
    dv.setUint32(at + 8, seq < 0 ? 0 : (dv.getUint32(at + 8, true) + seq) >>> 0, true);
    dv.setUint32(at + 12, pid, true);
    at += (n + 3) & ~3;
  }
  return out;
}

export interface Replayed {
  status: number;
  stdout: string;
  stderr: string;
  requests: string[];
}

export function replay(golden: Golden, c: Case, program: Program): Replayed {
  const blob = (i: number): Uint8Array => inflateRawSync(Buffer.from(golden.blobs[i], "base64"));
  const requests: string[] = [];
  const out = ["", "", ""];
  const pending = new Map<number, { seq: number; replies: number[] }>();
  const files = new Map<number, { text: Buffer; at: number }>();
  let step = 0;
  let nextFd = 4;
  const events = [...(c.events ?? [])];
  const input = (c.command.split(" <<< ")[1] ?? "").replaceAll("\\n", "\n");
  const named = new Map(Object.entries(c.files).map(([path, i]) => [path, Buffer.from(blob(i))]));
  files.set(0, { text: Buffer.from(input), at: 0 });
  const sys: Partial<Sys> = {
    env: {},
    isatty: () => false,
    clock_gettime: () => 1.7e18,
    socket: () => ++nextFd,
    bind: () => 0,
    getsockname: () => 12,
    setsockopt: () => 0,
    close: () => 0,
    setns: () => -ENOENT,
    netns_list: () => golden.namespaces ?? [],
    netns_add: () => 0,
    netns_del: (name) => (golden.namespaces?.includes(name) ? 0 : -ENOENT),
    winsize: () => [80, 24],
    open(path, flags) {
      if (path.startsWith("/proc/sys/") && flags !== 0) return 99;
      if (path.startsWith("/var/run/netns/") && golden.namespaces?.includes(path.slice(15))) return 4;
      const text = named.get(path);
      if (text === undefined) return -ENOENT;
      files.set(++nextFd, { text, at: 0 });
      return nextFd;
    },
    readdir: () => -ENOENT,
    *read(fd, buf) {
      const f = files.get(fd);
      if (f === undefined) return 0;
      const n = Math.min(buf.length, f.text.length - f.at);
      buf.set(f.text.subarray(f.at, f.at + n));
      f.at += n;
      return n;
    },
    *write(fd, buf) {
      if (fd < 3) out[fd] += Buffer.from(buf).toString();
      return buf.length;
    },
    *sendmsg(fd, msg: MsgHdr) {
      const sent = Buffer.concat(msg.msg_iov);
      requests.push(hex(patch(sent, -1, 0)));
      const [, ...replies] = c.io[step++] ?? [0];
      let at = 0;
      let last = 0;
      while (at + 16 <= sent.length) {
        last = at;
        at += (sent.readUInt32LE(at) + 3) & ~3;
      }
      pending.set(fd, { seq: sent.readUInt32LE(last + 8), replies });
      return sent.length;
    },
    *recvmsg(fd, msg: MsgHdr) {
      const p = pending.get(fd);
      const i = p === undefined ? events.shift() : p.replies.shift();
      if (i === undefined) return -EAGAIN;
      const b = patch(blob(i), p?.seq ?? 0, 4242);
      msg.msg_iov[0].set(b);
      return b.length;
    },
  };
  const it = program(sys as Sys, c.argv);
  let r = it.next();
  for (let n = 0; !r.done && n < 1000; n++) r = it.next();
  return { status: r.done ? r.value : -1, stdout: out[1], stderr: out[2], requests };
}

export interface Tolerance {
  /** Commands whose requests may differ from the real tool's. */
  requests?: (command: string) => boolean;
  /** Lines of the real tool's standard error that this one does not print. */
  stderr?: RegExp;
}

/** A test for every command of a recording: requests, output, errors and status are the real tool's, byte for byte. */
export function testRecording(name: string, programs: Record<string, Program>, may: Tolerance = {}): void {
  const golden = loadGolden(name);
  for (const c of golden.cases)
    test(`${name}: ${c.command}`, () => {
      const got = replay(golden, c, programs[c.argv[0]]);
      const sent = c.io.map((e) => hex(inflateRawSync(Buffer.from(golden.blobs[e[0]], "base64"))));
      const requests = may.requests?.(c.command) === true ? got.requests : sent;
      const stderr = may.stderr === undefined ? c.stderr : c.stderr.replace(may.stderr, "");
      assert.deepEqual(
        { stdout: got.stdout, stderr: got.stderr, status: got.status, requests: got.requests },
        { stdout: c.stdout, stderr, status: c.status, requests },
      );
    });
}
