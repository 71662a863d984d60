// What bundle.test.ts runs in a browser, and in Node from the same bundle: two machines, a router's worth of sockets between them.
// Way in: run(), which returns what it saw.

import { createWorld, type Machine, SocketError } from "../../../src/api/index.ts";
import type { TCPSocket } from "../../../src/api/web/index.ts";

export interface Seen {
  tcp: string;
  hash: number;
  byob: string;
  udp: string;
  named: string;
  refused: string;
  ping: string;
  virtual_ms: number;
  bugs: number;
  live: Record<string, number>;
}

const text = (b: Uint8Array): string => new TextDecoder().decode(b);
const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);

/** FNV-1a. */
function hashOf(parts: readonly Uint8Array[]): number {
  let h = 0x811c9dc5;
  for (const p of parts) for (const b of p) h = Math.imul(h ^ b, 0x01000193);
  return h >>> 0;
}

async function echo(socket: TCPSocket): Promise<void> {
  const { readable, writable } = await socket.opened;
  await readable.pipeTo(writable);
}

async function talk(a: Machine, b: Machine): Promise<Omit<Seen, "ping" | "virtual_ms" | "bugs" | "live">> {
  const server = new b.web.TCPServerSocket("0.0.0.0", { localPort: 7 });
  const accepting = (await server.opened).readable.getReader();
  const echoes: Promise<void>[] = [];
  const serving = (async () => {
    for (;;) {
      const { value, done } = await accepting.read();
      if (done) return;
      echoes.push(echo(value));
    }
  })();

  // 1 MB there and back, by both kinds of API.
  const big = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 7) ^ (i >> 8));
  const socket = a.web.connect("server.test:7", { allowHalfOpen: true });
  const info = await socket.opened;
  const writer = socket.writable.getWriter();
  const sending = writer.write(big).then(() => writer.close());
  const parts: Uint8Array[] = [];
  const reader = socket.readable.getReader();
  for (let r = await reader.read(); !r.done; r = await reader.read()) parts.push(r.value);
  await sending;
  await socket.closed;
  const same = hashOf(parts) === hashOf([big]);

  const tcp = new a.web.TCPSocket("10.0.0.2", 7, { noDelay: true });
  const open = await tcp.opened;
  const out = open.writable.getWriter();
  await out.write(bytes("byob"));
  const into = await open.readable.getReader({ mode: "byob" }).read(new Uint8Array(16));
  await out.close();
  await Promise.all(echoes);

  const bound = new b.web.UDPSocket({ localAddress: "0.0.0.0", localPort: 53 });
  const there = await bound.opened;
  const asks = new a.web.UDPSocket({ remoteAddress: "10.0.0.2", remotePort: 53 });
  const here = await asks.opened;
  await here.writable.getWriter().write({ data: bytes("datagram") });
  const got = (await there.readable.getReader().read()).value!;

  const refused = await a.web.connect("10.0.0.2:81").opened.then(
    () => "connected",
    (e: Error) => `${e instanceof SocketError} ${e.message}`,
  );
  return {
    tcp: same ? "1 MB intact" : "corrupt",
    hash: hashOf([big]),
    byob: text(into.value!),
    udp: `${text(got.data)} from ${got.remoteAddress}`,
    named: String(info.remoteAddress),
    refused,
    // The server waits for its next connection until it is switched off.
    ...(await Promise.race([serving.then(() => ({})), Promise.resolve({})])),
  };
}

export async function run(): Promise<Seen> {
  const world = createWorld({ seed: 1 });
  const a = world.createMachine({ hostname: "a", nics: [{ ip: "10.0.0.1/24" }] });
  const b = world.createMachine({ hostname: "b", nics: [{ ip: "10.0.0.2/24" }] });
  world.connect(a.nics[0]!, b.nics[0]!, { rate: 1e9, delay_ns: 1e6, impair: { loss: 0.01 } });
  a.writeFile("/etc/hosts", "127.0.0.1 localhost\n10.0.0.2 server.test\n");
  await world.until(Promise.all([a.ready(), b.ready()]), 10e9);
  let printed = "";
  const decoder = new TextDecoder();
  const ping = a.exec("ping -c 2 server.test", { stdout: (chunk) => (printed += decoder.decode(chunk)) });
  await world.until(ping.exited, 20e9);
  const seen = await world.until(talk(a, b), 60e9);
  const virtual_ms = Math.round(world.now / 1e6);
  for (const m of [a, b]) m.poweroff();
  return {
    ...seen,
    ping: /\d received/.exec(printed)?.[0] ?? printed,
    virtual_ms,
    bugs: a.kernel.bugs.length + b.kernel.bugs.length,
    live: a.live(),
  };
}
