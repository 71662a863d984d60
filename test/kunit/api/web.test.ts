// machine.web: connect() of the WinterTC Sockets API and TCPSocket, TCPServerSocket, UDPSocket of Direct Sockets, between two
// machines in virtual time. Read first: https://sockets-api.proposal.wintertc.org/, https://wicg.github.io/direct-sockets/.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SocketError, type TCPSocket } from "../../../src/api/web/index.ts";
import { type Duo, duo } from "../../selftests/api/rig.ts";

const text = (b: Uint8Array): string => new TextDecoder().decode(b);
/** Of a NetworkError: the errno that it came from. */
const caused =
  (code: string) =>
  (e: DOMException): boolean => {
    assert.deepEqual([e.name, (e as DOMException & { cause: { code: string } }).cause.code], ["NetworkError", code]);
    return true;
  };
const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const c of stream as unknown as AsyncIterable<Uint8Array>) parts.push(c);
  return Buffer.concat(parts);
}

/** A scenario on two machines; both must be clean afterwards. */
function scene(name: string, fn: (d: Duo) => Promise<void>): void {
  test(name, async () => {
    const d = duo();
    await fn(d);
    d.end();
  });
}

/** A TCPServerSocket on b and what accepts from it. */
async function listener(d: Duo, port: number): Promise<{ accept(): Promise<TCPSocket>; end(): Promise<unknown> }> {
  const server = new d.b.web.TCPServerSocket("0.0.0.0", { localPort: port });
  const { readable } = await server.opened;
  const reader = readable.getReader();
  return {
    accept: async () => (await reader.read()).value!,
    end: () => {
      reader.releaseLock();
      return server.close();
    },
  };
}

scene("TCPSocket and TCPServerSocket: addresses, bytes each way, FIN, closed", async (d) => {
  const server = new d.b.web.TCPServerSocket("0.0.0.0", { localPort: 7 });
  const listening = await server.opened;
  assert.equal(listening.localAddress, "0.0.0.0");
  assert.equal(listening.localPort, 7);
  const accepting = listening.readable.getReader();
  const client = new d.a.web.TCPSocket("10.0.0.2", 7, {
    noDelay: true,
    keepAliveDelay: 5000,
    sendBufferSize: 100_000,
    receiveBufferSize: 100_000,
    dnsQueryType: "ipv4",
  });
  assert(client instanceof d.a.web.TCPSocket);
  const [{ value: accepted }, info] = await Promise.all([accepting.read(), client.opened]);
  assert(accepted instanceof d.b.web.TCPSocket);
  const peer = await accepted.opened;
  assert.deepEqual([info.remoteAddress, info.remotePort, info.localAddress], ["10.0.0.2", 7, "10.0.0.1"]);
  assert.deepEqual([peer.remoteAddress, peer.remotePort, peer.localPort], ["10.0.0.1", info.localPort, 7]);
  const echo = peer.readable.pipeTo(peer.writable);
  const writer = info.writable.getWriter();
  const big = Uint8Array.from({ length: 300_000 }, (_, i) => i);
  const sent = (async () => {
    await writer.write(bytes("hello "));
    await writer.write(bytes("x").buffer);
    await writer.write(new DataView(big.buffer));
    await writer.close();
  })();
  const back = await readAll(info.readable);
  await sent;
  await echo;
  assert.equal(text(back.subarray(0, 7)), "hello x");
  assert.deepEqual(Buffer.compare(back.subarray(7), big), 0);
  assert.equal(await client.closed, undefined);
  assert.equal(await accepted.closed, undefined);
  accepting.releaseLock();
  assert.equal(await server.close(), undefined);
  assert.equal(await server.closed, undefined);
});

