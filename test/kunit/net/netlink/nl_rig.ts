// A machine in virtual time, and netlink sockets that the test itself drives.

import assert from "node:assert/strict";
import { createMachine, type Machine, TextCollector } from "../../../../src/api/machine.ts";
import { syscall } from "../../../../src/kernel/cpu.ts";
import { type Kernel, live_counts } from "../../../../src/kernel/kernel.ts";
import { type LabWorld, simLabWorld } from "../../../../src/lab/lab.ts";
import { Socket } from "../../../../src/net/core/sock.ts";
import type { NetlinkSock } from "../../../../src/net/netlink/af_netlink.ts";
import { EAGAIN } from "../../../../src/uapi/errno.ts";
import { NLMSG_DONE, NLMSG_ERROR } from "../../../../src/uapi/netlink.ts";
import {
  type NlMsg,
  NlMsgWriter,
  nlmsg_bytes,
  nlmsg_end,
  nlmsg_for_each,
  nlmsg_put,
} from "../../../../src/uapi/nlattr.ts";
import { AF_NETLINK, SOCK_RAW, SOL_NETLINK } from "../../../../src/uapi/socket.ts";
import type { MsgHdr } from "../../../../src/uapi/sys.ts";

const header = (buf: Uint8Array): MsgHdr => ({
  msg_name: new Uint8Array(12),
  msg_namelen: 0,
  msg_iov: [buf],
  msg_control: null,
  msg_controllen: 0,
  msg_flags: 0,
});

const int32 = (v: number): Uint8Array => {
  const b = new Uint8Array(4);
  new DataView(b.buffer).setInt32(0, v, true);
  return b;
};

/** One netlink socket. */
export class NlSocket {
  readonly k: Kernel;
  readonly sock: Socket;
  seq = 1;
  constructor(k: Kernel, protocol: number, options: readonly number[] = [], groups = 0) {
    this.k = k;
    this.sock = new Socket(SOCK_RAW);
    this.call(() => assert.equal(k.net_families[AF_NETLINK]!.create(k.init_net, this.sock, protocol, false), 0));
    for (const o of options) assert.equal(this.option(o, 1), 0);
    assert.equal(this.bind(0, groups), 0);
  }
  call<T>(fn: () => T): T {
    return syscall(this.k, fn);
  }
  get sk(): NetlinkSock {
    return this.sock.sk as NetlinkSock;
  }
  option(name: number, value: number): number {
    return this.call(() => this.sock.ops.setsockopt(this.sock, SOL_NETLINK, name, int32(value)));
  }
  bind(pid: number, groups: number): number {
    const addr = new Uint8Array(12);
    const dv = new DataView(addr.buffer);
    dv.setUint16(0, AF_NETLINK, true);
    dv.setUint32(4, pid, true);
    dv.setUint32(8, groups, true);
    return this.call(() => this.sock.ops.bind(this.sock, addr));
  }
  send(bytes: Uint8Array): number {
    const msg = header(bytes);
    msg.msg_name = null;
    return this.call(() => this.sock.ops.sendmsg(this.sock, msg, bytes.length, 0));
  }
  /** A datagram, its size (as MSG_TRUNC says it), or the error. */
  recv(size = 65536, flags = 0): { n: number; bytes: Uint8Array; flags: number; name: Uint8Array } {
    const buf = new Uint8Array(size);
    const msg = header(buf);
    const n = this.call(() => this.sock.ops.recvmsg(this.sock, msg, size, flags));
    return { n, bytes: buf.subarray(0, Math.max(0, Math.min(n, size))), flags: msg.msg_flags, name: msg.msg_name! };
  }
  /** Sends one request; `build` appends family header and attributes. */
  request(type: number, flags: number, hdrlen: number, build: (w: NlMsgWriter, at: number) => void = () => {}): number {
    const w = new NlMsgWriter();
    const at = nlmsg_put(w, type, flags | 1, ++this.seq, 0, hdrlen);
    build(w, at);
    nlmsg_end(w);
    return this.send(nlmsg_bytes(w));
  }
  /** All messages up to the end of a dump, an acknowledgement, or an empty queue. */
  answers(size = 65536): NlMsg[] {
    const out: NlMsg[] = [];
    for (;;) {
      const r = this.recv(size);
      if (r.n === -EAGAIN) return out;
      assert.ok(r.n >= 0, `recvmsg ${r.n}`);
      const all = nlmsg_for_each(r.bytes.slice());
      out.push(...all);
      if (all.some((m) => m.type === NLMSG_DONE || m.type === NLMSG_ERROR)) return out;
    }
  }
  close(): void {
    this.call(() => this.sock.ops.release(this.sock));
  }
}

export class NlRig {
  readonly world: LabWorld = simLabWorld(1);
  readonly machine: Machine;
  readonly k: Kernel;
  constructor() {
    const w = this.world;
    this.machine = createMachine({
      host: { host: w.newHost(), clock: w.clock, dma: w.dma, frames: w.frames },
      debug: true,
    });
    this.k = this.machine.kernel;
  }
  sh(command: string): { status: number; stdout: string; stderr: string } {
    const out = new TextCollector();
    const err = new TextCollector();
    const p = this.machine.exec(command, { stdout: out.push, stderr: err.push });
    const sim = this.world.sim!;
    assert.ok(
      sim.run_until(() => p.exitCode >= 0, sim.now + 60e9),
      `${command}: does not end`,
    );
    return { status: p.exitCode, stdout: out.text(), stderr: err.text() };
  }
  open(protocol = 0, options: readonly number[] = [], groups = 0): NlSocket {
    return new NlSocket(this.k, protocol, options, groups);
  }
  /** No exception, nothing left. */
  done(): void {
    assert.deepEqual(
      this.k.bugs.map((b) => `${b.where}: ${(b.error as Error).stack ?? b.error}`),
      [],
    );
    this.machine.poweroff();
    for (const [name, n] of Object.entries(live_counts(this.k))) assert.equal(n, 0, name);
  }
}
