// /proc/net/packet. Mirrors the proc part of net/packet/af_packet.c. Way in: packet_proc_init() at boot.

import type { Kernel } from "../../kernel/kernel.ts";
import { proc_create_net } from "../core/net-procfs.ts";
import { packet_seq_show } from "./af_packet.ts";

export function packet_proc_init(k: Kernel): void {
  proc_create_net(k, "packet", packet_seq_show);
}
