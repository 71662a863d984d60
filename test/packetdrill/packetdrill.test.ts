// Every script of this folder against a fresh machine in virtual time; the language's own errors; skbuff/testing as a library.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { constants as C, runScript, TestStack } from "../../src/testing/index.ts";

const here = dirname(fileURLToPath(import.meta.url));
const scripts = readdirSync(here, { recursive: true, encoding: "utf8" })
  .filter((f) => f.endsWith(".pkt"))
  .sort();

for (const file of scripts)
  test(file, () => {
    const r = runScript(relative(process.cwd(), join(here, file)), readFileSync(join(here, file), "utf8"));
    assert.equal(r.message, "");
  });

// The same sockets as AF_INET6 ones, which speak IPv4 by mapped addresses: nothing on the wire may differ.
const mapped = new Map([["ip_version", "ipv4-mapped-ipv6"]]);
for (const file of scripts)
  test(`${file}, mapped addresses`, () => {
    const text = readFileSync(join(here, file), "utf8");
    // What the error queue has is of the socket's family.
    const words = /SO_EE_ORIGIN_(ZEROCOPY|TIMESTAMPING)/.test(text)
      ? new Map([
          ["SOL_IP", "SOL_IPV6"],
          ["IP_RECVERR", "IPV6_RECVERR"],
        ])
      : new Map<string, string>();
    const r = runScript(relative(process.cwd(), join(here, file)), text, { options: mapped, defines: words });
    assert.equal(r.message, "");
  });

const run = (text: string, defines = new Map<string, string>()): string =>
  runScript("t.pkt", text, { defines }).message;
const HANDSHAKE = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000>
`;

test("what differs is told with file, line, the expected and the actual", () => {
  assert.equal(
    run(`${HANDSHAKE}+0 > S. 0:0(0) ack 1 <mss 1400>`),
    "t.pkt:5: TCP options: expected > S. 0:0(0) ack 1 <mss 1400> / actual > S. 0:0(0) ack 1 <mss 1460>",
  );
  assert.equal(
    run(`${HANDSHAKE}+.1 > S. 0:0(0) ack 1 <mss 1460>`),
    "t.pkt:5: packet at the wrong time (tolerance 0.012500): expected 0.100000 / actual 0.000000",
  );
  assert.equal(run("0 socket(..., SOCK_STREAM, 0) = -1 EPERM"), "t.pkt:1: socket(): expected -1 EPERM / actual 3");
  assert.match(run("0 `false`"), /^t\.pkt:1: command `false`: expected status 0 \/ actual 1/);
});

test("what is not known fails the script", () => {
  assert.match(run("0 `nosuchprogram`"), /^t\.pkt:1: .*actual 127/);
  assert.equal(run("0 frobnicate(3) = 0"), "t.pkt:1: unknown system call: frobnicate()");
  assert.match(run("0 socket(..., SOCK_NOSUCH, 0) = 3"), /^t\.pkt:1: unknown symbol: SOCK_NOSUCH/);
  assert.match(run("--nosuch=1\n0 socket(..., SOCK_STREAM, 0) = 3"), /unknown option --nosuch/);
  assert.match(run(`${HANDSHAKE}+0 > Q. 0:0(0)`), /^t\.pkt:5: syntax error/);
  assert.match(run(`${HANDSHAKE}+0 < . 1:3(1) ack 1 win 1`), /^t\.pkt:5: inconsistent TCP sequence numbers/);
  assert.match(run("0 socket(..., SOCK_STREAM, 0) = 3\n+0 %{ import os }%"), /only assertions/);
});

const with_options = (text: string, options: Record<string, string>) =>
  runScript("t.pkt", text, { options: new Map(Object.entries(options)) });

test("options: of the script, and of the command line, which win; one that is not known fails", () => {
  const two_scripts = "--bind_port=9000\n0 socket(AF_INET, SOCK_STREAM, 0) = 3\n+0 bind(3, ..., ...) = 0\n";
  assert.equal(run(two_scripts), "");
  assert.match(with_options(two_scripts, { tolerance_usecs: "x" }).message, /bad --tolerance_usecs: x/);
  assert.match(with_options(two_scripts, { ip_version: "ipv6" }).message, /--ip_version=ipv6 is not there yet/);
  assert.match(with_options(two_scripts, { ip_version: "ipv5" }).message, /bad --ip_version: ipv5/);
  assert.equal(with_options("0 frobnicate(3) = 0", { dry_run: "" }).ok, true);
  assert.match(with_options("0 frobnicate(", { dry_run: "" }).message, /^t\.pkt:1: syntax error/);
  const scaled = `${HANDSHAKE}+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 8>`.replace(
    "mss 1000>",
    "mss 1000,nop,wscale 7>",
  );
  assert.match(run(scaled), /TCP options/);
  assert.equal(with_options(scaled, { init_scripts: "./defaults.sh" }).message, "");
});

test("--non_fatal: what differs is told, and the script goes on", () => {
  const r = with_options(`${HANDSHAKE}+0 > S. 0:0(0) ack 1 <mss 1400>\n+0 close(3) = -1 EBADF\n`, {
    non_fatal: "packet,syscall",
  });
  assert.equal(r.ok, true);
  assert.deepEqual(
    r.warnings.map((w) => w.replace(/: expected.*$/, "")),
    ["t.pkt:5: TCP options", "t.pkt:6: close()"],
  );
});

test("mapped addresses: sockets of AF_INET6, their names, and the level of errors", () => {
  const text = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 getsockopt(3, SOL_SOCKET, SO_DOMAIN, [AF_INET6], [4]) = 0
+0 bind(3, {sa_family = AF_INET6, sin6_port = htons(8080), inet_pton(AF_INET6, "::1", &sin6_addr)}, 28) = -1 EADDRNOTAVAIL
+0 bind(3, {sa_family=AF_INET6, sin6_port=htons(80), inet_pton(AF_INET6, "::ffff:192.168.0.1", &sin6_addr), sin6_flowinfo=0, sin6_scope_id=0}, 28) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [CMSG_LEVEL_IP], 4) = 0
`;
  assert.equal(with_options(text, { ip_version: "ipv4-mapped-ipv6" }).message, "");
  assert.match(with_options(text, {}).message, /t\.pkt:2: getsockopt\(\): expected \[10\] \/ actual \[2\]/);
});

