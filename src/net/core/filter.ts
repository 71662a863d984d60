// Classic BPF of sockets and taps (net/core/filter.c): the verifier, and an interpreter over decoded instructions.
// Read first: uapi/bpf.ts; Linux Documentation/networking/filter.rst. Way in: bpf_check_classic, bpf_prog_create, bpf_run.

import * as B from "../../uapi/bpf.ts";
import { EINVAL } from "../../uapi/errno.ts";

/**
 * What a program may ask beyond the linear bytes. An skb and a bare buffer each implement it; the interpreter calls it
 * only for loads outside `headlen`, with a negative offset, or of ancillary data.
 */
export interface BpfPacket {
  /** Bytes at `off` (0 = where the program's packet starts) of which some lie beyond headlen; uint value or -1. */
  load_nonlinear(off: number, size: 1 | 2 | 4): number;
  /** Bytes at `off` from the network header (SKF_NET_OFF); uint value or -1. */
  load_net(off: number, size: 1 | 2 | 4): number;
  /** Bytes at `off` from the link-layer header (SKF_LL_OFF); uint value or -1. */
  load_mac(off: number, size: 1 | 2 | 4): number;
  /** Ancillary data SKF_AD_*, with the registers (NLATTR takes A as offset, X as type). */
  load_ancillary(ad: number, a: number, x: number): number;
}

/** A program that passed the verifier. */
export interface BpfProg {
  readonly insns: readonly B.SockFilter[];
  /** Four words per instruction: dense operation, k, absolute jump if true, absolute jump if false. */
  readonly code: Int32Array;
  /** Scratch memory M[]; never read before it is written (the verifier), so it needs no clearing between runs. */
  readonly mem: Int32Array;
}

// Dense operations: one switch over small consecutive integers becomes a jump table.
const OP_BAD = 0;
const OP_RET_K = 1;
const OP_RET_A = 2;
const OP_LD_W_ABS = 3;
const OP_LD_H_ABS = 4;
const OP_LD_B_ABS = 5;
const OP_LD_W_IND = 6;
const OP_LD_H_IND = 7;
const OP_LD_B_IND = 8;
const OP_LDX_MSH = 9;
const OP_JEQ_K = 10;
const OP_JGT_K = 11;
const OP_JGE_K = 12;
const OP_JSET_K = 13;
const OP_JEQ_X = 14;
const OP_JGT_X = 15;
const OP_JGE_X = 16;
const OP_JSET_X = 17;
const OP_JA = 18;
const OP_LD_IMM = 19;
const OP_LDX_IMM = 20;
const OP_LD_LEN = 21;
const OP_LDX_LEN = 22;
const OP_LD_MEM = 23;
const OP_LDX_MEM = 24;
const OP_ST = 25;
const OP_STX = 26;
const OP_TAX = 27;
const OP_TXA = 28;
const OP_ADD_K = 29;
const OP_SUB_K = 30;
const OP_MUL_K = 31;
const OP_DIV_K = 32;
const OP_MOD_K = 33;
const OP_AND_K = 34;
const OP_OR_K = 35;
const OP_XOR_K = 36;
const OP_LSH_K = 37;
const OP_RSH_K = 38;
const OP_ADD_X = 39;
const OP_SUB_X = 40;
const OP_MUL_X = 41;
const OP_DIV_X = 42;
const OP_MOD_X = 43;
const OP_AND_X = 44;
const OP_OR_X = 45;
const OP_XOR_X = 46;
const OP_LSH_X = 47;
const OP_RSH_X = 48;
const OP_NEG = 49;
/** A load with a constant negative offset: k keeps the offset, jt the size. */
const OP_LD_NEG = 50;
const OP_LD_ANC = 51;
const OP_LDX_MSH_NEG = 52;