scene("a BYOB reader gets the bytes in the buffer that it brought", async (d) => {
  const l = await listener(d, 9);
  const client = new d.a.web.TCPSocket("10.0.0.2", 9);
  const peer = await (await l.accept()).opened;
  const { readable, writable } = await client.opened;
  const w = peer.writable.getWriter();
  await w.write(bytes("abcdef"));
  const reader = readable.getReader({ mode: "byob" });
  const first = await reader.read(new Uint8Array(new ArrayBuffer(16), 4, 4));
  assert.equal(text(first.value!), "abcd");
  assert.deepEqual([first.value!.byteOffset, first.value!.buffer.byteLength], [4, 16]);
  assert.equal(text((await reader.read(new Uint8Array(first.value!.buffer))).value!), "ef");
  // What is asked for before it comes.
  const later = reader.read(new Uint8Array(8));
  await w.write(bytes("gh"));
  assert.equal(text((await later).value!), "gh");
  await w.close();
  const end = await reader.read(new Uint8Array(8));
  assert.deepEqual([end.done, end.value!.byteLength], [true, 0]);
  reader.releaseLock();
  await writable.close();
  await readAll(peer.readable);
  await client.closed;
  await l.end();
});

scene("options of a TCPSocket reach the kernel", async (d) => {
  const l = await listener(d, 9);
  const client = new d.a.web.TCPSocket("10.0.0.2", 9, { noDelay: true, keepAliveDelay: 7000, sendBufferSize: 50_000 });
  await client.opened;
  const peer = await l.accept();
  const fd = [...d.a.init.files.fd.keys()].find((i) => d.a.init.files.fd[i] !== null && i >= 0)!;
  const value = (level: number, name: number): number => {
    const out = new Uint8Array(4);
    assert(d.a.sys.getsockopt(fd, level, name, out) >= 0);
    return new DataView(out.buffer).getInt32(0, true);
  };
  // TCP_NODELAY, SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, SO_SNDBUF (socket(7): the kernel doubles it).
  assert.deepEqual([value(6, 1), value(1, 9), value(6, 4), value(6, 5), value(1, 7)], [1, 1, 7, 7, 100_000]);
  await client.close();
  await peer.close();
  await l.end();
});

scene("what Direct Sockets refuse: TypeError for arguments, NetworkError from the network", async (d) => {
  const { TCPSocket, TCPServerSocket, UDPSocket } = d.a.web as unknown as Record<
    string,
    new (
      ...args: unknown[]
    ) => TCPSocket
  >;
  const bad: [string, () => unknown][] = [
    ["no port", () => new TCPSocket!("10.0.0.2")],
    ["port", () => new TCPSocket!("10.0.0.2", 70_000)],
    ["port text", () => new TCPSocket!("10.0.0.2", "x")],
    ["keepAliveDelay", () => new TCPSocket!("10.0.0.2", 1, { keepAliveDelay: 999 })],
    ["sendBufferSize", () => new TCPSocket!("10.0.0.2", 1, { sendBufferSize: 0 })],
    ["receiveBufferSize", () => new TCPSocket!("10.0.0.2", 1, { receiveBufferSize: -1 })],
    ["dnsQueryType", () => new TCPSocket!("10.0.0.2", 1, { dnsQueryType: "any" })],
    ["no address", () => new TCPServerSocket!()],
    ["backlog", () => new TCPServerSocket!("0.0.0.0", { backlog: 0 })],
    ["localAddress", () => new TCPServerSocket!("localhost")],
    ["localPort 0", () => new TCPServerSocket!("0.0.0.0", { localPort: 0 })],
    ["localPort", () => new TCPServerSocket!("0.0.0.0", { localPort: 65_536 })],
    ["ipv6Only", () => new TCPServerSocket!("0.0.0.0", { ipv6Only: true })],
    ["udp nothing", () => new UDPSocket!()],
    ["udp empty", () => new UDPSocket!({})],
    ["udp half a remote", () => new UDPSocket!({ remoteAddress: "10.0.0.2" })],
    ["udp both", () => new UDPSocket!({ remoteAddress: "10.0.0.2", remotePort: 1, localAddress: "0.0.0.0" })],
    ["udp localPort alone", () => new UDPSocket!({ localPort: 5 })],
    ["udp localAddress", () => new UDPSocket!({ localAddress: "localhost" })],
    ["udp localPort 0", () => new UDPSocket!({ localAddress: "0.0.0.0", localPort: 0 })],
    ["udp port 0", () => new UDPSocket!({ remoteAddress: "10.0.0.2", remotePort: 0 })],
  ];
  for (const [name, fn] of bad) assert.throws(fn, TypeError, name);

  const refused = new d.a.web.TCPSocket("10.0.0.2", 81);
  await assert.rejects(refused.close(), { name: "InvalidStateError" });
  await assert.rejects(refused.opened, DOMException);
  await assert.rejects(refused.opened, caused("ECONNREFUSED"));
  await assert.rejects(refused.closed, { name: "NetworkError" });
  await assert.rejects(new d.a.web.TCPSocket("nobody.invalid", 81).opened, { name: "NetworkError" });
  const one = new d.b.web.TCPServerSocket("0.0.0.0", { localPort: 5 });
  await one.opened;
  const two = new d.b.web.TCPServerSocket("0.0.0.0", { localPort: 5 });
  await assert.rejects(two.opened, caused("EADDRINUSE"));
  await assert.rejects(two.closed, { name: "NetworkError" });
  await one.close();
});

