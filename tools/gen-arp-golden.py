#!/usr/bin/env python3
"""Asks the running Linux kernel what it does with ARP frames, and writes test/kunit/net/ipv4/golden/arp.json.

Needs root and iproute2. A namespace T with two veth devices (and addresses on lo) receives frames from a namespace P;
each row of the result has the settings, the entries known before, the frame, what T sent, and what it knows afterwards.
The test replays the rows on a machine of ours. Run it on a quiet machine: python3 tools/gen-arp-golden.py
"""
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time

T, P = "arpgoldT", "arpgoldP"
V0, V1 = "02:00:00:00:00:01", "02:00:00:00:01:01"
PEER, OTHER = "02:00:00:00:00:aa", "02:00:00:00:00:bb"
BCAST, ZERO = "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"


def sh(cmd, **kw):
    return subprocess.run(cmd, shell=True, check=True, capture_output=True, text=True, **kw).stdout


SETUP = [
    "addr add 10.0.0.1/24 dev v0", "addr add 10.0.0.3/24 dev v0", "addr add 172.16.0.1/16 dev v0",
    "addr add 10.1.0.1/24 dev v1",
    "addr add 192.168.9.9/32 dev lo", "addr add 192.168.8.8/32 dev lo scope host", "addr add 192.168.7.7/32 dev lo scope link",
    "route add 10.2.0.0/24 via 10.1.0.2", "route add 10.4.0.0/24 via 10.0.0.2",
]


def setns(name):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    if libc.setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def mac(s):
    return bytes.fromhex(s.replace(":", ""))


def arp(op, sha, sip, tha, tip, dst=BCAST, src=None, hrd=1, pro=0x0800, hln=6, pln=4):
    return (mac(dst) + mac(src or sha) + struct.pack(">H", 0x0806) + struct.pack(">HHBBH", hrd, pro, hln, pln, op)
            + mac(sha) + socket.inet_aton(sip) + mac(tha) + socket.inet_aton(tip))


for ns in (T, P):
    subprocess.run(["ip", "netns", "del", ns], capture_output=True)
    sh(f"ip netns add {ns}")
for v, p, m in (("v0", "p0", V0), ("v1", "p1", V1)):
    sh(f"ip -n {T} link add {v} address {m} type veth peer name {p} netns {P}")
