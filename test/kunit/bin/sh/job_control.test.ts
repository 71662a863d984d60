// Job control and history at a prompt, on a machine with a terminal. What is expected was printed by bash 5.2 on Linux 6.18
// for the same keys (`bash --norc --noprofile -i` on a pty), with the pids made equal.

import assert from "node:assert/strict";
import { test } from "node:test";
import { promptSession as session } from "../../../lib/prompt.ts";

test("Ctrl-Z, fg, bg, jobs: numbers, marks and texts", () => {
  const { screen } = session([
    ...["sleep 100", "^Z", "jobs", "sleep 200 &", "jobs", "jobs -l", "sleep 300", "^Z", "jobs", "sleep 400 &", "jobs"],
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
  ]);
  assert.equal(
    screen,
    `$ 
[1]+  Stopped                 sleep 100
$ [1]+  Stopped                 sleep 100
$ [2] A
$ [1]+  Stopped                 sleep 100
[2]-  Running                 sleep 200 &
$ [1]+ B Stopped                 sleep 100
[2]- A Running                 sleep 200 &
$ 
[3]+  Stopped                 sleep 300
$ [1]-  Stopped                 sleep 100
[2]   Running                 sleep 200 &
[3]+  Stopped                 sleep 300
$ [4] C
$ [1]-  Stopped                 sleep 100
[2]   Running                 sleep 200 &
[3]+  Stopped                 sleep 300
[4]   Running                 sleep 400 &
$ [1]- sleep 100 &
$ [1]   Running                 sleep 100 &
[2]   Running                 sleep 200 &
[3]+  Stopped                 sleep 300
[4]-  Running                 sleep 400 &
$ sleep 100

[1]+  Stopped                 sleep 100
$ [1]+  Stopped                 sleep 100
[2]   Running                 sleep 200 &
[3]-  Stopped                 sleep 300
[4]   Running                 sleep 400 &
$ [2]   Running                 sleep 200 &
[4]   Running                 sleep 400 &
$ [1]+  Stopped                 sleep 100
[3]-  Stopped                 sleep 300
$ bash: fg: sleep: ambiguous job spec
$ bash: fg: %9: no such job
$ bash: bg: %9: no such job
$ bash: kill: %9: no such job
$ bash: jobs: %9: no such job
$ `,
  );
});

test("a pipeline stops as one job; cat in the background stops for input; signals by job; $? and $!", () => {
  const { screen } = session([
    ...["sleep 100 & kill -STOP $!", "jobs", "jobs -l", "cat &", "jobs", "fg", "hello", "^Z", "echo $?", "kill -9 %2"],
    ...[
      "jobs",
      "sleep 1 | sleep 50",
      "^Z",
      "jobs",
      "jobs -l",
      "bg",
      "echo $!",
      "kill %sleep\\ 50 %2",
      "wait %2",
      "echo $?",
    ],
  ]);
  assert.equal(
    screen,
    `$ [1] A

[1]+  Stopped                 sleep 100
$ [1]+  Stopped                 sleep 100
$ [1]+ A Stopped (signal)        sleep 100
$ [2] B
$ [1]-  Stopped                 sleep 100
[2]+  Stopped                 cat
$ cat
hello

[2]+  Stopped                 cat
$ 148
$ [2]+  Killed                  cat
$ [1]+  Stopped                 sleep 100
$ 
[2]+  Stopped                 sleep 1 | sleep 50
$ [1]-  Stopped                 sleep 100
[2]+  Stopped                 sleep 1 | sleep 50
$ [1]- A Stopped (signal)        sleep 100
[2]+ C Stopped                 sleep 1
     D                       | sleep 50
$ [2]+ sleep 1 | sleep 50 &
$ D
$ bash: kill: %sleep 50: no such job
[2]-  Terminated              sleep 1 | sleep 50
$ bash: wait: %2: no such job
$ 127
$ `,
  );
});

test("kill ends a stopped job; wait does not wait for one; the shell asks before it ends, and they end with it", () => {
  const { screen, code } = session([
    ...["sleep 100", "^Z", "kill %1", "", "sleep 200", "^Z", "wait", "wait %1", "echo $?", "exit 5", "jobs", "exit 6"],
  ]);
  assert.match(screen, /\$ \[1\]\+ {2}Terminated {14}sleep 100\n\$ \$ \n\[1\]\+ {2}Stopped {17}sleep 200\n/);
  assert.match(
    screen,
    /\$ bash: wait: warning: job 1\[\w\] stopped\n\$ bash: warning: wait_for_job: job 1 is stopped\n\$ 148\n/,
  );
  assert.match(screen, /\$ There are stopped jobs\.\n\$ \[1\]\+ {2}Stopped {17}sleep 200\n\$ $/);
  assert.equal(code, 6);
  const eof = session(["sleep 100", "^Z", "^D", "^D"]);
  assert.match(eof.screen, /\$ exit\nThere are stopped jobs\.\n\$ exit\n$/);
  assert.equal(eof.code, 148);
});

test("Ctrl-Z ends a loop and an && list, the rest of the line runs; a stopped ping sends nothing while time goes on", () => {
  const { screen } = session([
    ...[
      "sleep 1; echo after",
      "^Z",
      "for i in 1 2; do sleep 5; done; echo loop over",
      "^Z",
      "sleep 7 && echo no",
      "^Z",
    ],
  ]);
  assert.equal(
    screen,
    "$ \n[1]+  Stopped                 sleep 1\nafter\n$ \n[2]+  Stopped                 sleep 5\nloop over\n" +
      "$ \n[3]+  Stopped                 sleep 7\n$ ",
  );
  const wait = Array<string>(30).fill("");
  const ping = session([
    "ip link set lo up",
    "ping 127.0.0.1",
    "^Z",
    ...wait,
    "ps -o stat= -C ping || cat /proc/uptime",
    "fg",
    "^C",
  ]);
  const lines = ping.screen.match(/icmp_seq=\d+/g);
  assert.deepEqual(lines, ["icmp_seq=1", "icmp_seq=2"]);
});

test("history: numbers, N, -c, -d, !!, !N, !TEXT, !$, quotes, an unknown event, several lines on one", () => {
  const { screen } = session([
    ...[
      "echo one",
      "echo two three",
      "history",
      "history 2",
      "echo a!!",
      "!2",
      "!ec",
      "echo \"x!!\" '!!' $! [ ! -f x ]",
    ],
    ...[
      "!zz",
      "echo !$ done",
      "history -c",
      "history",
      "for i in 1; do",
      "echo $i",
      "done",
      "echo 'a",
      "b'",
      "history",
    ],
    ...["history -d 1", "history x", "history 2"],
  ]);
  assert.equal(
    screen,
    `$ one
$ two three
$     1  echo one
    2  echo two three
    3  history
$     3  history
    4  history 2
$ echo ahistory 2
ahistory 2
$ echo two three
two three
$ echo two three
two three
$ echo "xecho two three" '!!' $! [ ! -f x ]
xecho two three !! [ ! -f x ]
$ bash: !zz: event not found
$ echo ] done
] done
$ $     1  history
$ > > 1
$ > a
b
$     1  history
    2  for i in 1; do echo $i; done
    3  echo 'a
b'
    4  history
$ $ bash: history: x: numeric argument required
$     5  history x
    6  history 2
$ `,
  );
});
