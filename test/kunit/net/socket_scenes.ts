// Replays the scenes that tools/record-sockets.py recorded on Linux: each line is a call, and what Linux answered.
// Way in: play_scenes(file).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { TaskSys } from "../../../src/init/sys.ts";
import { do_poll_once } from "../../../src/kernel/fs/eventpoll.ts";
import { vfs_write_file } from "../../../src/kernel/fs/vfs.ts";
import { sysctl_write } from "../../../src/kernel/sysctl.ts";
import { dev_set_mtu } from "../../../src/net/core/dev_api.ts";
import type { Net } from "../../../src/net/core/net_namespace.ts";
import * as E from "../../../src/uapi/errno.ts";
import type { EpollEvent } from "../../../src/uapi/sys.ts";
import { BLOCKS, KernelRig, now } from "../../lib/kernel.ts";

const names = new Map<number, string>();
for (const [name, v] of Object.entries(E)) if (typeof v === "number" && !names.has(v)) names.set(v, name);
names.set(95, "ENOTSUP").set(11, "EAGAIN");

const hex = (b: Uint8Array): string => Buffer.from(b).toString("hex");
const unhex = (s: string): Uint8Array => Uint8Array.from(Buffer.from(s, "hex"));

function addr(text: string): Uint8Array | null {
  if (text === "-") return null;
  const [base, ...mods] = text.split("!");
  const [a, p] = base!.split(":");
  const raw = new Uint8Array(160);
  const dv = new DataView(raw.buffer);
  dv.setUint16(0, 2, true);
  dv.setUint16(2, Number(p));
  a!.split(".").forEach((s, i) => {
    raw[4 + i] = Number(s);
  });
  let length = 16;
  for (const m of mods) {
    const [k, v] = m.split("=");
    if (k === "fam") dv.setUint16(0, Number(v), true);
    else length = Number(v);
  }
  return raw.slice(0, length);
}

function show(raw: Uint8Array): string {
  if (raw.length < 8) return hex(raw);
  const port = (raw[2]! << 8) | raw[3]!;
  return `${raw.subarray(4, 8).join(".")}:${port >= 32768 && port <= 60999 ? "eph" : port}`;
}

function value(text: string): Uint8Array {
  if (!text.startsWith("i:")) return unhex(text.slice(2));
  const v = new Uint8Array(4);
  new DataView(v.buffer).setInt32(0, Number(text.slice(2)) | 0, true);
  return v;
}

const err = (n: number | typeof BLOCKS): string =>
  n === BLOCKS ? BLOCKS : n < 0 ? (names.get(-n) ?? String(n)) : String(n);

const payload = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => i * 7 + n);
const sum_of = (b: Uint8Array): number => b.reduce((s, v) => s + v, 0);

/** A loff_t, or none. */
function loff(text: string | undefined): Uint8Array | null {
  if (text === undefined || text === "-") return null;
  const b = new Uint8Array(8);
  new DataView(b.buffer).setBigInt64(0, BigInt(text), true);
  return b;
}
const loff_text = (b: Uint8Array | null): string => String(new DataView(b!.buffer).getBigInt64(0, true));

function cmsg(text: string): Uint8Array {
  const [level, type, data] = text.split("/");
  const d = unhex(data!);
  const out = new Uint8Array((16 + d.length + 7) & ~7);
  const dv = new DataView(out.buffer);
  dv.setUint32(0, 16 + d.length, true);
  dv.setInt32(8, Number(level), true);
  dv.setInt32(12, Number(type), true);
  out.set(d, 16);
  return out;
}

