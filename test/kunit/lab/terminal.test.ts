// The prompt of a lab: typed keys in, screen out. A lab of two hosts in virtual time; ping is not needed here.

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { programs } from "../../../src/bin/index.ts";
import { complete } from "../../../src/lab/complete.ts";
import { Lab, traceAll } from "../../../src/lab/lab.ts";
import { hashTrace, parseRecording, type Recording, replayRecording } from "../../../src/lab/record.ts";
import { momentOf, type SessionEvent } from "../../../src/lab/session.ts";
import { runTerminal, type TerminalOptions } from "../../../src/lab/terminal.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { memoryTree } from "../../../src/lab/tree.ts";
import { usageOf } from "../../../src/lab/usage.ts";

function newLab(): Lab {
  const lab = new Lab(loadTopology(memoryTree({ "lab.conf": "pc1[0]=A\npc2[0]=A\n", "pc1/tmp/notes.txt": "x" })));
  lab.boot();
  return lab;
}

class Screen {
  readonly input = new PassThrough();
  readonly output = Object.assign(new PassThrough(), { columns: 80, rows: 24, isTTY: true });
  text = "";
  readonly ended: Promise<number>;

  /** After the end the lab is stopped: no BUG, nothing left open. A test that fails hangs up. */
  constructor(t: TestContext, lab: Lab, options: Pick<TerminalOptions, "hint" | "journal"> = {}) {
    t.after(async () => {
      this.input.end();
      await this.ended.catch(() => {});
    });
    this.output.on("data", (b: Buffer) => {
      this.text += b.toString();
    });
    this.ended = runTerminal(lab, {
      input: this.input,
      output: this.output,
      terminal: true,
      ...options,
    }).then((code) => {
      lab.stop();
      assert.deepEqual(lab.bugs(), []);
      for (const h of lab.hosts.values()) {
        assert.deepEqual(
          Object.entries(h.computer.live()).filter(([, n]) => n !== 0),
          [],
        );
      }
      return code;
    });
  }

