// What `ethtool -d` says about an igb: which register each word of the dump is, and the bits of four of them.
// Read first: 82576EB datasheet section 8. Names and layout are those that ethtool 6.1 prints. Way in: igbRegisters().

import { view } from "../lib/inet.ts";

type Bits = readonly (readonly [title: string, shift: number, words: readonly string[]])[];

const ENABLED = ["disabled", "enabled"];
const NO_YES = ["no", "yes"];
const SPEED = ["10Mb/s", "100Mb/s", "1000Mb/s", "not used"];

const CTRL: Bits = [
  ["Invert Loss-Of-Signal", 7, NO_YES],
  ["Receive flow control", 27, ENABLED],
  ["Transmit flow control", 28, ENABLED],
  ["VLAN mode", 30, ENABLED],
  ["Set link up", 6, ["0", "1"]],
  ["D3COLD WakeUp capability advertisement", 20, ENABLED],
  ["Auto speed detect", 5, ENABLED],
  ["Speed select", 8, SPEED],
  ["Force speed", 11, NO_YES],
  ["Force duplex", 12, NO_YES],
];
const STATUS: Bits = [
  ["Duplex", 0, ["half", "full"]],
  ["Link up", 1, ["no link config", "link config"]],
  ["Transmission", 4, ["on", "paused"]],
  ["DMA clock gating", 31, ENABLED],
  ["TBI mode", 5, ENABLED],
  ["Link speed", 6, SPEED],
  ["Bus type", 0, ["PCI Express"]],
];
const RCTL: Bits = [
  ["Receiver", 1, ENABLED],
  ["Store bad packets", 2, ENABLED],
  ["Unicast promiscuous", 3, ENABLED],
  ["Multicast promiscuous", 4, ENABLED],
  ["Long packet", 5, ENABLED],
  ["Descriptor minimum threshold size", 8, ["1/2", "1/4", "1/8", "reserved"]],
  ["Broadcast accept mode", 15, ["ignore", "accept"]],
  ["VLAN filter", 18, ENABLED],
  ["Cononical form indicator", 19, ENABLED],
  ["Discard pause frames", 22, ["filtered", "ignored"]],
  ["Pass MAC control frames", 23, ["don't pass", "pass"]],
  ["Loopback mode", 6, ["normal", "MAC", "undefined", "SERDES"]],
  ["Receive buffer size", 16, ["2048", "1024", "512", "256"]],
];
const TCTL: Bits = [
  ["Transmitter", 1, ENABLED],
  ["Pad short packets", 3, ENABLED],
  ["Software XOFF Transmission", 22, ENABLED],
  ["Re-transmit on late collision", 24, ENABLED],
];

/** In front, in ethtool's own order: word of the dump, address, name, what it is, and the bits. */
const FIRST: readonly (readonly [number, string, string, string, Bits])[] = [
  [0, "00000", "CTRL", "Device control register", CTRL],
  [1, "00008", "STATUS", "Device status register", STATUS],
  [32, "00100", "RCTL", "Receive control register", RCTL],
  [137, "02808", "RDLEN ", "Receive desc length", []],
  [141, "02810", "RDH   ", "Receive desc head", []],
  [145, "02818", "RDT   ", "Receive desc tail", []],
  [38, "00400", "TCTL", "Transmit ctrl register", TCTL],
  [219, "03808", "TDLEN      ", "Transmit desc length", []],
  [223, "03810", "TDH        ", "Transmit desc head", []],
  [227, "03818", "TDT        ", "Transmit desc tail", []],
];

