// Records what Debian's tcpdump says to the command lines of the test: node --import tsx test/kunit/bin/tcpdump/record.ts
// Needs tcpdump 4.99.3 and a capture file, which it keeps with the answers: TCPDUMP_FILE=x.pcap (Ethernet, microseconds).
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dir = mkdtempSync(join(tmpdir(), "tcpdump-"));
copyFileSync(process.env.TCPDUMP_FILE!, join(dir, "g.pcap"));
writeFileSync(join(dir, "filter.txt"), "icmp[icmptype] == icmp-echo\n");
writeFileSync(join(dir, "text"), "this is no capture file\n");

const R = "-n -r g.pcap";
const commands = [
  ...[
    "",
    "-e",
    "-v",
    "-vv",
    "-x",
    "-X",
    "-xx",
    "-XX",
    "-A",
    "-t",
    "-tt",
    "-ttt",
    "-tttt",
    "-ttttt",
    "-#",
    "-q",
    "-S",
  ].map((o) => `${R} ${o}`),
  ...["--nano", "-K -v", "-c 2", "--count", "-c 1 -# -tttt -X", "-s 20", "-nn -c 1"].map((o) => `${R} ${o}`),
  ...[
    "icmp",
    "arp",
    "host 10.0.2.2 and not arp",
    "udp port 5000",
    "ether broadcast",
    "greater 100",
    "icmp[0] == 0",
  ].map((o) => `${R} ${o}`),
  `${R} -F filter.txt`,
  "-r nosuch.pcap",
  "-r text",
  "-r g.pcap port",
  "-r g.pcap 'port nosuch'",
  "-r g.pcap -tttttt",
  "-c 0 -r g.pcap",
  "-c x -r g.pcap",
  "-s -5 -r g.pcap",
  "-s 300000 -r g.pcap",
  "-Q foo -r g.pcap",
  "-r g.pcap -w nosuch/x",
  "-r g.pcap -d icmp",
  "-r g.pcap -dd arp",
  "-r g.pcap -ddd arp",
];
const out = commands.map((command) => {
  const r = spawnSync("sh", ["-c", `TZ=UTC tcpdump ${command}`], { cwd: dir, encoding: "utf8" });
  return { command, status: r.status, stdout: r.stdout, stderr: r.stderr };
});
writeFileSync(
  new URL("../golden/tcpdump.json", import.meta.url),
  `${JSON.stringify({ file: readFileSync(join(dir, "g.pcap")).toString("base64"), commands: out }, null, 1)}\n`,
);
