// The prompt beside bash on a pty of this computer, key by key; ps and free beside procps over the same /proc.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promptSession } from "../lib/prompt.ts";
import { prerequisites } from "./rig.ts";

const skip = prerequisites("bash", "python3", "ps");
const root = join(fileURLToPath(import.meta.url), "../../..");

/** Types lines at `bash -i` on a pty that does not echo, each when the screen was quiet for 0.2 s. Answers with the screen. */
const DRIVER = `
import json, os, pty, select, sys, termios
pid, fd = pty.fork()
if pid == 0:
    mode = termios.tcgetattr(0)
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, mode)
    env = {"PATH": "/usr/bin:/bin", "PS1": "$ ", "PS2": "> ", "HISTFILE": "", "HOME": "/", "LC_ALL": "C"}
    os.execvpe("bash", ["bash", "--noediting", "--norc", "--noprofile", "-i"], env)
out = b""
def quiet(first=2.0):
    global out
    wait = first
    while select.select([fd], [], [], wait)[0]:
        try: data = os.read(fd, 65536)
        except OSError: return False
        if not data: return False
        out += data
        wait = 0.2
    return True
quiet()
for line in json.loads(sys.argv[1]):
    try: os.write(fd, bytes([ord(line[1]) - 64]) if len(line) == 2 and line[0] == "^" else line.encode() + b"\\n")
    except OSError: break
    if not quiet(0.3): break
os.close(fd)
os.waitpid(pid, 0)
sys.stdout.write(out.decode())
`;

/** Pids as letters, in the order of their appearance: behind "[1]", "[1]+" and the blanks of \`jobs -l\`. */
function letters(screen: string): string {
  const seen: string[] = [];
  return screen.replace(/(?<=\[\d\][+-]? ) *\d+(?=$| )|(?<=^ {5}) *\d+(?= {5})/gm, (text) => {
    const pid = text.trim();
    if (!seen.includes(pid)) seen.push(pid);
    return String.fromCharCode(65 + seen.indexOf(pid));
  });
}

function bash(lines: readonly string[]): string {
  const r = spawnSync("python3", ["-c", DRIVER, JSON.stringify(lines)], { encoding: "utf8", timeout: 60_000 });
  assert.equal(r.status, 0, r.stderr);
  return letters(r.stdout.replaceAll("\r", ""));
}

const SCENES: Record<string, string[]> = {
  "Ctrl-Z, fg, bg, the marks of jobs": [
    ...["sleep 51", "^Z", "jobs", "sleep 52 &", "jobs", "jobs -l", "sleep 53", "^Z", "jobs", "sleep 54 &", "jobs"],
    ...[
      "bg %1",
      "jobs",
      "fg %1",
      "^Z",
      "jobs",
      "jobs -r",
      "jobs -s",
      "fg %sleep",
      "fg %9",
      "bg %9",
      "kill %9",
      "jobs %9",
    ],
  ],
  "a pipeline is one job; loops and lists": [
    ...["sleep 51 | sleep 52", "^Z", "jobs -l", "bg", "jobs", "fg", "^C", "echo $?", "sleep 53; echo after", "^Z"],
    ...[
      "for i in 1 2; do sleep 54; done; echo over",
      "^Z",
      "sleep 55 && echo no",
      "^Z",
      "echo $?",
      "jobs",
      "fg %-",
      "^C",
    ],
  ],
  "cat in the background stops for the terminal": [
    "cat & sleep 0.1",
    "jobs",
    "fg",
    "typed",
    "^Z",
    "echo $?",
    "fg",
    "again",
    "^C",
    "jobs",
  ],
  "history and its expansion": [
    ...["echo one", "echo two three", "history", "history 2", "echo a!!", "!2", "!ec", "echo \"x!!\" '!!' [ ! -f x ]"],
    ...["!zz", "echo !$ done", "echo a!-2", "!?two?", "for i in 1; do", "echo $i", "done", "echo 'a", "b'", "history"],
    ...["history -d 1", "history x", "history 2", "history -c", "history"],
  ],
  "ways to name a job, and mistakes": [
    ...[
      "sleep 51 & sleep 52 &",
      "jobs %1",
      "jobs %2",
      "jobs %-",
      "jobs %?52",
      "jobs %sl",
      "fg 2",
      "^Z",
      "jobs",
      "fg %?51",
      "^C",
    ],
    ...[
      "jobs",
      "%2",
      "^C",
      "sleep 9 &",
      "%1 &",
      "kill -STOP %1; sleep 0.1",
      "%1 &",
      "fg x",
      "bg x y",
      "kill",
      "kill %; sleep 0.1",
      "wait %7",
    ],
    ...["wait 99999", "wait x", "jobs %+", "jobs -lp", "kill -FOO 1", "kill -l 9 TERM 143"],
  ],
  "ends of jobs": [
    ...["sh -c 'kill -STOP $$; echo back'", "jobs", "fg", "sleep 0.2 &", "sleep 0.5", "true", "sleep 0.1 | false &"],
    ...["sleep 0.5", "", "sleep 51", "^Z", "wait %1", "echo $?", "kill -9 %1; sleep 0.1", "wait %1", "echo $?"],
  ],
  "ignored signals": ["trap '' INT", "sleep 0.9", "^C", "echo $?", "trap - INT", "sleep 5", "^C", "echo $?"],
};

for (const [name, lines] of Object.entries(SCENES)) {
  test(`as bash at a prompt: ${name}`, { skip }, () => {
    assert.equal(letters(promptSession(lines).screen), bash(lines).replace(/exit\n$/, ""));
  });
}

test("ps as procps over the same /proc", { skip }, async () => {
  const children: ChildProcess[] = [];
  after(() => {
    for (const c of children) c.kill("SIGKILL");
  });
  for (const seconds of ["1000", "1001"]) children.push(spawn("sleep", [seconds], { stdio: "ignore" }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  children[1]!.kill("SIGSTOP");
  const [a, b] = children.map((c) => String(c.pid));
  const both = `${a},${b}`;
  for (const args of [
    ["-p", both],
    ["-fp", both],
    ["-o", "pid,ppid,pgid,sid,tpgid,stat,time,ni,comm,args", "-p", both],
    ["-o", "pid=,stat=State,args", "-p", both],
    ["-o", "pid user pcpu c tty args", "-p", both],
    ["x", "--no-headers", "-p", "999999"].slice(1),
    ["hp", a!],
    ["-p", "x"],
    ["-o", "foo"],
    ["xyz"],
  ]) {
    const ours = spawnSync("node", ["--import", "tsx", "test/linux/run-program.ts", "ps", ...args], {
      cwd: root,
      encoding: "utf8",
    });
    const theirs = spawnSync("ps", args, { encoding: "utf8" });
    assert.deepEqual(
      [ours.stdout, ours.stderr, ours.status],
      [theirs.stdout, theirs.stderr, theirs.status],
      args.join(" "),
    );
  }
});
