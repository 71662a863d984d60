// SIOCETHTOOL: command numbers and struct layouts of linux/ethtool.h (x86-64).
// Read first: ethtool(8). Way in: `sys.ioctl(fd, SIOCETHTOOL, buf)`.
//
// Convention for the pointer in struct ifreq: ioctl takes ONE buffer here. Bytes 0–15 are ifr_name; ifr_data (bytes 16–23) is
// unused; the command's struct, whose first u32 is the command number, starts at byte ETHTOOL_DATA = 40, where ifr_data
// would point to. The kernel reads and writes it in place and never writes beyond the buffer: a struct that does not fit
// is -EFAULT. All fields little-endian; every offset below counts from ETHTOOL_DATA.

export const ETHTOOL_DATA = 40;

export const ETHTOOL_GDRVINFO = 0x03;
export const ETHTOOL_GREGS = 0x04;
export const ETHTOOL_GWOL = 0x05;
export const ETHTOOL_SWOL = 0x06;
export const ETHTOOL_GMSGLVL = 0x07;
export const ETHTOOL_SMSGLVL = 0x08;
export const ETHTOOL_NWAY_RST = 0x09;
export const ETHTOOL_GLINK = 0x0a;
export const ETHTOOL_GEEPROM = 0x0b;
export const ETHTOOL_SEEPROM = 0x0c;
export const ETHTOOL_GCOALESCE = 0x0e;
export const ETHTOOL_SCOALESCE = 0x0f;
export const ETHTOOL_GRINGPARAM = 0x10;
export const ETHTOOL_SRINGPARAM = 0x11;
export const ETHTOOL_GPAUSEPARAM = 0x12;
export const ETHTOOL_SPAUSEPARAM = 0x13;
export const ETHTOOL_TEST = 0x1a;
export const ETHTOOL_GSTRINGS = 0x1b;
export const ETHTOOL_PHYS_ID = 0x1c;
export const ETHTOOL_GSTATS = 0x1d;
export const ETHTOOL_GPERMADDR = 0x20;
export const ETHTOOL_GPFLAGS = 0x27;
export const ETHTOOL_SPFLAGS = 0x28;
export const ETHTOOL_GRXFH = 0x29;
export const ETHTOOL_SRXFH = 0x2a;
export const ETHTOOL_GRXRINGS = 0x2d;
export const ETHTOOL_GRXCLSRLCNT = 0x2e;
export const ETHTOOL_GRXCLSRULE = 0x2f;
export const ETHTOOL_GRXCLSRLALL = 0x30;
export const ETHTOOL_SRXCLSRLDEL = 0x31;
export const ETHTOOL_SRXCLSRLINS = 0x32;
export const ETHTOOL_FLASHDEV = 0x33;
export const ETHTOOL_RESET = 0x34;
export const ETHTOOL_GSSET_INFO = 0x37;
export const ETHTOOL_GFEATURES = 0x3a;
export const ETHTOOL_SFEATURES = 0x3b;
export const ETHTOOL_GCHANNELS = 0x3c;
export const ETHTOOL_SCHANNELS = 0x3d;
export const ETHTOOL_SET_DUMP = 0x3e;
export const ETHTOOL_GET_DUMP_FLAG = 0x3f;
export const ETHTOOL_GET_DUMP_DATA = 0x40;
export const ETHTOOL_GET_TS_INFO = 0x41;
export const ETHTOOL_GMODULEINFO = 0x42;
export const ETHTOOL_GMODULEEEPROM = 0x43;
export const ETHTOOL_GEEE = 0x44;
export const ETHTOOL_SEEE = 0x45;
export const ETHTOOL_GRSSH = 0x46;
export const ETHTOOL_SRSSH = 0x47;
export const ETHTOOL_GTUNABLE = 0x48;
export const ETHTOOL_STUNABLE = 0x49;
export const ETHTOOL_GPHYSTATS = 0x4a;
export const ETHTOOL_PERQUEUE = 0x4b;
export const ETHTOOL_GLINKSETTINGS = 0x4c;
export const ETHTOOL_SLINKSETTINGS = 0x4d;
export const ETHTOOL_PHY_GTUNABLE = 0x4e;
export const ETHTOOL_PHY_STUNABLE = 0x4f;
export const ETHTOOL_GFECPARAM = 0x50;
export const ETHTOOL_SFECPARAM = 0x51;

