// Classic BPF: the verifier and the interpreter against recorded verdicts of the Linux kernel, and against a naive evaluator.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import fc from "fast-check";
import {
  BpfBuffer,
  type BpfPacket,
  type BpfProg,
  bpf_check_classic,
  bpf_prog_create,
  bpf_run,
  bpf_run_buffer,
} from "../../../../src/net/core/filter.ts";
import * as B from "../../../../src/uapi/bpf.ts";
import { EINVAL } from "../../../../src/uapi/errno.ts";

const ins = (code: number, k = 0, jt = 0, jf = 0): B.SockFilter => ({ code, jt, jf, k });
const RET_A = ins(B.BPF_RET | B.BPF_A);
const create = (p: B.SockFilter[]): BpfProg => {
  const prog = bpf_prog_create(p);
  assert.ok(typeof prog !== "number", "refused");
  return prog;
};

test("verdicts of the Linux kernel on 1500 random programs (tools/gen-bpf-golden.py)", () => {
  const [head, ...lines] = readFileSync(new URL("./golden/bpf.txt", import.meta.url), "utf8")
    .trim()
    .split("\n");
  const packets = head
    .slice(11)
    .split(" ")
    .map((h) => Uint8Array.from(h.match(/../g)!, (b) => parseInt(b, 16)));
  for (const line of lines) {
    const [left, right] = line.split(" : ");
    const prog = left.split(" ").map((w) => {
      const [code, jt, jf, k] = w.split(",").map((s) => parseInt(s, 16));
      return { code, jt, jf, k };
    });
    const [err, ...kept] = right.split(" ").map(Number);
    assert.equal(bpf_check_classic(prog), err, line);
    if (err) continue;
    const p = create(prog);
    packets.forEach((bytes, i) => {
      const b = new BpfBuffer(bytes);
      b.mac_offset = 0xffff; // a packet of AF_UNIX has no link-layer header
      assert.equal(Math.min(bpf_run_buffer(p, b), bytes.length), kept[i], `${line} packet ${i}`);
    });
  }
});

test("bounds of a program: 1 to 4096 instructions, the last a RET", () => {
  assert.equal(bpf_check_classic([]), -EINVAL);
  const nop = ins(B.BPF_MISC | B.BPF_TAX);
  assert.equal(bpf_check_classic([...Array(4095).fill(nop), RET_A]), 0);
  assert.equal(bpf_check_classic([...Array(4096).fill(nop), RET_A]), -EINVAL);
  assert.equal(bpf_check_classic([nop]), -EINVAL);
});

test("M[] must be written on every path before it is read", () => {
  const jeq = ins(B.BPF_JMP | B.BPF_JEQ | B.BPF_K, 0, 0, 1);
  const st = ins(B.BPF_ST, 3);
  const ld = ins(B.BPF_LD | B.BPF_MEM, 3);
  assert.equal(bpf_check_classic([jeq, st, ld, RET_A]), -EINVAL);
  assert.equal(bpf_check_classic([st, jeq, st, ld, RET_A]), 0);
});

test("ancillary data and the offsets SKF_NET_OFF and SKF_LL_OFF", () => {
  const b = new BpfBuffer(Uint8Array.from({ length: 40 }, (_, i) => i));
  Object.assign(b, { protocol: 0x0800, pkt_type: 4, ifindex: 7, mark: 42, queue_mapping: 3, hash: -2, cpu: 1 });
  Object.assign(b, { vlan_present: 1, vlan_tci: 0x2005, vlan_proto: 0x8100, random: () => 99, hatype: 772 });
  const ad = (o: number, size = B.BPF_W): number =>
    bpf_run_buffer(create([ins(B.BPF_LD | size | B.BPF_ABS, o), RET_A]), b);
  const anc = (o: number): number => ad(B.SKF_AD_OFF + o);
  assert.equal(anc(B.SKF_AD_PROTOCOL), 0x0800);
  assert.equal(anc(B.SKF_AD_PKTTYPE), 4);
  assert.equal(anc(B.SKF_AD_IFINDEX), 7);
  assert.equal(anc(B.SKF_AD_MARK), 42);
  assert.equal(anc(B.SKF_AD_QUEUE), 3);
  assert.equal(anc(B.SKF_AD_RXHASH), 0xfffffffe);
  assert.equal(anc(B.SKF_AD_CPU), 1);
  assert.equal(anc(B.SKF_AD_HATYPE), 772);
  assert.equal(anc(B.SKF_AD_VLAN_TAG), 0x2005);
  assert.equal(anc(B.SKF_AD_VLAN_TAG_PRESENT), 1);
  assert.equal(anc(B.SKF_AD_VLAN_TPID), 0x8100);
  assert.equal(anc(B.SKF_AD_RANDOM), 99);
  assert.equal(ad(B.SKF_NET_OFF, B.BPF_B), 14);
  assert.equal(ad(B.SKF_NET_OFF + 2, B.BPF_H), 0x1011);
  assert.equal(ad(B.SKF_LL_OFF + 4, B.BPF_W), 0x04050607);
  assert.equal(ad(B.SKF_LL_OFF + 38, B.BPF_W), 0); // past the end: the program ends with 0
});

