// examples/http runs from the built package and ends by itself with status 0.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

test("examples/http: 200 requests of 1 MB, keep-alive, a lossy cable, a refused connection", () => {
  const r = spawnSync(process.execPath, ["examples/http/http.mjs"], { cwd: root, encoding: "utf8", timeout: 300_000 });
  assert.equal(r.status, 0, r.stdout + r.stderr);
  assert.match(
    r.stdout,
    /^200 of 200 requests arrived intact, [\d.]+ MB\/s of virtual time\nconnect ECONNREFUSED 10\.0\.0\.2:81\n/,
  );
});

test("examples/library/web-streams: bytes there and back on web streams", () => {
  const r = spawnSync(process.execPath, ["examples/library/web-streams.mjs"], {
    cwd: root,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.deepEqual([r.stdout, r.status], ["hello\n", 0], r.stderr);
});

test("Node ends when the last socket has: neither TIME_WAIT nor what is unref'd holds it", () => {
  const program = `
    import { createMachine } from "skbuff";
    import { NodePlatform } from "skbuff/node";
    const { net, dgram } = createMachine({ host: new NodePlatform() });
    const idle = net.createServer().listen(0, () => idle.unref());
    dgram.createSocket("udp4").bind(0).unref();
    const server = net.createServer((s) => s.end("bye")).listen(0, "127.0.0.1", () => {
      const c = net.connect(server.address().port, "127.0.0.1");
      c.on("data", (d) => console.log(String(d)));
      c.on("close", () => server.close(() => console.log("closed")));
    });`;
  const r = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: root,
    encoding: "utf8",
    timeout: 40_000,
  });
  assert.equal(r.stdout, "bye\nclosed\n", r.stderr);
  assert.equal(r.status, 0);
});