/** String sets: ETHTOOL_GSTRINGS, ETHTOOL_GSSET_INFO. */
export const ETH_SS_TEST = 0;
export const ETH_SS_STATS = 1;
export const ETH_SS_PRIV_FLAGS = 2;
export const ETH_SS_FEATURES = 4;
export const ETH_SS_RSS_HASH_FUNCS = 5;
export const ETH_SS_PHY_STATS = 8;
export const ETH_GSTRING_LEN = 32;

/** struct ethtool_value: cmd, data. GLINK, GMSGLVL, SMSGLVL; NWAY_RST uses only cmd. */
export const ETHTOOL_VALUE_DATA = 4;
export const ETHTOOL_VALUE_LEN = 8;

/** struct ethtool_drvinfo. Strings of 32 bytes. */
export const DRVINFO_DRIVER = 4;
export const DRVINFO_VERSION = 36;
export const DRVINFO_FW_VERSION = 68;
export const DRVINFO_BUS_INFO = 100;
export const DRVINFO_EROM_VERSION = 132;
export const DRVINFO_N_PRIV_FLAGS = 176;
export const DRVINFO_N_STATS = 180;
export const DRVINFO_TESTINFO_LEN = 184;
export const DRVINFO_EEDUMP_LEN = 188;
export const DRVINFO_REGDUMP_LEN = 192;
export const DRVINFO_LEN = 196;

/** struct ethtool_regs: cmd, version, len, then len bytes. */
export const REGS_VERSION = 4;
export const REGS_LEN = 8;
export const REGS_DATA = 12;
/** struct ethtool_eeprom: cmd, magic, offset, len, then len bytes. */
export const EEPROM_MAGIC = 4;
export const EEPROM_OFFSET = 8;
export const EEPROM_LEN = 12;
export const EEPROM_DATA = 16;

/** struct ethtool_test: cmd, flags, reserved, len, then a u64 for each of the ETH_SS_TEST strings. */
export const TEST_FLAGS = 4;
export const TEST_LEN = 12;
export const TEST_DATA = 16;
export const ETH_TEST_FL_OFFLINE = 1;
export const ETH_TEST_FL_FAILED = 2;
export const ETH_TEST_FL_EXTERNAL_LB = 4;
export const ETH_TEST_FL_EXTERNAL_LB_DONE = 8;

/** struct ethtool_sset_info: cmd, reserved, u64 mask, then one u32 for each set that the kernel left in the mask. */
export const SSET_INFO_MASK = 8;
export const SSET_INFO_DATA = 16;
/** struct ethtool_gstrings: cmd, string_set, len, then len strings of ETH_GSTRING_LEN. */
export const GSTRINGS_SET = 4;
export const GSTRINGS_COUNT = 8;
export const GSTRINGS_DATA = 12;
/** struct ethtool_stats: cmd, n_stats, then u64 values. */
export const STATS_COUNT = 4;
export const STATS_DATA = 8;

/** struct ethtool_ringparam: u32 fields. */
export const RING_RX_MAX = 4;
export const RING_RX_MINI_MAX = 8;
export const RING_RX_JUMBO_MAX = 12;
export const RING_TX_MAX = 16;
export const RING_RX = 20;
export const RING_RX_MINI = 24;
export const RING_RX_JUMBO = 28;
export const RING_TX = 32;
export const RINGPARAM_LEN = 36;

/** struct ethtool_channels: u32 fields. */
export const CHAN_MAX_RX = 4;
export const CHAN_MAX_TX = 8;
export const CHAN_MAX_OTHER = 12;
export const CHAN_MAX_COMBINED = 16;
export const CHAN_RX = 20;
export const CHAN_TX = 24;
export const CHAN_OTHER = 28;
export const CHAN_COMBINED = 32;
export const CHANNELS_LEN = 36;

