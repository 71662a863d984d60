// A pcapng file that grows: one interface per link or device. Way in: new CaptureFile(path, names), packet(), close().

import { closeSync, openSync, writeSync } from "node:fs";
import { DLT_EN10MB } from "../lib/pcap/dlt.ts";
import { pcapng_epb, pcapng_idb, pcapng_shb } from "../lib/pcap/pcapng.ts";

/** Bytes kept before they are written. */
const BUFFER = 1 << 16;

export class CaptureFile {
  private readonly fd: number;
  private pending: Uint8Array[] = [];
  private bytes = 0;
  packets = 0;

  /** Throws what openSync throws: the caller names the file. */
  constructor(path: string, interfaces: string[]) {
    this.fd = openSync(path, "w");
    this.put(pcapng_shb({ application: "skbuff" }));
    for (const name of interfaces) this.put(pcapng_idb({ name, linktype: DLT_EN10MB, snaplen: 0 }));
  }

  /** One frame; its bytes are copied. `ts_ns`: since 1970. */
  packet(iface: number, ts_ns: number, frame: Uint8Array, direction?: 1 | 2, comments?: string[]): void {
    const sec = Math.floor(ts_ns / 1e9);
    this.packets++;
    this.put(
      pcapng_epb(sec, Math.round(ts_ns - sec * 1e9), frame, {
        interface_id: iface,
        len: frame.length,
        ...(direction && { direction }),
        ...(comments && { comments }),
      }),
    );
  }

  private put(block: Uint8Array): void {
    this.pending.push(block);
    this.bytes += block.length;
    if (this.bytes >= BUFFER) this.flush();
  }

  flush(): void {
    for (const b of this.pending) writeSync(this.fd, b);
    this.pending = [];
    this.bytes = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.fd);
  }
}
