// npm packages, unchanged, over two machines: what they require as net, dgram and dns is a machine's (test/lib/over.ts).

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { type Loose, over } from "../../lib/over.ts";
import { type Duo, duo } from "./rig.ts";

async function withDuo(
  packages: { a: string[]; b: string[] },
  fn: (d: Duo, require: (id: string) => Loose) => Promise<void>,
) {
  // These programs also use timers of Node's.
  const d = duo({}, 1, { speed: 20 });
  const o = over(Object.fromEntries([...packages.a.map((p) => [p, d.a]), ...packages.b.map((p) => [p, d.b])]));
  try {
    await d.world.until(fn(d, o.require), 3600e9);
  } catch (e) {
    d.world.pause();
    d.a.poweroff();
    d.b.poweroff();
    throw e;
  } finally {
    o.end();
  }
  d.end();
}

test("nodemailer delivers to smtp-server: a message of 200 kB, and a refused recipient", () =>
  withDuo({ a: ["nodemailer"], b: ["smtp-server"] }, async ({ a }, require) => {
    a.writeFile("/etc/hosts", "127.0.0.1 localhost\n10.0.0.2 mail.lab\n");
    const { SMTPServer } = require("smtp-server");
    const got: { from: string; to: string[]; text: string }[] = [];
    const server = new SMTPServer({
      disabledCommands: ["STARTTLS", "AUTH"],
      disableReverseLookup: true,
      onRcptTo(address: { address: string }, _session: unknown, cb: (e?: Error) => void) {
        cb(address.address.startsWith("nobody") ? new Error("no such user") : undefined);
      },
      async onData(stream: Readable, session: Loose, cb: (e?: Error) => void) {
        const text = String(await buffer(stream));
        got.push({
          from: session.envelope.mailFrom.address,
          to: session.envelope.rcptTo.map((r: { address: string }) => r.address),
          text,
        });
        cb();
      },
    });
    server.listen(25);
    await once(server.server, "listening");
    const mail = require("nodemailer").createTransport({ host: "mail.lab", port: 25, secure: false, ignoreTLS: true });
    const text = "line of text\n".repeat(16000);
    const info = await mail.sendMail({ from: "a@lab", to: "b@lab", subject: "hi", text });
    assert.deepEqual(info.accepted, ["b@lab"]);
    assert.equal(got[0]?.from, "a@lab");
    assert.deepEqual(got[0]?.to, ["b@lab"]);
    assert.ok(got[0]!.text.length > 200_000);
    await assert.rejects(mail.sendMail({ from: "a@lab", to: "nobody@lab", text: "x" }), { responseCode: 550 });
    mail.close();
    await new Promise<void>((r) => server.close(() => r()));
  }));

test("basic-ftp and ftpd: login, list, upload and download in passive mode", () =>
  withDuo({ a: ["basic-ftp"], b: ["ftpd"] }, async (_d, require) => {
    const root = mkdtempSync(join(tmpdir(), "ftp-"));
    try {
      writeFileSync(join(root, "small.txt"), "from the server");
      const { FtpServer } = require("ftpd");
      const server = new FtpServer("10.0.0.2", {
        getInitialCwd: () => "/",
        getRoot: () => root,
        pasvPortRangeStart: 1025,
        pasvPortRangeEnd: 1050,
        useWriteFile: false,
        useReadFile: false,
        logLevel: -1,
      });
      server.on("client:connected", (c: Loose) => {
        c.on("command:user", (user: string, ok: () => void, no: () => void) => (user === "lab" ? ok() : no()));
        c.on("command:pass", (_pass: string, ok: (user: string) => void) => ok("lab"));
      });
      server.listen(21);
      await once(server.server, "listening");
      const { Client } = require("basic-ftp");
      const client = new Client();
      await client.access({ host: "10.0.0.2", user: "lab", password: "x" });
      assert.equal(await client.pwd(), "/");
      const names = (await client.list()).map((f: { name: string }) => f.name);
      assert.deepEqual(names, ["small.txt"]);
      const big = Buffer.alloc(300_000, "ftp");
      await client.uploadFrom(Readable.from([big]), "big.bin");
      assert.deepEqual(readFileSync(join(root, "big.bin")), big);
      const parts: Buffer[] = [];
      const sink = new Writable({
        write(d, _e, cb) {
          parts.push(d);
          cb();
        },
      });
      await client.downloadTo(sink, "big.bin");
      assert.deepEqual(Buffer.concat(parts), big);
      client.close();
      const closed = once(server.server, "close");
      server.close();
      await closed;
    } finally {
      rmSync(root, { recursive: true });
    }
  }));

