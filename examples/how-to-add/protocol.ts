// An IP protocol: number 253 (RFC 3692: for experiments) counts bytes. ip_local_deliver_finish() finds it in inet_protos.
import type { Kernel } from "../../src/kernel/kernel.ts";
import { consume_skb, type SkBuff } from "../../src/net/core/skbuff.ts";
import { inet_add_protocol, type NetProtocol } from "../../src/net/ipv4/protocol.ts";

declare module "../../src/kernel/kernel.ts" {
  interface Kernel {
    experiment_bytes: number;
  }
}

const experiment: NetProtocol = {
  name: "experiment",
  handler(skb: SkBuff): number {
    skb.kernel.experiment_bytes += skb.len;
    consume_skb(skb);
    return 0;
  },
};

export function experiment_init(k: Kernel): void {
  k.experiment_bytes = 0;
  inet_add_protocol(k, experiment, 253);
}