test("code sees tcp_cc_info when --code_sockopt says so", () => {
  const text = `\`sysctl -q net.ipv4.tcp_congestion_control=bbr\`\n${HANDSHAKE}+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 1000\n+0 accept(3, ..., ...) = 4\n+0 %{ assert bbr_pacing_gain == 739 }%`;
  assert.equal(with_options(text, { code_sockopt: "TCP_CC_INFO" }).message, "");
  assert.match(with_options(text, {}).message, /bbr_pacing_gain/);
});

test("assertions are evaluated on tcp_info; the message of a failed one is told", () => {
  const text = "0 socket(..., SOCK_STREAM, 0) = 3\n+0 %{ N = 7\nassert tcpi_state == N, tcpi_state }%\n";
  assert.equal(run(text), "");
  assert.match(run(text.replace("== N", "!= N")), /^t\.pkt:2: AssertionError: assert tcpi_state != N, tcpi_state: 7$/);
});

test("-D puts a value in the place of a word", () => {
  const text = `${HANDSHAKE}+0 > S. 0:0(0) ack 1 <mss MINE>`;
  assert.equal(run(text, new Map([["MINE", "1460"]])), "");
});

test("the same script and seed: the same run; skbuff/testing by hand", () => {
  const once = (): string[] => {
    const s = new TestStack({ seed: 3 });
    const fd = s.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK, 0);
    const peer = new Uint8Array([2, 0, 0, 80, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(s.connect(fd, peer), -C.EINPROGRESS);
    s.advance(1_500_000_000);
    const out: string[] = [];
    for (let p = s.take(); p !== null; p = s.take()) out.push(`${p.time} ${Buffer.from(p.bytes).toString("hex")}`);
    assert.equal(s.close(fd), 0);
    assert.deepEqual(s.bugs, []);
    s.close_all();
    return out;
  };
  const a = once();
  assert.equal(a.length, 2, "a SYN and its retransmission");
  assert.deepEqual(once(), a);
});
