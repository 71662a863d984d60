#!/usr/bin/env python3
"""Records what this machine's Linux says of random classic BPF programs: SO_ATTACH_FILTER's verdict, and how much of
each of four packets a filtered datagram socket keeps. Writes test/kunit/net/core/golden/bpf.txt. No privilege needed."""
import ctypes, os, random, socket, struct, sys

rnd = random.Random(20240101)
libc = ctypes.CDLL(None, use_errno=True)
PACKETS = [bytes(rnd.randrange(256) for _ in range(n)) for n in (1, 14, 40, 64)]
KEEP = 8 * 1024

LOADS = [0x20, 0x28, 0x30, 0x40, 0x48, 0x50]
PLAIN = [0x00, 0x01, 0x80, 0x81, 0xb1, 0x07, 0x87, 0x84]
MEM = [0x60, 0x61, 0x02, 0x03]
ALU = [0x04 | op | src for op in range(0, 0xb0, 0x10) if op != 0x80 for src in (0, 8)]
JMP = [0x05 | op | src for op in (0x10, 0x20, 0x30, 0x40) for src in (0, 8)]


def insn(i, n, wild):
    left = n - i - 1
    kind = rnd.randrange(12)
    jt = jf = 0
    k = rnd.choice([0, 1, 2, 3, 5, 8, 13, 20, 31, 0xff, 0xffff, 0x80000000, 0xffffffff, rnd.getrandbits(32)])
    if kind < 4:
        code = rnd.choice(LOADS)
        k = rnd.choice([0, 1, 2, 3, 7, 12, 14, 20, 36, 38, 60, 63, 64, 0xffffffff, 0xfffff024, 0xffe00000])
        if code >= 0x40 and rnd.random() < 0.8:
            k = rnd.choice([0, 1, 4])
        if k in (0xfffff024, 0xffe00000, 0xffffffff) and rnd.random() < 0.8:
            k = 0
        if k == 0xfffff024:
            k = rnd.choice([0xfffff000 + 40, 0xfffff000 + 41, 0xfffff000 + 64, 0xfffff000 + 4])
    elif kind < 6:
        code = rnd.choice(PLAIN)
        if code == 0xb1:
            k = rnd.choice([0, 5, 13])
    elif kind < 8:
        code = rnd.choice(MEM)
        k = rnd.choice([0, 1, 2, 15])
    elif kind < 10:
        code = rnd.choice(ALU)
        if code in (0x64, 0x74):
            k &= 31
        if code in (0x34, 0x94):
            k = k or 1
    elif left > 1:
        code = rnd.choice(JMP)
        jt, jf = rnd.randrange(min(left, 4)), rnd.randrange(min(left, 4))
        if rnd.random() < 0.15:
            code, k = 0x05, rnd.randrange(min(left, 4))
    else:
        code = 0x87
    if wild and rnd.random() < 0.15:
        what = rnd.randrange(5)
        if what == 0:
            code = rnd.randrange(256)
        elif what == 1:
            k = rnd.choice([0, 16, 32, 33, 0xfffff000 + 3])
        elif what == 2:
            jt = rnd.randrange(12)
        elif what == 3:
            code, k = rnd.choice([0x64, 0x74, 0x34, 0x94]), rnd.choice([0, 32, 4])
        else:
            code, k = 0x05, rnd.choice([left, left - 1, 0xffffffff]) & 0xffffffff
    return code, jt, jf, k


def program():
    n = rnd.randrange(2, 14)
    wild = rnd.random() < 0.4
    p = [insn(i, n + 2, wild) for i in range(n)]
    if rnd.random() < 0.7:  # define M[] first, so that most programs pass
        p = [(0x02, 0, 0, m) for m in (0, 1, 2, 15)] + p
    if rnd.random() < 0.05:
        return p
    if rnd.random() < 0.6:
        p.append((0x54, 0, 0, 63))
    p.append(rnd.choice([(0x16, 0, 0, 0), (0x16, 0, 0, 0), (0x16, 0, 0, 0), (0x06, 0, 0, rnd.choice([0, 7, 65535])),
                         (0x0e, 0, 0, 0) if wild else (0x16, 0, 0, 0)]))
    return p


def attach(s, prog):
    raw = b''.join(struct.pack('=HBBI', *i) for i in prog)
    buf = ctypes.create_string_buffer(raw, len(raw))
    fprog = struct.pack('HL', len(prog), ctypes.addressof(buf))
    r = libc.setsockopt(s.fileno(), socket.SOL_SOCKET, 26, fprog, len(fprog))
    return 0 if r == 0 else -ctypes.get_errno()


def main():
    out = ['# packets: ' + ' '.join(p.hex() for p in PACKETS)]
    for _ in range(1500):
        prog = program()
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        b.setblocking(False)
        err = attach(b, prog)
        res = []
        if err == 0:
            for p in PACKETS:
                a.send(p)
                try:
                    res.append(str(len(b.recv(KEEP))))
                except BlockingIOError:
                    res.append('0')
        out.append(' '.join([' '.join('%x,%x,%x,%x' % i for i in prog), ':', str(err)] + res))
        a.close(), b.close()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../test/kunit/net/core/golden/bpf.txt')
    with open(path, 'w') as f:
        f.write('\n'.join(out) + '\n')


sys.exit(main())