const decode_op = (code: number): number => {
  switch (code) {
    case B.BPF_RET | B.BPF_K:
      return OP_RET_K;
    case B.BPF_RET | B.BPF_A:
      return OP_RET_A;
    case B.BPF_LD | B.BPF_W | B.BPF_ABS:
      return OP_LD_W_ABS;
    case B.BPF_LD | B.BPF_H | B.BPF_ABS:
      return OP_LD_H_ABS;
    case B.BPF_LD | B.BPF_B | B.BPF_ABS:
      return OP_LD_B_ABS;
    case B.BPF_LD | B.BPF_W | B.BPF_IND:
      return OP_LD_W_IND;
    case B.BPF_LD | B.BPF_H | B.BPF_IND:
      return OP_LD_H_IND;
    case B.BPF_LD | B.BPF_B | B.BPF_IND:
      return OP_LD_B_IND;
    case B.BPF_LDX | B.BPF_B | B.BPF_MSH:
      return OP_LDX_MSH;
    case B.BPF_JMP | B.BPF_JEQ | B.BPF_K:
      return OP_JEQ_K;
    case B.BPF_JMP | B.BPF_JGT | B.BPF_K:
      return OP_JGT_K;
    case B.BPF_JMP | B.BPF_JGE | B.BPF_K:
      return OP_JGE_K;
    case B.BPF_JMP | B.BPF_JSET | B.BPF_K:
      return OP_JSET_K;
    case B.BPF_JMP | B.BPF_JEQ | B.BPF_X:
      return OP_JEQ_X;
    case B.BPF_JMP | B.BPF_JGT | B.BPF_X:
      return OP_JGT_X;
    case B.BPF_JMP | B.BPF_JGE | B.BPF_X:
      return OP_JGE_X;
    case B.BPF_JMP | B.BPF_JSET | B.BPF_X:
      return OP_JSET_X;
    case B.BPF_JMP | B.BPF_JA:
      return OP_JA;
    case B.BPF_LD | B.BPF_IMM:
      return OP_LD_IMM;
    case B.BPF_LDX | B.BPF_IMM:
      return OP_LDX_IMM;
    case B.BPF_LD | B.BPF_W | B.BPF_LEN:
      return OP_LD_LEN;
    case B.BPF_LDX | B.BPF_W | B.BPF_LEN:
      return OP_LDX_LEN;
    case B.BPF_LD | B.BPF_MEM:
      return OP_LD_MEM;
    case B.BPF_LDX | B.BPF_MEM:
      return OP_LDX_MEM;
    case B.BPF_ST:
      return OP_ST;
    case B.BPF_STX:
      return OP_STX;
    case B.BPF_MISC | B.BPF_TAX:
      return OP_TAX;
    case B.BPF_MISC | B.BPF_TXA:
      return OP_TXA;
    case B.BPF_ALU | B.BPF_ADD | B.BPF_K:
      return OP_ADD_K;
    case B.BPF_ALU | B.BPF_SUB | B.BPF_K:
      return OP_SUB_K;
    case B.BPF_ALU | B.BPF_MUL | B.BPF_K:
      return OP_MUL_K;
    case B.BPF_ALU | B.BPF_DIV | B.BPF_K:
      return OP_DIV_K;
    case B.BPF_ALU | B.BPF_MOD | B.BPF_K:
      return OP_MOD_K;
    case B.BPF_ALU | B.BPF_AND | B.BPF_K:
      return OP_AND_K;
    case B.BPF_ALU | B.BPF_OR | B.BPF_K:
      return OP_OR_K;
    case B.BPF_ALU | B.BPF_XOR | B.BPF_K:
      return OP_XOR_K;
    case B.BPF_ALU | B.BPF_LSH | B.BPF_K:
      return OP_LSH_K;
    case B.BPF_ALU | B.BPF_RSH | B.BPF_K:
      return OP_RSH_K;
    case B.BPF_ALU | B.BPF_ADD | B.BPF_X:
      return OP_ADD_X;
    case B.BPF_ALU | B.BPF_SUB | B.BPF_X:
      return OP_SUB_X;
    case B.BPF_ALU | B.BPF_MUL | B.BPF_X:
      return OP_MUL_X;
    case B.BPF_ALU | B.BPF_DIV | B.BPF_X:
      return OP_DIV_X;
    case B.BPF_ALU | B.BPF_MOD | B.BPF_X:
      return OP_MOD_X;
    case B.BPF_ALU | B.BPF_AND | B.BPF_X:
      return OP_AND_X;
    case B.BPF_ALU | B.BPF_OR | B.BPF_X:
      return OP_OR_X;
    case B.BPF_ALU | B.BPF_XOR | B.BPF_X:
      return OP_XOR_X;
    case B.BPF_ALU | B.BPF_LSH | B.BPF_X:
      return OP_LSH_X;
    case B.BPF_ALU | B.BPF_RSH | B.BPF_X:
      return OP_RSH_X;
    case B.BPF_ALU | B.BPF_NEG:
      return OP_NEG;
    default:
      return OP_BAD;
  }
};