/** struct ethtool_coalesce: u32 fields. */
export const COAL_RX_USECS = 4;
export const COAL_RX_FRAMES = 8;
export const COAL_RX_USECS_IRQ = 12;
export const COAL_RX_FRAMES_IRQ = 16;
export const COAL_TX_USECS = 20;
export const COAL_TX_FRAMES = 24;
export const COAL_TX_USECS_IRQ = 28;
export const COAL_TX_FRAMES_IRQ = 32;
export const COAL_STATS_BLOCK_USECS = 36;
export const COAL_USE_ADAPTIVE_RX = 40;
export const COAL_USE_ADAPTIVE_TX = 44;
export const COAL_PKT_RATE_LOW = 48;
export const COAL_RX_USECS_LOW = 52;
export const COAL_RX_FRAMES_LOW = 56;
export const COAL_TX_USECS_LOW = 60;
export const COAL_TX_FRAMES_LOW = 64;
export const COAL_PKT_RATE_HIGH = 68;
export const COAL_RX_USECS_HIGH = 72;
export const COAL_RX_FRAMES_HIGH = 76;
export const COAL_TX_USECS_HIGH = 80;
export const COAL_TX_FRAMES_HIGH = 84;
export const COAL_RATE_SAMPLE_INTERVAL = 88;
export const COALESCE_LEN = 92;

/** struct ethtool_pauseparam: u32 fields. */
export const PAUSE_AUTONEG = 4;
export const PAUSE_RX = 8;
export const PAUSE_TX = 12;
export const PAUSEPARAM_LEN = 16;

/** struct ethtool_wolinfo: supported, wolopts, sopass[6]. */
export const WOL_SUPPORTED = 4;
export const WOL_OPTS = 8;
export const WOL_LEN = 20;

/** struct ethtool_gfeatures: cmd, size in blocks, then {available, requested, active, never_changed} per block. */
export const FEATURES_SIZE = 4;
export const FEATURES_DATA = 8;
export const GFEATURES_BLOCK = 16;
/** struct ethtool_sfeatures: cmd, size in blocks, then {valid, requested} per block. */
export const SFEATURES_BLOCK = 8;

/** struct ethtool_perm_addr: cmd, size, bytes. */
export const PERMADDR_SIZE = 4;
export const PERMADDR_DATA = 8;

/** struct ethtool_rxfh: then indir_size u32 entries and key_size bytes. Sizes of 0 in a get ask for the sizes. */
export const RXFH_RSS_CONTEXT = 4;
export const RXFH_INDIR_SIZE = 8;
export const RXFH_KEY_SIZE = 12;
export const RXFH_HFUNC = 16;
export const RXFH_CONFIG = 24;
export const RXFH_INDIR_NO_CHANGE = 0xffffffff;
export const ETH_RSS_HASH_TOP = 1 << 0;
export const ETH_RSS_HASH_XOR = 1 << 1;
export const ETH_RSS_HASH_CRC32 = 1 << 2;

/** struct ethtool_rxnfc: the u64 at 8 holds the rings (GRXRINGS) or RXH_* (GRXFH); rule_cnt after GRXCLSRLCNT. */
export const RXNFC_FLOW_TYPE = 4;
export const RXNFC_DATA = 8;
export const RXNFC_RULE_CNT = 184;
export const RXNFC_LEN = 192;

/** Flow types of GRXFH, and what of a packet is hashed. */
export const TCP_V4_FLOW = 0x01;
export const UDP_V4_FLOW = 0x02;
export const SCTP_V4_FLOW = 0x03;
export const AH_ESP_V4_FLOW = 0x04;
export const TCP_V6_FLOW = 0x05;
export const UDP_V6_FLOW = 0x06;
export const SCTP_V6_FLOW = 0x07;
export const AH_ESP_V6_FLOW = 0x08;
export const AH_V4_FLOW = 0x09;
export const ESP_V4_FLOW = 0x0a;
export const AH_V6_FLOW = 0x0b;
export const ESP_V6_FLOW = 0x0c;
export const IPV4_FLOW = 0x10;
export const IPV6_FLOW = 0x11;
export const ETHER_FLOW = 0x12;
export const RXH_L2DA = 1 << 1;
export const RXH_VLAN = 1 << 2;
export const RXH_L3_PROTO = 1 << 3;
export const RXH_IP_SRC = 1 << 4;
export const RXH_IP_DST = 1 << 5;
export const RXH_L4_B_0_1 = 1 << 6;
export const RXH_L4_B_2_3 = 1 << 7;
export const RXH_DISCARD = 1 << 31;

