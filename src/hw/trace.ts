// What a walk hears of the hardware: where a frame left and reached memory, and where it was lost. Null while nobody walks.
// Way in: set `trace` of an I82576 or a WireEnd; frame_tag of hw/frame.ts tells copies of a frame apart from others.
import type { I82576 } from "./82576.ts";
import { E1000_RCTL_BAM, E1000_RCTL_LPE, E1000_RCTL_MPE, E1000_RCTL_VFE, E1000_RLPML } from "./82576_regs.ts";
import { ETH_FCS_LEN, ETH_ZLEN, type Frame, frame_fcs_ok } from "./frame.ts";
import type { WireEnd } from "./port.ts";

/** A frame left memory by queue `queue`; `desc` is the last descriptor of its packet. */
export const HW_TX = 0;
/** A frame is in memory; `desc` is its last descriptor of receive queue `queue`. */
export const HW_RX = 1;
/** It waits in the packet buffer for descriptors. */
export const HW_RX_WAIT = 2;
// The frame ends in the card: `rx_drop_reason()` says why a filter refused it.
export const HW_RX_FILTER = 3;
export const HW_RX_MISSED = 4;
export const HW_RX_NO_DESC = 5;
export const HW_RX_OFF = 6;
export const HW_RX_RESET = 7;
// On the cable.
export const HW_WIRE_LOST = 8;
export const HW_WIRE_CORRUPTED = 9;
export const HW_WIRE_DUPLICATED = 10;
export const HW_WIRE_REORDERED = 11;
export const HW_WIRE_QUEUE_FULL = 12;
export const HW_WIRE_NO_LINK = 13;
export const HW_WIRE_COLLISION = 14;
export const HW_WIRE_LATE_COLLISION = 15;
export const HW_WIRE_EXCESSIVE_COLLISIONS = 16;

export type NicTrace = (nic: I82576, what: number, f: Frame, queue: number, desc: number) => void;
export type WireTrace = (end: WireEnd, what: number, f: Frame) => void;

/** Why the card's filters refuse this frame, by the counter of `ethtool -S` where there is one; asked after the fact. */
export function rx_drop_reason(nic: I82576, f: Frame): { why: string; counter: string } {
  const type = f.len >= 14 ? f.dv.getUint16(f.off + 12) : 0;
  const max = nic.rctl & E1000_RCTL_LPE ? nic.regs[E1000_RLPML >> 2] & 0x3fff : type === nic.vet ? 1522 : 1518;
  if (f.fcs_set && !frame_fcs_ok(f)) return { why: "bad FCS", counter: "rx_crc_errors" };
  if (f.len < ETH_ZLEN) return { why: "too short", counter: "rx_length_errors" };
  if (f.len + ETH_FCS_LEN > max) return { why: `longer than ${max} bytes`, counter: "rx_long_length_errors" };
  if (type === 0x8808) return { why: "flow control", counter: "rx_flow_control_xoff" };
  if (nic.rctl & E1000_RCTL_VFE && type === nic.vet && (nic.rctl & E1000_RCTL_MPE) === 0) {
    const vid = f.dv.getUint16(f.off + 14) & 0xfff;
    if (!(nic.vfta[vid >> 5] & (1 << (vid & 31)))) return { why: `VLAN ${vid} is not in the filter`, counter: "" };
  }
  if (f.dv.getInt32(f.off, true) === -1 && f.dv.getUint16(f.off + 4) === 0xffff && !(nic.rctl & E1000_RCTL_BAM)) {
    return { why: "broadcasts are refused", counter: "" };
  }
  return { why: f.u8[f.off] & 1 ? "multicast group not joined" : "for another MAC address", counter: "" };
}
