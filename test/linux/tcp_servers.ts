// A machine of ours on a TAP with servers from npm and Node over its sockets, for tcp_programs.test.ts:
// `tcp_servers.ts TAP CIDR PEER virtio|igb`. Relays go to services of the kernel at PEER. Prints "ready"; a line of JSON is a
// client's job, its answer is one line of JSON.

import { createCipheriv, createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import tls from "node:tls";
import { request, Agent as UndiciAgent } from "undici";
import { createMachine } from "../../src/api/node.ts";
import { NodePlatform, openTap } from "../../src/arch/node/index.ts";
import { type Loose, over } from "../lib/over.ts";
import { cert, key } from "../selftests/api/pem.ts";

const [name, cidr, peer, model] = process.argv.slice(2) as [string, string, string, "virtio" | "igb"];
const platform = new NodePlatform();
const tap = openTap(platform, { name, up: false, vnet: model === "virtio" });
const machine = createMachine({
  host: platform,
  hostname: "servers",
  nics: [{ mac: "02:00:00:00:00:02", port: tap, ip: cidr, model }],
});
machine.kernel.on_bug = (error) => process.stderr.write(`BUG ${(error as Error).stack}\n`);
const sha = (b: Uint8Array): string => createHash("sha256").update(b).digest("hex");

/** 4 MB that no compression and no mistake leaves as they are. */
const BIG = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(4 << 20));

