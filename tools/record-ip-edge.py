#!/usr/bin/env python3
# Records what the running Linux kernel answers to single IPv4 packets: frames in, frames out, MIB counters that moved.
# Needs root (network namespaces, veth). Writes test/kunit/net/ipv4/golden/ip_edge.jsonl, which ip_edge.test.ts replays
# against a machine of ours. Way in: the case list at the end of ip_edge_cases().
import json, os, random, select, socket, struct, subprocess, sys, time

NS, A, B = "edge-dut", "edgea", "edgeb"
MACS = {"a0": "020000000001", "a1": "020000000101"}
PEER = {"a0": "020000000002", "a1": "020000000102"}


def sh(cmd):
    subprocess.run(cmd, shell=True, check=True)


def csum(b):
    if len(b) & 1:
        b += b"\0"
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def aton(a):
    return socket.inet_aton(a)


def ip(src, dst, proto, payload, ttl=64, tos=0, id=0x1234, off=0, df=False, mf=False, opts=b"", tot=None, ver=4, ihl=None, bad=False):
    n = 5 + len(opts) // 4
    ihl = n if ihl is None else ihl
    tot = n * 4 + len(payload) if tot is None else tot
    fo = (0x4000 if df else 0) | (0x2000 if mf else 0) | off // 8
    h = struct.pack("!BBHHHBBH", ver << 4 | ihl, tos, tot & 0xFFFF, id, fo, ttl, proto, 0) + aton(src) + aton(dst) + opts
    c = csum(h[: ihl * 4] if ihl >= 5 else h)
    if bad:
        c ^= 0x1111
    return h[:10] + struct.pack("!H", c) + h[12:] + payload


def icmp(type, code=0, rest=b"\x12\x34\x00\x01", data=b"", bad=False):
    b = struct.pack("!BBH", type, code, 0) + rest + data
    c = csum(b)
    if bad:
        c ^= 0x2222
    return b[:2] + struct.pack("!H", c) + b[4:]


def udp(src, dst, sport=1111, dport=9, data=b"hello", check=True, bad=False):
    n = 8 + len(data)
    h = struct.pack("!HHHH", sport, dport, n, 0)
    if not check:
        return h + data
    c = csum(aton(src) + aton(dst) + struct.pack("!BBH", 0, 17, n) + h + data) or 0xFFFF
    if bad:
        c ^= 0x1111
    return h[:6] + struct.pack("!H", c) + data


def pat(n):
    return bytes((i * 7 + 3) & 0xFF for i in range(n))


def eth(dev, pkt, dst=None, proto=0x0800):
    f = bytes.fromhex(dst or MACS[dev]) + bytes.fromhex(PEER[dev]) + struct.pack("!H", proto) + pkt
    return f + b"\0" * max(0, 60 - len(f))


def frags(src, dst, proto, payload, cuts, **kw):
    """Fragments of payload at byte offsets cuts, in order."""
    out = []
    edges = [0] + cuts + [len(payload)]
    for i in range(len(edges) - 1):
        out.append(ip(src, dst, proto, payload[edges[i] : edges[i + 1]], off=edges[i], mf=i < len(edges) - 2, **kw))
    return out


T, D, T2, D2 = "10.0.0.2", "10.0.0.1", "10.1.0.2", "10.1.0.1"
BC = "ffffffffffff"


