// `ip tcp_metrics`: what Linux 6.18 and iproute2 6.1 answer of peers that TCP has talked to, over generic netlink.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AF_INET, MSG_FASTOPEN, SOCK_STREAM } from "../../../src/uapi/socket.ts";
import { MS, SEC, TestNet } from "../net.ts";

function talked() {
  const net = new TestNet();
  const a = net.machine("a");
  const b = net.machine("b");
  net.cable(a.nics[0]!, b.nics[0]!, { delay_ns: 5 * MS });
  net.ok(a, "ip addr add 10.0.0.1/24 dev eth0; ip addr add 10.0.0.3/24 dev eth0; ip link set eth0 up");
  net.ok(b, "ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up");
  net.world.run(3 * SEC);
  const talk = (from: string, port: number): void => {
    const server = net.start(b, `nc -l -p ${port} > /dev/null`);
    net.world.run(100 * MS);
    net.ok(a, `yes | head -c 50000 | nc -N -s ${from} 10.0.0.2 ${port}`);
    net.world.run(SEC);
    server.stop();
  };
  talk("10.0.0.1", 80);
  return { net, a, b, talk };
}
const LINE = /^10\.0\.0\.2 age \d+\.\d{3}sec cwnd \d+ rtt 1\d{4}us rttvar \d+us source 10\.0\.0\.1\n$/;

test("show: RTT, its variance and the window of a connection that ended; by address, by prefix, as JSON", () => {
  const { net, a } = talked();
  const line = net.ok(a, "ip tcp_metrics");
  assert.match(line, LINE);
  assert.match(net.ok(a, "ip tcp_metrics show 10.0.0.2"), LINE);
  assert.match(net.ok(a, "ip tcpmetrics list 10.0.0.0/8"), LINE);
  assert.match(net.ok(a, "ip tcp_metrics show source 10.0.0.1"), LINE);
  assert.equal(net.ok(a, "ip tcp_metrics show 10.1.0.0/16"), "");
  assert.equal(net.ok(a, "ip tcp_metrics show source 10.0.0.9"), "");
  const [json] = JSON.parse(net.ok(a, "ip -j tcp_metrics"));
  assert.deepEqual(Object.keys(json), ["dst", "age", "cwnd", "rtt", "rttvar", "source"]);
  assert.ok(json.rtt > 0.01 && json.rtt < 0.012, `${json.rtt}`);
  const none = net.sh(a, "ip tcp_metrics show 10.0.0.9");
  assert.deepEqual([none.code, none.out, none.err], [2, "", "RTNETLINK answers: No such process\n"]);
  net.end();
});

test("delete and flush: one peer with all its sources, those of a prefix in rounds, or everybody", () => {
  const { net, a, talk } = talked();
  talk("10.0.0.3", 81);
  assert.equal(net.ok(a, "ip tcp_metrics | wc -l"), "2\n");
  assert.equal(
    net.ok(a, "ip -s tcp_metrics flush source 10.0.0.3"),
    "\n*** Round 1, deleting 1 entries ***\n*** Flush is complete after 1 round ***\n",
  );
  assert.match(net.ok(a, "ip tcp_metrics"), LINE);
  talk("10.0.0.3", 82);
  net.ok(a, "ip tcp_metrics delete 10.0.0.2");
  assert.equal(net.ok(a, "ip tcp_metrics"), "");
  const again = net.sh(a, "ip tcp_metrics delete address 10.0.0.2");
  assert.deepEqual([again.code, again.err], [2, "RTNETLINK answers: No such process\n"]);
  assert.equal(net.sh(a, "ip tcp_metrics flush 10.0.0.0/8").err, "Nothing to flush.\n");
  talk("10.0.0.1", 83);
  assert.equal(net.ok(a, "ip tcp_metrics flush; ip tcp_metrics; ip -j -p tcp_metrics"), "[ ]\n");
  net.end();
});

test("Fast Open: the peer's MSS and its cookie", () => {
  const { net, a, b } = talked();
  // Every listener of b takes data with the SYN.
  net.ok(b, "sysctl -q -w net.ipv4.tcp_fastopen=1027");
  const server = net.start(b, "nc -l -p 90 > /dev/null");
  const to = Uint8Array.of(2, 0, 0, 90, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0);
  net.call(a, function* (sys) {
    const fd = sys.socket(AF_INET, SOCK_STREAM, 0);
    assert.equal(yield* sys.sendto(fd, new Uint8Array(100), MSG_FASTOPEN, to), 100);
    sys.close(fd);
  });
  net.world.run(SEC);
  server.stop();
  assert.match(net.ok(a, "ip tcp_metrics"), / fo_mss 1460 fo_cookie [0-9a-f]{16} source 10\.0\.0\.1\n$/);
  const [json] = JSON.parse(net.ok(a, "ip -j tcp_metrics"));
  assert.deepEqual([json.fopen_miss, json.fo_cookie.length], [1460, 16]);
  net.end();
});
