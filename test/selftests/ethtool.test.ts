// ethtool on an igb: registers, EEPROM, which fields are hashed, and what copper ports answer. Virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { I82576 } from "../../src/hw/82576.ts";
import { E1000_LEDCTL } from "../../src/hw/82576_regs.ts";
import { SEC, TestNet } from "./net.ts";

/** a – b, by igb cards. */
function two(options: { cpus?: number } = {}) {
  const net = new TestNet();
  const a = net.machine("a");
  const b = net.machine("b", options);
  net.cable(a.nics[0]!, b.nics[0]!);
  net.ok(a, "ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up");
  net.ok(b, "ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up");
  net.world.run(3 * SEC);
  return { net, a, b };
}

test("-d: the registers of a card that runs; looking does not clear its counters", () => {
  const { net, a, b } = two();
  net.ok(a, "ping -c 5 -i 0.2 10.0.0.2");
  net.world.run(3 * SEC);
  const before = net.ok(b, "ethtool -S eth0");
  const dump = net.ok(b, "ethtool -d eth0");
  assert.match(dump, /^0x00000: CTRL \(Device control register\) +0x[0-9A-F]{8}\n/);
  for (const line of [
    /Set link up: +1\n/,
    /Duplex: +full\n/,
    /Link up: +link config\n/,
    /Link speed: +1000Mb\/s\n/,
    /Receiver: +enabled\n/,
    /Broadcast accept mode: +accept\n/,
    /Transmitter: +enabled\n/,
    /RDLEN0 {6}\(Rx descriptor length0\) +0x00001000\n/,
    /RAL00 {7}\(Receive address low00\) +0x00000002\n/,
    /RAH00 {7}\(Receive address high00\) +0x80000002\n/,
  ])
    assert.match(dump, line);
  const good = /rx_packets: (\d+)/.exec(before)![1]!;
  const gprc = /GPRC .* 0x([0-9A-F]{8})\n/.exec(dump)![1]!;
  assert.equal(Number.parseInt(gprc, 16), Number(good));
  const sizes = [...dump.matchAll(/PRC\d+ {2,}\(Packets rx.*0x([0-9A-F]{8})/g)].map((m) => Number.parseInt(m[1]!, 16));
  assert.equal(sizes.length, 6);
  assert.ok(sizes[1]! >= 5, "echo requests of 98 octets and a checksum are in the second class");
  assert.equal(net.ok(b, "ethtool -S eth0"), before);
  assert.equal(net.ok(b, "ethtool -d eth0 raw on | wc -c"), "2960\n");
  net.ok(b, "ethtool -d eth0 raw on > /tmp/d");
  assert.equal(net.ok(b, "ethtool -d eth0 file /tmp/d"), net.ok(b, "ethtool -d eth0"));
  assert.match(net.ok(b, "ethtool -d eth0 hex on"), /^Offset\t\tValues\n------\t\t------\n0x0000:\t\t/);
  net.end();
});

test("-e: the EEPROM has the address and adds up to 0xbaba; parts of it, and raw", () => {
  const { net, a } = two();
  const text = net.ok(a, "ethtool -e eth0");
  const lines = text.trimEnd().split("\n");
  assert.deepEqual(lines.slice(0, 2), ["Offset\t\tValues", "------\t\t------"]);
  assert.match(lines[2]!, /^0x0000:\t\t02 00 00 00 01 00 /);
  const bytes = lines.slice(2).flatMap((l) =>
    l
      .slice(9)
      .trim()
      .split(" ")
      .map((h) => Number.parseInt(h, 16)),
  );
  assert.equal(bytes.length, 128);
  let sum = 0;
  for (let i = 0; i < 128; i += 2) sum += bytes[i]! | (bytes[i + 1]! << 8);
  assert.equal(sum & 0xffff, 0xbaba);
  assert.equal(
    net.ok(a, "ethtool -e eth0 offset 3 length 3"),
    "Offset\t\tValues\n------\t\t------\n0x0003:\t\t00 01 00 \n",
  );
  assert.equal(net.ok(a, "ethtool -e eth0 raw on | wc -c"), "128\n");
  const beyond = net.sh(a, "ethtool -e eth0 offset 500");
  assert.deepEqual([beyond.code, beyond.err], [74, "Cannot get EEPROM data: Invalid argument\n"]);
  net.end();
});

test("-n and -N rx-flow-hash: TCP by ports, UDP by addresses until told otherwise; then its flows spread", () => {
  const { net, a, b } = two({ cpus: 4 });
  const udp = "UDP over IPV4 flows use these fields for computing Hash flow key:\nIP SA\nIP DA\n";
  const ports = "L4 bytes 0 & 1 [TCP/UDP src port]\nL4 bytes 2 & 3 [TCP/UDP dst port]\n";
  assert.equal(net.ok(b, "ethtool -n eth0 rx-flow-hash udp4"), `${udp}\n`);
  assert.equal(net.ok(b, "ethtool -n eth0 rx-flow-hash tcp4"), `${udp.replace("UDP", "TCP")}${ports}\n`);
  const queues = (): number => {
    const counts = () =>
      [...net.ok(b, "ethtool -S eth0").matchAll(/rx_queue_\d_packets: (\d+)/g)].map((m) => Number(m[1]));
    const before = counts();
    net.ok(a, "for p in $(seq 5000 5040); do echo x | nc -u -w 0 -q 0 10.0.0.2 $p; done; true");
    net.world.run(SEC);
    return counts().filter((n, i) => n > before[i]! + 2).length;
  };
  net.ok(a, "ping -c 1 10.0.0.2");
  assert.equal(queues(), 1);
  net.ok(b, "ethtool -N eth0 rx-flow-hash udp4 sdfn");
  assert.equal(net.ok(b, "ethtool -n eth0 rx-flow-hash udp4"), `${udp}${ports}\n`);
  assert.match(net.ok(b, "dmesg"), /enabling UDP RSS: fragmented packets may arrive out of order to the stack above/);
  assert.ok(queues() > 1);
  net.ok(b, "ethtool -N eth0 rx-flow-hash udp4 sd");
  assert.equal(queues(), 1);
  assert.match(net.sh(b, "ethtool -N eth0 rx-flow-hash tcp4 sd").err, /Invalid argument/);
  assert.match(net.sh(b, "ethtool -N eth0 rx-flow-hash udp4 sdf").err, /Invalid argument/);
  assert.match(net.ok(b, "ethtool -n eth0"), /^\d RX rings available\nTotal 0 rules\n\n$/);
  // igb keeps rules by flow from the i350 on; an 82576 has an empty list, and takes none.
  assert.equal(net.ok(b, "ethtool -k eth0 | grep ntuple"), "ntuple-filters: off [fixed]\n");
  const insert = net.sh(b, "ethtool -N eth0 flow-type tcp4 dst-port 80 action 0");
  assert.equal(insert.err, "rmgr: Cannot insert RX class rule: Operation not supported\n");
  assert.match(net.sh(b, "ethtool -U eth0 delete 3").err, /^rmgr: Cannot delete RX class rule: Invalid argument\n/);
  assert.match(net.sh(b, "ethtool -n eth0 rule 3").err, /^rxclass: Cannot get RX class rule: Invalid argument\n/);
  net.end();
});

test("a copper port has no module, and what its driver lacks is refused as Linux does", () => {
  const { net, a } = two();
  for (const [command, code, err] of [
    ["ethtool -m eth0", 1, "netlink error: Operation not supported\n"],
    ["ethtool -m eth0 raw on", 1, "Cannot get module EEPROM information: Operation not supported\n"],
    ["ethtool --show-eee eth0", 1, "netlink error: Operation not supported\n"],
    ["ethtool --show-fec eth0", 1, "netlink error: Operation not supported\n"],
    ["ethtool --get-phy-tunable eth0 downshift", 87, "Cannot Get PHY downshift count: Operation not supported\n"],
    ["ethtool --reset eth0 mac", 1, "Cannot issue ETHTOOL_RESET: Operation not supported\n"],
  ] as const) {
    const r = net.sh(a, command);
    assert.deepEqual([r.code, r.err], [code, err], command);
  }
  const carrier = () => Number(net.ok(a, "cat /sys/class/net/eth0/carrier_down_count"));
  const before = carrier();
  net.ok(a, "ethtool -r eth0");
  net.world.run(4 * SEC);
  assert.ok(carrier() > before, "the link is negotiated anew");
  net.ok(a, "ping -c 1 -W 2 10.0.0.2");
  net.end();
});

test("/sys/class/net: a card's link leads to its slot, a virtual device's to devices/virtual", () => {
  const { net, a } = two();
  const slot = /bus-info: (\S+)/.exec(net.ok(a, "ethtool -i eth0"))![1]!;
  assert.equal(net.ok(a, "readlink /sys/class/net/eth0"), `../../devices/pci0000:00/${slot}/net/eth0\n`);
  assert.equal(net.ok(a, "readlink /sys/class/net/lo"), "../../devices/virtual/net/lo\n");
  assert.equal(net.ok(a, "readlink -f /sys/class/net/eth0/device"), `/sys/devices/pci0000:00/${slot}\n`);
  assert.equal(net.ok(a, "ls /sys/class/net/eth0/device/net"), "eth0\n");
  assert.equal(net.ok(a, "cat /sys/class/net/eth0/name_assign_type"), "1\n");
  net.ok(a, "ip link set eth0 down; ip link set eth0 name lan; ip link set lan up");
  assert.equal(net.ok(a, "cat /sys/class/net/lan/name_assign_type"), "4\n");
  net.end();
});

test("-t: each part passes and the card works on; a cable that is not there fails the link test, and the exit status says so", () => {
  const { net, a } = two();
  const parts = (link: number): string =>
    "The test extra info:\n" +
    "Register test  (offline)\t 0\nEeprom test    (offline)\t 0\nInterrupt test (offline)\t 0\n" +
    `Loopback test  (offline)\t 0\nLink test   (on/offline)\t ${link}\n\n`;
  assert.equal(net.ok(a, "ethtool -t eth0 online"), `The test result is PASS\n${parts(0)}`);
  const before = net.world.now;
  assert.equal(net.ok(a, "ethtool -t eth0"), `The test result is PASS\n${parts(0)}`);
  assert.ok(net.world.now - before >= 9 * SEC, "five seconds for autonegotiation, four of rest");
  assert.equal(net.ok(a, "dmesg | grep -c 'offline testing starting'"), "1\n");
  net.ok(a, "ping -c 1 10.0.0.2");
  const lb = net.ok(a, "ethtool -t eth0 external_lb");
  assert.equal(lb, `The test result is PASS\nExternal loopback test was not executed\n${parts(0)}`);
  net.ok(a, "ip link set eth0 down");
  net.ok(a, "ethtool -t eth0 online");
  assert.equal(net.ok(a, "ethtool -i eth0 | grep supports-test"), "supports-test: yes\n");
  assert.deepEqual(net.sh(a, "ethtool -t lo"), { code: 74, out: "", err: "Cannot test: Operation not supported\n" });
  net.end();
  const alone = new TestNet();
  const c = alone.machine("c");
  alone.ok(c, "ip link set eth0 up");
  const r = alone.sh(c, "ethtool -t eth0 offline");
  assert.deepEqual([r.code, r.out], [2, `The test result is FAIL\n${parts(1)}`]);
  alone.end();
});

test("-p: the LEDs blink as long as was said, or until Ctrl-C; twice at once is refused", () => {
  const { net, a } = two();
  const led = (): number => (a.nics[0] as I82576).read32(E1000_LEDCTL);
  const idle = led();
  const t0 = net.world.now;
  net.ok(a, "ethtool -p eth0 3");
  assert.equal(Math.round((net.world.now - t0) / SEC), 3);
  assert.equal(led(), idle);
  const blinking = net.start(a, "ethtool -p eth0");
  net.world.run(1.1 * SEC);
  assert.notEqual(led(), idle);
  assert.deepEqual(net.sh(a, "ethtool -p eth0 1"), {
    code: 255,
    out: "",
    err: "Cannot identify NIC: Device or resource busy\n",
  });
  blinking.stop();
  assert.equal(led(), idle);
  assert.match(net.sh(a, "strace -e trace=ioctl ethtool -p eth0 1").err, /ioctl\(3, SIOCETHTOOL, 0x[0-9a-f]+\) += 0\n/);
  net.end();
});

test("-E: bytes into the EEPROM with the magic of the card, and the sum after them; the new address is the next boot's", () => {
  const { net, a } = two();
  const sum = (): number => {
    const raw = net
      .ok(a, "ethtool -e eth0")
      .split("\n")
      .slice(2)
      .join(" ")
      .replace(/0x\w+:/g, "");
    const b = raw
      .trim()
      .split(/\s+/)
      .map((h) => Number.parseInt(h, 16));
    return b.reduce((s, v, i) => s + (i & 1 ? v << 8 : v), 0) & 0xffff;
  };
  net.ok(a, "ethtool -E eth0 magic 0x10c98086 offset 0x20 value 0x5a");
  assert.match(net.ok(a, "ethtool -e eth0 offset 0x20 length 2"), /0x0020:\t\t5a 00 \n$/);
  net.ok(a, "printf '\\001\\002\\003' | ethtool -E eth0 magic 0x10c98086 offset 0x21 length 3");
  assert.match(net.ok(a, "ethtool -e eth0 offset 0x20 length 4"), /0x0020:\t\t5a 01 02 03 \n$/);
  assert.equal(sum(), 0xbaba);
  for (const [words, code, err] of [
    ["magic 0x8086 offset 0 value 1", 87, "Cannot set EEPROM data: Bad address\n"],
    ["offset 0 value 1", 87, "Cannot set EEPROM data: Bad address\n"],
    ["magic 0x10c98086 offset 200 value 1", 1, "offset & length out of bounds\n"],
  ] as const) {
    assert.deepEqual(net.sh(a, `ethtool -E eth0 ${words}`), { code, out: "", err });
  }
  net.ok(a, "ethtool -t eth0 offline");
  net.end();
});
