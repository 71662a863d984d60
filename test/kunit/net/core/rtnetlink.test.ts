// What RTM_NEWLINK and friends say, attribute by attribute as in recordings of Linux 6.18; device ioctls; ethtool.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { dev_ioctl } from "../../../../src/net/core/dev_ioctl.ts";
import { ethtool_feature_block } from "../../../../src/net/core/ethtool.ts";
import { NETIF_F_GRO, NETIF_F_SG, NETIF_F_TSO } from "../../../../src/net/core/netdevice.ts";
import { EEXIST, EINVAL, ENODEV, ENOIOCTLCMD, EOPNOTSUPP } from "../../../../src/uapi/errno.ts";
import * as E from "../../../../src/uapi/ethtool.ts";
import * as F from "../../../../src/uapi/if.ts";
import * as L from "../../../../src/uapi/if_link.ts";
import { NETDEV_FEATURE_STRINGS } from "../../../../src/uapi/netdev_features.ts";
import { NLM_F_DUMP, NLMSG_DONE } from "../../../../src/uapi/netlink.ts";
import {
  type NlMsg,
  nla_data,
  nla_for_each,
  nla_get_s32,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_parse_nested,
  nlmsg_for_each,
  nlmsg_parse,
} from "../../../../src/uapi/nlattr.ts";
import { RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK } from "../../../../src/uapi/rtnetlink.ts";
import { AF_INET } from "../../../../src/uapi/socket.ts";
import { loadGolden } from "../../../lib/replay_sys.ts";
import { NlRig } from "../netlink/nl_rig.ts";

/** Attribute types in order, with what nests them. */
const shape = (m: NlMsg): string[] =>
  nla_for_each(m.buf, m.dv, m.off + 16, m.len - 16).map((a) => `${a.nested ? "N" : ""}${a.type}`);

/** All recorded RTM_NEWLINK, by the name they are about. */
function recorded(): Map<string, NlMsg[]> {
  const g = loadGolden("ip-link-show");
  const out = new Map<string, NlMsg[]>();
  for (const b of g.blobs) {
    for (const m of nlmsg_for_each(Uint8Array.from(inflateRawSync(Buffer.from(b, "base64"))))) {
      if (m.type !== RTM_NEWLINK || (m.flags & 1) !== 0 || m.len < 16) continue;
      const name = nla_get_string(nlmsg_parse(m, 16)[L.IFLA_IFNAME]);
      out.set(name, [...(out.get(name) ?? []), m]);
    }
  }
  return out;
}

function links(rig: NlRig): Map<string, NlMsg> {
  const s = rig.open();
  s.request(RTM_GETLINK, NLM_F_DUMP, 16);
  const out = new Map<string, NlMsg>();
  for (const m of s.answers()) if (m.type !== NLMSG_DONE) out.set(nla_get_string(nlmsg_parse(m, 16)[L.IFLA_IFNAME]), m);
  s.close();
  return out;
}

test("links are described by the attributes that Linux sends, in its order and with its values", () => {
  const rig = new NlRig();
  rig.sh(
    "ip link add v0 address 02:00:00:00:01:00 type veth peer name v1; ip link set lo up; ip link set v0 up; ip link set v1 up",
  );
  const ours = links(rig);
  const linux = recorded();
  for (const [mine, theirs] of [
    ["lo", "lo"],
    ["v0", "veth0"],
  ] as const) {
    const a = ours.get(mine)!;
    const same = linux.get(theirs)!.find((m) => shape(m).join() === shape(a).join());
    assert.ok(same, `${mine}: ${shape(a)} against ${shape(linux.get(theirs)![0]!)}`);
    const x = nlmsg_parse(a, 16);
    const y = nlmsg_parse(same, 16);
    const differ = [
      L.IFLA_IFNAME,
      L.IFLA_ADDRESS,
      L.IFLA_LINK,
      L.IFLA_STATS,
      L.IFLA_STATS64,
      L.IFLA_AF_SPEC,
      L.IFLA_NUM_TX_QUEUES,
      L.IFLA_NUM_RX_QUEUES,
      L.IFLA_CARRIER_CHANGES,
      L.IFLA_CARRIER_UP_COUNT,
      L.IFLA_CARRIER_DOWN_COUNT,
    ];
    for (let t = 1; t < Math.max(x.length, y.length); t++) {
      if (differ.includes(t) || x[t] === undefined || y[t] === undefined) continue;
      assert.deepEqual(nla_data(x[t]!), nla_data(y[t]!), `${mine}, attribute ${t}`);
    }
    // The 33 values of IPv4; distributions change some of them.
    const conf = (m: NlMsg): Uint8Array =>
      nla_data(nla_parse_nested(nla_parse_nested(nlmsg_parse(m, 16)[L.IFLA_AF_SPEC])[AF_INET])[L.IFLA_INET_CONF]!);
    assert.equal(conf(a).length, conf(same).length);
    assert.equal(nla_data(x[L.IFLA_STATS64]!).length, nla_data(y[L.IFLA_STATS64]!).length);
  }
  rig.done();
});

