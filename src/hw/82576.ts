// The Intel 82576 gigabit controller: its state, its register window, reset, and its place between bus and cable.
// Read first: 82576EB datasheet section 8; 82576_regs.ts. Way in: new I82576; .pf goes into a PciBus, .wire_* onto a cable.
import {
  IntrVector,
  intr_clear_eicr,
  intr_eval,
  intr_other_cause,
  intr_read_icr,
  intr_reset,
  intr_write_eitr,
} from "./82576_intr.ts";
import { nvm_eecd, nvm_eerd, nvm_make, nvm_read_eecd, SpiEeprom } from "./82576_nvm.ts";
import { RxParse } from "./82576_parse.ts";
import { phy_abilities, phy_mdic, phy_reset } from "./82576_phy.ts";
import * as R from "./82576_regs.ts";
import {
  RxFifo,
  RxQueue,
  rx_drain,
  rx_flush,
  rx_frame,
  rx_queue_enable,
  rx_update_addresses,
  rx_update_steering,
  rx_write_tail,
} from "./82576_rx.ts";
import { TxQueue, tx_kick, tx_queue_disable, tx_queue_enable } from "./82576_tx.ts";
import { type HwClock, HwTimer } from "./clock.ts";
import type { DmaSpace } from "./dma.ts";
import { type Frame, type FramePool, frame_put } from "./frame.ts";
import { PCI_CLASS_NETWORK_ETHERNET, PCI_VENDOR_ID_INTEL, type PciDevice, PciFunction } from "./pci.ts";
import {
  TX_EV_COLLISION,
  TX_EV_DEFER,
  TX_EV_EXCESSIVE,
  TX_EV_LATE,
  TX_EV_MULTIPLE,
  TX_EV_SINGLE,
  type WireEnd,
  type WirePort,
} from "./port.ts";
import { HW_RX_OFF, type NicTrace } from "./trace.ts";
import { wire_renegotiate } from "./wire.ts";

const BAR_SIZE = 0x10000;
const RXPBS_DEFAULT = 64;
const TXPBS_DEFAULT = 40;

export interface I82576Options {
  clock: HwClock;
  dma: DmaSpace;
  pool: FramePool;
  /** Six bytes, as the EEPROM holds them. */
  mac: Uint8Array;
  /** PCI address, as pci_bus_free_slot gives it. */
  slot: string;
}

const no_table: Int32Array = new Int32Array(0);

/** One controller with one port. Fields are the device's own; drivers see registers only. */
export class I82576 implements PciDevice, WirePort {
  readonly clock: HwClock;
  readonly dma: DmaSpace;
  readonly pool: FramePool;
  readonly pf: PciFunction;
  readonly perm_addr: Uint8Array;
  readonly nvm: Uint16Array;
  readonly spi = new SpiEeprom();
  readonly phy = new Uint16Array(32);
  end: WireEnd | null = null;
  /** STATUS.LU: the PHY has a link and the driver asked for it. */
  link_up = false;
  /** The PHY hands back what it is given, whether there is a cable or not (802.3 section 22.2.4.1.2). */
  loops = false;

  /** Registers that need no more than a place, and the 32-bit statistics. */
  readonly regs = new Int32Array(BAR_SIZE >> 2);
  ctrl = 0;
  rctl = 0;
  tctl = 0;
  mrqc = 0;
  rxcsum = 0;
  vet = 0x8100;
  vme = false;
  octets_good_rx = 0;
  octets_good_tx = 0;
  octets_total_rx = 0;
  octets_total_tx = 0;

  // Interrupts.
  eicr = 0;
  eims = 0;
  eiac = 0;
  eiam = 0;
  icr = 0;
  ims = 0;
  gpie = 0;
  ivar_misc = 0;
  /** Vectors that have spoken and whose cause was not cleared since. */
  asserted = 0;
  readonly vectors: IntrVector[] = [];

