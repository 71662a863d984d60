// The classic capture file: a header of 24 bytes, then a header of 16 before every packet. Reader and writer.
// Read first: draft-ietf-opsawg-pcap. Way in: PcapReader and pcap_next; pcap_file_header, pcap_record. Pure: bytes in, bytes out.

/** A packet of a capture file of either format. */
export interface CapturedPacket {
  /** Time since the epoch. Two numbers, because nanoseconds since 1970 do not fit in a double. */
  ts_sec: number;
  ts_nsec: number;
  /** Bytes captured: a view of the file, not a copy. */
  data: Uint8Array;
  /** Length on the wire. */
  len: number;
  linktype: number;
  /** pcapng: index into the reader's interfaces; 0 otherwise. */
  interface_id: number;
  /** pcapng epb_flags: 0 unknown, 1 inbound, 2 outbound. */
  direction: 0 | 1 | 2;
  /** pcapng opt_comment. */
  comments: string[];
}

/** What is wrong with a file, and at which byte. */
export interface CaptureError {
  error: string;
  offset: number;
}

export const is_capture_error = (x: object | undefined): x is CaptureError => x !== undefined && "error" in x;

const MAGIC_US = 0xa1b2c3d4;
const MAGIC_NS = 0xa1b23c4d;
export const PCAP_FILE_HEADER_LEN = 24;
export const PCAP_RECORD_HEADER_LEN = 16;
/** No honest capture holds a longer packet; tcpdump's own limit. */
export const MAXIMUM_SNAPLEN = 262144;

export interface PcapReader {
  readonly kind: "pcap";
  readonly u8: Uint8Array;
  readonly dv: DataView;
  readonly little_endian: boolean;
  readonly nanosecond: boolean;
  readonly linktype: number;
  readonly snaplen: number;
  readonly version_major: number;
  readonly version_minor: number;
  offset: number;
}

const view = (u8: Uint8Array): DataView => new DataView(u8.buffer, u8.byteOffset, u8.length);

/** True if the bytes start as a classic capture does, of either byte order and resolution. */
export const is_pcap = (u8: Uint8Array): boolean => {
  if (u8.length < 4) return false;
  const dv = view(u8);
  return [true, false].some((le) => dv.getUint32(0, le) === MAGIC_US || dv.getUint32(0, le) === MAGIC_NS);
};

/** Opens a whole file in memory. */
export const pcap_open = (u8: Uint8Array): PcapReader | CaptureError => {
  if (u8.length < PCAP_FILE_HEADER_LEN) {
    return {
      error: `truncated dump file; tried to read ${PCAP_FILE_HEADER_LEN} file header bytes, only got ${u8.length}`,
      offset: 0,
    };
  }
  if (!is_pcap(u8)) return { error: "unknown file format", offset: 0 };
  const dv = view(u8);
  const le_magic = dv.getUint32(0, true);
  const le = le_magic === MAGIC_US || le_magic === MAGIC_NS;
  const version_major = dv.getUint16(4, le);
  const version_minor = dv.getUint16(6, le);
  if (version_major !== 2) {
    return { error: `unsupported pcap savefile version ${version_major}.${version_minor}`, offset: 4 };
  }
  return {
    kind: "pcap",
    u8,
    dv,
    little_endian: le,
    nanosecond: dv.getUint32(0, le) === MAGIC_NS,
    snaplen: dv.getUint32(16, le),
    // The upper bits say how long the frame check sequence is.
    linktype: dv.getUint32(20, le) & 0x03ff_ffff,
    version_major,
    version_minor,
    offset: PCAP_FILE_HEADER_LEN,
  };
};

/** The next packet; undefined at the end of the file. After an error the reader stays where it is. */
export const pcap_next = (r: PcapReader): CapturedPacket | CaptureError | undefined => {
  const { dv, u8, offset: at, little_endian: le } = r;
  const left = u8.length - at;
  if (left === 0) return undefined;
  if (left < PCAP_RECORD_HEADER_LEN) {
    return {
      error: `truncated dump file; tried to read ${PCAP_RECORD_HEADER_LEN} header bytes, only got ${left}`,
      offset: at,
    };
  }
  const caplen = dv.getUint32(at + 8, le);
  if (caplen > Math.max(MAXIMUM_SNAPLEN, Math.min(r.snaplen, 0x7fffffff))) {
    return {
      error: `invalid packet capture length ${caplen}, bigger than maximum of ${MAXIMUM_SNAPLEN}`,
      offset: at + 8,
    };
  }
  const data_at = at + PCAP_RECORD_HEADER_LEN;
  if (u8.length - data_at < caplen) {
    return {
      error: `truncated dump file; tried to read ${caplen} captured bytes, only got ${u8.length - data_at}`,
      offset: data_at,
    };
  }
  const frac = dv.getUint32(at + 4, le);
  r.offset = data_at + caplen;
  return {
    ts_sec: dv.getUint32(at, le),
    ts_nsec: r.nanosecond ? frac : frac * 1000,
    data: u8.subarray(data_at, data_at + caplen),
    len: dv.getUint32(at + 12, le),
    linktype: r.linktype,
    interface_id: 0,
    direction: 0,
    comments: [],
  };
};

export interface PcapHeaderOptions {
  linktype: number;
  snaplen?: number;
  /** Nanosecond timestamps; a reader tells them by the magic number. */
  nanosecond?: boolean;
  big_endian?: boolean;
}

/** The head of a file. */
export const pcap_file_header = (o: PcapHeaderOptions): Uint8Array => {
  const u8 = new Uint8Array(PCAP_FILE_HEADER_LEN);
  const dv = view(u8);
  const le = !o.big_endian;
  dv.setUint32(0, o.nanosecond ? MAGIC_NS : MAGIC_US, le);
  dv.setUint16(4, 2, le);
  dv.setUint16(6, 4, le);
  dv.setUint32(16, o.snaplen ?? MAXIMUM_SNAPLEN, le);
  dv.setUint32(20, o.linktype, le);
  return u8;
};

/** One packet, header and bytes, for a file whose header was made with the same options. */
export const pcap_record = (
  o: PcapHeaderOptions,
  ts_sec: number,
  ts_nsec: number,
  data: Uint8Array,
  len: number = data.length,
): Uint8Array => {
  const u8 = new Uint8Array(PCAP_RECORD_HEADER_LEN + data.length);
  const dv = view(u8);
  const le = !o.big_endian;
  dv.setUint32(0, ts_sec, le);
  dv.setUint32(4, o.nanosecond ? ts_nsec : Math.floor(ts_nsec / 1000), le);
  dv.setUint32(8, data.length, le);
  dv.setUint32(12, len, le);
  u8.set(data, PCAP_RECORD_HEADER_LEN);
  return u8;
};
