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

test("what cannot be is refused before anything runs", () => {
  const refused = (args: string[], what: RegExp): void => {
    const r = skbuff(args);
    assert.equal(r.code, 1, args.join(" "));
    assert.match(r.err, what);
    assert.equal(r.out, "", args.join(" "));
  };
  const ping = ["--", "ping", "-c1", "10.0.2.2"];
  refused(
    ["walk", LAB, "pc1", "--filter", "bad filter", ...ping],
    /^skbuff walk: --filter: .*syntax error\n {2}bad filter\n {2}\^/,
  );
  refused(["walk", LAB, "pc1", "--pcap", "/nope/x", ...ping], /^skbuff walk: cannot write \/nope\/x: ENOENT/);
  refused(["walk", LAB, "pc1", "--perfetto", "/tmp", ...ping], /^skbuff walk: cannot write \/tmp: EISDIR/);
  refused(["walk", LAB, "pc1", "--host", "nope", ...ping], /^skbuff walk: no machine "nope"/);
  const echo = ["--exec", "pc1: echo ran"];
  refused(["lab", LAB, "--record", "/nope/x", ...echo], /^skbuff lab: cannot write \/nope\/x/);
  refused(["lab", LAB, "--pcap", "/proc/x/y", ...echo], /^skbuff lab: cannot write to the folder \/proc\/x\/y/);
  refused(["lab", LAB, "--cost", "/nope/x", ...echo], /^skbuff lab: /);
  refused(["replay", "/nope/x"], /^skbuff replay: ENOENT/);
  refused(["measure", LAB, "pc9", "--", "true"], /^skbuff measure: no machine "pc9"/);
  const host = ["host", "--tap", "skbuffnone"];
  refused(
    [...host, "--ip", "10.9.0.299/24"],
    /^skbuff host: --ip 10\.9\.0\.299\/24: an address with its prefix length/,
  );
  refused([...host, "--ip", "10.9.0.2/33"], /^skbuff host: --ip/);
  refused([...host, "--ip", "10.9.0.2/24", "--gw", "x"], /^skbuff host: --gw x: not an IPv4 address/);
  refused([...host, "--ip", "10.9.0.2/24", "--pcap", "/nope/x"], /^skbuff host: cannot write \/nope\/x/);
  refused([...host, "--ip", "10.9.0.2/24", "--replay-pcap", "/nope/x"], /^skbuff host: --replay-pcap: ENOENT/);
  refused(
    [...host, "--ip", "10.9.0.2/24", "--replay-pcap", "package.json"],
    /^skbuff host: --replay-pcap package\.json: /,
  );
});