  // Receive.
  readonly rx: RxQueue[] = [];
  readonly fifo = new RxFifo();
  rx_fifo_size = RXPBS_DEFAULT * 1024;
  readonly parse = new RxParse();
  rss_hash = 0;
  readonly rss_key = new Uint8Array(40);
  /** toeplitz_table() of rss_key, made when the first packet is hashed with it. */
  rss_table: Int32Array = no_table;
  rss_stale = true;
  readonly reta = new Uint8Array(R.E1000_RETA_ENTRIES);
  readonly mta = new Int32Array(R.E1000_MTA_SIZE);
  readonly vfta = new Int32Array(R.E1000_VFTA_SIZE);
  readonly ra_lo = new Int32Array(R.E1000_RAR_ENTRIES);
  readonly ra_hi = new Int32Array(R.E1000_RAR_ENTRIES);
  ra_used = 0;
  /** Some filter chooses a queue by what a frame is (ETQF, SYNQF). */
  steers = false;
  xoff_again = 0;

  // Transmit.
  readonly tx: TxQueue[] = [];
  /** One more than the highest queue in use. */
  tx_queues = 0;
  tx_next = 0;
  tx_running = false;
  tx_fifo_size = TXPBS_DEFAULT * 1024;
  pause_until = 0;
  readonly tx_timer: HwTimer;

  /** Set while somebody walks. */
  trace: NicTrace | null = null;

  // What a driver cannot see but a test or a lab may: the bus refused an address; nonsense in the transmit ring.
  dma_errors = 0;
  tx_bad_desc = 0;
  tx_bad_packets = 0;

  constructor(o: I82576Options) {
    this.clock = o.clock;
    this.dma = o.dma;
    this.pool = o.pool;
    this.perm_addr = o.mac.slice(0, 6);
    this.nvm = nvm_make(this.perm_addr);
    this.pf = new PciFunction(
      o.slot,
      {
        vendor: PCI_VENDOR_ID_INTEL,
        device: R.E1000_DEV_ID_82576,
        subsystem_vendor: PCI_VENDOR_ID_INTEL,
        subsystem_device: 0xa03c,
        class_code: PCI_CLASS_NETWORK_ETHERNET,
        revision: 1,
        msix_count: R.E1000_MAX_VECTORS,
      },
      this,
    );
    for (let i = 0; i < R.E1000_MAX_QUEUES; i++) {
      this.rx.push(new RxQueue(i));
      this.tx.push(new TxQueue(i));
    }
    for (let i = 0; i < R.E1000_MAX_VECTORS; i++) this.vectors.push(new IntrVector(this, i));
    this.tx_timer = new HwTimer(() => {
      tx_kick(this);
      intr_eval(this);
    });
    this.reset();
  }

  // --- The cable ---------------------------------------------------------------------------------------------------

  wire_plug(end: WireEnd | null): void {
    this.end = end;
    i82576_link(this);
  }

  wire_link(_end: WireEnd): void {
    i82576_link(this);
  }

  wire_rx(f: Frame, more: boolean): void {
    if (this.link_up) rx_frame(this, f, more);
    else {
      if (this.trace !== null) this.trace(this, HW_RX_OFF, f, 0, 0);
      frame_put(f);
    }
  }

  wire_tx_wake(): void {
    tx_kick(this);
    intr_eval(this);
  }

  wire_tx_event(ev: number): void {
    const regs = this.regs;
    switch (ev) {
      case TX_EV_DEFER:
        regs[R.E1000_DC >> 2]++;
        break;
      case TX_EV_COLLISION:
        regs[R.E1000_COLC >> 2]++;
        break;
      case TX_EV_SINGLE:
        regs[R.E1000_SCC >> 2]++;
        break;
      case TX_EV_MULTIPLE:
        regs[R.E1000_MCC >> 2]++;
        break;
      case TX_EV_LATE:
      case TX_EV_EXCESSIVE:
        // Counted as good when it was handed to the transmitter, and was not.
        regs[R.E1000_GPTC >> 2]--;
        regs[(ev === TX_EV_LATE ? R.E1000_LATECOL : R.E1000_ECOL) >> 2]++;
        break;
    }
  }

  wire_abilities(): number {
    return phy_abilities(this);
  }

  // --- The bus -----------------------------------------------------------------------------------------------------

  /** Power-on: MAC and PHY. */
  reset(): void {
    i82576_reset(this);
    phy_reset(this);
  }

