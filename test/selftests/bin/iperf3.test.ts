// iperf3 between two machines in virtual time; against the real one: test/linux/iperf3.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MS, pair, SEC, type TestNet } from "../net.ts";

/** Fast enough to measure, slow enough for a test. */
const SLOW = { rate: 1e8 };

function lab(): {
  net: TestNet;
  client: (options: string) => string;
  fails: (options: string) => string;
  end: () => string;
} {
  const { net, a, b } = pair(1, SLOW);
  const server = net.start(b, "iperf3 -s");
  net.run(MS);
  return {
    net,
    client: (options) => net.ok(a, `iperf3 -c 10.0.0.2 ${options}`),
    fails: (options) => {
      const r = net.sh(a, `iperf3 -c 10.0.0.2 ${options}`);
      assert.equal(r.code, 1, options);
      return r.err;
    },
    end: () => {
      net.run(SEC);
      server.stop();
      net.end();
      return server.text();
    },
  };
}

/** Mbit/s of the line that ends so. */
const mbits = (text: string, end: RegExp): number => {
  const line = text.split("\n").find((l) => end.test(l));
  assert.ok(line !== undefined, text);
  return Number(/([\d.]+) Mbits\/sec/.exec(line)?.[1]);
};

test("TCP fills a cable of 100 Mbit/s each way, alone, in parallel, in both directions", () => {
  const { client, end } = lab();
  // 1448 of 1538 bytes on the wire are data: 94.1 Mbit/s.
  const up = client("-t 2");
  assert.match(
    up,
    /^Connecting to host 10\.0\.0\.2, port 5201\n\[ {2}5\] local 10\.0\.0\.1 port \d+ connected to 10\.0\.0\.2 port 5201\n/,
  );
  assert.match(up, /\n\[ ID\] Interval {11}Transfer {5}Bitrate {9}Retr {2}Cwnd\n\[ {2}5\] {3}0\.00-1\.00 {3}sec /);
  assert.match(up, /\n\niperf Done\.\n$/);
  assert.ok(Math.abs(mbits(up, /receiver$/) - 94.1) <= 0.5, up);
  const down = client("-t 2 -R");
  assert.match(down, /\nReverse mode, remote host 10\.0\.0\.2 is sending\n/);
  assert.ok(Math.abs(mbits(down, /receiver$/) - 94.1) <= 0.5, down);
  const four = client("-t 2 -P 4");
  assert.deepEqual(four.match(/^\[ *\d+\] local/gm), ["[  5] local", "[  7] local", "[  9] local", "[ 11] local"]);
  assert.ok(Math.abs(mbits(four, /^\[SUM\].*receiver$/) - 94.1) <= 0.5, four);
  const both = client("-t 2 --bidir -w 64K");
  assert.ok(mbits(both, /^\[ {2}5\]\[TX-C\].*receiver$/) > 85, both);
  assert.ok(mbits(both, /^\[ {2}7\]\[RX-C\].*receiver$/) > 85, both);
  const server = end();
  assert.match(
    server,
    /^-+\nServer listening on 5201 \(test #1\)\n-+\nAccepted connection from 10\.0\.0\.1, port \d+\n/,
  );
  assert.match(server, /Server listening on 5201 \(test #5\)/);
});

test("UDP keeps its rate; nothing is lost on a good cable; jitter, counters of 64 bits, bursts", () => {
  const { client, end } = lab();
  // 1,048,576 bit/s are 91 datagrams of 1448 bytes in the first second, the one at its begin included.
  assert.match(client("-u -t 1"), /1\.05 Mbits\/sec {2}0\.000 ms {2}0\/91 \(0%\) {2}receiver/);
  assert.ok(Math.abs(mbits(client("-u -b 40M -t 1 -R"), /receiver$/) - 40) <= 0.5);
  assert.match(client("-u -b 20M -t 1 --bidir --udp-counters-64bit"), /0\/172\d \(0%\) {2}receiver/);
  assert.match(client("-u -b 5M/10 -k 100 -l 500"), / 0\/100 \(0%\) {2}sender/);
  // More than the cable carries: the sender is held back by its socket buffer, as over a real card.
  assert.ok(Math.abs(mbits(client("-u -b 0 -t 1 -l 1000"), /receiver$/) - (100 * 1000) / 1066) <= 1);
  end();
});

test("-n and -k end by amount; -O forgets the beginning; -i chooses the lines; -b paces TCP", () => {
  const { client, end } = lab();
  assert.match(client("-n 10M"), / {2}10\.0 MBytes .* sender\n/);
  // By sendfile(2).
  assert.match(client("-n 4M -Z"), / {2}4\.00 MBytes .* sender\n/);
  assert.ok(Math.abs(mbits(client("-t 1 -Z -R"), /receiver$/) - 94.1) <= 0.5);
  assert.match(client("-k 16"), /sec {2}2\.00 MBytes .* sender\n/);
  const omit = client("-O 1 -t 2");
  assert.equal(omit.match(/\(omitted\)/g)?.length, 1);
  assert.match(omit, /\(omitted\)\n\[ {2}5\] {3}0\.00-1\.00 .*\n\[ {2}5\] {3}1\.00-2\.00 /);
  assert.equal(client("-t 2 -i 0.5").match(/^\[ {2}5\] .* KBytes {7}$/gm)?.length, 4);
  assert.equal(client("-t 3 -i 0").match(/ {3}0\.00-3\.0\d {3}sec /g)?.length, 3);
  assert.ok(Math.abs(mbits(client("-t 2 -b 50M"), /receiver$/) - 50) <= 1);
  assert.match(client("-t 1 -b 50M -f K"), / KBytes\/sec/);
  end();
});

test("-w, -M, -N, -C and -S reach both ends; -B and --cport choose the near one", () => {
  const { client, fails, end } = lab();
  const small = client("-t 1 -w 20K -M 1000 -N -C reno -S 0x10 -B 10.0.0.1 --cport 5555 -V");
  assert.match(small, /TCP MSS: 1000\n\[ {2}5\] local 10\.0\.0\.1 port 5555 connected to/);
  assert.match(small, / 1 second test, tos 16\n/);
  assert.match(small, /snd_tcp_congestion reno\nrcv_tcp_congestion reno\n/);
  assert.equal(
    fails("-C nosuch -t 1"),
    "iperf3: error - unable to set TCP_CONGESTION: Supplied congestion control algorithm not supported on this host\n",
  );
  assert.equal(
    fails("-B 10.0.0.9 -t 1"),
    "iperf3: error - unable to connect to server: Cannot assign requested address\n",
  );
  assert.equal(fails("-p 5300"), "iperf3: error - unable to connect to server: Connection refused\n");
  assert.equal(fails("-6"), "iperf3: error - unable to connect to server: Address family for hostname not supported\n");
  end();
});

test("a server listens for both families, unless -4 or -B chooses; mapped addresses are IPv4's", () => {
  const { net, a, b } = pair(1, SLOW);
  const server = net.start(b, "iperf3 -s");
  const only4 = net.start(b, "iperf3 -s -4 -p 6000");
  const bound = net.start(b, "iperf3 -s -B 10.0.0.2 -p 7000");
  net.run(MS);
  assert.deepEqual(
    net
      .ok(b, "ss -Htln")
      .split("\n")
      .map((l) => l.split(/ +/)[3])
      .sort(),
    ["*:5201", "0.0.0.0:6000", "10.0.0.2:7000", undefined],
  );
  for (const line of [
    "10.0.0.2",
    "10.0.0.2 -4",
    "::ffff:10.0.0.2 -S 16",
    "10.0.0.2 -p 6000",
    "10.0.0.2 -p 7000",
    "10.0.0.2 -u",
  ])
    assert.match(net.ok(a, `iperf3 -c ${line} -n 100K`), / connected to 10\.0\.0\.2 port \d+\n[\s\S]*iperf Done/, line);
  assert.match(net.sh(a, "iperf3 -c ::1 -4").err, /Address family for hostname not supported\n$/);
  net.run(SEC);
  for (const s of [server, only4, bound]) s.stop();
  net.end();
});

test("-J: one object; what server and client count is the same", () => {
  const { net, a, b } = pair(1, SLOW);
  const server = net.start(b, "iperf3 -s -1 -J");
  net.run(MS);
  const j = JSON.parse(net.ok(a, "iperf3 -c 10.0.0.2 -J -t 2 --get-server-output -T title --extra-data more"));
  net.run(SEC);
  const s = JSON.parse(server.text());
  assert.equal(j.start.cookie, s.start.cookie);
  assert.equal(j.intervals.length, 2);
  assert.equal(j.end.sum_received.bytes, s.end.sum_received.bytes);
  assert.equal(
    s.intervals.reduce((n: number, i: { sum: { bytes: number } }) => n + i.sum.bytes, 0),
    s.end.sum_received.bytes,
  );
  assert.equal(j.server_output_json.start.cookie, s.start.cookie);
  assert.deepEqual([j.title, j.extra_data, s.title, s.extra_data], ["title", "more", "title", "more"]);
  assert.deepEqual(
    [j.start.test_start.protocol, j.start.test_start.blksize, j.end.streams[0].sender.retransmits],
    ["TCP", 131072, 0],
  );
  assert.equal(net.sh(a, "iperf3 -c 10.0.0.2 -J").code, 0);
  net.end();
});

test("-D over loopback, where virtual time moves only when everybody sleeps", () => {
  const { net, a } = pair(1, SLOW);
  const r = net.sh(
    a,
    "iperf3 -s -D -1; sleep 0.1; iperf3 -c 127.0.0.1 -n 50M; iperf3 -s -D -1; sleep 0.1; iperf3 -c localhost -u -b 0 -l 60000 -t 1 -i 0",
  );
  assert.match(r.out, / 50\.\d MBytes [^\n]* sender\n[\s\S]* receiver\n\niperf Done/, r.err);
  assert.match(r.out, /Gbits\/sec {2}[^\n]* receiver\n\niperf Done\.\n$/, r.err);
  net.end();
});

test("lost datagrams and retransmissions are counted on a bad cable", () => {
  const { net, a, b } = pair(1, { ...SLOW, impair: { loss: 0.02 } });
  const server = net.start(b, "iperf3 -s");
  net.run(MS);
  const udp = net.ok(a, "iperf3 -c 10.0.0.2 -u -b 20M -t 2");
  const m = /ms {2}(\d+)\/(\d+) \(([\d.]+)%\) {2}receiver/.exec(udp);
  assert.ok(m !== null && Number(m[1]) > 20 && Number(m[2]) > 3400, udp);
  const tcp = net.ok(a, "iperf3 -c 10.0.0.2 -n 5M");
  assert.ok(Number(/bits\/sec +(\d+) +sender/.exec(tcp)?.[1]) > 10, tcp);
  server.stop();
  net.end();
});

test("one test at a time; a client that is interrupted, a server that is; -1; the log", () => {
  const { net, a, b } = pair(1, SLOW);
  const server = net.start(b, "iperf3 -s");
  net.run(MS);
  const long = a.exec("exec iperf3 -c 10.0.0.2 -t 30 > /first 2>&1");
  net.run(1.5 * SEC);
  assert.equal(
    net.sh(a, "iperf3 -c 10.0.0.2").err,
    "iperf3: error - the server is busy running a test. try again later\n",
  );
  long.kill(2);
  net.run(SEC);
  assert.equal(long.exitCode, 1);
  const first = net.ok(a, "cat /first");
  assert.match(first, /iperf3: interrupt - the client has terminated\n/);
  assert.match(first, / {3}1\.00-1\.5\d {3}sec /);
  assert.match(first, /sender\n/);
  // The next client is served.
  assert.match(net.ok(a, "iperf3 -c 10.0.0.2 -n 1M"), /iperf Done/);
  const cut = a.exec("exec iperf3 -c 10.0.0.2 -t 30 -R > /second 2>&1");
  net.run(1.5 * SEC);
  server.stop();
  net.run(SEC);
  assert.equal(cut.exitCode, 1);
  assert.match(net.ok(a, "cat /second"), /iperf3: error - the server has terminated\n/);
  assert.match(server.text(), /Accepted connection/);
  // A server for one test, with its words in a file.
  const once = net.start(b, "iperf3 -s -1 -p 7000 --logfile /log -I /pid");
  net.run(MS);
  assert.match(net.ok(b, "cat /pid"), /^\d+/);
  net.ok(a, "iperf3 -c 10.0.0.2 -p 7000 -n 1M");
  net.run(SEC);
  assert.equal(once.code(), 0);
  assert.match(net.ok(b, "cat /log"), /Server listening on 7000[\s\S]*receiver\n$/);
  net.end();
});

test("a server survives whoever speaks something else to it", () => {
  const { net, a, b } = pair(1, SLOW);
  const server = net.start(b, "iperf3 -s");
  net.run(MS);
  net.sh(a, "echo hello | nc -N 10.0.0.2 5201");
  net.sh(a, "head -c 100000 /proc/net/dev | nc -N -w 2 10.0.0.2 5201");
  // A cookie, then parameters that are none; then ones that are too long.
  net.sh(a, "printf 'abcdefghijklmnopqrstuvwxyz2345678901\\0\\0\\0\\0\\002[]' | nc -w 2 10.0.0.2 5201");
  net.sh(a, "printf 'abcdefghijklmnopqrstuvwxyz2345678901\\0\\177\\377\\377\\377{' | nc -w 2 10.0.0.2 5201");
  // A client that says nothing is given up.
  net.sh(a, "(sleep 40) | nc 10.0.0.2 5201");
  assert.match(net.ok(a, "iperf3 -c 10.0.0.2 -n 1M"), /iperf Done/);
  server.stop();
  net.end();
});
