// Register addresses, bits and descriptor layouts of the Intel 82576. The driver programs against these names.
// Read first: 82576EB Gigabit Ethernet Controller Datasheet, sections 7 (descriptors) and 8 (registers).

export const E1000_DEV_ID_82576 = 0x10c9;

// --- General -------------------------------------------------------------------------------------------------------
export const E1000_CTRL = 0x00000;
export const E1000_CTRL_FD = 0x00000001;
export const E1000_CTRL_SLU = 0x00000040;
export const E1000_CTRL_SPD_100 = 0x00000100;
export const E1000_CTRL_SPD_1000 = 0x00000200;
export const E1000_CTRL_FRCSPD = 0x00000800;
export const E1000_CTRL_FRCDPX = 0x00001000;
export const E1000_CTRL_RST = 0x04000000;
export const E1000_CTRL_RFCE = 0x08000000;
export const E1000_CTRL_TFCE = 0x10000000;
export const E1000_CTRL_DEV_RST = 0x20000000;
export const E1000_CTRL_VME = 0x40000000;
export const E1000_CTRL_PHY_RST = 0x80000000 | 0;
export const E1000_STATUS = 0x00008;
export const E1000_STATUS_FD = 0x00000001;
export const E1000_STATUS_LU = 0x00000002;
export const E1000_STATUS_TXOFF = 0x00000010;
export const E1000_STATUS_SPEED_100 = 0x00000040;
export const E1000_STATUS_SPEED_1000 = 0x00000080;
export const E1000_STATUS_PF_RST_DONE = 0x00200000;
export const E1000_STATUS_GIO_MASTER_ENABLE = 0x00080000;
export const E1000_EECD = 0x00010;
export const E1000_EECD_SK = 0x00000001;
/** The chip select pin: low is selected. */
export const E1000_EECD_CS = 0x00000002;
export const E1000_EECD_DI = 0x00000004;
export const E1000_EECD_DO = 0x00000008;
export const E1000_EECD_REQ = 0x00000040;
export const E1000_EECD_GNT = 0x00000080;
export const E1000_EECD_PRES = 0x00000100;
export const E1000_EECD_AUTO_RD = 0x00000200;
export const E1000_EERD = 0x00014;
export const E1000_EERD_START = 0x00000001;
export const E1000_EERD_DONE = 0x00000002;
export const E1000_EERD_ADDR_SHIFT = 2;
export const E1000_EERD_DATA_SHIFT = 16;
/** What the EEPROM behind EECD understands. */
export const NVM_WRITE_OPCODE_SPI = 0x02;
export const NVM_READ_OPCODE_SPI = 0x03;
export const NVM_RDSR_OPCODE_SPI = 0x05;
export const NVM_WREN_OPCODE_SPI = 0x06;
/** The status register: writes are let in. */
export const NVM_STATUS_WEL_SPI = 0x02;
export const E1000_CTRL_EXT = 0x00018;
export const E1000_CTRL_EXT_DRV_LOAD = 0x10000000;
export const E1000_MDIC = 0x00020;
export const E1000_MDIC_REG_SHIFT = 16;
export const E1000_MDIC_PHY_SHIFT = 21;
export const E1000_MDIC_OP_WRITE = 0x04000000;
export const E1000_MDIC_OP_READ = 0x08000000;
export const E1000_MDIC_READY = 0x10000000;
export const E1000_MDIC_ERROR = 0x40000000;
export const E1000_VET = 0x00038;
export const E1000_FCTTV = 0x00170;
/** Four LEDs, a byte each: what drives it, and whether it blinks. */
export const E1000_LEDCTL = 0x00e00;
export const E1000_LEDCTL_MODE_LED_ON = 0x0e;
export const E1000_LEDCTL_MODE_LED_OFF = 0x0f;
export const E1000_LEDCTL_LED_BLINK = 0x80;
export const E1000_FCRTL = 0x02160;
export const E1000_FCRTL_XONE = 0x80000000 | 0;
export const E1000_FCRTH = 0x02168;
/** Packet buffer sizes in KB: receive (default 64) and transmit (default 40). */
export const E1000_RXPBS = 0x02404;
export const E1000_TXPBS = 0x03404;