  unplugged(): void {
    i82576_reset(this);
    if (this.end !== null) wire_renegotiate(this.end);
  }

  read32(reg: number): number {
    return i82576_read(this, reg);
  }

  write32(reg: number, val: number): void {
    i82576_write(this, reg, val | 0);
  }
}

/** CTRL.RST: the MAC forgets everything but what the EEPROM tells it. The PHY keeps its link. */
function i82576_reset(nic: I82576): void {
  for (const q of nic.rx) {
    q.enabled = false;
    q.ring = null;
    q.head = q.tail = q.rdbal = q.rdbah = q.rdlen = q.rxdctl = q.srrctl = q.ivar = q.dropped = 0;
    q.buf_size = 2048;
    q.drop_en = false;
  }
  for (const q of nic.tx) {
    tx_queue_disable(q);
    q.ring = null;
    q.head = q.tail = q.tdbal = q.tdbah = q.tdlen = q.txdctl = q.ivar = 0;
    q.ctx.fill(0);
  }
  rx_flush(nic);
  intr_reset(nic);
  nic.clock.cancel(nic.tx_timer);
  nic.regs.fill(0);
  nic.ctrl = nic.rctl = nic.tctl = nic.mrqc = nic.rxcsum = 0;
  nic.vet = 0x8100;
  nic.vme = false;
  nic.octets_good_rx = nic.octets_good_tx = nic.octets_total_rx = nic.octets_total_tx = 0;
  nic.rx_fifo_size = RXPBS_DEFAULT * 1024;
  nic.tx_fifo_size = TXPBS_DEFAULT * 1024;
  nic.steers = false;
  nic.tx_queues = 0;
  nic.tx_next = 0;
  nic.pause_until = 0;
  nic.xoff_again = 0;
  nic.rss_key.fill(0);
  nic.rss_stale = true;
  nic.reta.fill(0);
  nic.mta.fill(0);
  nic.vfta.fill(0);
  nic.regs[R.E1000_RXPBS >> 2] = RXPBS_DEFAULT;
  nic.regs[R.E1000_TXPBS >> 2] = TXPBS_DEFAULT;
  nic.regs[R.E1000_VET >> 2] = 0x8100;
  nic.regs[R.E1000_RLPML >> 2] = 1518;
  // The EEPROM is read anew.
  for (let i = 0; i < 6; i++) nic.perm_addr[i] = nic.nvm[i >> 1] >> (8 * (i & 1));
  nic.regs[R.E1000_RAL(0) >> 2] = nic.nvm[0] | (nic.nvm[1] << 16);
  nic.regs[R.E1000_RAH(0) >> 2] = nic.nvm[2] | R.E1000_RAH_AV;
  rx_update_addresses(nic);
  nic.link_up = false;
}

/** STATUS.LU follows the PHY while CTRL.SLU asks for it; a change is an LSC interrupt. */
export function i82576_link(nic: I82576): void {
  const up = (nic.end?.up === true || nic.loops) && (nic.ctrl & R.E1000_CTRL_SLU) !== 0;
  const was = nic.link_up;
  nic.link_up = up;
  if (up) tx_kick(nic);
  if (up !== was || up) intr_other_cause(nic, R.E1000_ICR_LSC);
  intr_eval(nic);
}

function i82576_status(nic: I82576): number {
  let val = R.E1000_STATUS_PF_RST_DONE | R.E1000_STATUS_GIO_MASTER_ENABLE;
  const end = nic.end;
  if (nic.pause_until > 0) val |= R.E1000_STATUS_TXOFF;
  if (!nic.link_up) return val;
  val |= R.E1000_STATUS_LU;
  if (nic.loops) return val | R.E1000_STATUS_FD | R.E1000_STATUS_SPEED_1000;
  if (end === null) return val;
  if (end.full) val |= R.E1000_STATUS_FD;
  if (end.mbps >= 1000) val |= R.E1000_STATUS_SPEED_1000;
  else if (end.mbps >= 100) val |= R.E1000_STATUS_SPEED_100;
  return val;
}

// --- Registers ---------------------------------------------------------------------------------------------------------

