// AF_NETLINK: ports, acknowledgements, dumps in pieces, groups and overruns (netlink(7); RFC 3549 section 2), and hostile bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Socket } from "../../../../src/net/core/sock.ts";
import {
  EADDRINUSE,
  EAGAIN,
  EBUSY,
  ECONNREFUSED,
  EINVAL,
  ENOBUFS,
  ENODEV,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
} from "../../../../src/uapi/errno.ts";
import {
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GENERIC,
  NETLINK_GET_STRICT_CHK,
  NETLINK_ROUTE,
  NETLINK_SOCK_DIAG,
  NETLINK_USERSOCK,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_ECHO,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
} from "../../../../src/uapi/netlink.ts";
import {
  type NlMsg,
  NlMsgWriter,
  nla_get_string,
  nla_get_u32,
  nla_parse,
  nla_put_string,
  nla_put_u32,
  nlmsg_bytes,
  nlmsg_end,
  nlmsg_put,
} from "../../../../src/uapi/nlattr.ts";
import {
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETROUTE,
  RTM_NEWLINK,
  RTM_NEWROUTE,
  RTM_SETLINK,
} from "../../../../src/uapi/rtnetlink.ts";
import { AF_NETLINK, MSG_PEEK, MSG_TRUNC } from "../../../../src/uapi/socket.ts";
import { NlRig } from "./nl_rig.ts";

const errno_of = (m: NlMsg): number => m.dv.getInt32(m.off, true);

test("protocols that nobody serves are refused; generic netlink has no families", () => {
  const rig = new NlRig();
  const create = (protocol: number, type = 3): number =>
    rig.k.net_families[AF_NETLINK]!.create(rig.k.init_net, new Socket(type), protocol, false);
  assert.equal(create(31), -EPROTONOSUPPORT);
  assert.equal(create(-1), -EPROTONOSUPPORT);
  assert.equal(create(NETLINK_ROUTE, 1), -94, "SOCK_STREAM");
  const g = rig.open(NETLINK_GENERIC);
  g.request(0x10, NLM_F_ACK, 4, (w, at) => {
    w.buf[at] = 3;
    nla_put_string(w, 2, "nl80211");
  });
  assert.equal(errno_of(g.answers()[0]!), -2, "ENOENT, as for a family that is not loaded");
  g.close();
  rig.done();
});

test("ports: the process id first, then others; one owner each", () => {
  const rig = new NlRig();
  const a = rig.open();
  const b = rig.open();
  assert.equal(a.sk.portid, 1);
  assert.ok(b.sk.portid >= 0x80000000, "far from process ids");
  assert.equal(a.bind(7, 0), -EINVAL, "bound already, to another port");
  const c = rig.open(NETLINK_USERSOCK);
  assert.equal(c.sk.portid, 1, "each protocol has ports of its own");
  const name = new Uint8Array(12);
  assert.equal(a.sock.ops.getname(a.sock, name, false), 12);
  assert.equal(new DataView(name.buffer).getUint32(4, true), 1);
  const raw = new Socket(3);
  rig.k.net_families[AF_NETLINK]!.create(rig.k.init_net, raw, 0, false);
  const addr = new Uint8Array(12);
  new DataView(addr.buffer).setUint16(0, AF_NETLINK, true);
  new DataView(addr.buffer).setUint32(4, 1, true);
  assert.equal(raw.ops.bind(raw, addr), -EADDRINUSE);
  addr[0] = 2;
  assert.equal(raw.ops.bind(raw, addr), -EINVAL, "not a sockaddr_nl");
  raw.ops.release(raw);
  for (const s of [a, b, c]) s.close();
  rig.done();
});