scene("close() of a TCPSocket: not while a stream is locked; a reset breaks streams and closed", async (d) => {
  const l = await listener(d, 9);
  const client = new d.a.web.TCPSocket("10.0.0.2", 9);
  const { readable, writable } = await client.opened;
  const peer = await l.accept();
  const { readable: there } = await peer.opened;
  const reader = readable.getReader();
  await assert.rejects(client.close(), { name: "InvalidStateError" });
  reader.releaseLock();
  const writer = writable.getWriter();
  await assert.rejects(client.close(), { name: "InvalidStateError" });
  await writer.write(bytes("never read"));
  await d.world.until(new Promise((r) => setImmediate(r)));
  d.world.run(10e6);
  // close(2) with bytes that nobody read answers with RST.
  await peer.close();
  assert.equal(there.locked, false);
  await assert.rejects(readable.getReader().read(), { name: "NetworkError" });
  await assert.rejects(writer.closed, { name: "NetworkError" });
  await assert.rejects(client.closed, caused("ECONNRESET"));
  await l.end();
});

scene("backpressure: a reader that does not read stops the writer, and nothing is lost", async (d) => {
  const l = await listener(d, 9);
  const client = new d.a.web.TCPSocket("10.0.0.2", 9);
  const { readable, writable } = await client.opened;
  const peer = await l.accept();
  const there = await peer.opened;
  const writer = writable.getWriter();
  const block = new Uint8Array(65_536).fill(7);
  let written = 0;
  const writing = (async () => {
    for (; written < 200; written++) await writer.write(block);
    await writer.close();
  })();
  d.world.pause();
  for (let i = 0; i < 200; i++) {
    d.world.run(10e6);
    await new Promise((r) => setImmediate(r));
  }
  assert(written > 1 && written < 100, `${written} blocks of 64 kB written without a reader`);
  d.world.play();
  const got = await readAll(there.readable);
  await writing;
  assert.equal(got.length, 200 * 65_536);
  assert(got.every((b) => b === 7));
  await there.writable.close();
  await readAll(readable);
  await Promise.all([client.closed, peer.closed]);
  await l.end();
});