function show_cmsgs(ctl: Uint8Array): string {
  const dv = new DataView(ctl.buffer, ctl.byteOffset, ctl.length);
  let out = "";
  for (let at = 0; at + 16 <= ctl.length; ) {
    const len = dv.getUint32(at, true);
    const level = dv.getInt32(at + 8, true);
    const type = dv.getInt32(at + 12, true);
    const data = ctl.subarray(at + 16, Math.min(at + len, ctl.length));
    const stamp = level === 1 && [29, 35, 37, 54, 63, 64, 65].includes(type);
    const none = (type === 37 || type === 65) && data.subarray(0, 8).every((b) => b === 0);
    out += ` ${level}/${type}:${stamp ? (none ? "00" : "") : hex(data)}`;
    at += (len + 7) & ~7;
  }
  return out;
}

class Player {
  readonly rig: KernelRig = new KernelRig();
  private readonly nets: Record<string, Net>;
  private readonly sys: Record<string, TaskSys> = {};
  private readonly fds: Map<string, [string, number]> = new Map();

  constructor() {
    const { a, b } = this.rig.pair();
    this.nets = { a, b };
    for (const [n, net] of Object.entries(this.nets)) this.sys[n] = this.rig.task(net);
  }

  private of(name: string): [TaskSys, number] {
    if (/^-?\d+$/.test(name)) return [this.sys.a!, Number(name)];
    const [ns, fd] = this.fds.get(name) ?? ["a", -1];
    return [this.sys[ns]!, fd];
  }

  run(line: string): string {
    const [op, ...w] = line.split(" ");
    const r = this.op(op!, w);
    this.rig.run(1);
    return r;
  }

  private op(op: string, w: string[]): string {
    if (op === "socket") {
      const ns = w[4] ?? "a";
      const fd = this.sys[ns]!.socket(Number(w[1]), Number(w[2]), Number(w[3]));
      if (fd < 0) return err(fd);
      this.fds.set(w[0]!, [ns, fd]);
      return "ok";
    }
    if (op === "ip") {
      const net = this.nets[w[0]!]!;
      if (w[4] === "mtu") this.rig.call(() => assert.equal(dev_set_mtu(this.rig.dev(w[3]!, net), Number(w[5])), 0));
      else this.rig.ip(w.slice(1).join(" "), net);
      return "ok";
    }
    if (op === "sysctl") {
      const net = this.nets[w[0]!]!;
      const path = `net/${w[1]}`;
      assert.equal(
        this.rig.call(() => sysctl_write([net.sysctl_table, this.rig.k.sysctl_table], path, w.slice(2).join(" "))),
        0,
      );
      return "ok";
    }
    if (op === "mib") {
      const mib = this.rig.mib(this.nets[w[0]!]!);
      return w
        .slice(1)
        .map((n) => mib[n])
        .join(" ");
    }
    if (op === "sleep") {
      this.rig.run(Number(w[0]));
      return "ok";
    }
    if (op === "pipe") {
      const [r, wr] = this.sys.a!.pipe();
      this.fds.set(w[0]!, ["a", r]);
      this.fds.set(`${w[0]}w`, ["a", wr]);
      return "ok";
    }
    if (op === "npipe") {
      const [r, wr] = this.sys.a!.pipe();
      for (const fd of [r, wr]) this.sys.a!.fcntl(fd, 4, 0o4000 | (fd === wr ? 1 : 0));
      this.fds.set(w[0]!, ["a", r]);
      this.fds.set(`${w[0]}w`, ["a", wr]);
      return "ok";
    }
    if (op === "file") {
      assert.equal(vfs_write_file(this.rig.k, "/tmp/f", payload(Number(w[1]))), 0);
      this.fds.set(w[0]!, ["a", this.sys.a!.open("/tmp/f", Number(w[2] ?? 2))]);
      this.sys.a!.unlink("/tmp/f");
      return "ok";
    }
    if (op === "epoll") {
      // Of namespace a, as the sockets that it watches.
      this.fds.set(w[0]!, ["a", this.sys.a!.epoll_create1(0)]);
      return "ok";
    }
    if (op === "acc") {
      const [sys, l] = this.of(w[1]!);
      const fd = now(sys.accept4(l, null, 0o4000));
      if (fd === BLOCKS || fd < 0) return err(fd);
      this.fds.set(w[0]!, [this.fds.get(w[1]!)![0], fd]);
      return "ok";
    }
    if (op === "try") return this.try_two(w);
    return this.call(op, w);
  }

