// ss against iproute2 6.1 on Linux 6.18: every recorded command byte for byte (tools/record-netlink.mjs), and its table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ss } from "../../../../src/bin/ss/ss.ts";
import { COLUMNS, renderTable } from "../../../../src/bin/ss/table.ts";
import { loadGolden, replay, testRecording } from "../../../lib/replay_sys.ts";

// The real ss hands filters to the kernel as byte code, asks for kinds of sockets that are not here (SCTP, MPTCP), and looks
// for cgroups.
testRecording(
  "ss",
  { ss },
  {
    requests: (command) => /^ss( -[46] -a -n)?$|[sd]port|src|dst/.test(command),
    stderr: /Failed to find cgroup2 mount\n|RTNETLINK answers: Invalid argument\n/g,
  },
);

const rows = [
  ["udp", "UNCONN", "832   ", "0     ", "127.0.0.1:", "5353", "0.0.0.0:", "*", ""],
  ["udp", "ESTAB", "0     ", "0     ", "10.0.0.1:", "40000", "127.0.0.1:", "5353", ""],
  ["udp", "UNCONN", "0     ", "0     ", "0.0.0.0:", "7", "0.0.0.0:", "*", ""],
];
const table = (screen: number, withHeader = true): string[] => {
  const columns = COLUMNS();
  columns[0].hidden = true;
  return renderTable(columns, rows, withHeader, screen).split("\n");
};

// Observed: the real ss on a pseudo-terminal of that many columns.
test("ss spreads its columns over a terminal of 80 columns", () => {
  assert.deepEqual(table(80).slice(0, 3), [
    "State   Recv-Q   Send-Q     Local Address:Port      Peer Address:Port  Process  ",
    "UNCONN  832      0              127.0.0.1:5353           0.0.0.0:*              ",
    "ESTAB   0        0               10.0.0.1:40000        127.0.0.1:5353           ",
  ]);
});
test("ss breaks its columns over the lines of a terminal of 40 columns", () => {
  assert.equal(table(40)[0], "State  Recv-Q Send-Q Local Address:Port       Peer Address:Port     Process     ");
});
test("ss -H leaves an empty last column out of the spreading", () => {
  assert.equal(table(80, false)[0], "UNCONN     832        0              127.0.0.1:5353            0.0.0.0:*        ");
});

test("ss --json is our extension: one object per socket", () => {
  const golden = loadGolden("ss");
  const c = golden.cases.find((x) => x.command === "ss -uan")!;
  const got = JSON.parse(replay(golden, { ...c, argv: ["ss", "-uan", "--json"] }, ss).stdout);
  const bound = got.find((s: { local_port: number }) => s.local_port === 5353);
  assert.deepEqual(
    { ...bound, inode: 0 },
    {
      netid: "udp",
      state: "UNCONN",
      recv_q: 832,
      send_q: 0,
      local_address: "127.0.0.1",
      local_port: 5353,
      peer_address: "0.0.0.0",
      peer_port: "*",
      uid: 0,
      inode: 0,
    },
  );
});