type Response = http.ServerResponse | http2.Http2ServerResponse;
function handler(req: http.IncomingMessage | http2.Http2ServerRequest, res: Response): void {
  const out = res as http.ServerResponse;
  if (req.method === "POST" || req.method === "PUT") {
    const hash = createHash("sha256");
    let bytes = 0;
    req.on("data", (d: Buffer) => {
      hash.update(d);
      bytes += d.length;
    });
    req.on("end", () => out.end(`${bytes} ${hash.digest("hex")}\n`));
    return;
  }
  if (req.url !== "/big") {
    out.end("hello\n");
    return;
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(String(req.headers.range ?? ""));
  out.setHeader("accept-ranges", "bytes");
  if (range === null) {
    out.setHeader("content-length", BIG.length);
    out.end(BIG);
    return;
  }
  const from = Number(range[1]);
  const to = range[2] === "" ? BIG.length - 1 : Number(range[2]);
  out.writeHead(206, { "content-range": `bytes ${from}-${to}/${BIG.length}`, "content-length": to - from + 1 });
  out.end(BIG.subarray(from, to + 1));
}

const web = http.createServer(handler);
const web2 = http2.createServer(handler as never);
const webTls = http2.createSecureServer({ key, cert, allowHTTP1: true }, handler as never);
/** Listens on a port of the machine. */
async function listen(port: number, connected: (socket: Duplex) => void): Promise<void> {
  const l = machine.net.createServer({ allowHalfOpen: true }, (s) => {
    s.on("error", () => {});
    connected(s as unknown as Duplex);
  });
  l.listen(port);
  await once(l, "listening");
}

/** A port that leads to a service of the kernel. */
function relay(port: number, to: number): Promise<void> {
  return listen(port, (client) => {
    const server = machine.net.connect({ host: peer, port: to, allowHalfOpen: true }) as unknown as Duplex;
    server.on("error", () => client.destroy());
    pipeline(client, server, client).catch(() => {});
  });
}

await tap.ready();
await machine.ready();
await listen(80, (s) => web.emit("connection", s));
await listen(8080, (s) => web2.emit("connection", s));
await listen(443, (s) => webTls.emit("connection", s));
await listen(7, (s) => s.pipe(s));
await relay(2222, 2200);
await relay(6379, 6379);
await relay(8000, 8000);

const o = over({ ftpd: machine });
const { FtpServer } = o.require("ftpd");
const ftp = new FtpServer(cidr.split("/")[0], {
  getInitialCwd: () => "/",
  getRoot: () => process.env.FTP_ROOT,
  pasvPortRangeStart: 1025,
  pasvPortRangeEnd: 1050,
  useWriteFile: false,
  useReadFile: false,
  logLevel: -1,
});
ftp.on("client:connected", (c: Loose) => {
  c.on("command:user", (_user: string, ok: () => void) => ok());
  c.on("command:pass", (_pass: string, ok: (user: string) => void) => ok("lab"));
});
ftp.listen(21);
await once(ftp.server, "listening");

const { PostgresConnection } = o.require("pg-gateway");
/** One table of one column: the text of the query, by the simple protocol. */
function row(sql: string): Buffer {
  const message = (type: string, ...parts: Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    const head = Buffer.alloc(5, type);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const cstr = (s: string): Buffer => Buffer.from(`${s}\0`);
  const i16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
  const i32 = (n: number): Buffer => Buffer.from([n >> 24, n >> 16, n >> 8, n]);
  const text = Buffer.from(sql);
  return Buffer.concat([
    message("T", i16(1), cstr("echo"), i32(0), i16(0), i32(25), i16(-1), i32(-1), i16(0)),
    message("D", i16(1), i32(text.length), text),
    message("C", cstr("SELECT 1")),
    message("Z", Buffer.from("I")),
  ]);
}
await listen(5432, (socket) => {
  const pg = new PostgresConnection(socket, {
    serverVersion: "16.3",
    authMode: "none",
    async onMessage(data: Uint8Array, { isAuthenticated }: { isAuthenticated: boolean }) {
      if (!isAuthenticated || data[0] !== 0x51) return false;
      pg.sendData(row(Buffer.from(data).subarray(5, -1).toString()));
      return true;
    },
  });
});
process.stdout.write("ready\n");

// --- the client's side: Node's http, undici, TLS and HTTP/2 over the machine's sockets, to nginx ---------------------

const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
(agent as unknown as { createConnection: unknown }).createConnection = machine.net.createConnection;
// What node:tls says of Nagle does not get through to a socket that is not Node's own: HTTP/2's window updates would wait.
const plain = (port: number): Duplex => machine.net.connect({ port, host: peer, noDelay: true }) as unknown as Duplex;
const secure = (port: number, protocols: string[]): tls.TLSSocket =>
  tls.connect({
    socket: plain(port) as never,
    ca: cert,
    servername: "skbuff.test",
    ALPNProtocols: protocols,
    checkServerIdentity: () => undefined,
  });
const undici = new UndiciAgent({
  connections: 4,
  connect(options, callback) {
    const s = options.protocol === "https:" ? secure(Number(options.port), ["http/1.1"]) : plain(Number(options.port));
    s.once(options.protocol === "https:" ? "secureConnect" : "connect", () => callback(null, s as never));
    s.once("error", (e) => callback(e, null));
  },
});

interface Job {
  what: "http" | "undici" | "https" | "http2";
  count: number;
  path: string;
  range?: string;
}
interface Done {
  status: number;
  bytes: number;
  sha: string;
  /** The client's: how many connections there were. */
  port: number;
}

async function one(job: Job): Promise<Done> {
  const headers = job.range === undefined ? {} : { range: job.range };
  if (job.what === "http") {
    const req = http.get({ agent, host: peer, port: 8000, path: job.path, headers });
    const [res] = (await once(req, "response")) as [http.IncomingMessage];
    const port = res.socket.localPort!;
    const body = Buffer.concat(await res.toArray());
    return { status: res.statusCode!, bytes: body.length, sha: sha(body), port };
  }
  const origin = job.what === "https" ? `https://${peer}:8443` : `http://${peer}:8000`;
  const res = await request(origin + job.path, { dispatcher: undici, headers });
  const body = Buffer.from(await res.body.arrayBuffer());
  return { status: res.statusCode, bytes: body.length, sha: sha(body), port: 0 };
}

/** All requests at once as streams of one connection. */
async function multiplexed(job: Job): Promise<Done[]> {
  const socket = secure(8443, ["h2"]);
  await once(socket, "secureConnect");
  const session = http2.connect(`https://${peer}:8443`, { createConnection: () => socket });
  const get = async (): Promise<Done> => {
    const stream = session.request({ ":path": job.path });
    const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    const body = Buffer.concat(await stream.toArray());
    return { status: Number(headers[":status"]), bytes: body.length, sha: sha(body), port: 0 };
  };
  const all = await Promise.all(Array.from({ length: job.count }, get));
  session.close();
  return all;
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line) as Job;
  let answer: { done: Done[] } | { error: string };
  try {
    answer = {
      done:
        job.what === "http2"
          ? await multiplexed(job)
          : await Promise.all(Array.from({ length: job.count }, () => one(job))),
    };
  } catch (e) {
    answer = { error: String((e as Error).stack) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
agent.destroy();
await undici.destroy();
o.end();
// Connections say goodbye, frames get to the end of the cable.
await new Promise((resolve) => setTimeout(resolve, 200));
machine.poweroff();
await new Promise((resolve) => setTimeout(resolve, 50));
tap.close();
platform.stop();
const left = Object.entries(machine.live()).filter(([, n]) => n !== 0);
process.stdout.write(`${JSON.stringify({ left, frames: platform.frames.live, bugs: machine.kernel.bugs.length })}\n`);
process.exit(0);