/** The first four queues also answer at their 82575 addresses. */
const queue_alias = (reg: number): number =>
  reg >= 0x2800 && reg < 0x2c00
    ? 0xc000 + ((reg - 0x2800) >> 8) * 0x40 + (reg & 0x3f)
    : reg >= 0x3800 && reg < 0x3c00
      ? 0xe000 + ((reg - 0x3800) >> 8) * 0x40 + (reg & 0x3f)
      : reg;

/** The value of a 64-bit octet counter; reading the high half clears it. */
function i82576_octets(nic: I82576, reg: number): number {
  const high = (reg & 4) !== 0;
  let v = 0;
  switch (reg & ~4) {
    case R.E1000_GORCL:
      v = nic.octets_good_rx;
      if (high) nic.octets_good_rx = 0;
      break;
    case R.E1000_GOTCL:
      v = nic.octets_good_tx;
      if (high) nic.octets_good_tx = 0;
      break;
    case R.E1000_TORL:
      v = nic.octets_total_rx;
      if (high) nic.octets_total_rx = 0;
      break;
    default:
      v = nic.octets_total_tx;
      if (high) nic.octets_total_tx = 0;
  }
  return high ? Math.floor(v / 0x1_0000_0000) | 0 : v | 0;
}

function i82576_read(nic: I82576, reg: number): number {
  reg = queue_alias(reg);
  if (reg >= 0xc000) return i82576_read_queue(nic, reg);
  if (reg >= R.E1000_CRCERRS && reg < R.E1000_STATS_END) {
    switch (reg & ~4) {
      case R.E1000_GORCL:
      case R.E1000_GOTCL:
      case R.E1000_TORL:
      case R.E1000_TOTL:
        return i82576_octets(nic, reg);
    }
    const v = nic.regs[reg >> 2];
    nic.regs[reg >> 2] = 0;
    return v;
  }
  switch (reg) {
    case R.E1000_CTRL:
      return nic.ctrl;
    case R.E1000_STATUS:
      return i82576_status(nic);
    case R.E1000_EECD:
      return nvm_read_eecd(nic);
    case R.E1000_ICR:
      return intr_read_icr(nic);
    case R.E1000_IMS:
      return nic.ims;
    case R.E1000_EICR: {
      const v = nic.eicr;
      intr_clear_eicr(nic, -1);
      return v;
    }
    case R.E1000_EIMS:
      return nic.eims;
    case R.E1000_EIAC:
      return nic.eiac;
    case R.E1000_EIAM:
      return nic.eiam;
    case R.E1000_GPIE:
      return nic.gpie;
    case R.E1000_ICS:
    case R.E1000_IMC:
    case R.E1000_EICS:
    case R.E1000_EIMC:
      return 0;
  }
  return reg >= 0 && reg < BAR_SIZE ? nic.regs[reg >> 2] : 0;
}

function i82576_read_queue(nic: I82576, reg: number): number {
  const n = (reg >> 6) & 0x7f;
  const field = reg & 0x3c;
  if (reg < 0xe000) {
    if (n >= R.E1000_MAX_QUEUES) return 0;
    const q = nic.rx[n];
    switch (field) {
      case 0x00:
        return q.rdbal;
      case 0x04:
        return q.rdbah;
      case 0x08:
        return q.rdlen;
      case 0x0c:
        return q.srrctl;
      case 0x10:
        return q.head;
      case 0x18:
        return q.tail;
      case 0x28:
        return q.rxdctl;
      case 0x30: {
        const v = q.dropped;
        q.dropped = 0;
        return v;
      }
    }
    return 0;
  }
  if (n - 0x80 >= R.E1000_MAX_QUEUES || reg >= 0xe000 + 0x40 * R.E1000_MAX_QUEUES) return 0;
  const q = nic.tx[(reg - 0xe000) >> 6];
  switch (field) {
    case 0x00:
      return q.tdbal;
    case 0x04:
      return q.tdbah;
    case 0x08:
      return q.tdlen;
    case 0x10:
      return q.head;
    case 0x18:
      return q.tail;
    case 0x28:
      return q.txdctl;
  }
  return 0;
}

