// Hostile text: lab.conf, containerlab YAML, and shell input. What is broken is reported with its place; nothing throws, no
// machine reports a BUG, nothing is left. Way in: fuzz_topology(), fuzz_shell().

import { Lab } from "../../src/lab/lab.ts";
import { loadTopology } from "../../src/lab/topology.ts";
import { memoryTree } from "../../src/lab/tree.ts";
import { Prng, prng_below } from "../../src/lib/prng.ts";

export interface TextFailure {
  at: number;
  text: string;
  what: string;
}

const LAB_CONF = `# two hosts, a router
LAB_NAME="net"
pc1[0]="A"
pc1[mem]="256m"
r1[0]=A/00:00:00:00:00:01
r1[1]=B
r1[sysctl]="net.ipv4.ip_forward=1"
pc2[0]="B"
link[A]="loss 10% delay 5ms rate 1gbit"
`;

const YAML = `name: clab
topology:
  defaults: { kind: linux }
  nodes:
    r1: &router
      image: frr
      exec:
        - ip addr add 10.0.0.1/24 dev eth1
        - "sysctl -w net.ipv4.ip_forward=1"
      labels: { cost: calibrated }
    pc1:
      kind: linux
      cpu: 2
  links:
    - endpoints: ["r1:eth1", "pc1:eth1"]
    - endpoints: [r1:eth2, "pc1:eth2"]
      mtu: 1400
`;

const SHELL = `x=abc; y="\${x%c} $((1 + 2 * 3))"
for i in 1 2 3; do echo "$i:$y" | cat; done > /tmp/out
f() { local a=$1; echo \${a:-none} \${#a}; return 3; }
f one; f || echo "$? \${x/b/B}"
case $x in a*) echo is ;; *) echo no ;; esac
cat <<END | sort -r
b $x
a
END
if [ -f /tmp/out ] && test 1 -lt 2; then cat /tmp/out; fi
printf '%s %5d %x\\n' "a b" 42 255; echo $(echo $(echo deep)) &
wait; set -- a "b c"; echo "$@" $# {1..3} ~ *.none
trap 'echo bye' EXIT; (exit 4); echo $?
`;

/** Pieces that a parser may trip over, beside what the text itself is made of. */
const TOKENS = [
  ..."\"'`$(){}[]<>|&;#\\/=:,*?!~@%-+ \t\n\0",
  "${",
  "$((",
  "$(",
  "<<",
  ">>",
  "&&",
  "||",
  ";;",
  "\n\n",
  "é",
  "\ud800",
  "\u{1f600}",
  "\u2028",
  "\r\n",
  "\ufeff",
  "&a",
  "*a",
  "!!js",
  "<<: *router",
  "- ",
  "? ",
  "|",
  ">",
  "---",
  "...",
  "null",
  "[]",
  "{}",
  "0",
  "-1",
  "1e309",
  "NaN",
  "99999999999999999999",
  "eth0",
  "eth1:eth1",
  "__proto__",
  "constructor",
  "toString",
  "[__proto__]=A",
  "esac",
  "done",
  "fi",
  "then",
  "do",
  "function",
  "in",
  "${x",
  "${x:-",
  "${x//",
  "$((1/0))",
  "$((",
  "{1..3",
  "{a,b}",
  "<(",
  "2>&1",
  ">&-",
];

function mutate(p: Prng, text: string): string {
  let s = text;
  for (let n = 1 + prng_below(p, 6); n > 0; n--) {
    const at = prng_below(p, s.length + 1);
    const len = prng_below(p, 1 + prng_below(p, 24));
    const piece = s.slice(at, at + len);
    switch (prng_below(p, 5)) {
      case 0:
        s = s.slice(0, at) + s.slice(at + len);
        break;
      case 1:
        s = s.slice(0, at) + TOKENS[prng_below(p, TOKENS.length)]! + s.slice(at);
        break;
      case 2:
        s = s.slice(0, at) + piece.repeat(1 + prng_below(p, 40)) + s.slice(at + len);
        break;
      case 3: {
        const to = prng_below(p, s.length + 1);
        s = s.slice(0, to) + piece + s.slice(to);
        break;
      }
      default:
        s = s.slice(0, at) + String.fromCharCode(prng_below(p, 256)) + s.slice(at + 1);
    }
  }
  return s;
}

export interface TextResult {
  texts: number;
  /** Accepted as they are; the rest was reported with its place. */
  good: number;
  failure: TextFailure | null;
}

/** lab.conf and YAML by turns. A mistake must be a diagnostic with the file's name and a line of the file. */
export function fuzz_topology(count: number, seed: number): TextResult {
  const p = new Prng(seed, 31);
  const r: TextResult = { texts: 0, good: 0, failure: null };
  for (; r.texts < count; r.texts++) {
    const yaml = r.texts % 2 === 1;
    const file = yaml ? "net.clab.yml" : "lab.conf";
    const text = mutate(p, yaml ? YAML : LAB_CONF);
    try {
      const t = loadTopology(memoryTree({ [file]: text, "pc1.startup": "ip link set eth0 up\n" }));
      const lines = text.split("\n").length;
      for (const d of t.diagnostics) {
        if (d.text === "") throw new Error("a diagnostic without a text");
        if (d.file === file && !(d.line >= 0 && d.line <= lines + 1))
          throw new Error(`line ${d.line} of ${lines}: ${d.text}`);
      }
      if (!t.ok && t.diagnostics.length === 0) throw new Error("refused without a word");
      if (t.ok && t.diagnostics.length === 0) r.good++;
      if (({} as { polluted?: unknown }).polluted !== undefined) throw new Error("Object.prototype was written to");
    } catch (e) {
      r.failure = { at: r.texts, text, what: e instanceof Error ? (e.stack ?? e.message) : String(e) };
      return r;
    }
  }
  return r;
}

/** Scripts for the shell of one machine, without programs that never end: whatever they say, it ends, and nothing is left of it. */
export function fuzz_shell(count: number, seed: number): TextResult {
  const p = new Prng(seed, 32);
  const r: TextResult = { texts: 0, good: 0, failure: null };
  const lab = new Lab(loadTopology(memoryTree({ "lab.conf": "pc1[0]=A\n" })));
  lab.boot();
  const fail = (text: string, what: string): TextResult => {
    r.failure = { at: r.texts, text, what };
    return r;
  };
  for (; r.texts < count; r.texts++) {
    const text = mutate(p, SHELL);
    try {
      const e = lab.exec("pc1", text);
      if (e.exitCode === 0) r.good++;
      else if (e.exitCode < 0 || e.exitCode > 255) return fail(text, `exit code ${e.exitCode}`);
    } catch (e) {
      return fail(text, e instanceof Error ? (e.stack ?? e.message) : String(e));
    }
  }
  lab.stop();
  const bugs = lab.bugs();
  const left = Object.entries(lab.host("pc1").computer.live()).filter(([, n]) => n !== 0);
  if (bugs.length > 0 || left.length > 0) return fail("", `${bugs.join("; ")} left: ${JSON.stringify(left)}`);
  return r;
}