test("acknowledgements: capped when all went well, with the request when not, with words when asked for", () => {
  const rig = new NlRig();
  const set = (s: ReturnType<NlRig["open"]>, index: number, mtu: number): NlMsg => {
    s.request(RTM_NEWLINK, NLM_F_ACK, 16, (w, at) => {
      w.dv.setInt32(at + 4, index, true);
      nla_put_u32(w, 4, mtu);
    });
    return s.answers()[0]!;
  };
  const plain = rig.open();
  let m = set(plain, 1, 1400);
  assert.equal(m.type, NLMSG_ERROR);
  assert.equal(errno_of(m), 0);
  assert.equal(m.flags, NLM_F_CAPPED);
  assert.equal(m.len, 20);
  m = set(plain, 99, 1400);
  assert.equal(errno_of(m), -ENODEV);
  assert.equal(m.flags, 0);
  assert.equal(m.len, 4 + 16 + 16 + 8, "errno, and the whole request");
  assert.equal(m.dv.getUint32(m.off + 12, true), plain.seq, "its sequence number");
  plain.close();

  const capped = rig.open(0, [NETLINK_CAP_ACK]);
  m = set(capped, 99, 1400);
  assert.equal(m.flags, NLM_F_CAPPED);
  assert.equal(m.len, 20);
  capped.close();

  const ext = rig.open(0, [NETLINK_EXT_ACK, NETLINK_CAP_ACK]);
  rig.sh("ip link add v0 type veth");
  m = set(ext, 2, 12);
  assert.equal(errno_of(m), -EINVAL);
  assert.equal(m.flags, NLM_F_CAPPED | NLM_F_ACK_TLVS);
  let tb = nla_parse(m.buf, m.dv, m.off + 20, m.len - 20);
  assert.equal(nla_get_string(tb[NLMSGERR_ATTR_MSG]), "mtu less than device minimum");
  ext.request(RTM_NEWLINK, NLM_F_ACK, 16, (w) => nla_put_string(w, 3, "much-too-long-for-a-name"));
  m = ext.answers()[0]!;
  tb = nla_parse(m.buf, m.dv, m.off + 20, m.len - 20);
  assert.equal(nla_get_string(tb[NLMSGERR_ATTR_MSG]), "Attribute failed policy validation");
  assert.equal(nla_get_u32(tb[NLMSGERR_ATTR_OFFS]), 32, "where the attribute begins");
  ext.close();
  rig.done();
});

test("several requests in one datagram are answered one by one; a bad length ends the walk", () => {
  const rig = new NlRig();
  const s = rig.open();
  const w = new NlMsgWriter();
  for (let i = 1; i <= 3; i++) {
    nlmsg_put(w, RTM_GETLINK, 1 | NLM_F_ACK, i, 0, 16);
    w.dv.setInt32(w.msg + 16 + 4, 50 + i, true);
    nlmsg_end(w);
  }
  // The last one claims to be longer than what is left.
  w.dv.setUint32(w.msg, 4000, true);
  assert.equal(s.send(nlmsg_bytes(w)), 96);
  const seqs: number[] = [];
  for (let r = s.recv(); r.n >= 0; r = s.recv()) seqs.push(new DataView(r.bytes.buffer).getUint32(8, true));
  assert.deepEqual(seqs, [1, 2]);
  // Not a request, and a control message: acknowledged when asked for, else ignored.
  const quiet = new NlMsgWriter();
  nlmsg_put(quiet, RTM_GETLINK, 0, 9, 0, 16);
  nlmsg_put(quiet, 3, 1, 10, 0, 16);
  s.send(nlmsg_bytes(quiet));
  assert.equal(s.recv().n, -EAGAIN);
  nlmsg_put(quiet, RTM_GETLINK, NLM_F_ACK, 11, 0, 16);
  s.send(nlmsg_bytes(quiet));
  assert.equal(errno_of(s.answers()[0]!), 0);
  s.close();
  rig.done();
});