// --- Interrupts ----------------------------------------------------------------------------------------------------
export const E1000_ICR = 0x01500;
export const E1000_ICS = 0x01504;
export const E1000_IMS = 0x01508;
export const E1000_IMC = 0x0150c;
export const E1000_IAM = 0x01510;
export const E1000_ICR_TXDW = 0x00000001;
export const E1000_ICR_LSC = 0x00000004;
export const E1000_ICR_RXDMT0 = 0x00000010;
export const E1000_ICR_RXO = 0x00000040;
export const E1000_ICR_RXDW = 0x00000080;
export const E1000_ICR_DOUTSYNC = 0x10000000;
export const E1000_ICR_DRSTA = 0x40000000;
export const E1000_ICR_INT_ASSERTED = 0x80000000 | 0;
export const E1000_GPIE = 0x01514;
export const E1000_GPIE_NSICR = 0x00000001;
export const E1000_GPIE_MSIX_MODE = 0x00000010;
export const E1000_GPIE_EIAME = 0x40000000;
export const E1000_GPIE_PBA = 0x80000000 | 0;
export const E1000_EICS = 0x01520;
export const E1000_EIMS = 0x01524;
export const E1000_EIMC = 0x01528;
export const E1000_EIAC = 0x0152c;
export const E1000_EIAM = 0x01530;
export const E1000_EICR = 0x01580;
export const E1000_EITR = (n: number): number => 0x01680 + 4 * n;
/** The interval, in microseconds, shifted left by 2. */
export const E1000_EITR_INTERVAL_MASK = 0x7ffc;
/** Written with it, the countdown under way goes on. */
export const E1000_EITR_CNT_IGNR = 0x80000000 | 0;
/** IVAR(n): receive queue n in byte 0, transmit queue n in byte 1, queues n + 8 in bytes 2 and 3. */
export const E1000_IVAR = (n: number): number => 0x01700 + 4 * n;
export const E1000_IVAR_MISC = 0x01740;
export const E1000_IVAR_VALID = 0x80;

// --- Receive -------------------------------------------------------------------------------------------------------
export const E1000_RCTL = 0x00100;
export const E1000_RCTL_EN = 0x00000002;
export const E1000_RCTL_SBP = 0x00000004;
export const E1000_RCTL_UPE = 0x00000008;
export const E1000_RCTL_MPE = 0x00000010;
export const E1000_RCTL_LPE = 0x00000020;
export const E1000_RCTL_LBM_MAC = 0x00000040;
export const E1000_RCTL_MO_SHIFT = 12;
export const E1000_RCTL_BAM = 0x00008000;
export const E1000_RCTL_VFE = 0x00040000;
export const E1000_RCTL_DPF = 0x00400000;
export const E1000_RCTL_PMCF = 0x00800000;
export const E1000_RCTL_SECRC = 0x04000000;
export const E1000_RXCSUM = 0x05000;
export const E1000_RXCSUM_IPOFL = 0x00000100;
export const E1000_RXCSUM_TUOFL = 0x00000200;
export const E1000_RXCSUM_CRCOFL = 0x00000800;
export const E1000_RXCSUM_PCSD = 0x00002000;
export const E1000_RLPML = 0x05004;
export const E1000_RFCTL = 0x05008;
export const E1000_MTA = (n: number): number => 0x05200 + 4 * n;
export const E1000_MTA_SIZE = 128;
export const E1000_RAL = (n: number): number => (n < 16 ? 0x05400 + 8 * n : 0x054e0 + 8 * (n - 16));
export const E1000_RAH = (n: number): number => E1000_RAL(n) + 4;
export const E1000_RAH_AV = 0x80000000 | 0;
export const E1000_RAR_ENTRIES = 24;
export const E1000_VFTA = (n: number): number => 0x05600 + 4 * n;
export const E1000_VFTA_SIZE = 128;
/** TCP SYNs go to a queue of their own: bit 0 switches it on, the queue is above. */
export const E1000_SYNQF = 0x055fc;
export const E1000_SYNQF_QUEUE_ENABLE = 0x00000001;
export const E1000_SYNQF_QUEUE_SHIFT = 1;
/** Frames of an Ethertype go to a queue. */
export const E1000_ETQF = (n: number): number => 0x05cb0 + 4 * n;
export const E1000_ETQF_SIZE = 8;
export const E1000_ETQF_ETYPE_MASK = 0x0000ffff;
export const E1000_ETQF_QUEUE_SHIFT = 16;
export const E1000_ETQF_FILTER_ENABLE = 0x04000000;
export const E1000_ETQF_QUEUE_ENABLE = 0x80000000 | 0;
export const E1000_WUC = 0x05800;
export const E1000_WUFC = 0x05808;
export const E1000_MRQC = 0x05818;
export const E1000_MRQC_ENABLE_RSS_MQ = 0x00000002;
export const E1000_MRQC_RSS_FIELD_IPV4_TCP = 0x00010000;
export const E1000_MRQC_RSS_FIELD_IPV4 = 0x00020000;
export const E1000_MRQC_RSS_FIELD_IPV6_TCP_EX = 0x00040000;
export const E1000_MRQC_RSS_FIELD_IPV6 = 0x00100000;
export const E1000_MRQC_RSS_FIELD_IPV6_TCP = 0x00200000;
export const E1000_MRQC_RSS_FIELD_IPV4_UDP = 0x00400000;
export const E1000_MRQC_RSS_FIELD_IPV6_UDP = 0x00800000;
export const E1000_VT_CTL = 0x0581c;
export const E1000_RETA = (n: number): number => 0x05c00 + 4 * n;
export const E1000_RETA_ENTRIES = 128;
export const E1000_RSSRK = (n: number): number => 0x05c80 + 4 * n;
export const E1000_SWSM = 0x05b50;
export const E1000_FWSM = 0x05b54;