function i82576_write(nic: I82576, reg: number, val: number): void {
  // Tail writes are the only ones on the way of a packet, with EITR and EIMS next.
  reg = queue_alias(reg);
  if (reg >= 0xe000) {
    if (reg < 0xe000 + 0x40 * R.E1000_MAX_QUEUES) i82576_write_tx(nic, nic.tx[(reg - 0xe000) >> 6], reg & 0x3c, val);
    return;
  }
  if (reg >= 0xc000) {
    if (reg < 0xc000 + 0x40 * R.E1000_MAX_QUEUES) i82576_write_rx(nic, nic.rx[(reg - 0xc000) >> 6], reg & 0x3c, val);
    return;
  }
  switch (reg) {
    case R.E1000_EIMS:
      nic.eims |= val;
      intr_eval(nic);
      return;
    case R.E1000_EIMC:
      nic.eims &= ~val;
      return;
    case R.E1000_EICS:
      nic.eicr |= val;
      intr_eval(nic);
      return;
    case R.E1000_EICR:
      intr_clear_eicr(nic, val);
      return;
    case R.E1000_EIAC:
      nic.eiac = val;
      return;
    case R.E1000_EIAM:
      nic.eiam = val;
      return;
    case R.E1000_GPIE:
      nic.gpie = val;
      return;
    case R.E1000_ICR:
      nic.icr &= ~val;
      return;
    case R.E1000_ICS:
      intr_other_cause(nic, val);
      intr_eval(nic);
      return;
    case R.E1000_IMS:
      nic.ims |= val;
      intr_other_cause(nic, 0);
      intr_eval(nic);
      return;
    case R.E1000_IMC:
      nic.ims &= ~val;
      return;
    case R.E1000_IVAR_MISC:
      nic.ivar_misc = val;
      break;
    case R.E1000_CTRL:
      i82576_write_ctrl(nic, val);
      return;
    case R.E1000_RCTL:
      nic.rctl = val;
      if (!(val & R.E1000_RCTL_EN)) rx_flush(nic);
      else rx_drain(nic);
      break;
    case R.E1000_TCTL:
      nic.tctl = val;
      nic.regs[reg >> 2] = val;
      tx_kick(nic);
      intr_eval(nic);
      return;
    case R.E1000_MDIC:
      val = phy_mdic(nic, val);
      break;
    case R.E1000_EERD:
      val = nvm_eerd(nic, val);
      break;
    case R.E1000_VET:
      nic.vet = val & 0xffff;
      break;
    case R.E1000_MRQC:
      nic.mrqc = val;
      break;
    case R.E1000_RXCSUM:
      nic.rxcsum = val;
      break;
    case R.E1000_RXPBS:
      nic.rx_fifo_size = Math.min(val & 0x7f, RXPBS_DEFAULT) * 1024;
      break;
    case R.E1000_TXPBS:
      nic.tx_fifo_size = (val & 0x3f) * 1024;
      break;
    case R.E1000_EECD:
      nvm_eecd(nic, val);
      return;
    case R.E1000_STATUS:
      return;
  }
  if (reg >= 0 && reg < BAR_SIZE) i82576_write_table(nic, reg, val);
}