test("pg asks a server of pg-gateway: password, rows, an error, a second query", () =>
  withDuo({ a: ["pg", "pg-pool"], b: [] }, async ({ b }, require) => {
    const { PostgresConnection, hashMd5Password } = require("pg-gateway");
    const cstr = (s: string): Buffer => Buffer.from(`${s}\0`);
    const message = (type: string, ...parts: Buffer[]): Buffer => {
      const body = Buffer.concat(parts);
      const head = Buffer.alloc(5, type);
      head.writeInt32BE(body.length + 4, 1);
      return Buffer.concat([head, body]);
    };
    const i16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
    const i32 = (n: number): Buffer => Buffer.from([n >> 24, n >> 16, n >> 8, n]);
    const ready = message("Z", Buffer.from("I"));
    const answer = (sql: string): Buffer => {
      if (!/^select/i.test(sql))
        return Buffer.concat([
          message("E", cstr("SERROR"), cstr("C42601"), cstr("Msyntax error"), Buffer.from([0])),
          ready,
        ]);
      const text = Buffer.from(sql);
      return Buffer.concat([
        message("T", i16(1), cstr("echo"), i32(0), i16(0), i32(25), i16(-1), i32(-1), i16(0)),
        message("D", i16(1), i32(text.length), text),
        message("C", cstr("SELECT 1")),
        ready,
      ]);
    };
    const server = b.net.createServer((socket) => {
      const pg = new PostgresConnection(socket, {
        serverVersion: "16.3",
        authMode: "md5Password",
        async validateCredentials(c: { user: string; hash: string; salt: Uint8Array }) {
          return c.hash === (await hashMd5Password(c.user, "secret", c.salt));
        },
        async onMessage(data: Uint8Array, { isAuthenticated }: { isAuthenticated: boolean }) {
          if (!isAuthenticated || data[0] !== 0x51) return false;
          pg.sendData(answer(Buffer.from(data).subarray(5, -1).toString()));
          return true;
        },
      });
    });
    server.listen(5432);
    await once(server, "listening");
    const { Client } = require("pg");
    const connectTo = (password: string) =>
      new Client({ host: "10.0.0.2", user: "lab", password, database: "lab", port: 5432 });
    const client = connectTo("secret");
    await client.connect();
    assert.deepEqual((await client.query("select 1")).rows, [{ echo: "select 1" }]);
    await assert.rejects(client.query("drop it"), { code: "42601" });
    const long = `select '${"x".repeat(100_000)}'`;
    assert.deepEqual((await client.query(long)).rows, [{ echo: long }]);
    await client.end();
    await assert.rejects(connectTo("wrong").connect(), { code: "28P01" });
    server.close();
    await once(server, "close");
  }));

test("net-snmp: an agent and a session: get, an object that is not there, a timeout", () =>
  withDuo({ a: [], b: [] }, async ({ a, b }, require) => {
    const snmp = require("net-snmp");
    const agent = snmp.createAgent(
      { port: 161, address: "0.0.0.0", dgramModule: b.dgram, disableAuthorization: true },
      () => {},
    );
    const mib = agent.getMib();
    agent.registerProvider({
      name: "sysDescr",
      type: snmp.MibProviderType.Scalar,
      oid: "1.3.6.1.2.1.1.1",
      scalarType: snmp.ObjectType.OctetString,
      maxAccess: snmp.MaxAccess["read-only"],
    });
    mib.setScalarValue("sysDescr", "skbuff");
    const session = snmp.createSession("10.0.0.2", "public", { dgramModule: a.dgram, timeout: 500, retries: 0 });
    const get = (oid: string): Promise<Loose> =>
      new Promise((ok, no) => session.get([oid], (e: Error | null, v: Loose[]) => (e ? no(e) : ok(v[0]))));
    assert.equal(String((await get("1.3.6.1.2.1.1.1.0")).value), "skbuff");
    assert.equal(snmp.isVarbindError(await get("1.3.6.1.2.1.1.9.0")), true);
    agent.close();
    await assert.rejects(get("1.3.6.1.2.1.1.1.0"), { name: "RequestTimedOutError" });
    session.close();
  }));
