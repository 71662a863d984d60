#!/usr/bin/env python3
# What Linux puts on the wire for one sendto(), by options, route and size: errno, header of each frame, Ip counters, as JSON. For
# test/kunit/net/ipv4/ip_output.test.ts, and live in test/linux/ip_output.test.ts: unshare -n python3 tools/record-ip-output.py
import json
import socket
import struct
import subprocess
import time

SETUP = [
    *["link set lo up", "link add v0 type veth peer name v1", "link set v1 up", "link set v0 up"],
    *["addr add 10.0.0.1/24 brd + dev v0", "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0"],
    *["neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0", "route add 10.1.0.0/16 via 10.0.0.9 mtu 1000"],
    *["route add 10.2.0.0/16 via 10.0.0.9 mtu lock 1000", "route add 224.0.0.0/4 dev v0"],
    *["route add blackhole 10.3.0.0/16", "route add unreachable 10.4.0.0/16", "route add prohibit 10.5.0.0/16"],
    "route add 10.6.0.0/16 via 10.0.0.9 src 10.0.0.1",
]
for word in SETUP:
    subprocess.run(["ip", *word.split()], check=True)
time.sleep(0.3)


def i32(v):
    return struct.pack("<i", v).hex()


def counters():
    out = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        lines = open(path).read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            group = names.split(":")[0]
            for name, value in zip(names.split()[1:], values.split()[1:]):
                out[group + name] = int(value)
    return out


WANTED = (
    *["IpOutRequests", "IpOutDiscards", "IpOutNoRoutes", "IpOutTransmits", "IpFragOKs", "IpFragFails", "IpFragCreates"],
    *["UdpOutDatagrams", "IpExtOutMcastPkts", "IpExtOutBcastPkts", "IpExtOutOctets", "IpExtOutMcastOctets"],
    "IpExtOutBcastOctets",
)


def case(dst, size, *options, connect=False):
    return {"dst": dst, "size": size, "connect": connect, "options": options}


CASES = [
    *[case(d, n, (0, 10, i32(p)), connect=c) for p in range(6) for d, n in
      [("10.0.0.2", 10), ("10.0.0.2", 1472), ("10.0.0.2", 1473), ("10.0.0.2", 5000), ("10.1.0.1", 972), ("10.1.0.1", 973), ("10.2.0.1", 10),
       ("10.2.0.1", 2000)] for c in (False, True)],
    *[case("10.0.0.2", 10, (0, 2, i32(t))) for t in (1, 255, -1)],
    *[case("10.0.0.2", 10, (0, 1, i32(t))) for t in (0x10, 0xB8, 0xFF)],
    *[case("224.1.1.1", n, (0, 33, i32(t))) for t in (0, 1, 32) for n in (10, 3000)],
    *[case("224.1.1.1", 10, (0, 34, i32(0)), (0, 2, i32(9))), case("224.0.0.1", 10)],
    *[case(d, n, *o) for d in ("10.0.0.255", "255.255.255.255") for n in (10, 3000) for o in ([], [(1, 6, i32(1))])],
    *[case(d, 10) for d in ("10.3.0.1", "10.4.0.1", "10.5.0.1", "10.6.0.1", "192.0.2.1", "0.0.0.0", "240.0.0.1")],
    case("192.0.2.1", 10, (1, 5, i32(1))),
    # Options: NOPs, record route, a timestamp; the header grows, and so do the fragments' (copied or not).
    *[case("10.0.0.2", n, (0, 4, o)) for n in (10, 1460, 1472, 4000)
      for o in ("01010101", "07070400000000", "440c0500" + "00" * 8, "940400000707040000000000")],
    case("10.0.0.2", 65507), case("10.0.0.2", 65508),
]


def header(frame):
    ip = frame[14:]
    ihl = (ip[0] & 15) * 4
    length, ident, frag, ttl, proto = struct.unpack("!HHHBB", ip[2:10])
    src = socket.inet_ntoa(ip[12:16])
    total = sum(struct.unpack(f"!{ihl // 2}H", ip[:ihl]))
    good = (total & 0xFFFF) + (total >> 16) == 0xFFFF
    words = [frame[:6].hex(), f"ihl {ihl}", f"tos {ip[1]:02x}", f"len {length}", f"frag {frag:04x}", f"ttl {ttl}", f"proto {proto}", src]
    if ihl > 20:
        words.append(ip[20:ihl].hex())
    return " ".join(words + ([] if good else ["bad checksum"])), ident


tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.bind(("v0", 3))
tap.setsockopt(1, 33, 4 << 20)
tap.settimeout(0.02)
answers = []
for c in CASES:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("0.0.0.0", 5555))
        err = 0
        before = counters()
        try:
            for level, opt, value in c["options"]:
                s.setsockopt(level, opt, bytes.fromhex(value))
            if c["connect"]:
                s.connect((c["dst"], 9))
                s.send(bytes(c["size"]))
            else:
                s.sendto(bytes(c["size"]), (c["dst"], 9))
        except OSError as e:
            err = -e.errno
        after = counters()
        frames = []
        ids = []
        try:
            while True:
                frame, where = tap.recvfrom(70000)
                if where[2] != 4 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
                    continue
                text, ident = header(frame)
                frames.append(text)
                ids.append(ident)
        except TimeoutError:
            pass
        kind = "" if not ids else "zero" if ids[0] == 0 else "set"
        mib = {name: after[name] - before[name] for name in WANTED if after[name] != before[name]}
        answers.append({"err": err, "frames": frames, "id": kind, "one_id": len(set(ids)) <= 1, "mib": mib})
print(json.dumps({"setup": SETUP, "cases": CASES, "answers": answers}, separators=(",", ":")))