def ip_edge_cases():
    cases = []

    def case(name, *pkts, sysctl=None, wait=0.06, dst=None, dev="a0", setup=None):
        cases.append(
            dict(name=name, sysctl=sysctl or {}, wait=wait, setup=setup or [],
                 frames=[(dev, eth(dev, p, dst) if isinstance(p, bytes) else p) for p in pkts]))

    echo = icmp(8, data=pat(56))
    # --- echo and the other queries
    case("echo", ip(T, D, 1, echo))
    case("echo: bad ICMP checksum", ip(T, D, 1, icmp(8, data=pat(8), bad=True)))
    case("echo: code 5", ip(T, D, 1, icmp(8, 5, data=pat(8))))
    case("echo: empty", ip(T, D, 1, icmp(8)))
    case("echo: 4 bytes of ICMP", ip(T, D, 1, icmp(8, rest=b"")))
    case("echo: 7 bytes of ICMP", ip(T, D, 1, icmp(8, rest=b"abc")))
    case("echo: odd length", ip(T, D, 1, icmp(8, data=pat(33))))
    case("echo: 1472", ip(T, D, 1, icmp(8, data=pat(1472))))
    case("echo: tos 0xfc", ip(T, D, 1, echo, tos=0xFC))
    case("echo: tos 0xff", ip(T, D, 1, echo, tos=0xFF))
    case("echo: tos 0x01", ip(T, D, 1, echo, tos=0x01))
    case("echo: DF", ip(T, D, 1, echo, df=True))
    case("echo: ttl 1", ip(T, D, 1, echo, ttl=1))
    case("echo: to the other interface's address", ip(T, D2, 1, echo))
    case("echo: to the subnet broadcast", ip(T, "10.0.0.255", 1, echo), dst=BC)
    case("echo: to the subnet broadcast, answered", ip(T, "10.0.0.255", 1, echo), dst=BC, sysctl={"icmp_echo_ignore_broadcasts": 0})
    case("echo: to 255.255.255.255", ip(T, "255.255.255.255", 1, echo), dst=BC)
    case("echo: to 255.255.255.255, answered", ip(T, "255.255.255.255", 1, echo), dst=BC, sysctl={"icmp_echo_ignore_broadcasts": 0})
    case("echo: to 224.0.0.1", ip(T, "224.0.0.1", 1, echo), dst="01005e000001")
    case("echo: to 224.0.0.1, answered", ip(T, "224.0.0.1", 1, echo), dst="01005e000001", sysctl={"icmp_echo_ignore_broadcasts": 0})
    case("echo: unicast in a broadcast frame", ip(T, D, 1, echo), dst=BC)
    case("echo: ignore_all", ip(T, D, 1, echo), sysctl={"icmp_echo_ignore_all": 1})
    case("echo: from 0.0.0.0", ip("0.0.0.0", D, 1, echo))
    case("echo: from 127.0.0.1", ip("127.0.0.1", D, 1, echo))
    case("echo: from 224.1.1.1", ip("224.1.1.1", D, 1, echo))
    case("echo: from 255.255.255.255", ip("255.255.255.255", D, 1, echo))
    case("echo: from the subnet broadcast", ip("10.0.0.255", D, 1, echo))
    case("echo: from our own address", ip(D, D, 1, echo))
    case("echo: from an unrouted source", ip("99.1.1.1", D, 1, echo))
    case("echo: record route", ip(T, D, 1, echo, opts=bytes([7, 15, 4]) + b"\0" * 12 + b"\0"))
    case("echo: record route, full", ip(T, D, 1, echo, opts=bytes([7, 7, 8]) + aton(T) + b"\0"))
    case("echo: record route, one slot", ip(T, D, 1, echo, opts=bytes([7, 7, 4]) + b"\0" * 4 + b"\0"))
    case("echo: timestamps only", ip(T, D, 1, echo, opts=bytes([68, 12, 5, 0]) + b"\0" * 8))
    case("echo: timestamps with addresses", ip(T, D, 1, echo, opts=bytes([68, 20, 5, 1]) + b"\0" * 16))
    case("echo: timestamps prespecified, ours", ip(T, D, 1, echo, opts=bytes([68, 20, 5, 3]) + aton(D) + b"\0" * 4 + aton(T) + b"\0" * 4))
    case("echo: timestamps prespecified, not ours", ip(T, D, 1, echo, opts=bytes([68, 12, 5, 3]) + aton("10.9.9.9") + b"\0" * 4))
    case("echo: timestamps overflow", ip(T, D, 1, echo, opts=bytes([68, 8, 9, 0x10]) + b"\0\0\0\1"))
    case("echo: timestamps overflow of the overflow", ip(T, D, 1, echo, opts=bytes([68, 8, 9, 0xF0]) + b"\0\0\0\1"))
    case("echo: loose source route through us, completed", ip(T, D, 1, echo, opts=bytes([131, 11, 12]) + aton("10.0.0.7") + aton("10.0.0.8") + b"\0"), sysctl={"conf/all/accept_source_route": 1})
    case("echo: strict source route completed", ip(T, D, 1, echo, opts=bytes([137, 7, 8]) + aton("10.0.0.7") + b"\0"), sysctl={"conf/all/accept_source_route": 1})
    case("echo: source route refused", ip(T, D, 1, echo, opts=bytes([131, 7, 8]) + aton("10.0.0.7") + b"\0"), sysctl={"conf/all/accept_source_route": 0})
    case("echo: loose source route to go on", ip(T, D, 1, echo, opts=bytes([131, 7, 4]) + aton(T2) + b"\0"))
    case("echo: strict source route to go on", ip(T, D, 1, echo, opts=bytes([137, 7, 4]) + aton(T2) + b"\0"))
    case("echo: loose source route to a far host", ip(T, D, 1, echo, opts=bytes([131, 7, 4]) + aton("10.2.0.1") + b"\0"))
    case("echo: strict source route to a far host", ip(T, D, 1, echo, opts=bytes([137, 7, 4]) + aton("10.2.0.1") + b"\0"))
    case("echo: source route through us twice", ip(T, D, 1, echo, opts=bytes([131, 11, 4]) + aton(D2) + aton(T2) + b"\0"))
    case("echo: loose source route, forwarded", ip(T, T2, 1, echo, opts=bytes([131, 7, 4]) + aton("10.2.0.1") + b"\0"))
    case("echo: strict source route, not for us", ip(T, T2, 1, echo, opts=bytes([137, 7, 4]) + aton("10.2.0.1") + b"\0"))
    case("echo: router alert", ip(T, D, 1, echo, opts=bytes([148, 4, 0, 0])))
    case("echo: nops and end", ip(T, D, 1, echo, opts=bytes([1, 1, 0, 55])))
    case("echo: unknown option 99", ip(T, D, 1, echo, opts=bytes([99, 4, 1, 2])))
    case("echo: option 99 longer than the header", ip(T, D, 1, echo, opts=bytes([99, 40, 1, 2])))
    case("echo: option length 1", ip(T, D, 1, echo, opts=bytes([99, 1, 1, 2])))
    case("echo: option length 0", ip(T, D, 1, echo, opts=bytes([7, 0, 1, 2])))
    case("echo: option without length", ip(T, D, 1, echo, opts=bytes([1, 1, 1, 7])))
    case("echo: record route, length 2", ip(T, D, 1, echo, opts=bytes([7, 2, 1, 1])))
    case("echo: record route, pointer 3", ip(T, D, 1, echo, opts=bytes([7, 7, 3]) + b"\0" * 4 + b"\0"))
    case("echo: record route, half a slot", ip(T, D, 1, echo, opts=bytes([7, 8, 7]) + b"\0" * 5))
    case("echo: two record routes", ip(T, D, 1, echo, opts=bytes([7, 7, 4]) + b"\0" * 4 + bytes([7, 7, 4]) + b"\0" * 4 + b"\0\0"))
    case("echo: two source routes", ip(T, D, 1, echo, opts=bytes([131, 7, 4]) + aton(T2) + bytes([137, 7, 4]) + aton(T2) + b"\0\0"))
    case("echo: source route, length 2", ip(T, D, 1, echo, opts=bytes([131, 2, 0, 0])))
    case("echo: source route, pointer 3", ip(T, D, 1, echo, opts=bytes([131, 7, 3]) + aton(T2) + b"\0"))
    case("echo: source route, pointer 5", ip(T, D, 1, echo, opts=bytes([131, 11, 5]) + aton(T2) + aton(T2) + b"\0"))
    case("echo: source route, length 8", ip(T, D, 1, echo, opts=bytes([131, 8, 4]) + aton(T2) + b"\0"))
    case("echo: timestamp, length 3", ip(T, D, 1, echo, opts=bytes([68, 3, 5, 0])))
    case("echo: timestamp, pointer 4", ip(T, D, 1, echo, opts=bytes([68, 8, 4, 0]) + b"\0" * 4))
    case("echo: timestamp, pointer past half", ip(T, D, 1, echo, opts=bytes([68, 8, 7, 0]) + b"\0" * 4))
    case("echo: timestamp with address, half a slot", ip(T, D, 1, echo, opts=bytes([68, 8, 5, 1]) + b"\0" * 4))
    case("echo: timestamp, flag 5", ip(T, D, 1, echo, opts=bytes([68, 8, 5, 5]) + b"\0" * 4))
    case("echo: timestamp, flag 2", ip(T, D, 1, echo, opts=bytes([68, 12, 5, 2]) + b"\0" * 8))
    case("echo: two timestamps", ip(T, D, 1, echo, opts=bytes([68, 8, 5, 0]) + b"\0" * 4 + bytes([68, 8, 5, 0]) + b"\0" * 4))
    case("echo: router alert, length 3", ip(T, D, 1, echo, opts=bytes([148, 3, 0, 0])))
    case("echo: cipso", ip(T, D, 1, echo, opts=bytes([134, 8, 0, 0, 0, 1, 0, 2])))
    case("echo: security", ip(T, D, 1, echo, opts=bytes([130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])))
    case("echo: stream id", ip(T, D, 1, echo, opts=bytes([136, 4, 0, 7])))
    case("echo: two fragments, answered in two", *frags(T, D, 1, icmp(8, data=pat(2000)), [1480]))
    case("timestamp request", ip(T, D, 1, icmp(13, data=b"\0\0\0\7" + b"\0" * 8)))
    case("timestamp request: code 3", ip(T, D, 1, icmp(13, 3, data=b"\0\0\0\7" + b"\0" * 8)))
    case("timestamp request: 11 bytes", ip(T, D, 1, icmp(13, data=b"\0" * 3)))
    case("timestamp request: 12 bytes", ip(T, D, 1, icmp(13, data=b"\0\0\0\7")))
    case("timestamp request: 40 bytes", ip(T, D, 1, icmp(13, data=b"\0\0\0\7" + pat(28))))
    case("timestamp request: to a broadcast", ip(T, "10.0.0.255", 1, icmp(13, data=b"\0" * 12)), dst=BC)
    case("information request", ip(T, D, 1, icmp(15)))
    case("address mask request", ip(T, D, 1, icmp(17, data=b"\0" * 4)))
    case("address mask request to a broadcast", ip(T, "10.0.0.255", 1, icmp(17, data=b"\0" * 4)), dst=BC)
    case("echo reply nobody waits for", ip(T, D, 1, icmp(0, data=pat(8))))
    case("timestamp reply nobody waits for", ip(T, D, 1, icmp(14, data=pat(12))))
    for t in (1, 2, 6, 7, 9, 10, 16, 18, 19, 30, 40, 44, 255):
        case("type %d" % t, ip(T, D, 1, icmp(t, data=pat(8))))
    xe = lambda seq, obj: icmp(42, 0, rest=b"\x12\x34" + bytes([5, seq]), data=(lambda o: struct.pack("!BBH", 0x20, 0, csum(struct.pack("!BBH", 0x20, 0, 0) + o)) + o)(obj))
    byname = struct.pack("!HBB", 8, 3, 1) + b"a1\0\0"
    byindex = lambda i: struct.pack("!HBBI", 8, 3, 2, i)
    byaddr = lambda a: struct.pack("!HBBHBB", 12, 3, 3, 1, 4, 0) + aton(a)
    on = {"icmp_echo_enable_probe": 1}
    case("extended echo: off", ip(T, D, 1, xe(1, byname)))
    case("extended echo: by name", ip(T, D, 1, xe(1, byname)), sysctl=on)
    case("extended echo: no such name", ip(T, D, 1, xe(1, struct.pack("!HBB", 8, 3, 1) + b"zz\0\0")), sysctl=on)
    case("extended echo: no such index", ip(T, D, 1, xe(1, byindex(99))), sysctl=on)
    case("extended echo: by address", ip(T, D, 1, xe(1, byaddr(D2))), sysctl=on)
    case("extended echo: no such address", ip(T, D, 1, xe(1, byaddr("10.9.9.9"))), sysctl=on)
    case("extended echo: L bit clear", ip(T, D, 1, xe(0, byname)), sysctl=on)
    case("extended echo: code 1", ip(T, D, 1, icmp(42, 1, rest=b"\x12\x34\5\1", data=b"\x20\0\0\0" + byname)), sysctl=on)
    case("extended echo: no object", ip(T, D, 1, icmp(42, 0, rest=b"\x12\x34\5\1")), sysctl=on)
    case("extended echo: object of class 2", ip(T, D, 1, xe(1, struct.pack("!HBB", 8, 2, 1) + b"a1\0\0")), sysctl=on)
    case("extended echo: object of ctype 9", ip(T, D, 1, xe(1, struct.pack("!HBB", 8, 3, 9) + b"a1\0\0")), sysctl=on)

    # --- errors for what we do not serve
    case("udp: closed port", ip(T, D, 17, udp(T, D)))
    case("udp: closed port, no checksum", ip(T, D, 17, udp(T, D, check=False)))
    case("udp: closed port, bad checksum", ip(T, D, 17, udp(T, D, bad=True)))
    case("udp: closed port, 1400 bytes: quote ends at 576", ip(T, D, 17, udp(T, D, data=pat(1400))))
    case("udp: closed port, 520 bytes", ip(T, D, 17, udp(T, D, data=pat(520))))
    case("udp: closed port, 521 bytes", ip(T, D, 17, udp(T, D, data=pat(521))))
    case("udp: closed port, to a broadcast", ip(T, "10.0.0.255", 17, udp(T, "10.0.0.255")), dst=BC)
    case("udp: closed port, to 255.255.255.255", ip(T, "255.255.255.255", 17, udp(T, "255.255.255.255")), dst=BC)
    case("udp: closed port, to 224.0.0.1", ip(T, "224.0.0.1", 17, udp(T, "224.0.0.1")), dst="01005e000001")
    case("udp: closed port, unicast in a broadcast frame", ip(T, D, 17, udp(T, D)), dst=BC)
    case("udp: closed port, unicast in a multicast frame", ip(T, D, 17, udp(T, D)), dst="01005e000001")
    case("udp: closed port, from 0.0.0.0", ip("0.0.0.0", D, 17, udp("0.0.0.0", D)))
    case("udp: closed port, from an unrouted source", ip("99.1.1.1", D, 17, udp("99.1.1.1", D)))
    case("udp: closed port, from behind the gateway", ip("10.7.0.1", D, 17, udp("10.7.0.1", D)))
    case("udp: closed port, source behind the other interface", ip("10.2.0.1", D, 17, udp("10.2.0.1", D)))
    case("udp: closed port of the other interface's address", ip(T, D2, 17, udp(T, D2)))
    case("udp: closed port of the other address, inbound ifaddr", ip(T, D2, 17, udp(T, D2)), sysctl={"icmp_errors_use_inbound_ifaddr": 1})
    for tos in (0x10, 0x1C, 0x1F, 0xB8, 0xFF, 0x03):
        case("udp: closed port, tos 0x%02x" % tos, ip(T, D, 17, udp(T, D), tos=tos))
    case("udp: closed port, DF", ip(T, D, 17, udp(T, D), df=True))
    case("udp: closed port, record route", ip(T, D, 17, udp(T, D), opts=bytes([7, 15, 4]) + b"\0" * 12 + b"\0"))
    case("udp: closed port, source route", ip(T, D, 17, udp(T, D), opts=bytes([131, 7, 8]) + aton("10.0.0.7") + b"\0"))
    case("udp: closed port, timestamp", ip(T, D, 17, udp(T, D), opts=bytes([68, 12, 5, 0]) + b"\0" * 8))
    case("udp: closed port, options and 1400 bytes", ip(T, D, 17, udp(T, D, data=pat(1400)), opts=bytes([7, 39, 4]) + b"\0" * 37))
    case("udp: closed port, fragmented", *frags(T, D, 17, udp(T, D, data=pat(2000)), [1480]))
    case("udp: length 4", ip(T, D, 17, struct.pack("!HHHH", 1, 9, 4, 0)))
    case("udp: 7 bytes", ip(T, D, 17, b"\0\1\0\7\0\7\0"))
    case("udp: length longer than the packet", ip(T, D, 17, struct.pack("!HHHH", 1, 9, 40, 0)))
    case("protocol 200", ip(T, D, 200, pat(16)))
    case("protocol 200: empty", ip(T, D, 200, b""))
    case("protocol 200: from 0.0.0.0", ip("0.0.0.0", D, 200, pat(16)))
    case("protocol 200: to a broadcast", ip(T, "10.0.0.255", 200, pat(16)), dst=BC)
    case("protocol 200: fragmented", *frags(T, D, 200, pat(40), [16]))
    # --- headers we cannot even read: silence
    case("header: version 6", ip(T, D, 1, echo, ver=6))
    case("header: ihl 4", ip(T, D, 1, echo, ihl=4))
    case("header: ihl 15 of a 20-byte packet", ip(T, D, 1, b"", ihl=15))
    case("header: bad checksum", ip(T, D, 1, echo, bad=True))
    case("header: total length 19", ip(T, D, 1, echo, tot=19))
    case("header: total length beyond the frame", ip(T, D, 1, echo, tot=200))
    case("header: destination 0.0.0.0", ip(T, "0.0.0.0", 1, echo))
    case("header: destination 127.0.0.1", ip(T, "127.0.0.1", 1, echo))
    case("header: destination 240.0.0.1", ip(T, "240.0.0.1", 1, echo))
    # --- rate limits: the default mask, one token a second and six saved up per host
    lim = {"icmp_ratemask": 6168}
    case("limit: 12 closed ports at once", *[ip("10.0.0.7", D, 17, udp("10.0.0.7", D))] * 12, sysctl=lim)
    case("limit: ratelimit 0", *[ip("10.0.0.8", D, 17, udp("10.0.0.8", D))] * 12, sysctl={"icmp_ratemask": 6168, "icmp_ratelimit": 0})
    case("limit: echo replies are not limited", *[ip("10.0.0.7", D, 1, icmp(8))] * 12, sysctl=lim)
    case("limit: echo replies limited", *[ip("10.0.0.9", D, 1, icmp(8))] * 12, sysctl={"icmp_ratemask": 1})
    case("limit: global budget", *[ip("10.1.1.%d" % i, D, 17, udp("10.1.1.%d" % i, D)) for i in range(1, 200)], sysctl={"icmp_ratemask": 6168, "icmp_msgs_per_sec": 0, "icmp_msgs_burst": 1})
    case("limit: too big is never limited", *[ip("10.0.0.7", "10.6.0.1", 17, udp("10.6.0.1", T, data=pat(900)), df=True)] * 3, sysctl=lim)
    # --- forwarding
    fu = lambda dst, **kw: ip(T, dst, 17, udp(T, dst, data=pat(20)), **kw)
    case("forward", fu(T2))
    case("forward: tos and id kept", fu(T2, tos=0xB9, id=7))
    case("forward: ttl 2", fu(T2, ttl=2))
    case("forward: ttl 1", fu(T2, ttl=1))
    case("forward: ttl 0", fu(T2, ttl=0))
    case("forward: ttl 1, inbound ifaddr", fu("10.2.0.9", ttl=1), sysctl={"icmp_errors_use_inbound_ifaddr": 1})
    case("forward: ttl 1, source behind the other interface", ip("10.2.0.1", "10.7.0.9", 17, udp("10.2.0.1", "10.7.0.9"), ttl=1))
    case("forward: ttl 1, echo", ip(T, T2, 1, echo, ttl=1))
    case("forward: ttl 1, echo reply", ip(T, T2, 1, icmp(0, data=pat(8)), ttl=1))
    inner = ip(T2, T, 17, udp(T2, T))
    for t in (3, 4, 5, 11, 12):
        case("forward: ttl 1, ICMP type %d" % t, ip(T, T2, 1, icmp(t, data=inner), ttl=1))
    case("forward: ttl 1, ICMP type 13", ip(T, T2, 1, icmp(13, data=b"\0" * 12), ttl=1))
    case("forward: ttl 1, ICMP type 19", ip(T, T2, 1, icmp(19, data=pat(8)), ttl=1))
    case("forward: ttl 1, ICMP type 42", ip(T, T2, 1, icmp(42, data=pat(8)), ttl=1))
    case("forward: ttl 1, ICMP without a byte", ip(T, T2, 1, b"", ttl=1))
    case("forward: ttl 1, first fragment", ip(T, T2, 17, udp(T, T2, data=pat(24)), ttl=1, mf=True))
    case("forward: ttl 1, later fragment", ip(T, T2, 17, pat(24), ttl=1, off=800))
    case("forward: ttl 1, in a broadcast frame", fu(T2, ttl=1), dst=BC)
    case("forward: ttl 1, from 0.0.0.0", ip("0.0.0.0", T2, 17, udp("0.0.0.0", T2), ttl=1))
    case("forward: ttl 1, from 127.0.0.1", ip("127.0.0.1", T2, 17, udp("127.0.0.1", T2), ttl=1))
    case("forward: ttl 1, from an unrouted source", ip("99.1.1.1", T2, 17, udp("99.1.1.1", T2), ttl=1))
    case("forward: ttl 1, tos 0x88", fu(T2, ttl=1, tos=0x88))
    case("forward: no route", fu("99.1.1.1"))
    case("forward: unreachable", fu("10.3.0.1"))
    case("forward: unreachable, again", *[ip("10.0.0.3", "10.3.0.1", 17, udp("10.0.0.3", "10.3.0.1"))] * 8)
    case("forward: prohibit", fu("10.4.0.1"))
    case("forward: blackhole", fu("10.5.0.1"))
    case("forward: throw", fu("10.9.0.1"))
    case("forward: too big with DF", ip(T, "10.6.0.1", 17, udp("10.6.0.1", T, data=pat(900)), df=True))
    case("forward: too big, fragmented on", ip(T, "10.6.0.1", 17, udp(T, "10.6.0.1", data=pat(900))))
    case("forward: too big, three fragments", ip(T, "10.6.0.1", 17, udp(T, "10.6.0.1", data=pat(1400))))
    case("forward: a fragment too big", ip(T, "10.6.0.1", 17, pat(800), off=1600, mf=True))
    case("forward: a last fragment too big", ip(T, "10.6.0.1", 17, pat(801), off=1600))
    case("forward: too big with options", ip(T, "10.6.0.1", 17, udp(T, "10.6.0.1", data=pat(900)), opts=bytes([7, 7, 4]) + b"\0" * 4 + b"\1" + bytes([136, 4, 0, 9])))
    case("forward: exactly the mtu", ip(T, "10.6.0.1", 17, udp(T, "10.6.0.1", data=pat(572)), df=True))
    case("forward: redirect", ip(T, "10.7.0.1", 17, udp(T, "10.7.0.1")))
    case("forward: redirect, not for a neighbour of another net", ip("10.7.0.2", "10.7.0.1", 17, udp("10.7.0.2", "10.7.0.1")))
    case("forward: redirect off", ip(T, "10.7.0.1", 17, udp(T, "10.7.0.1")), sysctl={"conf/all/send_redirects": 0, "conf/a0/send_redirects": 0})
    case("forward: record route", fu(T2, opts=bytes([7, 15, 4]) + b"\0" * 12 + b"\0"))
    case("forward: timestamp with address", fu(T2, opts=bytes([68, 20, 5, 1]) + b"\0" * 16))
    case("forward: router alert", fu(T2, opts=bytes([148, 4, 0, 0])))
    case("forward: bad option", fu(T2, opts=bytes([7, 7, 3]) + b"\0" * 5))
    case("forward: strict source route to us, then far", ip(T, D, 17, udp(T, D), opts=bytes([137, 11, 4]) + aton("10.2.0.1") + aton("10.2.0.2") + b"\0"))
    case("forward: to a multicast group", ip(T, "239.1.1.1", 17, udp(T, "239.1.1.1")), dst="01005e010101")
    case("forward: off", fu(T2), sysctl={"ip_forward": 0})
    # --- fragments for us
    p = icmp(8, data=pat(120))  # 128 bytes
    F = lambda *cuts: frags(T, D, 1, p, list(cuts))
    case("frag: in order", *F(40, 80))
    case("frag: reversed", *F(40, 80)[::-1])
    case("frag: last, first, middle", *[F(40, 80)[i] for i in (2, 0, 1)])
    case("frag: middle, last, first", *[F(40, 80)[i] for i in (1, 2, 0)])
    case("frag: 16 fragments of 8, interleaved", *(F(*range(8, 128, 8))[::2] + F(*range(8, 128, 8))[1::2]))
    f = F(40, 80)
    case("frag: duplicate of the first", f[0], f[0], f[1], f[2])
    case("frag: duplicate of the middle", f[0], f[1], f[1], f[2])
    case("frag: duplicate of the last", f[0], f[2], f[2], f[1])
    case("frag: duplicate of the first, out of order", f[2], f[0], f[2], f[0], f[1])
    part = lambda a, b, mf=True, **kw: ip(T, D, 1, p[a:b], off=a, mf=mf, **kw)
    short = {"ipfrag_time": 1}
    case("frag: overlap at the front", f[0], part(32, 80), f[2], sysctl=short, wait=1.4)
    case("frag: overlap at the end", part(40, 88), part(80, 128, False), f[0], sysctl=short, wait=1.4)
    case("frag: contained in another", part(0, 80), part(8, 40), f[2])
    case("frag: contains another", part(40, 80), part(0, 96), part(96, 128, False), sysctl=short, wait=1.4)
    case("frag: same start, shorter", part(0, 80), part(0, 40), part(80, 128, False))
    case("frag: same end", part(0, 80), part(40, 80), part(80, 128, False))
    case("frag: starts two runs", part(0, 16), part(32, 48), part(40, 56), sysctl=short, wait=1.4)
    case("frag: after an overlap a new queue starts", f[0], part(32, 80), *F(40, 80))
    case("frag: teardrop", part(0, 40), part(24, 32, False), sysctl=short, wait=1.4)
    case("frag: last ends before what is there", part(80, 120), part(40, 48, False), sysctl=short, wait=1.4)
    case("frag: two last with different ends", part(80, 128, False), part(80, 104, False), f[0], f[1], sysctl=short, wait=1.4)
    case("frag: more after the last", part(40, 80, False), part(80, 128), f[0], sysctl=short, wait=1.4)
    case("frag: middle not a multiple of 8", part(0, 44), part(40, 128, False), sysctl=short, wait=1.4)
    case("frag: middle not a multiple of 8, alone", part(8, 13), sysctl=short, wait=1.4)
    case("frag: empty last", part(0, 128), ip(T, D, 1, b"", off=128), sysctl=short, wait=1.4)
    case("frag: empty middle", f[0], ip(T, D, 1, b"", off=40, mf=True), f[1], f[2])
    case("frag: empty first with MF", ip(T, D, 1, b"", off=0, mf=True), f[0], f[1], f[2])
    case("frag: one byte last", part(0, 120), part(120, 128, False))
    case("frag: tiny first", ip(T, D, 1, p[:8], off=0, mf=True), part(8, 128, False))
    case("frag: offset 65528, 8 bytes", ip(T, D, 1, pat(8), off=65528), sysctl=short, wait=1.4)
    case("frag: other id does not mix", part(0, 40), part(40, 128, False, id=0x4321), sysctl=short, wait=1.4)
    case("frag: other protocol does not mix", part(0, 40), ip(T, D, 17, p[40:], off=40), sysctl=short, wait=1.4)
    case("frag: other source does not mix", part(0, 40), ip("10.0.0.3", D, 1, p[40:], off=40), sysctl=short, wait=1.4)
    case("frag: other tos mixes", part(0, 40, tos=0x10), part(40, 128, False, tos=0x20))
    for a, b in ((0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)):
        case("frag: ECN %d and %d" % (a, b), part(0, 40, tos=a), part(40, 128, False, tos=b), sysctl=short, wait=0.06)
    case("frag: timeout with the first", f[0], sysctl=short, wait=1.4)
    case("frag: timeout with first and last", f[0], f[2], sysctl=short, wait=1.4)
    case("frag: timeout without the first", f[1], f[2], sysctl=short, wait=1.4)
    case("frag: timeout, udp", *frags(T, D, 17, udp(T, D, data=pat(1400)), [1000])[:1], sysctl=short, wait=1.4)
    case("frag: timeout, ICMP error", ip(T, D, 1, icmp(3, data=inner), mf=True, off=0)[:20] + icmp(3, data=inner + pat(8))[:32], sysctl=short, wait=1.4)
    case("frag: timeout, from a broadcast frame", f[0], dst=BC, sysctl=short, wait=1.4)
    case("frag: timeout, to a broadcast", *[ip(T, "10.0.0.255", 1, p[:40], mf=True)], dst=BC, sysctl=short, wait=1.4)
    case("frag: high_thresh 0", f[0], f[1], f[2], sysctl={"ipfrag_low_thresh": 0, "ipfrag_high_thresh": 0})
    case("frag: max_dist 1", f[0], *[x for i in range(3) for x in frags(T, D, 1, p, [40], id=100 + i)], f[1], f[2], sysctl={"ipfrag_max_dist": 1, "ipfrag_time": 1}, wait=1.4)
    case("frag: max_dist 0 is off", f[0], *[x for i in range(3) for x in frags(T, D, 1, p, [40], id=100 + i)], f[1], f[2], sysctl={"ipfrag_max_dist": 0})
    case("frag: options of the first are kept", ip(T, D, 1, p[:40], mf=True, opts=bytes([7, 7, 4, 0, 0, 0, 0, 0])), ip(T, D, 1, p[40:], off=40))
    case("frag: options of the second are not", ip(T, D, 1, p[:40], mf=True), ip(T, D, 1, p[40:], off=40, opts=bytes([136, 4, 0, 9])))
    case("frag: DF set", ip(T, D, 1, p[:40], mf=True, df=True), ip(T, D, 1, p[40:], off=40, df=True))
    case("frag: first ttl 1", part(0, 40, ttl=1), part(40, 128, False))
    case("frag: to the subnet broadcast", *frags(T, "10.0.0.255", 1, p, [40]), dst=BC, sysctl={"icmp_echo_ignore_broadcasts": 0})
    case("frag: MF with offset 0 and everything", ip(T, D, 1, p, mf=True), sysctl=short, wait=1.4)
    # --- ICMP errors for us: nobody there, but counted
    for t, c in ((3, 0), (3, 1), (3, 3), (3, 4), (3, 16), (4, 0), (5, 0), (5, 1), (11, 0), (11, 1), (12, 0)):
        case("error in: type %d code %d" % (t, c), ip(T, D, 1, icmp(t, c, rest=b"\0\0\2\x58", data=ip(D, T2, 17, udp(D, T2)))))
    case("error in: quote too short", ip(T, D, 1, icmp(3, 3, data=ip(D, T2, 17, udp(D, T2))[:16])))
    case("error in: quote of 20 bytes", ip(T, D, 1, icmp(3, 3, data=ip(D, T2, 17, udp(D, T2))[:20])))
    case("error in: quote with ihl 15", ip(T, D, 1, icmp(3, 3, data=ip(D, T2, 17, udp(D, T2), ihl=15)[:28])))
    case("error in: quote of unknown protocol", ip(T, D, 1, icmp(3, 3, data=ip(D, T2, 222, pat(8)))))
    case("error in: quote of a fragment", ip(T, D, 1, icmp(3, 3, data=ip(D, T2, 17, pat(8), off=80))))
    case("error in: to a broadcast", ip(T, "10.0.0.255", 1, icmp(3, 3, data=ip(D, T2, 17, udp(D, T2)))), dst=BC)
    case("error in: bogus, quotes a broadcast", ip(T, D, 1, icmp(3, 3, data=ip(D, "10.0.0.255", 17, udp(D, T2)))))
    case("error in: bogus, to a broadcast source", ip(T, D, 1, icmp(3, 3, data=ip(D, "255.255.255.255", 17, udp(D, T2)))))
    return cases


