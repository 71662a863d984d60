// Programs that people use over TCP, as tools.test.ts compares them: nc, telnet, wget, ss -K, netstat.

import type { Scenario } from "./compare.ts";
import { at, TWO_HOSTS } from "./scenario_parts.ts";

/** Ports of clients are random; so are cookies and inode numbers. */
const PORTS: [RegExp, string] = [/(10\.0\.0\.1:|10\.0\.0\.1 )(?!5\d\d\d\b)\d+/g, "$1PORT"];
const BLANKS: [RegExp, string] = [/ +/g, " "];
const TIMES: [RegExp, string] = [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "TIME"];
const LISTENER = "for i in $(seq 20); do ss -ltn | grep -q :5000 && break; sleep 0.1; done";

const people: Scenario = {
  name: "TCP for people",
  ...TWO_HOSTS,
  commands: [
    { at: "h2", run: "nc -lk 5000 > /dev/null", background: true },
    { at: "h2", run: "nc -l 5001 < /etc/hosts", background: true },
    { at: "h2", run: LISTENER, quiet: true },
    ...at(
      "h2",
      `
      ss -ltnH | sort
      ss -lt state listening '( sport = :5000 )'
      netstat -ltn | sort
      `,
    ),
    ...at(
      "h1",
      `
      nc -N 10.0.0.2 5001 < /dev/null
      nc -z -v 10.0.0.2 5000
      nc -z -v 10.0.0.2 5002
      nc -z -v -n -w 1 10.0.0.2 4999-5001
      nc -z 10.0.0.2 5000; echo $?; nc -z 10.0.0.2 5001; echo $?
      echo lost | nc -w 1 10.0.0.2 5003
      echo gone | nc -N 10.0.0.2 5000
      nc -v -w 1 10.0.0.2 5000 < /dev/null
      telnet 10.0.0.2 5003
      telnet no.such.host.invalid 99x
      wget -t 1 http://10.0.0.2:5003/
      wget -q -t 1 http://10.0.0.2:5003/x
      wget
      (sleep 2) | nc 10.0.0.2 5000 & sleep 0.5; ss -tn; ss -tno state established; netstat -tn | grep -v TIME_WAIT; ss -K dst 10.0.0.2 dport = 5000 2> /dev/null; ss -tn; wait
      ss -tn state time-wait | wc -l
      `,
    ),
  ].map((c) => ({ ...c, also: [PORTS, BLANKS, TIMES] })),
};

export const tcpScenarios: readonly Scenario[] = [people];
