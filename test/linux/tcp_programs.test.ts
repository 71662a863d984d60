// The programs that people have, against servers of Node and npm on a machine of ours over a TAP, and Node's clients on it against
// nginx: with segmentation and checksums left to the other side and without. sshd, redis and nginx of the kernel are reached
// through relays on our machine, so that each byte is taken off one of our connections and put on another. tshark judges.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { cert, key } from "../selftests/api/pem.ts";
import { capture, judge } from "./judge.ts";
import { prerequisites, RealNet } from "./rig.ts";

const skip = prerequisites(
  ...[
    "curl",
    "wget",
    "nginx",
    "ssh",
    "scp",
    "sshd",
    "ssh-keygen",
    "ab",
    "wrk",
    "hey",
    "socat",
    "tnftp",
    "lftp",
    "psql",
  ],
  ...["redis-server", "redis-cli", "redis-benchmark", "telnet", "python3", "tcpdump", "tshark", "ethtool"],
);
const MB = 1 << 20;
const PEER = "10.9.0.1";
const OURS = "10.9.0.2";

interface Done {
  status: number;
  bytes: number;
  sha: string;
  port: number;
}

for (const mode of ["offloads", "no offloads"]) {
  describe(`programs over TCP, ${mode}`, { skip }, () => {
    const net = new RealNet();
    const dir = mkdtempSync(join(tmpdir(), "skb-prog-"));
    let ns: string;
    let servers: ReturnType<RealNet["spawn"]> | undefined;
    let said = "";
    let errors = "";
    let dump: Awaited<ReturnType<typeof capture>>;
    let big: { file: string; sha: string };
    const sh = (command: string): Promise<string> => {
      if (servers !== undefined && servers.exitCode !== null) throw new Error(`the servers ended: ${errors}`);
      return net.ok(ns, command, { timeout: 30_000 });
    };
    const sha = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");
    const line = async (after: number): Promise<string> => {
      while (!said.slice(after).includes("\n")) {
        if (servers!.exitCode !== null) throw new Error(`the servers ended: ${errors}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return said.slice(after).split("\n")[0]!;
    };
    /** What Node's clients on the machine got. */
    const client = async (job: object): Promise<Done[]> => {
      const from = said.length;
      servers!.stdin!.write(`${JSON.stringify(job)}\n`);
      const answer = JSON.parse(await line(from)) as { done?: Done[]; error?: string };
      if (answer.done === undefined) throw new Error(answer.error);
      return answer.done;
    };

    before(async () => {
      ns = net.ns("k");
      await sh(`ip tuntap add tap0 mode tap ${mode === "offloads" ? "vnet_hdr" : ""}; ip addr add ${PEER}/24 dev tap0`);
      if (mode !== "offloads") await sh("ethtool -K tap0 tso off gso off tx off gro off > /dev/null");
      await sh("ip link set tap0 up");
      for (const d of ["www", "ftp", "nginx"]) mkdirSync(join(dir, d));
      writeFileSync(join(dir, "www/hello.txt"), "hello\n");
      await sh(`head -c 5200000 /dev/urandom > ${dir}/www/big`);
      big = { file: join(dir, "www/big"), sha: sha(join(dir, "www/big")) };
      writeFileSync(join(dir, "cert.pem"), cert);
      writeFileSync(join(dir, "key.pem"), key, { mode: 0o600 });
      writeFileSync(
        join(dir, "nginx.conf"),
        `daemon off; master_process off; pid ${dir}/nginx/pid; error_log stderr;
        events { worker_connections 512; }
        http {
          access_log off; keepalive_requests 100000; sendfile on; tcp_nopush on;
          client_body_temp_path ${dir}/nginx/b; proxy_temp_path ${dir}/nginx/p; fastcgi_temp_path ${dir}/nginx/f;
          uwsgi_temp_path ${dir}/nginx/u; scgi_temp_path ${dir}/nginx/s;
          ssl_certificate ${dir}/cert.pem; ssl_certificate_key ${dir}/key.pem;
          server { listen ${PEER}:8000; listen ${PEER}:8443 ssl http2; root ${dir}/www; }
        }`,
      );
      net.spawn(ns, ["nginx", "-c", `${dir}/nginx.conf`, "-e", "stderr"]);
      await sh(`ssh-keygen -q -t ed25519 -N '' -f ${dir}/hostkey; ssh-keygen -q -t ed25519 -N '' -f ${dir}/id`);
      writeFileSync(
        join(dir, "sshd.conf"),
        `Port 2200\nListenAddress ${PEER}\nHostKey ${dir}/hostkey\nAuthorizedKeysFile ${dir}/id.pub\nPidFile none\nUsePAM no
StrictModes no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n`,
      );
      await sh("mkdir -p /run/sshd");
      net.spawn(ns, ["sh", "-c", `exec "$(command -v sshd)" -D -e -f ${dir}/sshd.conf`]);
      net.spawn(ns, ["redis-server", "--bind", PEER, "--save", "", "--protected-mode", "no", "--dir", dir]);
      dump = await capture(net, ns, "tap0", join(dir, "all.pcap"), mode === "offloads" ? 128 : 0);
      servers = net.spawn(ns, [
        ...["env", `FTP_ROOT=${dir}/ftp`, process.execPath, "--import", "tsx", "test/linux/tcp_servers.ts"],
        ...["tap0", `${OURS}/24`, PEER, mode === "offloads" ? "virtio" : "igb"],
      ]);
      servers.stdout!.setEncoding("utf8").on("data", (d) => {
        said += d;
      });
      servers.stderr!.setEncoding("utf8").on("data", (d) => {
        errors += d;
      });
      assert.equal(await line(0), "ready");
      for (const port of [8000, 8443, 2200, 6379])
        await sh(
          `for i in $(seq 50); do socat -u /dev/null TCP:${PEER}:${port} 2> /dev/null && exit; sleep 0.1; done; exit 1`,
        );
    });
    after(async () => {
      await net.end();
      rmSync(dir, { recursive: true });
    });

    test("curl: 300 requests on a connection, 16 at a time, HTTP/2, TLS", async () => {
      const hellos = await sh(`curl -sv 'http://${OURS}/[1-300]' 2> ${dir}/curl.log`);
      assert.equal(hellos, "hello\n".repeat(300));
      assert.equal(readFileSync(join(dir, "curl.log"), "utf8").match(/Re-using existing connection/g)?.length, 299);
      assert.equal(await sh(`curl -s -Z --parallel-max 16 'http://${OURS}/[1-100]'`), "hello\n".repeat(100));
      const ca = `--cacert ${dir}/cert.pem --connect-to skbuff.test:443:${OURS}:443`;
      const version = "-w '%{http_version} %{ssl_verify_result}\\n'";
      for (const [options, url, want] of [
        ["--http1.1", `http://${OURS}/`, "1.1 0"],
        ["--http2-prior-knowledge", `http://${OURS}:8080/`, "2 0"],
        [`${ca} --http1.1 --tls-max 1.2`, "https://skbuff.test/", "1.1 0"],
        [`${ca} --http1.1 --tlsv1.3`, "https://skbuff.test/", "1.1 0"],
        [`${ca} --http2`, "https://skbuff.test/", "2 0"],
      ] as const) {
        assert.equal(await sh(`curl -s ${options} ${version} ${url}`), `hello\n${want}\n`, options);
        assert.equal(await sh(`curl -s ${options} ${url}big | sha256sum`), `${await ourBig()}  -\n`, options);
      }
      const streams = `curl -s -Z --parallel-max 20 --http2 ${ca} 'https://skbuff.test/[1-60]'`;
      assert.equal(await sh(streams), "hello\n".repeat(60));
    });

    /** What the machine's /big is, learnt once in one piece. */
    let ours_big = "";
    async function ourBig(): Promise<string> {
      if (ours_big === "") {
        await sh(`curl -s -o ${dir}/ours http://${OURS}/big`);
        ours_big = sha(join(dir, "ours"));
        assert.equal(readFileSync(join(dir, "ours")).length, 4 * MB);
      }
      return ours_big;
    }

    test("curl and wget: ranges, resumed downloads, uploads with and without 100-continue", async () => {
      const want = await ourBig();
      const whole = readFileSync(join(dir, "ours"));
      const part = await sh(`curl -s -r 1000000-1000999 http://${OURS}/big | sha256sum`);
      assert.equal(part.slice(0, 64), createHash("sha256").update(whole.subarray(1_000_000, 1_001_000)).digest("hex"));
      for (const resume of [
        `curl -s -C - -o ${dir}/part http://${OURS}/big`,
        `wget -q -c -O ${dir}/part http://${OURS}/big`,
      ]) {
        writeFileSync(join(dir, "part"), whole.subarray(0, 1_654_321));
        await sh(resume);
        assert.equal(sha(join(dir, "part")), want, resume);
      }
      const got = `5200000 ${big.sha}\n`;
      const log = await sh(`curl -sv -T ${big.file} http://${OURS}/up 2>&1 >${dir}/answer | grep -i continue`);
      assert.match(log, /Expect: 100-continue[\s\S]*100 Continue/);
      assert.equal(readFileSync(join(dir, "answer"), "utf8"), got);
      assert.equal(await sh(`curl -s -H Expect: -T ${big.file} http://${OURS}/up`), got);
      assert.equal(await sh(`curl -s -T - http://${OURS}/up < ${big.file}`), got, "chunked");
      assert.equal(await sh(`curl -s --data-binary @${big.file} http://${OURS}/up`), got);
      const four = await sh(`for i in 1 2 3 4; do curl -s -T ${big.file} http://${OURS}/up & done; wait`);
      assert.equal(four, got.repeat(4));
    });

    test("ab, wrk and hey: thousands of requests, kept alive and not; none fails", async () => {
      const ab = await sh(`ab -q -k -c 20 -n 2000 http://${OURS}/; ab -q -c 20 -n 1000 http://${OURS}/`);
      assert.equal(ab.match(/Failed requests: +0$/gm)?.length, 2, ab);
      assert.match(ab, /Complete requests: +2000\n[\s\S]*Complete requests: +1000\n/);
      const wrk = await sh(`wrk -t 1 -c 16 -d 1s http://${OURS}/`);
      assert.doesNotMatch(wrk, /Socket errors|Non-2xx/);
      assert.match(wrk, /[1-9]\d* requests in/);
      const hey = await sh(`hey -n 1000 -c 20 http://${OURS}/; hey -n 200 -c 20 -disable-keepalive http://${OURS}/`);
      assert.match(hey, /\[200\]\t1000 responses[\s\S]*\[200\]\t200 responses/);
      assert.doesNotMatch(hey, /Error distribution/);
    });

    test("FTP: lftp and tnftp, passive, both ways", async () => {
      await sh(`lftp -e 'set ssl:verify-certificate no; put ${big.file} -o up.bin; ls; bye' -u lab,x ${OURS}`);
      assert.equal(sha(join(dir, "ftp/up.bin")), big.sha);
      await sh(`cd ${dir}; rm -f got.bin; tnftp -o got.bin ftp://lab:x@${OURS}/up.bin`);
      assert.equal(sha(join(dir, "got.bin")), big.sha);
    });

    test("psql: a query, a long one", async () => {
      const psql = `psql -At 'host=${OURS} user=lab dbname=lab sslmode=disable'`;
      assert.equal(await sh(`${psql} -c 'select 1'`), "select 1\n");
      const long = `select '${"x".repeat(100_000)}'`;
      writeFileSync(join(dir, "long.sql"), `${long};`);
      assert.equal(await sh(`${psql} -f ${dir}/long.sql`), `${long};\n`);
    });

    test("redis through a relay: values of 5 MB, redis-benchmark with 50 clients and with pipelines", async () => {
      const cli = `redis-cli -h ${OURS}`;
      assert.equal(await sh(`head -c 5000000 ${big.file} | ${cli} -x set k`), "OK\n");
      const want = createHash("sha256")
        .update(readFileSync(big.file).subarray(0, 5_000_000))
        .update("\n")
        .digest("hex");
      assert.equal((await sh(`${cli} get k | sha256sum`)).slice(0, 64), want);
      const out = await sh(
        `redis-benchmark -h ${OURS} -q --csv -t set,get,lpush -n 5000 -P 1; redis-benchmark -h ${OURS} -q --csv -t set,get -n 20000 -P 16`,
      );
      assert.equal(out.match(/^"(SET|GET|LPUSH)","[1-9]/gm)?.length, 5, out);
    });

    test("ssh and scp through a relay: a command, 5 MB each way", async () => {
      const o = `-F none -i ${dir}/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR`;
      assert.equal(await sh(`ssh ${o} -p 2222 root@${OURS} 'seq 20000' | tail -n 1`), "20000\n");
      await sh(
        `scp -q ${o} -P 2222 ${big.file} root@${OURS}:${dir}/there; scp -q ${o} -P 2222 root@${OURS}:${dir}/there ${dir}/back`,
      );
      assert.equal(sha(join(dir, "back")), big.sha);
      const piped = await sh(`ssh ${o} -C -p 2222 root@${OURS} cat < ${big.file} | sha256sum`);
      assert.equal(piped.slice(0, 64), big.sha);
    });

    test("socat and telnet: half-closed connections, 100 at once, a shut window", async () => {
      assert.equal((await sh(`socat -t 20 - TCP:${OURS}:7 < ${big.file} | sha256sum`)).slice(0, 64), big.sha);
      const hundred = await sh(`for i in $(seq 100); do (echo $i | socat -t 20 - TCP:${OURS}:7) & done; wait`);
      assert.equal(
        hundred
          .trim()
          .split("\n")
          .map(Number)
          .reduce((a, b) => a + b),
        5050,
      );
      const session = await sh(`(sleep 0.3; echo hello; sleep 0.3) | telnet ${OURS} 7 || true`);
      assert.match(session, /Connected to 10\.9\.0\.2\.\nEscape character is '\^\]'\.\nhello\n/);
      // The reader sleeps: the window shuts, and what was held back comes when it wakes.
      const slow = `import socket, time, hashlib
s = socket.socket(); s.setsockopt(1, 8, 20000); s.connect(("${OURS}", 80)); s.sendall(b"GET /big HTTP/1.0\\r\\n\\r\\n")
time.sleep(1.2)
b = b"".join(iter(lambda: s.recv(1 << 20), b""))
print(hashlib.sha256(b[b.index(b"\\r\\n\\r\\n") + 4:]).hexdigest())`;
      assert.equal(await net.python(ns, slow), `${await ourBig()}\n`);
    });

    test("Node's clients on our machine and nginx: kept alive, ranges, TLS, HTTP/2", async () => {
      const many = await client({ what: "http", count: 600, path: "/hello.txt" });
      assert.ok(many.every((r) => r.status === 200 && r.bytes === 6));
      assert.ok(new Set(many.map((r) => r.port)).size <= 8, "eight connections at most");
      for (const what of ["http", "undici", "https", "http2"]) {
        const files = await client({ what, count: 4, path: "/big" });
        assert.deepEqual(new Set(files.map((r) => `${r.status} ${r.sha}`)), new Set([`200 ${big.sha}`]), what);
      }
      const range = createHash("sha256").update(readFileSync(big.file).subarray(5_000_000, 5_100_001)).digest("hex");
      for (const what of ["http", "undici", "https"]) {
        const [part] = await client({ what, count: 1, path: "/big", range: "bytes=5000000-5100000" });
        assert.deepEqual([part!.status, part!.sha], [206, range], what);
      }
      const ranges = await client({ what: "undici", count: 200, path: "/big", range: "bytes=1000-1999" });
      assert.ok(ranges.every((r) => r.status === 206 && r.bytes === 1000));
      const streams = await client({ what: "http2", count: 100, path: "/hello.txt" });
      assert.ok(streams.every((r) => r.status === 200 && r.bytes === 6));
      const none = await client({ what: "http", count: 1, path: "/none" });
      assert.equal(none[0]!.status, 404);
    });

    test("tshark: nothing malformed, no bad sum, no ACK of what never came, nothing beyond a window", {
      timeout: 180_000,
    }, async () => {
      const from = said.length;
      servers!.stdin!.end();
      const end = JSON.parse(await line(from));
      assert.deepEqual(end, { left: [], frames: 0, bugs: 0 });
      assert.doesNotMatch(errors, /BUG/);
      await dump.stop();
      const v = await judge(net, ns, join(dir, "all.pcap"), OURS, mode !== "offloads");
      assert.deepEqual(v.faults, []);
      assert.deepEqual(v.overruns, []);
      // What is sent again is a probe that came before a late ACK.
      assert.ok(v.again < v.segments / 1000 + 20, `${v.again} of ${v.segments} segments sent again`);
    });
  });
}
