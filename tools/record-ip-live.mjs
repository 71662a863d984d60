// Records what `ip` prints on Linux for the scenes of test/kunit/net/netlink/scenes.ts, each in a namespace of its own.
// Needs root, iproute2 and nsenter: `node --import tsx tools/record-ip-live.mjs`.
import "./help.mjs";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { SCENES } from "../test/kunit/net/netlink/scenes.ts";

const NS = "skbuffrec";
const host = (command) => spawnSync("bash", ["-c", command], { encoding: "utf8" });
const inside = (command) =>
  spawnSync("nsenter", [`--net=/run/netns/${NS}`, "bash", "-c", command], { encoding: "utf8" });
// IPv6 off, and the values that distributions set back to the kernel's own.
const SYSCTLS = `net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 ${["all", "default", "lo"]
  .flatMap((d) => ["promote_secondaries", "arp_notify"].map((f) => `net.ipv4.conf.${d}.${f}=0`))
  .join(" ")}`;

const out = {};
for (const [name, text] of Object.entries(SCENES)) {
  host(`ip netns del other; ip netns del ${NS}; ip netns add ${NS}; ip netns exec ${NS} sysctl -q ${SYSCTLS}`);
  out[name] = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((command) => {
      const { status, stdout, stderr } = inside(command);
      return { command, status, stdout, stderr };
    });
}
host(`ip netns del other; ip netns del ${NS}`);
writeFileSync(
  new URL("../test/kunit/net/netlink/golden/ip_live.json", import.meta.url),
  `${JSON.stringify(out, null, 1)}\n`,
);