export const E1000_MAX_QUEUES = 8;
export const E1000_MAX_VECTORS = 10;

export const E1000_RDBAL = (n: number): number => 0x0c000 + 0x40 * n;
export const E1000_RDBAH = (n: number): number => 0x0c004 + 0x40 * n;
export const E1000_RDLEN = (n: number): number => 0x0c008 + 0x40 * n;
export const E1000_SRRCTL = (n: number): number => 0x0c00c + 0x40 * n;
export const E1000_RDH = (n: number): number => 0x0c010 + 0x40 * n;
export const E1000_RDT = (n: number): number => 0x0c018 + 0x40 * n;
export const E1000_RXDCTL = (n: number): number => 0x0c028 + 0x40 * n;
/** Frames that this queue dropped for want of a descriptor (SRRCTL.DROP_EN). Cleared by reading. */
export const E1000_RQDPC = (n: number): number => 0x0c030 + 0x40 * n;
/** In KB, the low seven bits. */
export const E1000_SRRCTL_BSIZEPKT_MASK = 0x7f;
export const E1000_SRRCTL_DESCTYPE_ADV_ONEBUF = 0x02000000;
export const E1000_SRRCTL_DROP_EN = 0x80000000 | 0;
export const E1000_RXDCTL_QUEUE_ENABLE = 0x02000000;
export const E1000_RXDCTL_SWFLUSH = 0x04000000;

// --- Transmit ------------------------------------------------------------------------------------------------------
export const E1000_TCTL = 0x00400;
export const E1000_TCTL_EN = 0x00000002;
export const E1000_TCTL_PSP = 0x00000008;
export const E1000_TCTL_CT_SHIFT = 4;
export const E1000_TCTL_RTLC = 0x01000000;
export const E1000_TIPG = 0x00410;
export const E1000_DTXCTL = 0x03590;
export const E1000_TDBAL = (n: number): number => 0x0e000 + 0x40 * n;
export const E1000_TDBAH = (n: number): number => 0x0e004 + 0x40 * n;
export const E1000_TDLEN = (n: number): number => 0x0e008 + 0x40 * n;
export const E1000_TDH = (n: number): number => 0x0e010 + 0x40 * n;
export const E1000_TDT = (n: number): number => 0x0e018 + 0x40 * n;
export const E1000_TXDCTL = (n: number): number => 0x0e028 + 0x40 * n;
export const E1000_TXDCTL_QUEUE_ENABLE = 0x02000000;
export const E1000_TXDCTL_SWFLSH = 0x04000000;