const is_ancillary = (k: number): boolean => {
  const ad = (k | 0) - B.SKF_AD_OFF;
  return ad >= 0 && ad <= B.SKF_AD_VLAN_TPID && (ad & 3) === 0;
};

const is_branch = (op: number): boolean => op >= OP_JEQ_K && op <= OP_JSET_X;

/**
 * No word of M[] may be read on a path on which it was not written. One pass suffices, because jumps only go forward:
 * `valid[i]` is what every way to instruction i has stored.
 */
const check_load_and_stores = (prog: readonly B.SockFilter[], ops: Uint8Array): number => {
  const reach = new Uint16Array(prog.length).fill(0xffff);
  let valid = 0;
  for (let pc = 0; pc < prog.length; pc++) {
    valid &= reach[pc];
    const f = prog[pc];
    const op = ops[pc];
    if (op === OP_ST || op === OP_STX) valid |= 1 << f.k;
    else if (op === OP_LD_MEM || op === OP_LDX_MEM) {
      if (!(valid & (1 << f.k))) return -EINVAL;
    } else if (op === OP_JA) {
      reach[pc + 1 + (f.k >>> 0)] &= valid;
      valid = 0xffff;
    } else if (is_branch(op)) {
      reach[pc + 1 + f.jt] &= valid;
      reach[pc + 1 + f.jf] &= valid;
      valid = 0xffff;
    }
  }
  return 0;
};

/**
 * The verifier: a program that passes ends, and touches nothing but the packet, A, X and the M[] it wrote.
 * @returns 0 or -EINVAL
 */
export const bpf_check_classic = (prog: readonly B.SockFilter[]): number => {
  const flen = prog.length;
  if (flen === 0 || flen > B.BPF_MAXINSNS) return -EINVAL;
  const ops = new Uint8Array(flen);
  for (let pc = 0; pc < flen; pc++) {
    const f = prog[pc];
    const k = f.k >>> 0;
    const op = decode_op(f.code);
    if (op === OP_BAD) return -EINVAL;
    ops[pc] = op;
    switch (op) {
      case OP_DIV_K:
      case OP_MOD_K:
        if (k === 0) return -EINVAL;
        break;
      case OP_LSH_K:
      case OP_RSH_K:
        if (k >= 32) return -EINVAL;
        break;
      case OP_LD_MEM:
      case OP_LDX_MEM:
      case OP_ST:
      case OP_STX:
        if (k >= B.BPF_MEMWORDS) return -EINVAL;
        break;
      case OP_JA:
        if (k >= flen - pc - 1) return -EINVAL;
        break;
      case OP_LD_W_ABS:
      case OP_LD_H_ABS:
      case OP_LD_B_ABS:
        // From SKF_AD_OFF up every offset is ancillary data; one that this kernel does not know is refused.
        if ((f.k | 0) < 0 && (f.k | 0) >= B.SKF_AD_OFF && !is_ancillary(f.k)) return -EINVAL;
        break;
      default:
        if (is_branch(op) && (pc + f.jt + 1 >= flen || pc + f.jf + 1 >= flen)) return -EINVAL;
    }
  }
  const last = ops[flen - 1];
  if (last !== OP_RET_K && last !== OP_RET_A) return -EINVAL;
  return check_load_and_stores(prog, ops);
};