test("a device comes, changes and goes: one message each, with the flags that changed", () => {
  const rig = new NlRig();
  const s = rig.open(0, [], 1);
  const heard = (): string[] => {
    const out: string[] = [];
    for (let r = s.recv(); r.n >= 0; r = s.recv()) {
      for (const m of nlmsg_for_each(r.bytes)) {
        const tb = nlmsg_parse(m, 16);
        const verb = m.type === RTM_NEWLINK ? "new" : m.type === RTM_DELLINK ? "del" : `${m.type}`;
        out.push(`${verb} ${nla_get_string(tb[L.IFLA_IFNAME])} ${m.dv.getUint32(m.off + 12, true).toString(16)}`);
      }
    }
    return out;
  };
  rig.sh("ip link add v0 type veth peer name v1");
  assert.deepEqual(heard(), ["new v1 ffffffff", "new v0 ffffffff"]);
  rig.sh("ip link set v0 up");
  assert.deepEqual(heard(), ["new v0 1"]);
  rig.sh("ip link set v1 name w1");
  assert.deepEqual(heard(), ["new w1 0"]);
  rig.sh("ip link del v0");
  const last = heard();
  assert.deepEqual(
    last.filter((t) => t.startsWith("del")),
    ["del v0 ffffffff", "del w1 ffffffff"],
  );
  s.close();
  rig.done();
});

test("IFLA_LINK_NETNSID names the namespace of the other end, IFLA_MASTER and kinds filter a dump", () => {
  const rig = new NlRig();
  rig.sh("ip netns add far; ip link add v0 type veth peer name v1 netns far; ip link add d0 type dummy");
  const tb = nlmsg_parse(links(rig).get("v0")!, 16);
  assert.equal(nla_get_s32(tb[L.IFLA_LINK_NETNSID]), 0);
  assert.equal(nla_get_u32(tb[L.IFLA_LINK]), 2);
  assert.equal(nla_get_u8(tb[L.IFLA_CARRIER]), 0);
  assert.equal(nla_get_string(nla_parse_nested(tb[L.IFLA_LINKINFO])[L.IFLA_INFO_KIND]), "veth");
  assert.equal(rig.sh("ip -o link show type dummy").stdout.split(":")[1], " d0");
  assert.equal(rig.sh("ip -o link show type veth | wc -l").stdout.trim(), "1");
  rig.done();
});

// --- ioctls -------------------------------------------------------------------------------------------------------

const ifreq = (name: string): { buf: Uint8Array; dv: DataView } => {
  const buf = new Uint8Array(F.IFREQ_LEN);
  for (let i = 0; i < name.length; i++) buf[i] = name.charCodeAt(i);
  return { buf, dv: new DataView(buf.buffer) };
};