// --- Statistics: cleared by reading; 64-bit ones by reading the high half ---------------------------------------------
export const E1000_CRCERRS = 0x04000;
export const E1000_ALGNERRC = 0x04004;
export const E1000_SYMERRS = 0x04008;
export const E1000_RXERRC = 0x0400c;
export const E1000_MPC = 0x04010;
export const E1000_SCC = 0x04014;
export const E1000_ECOL = 0x04018;
export const E1000_MCC = 0x0401c;
export const E1000_LATECOL = 0x04020;
export const E1000_COLC = 0x04028;
export const E1000_DC = 0x04030;
export const E1000_TNCRS = 0x04034;
export const E1000_SEC = 0x04038;
export const E1000_CEXTERR = 0x0403c;
export const E1000_RLEC = 0x04040;
export const E1000_XONRXC = 0x04048;
export const E1000_XONTXC = 0x0404c;
export const E1000_XOFFRXC = 0x04050;
export const E1000_XOFFTXC = 0x04054;
export const E1000_FCRUC = 0x04058;
export const E1000_PRC64 = 0x0405c;
export const E1000_PRC127 = 0x04060;
export const E1000_PRC255 = 0x04064;
export const E1000_PRC511 = 0x04068;
export const E1000_PRC1023 = 0x0406c;
export const E1000_PRC1522 = 0x04070;
export const E1000_GPRC = 0x04074;
export const E1000_BPRC = 0x04078;
export const E1000_MPRC = 0x0407c;
export const E1000_GPTC = 0x04080;
export const E1000_GORCL = 0x04088;
export const E1000_GORCH = 0x0408c;
export const E1000_GOTCL = 0x04090;
export const E1000_GOTCH = 0x04094;
export const E1000_RNBC = 0x040a0;
export const E1000_RUC = 0x040a4;
export const E1000_RFC = 0x040a8;
export const E1000_ROC = 0x040ac;
export const E1000_RJC = 0x040b0;
export const E1000_TORL = 0x040c0;
export const E1000_TORH = 0x040c4;
export const E1000_TOTL = 0x040c8;
export const E1000_TOTH = 0x040cc;
export const E1000_TPR = 0x040d0;
export const E1000_TPT = 0x040d4;
export const E1000_PTC64 = 0x040d8;
export const E1000_PTC127 = 0x040dc;
export const E1000_PTC255 = 0x040e0;
export const E1000_PTC511 = 0x040e4;
export const E1000_PTC1023 = 0x040e8;
export const E1000_PTC1522 = 0x040ec;
export const E1000_MPTC = 0x040f0;
export const E1000_BPTC = 0x040f4;
export const E1000_TSCTC = 0x040f8;
export const E1000_TSCTFC = 0x040fc;
export const E1000_IAC = 0x04100;
export const E1000_STATS_END = 0x04130;

// --- Receive descriptor, advanced, 16 bytes ----------------------------------------------------------------------------
// Read format: buffer address (64 bits), header buffer address (64 bits; its lowest bit must be written 0: it is DD).
// Write-back:  [0] RSS type 3:0, packet type 16:4; [4] RSS hash; [8] status 19:0 and errors 31:20;
//              [12] length 15:0, VLAN tag 31:16.
export const E1000_DESC_SIZE = 16;
export const E1000_RXD_STAT_DD = 0x00000001;
export const E1000_RXD_STAT_EOP = 0x00000002;
/** Checksums were not looked at. */
export const E1000_RXD_STAT_IXSM = 0x00000004;
export const E1000_RXD_STAT_VP = 0x00000008;
export const E1000_RXD_STAT_UDPCS = 0x00000010;
export const E1000_RXD_STAT_L4CS = 0x00000020;
export const E1000_RXD_STAT_IPCS = 0x00000040;
/** Accepted by an inexact filter: the multicast hash or a promiscuous mode. */
export const E1000_RXD_STAT_PIF = 0x00000080;
export const E1000_RXDEXT_STATERR_CE = 0x01000000;
export const E1000_RXDEXT_STATERR_L4E = 0x20000000;
export const E1000_RXDEXT_STATERR_IPE = 0x40000000;
export const E1000_RXDEXT_STATERR_RXE = 0x80000000 | 0;
export const E1000_RXDADV_RSSTYPE_NONE = 0;
export const E1000_RXDADV_RSSTYPE_IPV4_TCP = 1;
export const E1000_RXDADV_RSSTYPE_IPV4 = 2;
export const E1000_RXDADV_RSSTYPE_IPV6_TCP = 3;
export const E1000_RXDADV_RSSTYPE_IPV6 = 5;
export const E1000_RXDADV_RSSTYPE_IPV4_UDP = 7;
export const E1000_RXDADV_RSSTYPE_IPV6_UDP = 8;
export const E1000_RXDADV_RSSTYPE_MASK = 0xf;
export const E1000_RXDADV_PKTTYPE_IPV4 = 0x00000010;
export const E1000_RXDADV_PKTTYPE_IPV4_EX = 0x00000020;
export const E1000_RXDADV_PKTTYPE_IPV6 = 0x00000040;
export const E1000_RXDADV_PKTTYPE_IPV6_EX = 0x00000080;
export const E1000_RXDADV_PKTTYPE_TCP = 0x00000100;
export const E1000_RXDADV_PKTTYPE_UDP = 0x00000200;
export const E1000_RXDADV_PKTTYPE_SCTP = 0x00000400;