/** Verifies and decodes. @returns the program or -EINVAL */
export const bpf_prog_create = (insns: readonly B.SockFilter[]): BpfProg | number => {
  const err = bpf_check_classic(insns);
  if (err) return err;
  const code = new Int32Array(insns.length * 4);
  for (let pc = 0; pc < insns.length; pc++) {
    const f = insns[pc];
    let op = decode_op(f.code);
    let k = f.k | 0;
    let jt = pc + 1 + f.jt;
    if (op === OP_JA) jt = pc + 1 + (f.k >>> 0);
    if (op >= OP_LD_W_ABS && op <= OP_LD_B_ABS && k < 0) {
      if (is_ancillary(k)) {
        k -= B.SKF_AD_OFF;
        op = k === B.SKF_AD_ALU_XOR_X ? OP_XOR_X : OP_LD_ANC;
      } else {
        jt = op === OP_LD_W_ABS ? 4 : op === OP_LD_H_ABS ? 2 : 1;
        op = OP_LD_NEG;
      }
    } else if (op === OP_LDX_MSH && k < 0) op = OP_LDX_MSH_NEG;
    code[pc * 4] = op;
    code[pc * 4 + 1] = k;
    code[pc * 4 + 2] = op === OP_LD_NEG ? jt : jt * 4;
    code[pc * 4 + 3] = (pc + 1 + f.jf) * 4;
  }
  return { insns, code, mem: new Int32Array(B.BPF_MEMWORDS) };
};

const load_negative = (pkt: BpfPacket, off: number, size: 1 | 2 | 4): number => {
  if (off >= B.SKF_NET_OFF) return pkt.load_net(off - B.SKF_NET_OFF, size);
  if (off >= B.SKF_LL_OFF) return pkt.load_mac(off - B.SKF_LL_OFF, size);
  return -1;
};

const load_slow = (pkt: BpfPacket, off: number, size: 1 | 2 | 4, len: number): number => {
  if (off < 0) return load_negative(pkt, off, size);
  if (off + size > len) return -1;
  return pkt.load_nonlinear(off, size);
};

/**
 * Runs a program over a packet whose first `headlen` of `len` bytes lie in `u8`/`dv` at `base`.
 * A load out of bounds and a division by zero end the program with 0.
 * @returns how many bytes to keep (uint32); 0 drops the packet
 */
