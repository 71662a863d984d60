// Options of the command line: what they print, and that a bad one is refused before anything runs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { skbuff } from "./run.ts";

const LAB = "examples/first-lab";

test("--trace: the system calls of the programs, not of the shell that runs the line; a filter; a bad one refused first", () => {
  const r = skbuff(["lab", LAB, "--trace", "sendto,close", "--exec", "pc1: ping -c 1 10.0.2.2 > /dev/null"]);
  assert.equal(r.code, 0);
  assert.equal(r.out, "");
  assert.match(
    r.err,
    /^sendto\(3, ".*"\.\.\., 64, 0, \{sa_family=AF_INET, sin_port=htons\(0\), sin_addr=inet_addr\("10\.0\.2\.2"\)\}, 16\) = 64$/m,
  );
  assert.match(r.err, /^close\(3\) {32}= 0\n\+\+\+ exited with 0 \+\+\+$/m);
  assert.doesNotMatch(r.err, /socket|recvmsg|execve/);
  const w = skbuff(["walk", LAB, "pc1", "--trace", "network", "--", "ping", "-c1", "10.0.2.2"]);
  assert.match(w.err, /^recvmsg\(3, /m);
  assert.match(w.out, /icmp_rcv/);
  const bad = skbuff(["lab", LAB, "--trace", "foo", "--exec", "pc1: echo ran"]);
  assert.equal(bad.code, 1);
  assert.match(bad.err, /^skbuff lab: --trace foo: invalid system call 'foo'/);
  assert.doesNotMatch(bad.out, /ran/);
});
