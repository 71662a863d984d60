#!/usr/bin/env python3
# Records what the running Linux kernel answers to socket calls. Reads scenes ("line" or "line => answer"), makes every call in
# two network namespaces a and b joined by veth (va 10.0.0.1/24, vb 10.0.0.2/24), and rewrites the file with the answers.
# test/kunit/net/socket_scenes.ts replays the same file on a machine of ours. Needs root.
# Usage: tools/record-sockets.py test/kunit/net/golden/FILE.txt
import ctypes, errno, os, re, select, struct, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


class Iov(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msg(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(Iov)),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


def err(n):
    return errno.errorcode[ctypes.get_errno()] if n < 0 else str(n)


def addr(text):
    if text == "-":
        return None
    base, *mods = text.split("!")
    a, p = base.split(":")
    fam, length = 2, 16
    for m in mods:
        k, v = m.split("=")
        if k == "fam":
            fam = int(v)
        else:
            length = int(v)
    raw = struct.pack("=H", fam) + struct.pack("!H", int(p)) + bytes(map(int, a.split("."))) + bytes(128)
    return raw[:length]


def show(raw):
    if len(raw) < 8:
        return raw.hex()
    port = struct.unpack("!H", raw[2:4])[0]
    return "%d.%d.%d.%d:%s" % (*raw[4:8], "eph" if 32768 <= port <= 60999 else port)


def payload(n):
    return bytes((i * 7 + n) & 0xFF for i in range(n))


def value(text):
    return struct.pack("=I", int(text[2:], 0) & 0xFFFFFFFF) if text.startswith("i:") else bytes.fromhex(text[2:])


class Scene:
    def __init__(self):
        self.fds, self.ns = {}, {}
        for n in "ab":
            libc.unshare(CLONE_NEWNET)
            self.ns[n] = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.enter("b")
        pid = os.getpid()
        self.enter("a")
        subprocess.run(f"ip link add va index 2 type veth peer name vb index 2 netns /proc/{pid}/fd/{self.ns['b']}", shell=True, check=True)
        for n, d, last in (("a", "va", 1), ("b", "vb", 2)):
            self.enter(n)
            for p in ("all", "default"):
                open(f"/proc/sys/net/ipv6/conf/{p}/disable_ipv6", "w").write("1")
            subprocess.run(f"ip link set lo up; ip addr add 10.0.0.{last}/24 dev {d}; ip link set {d} up", shell=True, check=True)
        self.enter("a")
        time.sleep(0.03)

    def enter(self, n):
        if libc.setns(self.ns[n], CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno())

    def end(self):
        for fd in self.fds.values():
            if fd > 2:
                libc.close(fd)
        for fd in self.ns.values():
            os.close(fd)

    def fd(self, name):
        return int(name) if re.fullmatch(r"-?\d+", name) else self.fds.get(name, -1)

    def run(self, line):
        op, *w = line.split()
        r = getattr(self, "op_" + op)(*w)
        if op in ("send", "set", "ip", "close", "echo", "connect", "shutdown", "probe", "splice", "sendfile"):
            time.sleep(0.004)
        return r

    def op_socket(self, name, family, type_, proto, ns="a"):
        self.enter(ns)
        n = libc.socket(int(family, 0), int(type_, 0), int(proto, 0))
        e = err(n)
        if n >= 0:
            self.fds[name] = n
            return "ok"
        return e

    def op_pipe(self, name):
        r, w = os.pipe()
        self.fds[name] = r
        self.fds[name + "w"] = w
        return "ok"

    def op_npipe(self, name):
        r, w = os.pipe2(os.O_NONBLOCK)
        self.fds[name] = r
        self.fds[name + "w"] = w
        return "ok"

    def op_file(self, name, size, flags="2"):
        """A file of that many bytes, open."""
        path = f"/tmp/record-sockets.{os.getpid()}"
        with open(path, "wb") as f:
            f.write(payload(int(size)))
        self.fds[name] = os.open(path, int(flags, 0))
        os.unlink(path)
        return "ok"

    def op_wr(self, f, n):
        return err(libc.write(self.fd(f), payload(int(n)), int(n)))

    def op_rd(self, f, n):
        buf = ctypes.create_string_buffer(int(n) or 1)
        r = libc.read(self.fd(f), buf, int(n))
        return err(r) if r < 0 else f"{r} sum={sum(buf.raw[:r])}"

    def op_seek(self, f):
        return err(libc.lseek(self.fd(f), 0, 1))

    def op_splice(self, i, o, n, flags="0", off_in="-", off_out="-"):
        """splice(2); offsets are shown as they are left."""
        offs = [None if x == "-" else ctypes.c_int64(int(x)) for x in (off_in, off_out)]
        refs = [None if x is None else ctypes.byref(x) for x in offs]
        libc.splice.restype = ctypes.c_ssize_t
        r = libc.splice(self.fd(i), refs[0], self.fd(o), refs[1], ctypes.c_size_t(int(n)), ctypes.c_uint(int(flags)))
        return " ".join([err(r)] + [str(x.value) for x in offs if x is not None])

    def op_sendfile(self, o, i, n, off="-"):
        x = None if off == "-" else ctypes.c_int64(int(off))
        libc.sendfile.restype = ctypes.c_ssize_t
        r = libc.sendfile(self.fd(o), self.fd(i), None if x is None else ctypes.byref(x), ctypes.c_size_t(int(n)))
        return err(r) if x is None else f"{err(r)} {x.value}"

    def op_tee(self, i, o, n, flags="0"):
        libc.tee.restype = ctypes.c_ssize_t
        return err(libc.tee(self.fd(i), self.fd(o), ctypes.c_size_t(int(n)), ctypes.c_uint(int(flags))))

    def op_vmsplice(self, f, n, flags="0"):
        data = ctypes.create_string_buffer(payload(int(n)), int(n) or 1)
        self.keep = getattr(self, "keep", []) + [data]
        iov = Iov(ctypes.cast(data, ctypes.c_void_p), int(n))
        libc.vmsplice.restype = ctypes.c_ssize_t
        return err(libc.vmsplice(self.fd(f), ctypes.byref(iov), ctypes.c_ulong(1), ctypes.c_uint(int(flags))))

    def op_close(self, s):
        n = libc.close(self.fd(s))
        e = err(n)
        self.fds.pop(s, None)
        return e

    def op_bind(self, s, a):
        raw = addr(a)
        return err(libc.bind(self.fd(s), raw, len(raw)))

    def op_connect(self, s, a):
        raw = addr(a)
        return err(libc.connect(self.fd(s), raw, len(raw)))

    def op_listen(self, s, n):
        return err(libc.listen(self.fd(s), int(n)))

    def op_accept(self, s):
        return err(libc.accept4(self.fd(s), None, None, 0o4000))

    def op_acc(self, name, s):
        """accept(2) into a name."""
        n = libc.accept4(self.fd(s), None, None, 0o4000)
        e = err(n)
        if n >= 0:
            self.fds[name] = n
            return "ok"
        return e

    def op_shutdown(self, s, how):
        return err(libc.shutdown(self.fd(s), int(how)))

    def op_name(self, s, room="16"):
        return self.getname(libc.getsockname, s, room)

    def op_peer(self, s, room="16"):
        return self.getname(libc.getpeername, s, room)

    def getname(self, fn, s, room):
        buf = ctypes.create_string_buffer(128)
        n = ctypes.c_uint32(int(room))
        r = fn(self.fd(s), buf, ctypes.byref(n))
        return err(r) if r < 0 else f"{n.value} {show(buf.raw[:min(int(room), n.value)])}"

    def op_set(self, s, level, opt, v):
        raw = value(v)
        return err(libc.setsockopt(self.fd(s), int(level), int(opt), raw, len(raw)))

    def op_get(self, s, level, opt, room="4"):
        buf = ctypes.create_string_buffer(256)
        n = ctypes.c_uint32(int(room))
        r = libc.getsockopt(self.fd(s), int(level), int(opt), buf, ctypes.byref(n))
        return err(r) if r < 0 else f"{n.value} {buf.raw[:n.value].hex() or '-'}"

    def op_send(self, s, n, flags="0", a="-", *cmsgs):
        data, raw = payload(int(n)), addr(a)
        iov = Iov(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data))
        ctl = b""
        for c in cmsgs:
            level, type_, hex_ = c.split("/")
            d = bytes.fromhex(hex_)
            ctl += struct.pack("=QII", 16 + len(d), int(level), int(type_)) + d + bytes(-len(d) & 7)
        m = Msg(ctypes.cast(ctypes.c_char_p(raw), ctypes.c_void_p) if raw else None, len(raw) if raw else 0, ctypes.pointer(iov), 1,
                ctypes.cast(ctypes.c_char_p(ctl), ctypes.c_void_p) if ctl else None, len(ctl), 0)
        return err(libc.sendmsg(self.fd(s), ctypes.byref(m), int(flags, 0) | 0x4040))

    def op_recv(self, s, n="2000", flags="0", ctlroom="256"):
        buf, name = ctypes.create_string_buffer(max(1, int(n))), ctypes.create_string_buffer(128)
        ctl = ctypes.create_string_buffer(max(1, int(ctlroom)))
        iov = Iov(ctypes.cast(buf, ctypes.c_void_p), int(n))
        m = Msg(ctypes.cast(name, ctypes.c_void_p), 128, ctypes.pointer(iov), 1, ctypes.cast(ctl, ctypes.c_void_p), int(ctlroom), 0)
        r = libc.recvmsg(self.fd(s), ctypes.byref(m), int(flags, 0) | 0x40)
        if r < 0:
            return err(r)
        out = f"{r} sum={sum(buf.raw[:min(r, int(n))]) if int(n) else 0} from={show(name.raw[:m.namelen]) if m.namelen else '-'} flags={m.flags & ~0x40:#x}"
        at, raw = 0, ctl.raw[:m.controllen]
        stamp = False
        while at + 16 <= len(raw):
            length, level, type_ = struct.unpack_from("=QII", raw, at)
            d = bytearray(raw[at + 16:at + length])
            # Times; numbers of a connection.
            if level == 1 and type_ in (29, 35, 37, 54, 63, 64, 65):
                d = bytearray(b"\0" if type_ in (37, 65) and d[:8] == bytes(8) else b"")
            stamp |= (level, type_) == (0, 11) and d[4] == 4
            out += f" {level}/{type_}:{d.hex()}"
            at += (length + 7) & ~7
        # The packet that a time stamp is of has addresses of the link, and an identity.
        return re.sub(r"sum=\d+", "sum=*", out) if stamp else out

    def op_poll(self, s):
        p = select.poll()
        p.register(self.fd(s), 0x7FFF)
        got = p.poll(0)
        return f"{got[0][1]:#x}" if got else "0"

    def op_probe(self, s):
        """State, poll, both names, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK: what looking does not change."""
        got = [self.op_get(s, "6", "11", "1").split()[-1], self.op_poll(s), self.op_name(s), self.op_peer(s)]
        return " | ".join(got + [self.op_ioctl(s, c) for c in ("0x541b", "0x5411", "0x894b", "0x8905")])

    def op_epoll(self, name):
        self.fds[name] = libc.epoll_create1(0)
        return "ok"

    def op_ctl(self, ep, op, s, events="0"):
        n = {"add": 1, "del": 2, "mod": 3}[op]
        return err(libc.epoll_ctl(self.fd(ep), n, self.fd(s), struct.pack("=Iq", int(events, 0), self.fd(s))))

    def op_wait(self, ep, most="16"):
        buf = ctypes.create_string_buffer(12 * int(most))
        n = libc.epoll_wait(self.fd(ep), buf, int(most), 0)
        names = {v: k for k, v in self.fds.items()}
        out = [struct.unpack_from("=Iq", buf.raw, 12 * i) for i in range(max(0, n))]
        return err(n) if n < 0 else " ".join(f"{names[fd]}:{ev:#x}" for ev, fd in out) or "none"

    def op_ioctl(self, s, cmd):
        buf = ctypes.create_string_buffer(64)
        r = libc.ioctl(self.fd(s), ctypes.c_ulong(int(cmd, 0)), buf)
        return err(r) if r < 0 else f"{r} {buf.raw[:4].hex()}"

    def op_ip(self, ns, *words):
        self.enter(ns)
        r = subprocess.run("ip " + " ".join(words), shell=True, capture_output=True)
        return "ok" if r.returncode == 0 else "failed"

    def op_sysctl(self, ns, name, *v):
        self.enter(ns)
        open("/proc/sys/net/" + name, "w").write(" ".join(v))
        return "ok"

    def op_mib(self, ns, *names):
        self.enter(ns)
        got = {}
        for f in ("snmp", "netstat"):
            lines = open("/proc/thread-self/net/" + f).read().splitlines()
            for h, v in zip(lines[::2], lines[1::2]):
                for k, x in zip(h.split()[1:], v.split()[1:]):
                    got[h.split(":")[0] + k] = x
        return " ".join(got[n] for n in names)

    def op_sleep(self, ms):
        time.sleep(int(ms) / 1000)
        return "ok"

    def op_try(self, first, second):
        """Two binds in a fresh pair of sockets: OPTIONS,ADDRESS of each; a reuseaddr, p reuseport, d bound to va, c connected."""
        out = []
        for k, t in (("x", first), ("y", second)):
            opts, a = t.split(",")
            proto = 6 if "t" in opts else 17
            self.op_socket(k, "2", "1" if proto == 6 else "2", "0")
            for o, (lv, nm, v) in {"a": (1, 2, "i:1"), "p": (1, 15, "i:1"), "d": (1, 25, "x:766100")}.items():
                if o in opts:
                    self.op_set(k, lv, nm, v)
            out.append(self.op_bind(k, a))
            if "c" in opts:
                out.append(self.op_connect(k, "10.0.0.2:7"))
        self.op_close("x")
        self.op_close("y")
        return " ".join(out)


def main(path):
    out, scene = [], None
    for line in open(path).read().splitlines():
        line = line.split(" => ")[0].rstrip()
        if line.startswith("scene "):
            if scene:
                scene.end()
            scene = Scene()
            out.append(line)
        elif not line or line.startswith("#"):
            out.append(line)
        else:
            if os.environ.get("VERBOSE"):
                print(line, file=sys.stderr, flush=True)
            out.append(f"{line} => {scene.run(line)}")
    scene.end()
    open(path, "w").write("\n".join(out) + "\n")


main(sys.argv[1])
