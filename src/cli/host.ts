// `skbuff host`: a machine of ours on a TAP device of this computer, in real time.

import { readFileSync } from "node:fs";
import { connect, createMachine } from "../api/index.ts";
import { NodePlatform, openTap, TapError, type TapPort } from "../arch/node/index.ts";
import { inetd } from "../bin/inetd.ts";
import { frame_alloc } from "../hw/frame.ts";
import { wire_send } from "../hw/wire.ts";
import { type CaptureError, is_capture_error } from "../lib/pcap/pcap.ts";
import { next_packet, open_capture } from "../lib/pcap/pcapng.ts";
import { CaptureFile } from "./capture.ts";
import { cannotWrite } from "./files.ts";

export interface HostOptions {
  tap: string;
  ip: string;
  gw?: string;
  mac: string;
  exec?: string;
  pcap?: string;
  replayPcap?: string;
  nic?: "igb" | "virtio";
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const MAC = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;

export async function hostCommand(o: HostOptions): Promise<number> {
  const [address, bits, ...rest] = o.ip.split("/");
  if (!IPV4.test(address!) || !/^\d{1,2}$/.test(bits ?? "") || Number(bits) > 32 || rest.length > 0)
    return complain(`--ip ${o.ip}: an address with its prefix length is wanted, such as 10.9.0.2/24`);
  if (!MAC.test(o.mac) || (Number.parseInt(o.mac.slice(0, 2), 16) & 1) !== 0)
    return complain(`--mac ${o.mac}: not a unicast MAC address`);
  if (o.gw !== undefined && !IPV4.test(o.gw)) return complain(`--gw ${o.gw}: not an IPv4 address`);
  const refused = o.pcap !== undefined ? cannotWrite(o.pcap) : null;
  if (refused !== null) return complain(refused);
  let replay: Exclude<ReturnType<typeof open_capture>, CaptureError> | null = null;
  if (o.replayPcap !== undefined) {
    try {
      const r = open_capture(readFileSync(o.replayPcap));
      if (is_capture_error(r)) return complain(`--replay-pcap ${o.replayPcap}: ${r.error}`);
      replay = r;
    } catch (e) {
      return complain(`--replay-pcap: ${(e as Error).message}`);
    }
  }
  const platform = new NodePlatform();
  let tap: TapPort;
  try {
    tap = openTap(platform, { name: o.tap, vnet: o.nic !== "igb" });
  } catch (e) {
    if (e instanceof TapError) return complain(e.message);
    throw e;
  }
  const model = tap.vnet_features !== 0 ? "virtio" : "igb";
  if (o.nic === "virtio" && model !== "virtio") {
    tap.close();
    platform.stop();
    return complain("--nic virtio: this kernel's TAP has no virtio_net_hdr; leave the option out");
  }
  const machine = createMachine({ host: platform, hostname: o.tap });
  machine.kernel.on_bug = (error, where) =>
    process.stderr.write(`skbuff: BUG in ${where}: ${(error as Error).stack ?? error}\n`);
  const mac = Uint8Array.from(o.mac.split(":").map((b) => Number.parseInt(b, 16)));
  const card = model === "virtio" ? machine.addVirtioNic(mac, tap) : null;
  const cable = card === null ? connect(platform, machine.addNic(mac), tap, { rate: 0 }) : null;
  if (cable !== null) machine.interruptAtOnce("eth0");
  const capture = o.pcap !== undefined ? new CaptureFile(o.pcap, [o.tap]) : null;
  if (capture) {
    const now = (): number => Math.round((performance.timeOrigin + performance.now()) * 1000) * 1000;
    tap.capture = (frame, direction) => capture.packet(0, now(), frame, direction === "in" ? 1 : 2);
    // Whoever reads the file while it grows sees what there is.
    setInterval(() => capture.flush(), 500).unref();
  }

  const setup = await machine.run(
    `ip link set lo up && ip address add ${o.ip} dev eth0 && ip link set eth0 up${o.gw !== undefined ? ` && ip route add default via ${o.gw}` : ""}`,
  );
  if (setup.exitCode !== 0) {
    tap.close();
    platform.stop();
    return complain(`cannot configure eth0: ${setup.stderr.trim()}`);
  }
  // A packet sent before both ends see the link would be lost.
  await tap.ready();
  await machine.ready();
  // The services listen before anybody is told.
  machine.spawn(inetd, ["inetd", "echo", "discard", "daytime", "chargen"], {
    stderr: (b) => process.stderr.write(b.slice()),
  });
  await new Promise((resolve) => setTimeout(resolve, 1));
  process.stderr.write(
    `${o.ip} is up on ${o.tap} (TCP and UDP: echo on port 7, discard 9, daytime 13, chargen 19); end with Ctrl-C\n`,
  );

  if (replay !== null) {
    let sent = 0;
    for (let p = next_packet(replay); p !== undefined; p = next_packet(replay)) {
      if (is_capture_error(p)) return complain(`${o.replayPcap}: ${p.error} at byte ${p.offset}`);
      if (card !== null) {
        card.rx_frame(p.data);
        if (++sent % 32 === 0) await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const f = frame_alloc(platform.frames, Math.max(60, p.data.length));
      if (f === null) continue;
      f.u8.fill(0, f.off, f.off + f.len);
      f.u8.set(p.data, f.off);
      wire_send(cable!.ends[1], f);
      if (++sent % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    process.stderr.write(`${sent} frames of ${o.replayPcap} went in\n`);
  }

  const code = await new Promise<number>((resolve) => {
    if (o.exec !== undefined) {
      const p = machine.exec(o.exec, {
        stdout: (b) => process.stdout.write(b.slice()),
        stderr: (b) => process.stderr.write(b.slice()),
      });
      process.on("SIGINT", () => p.kill(2));
      p.exited.then(resolve);
    } else {
      process.on("SIGINT", () => resolve(0));
      process.on("SIGTERM", () => resolve(0));
      setInterval(() => {}, 60_000).ref();
    }
  });
  machine.poweroff();
  tap.close();
  capture?.close();
  platform.stop();
  // The poll of the TAP may still sleep for half a second in its thread: nothing is left to wait for.
  process.exit(code);
}

function complain(text: string): number {
  process.stderr.write(`skbuff host: ${text}\n`);
  return 1;
}
