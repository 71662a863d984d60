// The code between %{ and }%: assertions and assignments over struct tcp_info, in Python's expression syntax.
// Way in: run_code(). What it does not know fails the script.

export type Value = number | string | boolean | bigint;

export class CodeError extends Error {}

const TOKEN =
  /\s*(?:(0x[0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)|([A-Za-z_]\w*)|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(\*\*|\/\/|<<|>>|<=|>=|==|!=|[-+*/%&|^~<>()=,.]))/y;

class Expr {
  private readonly toks: { t: string; kind: "num" | "name" | "str" | "op" }[] = [];
  private at = 0;
  private readonly vars: ReadonlyMap<string, Value>;
  constructor(text: string, vars: ReadonlyMap<string, Value>) {
    this.vars = vars;
    TOKEN.lastIndex = 0;
    const src = text.trim();
    while (TOKEN.lastIndex < src.length) {
      const at = TOKEN.lastIndex;
      const m = TOKEN.exec(src);
      if (m === null) throw new CodeError(`syntax error at "${src.slice(at, at + 20)}"`);
      this.toks.push(
        m[1] !== undefined
          ? { t: m[1], kind: "num" }
          : m[2] !== undefined
            ? { t: m[2], kind: "name" }
            : m[3] !== undefined
              ? { t: m[3].slice(1, -1), kind: "str" }
              : { t: m[4]!, kind: "op" },
      );
    }
  }
  get end(): boolean {
    return this.at >= this.toks.length;
  }
  is(t: string): boolean {
    const k = this.toks[this.at];
    if (k === undefined || k.kind === "str" || k.t !== t) return false;
    this.at++;
    return true;
  }
  test(): Value {
    let v = this.conj();
    while (this.is("or")) {
      const r = this.conj();
      v = v ? v : r;
    }
    return v;
  }
  private conj(): Value {
    let v = this.neg();
    while (this.is("and")) {
      const r = this.neg();
      v = v ? r : v;
    }
    return v;
  }
  private neg(): Value {
    return this.is("not") ? !this.neg() : this.comparison();
  }
  private comparison(): Value {
    let left = this.binary(0);
    let result: boolean | null = null;
    for (;;) {
      const op = ["<=", ">=", "==", "!=", "<", ">"].find((o) => this.is(o));
      if (op === undefined) return result ?? left;
      const right = this.binary(0);
      const [a, b] = [plain(left), plain(right)];
      const ok =
        op === "=="
          ? a === b
          : op === "!="
            ? a !== b
            : op === "<"
              ? a < b
              : op === ">"
                ? a > b
                : op === "<="
                  ? a <= b
                  : a >= b;
      result = (result ?? true) && ok;
      left = right;
    }
  }
  private static readonly levels: readonly (readonly string[])[] = [
    ["|"],
    ["^"],
    ["&"],
    ["<<", ">>"],
    ["+", "-"],
    ["*", "//", "/", "%"],
  ];
  private binary(level: number): Value {
    const ops = Expr.levels[level];
    if (ops === undefined) return this.unary();
    let v = this.binary(level + 1);
    for (;;) {
      const op = ops.find((o) => this.is(o));
      if (op === undefined) return v;
      v = arith(op, v, this.binary(level + 1));
    }
  }
  private unary(): Value {
    if (this.is("-")) return -num(this.unary());
    if (this.is("+")) return num(this.unary());
    if (this.is("~")) return -num(this.unary()) - 1;
    const v = this.primary();
    return this.is("**") ? num(v) ** num(this.unary()) : v;
  }
  private primary(): Value {
    if (this.is("(")) {
      const v = this.test();
      if (!this.is(")")) throw new CodeError('")" expected');
      return v;
    }
    const k = this.toks[this.at++];
    if (k === undefined) throw new CodeError("an expression ends too early");
    if (k.kind === "num") return Number(k.t);
    if (k.kind === "str") return k.t;
    if (k.kind === "op") throw new CodeError(`unexpected "${k.t}"`);
    if (k.t === "True") return true;
    if (k.t === "False") return false;
    if (["abs", "min", "max", "int", "str"].includes(k.t) && this.is("(")) {
      const args: Value[] = [];
      while (!this.is(")")) {
        args.push(this.test());
        if (!this.is(",") && this.toks[this.at]?.t !== ")") throw new CodeError('"," expected');
      }
      if (k.t === "str") return String(args[0]);
      const n = args.map(num);
      return k.t === "abs"
        ? Math.abs(n[0]!)
        : k.t === "min"
          ? Math.min(...n)
          : k.t === "max"
            ? Math.max(...n)
            : Math.trunc(n[0]!);
    }
    const v = this.vars.get(k.t);
    if (v === undefined) throw new CodeError(`name '${k.t}' is not defined`);
    return v;
  }
}

const plain = (v: Value): number | string => (typeof v === "string" ? v : Number(v));

function num(v: Value): number {
  if (typeof v === "string") throw new CodeError(`a number expected, not "${v}"`);
  return Number(v);
}

function arith(op: string, a: Value, b: Value): Value {
  if (op === "+" && typeof a === "string") return a + String(b);
  if (op === "%" && typeof a === "string") return a.replace(/%[ds]/, String(b));
  const x = num(a);
  const y = num(b);
  switch (op) {
    case "+":
      return x + y;
    case "-":
      return x - y;
    case "*":
      return x * y;
    case "/":
      return x / y;
    case "//":
      return Math.floor(x / y);
    case "%":
      return x - y * Math.floor(x / y);
    case "<<":
      return x * 2 ** y;
    case ">>":
      return Math.floor(x / 2 ** y);
    case "&":
      return Number(BigInt(x) & BigInt(y));
    case "|":
      return Number(BigInt(x) | BigInt(y));
    default:
      return Number(BigInt(x) ^ BigInt(y));
  }
}

/** Lines joined where a bracket is open or a line ends in \ or an operator; comments gone. */
function statements(text: string): string[] {
  const out: string[] = [];
  let cur = "";
  let depth = 0;
  for (const raw of text.split("\n")) {
    const line = raw.replace(/("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|#.*/g, (_, s?: string) => s ?? "").trim();
    if (line === "" && depth === 0) continue;
    cur += ` ${line.replace(/\\$/, "")}`;
    for (const c of line) depth += c === "(" ? 1 : c === ")" ? -1 : 0;
    if (depth > 0 || line.endsWith("\\") || line.endsWith(",")) continue;
    for (const s of cur.split(/;(?=(?:[^"']*["'][^"']*["'])*[^"']*$)/)) if (s.trim() !== "") out.push(s.trim());
    cur = "";
  }
  if (cur.trim() !== "") out.push(cur.trim());
  return out;
}

/** Runs the code; null, or what the failed assertion says. `vars` keeps what it assigns; `print` gets what it prints. */
export function run_code(text: string, vars: Map<string, Value>, print: (line: string) => void): string | null {
  for (const st of statements(text)) {
    try {
      if (st === "pass") continue;
      const assertion = /^assert\b([\s\S]*)$/.exec(st);
      if (assertion !== null) {
        const e = new Expr(assertion[1]!, vars);
        const ok = e.test();
        let message: Value = "";
        if (e.is(",")) message = e.test();
        if (!e.end) throw new CodeError("syntax error");
        if (!ok) return `AssertionError: ${st}${message === "" ? "" : `: ${message}`}`;
        continue;
      }
      const printing = /^print\b\s*\(([\s\S]*)\)$|^print\s+([\s\S]*)$/.exec(st);
      if (printing !== null) {
        const e = new Expr(printing[1] ?? printing[2]!, vars);
        const parts: string[] = [];
        while (!e.end) {
          parts.push(String(e.test()));
          if (!e.is(",") && !e.end) throw new CodeError("syntax error");
        }
        print(parts.join(" "));
        continue;
      }
      const assign = /^([A-Za-z_]\w*)\s*=(?!=)([\s\S]*)$/.exec(st);
      if (assign === null) throw new CodeError("only assertions, assignments and print are understood");
      const e = new Expr(assign[2]!, vars);
      const v = e.test();
      if (!e.end) throw new CodeError("syntax error");
      vars.set(assign[1]!, v);
    } catch (e) {
      if (e instanceof CodeError) return `${st}: ${e.message}`;
      throw e;
    }
  }
  return null;
}

/** struct tcp_info of Linux 6.18: name, offset, bytes. */
const TCP_INFO_FIELDS: readonly (readonly [string, number, 1 | 2 | 4 | 8])[] = [
  ["state", 0, 1],
  ["ca_state", 1, 1],
  ["retransmits", 2, 1],
  ["probes", 3, 1],
  ["backoff", 4, 1],
  ["options", 5, 1],
  ...(
    "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv " +
    "pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans"
  )
    .split(" ")
    .map((n, i) => [n, 8 + 4 * i, 4] as const),
  ["pacing_rate", 104, 8],
  ["max_pacing_rate", 112, 8],
  ["bytes_acked", 120, 8],
  ["bytes_received", 128, 8],
  ["segs_out", 136, 4],
  ["segs_in", 140, 4],
  ["notsent_bytes", 144, 4],
  ["min_rtt", 148, 4],
  ["data_segs_in", 152, 4],
  ["data_segs_out", 156, 4],
  ["delivery_rate", 160, 8],
  ["busy_time", 168, 8],
  ["rwnd_limited", 176, 8],
  ["sndbuf_limited", 184, 8],
  ["delivered", 192, 4],
  ["delivered_ce", 196, 4],
  ["bytes_sent", 200, 8],
  ["bytes_retrans", 208, 8],
  ["dsack_dups", 216, 4],
  ["reord_seen", 220, 4],
  ["rcv_ooopack", 224, 4],
  ["snd_wnd", 228, 4],
  ["rcv_wnd", 232, 4],
  ["rehash", 236, 4],
  ["total_rto", 240, 2],
  ["total_rto_recoveries", 242, 2],
  ["total_rto_time", 244, 4],
  ...(
    "received_ce delivered_e1_bytes delivered_e0_bytes delivered_ce_bytes received_e1_bytes received_e0_bytes " +
    "received_ce_bytes"
  )
    .split(" ")
    .map((n, i) => [n, 248 + 4 * i, 4] as const),
  ["accecn_fail_mode", 276, 2],
  ["accecn_opt_seen", 278, 2],
];

/** The variables of union tcp_cc_info, one set for each congestion control that fills it. */
export function tcp_cc_info_vars(b: Uint8Array): Map<string, Value> {
  const dv = new DataView(b.buffer, b.byteOffset, b.byteLength);
  const u32 = (at: number): number => dv.getUint32(at, true);
  const u16 = (at: number): number => dv.getUint16(at, true);
  return new Map<string, Value>([
    ["tcpv_enabled", u32(0)],
    ["tcpv_rttcnt", u32(4)],
    ["tcpv_rtt", u32(8)],
    ["tcpv_minrtt", u32(12)],
    ["dctcp_enabled", u16(0)],
    ["dctcp_ce_state", u16(2)],
    ["dctcp_alpha", u32(4)],
    ["dctcp_ab_ecn", u32(8)],
    ["dctcp_ab_tot", u32(12)],
    ["bbr_bw_lo", u32(0)],
    ["bbr_bw_hi", u32(4)],
    ["bbr_min_rtt", u32(8)],
    ["bbr_pacing_gain", u32(12)],
    ["bbr_cwnd_gain", u32(16)],
  ]);
}

/** The variables tcpi_… of a struct tcp_info, and the names of states and options. */
export function tcp_info_vars(b: Uint8Array): Map<string, Value> {
  const dv = new DataView(b.buffer, b.byteOffset, b.byteLength);
  const vars = new Map<string, Value>();
  for (const [name, at, size] of TCP_INFO_FIELDS) {
    if (at + size > b.length) break;
    const v =
      size === 1
        ? dv.getUint8(at)
        : size === 2
          ? dv.getUint16(at, true)
          : size === 4
            ? dv.getUint32(at, true)
            : Number(dv.getBigUint64(at, true));
    vars.set(`tcpi_${name}`, v);
  }
  vars.set("tcpi_snd_wscale", b[6]! & 15);
  vars.set("tcpi_rcv_wscale", b[6]! >> 4);
  vars.set("tcpi_delivery_rate_app_limited", b[7]! & 1);
  vars.set("tcpi_fastopen_client_fail", (b[7]! >> 1) & 3);
  for (const [
    i,
    n,
  ] of "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV"
    .split(" ")
    .entries())
    vars.set(`TCP_${n}`, i + 1);
  for (const [i, n] of "Open Disorder CWR Recovery Loss".split(" ").entries()) vars.set(`TCP_CA_${n}`, i);
  for (const [i, n] of "TIMESTAMPS SACK WSCALE ECN ECN_SEEN SYN_DATA USEC_TS TFO_CHILD".split(" ").entries())
    vars.set(`TCPI_OPT_${n}`, 1 << i);
  return vars;
}
