// What a packetdrill script is made of. Way in: parse_script() of parser.ts.

/** A value in a system call. */
export type Expr =
  | { k: "int"; v: number }
  | { k: "sym"; name: string }
  | { k: "str"; v: string }
  | { k: "or"; items: Expr[] }
  | { k: "list"; items: Expr[] }
  | { k: "struct"; fields: Field[] }
  | { k: "fn"; name: string; args: Expr[] }
  | { k: "any" };

/** `msg_iov(1)=[…]`: name "msg_iov", len 1; a value without a name has the name "". */
export interface Field {
  name: string;
  len: Expr | null;
  value: Expr;
}

/** µs. `rel` counts from the end of the event before; `end` is the later bound of a range. */
export interface EventTime {
  rel: boolean;
  any: boolean;
  us: number;
  end: number | null;
}

export interface TcpOption {
  kind: "mss" | "nop" | "eol" | "wscale" | "sackOK" | "sack" | "TS" | "FO" | "FOEXP" | "md5" | "ecn";
  values: number[];
  bytes: Uint8Array | null;
}

export interface IpSpec {
  /** ECN bits or all of TOS, or null when the script does not say. "ect01" takes either ECT. */
  tos: number | null;
  ecn: "any" | "ect01" | number;
  ttl: number | null;
}

export interface TcpSpec {
  kind: "tcp";
  flags: number;
  seq: number;
  len: number;
  ack: number | null;
  win: number | null;
  urg: number | null;
  /** null: `<...>`, options are not compared. */
  options: TcpOption[] | null;
}
export interface UdpSpec {
  kind: "udp";
  len: number;
}
export interface IcmpSpec {
  kind: "icmp";
  type: number;
  code: number;
  mtu: number | null;
  id: number | null;
  /** The packet that it is about: sequence numbers of TCP, length of UDP, or raw bytes. */
  quoted:
    | { kind: "tcp"; seq: number; len: number }
    | { kind: "udp"; len: number }
    | { kind: "raw"; len: number }
    | null;
}

export interface PacketSpec {
  out: boolean;
  ip: IpSpec;
  ports: [number, number] | null;
  body: TcpSpec | UdpSpec | IcmpSpec;
}

export interface CallSpec {
  name: string;
  args: Expr[];
  result: Expr;
  errno: string | null;
}

export type Action =
  | { k: "packet"; packet: PacketSpec }
  | { k: "call"; call: CallSpec; end: number | null }
  | { k: "shell"; command: string }
  | { k: "code"; text: string };

export interface ScriptEvent {
  line: number;
  time: EventTime;
  /** As it is written, for messages. */
  text: string;
  action: Action;
}

export interface Script {
  file: string;
  options: Map<string, string>;
  init: { line: number; command: string }[];
  events: ScriptEvent[];
  cleanup: { line: number; command: string } | null;
}

export class ScriptError extends Error {
  readonly file: string;
  readonly line: number;
  constructor(file: string, line: number, message: string) {
    super(`${file}:${line}: ${message}`);
    this.file = file;
    this.line = line;
  }
}
