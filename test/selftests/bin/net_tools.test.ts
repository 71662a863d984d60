// The network programs on machines of ours against what Debian's printed in namespaces set up the same way
// (tools/record-net-tools.mjs). Numbers that depend on time or traffic are compared by shape only.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Lab } from "../../../src/lab/lab.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { memoryTree } from "../../../src/lab/tree.ts";
// @ts-expect-error The recorder's scenes are plain JavaScript.
import { FILES, TOPOLOGY } from "../../../tools/record-net-scenes.mjs";

interface Case {
  host: string;
  command: string;
  quiet?: boolean;
  status: number;
  stdout: string;
  stderr: string;
}

function golden(scene: string): Case[] {
  const url = new URL(`../../kunit/bin/golden/net/${scene}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")).cases;
}

/** The lab that has the recorder's network. */
function newLab(): Lab {
  const files: Record<string, string> = {};
  let conf = "";
  const segment = (host: string, name: string): string => {
    const i = (TOPOLOGY.links as { host: string; name: string }[][]).findIndex((l) =>
      l.some((e) => e.host === host && e.name === name),
    );
    return String.fromCharCode(65 + i);
  };
  for (const host of TOPOLOGY.hosts as string[]) {
    const names = (TOPOLOGY.links as { host: string; name: string }[][])
      .flat()
      .filter((e) => e.host === host)
      .map((e) => e.name);
    for (const name of names) conf += `${host}[${name.slice(3)}]="${segment(host, name)}"\n`;
    files[`${host}.startup`] = `${TOPOLOGY.startup[host].join("\n")}\n`;
    for (const [path, text] of Object.entries(FILES[host] ?? {})) files[`${host}${path}`] = text as string;
  }
  files["lab.conf"] = conf;
  const lab = new Lab(loadTopology(memoryTree(files)), { seed: 1 });
  assert.deepEqual(lab.boot(), []);
  lab.start("pc2", "dnsd -a 10.0.1.1");
  lab.run(1e8);
  return lab;
}

type Normalize = (text: string) => string;

/** Times and what follows from them. */
const times: Normalize = (text) =>
  text
    .replace(/= [\d.]+(\/[\d.]+)+ ms/g, "= T ms")
    .replace(/ewma [\d.]+\/[\d.]+ ms/g, "ewma T ms")
    .replace(/\d+(\.\d+)? ?ms/g, "T ms")
    .replace(/^\[\d+\.\d+\]/gm, "[T]")
    .replace(/^(TS: )?\t((?:\d+\.){3}\d+\t)?-?\d+( absolute)?$/gm, "$1\t$2T$3")
    .replace(/, pipe \d+/g, "");

/** Traffic counters, and the line for hardware that a virtual device has not. */
const counters: Normalize = (text) =>
  text
    .replace(/packets \d+ {2}bytes \d+ \(.*\)/g, "packets N  bytes N (N)")
    .replace(/^ {8}device .*\n/gm, "")
    // A card that was taken down or up needs its link to be negotiated first.
    .replace(/flags=\d+<(.*)>/g, (_, names: string) => `flags<${names.replace(",RUNNING", "")}>`);

const tableRows: Normalize = (text) =>
  counters(text).replace(/( +\d+)+ +([A-Za-z]+)$/gm, (_, _n, flags) => ` ${flags.replace("R", "")}`);

/** Ports that the kernel chose; groups of IPv6. */
const sockets: Normalize = (text) => text.replace(/:[345]\d{4} /g, ":PORT  ").replace(/^\w+ +\d+ +ff0.*\n/gm, "");

interface Scene {
  normalize?: Normalize;
  /** Virtual seconds that pass before a command: as long as the recording had taken, where a rate limit saw it. */
  pause?: Readonly<Record<string, number>>;
}

const SCENES: Readonly<Record<string, Scene>> = {
  ping: {
    normalize: times,
    pause: { "ping -c 1 10.18.0.1": 2 },
  },
  traceroute: { normalize: times },
  ifconfig: { normalize: (t) => tableRows(t) },
  route: {},
  arp: { normalize: times },
  netstat: { normalize: (t) => sockets(tableRows(t)) },
  sysctl: {},
  nslookup: {},
  nc: {},
};

for (const [scene, { normalize = (t: string) => t, pause = {} }] of Object.entries(SCENES)) {
  describe(scene, () => {
    let lab: Lab;
    before(() => {
      lab = newLab();
    });
    after(() => {
      lab.stop();
      assert.deepEqual(lab.bugs(), []);
    });
    for (const c of golden(scene)) {
      test(`${c.host}$ ${c.command}`, () => {
        if (pause[c.command] !== undefined) lab.run(pause[c.command]! * 1e9);
        const r = lab.exec(c.host, c.command);
        if (c.quiet) return;
        assert.deepEqual(
          { status: r.exitCode, stdout: normalize(r.stdout), stderr: normalize(r.stderr) },
          { status: c.status, stdout: normalize(c.stdout), stderr: normalize(c.stderr) },
        );
      });
    }
  });
}