/** The tables: interrupt routing, throttles, address filters, RSS. And every register that is only a place. */
function i82576_write_table(nic: I82576, reg: number, val: number): void {
  if (reg >= R.E1000_CRCERRS && reg < R.E1000_STATS_END) return;
  nic.regs[reg >> 2] = val;
  if (reg >= R.E1000_EITR(0) && reg < R.E1000_EITR(R.E1000_MAX_VECTORS)) {
    intr_write_eitr(nic, (reg - R.E1000_EITR(0)) >> 2, val);
  } else if (reg >= R.E1000_IVAR(0) && reg < R.E1000_IVAR(R.E1000_MAX_QUEUES)) {
    const n = (reg - R.E1000_IVAR(0)) >> 2;
    nic.rx[n].ivar = val & 0xff;
    nic.tx[n].ivar = (val >> 8) & 0xff;
  } else if (reg >= R.E1000_MTA(0) && reg < R.E1000_MTA(R.E1000_MTA_SIZE)) {
    nic.mta[(reg - R.E1000_MTA(0)) >> 2] = val;
  } else if ((reg >= R.E1000_RAL(0) && reg <= R.E1000_RAH(15)) || (reg >= R.E1000_RAL(16) && reg <= R.E1000_RAH(23))) {
    rx_update_addresses(nic);
  } else if (reg >= R.E1000_VFTA(0) && reg < R.E1000_VFTA(R.E1000_VFTA_SIZE)) {
    nic.vfta[(reg - R.E1000_VFTA(0)) >> 2] = val;
  } else if (reg >= R.E1000_RETA(0) && reg < R.E1000_RETA(32)) {
    const at = reg - R.E1000_RETA(0);
    for (let i = 0; i < 4; i++) nic.reta[at + i] = (val >>> (8 * i)) & (R.E1000_MAX_QUEUES - 1);
  } else if (reg >= R.E1000_RSSRK(0) && reg < R.E1000_RSSRK(10)) {
    const at = reg - R.E1000_RSSRK(0);
    for (let i = 0; i < 4; i++) nic.rss_key[at + i] = val >>> (8 * i);
    nic.rss_stale = true;
  } else if (reg === R.E1000_SYNQF || (reg >= R.E1000_ETQF(0) && reg < R.E1000_ETQF(R.E1000_ETQF_SIZE))) {
    rx_update_steering(nic);
  }
}

function i82576_write_ctrl(nic: I82576, val: number): void {
  if (val & (R.E1000_CTRL_RST | R.E1000_CTRL_DEV_RST)) {
    i82576_reset(nic);
    return;
  }
  nic.ctrl = val & ~R.E1000_CTRL_PHY_RST;
  nic.vme = (val & R.E1000_CTRL_VME) !== 0;
  if (!(val & R.E1000_CTRL_RFCE)) nic.pause_until = 0;
  if (val & R.E1000_CTRL_PHY_RST) phy_reset(nic);
  const up = (nic.end?.up === true || nic.loops) && (val & R.E1000_CTRL_SLU) !== 0;
  if (up !== nic.link_up) i82576_link(nic);
}

function i82576_write_rx(nic: I82576, q: RxQueue, field: number, val: number): void {
  switch (field) {
    case 0x18:
      rx_write_tail(nic, q, val);
      break;
    case 0x00:
      q.rdbal = val & ~0x7f;
      break;
    case 0x04:
      q.rdbah = val >>> 0;
      break;
    case 0x08:
      q.rdlen = val & 0xfff80;
      break;
    case 0x0c:
      q.srrctl = val;
      // Zero is the default of 2 KB.
      q.buf_size = (val & R.E1000_SRRCTL_BSIZEPKT_MASK) * 1024 || 2048;
      q.drop_en = (val & R.E1000_SRRCTL_DROP_EN) !== 0;
      break;
    case 0x28:
      q.rxdctl = val & ~R.E1000_RXDCTL_SWFLUSH;
      if (!(val & R.E1000_RXDCTL_QUEUE_ENABLE)) q.enabled = false;
      else if (!q.enabled) rx_queue_enable(nic, q);
      if (!q.enabled) q.rxdctl &= ~R.E1000_RXDCTL_QUEUE_ENABLE;
      break;
    case 0x30:
      q.dropped = 0;
      break;
  }
}

function i82576_write_tx(nic: I82576, q: TxQueue, field: number, val: number): void {
  switch (field) {
    case 0x18:
      if (!q.enabled || val < 0 || val >= q.count) return;
      q.tail = val;
      tx_kick(nic);
      intr_eval(nic);
      break;
    case 0x00:
      q.tdbal = val & ~0x7f;
      break;
    case 0x04:
      q.tdbah = val >>> 0;
      break;
    case 0x08:
      q.tdlen = val & 0xfff80;
      break;
    case 0x28:
      q.txdctl = val & ~R.E1000_TXDCTL_SWFLSH;
      if (!(val & R.E1000_TXDCTL_QUEUE_ENABLE)) tx_queue_disable(q);
      else if (!q.enabled) tx_queue_enable(nic, q);
      if (!q.enabled) q.txdctl &= ~R.E1000_TXDCTL_QUEUE_ENABLE;
      break;
  }
}
