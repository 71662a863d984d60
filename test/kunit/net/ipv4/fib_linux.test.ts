// Routes, addresses, rules and nexthops against transcripts of real Linux (6.18): tools/record-fib.sh recorded them.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { sysctl_path, sysctl_write } from "../../../../src/kernel/sysctl.ts";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import type { FibAlias } from "../../../../src/net/ipv4/fib_lookup.ts";
import type { Fib4Rule } from "../../../../src/net/ipv4/fib_rules.ts";
import type { InIfaddr } from "../../../../src/net/ipv4/netns_ipv4.ts";
import type { Nexthop } from "../../../../src/net/ipv4/nexthop.ts";
import {
  RTM_DELADDR,
  RTM_DELNEXTHOP,
  RTM_DELROUTE,
  RTM_DELRULE,
  RTM_NEWADDR,
  RTM_NEWNEXTHOP,
  RTM_NEWROUTE,
  RTM_NEWRULE,
} from "../../../../src/uapi/rtnetlink.ts";
import { assert_no_leaks, fib_env } from "./fib_env.ts";
import { ip, show_addr, show_nexthop, show_route, show_rule } from "./fib_ip.ts";

const dir = new URL("./golden/", import.meta.url);

const sec = (v: number): string => (v === 0xffffffff ? "forever" : `${v}sec`);

/** What `ip monitor` prints for a notification. */
function monitor_line(net: Net, event: number, obj: unknown): string[] {
  switch (event) {
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return `${event === RTM_DELROUTE ? "Deleted " : ""}${show_route(net, obj as FibAlias, -1)}`.split("\n");
    case RTM_NEWRULE:
    case RTM_DELRULE:
      return [`${event === RTM_DELRULE ? "Deleted " : ""}${show_rule(obj as Fib4Rule)}`];
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      return [`${event === RTM_DELNEXTHOP ? "Deleted " : ""}${show_nexthop(obj as Nexthop)}`];
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const ifa = obj as InIfaddr;
      const { ifindex, name } = ifa.ifa_dev.dev;
      return [
        `${event === RTM_DELADDR ? "Deleted " : ""}${ifindex}: ${name}    ${show_addr(ifa)}`,
        `       valid_lft ${sec(ifa.ifa_valid_lft)} preferred_lft ${sec(ifa.ifa_preferred_lft)}`,
      ];
    }
    default:
      return [];
  }
}

function run(net: Net, line: string, heard: string[]): string[] {
  if (line.startsWith("sysctl ")) {
    const [name, value] = line.slice(7).split("=");
    assert.equal(sysctl_write([net.sysctl_table], sysctl_path(name!), value!), 0, line);
    return [];
  }
  if (line === "monitor") {
    net.kernel.rtmsg_hooks.push((n, event, obj) => heard.push(...monitor_line(n, event, obj)));
    return [];
  }
  if (line === "monitor end") {
    net.kernel.rtmsg_hooks.pop();
    return heard.splice(0);
  }
  return ip(net, line);
}

const trim = (lines: string[]): string[] => lines.map((l) => l.trimEnd()).filter((l) => l !== "");

for (const file of readdirSync(dir).filter((f) => f.endsWith(".txt"))) {
  test(`as Linux: ${file}`, () => {
    const { k, net } = fib_env();
    const heard: string[] = [];
    const text = readFileSync(new URL(file, dir), "utf8");
    for (const block of text.split(/^(?=\$ )/m)) {
      const [command, ...expected] = block.trimEnd().split("\n");
      const line = command!.slice(2);
      assert.deepEqual(trim(run(net, line, heard)), trim(expected), `${file}: ${line}`);
    }
    assert_no_leaks(k);
  });
}