scene("UDPSocket: bound and connected, and who may name a peer", async (d) => {
  const bound = new d.b.web.UDPSocket({ localAddress: "0.0.0.0", localPort: 53 });
  const b = await bound.opened;
  assert.deepEqual([b.localAddress, b.localPort, b.remoteAddress], ["0.0.0.0", 53, undefined]);
  const connected = new d.a.web.UDPSocket({ remoteAddress: "10.0.0.2", remotePort: 53 });
  const a = await connected.opened;
  assert.deepEqual([a.remoteAddress, a.remotePort, a.localAddress], ["10.0.0.2", 53, "10.0.0.1"]);
  const out = a.writable.getWriter();
  await out.write({ data: bytes("question") });
  const at = b.readable.getReader();
  const got = (await at.read()).value!;
  assert.deepEqual([text(got.data), got.remoteAddress, got.remotePort], ["question", "10.0.0.1", a.localPort]);
  const back = b.writable.getWriter();
  await back.write({ data: bytes("answer").buffer as ArrayBuffer, remoteAddress: "10.0.0.1", remotePort: a.localPort });
  const reader = a.readable.getReader();
  const answer = (await reader.read()).value!;
  assert.deepEqual([text(answer.data), answer.remoteAddress], ["answer", undefined]);
  await assert.rejects(back.write({ data: bytes("to whom?") }), TypeError);
  await assert.rejects(out.write({ data: bytes("x"), remoteAddress: "10.0.0.2", remotePort: 9 }), TypeError);
  for (const r of [at, back, reader, out]) r.releaseLock();
  await Promise.all([bound.close(), connected.close()]);
  await Promise.all([bound.closed, connected.closed]);
});

scene("UDPSocket: port unreachable breaks a connected one; multicast reaches who joined", async (d) => {
  const c = new d.a.web.UDPSocket({ remoteAddress: "10.0.0.2", remotePort: 5353 });
  const { readable, writable } = await c.opened;
  const reading = readable.getReader().read();
  await writable.getWriter().write({ data: bytes("?") });
  await assert.rejects(reading, caused("ECONNREFUSED"));
  await assert.rejects(c.closed, { name: "NetworkError" });

  const group = new d.b.web.UDPSocket({ localAddress: "0.0.0.0", localPort: 5353, multicastAllowAddressSharing: true });
  const g = await group.opened;
  // ip(7): the interface follows from the route to the group.
  assert.equal(d.world.wait(d.b.exec("ip route add 224.0.0.0/4 dev eth0")), 0);
  assert.equal(d.world.wait(d.a.exec("ip route add 224.0.0.0/4 dev eth0")), 0);
  await g.multicastController!.joinGroup("239.1.2.3");
  assert.deepEqual(g.multicastController!.joinedGroups, ["239.1.2.3"]);
  await assert.rejects(g.multicastController!.joinGroup("239.1.2.3"), { name: "InvalidStateError" });
  const s = new d.a.web.UDPSocket({ remoteAddress: "239.1.2.3", remotePort: 5353, multicastTimeToLive: 1 });
  const w = (await s.opened).writable.getWriter();
  await w.write({ data: bytes("all") });
  const r = g.readable.getReader();
  assert.equal(text((await r.read()).value!.data), "all");
  await g.multicastController!.leaveGroup("239.1.2.3");
  w.releaseLock();
  r.releaseLock();
  await Promise.all([group.close(), s.close()]);
});

// --- connect() of the Sockets API ---------------------------------------------------------------------------------

scene("connect(): streams before it stands, opened, text, half-open, closed", async (d) => {
  const l = await listener(d, 80);
  d.a.writeFile("/etc/hosts", "127.0.0.1 localhost\n10.0.0.2 server.test\n");
  const socket = d.a.web.connect("server.test:80", { allowHalfOpen: true });
  assert.deepEqual([socket.upgraded, socket.secureTransport], [false, "off"]);
  const writer = socket.writable.getWriter();
  const early = writer.write("GET / HTTP/1.0\r\n\r\n");
  const peer = await (await l.accept()).opened;
  await early;
  const info = await socket.opened;
  assert.equal(info.remoteAddress, "10.0.0.2:80");
  assert.match(info.localAddress!, /^10\.0\.0\.1:\d+$/);
  assert.equal(info.alpn, null);
  const at = peer.readable.getReader();
  assert.equal(text((await at.read()).value!), "GET / HTTP/1.0\r\n\r\n");
  const out = peer.writable.getWriter();
  await out.write(bytes("first"));
  await out.close();
  assert.equal(text(await readAll(socket.readable)), "first");
  // Half open: the peer has ended, we have not.
  await writer.write(bytes("still here"));
  assert.equal(text((await at.read()).value!), "still here");
  await writer.close();
  assert.equal(await socket.closed, undefined);
  assert.equal((await at.read()).done, true);
  await l.end();
});