export const bpf_run = (
  prog: BpfProg,
  u8: Uint8Array,
  dv: DataView,
  base: number,
  headlen: number,
  len: number,
  pkt: BpfPacket,
): number => {
  const code = prog.code;
  const mem = prog.mem;
  let a = 0;
  let x = 0;
  let v = 0;
  for (let i = 0; ; i += 4) {
    const k = code[i + 1];
    switch (code[i]) {
      case OP_RET_K:
        return k >>> 0;
      case OP_RET_A:
        return a >>> 0;
      case OP_LD_W_ABS:
        if (k <= headlen - 4) a = dv.getInt32(base + k);
        else {
          if ((v = load_slow(pkt, k, 4, len)) < 0) return 0;
          a = v | 0;
        }
        break;
      case OP_LD_H_ABS:
        if (k <= headlen - 2) a = dv.getUint16(base + k);
        else if ((a = load_slow(pkt, k, 2, len)) < 0) return 0;
        break;
      case OP_LD_B_ABS:
        if (k < headlen) a = u8[base + k];
        else if ((a = load_slow(pkt, k, 1, len)) < 0) return 0;
        break;
      case OP_LD_W_IND: {
        const off = (x + k) | 0;
        if (off >= 0 && off <= headlen - 4) a = dv.getInt32(base + off);
        else {
          if ((v = load_slow(pkt, off, 4, len)) < 0) return 0;
          a = v | 0;
        }
        break;
      }
      case OP_LD_H_IND: {
        const off = (x + k) | 0;
        if (off >= 0 && off <= headlen - 2) a = dv.getUint16(base + off);
        else if ((a = load_slow(pkt, off, 2, len)) < 0) return 0;
        break;
      }
      case OP_LD_B_IND: {
        const off = (x + k) | 0;
        if (off >= 0 && off < headlen) a = u8[base + off];
        else if ((a = load_slow(pkt, off, 1, len)) < 0) return 0;
        break;
      }
      case OP_LDX_MSH:
        if (k < headlen) x = (u8[base + k] & 15) << 2;
        else {
          if ((v = load_slow(pkt, k, 1, len)) < 0) return 0;
          x = (v & 15) << 2;
        }
        break;
      case OP_JEQ_K:
        i = (a === k ? code[i + 2] : code[i + 3]) - 4;
        break;
      case OP_JGT_K:
        i = (a >>> 0 > k >>> 0 ? code[i + 2] : code[i + 3]) - 4;
        break;
      case OP_JGE_K:
        i = (a >>> 0 >= k >>> 0 ? code[i + 2] : code[i + 3]) - 4;
        break;
      case OP_JSET_K:
        i = ((a & k) !== 0 ? code[i + 2] : code[i + 3]) - 4;
        break;
      case OP_JEQ_X:
        i = (a === x ? code[i + 2] : code[i + 3]) - 4;
        break;
      case OP_JGT_X:
        i = (a >>> 0 > x >>> 0 ? code[i + 2] : code[i + 3]) - 4;
        break;
      case OP_JGE_X:
        i = (a >>> 0 >= x >>> 0 ? code[i + 2] : code[i + 3]) - 4;
        break;
      case OP_JSET_X:
        i = ((a & x) !== 0 ? code[i + 2] : code[i + 3]) - 4;
        break;
      case OP_JA:
        i = code[i + 2] - 4;
        break;
      case OP_LD_IMM:
        a = k;
        break;
      case OP_LDX_IMM:
        x = k;
        break;
      case OP_LD_LEN:
        a = len | 0;
        break;
      case OP_LDX_LEN:
        x = len | 0;
        break;
      case OP_LD_MEM:
        a = mem[k];
        break;
      case OP_LDX_MEM:
        x = mem[k];
        break;
      case OP_ST:
        mem[k] = a;
        break;
      case OP_STX:
        mem[k] = x;
        break;
      case OP_TAX:
        x = a;
        break;
      case OP_TXA:
        a = x;
        break;
      case OP_ADD_K:
        a = (a + k) | 0;
        break;
      case OP_SUB_K:
        a = (a - k) | 0;
        break;
      case OP_MUL_K:
        a = Math.imul(a, k);
        break;
      case OP_DIV_K:
        a = ((a >>> 0) / (k >>> 0)) | 0;
        break;
      case OP_MOD_K:
        a = ((a >>> 0) % (k >>> 0)) | 0;
        break;
      case OP_AND_K:
        a &= k;
        break;
      case OP_OR_K:
        a |= k;
        break;
      case OP_XOR_K:
        a ^= k;
        break;
      case OP_LSH_K:
        a <<= k;
        break;
      case OP_RSH_K:
        a = (a >>> k) | 0;
        break;
      case OP_ADD_X:
        a = (a + x) | 0;
        break;
      case OP_SUB_X:
        a = (a - x) | 0;
        break;
      case OP_MUL_X:
        a = Math.imul(a, x);
        break;
      case OP_DIV_X:
        if (x === 0) return 0;
        a = ((a >>> 0) / (x >>> 0)) | 0;
        break;
      case OP_MOD_X:
        if (x === 0) return 0;
        a = ((a >>> 0) % (x >>> 0)) | 0;
        break;
      case OP_AND_X:
        a &= x;
        break;
      case OP_OR_X:
        a |= x;
        break;
      case OP_XOR_X:
        a ^= x;
        break;
      case OP_LSH_X:
        a <<= x;
        break;
      case OP_RSH_X:
        a = (a >>> x) | 0;
        break;
      case OP_NEG:
        a = -a | 0;
        break;
      case OP_LD_NEG:
        if ((v = load_negative(pkt, k, code[i + 2] as 1 | 2 | 4)) < 0) return 0;
        a = v | 0;
        break;
      case OP_LD_ANC:
        a = pkt.load_ancillary(k, a, x) | 0;
        break;
      case OP_LDX_MSH_NEG:
        if ((v = load_negative(pkt, k, 1)) < 0) return 0;
        x = (v & 15) << 2;
        break;
      default:
        return 0; // not reached: decode refuses what is not above
    }
  }
};