test("a dump goes on as it is read, in datagrams no larger than the reader's buffer, and only one at a time", () => {
  const rig = new NlRig();
  rig.sh("ip link set lo up");
  const filled = rig.sh(
    "for i in 0 1 2 3; do for j in {0..49}; do ip route add 10.$i.$j.0/24 dev lo table 77; done; done",
  );
  assert.deepEqual(filled, { status: 0, stdout: "", stderr: "" });
  const s = rig.open(0, [NETLINK_GET_STRICT_CHK]);
  const dump = (): void => {
    s.request(RTM_GETROUTE, NLM_F_DUMP, 12, (w, at) => {
      w.buf[at] = 2;
      nla_put_u32(w, 15, 77);
    });
  };
  dump();
  const live = rig.k.skb_pool.live_skbs;
  assert.equal(live, 1, "one datagram waits, whatever the table holds");
  s.request(RTM_GETLINK, NLM_F_DUMP, 16);
  // iproute2 looks at the length first.
  const peek = s.recv(0, MSG_PEEK | MSG_TRUNC);
  assert.ok(peek.n > 3000 && peek.n <= 3776, `${peek.n}`);
  assert.equal(peek.flags & MSG_TRUNC, MSG_TRUNC);
  const first = s.recv(peek.n);
  assert.equal(first.n, peek.n);
  const sizes: number[] = [first.n];
  const routes: number[] = [];
  let done = 0;
  let busy = 0;
  const take = (bytes: Uint8Array): void => {
    const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += (dv.getUint32(at, true) + 3) & ~3) {
      const type = dv.getUint16(at + 4, true);
      if (type === RTM_NEWROUTE) {
        routes.push(dv.getUint32(at + 8, true));
        assert.equal(dv.getUint16(at + 6, true) & NLM_F_MULTI, NLM_F_MULTI);
      } else if (type === NLMSG_DONE) done++;
      else if (type === NLMSG_ERROR) busy = dv.getInt32(at + 16, true);
    }
  };
  take(first.bytes);
  for (let r = s.recv(); r.n >= 0; r = s.recv()) {
    sizes.push(r.n);
    assert.ok(r.n <= 32448);
    take(r.bytes);
  }
  assert.equal(routes.length, 200);
  assert.equal(done, 1);
  assert.equal(busy, -EBUSY, "the second dump was refused");
  assert.ok(sizes.length >= 3, `${sizes}`);
  // A socket that closes in the middle of a dump leaves nothing.
  dump();
  s.close();
  rig.done();
});

test("a strictly checked dump says what it does not understand, in its end", () => {
  const rig = new NlRig();
  const s = rig.open(0, [NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]);
  const words = (): [number, string] => {
    const m = s.answers().at(-1)!;
    assert.equal(m.type, NLMSG_DONE);
    const text =
      (m.flags & NLM_F_ACK_TLVS) !== 0 ? nla_get_string(nla_parse(m.buf, m.dv, m.off + 4, m.len - 4)[1]) : "";
    return [errno_of(m), text];
  };
  s.request(RTM_GETLINK, NLM_F_DUMP, 1);
  assert.deepEqual(words(), [-EINVAL, "Invalid header for link dump"]);
  s.request(RTM_GETLINK, NLM_F_DUMP, 16, (w, at) => w.dv.setInt32(at + 4, 1, true));
  assert.deepEqual(words(), [-EINVAL, "Filter by device index not supported for link dumps"]);
  s.request(RTM_GETLINK, NLM_F_DUMP, 16, (w) => nla_put_u32(w, 4, 1));
  assert.deepEqual(words(), [-EINVAL, "Unsupported attribute in link dump request"]);
  s.request(RTM_GETADDR, NLM_F_DUMP, 8, (w, at) => {
    w.buf[at] = 2;
    w.buf[at + 1] = 24;
  });
  assert.deepEqual(words(), [-EINVAL, "ipv4: Invalid values in header for address dump request"]);
  s.request(RTM_GETADDR, NLM_F_DUMP, 8, (w, at) => {
    w.buf[at] = 2;
    w.dv.setUint32(at + 4, 99, true);
  });
  assert.deepEqual(words(), [-ENODEV, ""]);
  s.request(RTM_GETROUTE, NLM_F_DUMP, 12, (w, at) => {
    w.buf[at] = 2;
    nla_put_u32(w, 15, 4242);
  });
  assert.deepEqual(words(), [-2, "ipv4: FIB table does not exist"]);
  s.request(123, NLM_F_DUMP, 4);
  assert.equal(errno_of(s.answers()[0]!), -EOPNOTSUPP, "no such message");
  s.close();
  rig.done();
});

