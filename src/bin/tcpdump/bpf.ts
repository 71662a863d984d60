// Classic BPF over captured bytes: what libpcap runs when it reads from a file. Read first: uapi/bpf.ts.
// Way in: bpf_filter(). The kernel has its own (net/core/filter.ts); programs may not import it.

import * as B from "../../uapi/bpf.ts";

/** Runs a program that pcap_compile() made. Returns how many bytes to keep, 0 for none. */
export function bpf_filter(prog: readonly B.SockFilter[], u8: Uint8Array, wirelen: number): number {
  const dv = new DataView(u8.buffer, u8.byteOffset, u8.byteLength);
  const mem = new Uint32Array(16);
  let a = 0;
  let x = 0;
  const load = (at: number, size: number): number => {
    if (at < 0 || at + size > u8.length) return -1;
    return size === 4 ? dv.getUint32(at) : size === 2 ? dv.getUint16(at) : dv.getUint8(at);
  };
  for (let pc = 0; pc < prog.length; pc++) {
    const { code, jt, jf, k } = prog[pc];
    switch (code & 7) {
      case B.BPF_LD:
      case B.BPF_LDX: {
        const size = [4, 2, 1][(code & 0x18) >> 3] ?? 4;
        let v = 0;
        switch (code & 0xe0) {
          case B.BPF_IMM:
            v = k;
            break;
          case B.BPF_ABS:
            v = load(k, size);
            break;
          case B.BPF_IND:
            v = load(x + k, size);
            break;
          case B.BPF_MEM:
            v = mem[k & 15];
            break;
          case B.BPF_LEN:
            v = wirelen;
            break;
          default:
            v = load(k, 1);
            if (v >= 0) v = (v & 15) << 2;
        }
        if (v < 0) return 0;
        if ((code & 7) === B.BPF_LDX) x = v;
        else a = v;
        break;
      }
      case B.BPF_ST:
        mem[k & 15] = a;
        break;
      case B.BPF_STX:
        mem[k & 15] = x;
        break;
      case B.BPF_ALU: {
        const v = alu(code & 0xf0, a, code & B.BPF_X ? x : k);
        if (v < 0) return 0;
        a = v;
        break;
      }
      case B.BPF_JMP: {
        if ((code & 0xf0) === B.BPF_JA) {
          pc += k;
          break;
        }
        pc += jump(code & 0xf0, a, code & B.BPF_X ? x : k) ? jt : jf;
        break;
      }
      case B.BPF_RET:
        return code & B.BPF_A ? a : k;
      default:
        if (code & B.BPF_TXA) a = x;
        else x = a;
    }
  }
  return 0;
}

function jump(op: number, a: number, v: number): boolean {
  switch (op) {
    case B.BPF_JEQ:
      return a === v;
    case B.BPF_JGT:
      return a > v;
    case B.BPF_JGE:
      return a >= v;
    default:
      return (a & v) !== 0;
  }
}

/** -1: a division by zero ends the program. */
function alu(op: number, a: number, v: number): number {
  switch (op) {
    case B.BPF_ADD:
      return (a + v) >>> 0;
    case B.BPF_SUB:
      return (a - v) >>> 0;
    case B.BPF_MUL:
      return Math.imul(a, v) >>> 0;
    case B.BPF_DIV:
      return v === 0 ? -1 : Math.floor(a / v);
    case B.BPF_MOD:
      return v === 0 ? -1 : a % v;
    case B.BPF_OR:
      return (a | v) >>> 0;
    case B.BPF_AND:
      return (a & v) >>> 0;
    case B.BPF_XOR:
      return (a ^ v) >>> 0;
    case B.BPF_LSH:
      return v > 31 ? 0 : (a << v) >>> 0;
    case B.BPF_RSH:
      return v > 31 ? 0 : a >>> v;
    default:
      return -a >>> 0;
  }
}
