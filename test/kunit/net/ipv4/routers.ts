// Two hosts with a router in between, for tests of forwarding and of what a path tells.

import type { Net } from "../../../../src/net/core/net_namespace.ts";
import type { KernelRig } from "../../../lib/kernel.ts";

/** a – r – b: 10.0.1.2 behind 10.0.1.1 | 10.0.2.1 in front of 10.0.2.2. */
export function routers(rig: KernelRig): { a: Net; b: Net; r: Net } {
  const [a, b, r] = ["a", "b", "r"].map((n) => rig.netns(n)) as [Net, Net, Net];
  const join = (x: Net, xn: string, xa: string, y: Net, yn: string, ya: string): void => {
    rig.link("veth", xn, { ifname: yn, net: y }, x);
    rig.up(rig.dev(xn, x), rig.dev(yn, y));
    rig.ip(`addr add ${xa} dev ${xn}`, x);
    rig.ip(`addr add ${ya} dev ${yn}`, y);
  };
  for (const n of [a, b, r]) rig.up(n.loopback_dev);
  join(a, "e0", "10.0.1.2/24", r, "e0", "10.0.1.1/24");
  join(b, "e0", "10.0.2.2/24", r, "e1", "10.0.2.1/24");
  rig.ip("route add default via 10.0.1.1", a);
  rig.ip("route add default via 10.0.2.1", b);
  r.ipv4.devconf_all.forwarding = 1;
  for (const d of ["e0", "e1"]) rig.dev(d, r).ip_ptr!.cnf.forwarding = 1;
  rig.run(2000);
  return { a, b, r };
}