scene("connect(): without allowHalfOpen the peer's FIN ends the socket, locked writer or not", async (d) => {
  const l = await listener(d, 80);
  for (const locked of [false, true]) {
    const socket = d.a.web.connect({ hostname: "10.0.0.2", port: 80 });
    const peer = await (await l.accept()).opened;
    await socket.opened;
    const writer = locked ? socket.writable.getWriter() : null;
    await peer.writable.close();
    assert.equal((await readAll(socket.readable)).length, 0);
    assert.equal(await socket.closed, undefined);
    if (writer === null) await socket.writable.getWriter().closed;
    else await assert.rejects(writer.write("x"), { message: /^SocketError: the other side has closed/ });
    // The other side saw our FIN.
    assert.equal((await readAll(peer.readable)).length, 0);
  }
  await l.end();
});

scene("connect(): close() ends readers, aborts writers, and may come before it stands", async (d) => {
  const l = await listener(d, 80);
  const socket = d.a.web.connect("10.0.0.2:80");
  const peer = await (await l.accept()).opened;
  await socket.opened;
  const reader = socket.readable.getReader();
  const reading = reader.read();
  const writer = socket.writable.getWriter();
  await writer.write("sent before");
  const closed = socket.close();
  assert.equal(closed, socket.closed);
  assert.equal(socket.close(), closed);
  assert.equal((await reading).done, true);
  await assert.rejects(writer.write("late"), { message: "SocketError: the socket is closed" });
  await closed;
  assert.equal(text(await readAll(peer.readable)), "sent before");
  await peer.writable.close().catch(() => {});

  const early = d.a.web.connect("10.0.0.2:80");
  const reason = new Error("changed my mind");
  await early.close(reason);
  await assert.rejects(early.opened, reason);
  await l.end();
});

scene("connect(): SocketError", async (d) => {
  const { connect } = d.a.web;
  const bad: [string, () => unknown][] = [
    ["no port", () => connect("10.0.0.2")],
    ["port 0", () => connect("10.0.0.2:0")],
    ["port too big", () => connect("10.0.0.2:70000")],
    ["port text", () => connect({ hostname: "a", port: "http" as never })],
    ["no hostname", () => connect({ port: 80 } as never)],
    ["a number", () => connect(80 as never)],
    ["a URL", () => connect("http://10.0.0.2:80")],
    ["TLS", () => connect("10.0.0.2:80", { secureTransport: "on" })],
    ["alpn in the clear", () => connect("10.0.0.2:80", { alpn: ["h2"] })],
  ];
  for (const [name, fn] of bad) {
    assert.throws(
      fn,
      (e: Error) => {
        assert(e instanceof SocketError && e instanceof TypeError, name);
        assert.match(e.message, /^SocketError: /, name);
        return true;
      },
      name,
    );
  }
  assert.throws(() => connect("10.0.0.2:80", { secureTransport: "maybe" as never }), TypeError);
  const socket = connect("10.0.0.2:81");
  const refused = { message: "SocketError: connect 10.0.0.2:81 ECONNREFUSED: Connection refused" };
  await assert.rejects(socket.opened, refused);
  await assert.rejects(socket.closed, refused);
  await assert.rejects(socket.readable.getReader().read(), refused);
  await assert.rejects(socket.writable.getWriter().write("x"), refused);
  assert.throws(() => socket.startTls(), SocketError);
});

scene("a machine that is switched off breaks what its sockets wait for", async (d) => {
  const l = await listener(d, 80);
  const tcp = d.a.web.connect("10.0.0.2:80");
  await tcp.opened;
  const peer = await l.accept();
  const udp = new d.a.web.UDPSocket({ localAddress: "0.0.0.0" });
  const u = await udp.opened;
  const reading = tcp.readable.getReader().read();
  const receiving = u.readable.getReader().read();
  d.a.poweroff();
  await assert.rejects(reading, SocketError);
  await assert.rejects(receiving, { name: "NetworkError" });
  await peer.close();
  await l.end();
});