  private call(op: string, w: string[]): string {
    const [sys, fd] = this.of(w[0]!);
    switch (op) {
      case "close":
        this.fds.delete(w[0]!);
        return err(sys.close(fd));
      case "bind":
        return err(sys.bind(fd, addr(w[1]!)!));
      case "connect":
        return err(now(sys.connect(fd, addr(w[1]!)!)));
      case "listen":
        return err(sys.listen(fd, Number(w[1])));
      case "accept":
        return err(now(sys.accept4(fd, null, 0o4000)));
      case "shutdown":
        return err(sys.shutdown(fd, Number(w[1])));
      case "name":
      case "peer": {
        const buf = new Uint8Array(Number(w[1] ?? 16));
        const n = op === "name" ? sys.getsockname(fd, buf) : sys.getpeername(fd, buf);
        return n < 0 ? err(n) : `${n} ${show(buf.subarray(0, n))}`.trim();
      }
      case "set":
        return err(sys.setsockopt(fd, Number(w[1]), Number(w[2]), value(w[3]!)));
      case "get": {
        const buf = new Uint8Array(Number(w[3] ?? 4));
        const n = sys.getsockopt(fd, Number(w[1]), Number(w[2]), buf);
        return n < 0 ? err(n) : `${n} ${hex(buf.subarray(0, n)) || "-"}`;
      }
      case "poll": {
        const p = { fd, events: 0x7fff, revents: 0 };
        const n = this.rig.call(() => do_poll_once(sys.task, [p], null));
        return n > 0 ? `0x${p.revents.toString(16)}` : "0";
      }
      case "wr":
        return err(now(sys.write(fd, payload(Number(w[1])))));
      case "rd": {
        const buf = new Uint8Array(Number(w[1]));
        const n = now(sys.read(fd, buf));
        return n === BLOCKS || n < 0 ? err(n) : `${n} sum=${sum_of(buf.subarray(0, n))}`;
      }
      case "seek":
        return err(sys.lseek(fd, 0, 1));
      case "splice": {
        const offs = [loff(w[4]), loff(w[5])];
        const n = now(sys.splice(fd, offs[0]!, this.of(w[1]!)[1], offs[1]!, Number(w[2]), Number(w[3] ?? 0)));
        return [err(n), ...offs.filter((o) => o !== null).map(loff_text)].join(" ");
      }
      case "sendfile": {
        const off = loff(w[3]);
        const n = now(sys.sendfile(fd, this.of(w[1]!)[1], off, Number(w[2])));
        return off === null ? err(n) : `${err(n)} ${loff_text(off)}`;
      }
      case "tee":
        return err(now(sys.tee(fd, this.of(w[1]!)[1], Number(w[2]), Number(w[3] ?? 0))));
      case "vmsplice":
        return err(now(sys.vmsplice(fd, [payload(Number(w[1]))], Number(w[2] ?? 0))));
      case "probe": {
        const at = (o: string, ...more: string[]): string => this.call(o, [w[0]!, ...more]);
        const got = [at("get", "6", "11", "1").split(" ").at(-1), at("poll"), at("name"), at("peer")];
        return [...got, ...["0x541b", "0x5411", "0x894b", "0x8905"].map((c) => at("ioctl", c))].join(" | ");
      }
      case "ctl": {
        const op = { add: 1, del: 2, mod: 3 }[w[1]!]!;
        return err(sys.epoll_ctl(fd, op, this.of(w[2]!)[1], { events: Number(w[3] ?? 0), data: this.of(w[2]!)[1] }));
      }
      case "wait": {
        const events: EpollEvent[] = [];
        const n = now(sys.epoll_wait(fd, events, Number(w[1] ?? 16), 0));
        if (n === BLOCKS || n < 0) return err(n);
        const name = (v: number): string => [...this.fds].find(([, [, f]]) => f === v)![0];
        return events.map((e) => `${name(e.data)}:0x${(e.events >>> 0).toString(16)}`).join(" ") || "none";
      }
      case "ioctl": {
        const buf = new Uint8Array(64);
        const n = sys.ioctl(fd, Number(w[1]), buf);
        return n < 0 ? err(n) : `${n} ${hex(buf.subarray(0, 4))}`;
      }
      case "send": {
        const n = Number(w[1]);
        const name = addr(w[3] ?? "-");
        const ctl = w.slice(4).map(cmsg);
        const all = new Uint8Array(ctl.reduce((s, c) => s + c.length, 0));
        let at = 0;
        for (const c of ctl) {
          all.set(c, at);
          at += c.length;
        }
        const msg = {
          msg_name: name,
          msg_namelen: name === null ? 0 : name.length,
          msg_iov: [payload(n)],
          msg_control: at === 0 ? null : all,
          msg_controllen: at,
          msg_flags: 0,
        };
        return err(now(sys.sendmsg(fd, msg, Number(w[2] ?? 0) | 0x4040)));
      }
      case "recv": {
        const room = Number(w[3] ?? 256);
        const buf = new Uint8Array(Number(w[1] ?? 2000));
        const msg = {
          msg_name: new Uint8Array(128),
          msg_namelen: 0,
          msg_iov: [buf],
          msg_control: new Uint8Array(room),
          msg_controllen: room,
          msg_flags: 0,
        };
        const n = now(sys.recvmsg(fd, msg, Number(w[2] ?? 0) | 0x40));
        if (n === BLOCKS || n < 0) return err(n);
        const sum = buf.subarray(0, n).reduce((s, v) => s + v, 0);
        const from = msg.msg_namelen > 0 ? show(msg.msg_name.subarray(0, msg.msg_namelen)) : "-";
        // The packet that a time stamp is of has addresses of the link, and an identity.
        const cmsgs = show_cmsgs(msg.msg_control.subarray(0, msg.msg_controllen));
        const stamp = / 0\/11:.{8}04/.test(cmsgs);
        return `${n} sum=${stamp ? "*" : sum} from=${from} flags=0x${(msg.msg_flags & ~0x40).toString(16)}${cmsgs}`;
      }
      default:
        throw new Error(op);
    }
  }