test("groups hear of changes; NLM_F_ECHO repeats one to who asked for it", () => {
  const rig = new NlRig();
  const s = rig.open(0, [], 1 | 0x10 | 0x40);
  rig.sh("ip link set lo up");
  const types: number[] = [];
  for (let r = s.recv(); r.n >= 0; r = s.recv()) {
    types.push(new DataView(r.bytes.buffer).getUint16(4, true));
    assert.equal(new DataView(r.name.buffer).getUint32(4, true), 0, "from the kernel");
    assert.notEqual(new DataView(r.name.buffer).getUint32(8, true), 0, "to a group");
  }
  assert.deepEqual(types, [RTM_NEWLINK, 20, 24, 24, 24], "the link, its address, three local routes");
  s.option(2, 1);
  rig.sh("ip link set lo down");
  const groups = new Set<number>();
  for (let r = s.recv(); r.n >= 0; r = s.recv()) groups.add(new DataView(r.name.buffer).getUint32(8, true));
  assert.ok(!groups.has(1), "left the link group");
  const echo = rig.open();
  echo.request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_ECHO | 0x400, 12, (w, at) => {
    w.buf.set([2, 24, 0, 0, 254, 4, 0, 7], at);
    w.buf.set([8, 0, 1, 0, 10, 9, 9, 0], w.len);
    w.len += 8;
  });
  const m = echo.answers();
  assert.deepEqual(
    m.map((x) => x.type),
    [RTM_NEWROUTE, NLMSG_ERROR],
  );
  assert.equal(m[0]!.seq, echo.seq);
  echo.close();
  s.close();
  rig.done();
});

test("a reader that is too slow loses messages, and is told once by ENOBUFS", () => {
  const rig = new NlRig();
  const s = rig.open(0, [], 1);
  s.sk.sk_rcvbuf = 8192;
  const set = rig.open();
  for (let i = 0; i < 20; i++) {
    set.request(RTM_SETLINK, 0, 16, (w, at) => {
      w.dv.setInt32(at + 4, 1, true);
      nla_put_u32(w, 13, 100 + i);
    });
  }
  assert.equal(s.recv().n, -ENOBUFS);
  assert.ok(s.sk.sk_drops > 0);
  let n = 0;
  while (s.recv().n >= 0) n++;
  assert.ok(n > 0 && n < 20);
  assert.equal(s.recv().n, -EAGAIN, "told once");
  set.close();
  s.close();
  rig.done();
});

test("programs talk to each other over NETLINK_USERSOCK", () => {
  const rig = new NlRig();
  const a = rig.open(NETLINK_USERSOCK);
  const b = rig.open(NETLINK_USERSOCK);
  const to = (pid: number): Uint8Array => {
    const addr = new Uint8Array(12);
    new DataView(addr.buffer).setUint16(0, AF_NETLINK, true);
    new DataView(addr.buffer).setUint32(4, pid, true);
    return addr;
  };
  const send = (pid: number): number =>
    a.call(() => {
      const msg = {
        msg_name: to(pid),
        msg_namelen: 12,
        msg_iov: [Uint8Array.of(1, 2, 3)],
        msg_control: null,
        msg_controllen: 0,
        msg_flags: 0,
      };
      return a.sock.ops.sendmsg(a.sock, msg, 3, 0);
    });
  assert.equal(send(b.sk.portid), 3);
  const r = b.recv();
  assert.deepEqual([...r.bytes], [1, 2, 3]);
  assert.equal(new DataView(r.name.buffer).getUint32(4, true), a.sk.portid, "from whom");
  assert.equal(send(4711), -ECONNREFUSED);
  a.close();
  b.close();
  rig.done();
});

// --- hostile bytes ------------------------------------------------------------------------------------------------

const PROTOCOLS = [NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_GENERIC];

