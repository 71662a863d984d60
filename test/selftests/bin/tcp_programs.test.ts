// httpd, wget, curl, telnet, inetd and ss -K between two machines in virtual time; with Debian's beside them: test/linux/tcp.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MS, pair } from "../net.ts";

test("httpd and wget: pages, ranges, redirects, what is not there, nothing above its home", () => {
  const { net, a, b } = pair();
  net.ok(b, "mkdir -p /srv/sub; seq 30000 > /srv/n; echo secret > /secret; echo in sub > /srv/sub/index.html");
  b.exec("httpd -v -h /srv -p 8080 > /log 2>&1");
  net.run(MS);
  assert.equal(net.ok(a, "wget -q -O - http://10.0.0.2:8080/n | wc -c"), "168894\n");
  // A part that is there already is not fetched again.
  net.ok(a, "seq 30000 | head -c 100000 > /n; wget -q -c -O /n http://10.0.0.2:8080/n");
  assert.equal(net.ok(a, "wc -c < /n"), "168894\n");
  assert.equal(net.ok(a, "tail -n 1 /n"), "30000\n");
  const moved = net.sh(a, "wget -O - http://10.0.0.2:8080/sub");
  assert.equal(moved.out, "in sub\n");
  assert.match(moved.err, /301 Moved Permanently\nLocation: \/sub\/ \[following\]\n/);
  assert.deepEqual(
    [net.sh(a, "wget -q http://10.0.0.2:8080/none").code, net.sh(a, "wget -q http://10.0.0.2:81/").code],
    [8, 4],
  );
  for (const path of ["/../secret", "/%2e%2e/secret", "/sub/../../secret", "//secret"]) {
    const r = net.sh(a, `printf 'GET ${path.replaceAll("%", "%%")} HTTP/1.0\\r\\n\\r\\n' | nc -N 10.0.0.2 8080`);
    assert.match(r.out, /^HTTP\/1\.1 404 /, path);
  }
  for (const [line, status] of [
    ["BREW / HTTP/1.1", 501],
    ["GET", 400],
    ["GET nothing HTTP/1.1", 400],
    ["GET /%zz HTTP/1.1", 400],
  ] as const) {
    const r = net.sh(a, `printf '${line.replaceAll("%", "%%")}\\r\\n\\r\\n' | nc -N 10.0.0.2 8080`);
    assert.match(r.out, new RegExp(`^HTTP/1\\.1 ${status} `), line);
  }
  // Two requests on one connection.
  const two = net.ok(
    a,
    "printf 'HEAD /n HTTP/1.1\\r\\n\\r\\nGET /sub/ HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n' | nc -N 10.0.0.2 8080",
  );
  assert.equal(two.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
  assert.match(two, /in sub\n$/);
  assert.match(net.ok(b, "cat /log"), /^10\.0\.0\.1:\d+ "GET \/n HTTP\/1\.1" 200\n/);
  net.end();
});

test("inetd over TCP: a process for each connection, and none is left; telnet prints what comes", () => {
  const { net, a, b } = pair();
  b.exec("inetd echo discard daytime chargen time");
  net.run(MS);
  assert.equal(net.ok(a, "seq 20000 | nc -N 10.0.0.2 7 | tail -n 1"), "20000\n");
  assert.equal(net.ok(a, "seq 20000 | nc -N 10.0.0.2 9"), "");
  assert.equal(net.ok(a, "nc -d 10.0.0.2 37 | wc -c"), "4\n");
  const lines = net.ok(a, "nc -d 10.0.0.2 19 | head -n 96").split("\r\n");
  assert.equal(lines[0]!.length, 72);
  assert.equal(lines[1]!.slice(0, 71), lines[0]!.slice(1));
  assert.equal(lines[95], lines[0]);
  const day = net.sh(a, "(sleep 1) | telnet 10.0.0.2 13");
  assert.match(day.out, /^Trying 10\.0\.0\.2\.\.\.\nConnected to 10\.0\.0\.2\.\nEscape character is '\^\]'\.\n\w{3}, /);
  assert.equal(day.err, "Connection closed by foreign host.\n");
  net.run(2000 * MS);
  assert.doesNotMatch(net.ok(b, "ps -e"), /echo|discard|chargen|daytime|defunct/);
  net.end();
});

test("ss -K ends what its filter chooses, with a RST: both sides are rid of it", () => {
  const { net, a, b } = pair();
  b.exec("inetd echo");
  net.run(MS);
  const r = net.sh(
    a,
    "(sleep 9) | nc 10.0.0.2 7 & (sleep 9) | nc 10.0.0.2 7 & sleep 1; P=$(ss -Htn | head -n 1 | sed 's/.*10.0.0.1:\\([0-9]*\\).*/\\1/'); ss -HtnK sport = $P | wc -l; ss -Htn | wc -l; ss -HtnK dport = 99",
  );
  assert.equal(r.out, "1\n1\n", r.err);
  net.run(MS);
  assert.equal(net.ok(b, "ss -Htn state established | wc -l"), "1\n");
  net.end();
});

test("tcpflood fills a cable of 1 Gbit/s, tcpsink counts the same bytes", () => {
  const { net, a, b } = pair();
  b.exec("tcpsink -c 2 > /got");
  net.run(MS);
  const sent = /^20000000 bytes sent in [\d.]+ s: ([\d.]+) Mbit\/s\n$/.exec(net.ok(a, "tcpflood -n 20000000 10.0.0.2"));
  // 1448 of 1538 bytes on the wire are data: 941 Mbit/s at best.
  assert.ok(Number(sent![1]) > 700 && Number(sent![1]) < 942, sent![0]);
  assert.match(net.ok(a, "tcpflood -t 1 10.0.0.2"), / in 1\.\d+ s: /);
  net.run(MS);
  assert.match(net.ok(b, "cat /got"), /^20000000 bytes received in .*\n\d+ bytes received in .*\n$/);
  assert.equal(net.sh(a, "tcpflood -n 1 10.0.0.2").err, "tcpflood: connect: Connection refused\n");
  net.end();
});

test("curl: to a file with its meter, resumed, by its own name, timed out, a status for scripts", () => {
  const { net, a, b } = pair();
  net.ok(b, "mkdir -p /srv /tmp; seq 30000 > /srv/n; echo hello > /srv/hello.txt");
  b.exec("httpd -p 80 -h /srv");
  net.run(10 * MS);
  const whole = net.sh(a, "curl -o /n http://10.0.0.2/n; wc -c < /n");
  assert.match(whole.err, /^ {2}% Total {4}% Received[\s\S]*\r100 {2}164k {2}100 {2}164k {4}0 {5}0 [\s\S]*\n$/);
  assert.equal(whole.out, "168894\n");
  assert.equal(
    net.ok(
      a,
      'head -c 1000 /n > /part; curl -s -C - -o /part http://10.0.0.2/n; [ "$(cat /part)" = "$(cat /n)" ] && echo same',
    ),
    "same\n",
  );
  assert.equal(net.ok(a, "mkdir -p /tmp; cd /tmp; curl -s -O http://10.0.0.2/hello.txt; cat hello.txt"), "hello\n");
  assert.equal(net.sh(a, "curl -s -m 2 http://10.0.0.9/; echo $?").out, "28\n");
  assert.equal(net.sh(a, "curl -s -f http://10.0.0.2/none; echo $?").out, "22\n");
  assert.equal(
    net.ok(a, "curl -s -o /dev/null -w '%{http_code} %{size_download}\\n' http://10.0.0.2/hello.txt"),
    "200 6\n",
  );
  net.end();
});
