#!/usr/bin/env python3
# What Linux says to each SOL_IP option, each value and each length, as JSON: for test/kunit/net/ipv4/ip_sockglue.test.ts, and live in
# test/linux/sockopt.test.ts. In a namespace of its own, lo up: unshare -n python3 tools/record-sockopt.py > .../golden/sockopt.json
import ctypes
import fcntl
import json
import socket
import struct

libc = ctypes.CDLL(None, use_errno=True)

# SIOCSIFFLAGS: IFF_UP for lo.
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 1))

OPTIONS = [*range(1, 16), *range(19, 42), *range(49, 54)]
TYPES = {"udp": (socket.SOCK_DGRAM, 0), "raw": (socket.SOCK_RAW, 253), "hdrincl": (socket.SOCK_RAW, 255)}
INTS = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 63, 254, 255, 256, 0x7FFFFFFF, -0x80000000]
VALUES = [
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
LENGTHS = [0, 1, 2, 3, 4, 5, 8, 16, 64]


def setsockopt(s, opt, value):
    if libc.setsockopt(s.fileno(), 0, opt, value, len(value)) == 0:
        return 0
    return -ctypes.get_errno()


def getsockopt(s, opt, length):
    buf = ctypes.create_string_buffer(b"\xee" * 64, 64)
    n = ctypes.c_uint(length)
    if libc.getsockopt(s.fileno(), 0, opt, buf, ctypes.byref(n)) != 0:
        return str(-ctypes.get_errno())
    return f"{n.value}:{buf.raw[: min(n.value, length)].hex()}"


def one(kind, opt):
    def fresh():
        return socket.socket(socket.AF_INET, *TYPES[kind])

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
    return {"set": sets, "get": gets}


table = {kind: {str(opt): one(kind, opt) for opt in OPTIONS} for kind in TYPES}
print(json.dumps({"values": VALUES, "lengths": LENGTHS, "table": table}, indent=None, separators=(",", ":")))
