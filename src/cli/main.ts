// The skbuff command. Way in: main(argv); each subcommand is a file of its own.

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { tuneV8 } from "../arch/node/tune.ts";
import { hostCommand } from "./host.ts";
import { labCommand } from "./lab.ts";
import { measureCommand } from "./measure.ts";
import { packetdrillCommand } from "./packetdrill.ts";
import { replayCommand } from "./replay.ts";
import { startCommand } from "./start.ts";
import { VERSION } from "./version.ts";
import { walkCommand } from "./walk.ts";

function integer(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("not a whole number.");
  return Number(text);
}

const collect = (value: string, before: string[]): string[] => [...before, value];

/** Runs one command line; returns the exit code. */
export async function main(argv: string[]): Promise<number> {
  tuneV8();
  let exitCode = 0;
  const run =
    <A extends unknown[]>(fn: (...args: A) => Promise<number> | number) =>
    async (...args: A): Promise<void> => {
      exitCode = await fn(...args);
    };
  const program = new Command("skbuff")
    .description("The Linux network stack, from the NIC's descriptor rings to the socket, as a TypeScript program.")
    .version(VERSION, "-V, --version")
    .exitOverride()
    .showHelpAfterError("(run skbuff --help, or skbuff COMMAND --help, for what there is)")
    .addHelpText(
      "after",
      `
Examples:
  skbuff start                                     the first lab, with a prompt on pc1
  skbuff lab examples/first-lab --exec 'pc1: ping -c 3 10.0.2.2'
  skbuff walk examples/first-lab pc1 -- ping -c 1 10.0.2.2
  sudo skbuff host --tap tap0 --ip 10.9.0.2/24     a machine that the kernel of this computer can ping`,
    );

  program
    .command("start")
    .description("open the first lab: a prompt on a terminal, a tour without one")
    .action(run(startCommand));

  program
    .command("lab")
    .description("run a lab: a Kathará folder (lab.conf) or a containerlab file (*.clab.yml)")
    .argument("<path>", "the folder, or the YAML file")
    .option("--exec <host: command>", "run a command and leave with the exit code of the last; repeatable", collect, [])
    .option("--seed <n>", "seed of all randomness; same seed, same trace", integer, 1)
    .option("--realtime", "run by the clock of this computer instead of virtual time")
    .option(
      "--cost <profile>",
      "what work costs on all machines: none, calibrated, a JSON file, or what the lab says",
      "lab",
    )
    .option("--pcap <dir>", "write a pcapng file per link into this folder")
    .option("--record <file>", "record the run, for skbuff replay")
    .option("--json", "output of --exec as JSON lines")
    .option("--trace <set>", "print system calls as strace does: syscalls (all), sendto,recvfrom, network, …")
    .option("--no-napi", "igb takes an interrupt per packet, as before NAPI")
    .addHelpText(
      "after",
      "\nExample:\n  skbuff lab examples/first-lab --exec 'pc1: ping -c 3 10.0.2.2' --pcap /tmp/caps",
    )
    .action(run(labCommand));

  program
    .command("walk")
    .description("what happened to every packet that a command caused, on every machine")
    .argument("<path>", "the lab, as for skbuff lab")
    .argument("<host>", "the machine on which the command runs")
    .argument("<command...>", "the command, after --")
    .option("--paths", "group packets that took the same way, and count them")
    .option("--layers", "header by header: what each machine wraps, reads and takes off (OSI and TCP/IP layers)")
    .option("--filter <expr>", "only packets that match, in tcpdump's syntax")
    .option("--host <name>", "only what happened on this machine; repeatable", collect, [])
    .option("--trace <set>", "print system calls as strace does: syscalls (all), sendto,recvfrom, network, …")
    .option("--seed <n>", "seed of all randomness", integer, 1)
    .option("--json", "one JSON object per line, with pwru's field names")
    .option("--perfetto <file>", "write a Chrome trace-event file, for ui.perfetto.dev")
    .option("--pcap <file>", "write a pcapng file with the walk as packet comments")
    .addHelpText("after", "\nExample:\n  skbuff walk examples/first-lab pc1 -- ping -c 1 10.0.2.2")
    .action(run(walkCommand));

  program
    .command("measure")
    .description("rate, throughput, delay by part, round-trip time, utilisation and loss while a command runs")
    .argument("<path>", "the lab, as for skbuff lab")
    .argument("<host>", "the machine on which the command runs")
    .argument("<command...>", "the command, after --")
    .option("--seed <n>", "seed of all randomness", integer, 1)
    .option("--json", "one JSON object")
    .addHelpText("after", "\nExample:\n  skbuff measure examples/first-lab pc1 -- ping -c 5 10.0.2.2")
    .action(run(measureCommand));

  program
    .command("packetdrill")
    .description("run packetdrill scripts, each against a fresh machine in virtual time")
    .argument("<file...>", "the scripts")
    .option("-D, --define <symbol=value>", "a word of the scripts and what it stands for; repeatable", collect, [])
    .option("--tolerance_usecs <n>", "how far off a time may be")
    .option("--mtu <n>", "MTU of the device")
    .option("--local_ip <address>", "the machine's address")
    .option("--remote_ip <address>", "the other side's address")
    .option("--gateway_ip <address>", "the router's address")
    .option("--netmask_ip <mask>", "of the machine's address")
    .option("--ip_version <version>", "ipv4, or ipv4-mapped-ipv6: sockets of AF_INET6; ipv6 is not there yet")
    .option("--strict_segments", "every segment as scripted, not several joined")
    .option("--tcp_ts_tick_usecs <n>", "the clock of time stamps: their values are compared")
    .option("--tcp_ts_ecr_scaled", "echoed time stamps keep their distance")
    .option("--non_fatal <what>", "packet, syscall: what differs there is told, and the script goes on")
    .option("--dry_run", "read the scripts only")
    .option("--seed <n>", "seed of all randomness", integer, 1)
    .option("-v, --verbose", "also name the scripts that pass")
    .addHelpText("after", "\nExample:\n  skbuff packetdrill test/packetdrill/handshake/*.pkt")
    // The other options of packetdrill(1), as --name=value, are among the files.
    .allowUnknownOption()
    .action(run(packetdrillCommand));

  program
    .command("replay")
    .description("run a recording again: the same trace, byte for byte")
    .argument("<file>", "written by skbuff lab --record")
    .addHelpText(
      "after",
      "\nExample:\n  skbuff lab examples/first-lab --exec 'pc1: ping -c 1 10.0.2.2' --record /tmp/r.json\n  skbuff replay /tmp/r.json",
    )
    .action(run(replayCommand));

  program
    .command("host")
    .description(
      "a machine on a TAP device of this computer, in real time, with echo (7), discard (9), daytime (13) and chargen (19) over TCP and UDP",
    )
    .requiredOption("--tap <name>", "the TAP device, made when there is none")
    .requiredOption("--ip <cidr>", "the machine's address, such as 10.9.0.2/24")
    .option("--gw <ip>", "its default gateway")
    .option("--mac <mac>", "its MAC address", "02:00:00:00:00:02")
    .addOption(
      new Option(
        "--nic <model>",
        "its card: virtio leaves sums and segmentation to the kernel (default where it can); igb",
      ).choices(["igb", "virtio"]),
    )
    .option("--exec <command>", "run a command on it and leave with its exit code")
    .option("--pcap <file>", "write all frames to a pcapng file")
    .option("--replay-pcap <file>", "send the frames of a capture into the machine, as if they came from the TAP")
    .addHelpText(
      "after",
      "\nExample:\n  sudo skbuff host --tap tap0 --ip 10.9.0.2/24 &\n  sudo ip addr add 10.9.0.1/24 dev tap0 && ping 10.9.0.2",
    )
    .action(run(hostCommand));

  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (e) {
    if (e instanceof CommanderError) return e.exitCode === 0 || e.code === "commander.helpDisplayed" ? 0 : 2;
    throw e;
  }
  return exitCode;
}