SETUP = [
    "addr add 10.0.0.1/24 brd + dev a0", "addr add 10.1.0.1/24 brd + dev a1", "link set lo up", "link set a0 up", "link set a1 up",
    "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 nud permanent dev a0", "neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 nud permanent dev a0",
    "neigh add 10.1.0.2 lladdr 02:00:00:00:01:02 nud permanent dev a1",
    "neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 nud permanent dev a0", "neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 nud permanent dev a0",
    "neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 nud permanent dev a0", "route add 10.1.1.0/24 via 10.0.0.3",
    "route add 10.2.0.0/16 via 10.1.0.2", "route add unreachable 10.3.0.0/16", "route add prohibit 10.4.0.0/16",
    "route add blackhole 10.5.0.0/16", "route add 10.6.0.0/16 via 10.1.0.2 mtu 600", "route add 10.7.0.0/16 via 10.0.0.3",
    "route add throw 10.9.0.0/16",
]
SYSCTL = {
    "ip_forward": 1, "conf/all/rp_filter": 0, "conf/default/rp_filter": 0, "conf/a0/rp_filter": 0, "conf/a1/rp_filter": 0,
    "icmp_ratemask": 0, "icmp_ratelimit": 1000, "icmp_msgs_per_sec": 1000, "icmp_msgs_burst": 50, "conf/all/accept_source_route": 1,
    "conf/a0/accept_source_route": 1, "conf/all/send_redirects": 1, "conf/a0/send_redirects": 1, "conf/all/log_martians": 0,
    "icmp_echo_ignore_broadcasts": 1, "icmp_echo_ignore_all": 0, "icmp_errors_use_inbound_ifaddr": 0, "icmp_echo_enable_probe": 0,
    "ipfrag_time": 30, "ipfrag_max_dist": 64, "ipfrag_high_thresh": 4194304, "ipfrag_low_thresh": 3145728,
}


