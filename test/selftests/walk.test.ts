// The walk over three machines: which functions a ping passes, and what it says about packets that do not arrive.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openLab } from "../../src/lab/fs_node.ts";
import { Lab } from "../../src/lab/lab.ts";
import { loadTopology } from "../../src/lab/topology.ts";
import {
  compileFilter,
  family,
  functionsOf,
  hostsOf,
  type Packet,
  type WalkResult,
  walk,
  walkJson,
  walkPaths,
  walkPcap,
  walkPerfetto,
  walkText,
} from "../../src/lab/walk/index.ts";
import { next_packet, pcapng_open } from "../../src/lib/pcap/pcapng.ts";

interface Run {
  w: WalkResult;
  text: string;
  stdout: string;
  lab: Lab;
}

/** The first lab, with further lines in startup scripts; `before` runs untraced. */
function run(command: string, extra: Record<string, string> = {}, o: { before?: string; seed?: number } = {}): Run {
  const opened = openLab(new URL("../../examples/first-lab", import.meta.url).pathname);
  assert.ok(typeof opened !== "string");
  const topology = loadTopology(opened.tree, { entry: opened.entry, folder: opened.folder });
  const lab = new Lab(topology, { seed: o.seed ?? 1 });
  lab.boot();
  for (const [host, line] of Object.entries(extra)) {
    const r = lab.exec(host, line);
    assert.equal(r.exitCode, 0, `${host}: ${line}: ${r.stderr}`);
  }
  if (o.before !== undefined) lab.exec("pc1", o.before);
  const drop = (): void => {};
  const w = walk(lab, "pc1", command, { stdout: drop, stderr: drop });
  const text = walkText(w, w.packets, { color: false, hosts: [] });
  assert.deepEqual(lab.bugs(), []);
  return { w, text, stdout: w.result.stdout, lab };
}

const packet = (r: Run, pattern: RegExp): Packet => {
  const p = r.w.packets.find((q) => pattern.test(walkText(r.w, [q], { color: false, hosts: [] }).split("\n")[0]!));
  assert.ok(p, `no packet matches ${pattern}:\n${r.text}`);
  return p;
};
const dropOf = (p: Packet): NonNullable<Packet["end"]> => {
  const d = family(p).find((q) => q.end?.kind === "dropped");
  assert.ok(d?.end, "it was not dropped");
  return d.end;
};

const RX =
  "igb_msix_ring net_rx_action __napi_poll igb_poll igb_clean_rx_irq eth_type_trans napi_gro_receive __netif_receive_skb_core";
const TX =
  "__dev_queue_xmit __dev_xmit_skb sch_direct_xmit dev_hard_start_xmit igb_xmit_frame igb_xmit_frame_ring igb_tx_map [DMA, wire]";
const IN = "ip_rcv ip_rcv_core ip_rcv_finish ip_route_input_noref ip_route_input_slow fib_lookup fib_validate_source";
const FORWARD = `${RX} ${IN} ip_forward ip_forward_finish ip_output ip_finish_output ip_finish_output2`;
const UNKNOWN = "neigh_resolve_output __neigh_event_send arp_solicit neigh_resolve_output";
const SENDMSG =
  "__sys_sendto sock_sendmsg inet_sendmsg ip_local_out __ip_local_out ip_output ip_finish_output ip_finish_output2";

const ways = (p: Packet): string[] =>
  family(p)
    .filter((q) => q.how === "" || q.how === "wire")
    .map((q) => `${q.host}: ${functionsOf(q).join(" ")}`);

