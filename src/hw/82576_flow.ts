// IEEE 802.3x flow control in the 82576's MAC: PAUSE frames received stop the transmitter, a filling buffer sends them.
// Read first: 82576 datasheet section 3.5.5. Way in: flow_receive, flow_rx_level.
import type { I82576 } from "./82576.ts";
import {
  E1000_CTRL_RFCE,
  E1000_CTRL_TFCE,
  E1000_FCRTH,
  E1000_FCRTL,
  E1000_FCRTL_XONE,
  E1000_FCRUC,
  E1000_FCTTV,
  E1000_RCTL_DPF,
  E1000_RCTL_PMCF,
  E1000_XOFFRXC,
  E1000_XOFFTXC,
  E1000_XONRXC,
  E1000_XONTXC,
} from "./82576_regs.ts";
import { tx_kick } from "./82576_tx.ts";
import { ETH_ZLEN, type Frame, frame_alloc } from "./frame.ts";
import { wire_send } from "./wire.ts";

/** A pause quantum is 512 bit times. */
const QUANTUM_BITS = 512;
/** 01:80:C2:00:00:01, which no bridge forwards. */
const PAUSE_LO = 0x00c28001;
const PAUSE_HI = 0x0100;

const quantum_ns = (nic: I82576): number => (QUANTUM_BITS * 1000) / (nic.end?.mbps || 1000);

/** A frame of type 0x8808. True: it was flow control and goes no further. */
export function flow_receive(nic: I82576, f: Frame): boolean {
  const dv = f.dv;
  const off = f.off;
  if (dv.getInt32(off, true) !== PAUSE_LO || dv.getUint16(off + 4, true) !== PAUSE_HI) return false;
  if (dv.getUint16(off + 14) !== 1) {
    nic.regs[E1000_FCRUC >> 2]++;
    return !(nic.rctl & E1000_RCTL_PMCF);
  }
  const quanta = dv.getUint16(off + 16);
  nic.regs[(quanta === 0 ? E1000_XONRXC : E1000_XOFFRXC) >> 2]++;
  if (nic.ctrl & E1000_CTRL_RFCE) {
    nic.pause_until = quanta === 0 ? 0 : nic.clock.now + Math.ceil(quanta * quantum_ns(nic));
    nic.clock.cancel(nic.tx_timer);
    tx_kick(nic);
  }
  return !(nic.rctl & E1000_RCTL_PMCF) || (nic.rctl & E1000_RCTL_DPF) !== 0;
}

/** The level of the packet buffer changed: above the high mark XOFF, again while it stays there; below the low one XON. */
export function flow_rx_level(nic: I82576): void {
  if (!(nic.ctrl & E1000_CTRL_TFCE)) return;
  const high = nic.regs[E1000_FCRTH >> 2] & 0xfff0;
  const low = nic.regs[E1000_FCRTL >> 2];
  if (high > 0 && nic.fifo.bytes >= high) {
    const now = nic.clock.now;
    if (now < nic.xoff_again) return;
    const quanta = nic.regs[E1000_FCTTV >> 2] & 0xffff;
    // The peer would resume when the time is over; refresh it at half-time.
    nic.xoff_again = now + Math.ceil((quanta * quantum_ns(nic)) / 2);
    flow_send(nic, quanta);
    nic.regs[E1000_XOFFTXC >> 2]++;
  } else if (nic.xoff_again > 0 && nic.fifo.bytes <= (low & 0xfff0)) {
    nic.xoff_again = 0;
    if (!(low & E1000_FCRTL_XONE)) return;
    flow_send(nic, 0);
    nic.regs[E1000_XONTXC >> 2]++;
  }
}

function flow_send(nic: I82576, quanta: number): void {
  const f = nic.end?.up ? frame_alloc(nic.pool, ETH_ZLEN) : null;
  if (f === null) return;
  f.u8.fill(0, f.off, f.off + ETH_ZLEN);
  f.dv.setInt32(f.off, PAUSE_LO, true);
  f.dv.setUint16(f.off + 4, PAUSE_HI, true);
  f.u8.set(nic.perm_addr, f.off + 6);
  f.dv.setUint16(f.off + 12, 0x8808);
  f.dv.setUint16(f.off + 14, 1);
  f.dv.setUint16(f.off + 16, quanta);
  wire_send(nic.end!, f);
}