def up():
    down()
    sh("ip netns add %s" % NS)
    for dev, peer in (("a0", A), ("a1", B)):
        sh("ip link add %s address %s type veth peer name %s address %s netns %s" % (
            peer, ":".join(PEER[dev][i : i + 2] for i in range(0, 12, 2)), dev, ":".join(MACS[dev][i : i + 2] for i in range(0, 12, 2)), NS))
        sh("sysctl -qw net.ipv6.conf.%s.disable_ipv6=1; ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1" % (peer, NS))
        sh("ip netns exec %s ethtool -K %s tx off rx off gro off gso off >/dev/null 2>&1; ethtool -K %s tx off rx off >/dev/null 2>&1; ip link set %s up arp off" % (NS, dev, peer, peer))
    for c in SETUP:
        sh("ip -n %s %s" % (NS, c))


def down():
    subprocess.run("ip netns del %s 2>/dev/null; ip link del %s 2>/dev/null; ip link del %s 2>/dev/null" % (NS, A, B), shell=True)


def mib(out):
    r = {}
    for f in out:
        lines = f.splitlines()
        for i in range(0, len(lines) - 1, 2):
            k, v = lines[i].split(), lines[i + 1].split()
            if k[0] in ("Ip:", "Icmp:", "IcmpMsg:", "IpExt:", "Udp:"):
                for a, b in zip(k[1:], v[1:]):
                    r[k[0][:-1] + a] = int(b)
    return r


