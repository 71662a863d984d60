// Node's http over two machines: http.Server fed by "connection", http.Agent with createConnection, undici's connect; TLS on top.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import tls from "node:tls";
import { fetch, request, Agent as UndiciAgent } from "undici";
import { WebSocket, WebSocketServer } from "ws";
import type { Machine } from "../../../src/api/node.ts";
import { cert, key } from "./pem.ts";
import { type Duo, duo } from "./rig.ts";

const MB = 1 << 20;

/** An http.Server of Node behind a listener of the machine's. */
async function serve(m: Machine, port: number, handler: http.RequestListener) {
  const server = http.createServer(handler);
  const listener = m.net.createServer((s) => server.emit("connection", s));
  listener.listen(port);
  await once(listener, "listening");
  return {
    server,
    listener,
    async close() {
      server.closeAllConnections();
      listener.close();
      await once(listener, "close");
    },
  };
}

function agentOf(m: Machine, options: http.AgentOptions = {}): http.Agent {
  const agent = new http.Agent({ keepAlive: true, ...options });
  (agent as unknown as { createConnection: unknown }).createConnection = m.net.createConnection;
  return agent;
}

function get(
  agent: http.Agent,
  options: http.RequestOptions,
  body?: Buffer,
): Promise<{ status: number; body: Buffer; reused: boolean }> {
  return new Promise((resolve, reject) => {
    const req = http.request({ agent, host: "10.0.0.2", port: 80, ...options }, (res) => {
      const parts: Buffer[] = [];
      res.on("data", (d: Buffer) => parts.push(d));
      res.on("end", () => resolve({ status: res.statusCode!, body: Buffer.concat(parts), reused: req.reusedSocket }));
      res.on("error", reject);
    });
    req.on("error", reject);
    req.end(body);
  });
}

const sha = (b: Buffer): string => createHash("sha256").update(b).digest("hex");

async function withDuo(fn: (d: Duo) => Promise<void>, ...args: Parameters<typeof duo>): Promise<void> {
  const d = duo(...args);
  try {
    await d.world.until(fn(d), 3600e9);
  } catch (e) {
    d.world.pause();
    d.a.poweroff();
    d.b.poweroff();
    throw e;
  }
  d.end();
}

test("http.Server and http.Agent: keep-alive, one connection for twenty 1 MB bodies both ways", () =>
  withDuo(async ({ a, b }) => {
    const body = Buffer.alloc(MB, "skbuff");
    let connections = 0;
    const s = await serve(b, 80, (req, res) => {
      const parts: Buffer[] = [];
      req.on("data", (d: Buffer) => parts.push(d));
      req.on("end", () => {
        // A server without an address listens on "::", as Node's does on Linux: who comes by IPv4 is a mapped address.
        assert.equal(req.socket.remoteAddress, "::ffff:10.0.0.1");
        res.end(Buffer.concat(parts));
      });
    });
    s.listener.on("connection", () => connections++);
    const agent = agentOf(a, { maxSockets: 1 });
    for (let i = 0; i < 20; i++) {
      const r = await get(agent, { method: "POST", path: `/${i}` }, body);
      assert.equal(r.status, 200);
      assert.equal(sha(r.body), sha(body));
      assert.equal(r.reused, i > 0);
    }
    assert.equal(connections, 1);
    agent.destroy();
    await s.close();
  }));

test("http over a cable that loses 1 % of the frames", () =>
  withDuo(
    async ({ a, b }) => {
      const body = Buffer.alloc(MB, "lossy");
      const s = await serve(b, 80, (_req, res) => res.end(body));
      const agent = agentOf(a);
      const all = await Promise.all(Array.from({ length: 5 }, (_, i) => get(agent, { path: `/${i}` })));
      for (const r of all) assert.equal(sha(r.body), sha(body));
      agent.destroy();
      await s.close();
    },
    { impair: { loss: 0.01 } },
  ));

