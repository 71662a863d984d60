#!/usr/bin/env python3
# Makes the system calls of scenarios that come as JSON on stdin, and prints what Linux answered: test/kunit/net/ipv6/calls.ts has the
# scenarios. In a namespace of its own, where lo is brought up and IPv6 has no address: unshare -n python3 tools/record-calls.py < IN > OUT
import ctypes
import errno
import fcntl
import json
import signal
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
for i in ("all", "default"):
    with open(f"/proc/sys/net/ipv6/conf/{i}/disable_ipv6", "w") as f:
        f.write("1")
# SIOCSIFFLAGS: IFF_UP for lo.
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 1))


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint),
        ("iov", ctypes.c_void_p),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


def ret(r):
    return r if r >= 0 else -ctypes.get_errno()


def buf(hexa):
    b = bytes.fromhex(hexa)
    return (ctypes.c_ubyte * max(1, len(b)))(*b), len(b)


def message(name, data, control):
    m = Msghdr()
    keep = []
    if name is not None:
        b, n = buf(name) if isinstance(name, str) else ((ctypes.c_ubyte * max(1, name))(), name)
        keep.append(b)
        m.name = ctypes.addressof(b)
        m.namelen = n
    b, n = buf(data) if isinstance(data, str) else ((ctypes.c_ubyte * max(1, data))(), data)
    keep.append(b)
    v = Iovec(ctypes.addressof(b), n)
    keep.append(v)
    m.iov = ctypes.addressof(v)
    m.iovlen = 1
    if control is not None:
        b, n = buf(control) if isinstance(control, str) else ((ctypes.c_ubyte * max(1, control))(), control)
        keep.append(b)
        m.control = ctypes.addressof(b)
        m.controllen = n
    return m, keep


def name_call(f, fd, room):
    b = (ctypes.c_ubyte * max(1, room))()
    n = ctypes.c_uint(room)
    r = ret(f(fd, b, ctypes.byref(n)))
    return r, (bytes(b)[: min(room, n.value)].hex() if r >= 0 else ""), n.value


def step(op, a):
    if op == "socket":
        return [ret(libc.socket(*a))]
    if op in ("bind", "connect"):
        b, n = buf(a[1])
        return [ret(getattr(libc, op)(a[0], b, n))]
    if op in ("listen", "shutdown", "close"):
        return [ret(getattr(libc, op)(*a))]
    if op == "accept":
        r, h, n = name_call(libc.accept, a[0], a[1])
        return [r, h, n]
    if op in ("getsockname", "getpeername"):
        r, h, n = name_call(getattr(libc, op), a[0], a[1])
        return [r, h, n] if r >= 0 else [r]
    if op == "setsockopt":
        b, n = buf(a[3])
        return [ret(libc.setsockopt(a[0], a[1], a[2], b, n))]
    if op == "getsockopt":
        b = (ctypes.c_ubyte * max(1, a[3]))()
        n = ctypes.c_uint(a[3])
        r = ret(libc.getsockopt(a[0], a[1], a[2], b, ctypes.byref(n)))
        return [r, bytes(b)[: min(a[3], n.value)].hex()] if r >= 0 else [r]
    if op == "sendmsg":
        m, keep = message(a[1], a[2], a[3])
        return [ret(libc.sendmsg(a[0], ctypes.byref(m), a[4]))]
    if op == "recvmsg":
        m, keep = message(a[1], a[2], a[3])
        r = ret(libc.recvmsg(a[0], ctypes.byref(m), a[4]))
        if r < 0:
            return [r]
        name = bytes(keep[0])[: min(a[1], m.namelen)].hex() if a[1] else ""
        control = bytes(keep[-1])[: m.controllen].hex() if a[3] else ""
        return [r, name, m.namelen if a[1] else 0, control, m.flags]
    if op == "sysctl":
        with open("/proc/sys/" + a[0].replace(".", "/"), "w") as f:
            f.write(a[1])
        return [0]
    raise ValueError(op)


# A call that waits for ever is interrupted: -EINTR.
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, True)
out = {}
for name, steps in json.load(sys.stdin).items():
    fds = []
    results = []
    for op, *args in steps:
        args = [fds[int(x[1:])] if isinstance(x, str) and x.startswith("@") else x for x in args]
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        r = step(op, args)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if r[0] == -errno.EINTR:
            print(name, op, args, "waits", file=sys.stderr)
        if op in ("socket", "accept"):
            fds.append(r[0])
            if r[0] >= 0:
                r[0] = 0
        results.append(r)
    for fd in fds:
        if fd >= 0:
            libc.close(fd)
    out[name] = results
print("{" + ",\n".join(f"{json.dumps(n)}: {json.dumps(r, separators=(',', ':'))}" for n, r in out.items()) + "}")