// --- Transmit descriptor, advanced, 16 bytes ---------------------------------------------------------------------------
// Data:       buffer address (64 bits); [8] length 15:0, type 23:20, command 31:24; [12] status 3:0, context index 6:4,
//             POPTS 13:8, PAYLEN 31:14. Write-back: DD in [12], only where RS was set.
// Context:    [0] IPLEN 8:0, MACLEN 15:9, VLAN tag 31:16; [8] IPv4 bit 10, L4 type 12:11; [12] index 6:4, L4LEN 15:8,
//             MSS 31:16.
export const E1000_ADVTXD_DTYP_MASK = 0x00f00000;
export const E1000_ADVTXD_DTYP_CTXT = 0x00200000;
export const E1000_ADVTXD_DTYP_DATA = 0x00300000;
export const E1000_ADVTXD_DCMD_EOP = 0x01000000;
export const E1000_ADVTXD_DCMD_IFCS = 0x02000000;
export const E1000_ADVTXD_DCMD_RS = 0x08000000;
export const E1000_ADVTXD_DCMD_DEXT = 0x20000000;
export const E1000_ADVTXD_DCMD_VLE = 0x40000000;
export const E1000_ADVTXD_DCMD_TSE = 0x80000000 | 0;
export const E1000_TXD_STAT_DD = 0x00000001;
export const E1000_ADVTXD_IDX_SHIFT = 4;
export const E1000_TXD_POPTS_IXSM = 0x00000100;
export const E1000_TXD_POPTS_TXSM = 0x00000200;
export const E1000_ADVTXD_PAYLEN_SHIFT = 14;
export const E1000_ADVTXD_MACLEN_SHIFT = 9;
export const E1000_ADVTXD_VLAN_SHIFT = 16;
export const E1000_ADVTXD_TUCMD_IPV4 = 0x00000400;
export const E1000_ADVTXD_TUCMD_L4T_UDP = 0x00000000;
export const E1000_ADVTXD_TUCMD_L4T_TCP = 0x00000800;
export const E1000_ADVTXD_TUCMD_L4T_SCTP = 0x00001000;
export const E1000_ADVTXD_L4LEN_SHIFT = 8;
export const E1000_ADVTXD_MSS_SHIFT = 16;

// --- PHY (IEEE 802.3 clause 22), reached through MDIC at address 1 ---------------------------------------------------------
export const PHY_CONTROL = 0;
export const PHY_STATUS = 1;
export const PHY_ID1 = 2;
export const PHY_ID2 = 3;
export const PHY_AUTONEG_ADV = 4;
export const PHY_LP_ABILITY = 5;
export const PHY_1000T_CTRL = 9;
export const PHY_1000T_STATUS = 10;
export const PHY_EXT_STATUS = 15;
export const MII_CR_SPEED_1000 = 0x0040;
export const MII_CR_FULL_DUPLEX = 0x0100;
export const MII_CR_RESTART_AUTO_NEG = 0x0200;
export const MII_CR_POWER_DOWN = 0x0800;
export const MII_CR_AUTO_NEG_EN = 0x1000;
export const MII_CR_SPEED_100 = 0x2000;
export const MII_CR_LOOPBACK = 0x4000;
export const MII_CR_RESET = 0x8000;
export const MII_SR_LINK_STATUS = 0x0004;
export const MII_SR_AUTONEG_COMPLETE = 0x0020;
export const NWAY_AR_10T_HD_CAPS = 0x0020;
export const NWAY_AR_10T_FD_CAPS = 0x0040;
export const NWAY_AR_100TX_HD_CAPS = 0x0080;
export const NWAY_AR_100TX_FD_CAPS = 0x0100;
export const NWAY_AR_PAUSE = 0x0400;
export const NWAY_AR_ASM_DIR = 0x0800;
export const CR_1000T_FD_CAPS = 0x0200;