def main():
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = [c for c in ip_edge_cases() if only in c["name"]]
    up()
    time.sleep(1.2)
    socks = {}
    for dev, peer in (("a0", A), ("a1", B)):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.bind((peer, 0))
        socks[dev] = s
    # One child lives in the namespace: sysctls and counters without a fork for each.
    pr, cw = os.pipe()
    cr, pw = os.pipe()
    if os.fork() == 0:
        os.close(pw)
        os.close(pr)
        fd = os.open("/var/run/netns/" + NS, os.O_RDONLY)
        import ctypes
        ctypes.CDLL(None).setns(fd, 0)
        rd = os.fdopen(cr)
        # /proc/net is per task (thread-self), /proc/sys/net follows the opener's namespace.
        for line in rd:
            if line == "mib\n":
                o = mib([open("/proc/thread-self/net/snmp").read(), open("/proc/thread-self/net/netstat").read()])
                os.write(cw, (json.dumps(o) + "\n").encode())
            else:
                # Twice: some limits are bounded by others that come later.
                for k, v in list(json.loads(line).items()) * 2:
                    open("/proc/sys/net/ipv4/" + k, "w").write(str(v))
                os.write(cw, b"ok\n")
        os._exit(0)
    rd = os.fdopen(pr)

    def ask(line):
        os.write(pw, (line + "\n").encode())
        return rd.readline()

    def drain(wait):
        out, end = [], time.time() + wait
        while True:
            left = end - time.time()
            r, _, _ = select.select(list(socks.values()), [], [], max(0, left))
            if not r:
                return out
            for dev, s in socks.items():
                if s in r:
                    data, addr = s.recvfrom(70000)
                    if addr[2] != 4:  # not PACKET_OUTGOING
                        out.append({"dev": dev, "frame": data.hex()})

    result = []
    for c in cases:
        ask(json.dumps({**SYSCTL, **c["sysctl"]}))
        drain(0.005)
        before = json.loads(ask("mib"))
        for dev, frame in c["frames"]:
            socks[dev].send(frame)
        out = drain(c["wait"])
        after = json.loads(ask("mib"))
        delta = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
        result.append({"name": c["name"], "sysctl": c["sysctl"], "wait_ms": round(c["wait"] * 1000),
                       "in": [{"dev": d, "frame": f.hex()} for d, f in c["frames"]], "out": out, "mib": delta})
        print("%-55s %d out %s" % (c["name"], len(out), {k: v for k, v in delta.items() if k not in ("IpExtInOctets", "IpExtOutOctets", "IpExtInNoECTPkts")}), file=sys.stderr)
        ask(json.dumps(SYSCTL))
        # What an incomplete queue left behind must not meet the next case.
        if any("ReasmReqds" in k for k in delta) and delta.get("IpReasmOKs", 0) == 0 and c["wait"] < 1:
            ask(json.dumps({"ipfrag_low_thresh": 0, "ipfrag_high_thresh": 0}))
            ask(json.dumps(SYSCTL))
    down()
    path = sys.argv[2] if len(sys.argv) > 2 else "test/kunit/net/ipv4/golden/ip_edge.jsonl"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(json.dumps({"setup": SETUP, "sysctl": SYSCTL}) + "\n")
        for r in result:
            f.write(json.dumps(r, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