test("bytes beyond the linear part come through load_nonlinear", () => {
  const whole = Uint8Array.from({ length: 64 }, (_, i) => i * 3);
  const dv = new DataView(whole.buffer);
  let slow = 0;
  const pkt = new BpfBuffer(whole) as BpfPacket;
  pkt.load_nonlinear = (off, size) => {
    slow++;
    return size === 4 ? dv.getUint32(off) : size === 2 ? dv.getUint16(off) : dv.getUint8(off);
  };
  for (const [size, n] of [
    [B.BPF_W, 4],
    [B.BPF_H, 2],
    [B.BPF_B, 1],
  ]) {
    for (let off = 0; off < 66; off++) {
      const p = create([ins(B.BPF_LD | size | B.BPF_ABS, off), RET_A]);
      const q = create([ins(B.BPF_LDX | B.BPF_IMM, off - 1), ins(B.BPF_LD | size | B.BPF_IND, 1), RET_A]);
      slow = 0;
      const want = bpf_run(p, whole, dv, 0, 64, 64, pkt);
      assert.equal(slow, 0);
      assert.equal(bpf_run(p, whole, dv, 0, 20, 64, pkt), want);
      assert.equal(slow, off + n > 20 && off + n <= 64 ? 1 : 0);
      assert.equal(bpf_run(q, whole, dv, 0, 20, 64, pkt), want);
    }
  }
});

/** A second evaluator, written for plainness: BigInt registers, one instruction at a time. */
const naive = (p: B.SockFilter[], bytes: Uint8Array): number => {
  const U = 0xffffffffn;
  let [a, x] = [0n, 0n];
  const m: bigint[] = Array(16).fill(0n);
  for (let pc = 0; ; pc++) {
    const { code, jt, jf } = p[pc];
    const k = BigInt(p[pc].k >>> 0);
    const src = code & B.BPF_X ? x : k;
    const cls = code & 7;
    if (cls === B.BPF_RET) return Number(code & B.BPF_A ? a : k);
    if (cls === B.BPF_LD || cls === B.BPF_LDX) {
      const mode = code & 0xe0;
      let v = 0n;
      if (mode === B.BPF_IMM) v = k;
      else if (mode === B.BPF_LEN) v = BigInt(bytes.length);
      else if (mode === B.BPF_MEM) v = m[Number(k)];
      else {
        const off = mode === B.BPF_IND ? (k + x) & U : k;
        const size = (code & 0x18) === B.BPF_W ? 4 : (code & 0x18) === B.BPF_H ? 2 : 1;
        if (off + BigInt(size) > BigInt(bytes.length)) return 0;
        for (let i = 0; i < size; i++) v = v * 256n + BigInt(bytes[Number(off) + i]);
        if (mode === B.BPF_MSH) v = (v & 15n) * 4n;
      }
      if (cls === B.BPF_LD) a = v;
      else x = v;
    } else if (cls === B.BPF_ST) m[Number(k)] = a;
    else if (cls === B.BPF_STX) m[Number(k)] = x;
    else if (cls === B.BPF_MISC) {
      if (code & B.BPF_TXA) a = x;
      else x = a;
    } else if (cls === B.BPF_JMP) {
      const op = code & 0xf0;
      if (op === B.BPF_JA) pc += Number(k);
      else {
        const hit =
          op === B.BPF_JEQ ? a === src : op === B.BPF_JGT ? a > src : op === B.BPF_JGE ? a >= src : (a & src) > 0n;
        pc += hit ? jt : jf;
      }
    } else {
      const op = code & 0xf0;
      if (op === B.BPF_ADD) a += src;
      else if (op === B.BPF_SUB) a -= src;
      else if (op === B.BPF_MUL) a *= src;
      else if (op === B.BPF_OR) a |= src;
      else if (op === B.BPF_AND) a &= src;
      else if (op === B.BPF_XOR) a ^= src;
      else if (op === B.BPF_LSH) a <<= src & 31n;
      else if (op === B.BPF_RSH) a >>= src & 31n;
      else if (op === B.BPF_NEG) a = -a;
      else if (src === 0n) return 0;
      else if (op === B.BPF_DIV) a /= src;
      else a %= src;
      a &= U;
    }
  }
};

test("any program that the verifier accepts runs as the naive evaluator says", () => {
  const codes = [
    0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x01, 0x80, 0x81, 0xb1, 0x60, 0x61, 0x02, 0x03, 0x07, 0x87, 0x84,
  ];
  for (let op = 0; op <= 0xa0; op += 0x10) if (op !== 0x80) codes.push(4 | op, 12 | op);
  for (let op = 0x10; op <= 0x40; op += 0x10) codes.push(5 | op, 13 | op);
  const insn = fc.record({
    code: fc.constantFrom(...codes),
    jt: fc.nat(3),
    jf: fc.nat(3),
    k: fc.oneof(
      fc.nat(15),
      fc.nat(70),
      fc.integer({ min: 0, max: 0x7fffffff }),
      fc.constantFrom(0xffffffff, 0x80000000),
    ),
  });
  let ran = 0;
  fc.assert(
    fc.property(fc.array(insn, { maxLength: 20 }), fc.uint8Array({ maxLength: 70 }), (body, bytes) => {
      const init = Array.from({ length: 16 }, (_, i) => ins(B.BPF_ST, i));
      const abs = body.filter((i) => !((i.code & 0xe7) === 0x20 && i.k > 0x7fffffff));
      const prog = [...init, ...abs, RET_A, RET_A, RET_A, RET_A];
      for (const f of prog) if ((f.code & 7) === 2 || (f.code & 7) === 3 || (f.code & 0xe6) === 0x60) f.k &= 15;
      for (const f of prog) if (f.code === 0x64 || f.code === 0x74) f.k &= 31;
      if (bpf_check_classic(prog)) return;
      ran++;
      assert.equal(bpf_run_buffer(create(prog), new BpfBuffer(bytes)), naive(prog, bytes));
    }),
    { numRuns: 2000 },
  );
  assert.ok(ran > 800, `only ${ran} programs were valid`);
});