for ns in (T, P):
    sh(f"ip netns exec {ns} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
for ns, devs in ((T, ("lo", "v0", "v1")), (P, ("p0", "p1"))):
    for d in devs:
        sh(f"ip -n {ns} link set {d} up")
for line in SETUP:
    sh(f"ip -n {T} {line}")

setns(P)
peers = {}
for v, p in (("v0", "p0"), ("v1", "p1")):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    s.bind((p, 0x0806))
    peers[v] = s
setns(T)


def put(path, val):
    with open("/proc/sys/net/ipv4/" + path, "w") as f:
        f.write(str(val))


DEFAULTS = {
    "conf/all/rp_filter": 0, "conf/v0/rp_filter": 0, "conf/v1/rp_filter": 0, "conf/lo/rp_filter": 0, "ip_forward": 0,
    "neigh/v0/locktime": 0, "neigh/v1/locktime": 0, "neigh/v0/proxy_delay": 0, "neigh/v1/proxy_delay": 0,
}
for k, v in DEFAULTS.items():
    put(k, v)


def drain(wait=0.004):
    out = []
    for v, s in peers.items():
        s.settimeout(wait)
        while True:
            try:
                data, sa = s.recvfrom(2000)
            except TimeoutError:
                break
            if sa[2] != 4:  # not what we sent ourselves
                out.append([v, data.hex()])
    return out


def neighbours():
    out = []
    for n in json.loads(sh("ip -j neigh show nud all") or "[]"):
        if n["dev"] in peers and "." in n["dst"]:
            out.append(" ".join([n["dev"], n["dst"], "/".join(n["state"]) or "NONE", n.get("lladdr", "-")]))
    return sorted(out)


rows = []


def row(frame, dev="v0", set=None, known=(), proxy=(), name=""):
    set = set or {}
    old = {}
    for k, v in set.items():
        old[k] = open("/proc/sys/net/ipv4/" + k).read().strip()
        put(k, v)
    for n in neighbours():
        d, ip = n.split()[:2]
        sh(f"ip neigh del {ip} dev {d}")
    for ip, state, lladdr in known:
        sh(f"ip neigh replace {ip} {'lladdr ' + lladdr if lladdr else ''} nud {state} dev {dev}")
    for ip, d in proxy:
        sh(f"ip neigh add proxy {ip} dev {d}")
    # What was known is older than a jiffy: "now" and "then" differ, whatever HZ is.
    time.sleep(0.012)
    drain(0.0005)
    peers[dev].send(frame)
    out = drain()
    rows.append({"name": name, "set": set, "known": list(known), "proxy": list(proxy), "dev": dev, "frame": frame.hex(),
                 "out": out, "neigh": neighbours()})
    for ip, d in proxy:
        sh(f"ip neigh del proxy {ip} dev {d}")
    for k, v in old.items():
        put(k, v)


# 1. arp_ignore: which addresses are answered for, to whom.
for ignore in range(9):
    for tip in ("10.0.0.1", "10.0.0.3", "172.16.0.1", "10.1.0.1", "192.168.9.9", "192.168.8.8", "192.168.7.7", "127.0.0.1",
                "10.0.0.99", "10.0.0.255"):
        for sip in ("10.0.0.2", "172.16.5.5", "10.1.0.9", "0.0.0.0", "99.9.9.9"):
            if ignore > 3 and sip not in ("10.0.0.2", "0.0.0.0"):
                continue
            row(arp(1, PEER, sip, ZERO, tip), set={"conf/v0/arp_ignore": ignore} if ignore else {}, name="ignore")
# "all" and the device: the larger one counts.
row(arp(1, PEER, "10.0.0.2", ZERO, "10.1.0.1"), set={"conf/all/arp_ignore": 1}, name="ignore all")
row(arp(1, PEER, "10.0.0.2", ZERO, "10.1.0.1"), set={"conf/all/arp_ignore": 1, "conf/v0/arp_ignore": 8}, name="ignore max")

# 2. What is learned.
for accept in (0, 1, 2):
    for op in (1, 2):
        for dst in (BCAST, V0):
            for known in ((), (("10.0.0.2", "reachable", OTHER),)):
                for tip, tha in (("10.0.0.1", V0), ("10.0.0.2", ZERO), ("10.0.0.2", PEER), ("10.0.0.50", ZERO)):
                    row(arp(op, PEER, "10.0.0.2", tha, tip, dst), set={"conf/v0/arp_accept": accept} if accept else {},
                        known=known, name="learn")
for state in ("none", "incomplete", "stale", "delay", "probe", "failed", "noarp", "permanent"):
    lladdr = "" if state in ("none", "incomplete", "failed") else OTHER
    for op, dst, tip in ((1, BCAST, "10.0.0.1"), (2, V0, "10.0.0.1"), (2, BCAST, "10.0.0.1"), (1, BCAST, "10.0.0.50"),
                         (1, BCAST, "10.0.0.2")):
        if state == "incomplete":
            continue
        row(arp(op, PEER, "10.0.0.2", ZERO, tip, dst), known=(("10.0.0.2", state, lladdr),), name="state")
for accept in (1, 2):
    for sip in ("10.3.3.3", "10.0.0.1", "10.0.0.255", "10.1.0.9", "192.168.9.9", "224.0.0.5", "127.0.0.5", "0.0.0.0"):
        for op, tip in ((1, sip), (2, sip), (2, "10.0.0.1")):
            row(arp(op, PEER, sip, PEER, tip), set={"conf/v0/arp_accept": accept}, name="accept")
for op in (1, 2):
    for tip in ("10.0.0.2", "10.0.0.1"):
        row(arp(op, PEER, "10.0.0.2", PEER, tip), set={"conf/v0/drop_gratuitous_arp": 1},
            known=(("10.0.0.2", "stale", OTHER),), name="drop gratuitous")
# A reply within locktime does not replace the one before it; an announcement does.
for op, tip, tha in ((2, "10.0.0.1", V0), (1, "10.0.0.2", ZERO), (1, "10.0.0.1", ZERO)):
    row(arp(op, PEER, "10.0.0.2", tha, tip, V0), set={"neigh/v0/locktime": 1000}, known=(("10.0.0.2", "reachable", OTHER),),
        name="locktime")

# 3. arp_filter and proxies.
for flt in (0, 1):
    for sip, tip in (("10.0.0.2", "10.0.0.1"), ("10.1.0.9", "10.0.0.1"), ("10.0.0.2", "10.1.0.1"), ("99.9.9.9", "10.0.0.1"),
                     ("10.2.0.9", "10.0.0.1")):
        row(arp(1, PEER, sip, ZERO, tip), set={"conf/v0/arp_filter": flt} if flt else {}, name="filter")
F = {"ip_forward": 1}
for set in ({}, {"conf/v0/proxy_arp": 1}, {"conf/all/proxy_arp": 1}, {"conf/v0/proxy_arp_pvlan": 1},
            {"conf/v0/proxy_arp": 1, "conf/v0/medium_id": 1, "conf/v1/medium_id": 1},
            {"conf/v0/proxy_arp": 1, "conf/v0/medium_id": 1, "conf/v1/medium_id": 2},
            {"conf/v0/proxy_arp": 1, "conf/v0/medium_id": -1}):
    for tip in ("10.1.0.50", "10.2.0.5", "10.0.0.99", "10.4.0.9", "8.8.8.8", "10.1.0.255"):
        for dst in (BCAST, V0):
            if set and "conf/v0/medium_id" in set and dst != BCAST:
                continue
            row(arp(1, PEER, "10.0.0.2", ZERO, tip, dst), set={**F, **set}, name="proxy")
row(arp(1, PEER, "10.0.0.2", ZERO, "10.1.0.50"), set={"conf/v0/proxy_arp": 1, "ip_forward": 0}, name="proxy no forward")
for tip, proxy in (("10.1.0.50", (("10.1.0.50", "v0"),)), ("10.1.0.51", (("10.1.0.50", "v0"),)),
                   ("10.1.0.50", (("10.1.0.50", "v1"),)), ("10.0.0.99", (("10.0.0.99", "v0"),)), ("8.8.8.8", (("8.8.8.8", "v0"),))):
    row(arp(1, PEER, "10.0.0.2", ZERO, tip), set=F, proxy=proxy, name="pneigh")

# 4. Hostile and odd frames: nothing is learned from them, unless Linux does.
good = arp(1, PEER, "10.0.0.2", ZERO, "10.0.0.1")
odd = [arp(op, PEER, "10.0.0.2", ZERO, "10.0.0.1") for op in (0, 3, 4, 8, 9, 0xffff)]
odd += [arp(1, PEER, "10.0.0.2", ZERO, "10.0.0.1", hrd=h) for h in (0, 2, 6, 7, 32, 772)]
odd += [arp(1, PEER, "10.0.0.2", ZERO, "10.0.0.1", pro=p) for p in (0, 0x0806, 0x86dd)]
odd += [arp(1, PEER, "10.0.0.2", ZERO, "10.0.0.1", hln=h) for h in (0, 5, 7, 8, 255)]
odd += [arp(1, PEER, "10.0.0.2", ZERO, "10.0.0.1", pln=p) for p in (0, 3, 5, 16, 255)]
odd += [good[:n] for n in (14, 15, 21, 22, 31, 41)] + [good + b"\0" * n for n in (1, 18, 1000)]
odd += [arp(1, m, "10.0.0.2", ZERO, "10.0.0.1", src=PEER) for m in (ZERO, BCAST, "01:00:5e:00:00:01", V0)]
odd += [arp(1, PEER, "10.0.0.2", ZERO, "10.0.0.1", dst=d) for d in ("01:00:5e:00:00:01", OTHER)]
odd += [arp(op, PEER, s, ZERO, t) for op in (1, 2) for s, t in (
    ("255.255.255.255", "10.0.0.1"), ("224.0.0.1", "10.0.0.1"), ("127.0.0.1", "10.0.0.1"), ("10.0.0.1", "10.0.0.1"),
    ("10.0.0.3", "10.0.0.1"), ("10.0.0.255", "10.0.0.1"), ("10.0.0.0", "10.0.0.1"), ("10.0.0.2", "255.255.255.255"),
    ("10.0.0.2", "0.0.0.0"), ("0.0.0.0", "0.0.0.0"), ("10.0.0.2", "224.0.0.1"), ("10.0.0.2", "239.1.1.1"))]
for f in odd:
    row(f, name="odd")
    if len(f) >= 42:
        row(f, known=(("10.0.0.2", "stale", OTHER),), name="odd known")
row(arp(1, PEER, "10.0.0.2", ZERO, "127.0.0.1"), set={"conf/v0/route_localnet": 1}, name="route_localnet")
row(arp(1, PEER, "10.0.0.2", ZERO, "10.0.0.1"), set={"conf/v0/rp_filter": 1}, name="rp_filter")
row(arp(1, PEER, "10.1.0.9", ZERO, "10.0.0.1"), set={"conf/v0/rp_filter": 1}, name="rp_filter")

# 5. arp_announce: the source of our own questions.
questions = []
for announce in (0, 1, 2):
    put("conf/v0/arp_announce", announce)
    for src in ("10.0.0.1", "10.0.0.3", "172.16.0.1", "10.1.0.1", "192.168.9.9", "192.168.7.7"):
        for target in ("10.0.0.77", "172.16.7.7", "10.4.0.9"):
            for n in neighbours():
                d, ip = n.split()[:2]
                sh(f"ip neigh del {ip} dev {d}")
            drain(0.0005)
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            u.bind((src, 0))
            u.sendto(b"x", (target, 9))
            u.close()
            questions.append({"announce": announce, "src": src, "target": target, "out": drain()})
put("conf/v0/arp_announce", 0)

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../test/kunit/net/ipv4/golden/arp.json")
os.makedirs(os.path.dirname(out), exist_ok=True)
with open(out, "w") as f:
    f.write('{"kernel":' + json.dumps(os.uname().release.split("-")[0]) + ',"setup":' + json.dumps(SETUP) + ',\n"rows":[\n')
    f.write(",\n".join(json.dumps(r, separators=(",", ":")) for r in rows))
    f.write('\n],\n"questions":[\n' + ",\n".join(json.dumps(q, separators=(",", ":")) for q in questions) + "\n]}\n")
for ns in (T, P):
    sh(f"ip netns del {ns}")
print(f"{len(rows)} frames, {len(questions)} questions", file=sys.stderr)
