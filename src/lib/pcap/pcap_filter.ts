// tcpdump's filter expressions compiled to classic BPF. Read first: pcap-filter(7). Way in: pcap_compile.
// Text → tokens (filter_lex) → tree (filter_parse) → conditions (filter_gen, filter_gen_arith) → program (filter_cond).

import * as B from "../../uapi/bpf.ts";
import { DLT_EN10MB } from "./dlt.ts";
import { and, type Cond, compare, emit_program, not, or, stmt } from "./filter_cond.ts";
import { type GenOptions, gen_expr, new_gen } from "./filter_gen.ts";
import { FilterError } from "./filter_lex.ts";
import { type Expr, parse_filter } from "./filter_parse.ts";

export interface PcapFilterOptions {
  /** DLT_EN10MB unless said otherwise. */
  linktype?: number;
  /** What the program returns for a match; 262144 as tcpdump. */
  snaplen?: number;
  /**
   * `file` (default): every header is in the bytes. `live`: the program runs on an AF_PACKET SOCK_RAW socket, where a
   * VLAN tag may be in the skb. `cooked`: SOCK_DGRAM, as `-i any`: the bytes start at the network header.
   */
  target?: "file" | "live" | "cooked";
  /** Of the capturing interface, for `ip broadcast`: a uint32. */
  netmask?: number;
  /** Addresses of a host name, as text; undefined for a name unknown. */
  resolve_host?: (name: string) => readonly string[] | undefined;
}

export type PcapFilterResult = { prog: B.SockFilter[] } | { error: string; offset: number };

const MAX_EXPRESSION = 65536;

/** A live capture sees a tag in the bytes or in the skb: one program for each, told apart at its start. */
const live_cond = (o: GenOptions, e: Expr): Cond => {
  const plain = new_gen(o, false);
  const c = gen_expr(plain, e);
  if (!o.live || !plain.uses_vlan) return c;
  const present = stmt(B.BPF_LD | B.BPF_W | B.BPF_ABS, B.SKF_AD_OFF + B.SKF_AD_VLAN_TAG_PRESENT);
  const in_bytes = compare([present], B.BPF_JEQ, 0);
  return or(and(in_bytes, c), and(not(in_bytes), gen_expr(new_gen(o, true), e)));
};

/**
 * Compiles an expression; the empty one matches every packet.
 * @returns the program, or tcpdump's message (without "tcpdump: ") and where in the text the fault is
 */
export const pcap_compile = (expression: string, options: PcapFilterOptions = {}): PcapFilterResult => {
  const snaplen = options.snaplen ?? 262144;
  const o: GenOptions = {
    linktype: options.linktype ?? DLT_EN10MB,
    live: options.target === "live" || options.target === "cooked",
    cooked: options.target === "cooked",
    netmask: options.netmask,
    resolve_host: options.resolve_host ?? (() => undefined),
  };
  if (expression.length > MAX_EXPRESSION) return { error: "expression is too long", offset: MAX_EXPRESSION };
  try {
    const e = parse_filter(expression);
    if (!e) return { prog: [stmt(B.BPF_RET | B.BPF_K, snaplen)] };
    const prog = emit_program(live_cond(o, e), snaplen);
    if (!prog) return { error: "expression rejects all packets", offset: 0 };
    if (prog.length > B.BPF_MAXINSNS) return { error: "expression makes too long a program", offset: 0 };
    return { prog };
  } catch (err) {
    if (err instanceof FilterError) return { error: err.message, offset: err.offset };
    if (err instanceof RangeError) return { error: "expression is nested too deeply", offset: 0 };
    throw err;
  }
};

const ALU_NAMES = ["add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "neg", "mod", "xor"];
const JMP_NAMES = ["ja", "jeq", "jgt", "jge", "jset"];

const hex = (k: number): string => `0x${(k >>> 0).toString(16)}`;

const bpf_insn_text = (i: B.SockFilter): readonly [string, string] => {
  const size = ["", "h", "b"][(i.code & 0x18) >> 3] ?? "";
  const is_ldx = (i.code & 7) === B.BPF_LDX;
  switch (i.code & 7) {
    case B.BPF_LD:
    case B.BPF_LDX: {
      const op = `ld${is_ldx ? "x" : ""}${size}`;
      switch (i.code & 0xe0) {
        case B.BPF_IMM:
          return [op, `#${hex(i.k)}`];
        case B.BPF_ABS:
          return [op, `[${i.k | 0}]`];
        case B.BPF_IND:
          return [op, `[x + ${i.k | 0}]`];
        case B.BPF_MEM:
          return [op, `M[${i.k}]`];
        case B.BPF_LEN:
          return [op, "#pktlen"];
        default:
          return [op, `4*([${i.k | 0}]&0xf)`];
      }
    }
    case B.BPF_ST:
      return ["st", `M[${i.k}]`];
    case B.BPF_STX:
      return ["stx", `M[${i.k}]`];
    case B.BPF_ALU:
      return [
        ALU_NAMES[i.code >> 4] ?? "?",
        (i.code & 0xf0) === B.BPF_NEG ? "" : i.code & B.BPF_X ? "x" : `#${hex(i.k)}`,
      ];
    case B.BPF_JMP:
      return [JMP_NAMES[i.code >> 4] ?? "?", i.code & B.BPF_X ? "x" : `#${hex(i.k)}`];
    case B.BPF_RET:
      return ["ret", i.code & B.BPF_A ? "" : `#${i.k >>> 0}`];
    default:
      return [i.code & B.BPF_TXA ? "txa" : "tax", ""];
  }
};

/** A program in the notation of `tcpdump -d`, a line per instruction. */
export const bpf_dump = (prog: readonly B.SockFilter[]): string[] =>
  prog.map((i, pc) => {
    const [op, arg] = bpf_insn_text(i);
    const at = `(${String(pc).padStart(3, "0")})`;
    if ((i.code & 7) !== B.BPF_JMP) return `${at} ${op.padEnd(8)} ${arg}`.trimEnd();
    if ((i.code & 0xf0) === B.BPF_JA) return `${at} ${op.padEnd(8)} ${pc + 1 + (i.k >>> 0)}`;
    return `${at} ${op.padEnd(8)} ${arg.padEnd(16)} jt ${pc + 1 + i.jt}\tjf ${pc + 1 + i.jf}`;
  });