test("a first ping over the router waits for ARP twice; every function on its way, in order", () => {
  const r = run("ping -c 1 10.0.2.2");
  assert.equal(r.w.exitCode, 0);
  assert.match(r.stdout, /1 received/);
  assert.equal(r.w.packets.length, 6);
  const request = packet(r, /echo request/);
  assert.deepEqual(hostsOf(request), ["pc1", "r1", "pc2"]);
  assert.deepEqual(ways(request), [
    `pc1: ${SENDMSG} ${UNKNOWN} ${TX}`,
    `r1: ${FORWARD} ${UNKNOWN} ${TX}`,
    `pc2: ${RX} ${IN} ip_local_deliver ip_local_deliver_finish icmp_rcv icmp_echo icmp_reply`,
  ]);
  assert.match(r.text, /10\.0\.1\.1 on eth0: no MAC address yet \(NONE\); waits for ARP/);
  assert.match(r.text, /10\.0\.2\.2 matches 10\.0\.2\.0\/24 dev eth1 \(table main\)/);
  assert.match(
    r.text,
    /#2 pc1 > r1: ARP, Request who-has 10\.0\.1\.1 tell 10\.0\.1\.2, length 28 {2}\(because of #1\)/,
  );
  assert.match(r.text, /taken in by ARP; #1 can go on/);
  assert.match(r.text, /6 packets on 3 machines, 8 frames on cables, none dropped/);
});

test("the second ping knows all neighbours and takes one way without a stop", () => {
  const r = run("ping -c 1 10.0.2.2", {}, { before: "ping -c 1 10.0.2.2" });
  assert.equal(r.w.packets.length, 2);
  const request = packet(r, /echo request/);
  const sender = ways(request)[0]!;
  assert.match(sender, /ip_finish_output2 neigh_\w+ (__neigh_event_send )?__dev_queue_xmit/);
  assert.ok(!r.text.includes("arp_"), r.text);
  const reply = packet(r, /echo reply/);
  assert.equal(reply.cause, family(request).at(-1));
  assert.ok(family(reply).some((q) => q.end?.kind === "delivered"));
});

test("same seed, same text; no line wider than 120", () => {
  const a = run("ping -c 2 -i 0.1 10.0.2.2");
  const b = run("ping -c 2 -i 0.1 10.0.2.2");
  assert.equal(a.text, b.text);
  for (const line of a.text.split("\n")) assert.ok(line.length <= 120, line);
});

test("forwarding is off: the sysctl is named", () => {
  const r = run("ping -c 1 -W 1 10.0.2.2", { r1: "sysctl -q -w net.ipv4.ip_forward=0" });
  assert.equal(r.w.exitCode, 1);
  const e = dropOf(packet(r, /echo request/));
  assert.equal(e.reason, "IP_INADDRERRORS");
  assert.equal(e.where, "ip_error");
  assert.match(e.why, /sysctl net\.ipv4\.ip_forward is 0 on r1/);
});

test("no route on the router: what to ask it, and the ICMP error names who sent it", () => {
  const r = run("ping -c 1 -W 1 10.9.9.9");
  const e = dropOf(packet(r, /echo request/));
  assert.equal(e.reason, "IP_INNOROUTES");
  assert.match(e.why, /ip route get 10\.9\.9\.9 on r1 finds none/);
  const error = packet(r, /net 10\.9\.9\.9 unreachable/);
  const told = family(error).find((q) => q.host === "pc1" && q.how === "wire");
  assert.match(
    told!.end!.text,
    /tells pc1 that r1 \(10\.0\.1\.1\) says "network unreachable" about 10\.0\.1\.2 > 10\.9\.9\.9/,
  );
});

test("no listener", () => {
  const r = run("echo x | nc -u -w 1 10.0.2.2 5000");
  const e = dropOf(packet(r, /10\.0\.2\.2\.5000: UDP/));
  assert.equal(e.reason, "NO_SOCKET");
  assert.match(e.why, /nothing listens on UDP port 5000 of pc2/);
  assert.deepEqual(e.look, ["pc2: ss -uln"]);
});

test("TTL exceeded", () => {
  const r = run("ping -c 1 -t 1 -W 1 10.0.2.2");
  const e = dropOf(packet(r, /echo request/));
  assert.equal(e.reason, "IP_INHDR");
  assert.match(e.why, /its TTL ran out here/);
  assert.match(r.text, /says "time exceeded in transit"/);
});

test("too long for the next link, and DF", () => {
  const r = run("ping -c 1 -W 1 -M do -s 1472 10.0.2.2", { r1: "ip link set eth1 mtu 1400" });
  const e = dropOf(packet(r, /echo request/));
  assert.equal(e.reason, "PKT_TOO_BIG");
  assert.match(e.why, /1500 bytes do not fit through eth1 of r1 \(mtu 1400\), and DF forbids to cut it/);
});

test("nobody answers ARP", () => {
  const r = run("ping -c 1 -W 5 10.0.1.77");
  const e = dropOf(packet(r, /echo request/));
  assert.equal(e.reason, "NEIGH_FAILED");
  assert.match(e.why, /no ARP answer for 10\.0\.1\.77 on eth0: is it there\?/);
  assert.match(r.text, /not answered: 10\.0\.1\.77 is not an address of r1/);
});

test("a packet that still waits for ARP when its program has gone is followed to its end", () => {
  const r = run("echo x | nc -u -w 1 10.0.1.77 5000");
  assert.equal(dropOf(packet(r, /10\.0\.1\.77\.5000: UDP/)).reason, "NEIGH_FAILED");
});

test("reverse path filter", () => {
  const r = run(
    "ping -c 1 -W 1 -I 10.0.3.3 10.0.2.2",
    {
      r1: "sysctl -q -w net.ipv4.conf.all.rp_filter=1; ip route add 10.0.3.0/24 dev eth1",
      pc1: "ip addr add 10.0.3.3/32 dev lo",
    },
    { before: "ping -c 1 10.0.2.2" },
  );
  const e = dropOf(packet(r, /10\.0\.3\.3 > 10\.0\.2\.2: ICMP echo request/));
  assert.equal(e.reason, "IP_RPFILTER");
  assert.match(e.why, /the way back to 10\.0\.3\.3 is not through eth0.*net\.ipv4\.conf\.all\.rp_filter is 1/);
});

test("a command that sends nothing", () => {
  const r = run("true");
  assert.equal(r.w.packets.length, 0);
  assert.match(r.text, /No packet to show: "true" on pc1/);
});

test("fragments are children of what was cut, and joined where they were put together", () => {
  const r = run("ping -c 1 -s 4000 10.0.2.2", {}, { before: "ping -c 1 10.0.2.2" });
  const all = r.w.packets.flatMap(family);
  assert.ok(all.some((p) => p.how === "fragment"));
  assert.ok(all.some((p) => p.end?.kind === "joined"));
  for (const p of all) assert.ok(p.end !== null);
});

test("paths: equal ways are counted", () => {
  const r = run("ping -c 5 -i 0.1 10.0.2.2", {}, { before: "ping -c 1 10.0.2.2" });
  const text = walkPaths(r.w, r.w.packets, { color: false, hosts: [] });
  assert.match(text, /^path 1: [45] packets/);
  for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
});

test("filter, JSON lines, Perfetto and pcapng", () => {
  const r = run("ping -c 1 10.0.2.2");
  const icmp = compileFilter("icmp[icmptype] == icmp-echo");
  assert.ok(typeof icmp === "function");
  const packets = r.w.packets.filter(icmp);
  assert.equal(packets.length, 1);
  const bad = compileFilter("port");
  assert.ok(typeof bad !== "function" && bad.error !== "");

  const lines = [...walkJson(r.w, packets)].map((l) => JSON.parse(l));
  for (const key of "skb cpu process func caller_func time netns mark iface proto mtu len tuple".split(" ")) {
    assert.ok(key in lines[0], key);
  }
  const rcv = lines.find((l) => l.host === "r1" && l.func === "ip_rcv");
  assert.equal(rcv.iface.split(":")[0], "eth0");
  assert.deepEqual([rcv.tuple.saddr, rcv.tuple.daddr, rcv.tuple.proto, rcv.proto], ["10.0.1.2", "10.0.2.2", 1, 0x0800]);

  const trace = JSON.parse(walkPerfetto(r.w, packets));
  const machines = trace.traceEvents.filter((e: { name: string }) => e.name === "process_name");
  assert.deepEqual(
    machines.map((e: { args: { name: string } }) => e.args.name),
    ["pc1", "r1", "pc2"],
  );
  assert.equal(trace.traceEvents.filter((e: { ph: string }) => e.ph === "s").length, 2);

  const file = Buffer.concat(walkPcap(r.w, r.w.packets));
  const reader = pcapng_open(file);
  assert.ok(!("error" in reader));
  const frames = [];
  for (;;) {
    const p = next_packet(reader);
    if (p === undefined) break;
    assert.ok(!("error" in p));
    frames.push(p);
  }
  assert.equal(frames.length, 16);
  assert.ok(frames.some((f) => f.comments.some((c) => c.includes("ip_forward"))));
  // To the nanosecond, although ns since 1970 are more than a double holds.
  const stamps = new Set(frames.map((f) => f.ts_nsec));
  const left = r.w.hops.map((h) => Math.round(h.t) % 1e9);
  assert.deepEqual(
    left.filter((t) => !stamps.has(t)),
    [],
  );
});

test("what a lossy cable swallowed is a step with its counter", () => {
  const opened = openLab(new URL("../../examples/first-lab", import.meta.url).pathname);
  assert.ok(typeof opened !== "string");
  const topology = loadTopology(opened.tree, { entry: opened.entry, folder: opened.folder });
  const cable = topology.segments.find((s) => s.name === "B")!;
  (cable.link as { loss?: number }).loss = 1;
  const lab = new Lab(topology, { seed: 1 });
  lab.boot();
  const drop = (): void => {};
  const w = walk(lab, "pc1", "ping -c 1 -W 1 10.0.2.2", { stdout: drop, stderr: drop });
  const lost = w.packets.flatMap(family).filter((p) => p.end?.reason === "lost");
  assert.ok(lost.length > 0);
  assert.match(lost[0]!.end!.text, /lost on cable B: lost on the cable/);
});

test("a route that refuses is named as the cause", () => {
  for (const type of ["blackhole", "prohibit", "unreachable"]) {
    const r = run("ping -c 1 -W 1 10.0.2.2", { r1: `ip route add ${type} 10.0.2.2/32` });
    assert.match(
      r.text,
      /dropped on r1 after ip_error\(\).*: the\s+route\s+of\s+r1\s+to\s+10\.0\.2\.2\s+refuses\s+it/,
      type,
    );
  }
});

test("the summary says what happened to many packets alike once", () => {
  const r = run("ping -c 5 -i 0.2 -W 1 10.0.2.2", { r1: "sysctl -q -w net.ipv4.ip_forward=0" });
  const [, ...lines] = r.text
    .slice(r.text.search(/^\d+ packets on /m))
    .trimEnd()
    .split("\n");
  assert.match(
    lines[0]!,
    /^ {2}#1 #4 #5 and 2 more dropped on r1 after ip_error\(\): SKB_DROP_REASON_IP_INADDRERRORS: /,
  );
  assert.equal(lines.filter((l) => l.startsWith("  #")).length, 1);
});

test("after a walk nothing listens any more", () => {
  const r = run("ping -c 1 10.0.2.2");
  for (const host of r.lab.hosts.values()) {
    assert.equal(host.computer.kernel.tracer, null);
    for (const nic of host.computer.nics) assert.equal(nic.trace, null);
  }
});

test("a frame for a MAC address that nobody on a two-ended cable has is lost, and the summary says so", () => {
  const { w, text } = run("ping -c 1 -W 1 10.0.1.1", {
    pc1: "ip neigh replace 10.0.1.1 lladdr 02:00:00:00:00:99 dev eth0",
  });
  assert.notEqual(w.exitCode, 0);
  assert.doesNotMatch(text, /none dropped/);
  assert.match(text, /1 dropped/);
  assert.match(text, /lost in the card eth0 of r1: for another MAC address/);
});

test("TCP: a segment is named by the copy that leaves, and says who took it", () => {
  const r = run("echo hi | nc -N 10.0.2.2 80", { pc2: "nc -l -p 80 > /dev/null &" });
  const data = packet(r, /IP 10\.0\.1\.2\.\d+ > 10\.0\.2\.2\.80: Flags \[P\.\]/);
  assert.equal(data.end?.text, "stays in the socket until it is acknowledged; its copies leave");
  assert.ok(functionsOf(data).includes("tcp_sendmsg") && functionsOf(data).includes("tcp_write_xmit"));
  const arrived = family(data).find((p) => p.host === "pc2" && p.end?.kind === "delivered");
  assert.match(arrived?.end?.text ?? "", /^taken in by TCP, the socket on tcp port 80/);
  assert.match(packet(r, /Flags \[S\]/).children[0]?.end?.text ?? "", /went on|taken in by TCP|sent/);
  assert.doesNotMatch(r.text, /without headers|ended in tcp_| {2}net {2}/);
  r.lab.stop();
});

test("TCP: the SYN, the ACK of the handshake and data each name the socket that the lookup found, and whose it is", () => {
  const r = run("echo hi | nc -N 10.0.2.2 80", { pc2: "nc -l -p 80 > /dev/null &" });
  const found = (flags: RegExp): unknown[] => {
    const arrived = family(packet(r, flags)).filter((p) => p.host === "pc2");
    const notes = arrived.flatMap((p) => p.steps).filter((s) => s.fn === "__inet_lookup_skb" && s.note !== null);
    return notes.map((s) => [s.note!.found, s.note!.state, s.note!.comm]);
  };
  assert.deepEqual(found(/Flags \[S\]/), [["tcp port 80", 10, "nc"]], "a listener");
  assert.deepEqual(found(/\.80: Flags \[\.\]/)[0], ["tcp port 80", 12, "nc"], "a request");
  assert.deepEqual(found(/\.80: Flags \[P\.\]/), [["tcp port 80", 1, "nc"]], "a connection");
  assert.match(r.text, /socket found: tcp port 80 \(LISTEN\) of nc\[\d+\]/);
  r.lab.stop();
  const none = run("nc -z 10.0.2.2 81; true");
  assert.match(none.text, /no socket on port 81/);
  none.lab.stop();
});

test("TCP: nobody listens", () => {
  const r = run("nc -z 10.0.2.2 81; true");
  assert.deepEqual(dropOf(packet(r, /Flags \[S\]/)).reason, "NO_SOCKET");
  assert.match(dropOf(packet(r, /Flags \[S\]/)).why, /nothing listens on TCP port 81 of pc2/);
  r.lab.stop();
});