  /** What a person would have read: without the editor's cursor movements. */
  get plain(): string {
    return this.text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, "").replace(/\r/g, "");
  }

  type(keys: string): void {
    this.input.write(keys);
  }

  async until(what: RegExp, ms = 4000): Promise<void> {
    const end = Date.now() + ms;
    while (!what.test(this.plain)) {
      if (Date.now() > end) assert.fail(`waited for ${what}; the screen: ${JSON.stringify(this.plain)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

test("a prompt, commands, several lines, another host and back, exit", async (t) => {
  const s = new Screen(t, newLab(), { hint: "three lines\nof a\nhint" });
  await s.until(/hint\n.*pc1\$ /s);
  s.type("echo one; uname -n\n");
  await s.until(/\none\npc1\n.*pc1\$ $/s);
  s.type("for i in 1 2; do\n");
  await s.until(/> $/);
  s.type("echo n$i; done\n");
  await s.until(/\nn1\nn2\n.*pc1\$ $/s);
  s.type("hosts\n");
  await s.until(/\* pc1 +eth0 on A\n {2}pc2 +eth0 on A\n/);
  s.type("@pc2\n");
  await s.until(/pc2\$ $/);
  s.type("connect nowhere\n");
  await s.until(/no host "nowhere"; there are: pc1, pc2\n/);
  s.type("uname -n; exit\n");
  await s.until(/\npc2\n(?:exit\n)?.*pc1\$ $/s);
  s.type("@pc2 echo from $(uname -n)\n");
  await s.until(/\nfrom pc2\n[\s\S]*pc1\$ $/);
  // In the background there: its lines come with the host's name, and go above what is being typed here.
  s.type("@pc2 sleep 0.05 && echo later &\n");
  await s.until(/\n\[1\] \d+\n[\s\S]*pc1\$ $/);
  s.type("echo ty");
  await s.until(/pc2: later\n[\s\S]*pc1\$ echo ty$/);
  s.type("ped\n");
  await s.until(/\ntyped\n[\s\S]*pc1\$ $/);
  s.type("@pc2 sleep 1000\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x03");
  await s.until(/sleep 1000\n\^C\n[\s\S]*pc1\$ $/);
  s.type("exit 7\n");
  assert.equal(await s.ended, 7);
});

test("Ctrl-C ends what runs, and an endless loop; output streams meanwhile", async (t) => {
  const s = new Screen(t, newLab());
  await s.until(/pc1\$ $/);
  s.type("sleep 1000\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x03");
  await s.until(/\^C.*\n.*pc1\$ $/s);
  s.type("echo $?\n");
  await s.until(/\n130\n/);
  s.type("while true; do :; done\n");
  await new Promise((resolve) => setTimeout(resolve, 80));
  s.type("\x03");
  await s.until(/130\n[\s\S]*\^C\n.*pc1\$ $/);
  s.type("for i in a b c; do echo tick-$i; sleep 0.05; done\n");
  await s.until(/tick-a\n/);
  assert.ok(!s.plain.includes("tick-c"), "the last line came with the first");
  await s.until(/tick-c\n.*pc1\$ $/s);
  s.type("half typed\x03");
  await s.until(/half typed\^C\n.*pc1\$ $/s);
  s.type("exit\n");
  assert.equal(await s.ended, 130);
});

test("Ctrl-C throws away what was typed ahead, as a Linux terminal without NOFLSH", async (t) => {
  const s = new Screen(t, newLab());
  await s.until(/pc1\$ $/);
  s.type("sleep 1000\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("bg; fg; echo ran $((6 * 7))\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x03");
  await s.until(/\^C\n.*pc1\$ $/);
  s.type("bg; fg\n");
  await s.until(/fg: current: no such job\n.*pc1\$ $/);
  s.type("while :; do :; done\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.type("\x03");
  await s.until(/done\n\^C\n.*pc1\$ $/);
  assert.doesNotMatch(s.plain, /ran 42/);
  s.type("exit\n");
  assert.equal(await s.ended, 130);
});

test("Ctrl-D is end of file for a program, then for the shell", async (t) => {
  const s = new Screen(t, newLab());
  await s.until(/pc1\$ $/);
  s.type("cat; echo end\n");
  await new Promise((resolve) => setTimeout(resolve, 30));
  s.type("line\n");
  await s.until(/line\nline\n/);
  s.type("\x04");
  await s.until(/\nend\n.*pc1\$ $/s);
  s.type("\x04");
  assert.equal(await s.ended, 0);
});

test("history and completion", async (t) => {
  const s = new Screen(t, newLab());
  await s.until(/pc1\$ $/);
  s.type("echo first\n");
  await s.until(/\nfirst\n.*pc1\$ $/s);
  s.type("\x1b[A\n");
  await s.until(/\nfirst\n[\s\S]*\nfirst\n.*pc1\$ $/);
  s.type("cat /tmp/no");
  s.type("\t");
  await s.until(/notes\.txt $/);
  s.type("\n");
  await s.until(/cat \/tmp\/notes\.txt \nxpc1\$ $/);
  for (const keys of ["@pc2 ethto", "\t", "-G eth0 rx-m", "\t"]) s.type(keys);
  await s.until(/@pc2 ethtool -G eth0 rx-mini $/);
  s.type("\x15connect pc2\n");
  await s.until(/pc2\$ $/);
  s.type("exit\n");
  await s.until(/pc1\$ $/);
  s.type("exit\n");
  assert.equal(await s.ended, 0);
});

test("each host has a history of its own, which outlives its shell", async (t) => {
  const s = new Screen(t, newLab());
  await s.until(/pc1\$ $/);
  s.type("echo mine\n");
  await s.until(/\nmine\n.*pc1\$ $/s);
  s.type("connect pc2\n");
  await s.until(/pc2\$ $/);
  // Up and Ctrl-R find nothing yet.
  s.type("\x1b[A\x1b[Aecho other\n");
  await s.until(/pc2\$ echo other\nother\n.*pc2\$ $/s);
  s.type("\x12mine\x07\n");
  await s.until(/pc2\$ \npc2\$ $/);
  s.type("exit\n");
  await s.until(/exit\n[^\n]*pc1\$ $/);
  // Behind "connect pc2".
  s.type("\x1b[A\x1b[A\n");
  await s.until(/pc1\$ echo mine\nmine\n.*pc1\$ $/s);
  s.type("@pc2\n");
  await s.until(/@pc2\n[^\n]*pc2\$ $/);
  s.type("\x1b[A\x1b[A\n");
  await s.until(/pc2\$ echo other\nother\n.*pc2\$ $/s);
  s.type("exit\n");
  await s.until(/exit\n[^\n]*pc1\$ $/);
  s.type("exit\n");
  assert.equal(await s.ended, 0);
});

test("Ctrl-Z stops the program in the foreground and nothing at the prompt; fg, bg, jobs", async (t) => {
  const s = new Screen(t, newLab());
  await s.until(/pc1\$ $/);
  s.type("\x1aecho still $((40 + 2))\n");
  await s.until(/\nstill 42\n.*pc1\$ $/s);
  s.type("ping 127.0.0.1\n");
  await s.until(/icmp_seq=1 /);
  s.type("\x1a");
  await s.until(/\^Z\n\[1\]\+ {2}Stopped {17}ping 127\.0\.0\.1\npc1\$ $/);
  s.type("jobs; ps\n");
  await s.until(/\n\[1\]\+ {2}Stopped .*\n[\s\S]* ping\n[\s\S]*pc1\$ $/);
  s.type("\x1cfg\n");
  await s.until(/\nping 127\.0\.0\.1\n64 bytes .*icmp_seq=2 /);
  s.type("\x1c");
  await s.until(/\^\\2\/2 packets, 0% loss, min\/avg/);
  s.type("\x03");
  await s.until(/\^C\n--- 127[\s\S]*pc1\$ $/);
  s.type("exit\n");
  assert.equal(await s.ended, 0);
});

test("a terminal that goes away hangs up: SIGHUP, and the lab ends", async (t) => {
  const s = new Screen(t, newLab());
  await s.until(/pc1\$ $/);
  s.type("sleep 1000\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  s.input.end();
  assert.equal(await s.ended, 129);
});

test("Ctrl-R: newest first, older with Ctrl-R, backspace, Ctrl-G brings the line back, Enter runs", async (t) => {
  const s = new Screen(t, newLab());
  await s.until(/pc1\$ $/);
  for (const word of ["alpha", "beta", "alphabet"]) {
    s.type(`echo ${word}\n`);
    await s.until(new RegExp(`\\n${word}\\n.*pc1\\$ $`, "s"));
  }
  s.type("typed\x12");
  await s.until(/\(reverse-i-search\)`': typed$/);
  s.type("alp");
  await s.until(/\(reverse-i-search\)`alp': echo alphabet$/);
  s.type("\x12");
  await s.until(/\(reverse-i-search\)`alp': echo alpha$/);
  s.type("\x12");
  await s.until(/\(failed reverse-i-search\)`alp': echo alpha$/);
  s.type("\x07");
  await s.until(/pc1\$ typed$/);
  s.type("\x12betq");
  await s.until(/\(failed reverse-i-search\)`betq': echo alphabet$/);
  s.type("\x7f");
  await s.until(/\(reverse-i-search\)`bet': echo alphabet$/);
  s.type("\x7fta\n");
  await s.until(/`beta': echo beta.*\nbeta\n.*pc1\$ $/s);
  s.type("\x12alphab\x01\x1b[C\x1b[C\x1b[C\x1b[C\x0b edited\n");
  await s.until(/\n edited\n|\nedited\n/);
  s.type("exit\n");
  assert.equal(await s.ended, 0);
});

const PROMPT_LAB = {
  "lab.conf": "pc1[0]=A\npc2[0]=A\n",
  "pc1.startup": "ip a a 10.0.0.1/24 dev eth0\n",
  "pc2.startup": "ip a a 10.0.0.2/24 dev eth0\n",
};

test("what was typed at prompts gives the same trace when it is replayed: Ctrl-C, Ctrl-Z, two hosts, a busy loop", async (t) => {
  for (const seed of [1, 7]) {
    const topology = loadTopology(memoryTree(PROMPT_LAB));
    const lab = new Lab(topology, { seed });
    traceAll(lab, false);
    lab.boot();
    const entered: SessionEvent[] = [];
    let recorded = { records: 0, sha256: "" };
    let end = { events: 0, ns: 0 };
    const stop = lab.stop.bind(lab);
    lab.stop = () => {
      end = momentOf(lab.world.sim!);
      recorded = hashTrace(lab);
      stop();
    };
    const s = new Screen(t, lab, { journal: entered });
    await s.until(/pc1\$ $/);
    s.type("ping -c 2 -i 0.05 10.0.0.2\n");
    await s.until(/2 received/);
    s.type("@pc2 ping -i 0.01 10.0.0.1\n");
    await s.until(/pc1\$ @pc2[\s\S]*icmp_seq=3 /);
    s.type("\x1a");
    await s.until(/Stopped {17}ping -i/);
    s.type("@pc2 bg\n");
    await s.until(/icmp_seq=9 /);
    s.type("while :; do :; done\n");
    await new Promise((resolve) => setTimeout(resolve, 60));
    s.type("\x03");
    await s.until(/done\n\^C[\s\S]*pc1\$ /);
    s.type("@pc2 kill %1\nexit\n");
    assert.equal(await s.ended, 130);
    assert.ok(recorded.records > 200, String(recorded.records));
    const text = JSON.stringify({
      version: 1,
      path: "x",
      seed,
      cost: "lab",
      exec: [],
      ...recorded,
      prompt: { journal: entered, end },
    });
    const recording = parseRecording(text);
    assert.ok(typeof recording === "object", String(recording));
    const replay = (r: Recording): { differs: string | null; output: string; hash: ReturnType<typeof hashTrace> } => {
      const again = new Lab(topology, { seed });
      traceAll(again, false);
      again.boot();
      let output = "";
      const differs = replayRecording(again, r, (_stream, text) => {
        output += text;
      });
      const hash = hashTrace(again);
      again.stop();
      return { differs, output, hash };
    };
    const same = replay(recording);
    assert.equal(same.differs, null);
    assert.deepEqual(same.hash, recorded);
    assert.match(same.output, /2 received[\s\S]*Stopped/);
    const journal = entered.map((e) => ({ ...e, ...(e.type && { type: e.type.replace("-c 2", "-c 3") }) }));
    const other = replay({ ...recording, prompt: { journal, end } });
    assert.ok(other.differs !== null || other.hash.sha256 !== recorded.sha256);
  }
});

test("without a terminal the input is a script, @HOST changes the host", async () => {
  const lab = newLab();
  const input = new PassThrough();
  const output = new PassThrough();
  input.end("uname -n\nfor i in 1 2; do\necho $i\ndone\n@pc2 uname -n\nsleep 100; exit 4\n");
  const code = await runTerminal(lab, { input, output });
  assert.equal(code, 4);
  assert.equal(output.read().toString(), "pc1\n1\n2\npc2\n");
});

test("without a terminal: @HOST COMMAND comes back, lists and loops stay whole, hosts, an unknown host", async () => {
  const run = async (text: string): Promise<[string, number]> => {
    const input = new PassThrough();
    const output = new PassThrough();
    input.end(text);
    const journal: SessionEvent[] = [];
    const topology = loadTopology(memoryTree(PROMPT_LAB));
    const lab = new Lab(topology, {});
    traceAll(lab, false);
    lab.boot();
    const code = await runTerminal(lab, { input, output, journal });
    const end = momentOf(lab.world.sim!);
    const trace = hashTrace(lab);
    lab.stop();
    const shown: string = output.read()?.toString() ?? "";
    // The same again from the journal.
    const again = new Lab(topology, {});
    traceAll(again, false);
    again.boot();
    let replayed = "";
    const recording = { version: 1, path: "x", seed: 1, cost: "lab", napi: true, exec: [], ...trace } as const;
    const differs = replayRecording(again, { ...recording, exec: [], prompt: { journal, end } }, (_stream, text) => {
      replayed += text;
    });
    assert.equal(differs, null);
    assert.deepEqual(hashTrace(again), trace);
    if (!/hosts|@nowhere/.test(text)) assert.equal(replayed, shown);
    again.stop();
    return [shown, code];
  };
  assert.deepEqual(await run("@pc2 uname -n && echo ok\nuname -n\n@pc2 false || exit 3"), ["pc2\nok\npc1\n", 3]);
  assert.deepEqual(await run("@pc2 for i in 1 2; do\necho $(uname -n)$i\ndone\nuname -n\n"), ["pc21\npc22\npc1\n", 0]);
  assert.deepEqual(await run("cat <<E\n@pc2 text\nE\nconnect pc2\nuname -n\n@pc1\nuname -n\n"), [
    "@pc2 text\npc2\npc1\n",
    0,
  ]);
  assert.deepEqual(await run("@pc2\nhosts\n@nowhere ls\n"), [
    '  pc1          eth0 on A\n* pc2          eth0 on A\nno host "nowhere"; there are: pc1, pc2\n',
    1,
  ]);
  // Each host's shell keeps its variables and folder; what follows a command is its input; exit goes back.
  assert.deepEqual(await run("x=5; cd /tmp\n@pc2 x=7\necho $x $PWD\n@pc2 echo $x\nread y\ntyped\necho $y\n"), [
    "5 /tmp\n7\ntyped\n",
    0,
  ]);
  assert.deepEqual(await run("connect pc2\nuname -n; exit 4\nlost\n@pc1 true\nuname -n\nfalse\n"), ["pc2\npc1\n", 1]);
  assert.deepEqual(await run("exit 4\n@pc2 uname -n\n"), ["", 4]);
  assert.deepEqual(await run("for h in pc1 pc2; do @$h uname -n; done; @pc2 ping -c 1 10.0.0.1 | grep -c ttl\n"), [
    "pc1\npc2\n1\n",
    0,
  ]);
  const [pings] = await run("ping -c 2 10.0.0.2 | grep -c ttl\n@pc2 ping -c 1 10.0.0.1 | grep -o ttl=64\n");
  assert.equal(pings, "2\nttl=64\n");
});

test("a recording's prompt journal is checked before it is used", () => {
  const base = { version: 1, path: "x", seed: 1, cost: "lab", sha256: "", records: 0, exec: [] };
  const end = { events: 1, ns: 1 };
  for (const prompt of [
    null,
    5,
    {},
    { journal: [], end: {} },
    { journal: [1], end },
    { journal: [{ ...end, host: "a", signal: 99 }], end },
    { journal: [{ ...end, host: "a", open: [0, 1] }], end },
    { journal: [{ ...end, host: 3 }], end },
  ])
    assert.equal(parseRecording(JSON.stringify({ ...base, prompt })), '"prompt" is not a journal of what was typed');
  const ok = parseRecording(
    JSON.stringify({ ...base, prompt: { journal: [{ ...end, host: "gone", open: [80, 24] }], end } }),
  );
  assert.ok(typeof ok === "object");
  const lab = newLab();
  assert.equal(
    replayRecording(lab, ok, () => {}),
    'no machine "gone" in this lab',
  );
  lab.stop();
});

test("what completes where", () => {
  const all = programs();
  const context = {
    commands: () => ["ip", "ping", "ps", "cat", "ls"],
    hosts: () => ["pc1", "pc2", "r1"],
    interfaces: () => ["eth0", "eth1", "lo"],
    folder: (path: string) => ({ "": ["a.txt", "dir/", ".hidden"], "/etc/": ["hosts", "hostname"] })[path] ?? null,
    usage: (argv: readonly string[]) => {
      const program = all.get(argv[0]!);
      return program === undefined ? null : usageOf(program, argv);
    },
  };
  const c = (line: string) => complete(line, context).candidates;
  assert.deepEqual(c("pi"), ["ping"]);
  assert.deepEqual(c("echo x | p"), ["ping", "ps"]);
  assert.deepEqual(c("true && p"), ["ping", "ps"]);
  assert.deepEqual(c("for i in 1; do pin"), ["ping"]);
  assert.deepEqual(c("@p"), ["@pc1", "@pc2"]);
  assert.deepEqual(c("connect "), ["pc1", "pc2", "r1"]);
  assert.deepEqual(c("conn"), ["connect"]);
  assert.deepEqual(c("ping r"), ["r1"]);
  assert.deepEqual(c("ip ro"), ["route"]);
  assert.deepEqual(c("ip -4 route a"), ["add", "append"]);
  assert.deepEqual(c("ip addr add 10.0.0.1/24 dev e"), ["eth0", "eth1"]);
  assert.deepEqual(c("tcpdump -i l"), ["lo"]);
  // From the programs' own usage and option tables.
  assert.ok(c("ip ad").includes("address") && c("ip ad").every((o) => o.startsWith("ad")));
  assert.ok(["neighbour", "netns", "nexthop", "ntable"].every((o) => c("ip n").includes(o)));
  // Whatever is typed: no exception, and only what goes on with the last word.
  const names = [
    ...all.keys(),
    ..."addr link set dev eth0 -s --x -I e { } [ ( * + ? \\ | . $ ^ / ~ @ a= \u{1f600} ;".split(" "),
  ];
  const lines = fc
    .array(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 6 })), { maxLength: 5 })
    .map((w) => w.join(" "));
  fc.assert(
    fc.property(lines, (line) => {
      const r = complete(line, context);
      for (const w of r.candidates) assert.ok(w.startsWith(r.word), `${w} for ${JSON.stringify(line)}`);
      assert.ok(line.endsWith(r.word));
    }),
    { numRuns: 300 },
  );
  const some = {
    "ip help": "where  OBJECT := { fie | foo }\n",
    "ip foo help": "Usage: ip foo\n",
    "ip fie help": "Not supported\n",
  };
  const usage = (argv: readonly string[]) => ({ text: some[argv.join(" ") as keyof typeof some] ?? "", options: [] });
  assert.deepEqual(complete("ip f", { ...context, usage }).candidates, ["foo"], "fie does nothing here");
  assert.deepEqual(c("ip addr "), [
    "add",
    "change",
    "del",
    "flush",
    "help",
    "replace",
    "restore",
    "save",
    "show",
    "showdump",
  ]);
  assert.deepEqual(c("ip link "), ["add", "afstats", "delete", "help", "property", "set", "show", "xstats"]);
  assert.ok(["via", "vrf"].every((k) => c("ip route add default v").includes(k)));
  assert.deepEqual(c("ip route add default via 10.0.0.1 dev "), ["eth0", "eth1", "lo"]);
  assert.deepEqual(c("ip route add default via "), []);
  assert.deepEqual(c("ip link set e"), ["eth0", "eth1"]);
  assert.deepEqual(c("ip link set dev eth0 arp "), ["off", "on"]);
  assert.deepEqual(c("ip link set eth0 up m").includes("mtu"), true);
  assert.deepEqual(c("ip -s"), ["-statistics"]);
  assert.deepEqual(c("tc qdisc "), ["add", "change", "del", "help", "list", "replace", "show"]);
  assert.deepEqual(c("tc qdisc add dev e"), ["eth0", "eth1"]);
  assert.ok(["-c", "-i", "-I", "-s", "-t", "-W"].every((o) => c("ping -").includes(o)));
  assert.deepEqual(c("ping -I e"), ["eth0", "eth1"]);
  assert.deepEqual(c("ping -c 3 pc"), ["pc1", "pc2"]);
  assert.deepEqual(
    c("ethtool -"),
    c("ethtool -").filter((o) => /^--?[\w-]+$/.test(o)),
  );
  assert.ok(["-s", "-K", "-C", "--coalesce", "--set-ring"].every((o) => c("ethtool -").includes(o)));
  assert.deepEqual(c("ethtool -G "), ["eth0", "eth1", "lo"]);
  assert.deepEqual(c("ethtool e"), ["eth0", "eth1"]);
  assert.deepEqual(c("ethtool -s eth0 du"), ["duplex"]);
  assert.deepEqual(c("ethtool -s eth0 duplex "), ["full", "half"]);
  assert.deepEqual(c("ethtool -C eth0 adaptive-"), ["adaptive-rx", "adaptive-tx"]);
  assert.deepEqual(c("ifconfig l"), ["lo"]);
  assert.deepEqual(c("arping -I e"), ["eth0", "eth1"]);
  assert.deepEqual(c("traceroute -i l"), ["lo"]);
  assert.deepEqual(c("arp -i l"), ["lo"]);
  assert.deepEqual(c("ss --lis"), ["--listening"]);
  assert.deepEqual(c("arp -v"), ["-v"]);
  assert.deepEqual(c("sleep 1 | grep --in"), ["--invert-match"]);
  assert.deepEqual(c("echo -"), []);
  assert.deepEqual(c("nosuch -"), []);
  assert.deepEqual(c("cat /etc/hos"), ["/etc/hostname", "/etc/hosts"]);
  assert.deepEqual(c("ls "), ["a.txt", "dir/"]);
  assert.deepEqual(c("echo > a"), ["a.txt"]);
  assert.deepEqual(c("cat nothing/"), []);
});