test("http: a refused connection, a server that hangs up, an idle timeout, an aborted request", () =>
  withDuo(async ({ a, b }) => {
    const agent = agentOf(a, { keepAlive: false });
    await assert.rejects(get(agent, { port: 81 }), {
      code: "ECONNREFUSED",
      syscall: "connect",
      address: "10.0.0.2",
      port: 81,
    });
    const s = await serve(b, 80, (req, res) => {
      if (req.url === "/hangup") res.socket!.destroy();
      else if (req.url === "/reset") (res.socket as unknown as { resetAndDestroy(): void }).resetAndDestroy();
    });
    await assert.rejects(get(agent, { path: "/hangup" }), { code: "ECONNRESET", message: "socket hang up" });
    await assert.rejects(get(agent, { path: "/reset" }), { code: "ECONNRESET" });
    const slow = http.get({ agent, host: "10.0.0.2", path: "/never", timeout: 30_000 });
    const before = performance.now();
    await once(slow, "timeout");
    assert.ok(performance.now() - before < 20_000, "thirty seconds of virtual time");
    slow.destroy();
    await assert.rejects(once(slow, "close"), { code: "ECONNRESET" });
    const ac = new AbortController();
    const aborted = get(agent, { path: "/never", signal: ac.signal });
    setImmediate(() => ac.abort());
    await assert.rejects(aborted, { name: "AbortError" });
    agent.destroy();
    await s.close();
  }));

test("undici: connect over the machine's sockets; fetch and request, chunked and pipelined", () =>
  withDuo(async ({ a, b }) => {
    const s = await serve(b, 80, (req, res) => {
      if (req.url === "/chunks") {
        for (let i = 0; i < 10; i++) res.write(`chunk ${i}\n`);
        res.end();
      } else res.end(JSON.stringify({ url: req.url, host: req.headers.host }));
    });
    b.writeFile("/etc/hosts", "127.0.0.1 localhost\n");
    a.writeFile("/etc/hosts", "127.0.0.1 localhost\n10.0.0.2 www.lab\n");
    const dispatcher = new UndiciAgent({
      connect(options, callback) {
        const socket = a.net.connect({ host: options.hostname, port: Number(options.port) || 80 });
        socket.once("connect", () => callback(null, socket as never)).once("error", (e) => callback(e, null));
        return socket as never;
      },
    });
    const r = await fetch("http://www.lab/a", { dispatcher });
    assert.deepEqual(await r.json(), { url: "/a", host: "www.lab" });
    const c = await request("http://10.0.0.2/chunks", { dispatcher });
    assert.equal(await c.body.text(), Array.from({ length: 10 }, (_, i) => `chunk ${i}\n`).join(""));
    await dispatcher.destroy();
    await s.close();
  }));

test("ws: upgrade, text and binary frames, ping, close code", () =>
  withDuo(async ({ a, b }) => {
    const s = await serve(b, 80, (_req, res) => res.writeHead(426).end());
    const wss = new WebSocketServer({ server: s.server });
    wss.on("connection", (ws) => {
      ws.on("message", (data, binary) => ws.send(data, { binary }));
    });
    const ws = new WebSocket("ws://10.0.0.2/x", { createConnection: a.net.createConnection as never });
    await once(ws, "open");
    ws.send("hello");
    assert.equal(String((await once(ws, "message"))[0]), "hello");
    const big = Buffer.alloc(MB, 7);
    ws.send(big);
    assert.deepEqual((await once(ws, "message"))[0], big);
    ws.ping("p");
    assert.equal(String((await once(ws, "pong"))[0]), "p");
    ws.close(4001, "done");
    const [code] = await once(ws, "close");
    assert.equal(code, 4001);
    wss.close();
    await s.close();
  }));

test("TLS of node:tls on both sides, and https-like http over it", () =>
  withDuo(async ({ a, b }) => {
    const server = http.createServer((_req, res) => res.end("secret"));
    const listener = b.net.createServer((raw) => {
      const secure = new tls.TLSSocket(raw as unknown as never, { isServer: true, key, cert });
      secure.on("error", () => {});
      server.emit("connection", secure);
    });
    listener.listen(443);
    await once(listener, "listening");
    const connect = (): Duplex =>
      tls.connect({ socket: a.net.connect(443, "10.0.0.2") as never, ca: cert, servername: "skbuff.test" });
    const one = connect() as tls.TLSSocket;
    await once(one, "secureConnect");
    assert.equal(one.authorized, true);
    assert.match(one.getProtocol()!, /TLSv1\.[23]/);
    one.destroy();
    const agent = new http.Agent();
    (agent as unknown as { createConnection: unknown }).createConnection = connect;
    const r = await get(agent, { port: 443 });
    assert.equal(String(r.body), "secret");
    agent.destroy();
    server.closeAllConnections();
    listener.close();
    await once(listener, "close");
  }));