/** Then the others: word, address, name, what it is; of several, how many, their distance, and the digits of their number. */
const REST = `
2 00018 CTRL_EXT Extended device control
3 00018 MDIC MDI control
4 00024 SCTL SERDES ANA
5 00034 CONNSW Copper/Fiber switch control
6 00038 VET VLAN Ether type
7 00E00 LEDCTL LED control
8 01000 PBA Packet buffer allocation
9 01008 PBS Packet buffer size
10 01048 FRTIMER Free running timer
11 0104C TCPTIMER TCP timer
12 00010 EEC EEPROM/FLASH control
13 01580 EICR Extended interrupt cause
14 01520 EICS Extended interrupt cause set
15 01524 EIMS Extended interrup set/read
16 01528 EIMC Extended interrupt mask clear
17 0152C EIAC Extended interrupt auto clear
18 01530 EIAM Extended interrupt auto mask
19 01500 ICR Interrupt cause read
20 01504 ICS Interrupt cause set
21 01508 IMS Interrupt mask set/read
22 0150C IMC Interrupt mask clear
23 04100 IAC Interrupt assertion count
24 01510 IAM Interr acknowledge auto-mask
25 05AC0 IMIRVP Immed interr rx VLAN priority
26 00028 FCAL Flow control address low
27 0002C FCAH Flow control address high
28 00170 FCTTV Flow control tx timer value
29 02160 FCRTL Flow control rx threshold low
30 02168 FCRTH Flow control rx threshold high
31 02460 FCRTV Flow control refresh threshold
33 05000 RXCSUM Receive checksum control
34 05004 RLPML Receive long packet max length
35 05008 RFCTL Receive filter control
36 05818 MRQC Multiple rx queues command
37 0581C VMD_CTL VMDq control
39 00404 TCTL_EXT Transmit control extended
40 00410 TIPG Transmit IPG
41 03590 DTXCTL DMA tx control
42 05800 WUC Wake up control
43 05808 WUFC Wake up filter control
44 05810 WUS Wake up status
45 05838 IPAV IP address valid
46 05900 WUPL Wake up packet length
47 04200 PCS_CFG PCS configuration 0
48 04208 PCS_LCTL PCS link control
49 0420C PCS_LSTS PCS link status
50 04218 PCS_ANADV AN advertisement
51 0421C PCS_LPAB Link partner ability
52 04220 PCS_NPTX Next Page transmit
53 04224 PCS_LPABNP Link partner ability Next Page
54 04000 CRCERRS CRC error count
55 04004 ALGNERRC Alignment error count
56 04008 SYMERRS Symbol error count
57 0400C RXERRC RX error count
58 04010 MPC Missed packets count
59 04014 SCC Single collision count
60 04018 ECOL Excessive collisions count
61 0401C MCC Multiple collision count
62 04020 LATECOL Late collisions count
63 04028 COLC Collision count
64 04030 DC Defer count
65 04034 TNCRS Transmit with no CRS
66 04038 SEC Sequence error count
67 0403C HTDPMC Host tx discrd pkts MAC count
68 04040 RLEC Receive length error count
69 04048 XONRXC XON received count
70 0404C XONTXC XON transmitted count
71 04050 XOFFRXC XOFF received count
72 04054 XOFFTXC XOFF transmitted count
73 04058 FCRUC FC received unsupported count
74 0405C PRC64 Packets rx (64 B) count
75 04060 PRC127 Packets rx (65-127 B) count
76 04064 PRC255 Packets rx (128-255 B) count
77 04068 PRC511 Packets rx (256-511 B) count
78 0406C PRC1023 Packets rx (512-1023 B) count
79 04070 PRC1522 Packets rx (1024-max B) count
80 04074 GPRC Good packets received count
81 04078 BPRC Broadcast packets rx count
82 0407C MPRC Multicast packets rx count
83 04080 GPTC Good packets tx count
84 04088 GORCL Good octets rx count lower
85 0408C GORCH Good octets rx count upper
86 04090 GOTCL Good octets tx count lower
87 04094 GOTCH Good octets tx count upper
88 040A0 RNBC Receive no buffers count
89 040A4 RUC Receive undersize count
90 040A8 RFC Receive fragment count
91 040AC ROC Receive oversize count
92 040B0 RJC Receive jabber count
93 040B4 MGPRC Management packets rx count
94 040B8 MGPDC Management pkts dropped count
95 040BC MGPTC Management packets tx count
96 040C0 TORL Total octets received lower
97 040C4 TORH Total octets received upper
98 040C8 TOTL Total octets transmitted lower
99 040CC TOTH Total octets transmitted upper
100 040D0 TPR Total packets received
101 040D4 TPT Total packets transmitted
102 040D8 PTC64 Packets tx (64 B) count
103 040DC PTC127 Packets tx (65-127 B) count
104 040E0 PTC255 Packets tx (128-255 B) count
105 040E4 PTC511 Packets tx (256-511 B) count
106 040E8 PTC1023 Packets tx (512-1023 B) count
107 040EC PTC1522 Packets tx (> 1024 B) count
108 040F0 MPTC Multicast packets tx count
109 040F4 BPTC Broadcast packets tx count
110 040F8 TSCTC TCP segment context tx count
111 04100 IAC Interrupt assertion count
112 04104 RPTHC Rx packets to host count
113 04118 HGPTC Host good packets tx count
114 04128 HGORCL Host good octets rx cnt lower
115 0412C HGORCH Host good octets rx cnt upper
116 04130 HGOTCL Host good octets tx cnt lower
117 04134 HGOTCH Host good octets tx cnt upper
118 04138 LENNERS Length error count
119 04228 SCVPC SerDes/SGMII code viol pkt cnt
120 0A018 HRMPC Header redir missed pkt count
121 0280C SRRCTL Split and replic rx ctl|4 100 1
125 05480 PSRTYPE Packet split receive type|4 4 1
129 02800 RDBAL Rx desc base addr low|4 100 1
133 02804 RDBAH Rx desc base addr high|4 100 1
137 02808 RDLEN Rx descriptor length|4 100 1
141 02810 RDH Rx descriptor head|4 100 1
145 02818 RDT Rx descriptor tail|4 100 1
149 02828 RXDCTL Rx descriptor control|4 100 1
153 01680 EITR Interrupt throttle|10 4 1
163 05A80 IMIR Immediate interrupt Rx|8 4 1
171 05AA0 IMIREXT Immediate interr Rx extended|8 4 1
179 05400 RAL Receive address low|16 8 2
195 05404 RAH Receive address high|16 8 2
211 03800 TDBAL Tx desc base address low|4 100 1
215 03804 TDBAH Tx desc base address high|4 100 1
219 03808 TDLEN Tx descriptor length|4 100 1
223 03810 TDH Transmit descriptor head|4 100 1
227 03818 TDT Transmit descriptor tail|4 100 1
231 03828 TXDCTL Transmit descriptor control|4 100 1
235 03838 TDWBAL Tx desc complete wb addr low|4 100 1
239 0383C TDWBAH Tx desc complete wb addr hi|4 100 1
243 03814 DCA_TXCTRL Tx DCA control|4 100 1
247 05840 IP4AT IPv4 address table|4 8 1
251 05880 IP6AT IPv6 address table|4 4 1
255 05A00 WUPM Wake up packet memory|32 4 2
287 09000 FFMT Flexible filter mask table|128 8 3
415 09800 FFVT Flexible filter value table|128 8 3
543 05F00 FFLT Flexible filter length table|4 8 1
547 03410 TDFH Tx data FIFO head
548 03418 TDFT Tx data FIFO tail
549 03420 TDFHS Tx data FIFO head saved
550 03430 TDFPC Tx data FIFO packet count
739 05BF4 RR2DCDELAY Max. DMA read delay
`;

