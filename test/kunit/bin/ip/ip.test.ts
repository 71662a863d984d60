// ip against iproute2 6.1 on Linux 6.18: every recorded command byte for byte (tools/record-netlink.mjs).

import { ip } from "../../../../src/bin/ip/ip.ts";
import { testRecording } from "../../../lib/replay_sys.ts";

for (const name of ["ip-link-show", "ip-link-set", "ip-addr", "ip-route", "ip-neigh", "ip-rule", "ip-misc"])
  testRecording(name, { ip });