test("no bytes make the kernel throw, leak or hang: random datagrams", () => {
  const rig = new NlRig();
  rig.sh("ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.0.0.1/24 dev v0; ip link set v0 up");
  const socks = PROTOCOLS.map((p) => rig.open(p, [NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]));
  fc.assert(
    fc.property(fc.nat(2), fc.uint8Array({ maxLength: 300 }), (i, bytes) => {
      const s = socks[i]!;
      s.send(bytes);
      while (s.recv().n !== -EAGAIN);
      assert.equal(rig.k.bugs.length, 0, `${rig.k.bugs[0]?.where} ${(rig.k.bugs[0]?.error as Error)?.stack}`);
    }),
    { numRuns: 400, seed: 1 },
  );
  for (const s of socks) s.close();
  rig.done();
});

test("…well-formed headers with random family headers and attributes, of every type", () => {
  const rig = new NlRig();
  rig.sh(
    "ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.0.0.1/24 dev v0; ip link set v0 up; ip link set v1 up",
  );
  rig.sh(
    "ip route add default via 10.0.0.2; ip nexthop add id 1 via 10.0.0.2 dev v0; ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0",
  );
  const strict = rig.open(0, [NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]);
  const lax = rig.open(0, []);
  const diag = rig.open(NETLINK_SOCK_DIAG, []);
  const attr = fc.record({
    type: fc.oneof(fc.nat(70), fc.nat(0xffff)),
    data: fc.oneof(
      fc.uint8Array({ maxLength: 24 }),
      fc.constantFrom(
        Uint8Array.of(1, 0, 0, 0),
        Uint8Array.of(2, 0, 0, 0),
        Uint8Array.of(10, 0, 0, 1),
        Uint8Array.of(10, 0, 0, 2),
        Uint8Array.of(118, 48, 0),
        Uint8Array.of(255, 255, 255, 255),
        Uint8Array.of(9, 0, 1, 0, 118, 101, 116, 104, 0, 0, 0, 0),
        Uint8Array.of(16, 0, 0, 0, 2, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 2),
      ),
    ),
    lie: fc.option(fc.nat(0xffff), { freq: 12 }),
  });
  const header = fc.array(fc.oneof(fc.constantFrom(0, 1, 2, 10, 24, 32, 253, 254, 255), fc.nat(255)), {
    minLength: 0,
    maxLength: 64,
  });
  const flags = fc.oneof(
    fc.constantFrom(5, 0x301, 0x605, 0x505, 0x105, 0x405, 0xd),
    fc.nat(0xffff).map((f) => f | 1),
  );
  fc.assert(
    fc.property(
      fc.nat(2),
      fc.integer({ min: 16, max: 123 }),
      flags,
      header,
      fc.array(attr, { maxLength: 8 }),
      (which, type, f, h, attrs) => {
        const s = [strict, lax, diag][which]!;
        const w = new NlMsgWriter();
        const at = nlmsg_put(w, which === 2 ? 20 + (type & 1) : type, f, 7, 0, h.length);
        w.buf.set(h, at);
        for (const a of attrs) {
          const need = 4 + ((a.data.length + 3) & ~3);
          const grown = new Uint8Array(w.len + need);
          grown.set(w.buf.subarray(0, w.len));
          const p = w.len;
          w.buf = grown;
          w.dv = new DataView(grown.buffer);
          w.len += need;
          w.dv.setUint16(p, a.lie ?? 4 + a.data.length, true);
          w.dv.setUint16(p + 2, a.type, true);
          grown.set(a.data, p + 4);
        }
        nlmsg_end(w);
        s.send(nlmsg_bytes(w));
        let guard = 0;
        for (let r = s.recv(); r.n !== -EAGAIN && guard < 5000; r = s.recv()) guard++;
        assert.ok(guard < 5000, "ends");
        assert.equal(rig.k.bugs.length, 0, `${rig.k.bugs[0]?.where} ${(rig.k.bugs[0]?.error as Error)?.stack}`);
      },
    ),
    { numRuns: 3000, seed: 2 },
  );
  for (const s of [strict, lax, diag]) s.close();
  rig.done();
});
