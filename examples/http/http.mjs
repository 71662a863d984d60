// Two machines, a cable that loses frames, and Node's own http on both sides: 200 requests of 1 MB over keep-alive connections,
// then one that is refused. Virtual time: the same numbers each time.   node examples/http/http.mjs
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { createWorld } from "skbuff";

const world = createWorld({ seed: 1 });
const client = world.createMachine({ hostname: "client", nics: [{ ip: "10.0.0.1/24" }] });
const server = world.createMachine({ hostname: "server", nics: [{ ip: "10.0.0.2/24" }] });
world.connect(client.nics[0], server.nics[0], { rate: 1e9, delay_ns: 500_000, impair: { loss: 0.001 } });
client.writeFile("/etc/hosts", "127.0.0.1 localhost\n10.0.0.2 www.lab\n");
world.run(3e9); // the links come up
world.play(); // from here on time passes while promises wait

// A server: Node's, fed with the connections of the machine's listener.
const body = Buffer.alloc(1 << 20, "0123456789abcdef");
const web = http.createServer((req, res) => {
  const hash = createHash("sha256");
  req.on("data", (bytes) => hash.update(bytes));
  req.on("end", () => res.writeHead(200, { "x-sha256": hash.digest("hex") }).end(body));
});
const listener = server.net.createServer((socket) => web.emit("connection", socket)).listen(80);
await once(listener, "listening");

// A client: Node's, with connections of the other machine.
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
agent.createConnection = client.net.createConnection;
const request = (url) =>
  new Promise((resolve, reject) => {
    const req = http.request(url, { agent, method: "POST" }, async (res) => {
      const hash = createHash("sha256");
      for await (const bytes of res) hash.update(bytes);
      resolve({ sent: res.headers["x-sha256"], got: hash.digest("hex") });
    });
    req.on("error", reject);
    req.end(body);
  });

const expected = createHash("sha256").update(body).digest("hex");
const started = world.now;
const replies = await Promise.all(Array.from({ length: 200 }, (_, i) => request(`http://www.lab/${i}`)));
const good = replies.filter((r) => r.sent === expected && r.got === expected).length;
const seconds = (world.now - started) / 1e9;
console.log(`${good} of 200 requests arrived intact, ${(400 / seconds).toFixed(1)} MB/s of virtual time`);

const refused = await request("http://www.lab:81/").catch((error) => error);
console.log(refused.message);

agent.destroy();
web.closeAllConnections();
listener.close();
await once(listener, "close");
const stats = await client.run("ss -s | head -2; nstat -az TcpRetransSegs | tail -1");
console.log(stats.stdout.trimEnd());
client.poweroff();
server.poweroff();
process.exitCode = good === 200 && refused.code === "ECONNREFUSED" ? 0 : 1;