  private try_two(w: string[]): string {
    const out: string[] = [];
    ["x", "y"].forEach((k, i) => {
      const [opts, a] = w[i]!.split(",");
      this.op("socket", [k, "2", opts!.includes("t") ? "1" : "2", "0"]);
      if (opts!.includes("a")) this.op("set", [k, "1", "2", "i:1"]);
      if (opts!.includes("p")) this.op("set", [k, "1", "15", "i:1"]);
      if (opts!.includes("d")) this.op("set", [k, "1", "25", "x:766100"]);
      out.push(this.op("bind", [k, a!]));
      if (opts!.includes("c")) out.push(this.op("connect", [k, "10.0.0.2:7"]));
    });
    this.op("close", ["x"]);
    this.op("close", ["y"]);
    return out.join(" ");
  }
}

/** One test per scene. */
export function play_scenes(file: string): void {
  const lines = readFileSync(new URL(`golden/${file}`, import.meta.url), "utf8").split("\n");
  const scenes: [string, string[]][] = [];
  for (const line of lines) {
    if (line.startsWith("scene ")) scenes.push([line.slice(6), []]);
    else if (line !== "" && !line.startsWith("#")) scenes[scenes.length - 1]![1].push(line);
  }
  for (const [name, calls] of scenes) {
    test(name, () => {
      const p = new Player();
      const got = calls.map((line) => {
        const call = line.split(" => ")[0]!;
        return `${call} => ${p.run(call)}`;
      });
      assert.deepEqual(
        got,
        calls.map((l) => l.trimEnd()),
      );
      p.rig.end();
    });
  }
}