test("device ioctls read and set what ifconfig does (netdevice(7))", () => {
  const rig = new NlRig();
  rig.sh("ip link add v0 address 02:00:00:00:00:01 type veth peer name v1");
  const net = rig.k.init_net;
  const call = (cmd: number, name: string, set: (dv: DataView, buf: Uint8Array) => void = () => {}) => {
    const r = ifreq(name);
    set(r.dv, r.buf);
    return { err: rig.machine.kernel && dev_ioctl(net, cmd, r.buf), ...r };
  };
  const int = (cmd: number, name = "v0"): number => call(cmd, name).dv.getInt32(16, true);
  assert.equal(int(F.SIOCGIFINDEX), 3);
  assert.equal(int(F.SIOCGIFMTU), 1500);
  assert.equal(int(F.SIOCGIFTXQLEN), 1000);
  assert.equal(int(F.SIOCGIFMETRIC), 0);
  assert.equal(call(F.SIOCGIFFLAGS, "lo").dv.getUint16(16, true), 8);
  assert.equal(call(F.SIOCSIFMTU, "v0", (dv) => dv.setInt32(16, 1400, true)).err, 0);
  assert.equal(call(F.SIOCSIFMTU, "v0", (dv) => dv.setInt32(16, 12, true)).err, -EINVAL);
  assert.equal(int(F.SIOCGIFMTU), 1400);
  const hw = call(F.SIOCGIFHWADDR, "v0");
  assert.equal(hw.dv.getUint16(16, true), 1);
  assert.deepEqual([...hw.buf.subarray(18, 24)], [2, 0, 0, 0, 0, 1]);
  const set_hw = (type: number): number =>
    call(F.SIOCSIFHWADDR, "v0", (dv, buf) => {
      dv.setUint16(16, type, true);
      buf.set([2, 0, 0, 0, 0, 9], 18);
    }).err;
  assert.equal(set_hw(772), -EINVAL, "an address of another kind");
  assert.equal(set_hw(1), 0);
  assert.deepEqual([...call(F.SIOCGIFHWADDR, "v0").buf.subarray(18, 24)], [2, 0, 0, 0, 0, 9]);
  const by_index = call(F.SIOCGIFNAME, "", (dv) => dv.setInt32(16, 1, true));
  assert.equal(String.fromCharCode(by_index.buf[0]!, by_index.buf[1]!), "lo");
  const rename = (to: string): number =>
    call(F.SIOCSIFNAME, "v0", (_dv, buf) => {
      for (let i = 0; i < to.length; i++) buf[16 + i] = to.charCodeAt(i);
    }).err;
  assert.equal(rename("lo"), -EEXIST);
  assert.equal(rename("a/b"), -EINVAL);
  assert.equal(call(F.SIOCGIFINDEX, "v0:1").err, 0, "an alias is its device");
  assert.equal(call(F.SIOCGIFMTU, "nosuch").err, -ENODEV);
  assert.equal(call(F.SIOCGIFMAP, "v0").err, 0);
  assert.equal(call(F.SIOCGIFSLAVE, "v0").err, -EINVAL);
  assert.equal(call(0x5421, "v0").err, -ENOIOCTLCMD);
  assert.equal(call(F.SIOCSIFMAP, "v0").err, -EOPNOTSUPP);
  const up = rig.sh("ifconfig v0 up");
  assert.equal(up.status, 0);
  rig.done();
});

// --- ethtool ------------------------------------------------------------------------------------------------------

test("features have Linux's numbers, and can be switched within what the device can", () => {
  const nr = (name: string): number => NETDEV_FEATURE_STRINGS.indexOf(name);
  assert.equal(ethtool_feature_block(NETIF_F_SG, 0), 1 << nr("tx-scatter-gather"));
  assert.equal(
    ethtool_feature_block(NETIF_F_TSO | NETIF_F_GRO, 0),
    (1 << nr("tx-tcp-segmentation")) | (1 << nr("rx-gro")),
  );
  assert.equal(ethtool_feature_block(NETIF_F_TSO, 1), 0);
  const rig = new NlRig();
  rig.sh("ip link add v0 type veth peer name v1");
  // GRO is off on a new veth, as on Linux.
  assert.match(rig.sh("ethtool -k v0").stdout, /^generic-receive-offload: off$/m);
  assert.equal(rig.sh("ethtool -K v0 gro on tso off").status, 0);
  const k = rig.sh("ethtool -k v0").stdout;
  assert.match(k, /^generic-receive-offload: on$/m);
  assert.match(k, /^\ttx-tcp-segmentation: off$/m);
  assert.match(k, /^highdma: on$|highdma: on \[fixed\]/m);
  assert.match(rig.sh("ethtool -i v0").stdout, /^driver: veth\nversion: 1\.0$/m);
  assert.match(rig.sh("ethtool -S v0").stdout, /peer_ifindex: 2/);
  assert.notEqual(rig.sh("ethtool nosuch").status, 0);
  rig.done();
});

test("every ethtool command on every buffer length ends with an answer, not with an exception", () => {
  const rig = new NlRig();
  rig.sh("ip link add v0 type veth peer name v1");
  for (let cmd = 0; cmd < 0x60; cmd++) {
    for (const len of [0, 16, 39, 40, 43, 44, 48, 60, 100, 200, 400]) {
      const buf = new Uint8Array(len);
      for (let i = 0; i < 2 && i < len; i++) buf[i] = "v0".charCodeAt(i);
      if (len >= E.ETHTOOL_DATA + 4) buf[E.ETHTOOL_DATA] = cmd;
      if (len > 60) buf.fill(0xff, E.ETHTOOL_DATA + 4);
      assert.equal(typeof dev_ioctl(rig.k.init_net, F.SIOCETHTOOL, buf), "number");
    }
  }
  rig.done();
});