const load_at = (dv: DataView, off: number, size: 1 | 2 | 4, end: number): number => {
  if (off < 0 || off + size > end) return -1;
  return size === 4 ? dv.getUint32(off) : size === 2 ? dv.getUint16(off) : dv.getUint8(off);
};

/** A packet in a bare buffer, for captures and tests: linear, with the ancillary data as plain fields. */
export class BpfBuffer implements BpfPacket {
  u8: Uint8Array;
  dv: DataView;
  len: number;
  /** Offsets of the headers, for SKF_LL_OFF and SKF_NET_OFF. */
  mac_offset = 0;
  network_offset = 14;
  protocol = 0;
  pkt_type = 0;
  ifindex = 0;
  mark = 0;
  queue_mapping = 0;
  hatype = 1;
  hash = 0;
  cpu = 0;
  vlan_present = 0;
  vlan_tci = 0;
  vlan_proto = 0;
  payload_offset = 0;
  random: () => number = () => 0;

  /** `len` is the length on the wire; bytes beyond the buffer cannot be loaded. */
  constructor(u8: Uint8Array, len: number = u8.length) {
    this.u8 = u8;
    this.dv = new DataView(u8.buffer, u8.byteOffset, u8.length);
    this.len = len;
  }

  load_nonlinear(_off: number, _size: 1 | 2 | 4): number {
    return -1;
  }

  load_net(off: number, size: 1 | 2 | 4): number {
    return load_at(this.dv, this.network_offset + off, size, this.u8.length);
  }

  load_mac(off: number, size: 1 | 2 | 4): number {
    return load_at(this.dv, this.mac_offset + off, size, this.u8.length);
  }

  load_ancillary(ad: number, _a: number, _x: number): number {
    switch (ad) {
      case B.SKF_AD_PROTOCOL:
        return this.protocol;
      case B.SKF_AD_PKTTYPE:
        return this.pkt_type;
      case B.SKF_AD_IFINDEX:
        return this.ifindex;
      case B.SKF_AD_MARK:
        return this.mark;
      case B.SKF_AD_QUEUE:
        return this.queue_mapping;
      case B.SKF_AD_HATYPE:
        return this.hatype;
      case B.SKF_AD_RXHASH:
        return this.hash;
      case B.SKF_AD_CPU:
        return this.cpu;
      case B.SKF_AD_VLAN_TAG:
        return this.vlan_tci;
      case B.SKF_AD_VLAN_TAG_PRESENT:
        return this.vlan_present;
      case B.SKF_AD_VLAN_TPID:
        return this.vlan_proto;
      case B.SKF_AD_PAY_OFFSET:
        return this.payload_offset;
      case B.SKF_AD_RANDOM:
        return this.random();
      default:
        return 0;
    }
  }
}

/** Runs a program over a bare buffer. */
export const bpf_run_buffer = (prog: BpfProg, b: BpfBuffer): number =>
  bpf_run(prog, b.u8, b.dv, 0, b.u8.length, b.len, b);
