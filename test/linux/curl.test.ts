// Our curl beside Debian's: the same commands against the same server, one from a machine of ours over a TAP, one from the kernel
// it stands on. Output, what -v says and exit codes are the same, but for times and what chance decides.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { prerequisites, RealNet } from "./rig.ts";

/** A server that keeps connections, takes bodies, and misbehaves where it is asked to. */
const SERVER = `
import sys, time, http.server
class H(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *a): pass
    def version_string(self): return 'lab'
    def answer(self, code, body, headers=()):
        self.send_response(code)
        for k, v in headers: self.send_header(k, v)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        n = int(self.headers.get('Content-Length', 0))
        body = self.rfile.read(n)
        if self.headers.get('Transfer-Encoding') == 'chunked':
            while (k := int(self.rfile.readline(), 16)) > 0: body += self.rfile.read(k); self.rfile.readline()
            self.rfile.readline()
        if self.path == '/moved': return self.answer(303, b'', [('Location', '/hello.txt')])
        said = self.command + ' ' + str(self.headers.get('Content-Type')) + ' ' + str(n) + '\\n'
        self.answer(200, said.encode() + (body if n < 500 else b'') + b'\\n')
    do_PUT = do_POST
    def do_GET(self):
        p = self.path
        if p == '/chunks':
            self.send_response(200); self.send_header('Transfer-Encoding', 'chunked'); self.end_headers()
            for part in (b'one ', b'two ', b'three\\n'): self.wfile.write(b'%x\\r\\n%s\\r\\n' % (len(part), part))
            self.wfile.write(b'0\\r\\n\\r\\n'); return
        if p == '/short':
            self.send_response(200); self.send_header('Content-Length', '100'); self.end_headers()
            self.wfile.write(b'x' * 10); self.close_connection = True; return
        if p == '/silent': self.close_connection = True; return
        if p == '/slow': time.sleep(3); return self.answer(200, b'late')
        if p == '/loop': return self.answer(302, b'round', [('Location', '/loop')])
        if p == '/a/b/moved': return self.answer(301, b'gone', [('Location', '../../hello.txt')])
        if p == '/said': return self.answer(200, str(self.headers).encode())
        if p.startswith('/q'): return self.answer(200, p.encode() + b'\\n')
        if p == '/part' and 'Range' in self.headers:
            a, b = self.headers['Range'][6:].split('-'); d = b'0123456789'
            part = d[int(a):int(b) + 1 if b else None]
            return self.answer(206, part, [('Content-Range', 'bytes %s-%d/10' % (a, int(a) + len(part) - 1))])
        super().do_GET()
http.server.ThreadingHTTPServer(('10.9.0.1', 8000), H).serve_forever()
`;
const U = "http://10.9.0.1:8000";
const COMMANDS: readonly string[] = [
  `curl -s ${U}/hello.txt`,
  `curl -sv ${U}/hello.txt ${U}/hello.txt`,
  `curl -sv ${U}/none -o /dev/null`,
  `curl -sS -f ${U}/none`,
  `curl -sS --fail-with-body ${U}/none | tail -n 1`,
  `curl -sI ${U}/hello.txt`,
  `curl -s -i ${U}/hello.txt`,
  `curl -s -D - ${U}/chunks`,
  `curl -sS ${U}/short`,
  `curl -sS ${U}/silent`,
  `curl -sS -m 0.4 ${U}/slow`,
  `curl -sv -L ${U}/a/b/moved`,
  `curl -s ${U}/a/b/moved`,
  `curl -sS -L --max-redirs 3 ${U}/loop`,
  `curl -s -d a=b -d 'c=d e' ${U}/post`,
  `curl -s --data-urlencode 'name=a b&c' --data-raw '@x' ${U}/post`,
  `curl -s --json '{"a":1}' ${U}/post`,
  `curl -sv -L -d x ${U}/moved`,
  `curl -s -G -d a=1 -d b=2 ${U}/q`,
  `curl -s -X PUT -d new ${U}/post`,
  `printf 'up\\nload' | curl -s -T - ${U}/post -H 'Expect:'`,
  `curl -s -r 2-4 ${U}/part`,
  `curl -s -C 7 ${U}/part`,
  `curl -sS -C 5 ${U}/hello.txt`,
  `curl -s -u me:secret -A agent -e where -b c=1 -H 'X-Y: z' -H 'Accept:' -H 'X-Empty;' ${U}/said`,
  `curl -s -o /dev/null -w '%{http_code} %{size_download} %{num_connects} %{content_type} %{url_effective} %{remote_ip}:%{remote_port} %{http_version} %{method} %{num_redirects} %{exitcode} %{size_header} %{size_request}\\n' ${U}/hello.txt`,
  `curl -s -o /dev/null -w '%{redirect_url} %{response_code} %{nosuch}%%\\n' ${U}/a/b/moved`,
  `curl -sS --resolve lab.example:8000:10.9.0.1 http://lab.example:8000/hello.txt`,
  "curl -sS http://10.9.0.1:8001/",
  "curl -s http://10.9.0.1:8001/",
  "curl -sS ftpx://x/",
  "curl -sS 'http://a b/'",
  `curl -sS -o /no/such/file ${U}/hello.txt`,
  `curl -sS -O ${U}/`,
  "curl",
  "curl -s",
  "curl --foo x",
  "curl -m",
  "curl -m abc http://x",
];

const normal = (text: string): string =>
  text
    .replace(/^(< )?(Date|Last-Modified): .*$/gm, "$1$2: …")
    .replace(/after \d+ (ms|milliseconds)/g, "after … $1")
    // What only a curl with HTTP/2 and DNS of its own says.
    .replace(
      /^\* (Found bundle|Can not multiplex|Hostname .* was found|Added |Mark bundle|Switch to GET|We are completely|Please rewind).*\n/gm,
      "",
    );

describe("curl beside Debian's", { skip: prerequisites("curl", "python3") }, () => {
  const net = new RealNet();
  const dir = mkdtempSync(join(tmpdir(), "skb-curl-"));
  let ns: string;
  before(async () => {
    ns = net.ns("k");
    mkdirSync(join(dir, "www"));
    writeFileSync(join(dir, "www/hello.txt"), "hello\n");
    writeFileSync(join(dir, "server.py"), SERVER);
    await net.ok(
      ns,
      "ip link set lo up; ip tuntap add dev tap0 mode tap; ip addr add 10.9.0.1/24 dev tap0; ip link set tap0 up",
    );
    net.spawn(ns, ["sh", "-c", `cd ${dir}/www && exec python3 ../server.py`]);
    await net.ok(ns, "for i in $(seq 50); do curl -s http://10.9.0.1:8000/hello.txt && break; sleep 0.1; done");
  });
  after(async () => {
    await net.end();
    rmSync(dir, { recursive: true });
  });
  test("the same output, messages and exit codes", { timeout: 120_000 }, async () => {
    const script = COMMANDS.map((c) => `{ ${c}; } 2>&1; s=$?; echo; echo "=> $s"`).join("\n");
    const real = (await net.ok(ns, script)).split(/^=> /m);
    assert.equal(real.length, COMMANDS.length + 1);
    const host = await net.hostExec(ns, ["--tap", "tap0", "--ip", "10.9.0.2/24"], script);
    const ours = host.out.split(/^=> /m);
    COMMANDS.forEach((c, i) => {
      // The status stands before the next one's output.
      const of = (all: string[]): string => `${all[i]!.replace(/^\d+\n/, "")}=> ${/^\d+/.exec(all[i + 1] ?? "")?.[0]}`;
      assert.equal(normal(of(ours)), normal(of(real)), c);
    });
  });
});