/** struct ethtool_ts_info. */
export const TS_SO_TIMESTAMPING = 4;
export const TS_PHC_INDEX = 8;
export const TS_TX_TYPES = 12;
export const TS_RX_FILTERS = 28;
export const TS_INFO_LEN = 44;

/**
 * struct ethtool_link_settings, then three bitmaps of nwords u32 each: supported, advertising, lp_advertising.
 * Handshake: a get with nwords 0 answers with minus the number of words the kernel uses; ask again with it.
 */
export const LINK_SPEED = 4;
export const LINK_DUPLEX = 8;
export const LINK_PORT = 9;
export const LINK_PHY_ADDRESS = 10;
export const LINK_AUTONEG = 11;
export const LINK_MDIO_SUPPORT = 12;
export const LINK_TP_MDIX = 13;
export const LINK_TP_MDIX_CTRL = 14;
export const LINK_NWORDS = 15;
export const LINK_TRANSCEIVER = 16;
export const LINK_MASTER_SLAVE_CFG = 17;
export const LINK_MASTER_SLAVE_STATE = 18;
export const LINK_MODE_MASKS = 48;
/** Words of each bitmap in Linux 6.18: 121 link modes. */
export const ETHTOOL_LINK_MODE_NWORDS = 4;

export const SPEED_UNKNOWN = -1;
export const DUPLEX_HALF = 0;
export const DUPLEX_FULL = 1;
export const DUPLEX_UNKNOWN = 0xff;
export const AUTONEG_DISABLE = 0;
export const AUTONEG_ENABLE = 1;
export const PORT_TP = 0;
export const PORT_AUI = 1;
export const PORT_MII = 2;
export const PORT_FIBRE = 3;
export const PORT_BNC = 4;
export const PORT_DA = 5;
export const PORT_NONE = 0xef;
export const PORT_OTHER = 0xff;
export const ETH_TP_MDI_INVALID = 0;
export const ETH_TP_MDI = 1;
export const ETH_TP_MDI_X = 2;
export const ETH_TP_MDI_AUTO = 3;

/** ETHTOOL_LINK_MODE_*_BIT: the first ones, which cover copper up to 10 Gbit/s. */
export const ETHTOOL_LINK_MODE_10baseT_Half_BIT = 0;
export const ETHTOOL_LINK_MODE_10baseT_Full_BIT = 1;
export const ETHTOOL_LINK_MODE_100baseT_Half_BIT = 2;
export const ETHTOOL_LINK_MODE_100baseT_Full_BIT = 3;
export const ETHTOOL_LINK_MODE_1000baseT_Half_BIT = 4;
export const ETHTOOL_LINK_MODE_1000baseT_Full_BIT = 5;
export const ETHTOOL_LINK_MODE_Autoneg_BIT = 6;
export const ETHTOOL_LINK_MODE_TP_BIT = 7;
export const ETHTOOL_LINK_MODE_AUI_BIT = 8;
export const ETHTOOL_LINK_MODE_MII_BIT = 9;
export const ETHTOOL_LINK_MODE_FIBRE_BIT = 10;
export const ETHTOOL_LINK_MODE_BNC_BIT = 11;
export const ETHTOOL_LINK_MODE_10000baseT_Full_BIT = 12;
export const ETHTOOL_LINK_MODE_Pause_BIT = 13;
export const ETHTOOL_LINK_MODE_Asym_Pause_BIT = 14;
export const ETHTOOL_LINK_MODE_Backplane_BIT = 16;
export const ETHTOOL_LINK_MODE_2500baseT_Full_BIT = 47;
export const ETHTOOL_LINK_MODE_5000baseT_Full_BIT = 48;

/** SOF_TIMESTAMPING_*: names as `ethtool -T` prints them, by bit. */
export const SOF_TIMESTAMPING_NAMES: readonly string[] = [
  "hardware-transmit",
  "software-transmit",
  "hardware-receive",
  "software-receive",
  "software-system-clock",
  "hardware-legacy-clock",
  "hardware-raw-clock",
];

/** NETIF_MSG_* names by bit. */
export const NETIF_MSG_NAMES: readonly string[] = [
  "drv",
  "probe",
  "link",
  "timer",
  "ifdown",
  "ifup",
  "rx_err",
  "tx_err",
  "tx_queued",
  "intr",
  "tx_done",
  "rx_status",
  "pktdata",
  "hw",
  "wol",
];
