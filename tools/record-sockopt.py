#!/usr/bin/env python3
# What Linux says to each option of a level, each value and each length, as JSON: SOL_IP for test/kunit/net/ipv4/ip_sockglue.test.ts,
# and all of them live in test/linux/sockopt.test.ts. In a namespace of its own, lo up:
# unshare -n python3 tools/record-sockopt.py > .../golden/sockopt.json; record-sockopt.py LEVEL for another level.
import ctypes
import fcntl
import json
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)

# SIOCSIFFLAGS: IFF_UP for lo.
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 1))

LEVEL = int(sys.argv[1]) if len(sys.argv) > 1 else 0
# Not asked: what takes a pointer (filters), and what is different each time (cookies, TCP_INFO).
OPTIONS = {
    0: [*range(1, 16), *range(19, 42), *range(49, 54)],
    1: [o for o in range(0, 90) if o not in (26, 27, 50, 51, 52, 57, 68, 71)],
    6: [o for o in range(0, 56) if o not in (11, 24, 26)],
    17: [*range(0, 4), *range(99, 106)],
}.get(LEVEL, [0, 1, 2, 5, 23])
ALL = {"udp": (socket.SOCK_DGRAM, 0), "raw": (socket.SOCK_RAW, 253), "hdrincl": (socket.SOCK_RAW, 255)}
ALL.update({"tcp": (socket.SOCK_STREAM, 0), "listen": (socket.SOCK_STREAM, 0), "connected": (socket.SOCK_STREAM, 0)})
KINDS = ["udp", "raw", "hdrincl"] if len(sys.argv) < 2 else ["udp", "raw", "tcp", "listen", "connected"]
TYPES = {k: ALL[k] for k in KINDS}
INTS = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 63, 254, 255, 256, 0x7FFFFFFF, -0x80000000]
IP_VALUES = [
    *["", "00", "01", "02", "06", "40", "ff", "0100", "ff01", "010000", "000100"],
    *[struct.pack("<i", i).hex() for i in INTS],
    # Ports 10000 to 20000 and back; index 1 in network byte order; 127.0.0.1 and another address.
    *["1027204e", "204e1027", "00000001", "00000009", "7f000001", "0a090909"],
    # More than an int; struct ip_mreq, ip_mreqn and ip_mreq_source, of zeros, of lo, of a group.
    *["0100000000", "00" * 8, "01" + "00" * 7, "e00101017f000001", "e001010100000000", "000000007f000001"],
    *["00" * 12, "00" * 8 + "01000000", "00" * 8 + "63000000", "000000007f00000101000000", "e00101010000000001000000"],
    *["e00101017f0000010a000001", "e00101010a0000017f000001", "00" * 16, "00" * 20],
    # Options: NOPs, record route, a timestamp, a loose source route, one that is cut short, one too many.
    *["01010101", "07070400000000", "0707040000000000", "440c0500" + "00" * 8, "83070400000000", "8307047f00000100", "0703"],
    *["01" * 40, "01" * 41],
]
# Numbers around the limits; struct linger and timeval, old and new; names.
MORE_INTS = [-2, -1, 0, 1, 2, 3, 4, 6, 15, 16, 31, 63, 64, 127, 128, 255, 256, 300, 1000, 4096, 32767, 32768, 65535, 65536]
MORE_INTS += [120000, 120001, 200000, 200001, 1000000, 1 << 24, 1 << 28, 0x7FFFFFFF, -0x80000000]
OTHER_VALUES = [
    *["", "00", "01", "ff", "0100", "010000", *[struct.pack("<i", i).hex() for i in MORE_INTS]],
    *[struct.pack("<ii", *v).hex() for v in ((0, 0), (1, 0), (1, 5), (1, -1), (2, 0x7FFFFFFF), (-1, 5), (64, 1))],
    *[struct.pack("<qq", *v).hex() for v in ((0, 0), (1, 0), (0, 1), (0, 999999), (0, 1000000), (-1, 0), (0, -1), (1 << 40, 5))],
    *[b"lo\0".hex(), b"lo".hex(), b"none".hex(), b"reno".hex(), b"cubic".hex(), b"reno\0xyz".hex(), b"tls".hex()],
    *["00" * 12, "01" * 16, "00" * 20, "00" * 40, "01" * 32],
]
VALUES = IP_VALUES if LEVEL == 0 else OTHER_VALUES
LENGTHS = [0, 1, 2, 3, 4, 5, 8, 16, 64]


def setsockopt(s, opt, value):
    if libc.setsockopt(s.fileno(), LEVEL, opt, value, len(value)) == 0:
        return 0
    return -ctypes.get_errno()


def getsockopt(s, opt, length):
    buf = ctypes.create_string_buffer(b"\xee" * 64, 64)
    n = ctypes.c_uint(length)
    if libc.getsockopt(s.fileno(), LEVEL, opt, buf, ctypes.byref(n)) != 0:
        return str(-ctypes.get_errno())
    return f"{n.value}:{buf.raw[: min(n.value, length)].hex()}"


peer = socket.socket()
peer.bind(("127.0.0.1", 7))
peer.listen(5)
accepted = []


def one(kind, opt):
    def fresh():
        s = socket.socket(socket.AF_INET, *TYPES[kind])
        if TYPES[kind][0] == socket.SOCK_STREAM:
            s.setsockopt(6, 13, b"reno")
        if kind == "listen":
            s.listen(5)
        if kind == "connected":
            s.connect(peer.getsockname())
            accepted.append(peer.accept()[0])
        return s

    sets = []
    for value in VALUES:
        with fresh() as s:
            err = setsockopt(s, opt, bytes.fromhex(value))
            sets.append(f"{err} {getsockopt(s, opt, 64)}")
    gets = []
    for length in LENGTHS:
        with fresh() as s:
            before = getsockopt(s, opt, length)
            setsockopt(s, opt, struct.pack("<i", 1))
            gets.append(f"{before} {getsockopt(s, opt, length)}")
    while accepted:
        accepted.pop().close()
    return {"set": sets, "get": gets}


table = {kind: {str(opt): one(kind, opt) for opt in OPTIONS} for kind in TYPES}
print(json.dumps({"level": LEVEL, "values": VALUES, "lengths": LENGTHS, "table": table}, indent=None, separators=(",", ":")))
