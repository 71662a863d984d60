// Draws docs/img/*.svg: the machine (architecture.md, README) and the path of a packet (path-of-a-packet.md).
// Way in: `node tools/gen-docs-img.mjs`.
import "./help.mjs";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const out = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../docs/img");
const INK = "#1f2933";
const COLORS = {
  program: ["#fff4d6", "#d9a514"],
  ip: ["#e3f1e3", "#4c9a52"],
  dev: ["#e1ecf7", "#3f7fbf"],
  driver: ["#efe6f7", "#8456b0"],
  hw: ["#eceff1", "#78868f"],
  kernel: ["#fde8e4", "#cf5b43"],
  plain: ["#ffffff", "#9aa5ad"],
};
const esc = (s) => s.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

class Picture {
  constructor(w, h, title) {
    this.w = w;
    this.h = h;
    this.title = title;
    this.parts = [];
  }
  /** A box with a heading and lines of text. */
  box(x, y, w, h, kind, head, lines = [], size = 13) {
    const [fill, stroke] = COLORS[kind];
    this.parts.push(
      `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="6" fill="${fill}" stroke="${stroke}" stroke-width="1.5"/>`,
    );
    let ty = lines.length > 0 ? y + size + 7 : y + h / 2 + size * 0.36;
    this.text(x + w / 2, ty, head, { size, weight: 600, anchor: "middle" });
    for (const l of lines)
      this.text(x + w / 2, (ty += size + 3), l, { size: size - 1.5, anchor: "middle", mono: true });
    return this;
  }
  frame(x, y, w, h, label) {
    this.parts.push(
      `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="10" fill="none" stroke="${INK}" stroke-width="1.5" stroke-dasharray="6 4"/>`,
    );
    return this.text(x + 12, y + 20, label, { size: 15, weight: 700 });
  }
  text(x, y, s, { size = 13, weight = 400, anchor = "start", mono = false, fill = INK } = {}) {
    const family = mono ? "ui-monospace,Menlo,Consolas,monospace" : "system-ui,Helvetica,Arial,sans-serif";
    this.parts.push(
      `<text x="${x}" y="${y}" font-family="${family}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${fill}">${esc(s)}</text>`,
    );
    return this;
  }
  arrow(points, { dash = false, color = INK } = {}) {
    this.parts.push(
      `<polyline points="${points.map((p) => p.join(",")).join(" ")}" fill="none" stroke="${color}" stroke-width="2"${dash ? ' stroke-dasharray="5 4"' : ""} marker-end="url(#a)"/>`,
    );
    return this;
  }
  save(name) {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${this.w} ${this.h}" width="${this.w}" height="${this.h}" role="img" aria-label="${esc(this.title)}">
<title>${esc(this.title)}</title>
<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" fill="${INK}"/></marker></defs>
<rect width="${this.w}" height="${this.h}" fill="#ffffff"/>
${this.parts.join("\n")}
</svg>
`;
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, name), svg);
  }
}

// --- the path of a packet -----------------------------------------------------------------------------------------

{
  const p = new Picture(1000, 560, "The path of a UDP datagram: pc1 sends, the router r1 forwards, pc2 receives");
  const W = 280;
  const X = [20, 360, 700];
  const names = ["pc1: sends", "r1: forwards", "pc2: receives"];
  for (const [i, x] of X.entries()) p.frame(x, 20, W, 450, names[i]);
  const b = (x, y, h, kind, head, lines) => p.box(x + 15, y, W - 30, h, kind, head, lines, 12.5);
  b(X[0], 55, 44, "program", "program", ["sendto()"]);
  b(X[0], 115, 74, "ip", "socket, UDP", ["inet_sendmsg", "ip_make_skb", "udp_send_skb"]);
  b(X[0], 205, 60, "ip", "IP, neighbour", ["ip_local_out ip_output", "ip_finish_output2"]);
  b(X[0], 281, 60, "dev", "device, qdisc", ["__dev_queue_xmit", "sch_direct_xmit"]);
  b(X[0], 357, 44, "driver", "igb", ["igb_xmit_frame igb_tx_map"]);
  b(X[0], 417, 40, "hw", "82576: DMA, TX ring", []);
  b(X[1], 115, 74, "ip", "IP", ["ip_rcv ip_rcv_finish", "ip_route_input_noref", "ip_forward"]);
  p.box(
    X[1] + 15,
    205,
    120,
    136,
    "dev",
    "softirq",
    ["net_rx_action", "igb_poll", "eth_type_trans", "napi_gro_receive", "netif_receive_skb"],
    12.5,
  );
  p.box(X[1] + 145, 205, 120, 60, "ip", "IP, neigh.", ["ip_output", "ip_finish_output"], 12.5);
  p.box(X[1] + 145, 281, 120, 60, "dev", "device, qdisc", ["dev_queue_xmit", "sch_direct_xmit"], 12.5);
  p.box(X[1] + 15, 357, 120, 44, "driver", "hard irq", ["igb_msix_ring"], 12.5);
  p.box(X[1] + 145, 357, 120, 44, "driver", "igb", ["igb_tx_map"], 12.5);
  p.box(X[1] + 15, 417, 120, 40, "hw", "RX ring, DMA", [], 12.5);
  p.box(X[1] + 145, 417, 120, 40, "hw", "TX ring, DMA", [], 12.5);
  b(X[2], 55, 44, "program", "program", ["recvfrom()"]);
  b(X[2], 115, 74, "ip", "UDP, socket", ["udp_rcv", "__udp4_lib_lookup_skb", "__udp_enqueue_schedule_skb"]);
  b(X[2], 205, 60, "ip", "IP", ["ip_rcv ip_rcv_finish", "ip_local_deliver"]);
  b(X[2], 281, 60, "dev", "softirq", ["net_rx_action igb_poll", "__netif_receive_skb_core"]);
  b(X[2], 357, 44, "driver", "hard irq", ["igb_msix_ring"]);
  b(X[2], 417, 40, "hw", "82576: RX ring, DMA", []);
  const down = (x, ys) => {
    for (const [from, to] of ys)
      p.arrow([
        [x, from],
        [x, to],
      ]);
  };
  const up = (x, ys) => {
    for (const [to, from] of ys)
      p.arrow([
        [x, from],
        [x, to],
      ]);
  };
  down(X[0] + W / 2, [
    [99, 115],
    [189, 205],
    [265, 281],
    [341, 357],
    [401, 417],
  ]);
  up(X[1] + 75, [
    [189, 205],
    [341, 357],
    [401, 417],
  ]);
  down(X[1] + 205, [
    [189, 205],
    [265, 281],
    [341, 357],
    [401, 417],
  ]);
  up(X[2] + W / 2, [
    [99, 115],
    [189, 205],
    [265, 281],
    [341, 357],
    [401, 417],
  ]);
  p.arrow([
    [X[0] + W / 2, 457],
    [X[0] + W / 2, 500],
    [X[1] + 75, 500],
    [X[1] + 75, 457],
  ]);
  p.arrow([
    [X[1] + 205, 457],
    [X[1] + 205, 500],
    [X[2] + W / 2, 500],
    [X[2] + W / 2, 457],
  ]);
  p.text((X[0] + X[1] + W) / 2, 520, "cable: rate, delay, loss", { size: 12, anchor: "middle" });
  p.text((X[1] + X[2] + W) / 2 + 30, 520, "cable", { size: 12, anchor: "middle" });
  p.text(
    20,
    548,
    "An interrupt starts a poll, and a poll takes up to 64 frames: the upper boxes run once per frame, the hard interrupt does not.",
    { size: 12, fill: "#52606d" },
  );
  p.save("path.svg");
}

// --- the house ----------------------------------------------------------------------------------------------------

{
  const p = new Picture(
    1000,
    520,
    "The rooms of skbuff: programs, the kernel's layers, the hardware, and the host around",
  );
  const X = 40;
  p.frame(20, 20, 690, 480, "one machine (Kernel)");
  p.box(X, 52, 650, 50, "program", "bin/: programs are generators over system calls", [
    "ip ping traceroute tcpdump ethtool ss tc nc sh …",
  ]);
  p.text(X + 8, 121, "system call ↓", { size: 12, weight: 600, fill: "#cf5b43" }).text(X + 642, 121, "↑ wake-up", {
    size: 12,
    weight: 600,
    anchor: "end",
    fill: "#52606d",
  });
  p.box(X, 130, 490, 46, "ip", "net/socket.ts, net/ipv4/", ["sockets UDP ICMP raw | IP, FIB, fragments | ARP"]);
  p.box(X, 188, 490, 46, "ip", "net/netfilter/, net/packet/, net/netlink/", ["hooks | AF_PACKET taps | rtnetlink"]);
  p.box(X, 246, 490, 62, "dev", "net/core/, net/sched/, net/ethernet/", [
    "sk_buff, NAPI, RPS, GRO, neighbour, dst",
    "qdiscs: pfifo_fast mq tbf netem …",
  ]);
  p.box(X, 320, 490, 46, "driver", "drivers/net/", ["igb | veth | loopback | dummy"]);
  p.box(X + 505, 130, 145, 236, "kernel", "kernel/", [
    "Cpu, irq",
    "softirq",
    "ksoftirqd",
    "tasks, signals",
    "timers",
    "wait queues",
    "/proc, sysctl",
    "trace points",
    "fd table",
    "pipes, tty",
  ]);
  p.text(X + 8, 386, "interrupt ↑", { size: 12, weight: 600, fill: "#cf5b43" }).text(
    X + 482,
    386,
    "↓ registers, descriptors by DMA",
    { size: 12, weight: 600, anchor: "end", fill: "#52606d" },
  );
  p.box(X, 396, 650, 88, "hw", "hw/: knows nothing of net/", [
    "82576 card: rings, DMA, MSI-X, RSS, filters, coalescing",
    "cable: rate, delay, duplex, loss | hub | PCI",
  ]);
  p.box(740, 52, 240, 74, "plain", "api/", ["createMachine()", "dgram sockets, promises"]);
  p.box(740, 140, 240, 90, "plain", "lab/, cli/", ["lab.conf, YAML → machines", "walk, record, replay", "terminal"]);
  p.box(740, 330, 240, 154, "plain", "arch/: the Host", [
    "sim/: virtual time, one event",
    "queue for all machines, a seed,",
    "work that costs time",
    "—",
    "node/: real time, TAP",
  ]);
  p.arrow([
    [740, 89],
    [692, 89],
  ]);
  p.arrow([
    [740, 185],
    [725, 185],
    [725, 95],
    [692, 95],
  ]);
  p.arrow([
    [740, 440],
    [692, 440],
  ]);
  p.arrow([
    [740, 350],
    [716, 350],
    [716, 300],
    [692, 300],
  ]);
  p.text(860, 262, "The core (left) is synchronous:", { size: 12, anchor: "middle", fill: "#52606d" });
  p.text(860, 279, "no promise, no timer, no Date,", { size: 12, anchor: "middle", fill: "#52606d" });
  p.text(860, 296, "no Node and no DOM global.", { size: 12, anchor: "middle", fill: "#52606d" });
  p.save("architecture.svg");
}