const VALUE_COLUMN = 54;
const BITS_COLUMN = 54;
const NAME_WIDTH = 12;

/** The dump, word by word. */
export function igbRegisters(bytes: Uint8Array): string {
  const dv = view(bytes);
  const word = (i: number): number => (4 * i + 4 <= bytes.length ? dv.getUint32(4 * i, true) : 0);
  const hex = (v: number, digits: number): string => v.toString(16).toUpperCase().padStart(digits, "0");
  const line = (address: string, name: string, what: string, i: number): string =>
    `${`0x${address}: ${name} (${what})`.padEnd(VALUE_COLUMN)}0x${hex(word(i), 8)}\n`;
  let text = "";
  for (const [i, address, name, what, bits] of FIRST) {
    text += line(address, name, what, i);
    for (const [title, shift, words] of bits) {
      const value = words[(word(i) >>> shift) & (words.length - 1)];
      text += `${`       ${title}:`.padEnd(BITS_COLUMN)}${value}\n`;
    }
  }
  for (const entry of REST.trim().split("\n")) {
    const [one, many] = entry.split("|");
    const [, index, address, name, what] = /^(\d+) (\w+) (\w+) (.*)$/.exec(one)!;
    const [count, step, digits] = many?.split(" ") ?? ["1", "0", "0"];
    for (let k = 0; k < Number(count); k++) {
      const n = digits === "0" ? "" : String(k).padStart(Number(digits), "0");
      const at = hex(Number.parseInt(address, 16) + k * Number.parseInt(step, 16), 5);
      text += line(at, (name + n).padEnd(NAME_WIDTH - 1), what + n, Number(index) + k);
    }
  }
  return text;
}
