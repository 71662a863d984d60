// The kernel log that dmesg reads. Way in: printk(k, KERN_INFO, "igb: …").

import type { Kernel } from "./kernel.ts";

export const KERN_ERR = 3;
export const KERN_WARNING = 4;
export const KERN_NOTICE = 5;
export const KERN_INFO = 6;
export const KERN_DEBUG = 7;

export interface LogRecord {
  /** ns since boot. */
  ts_ns: number;
  /** syslog level, 0 (emergency) to 7 (debug). */
  level: number;
  text: string;
}

/** The log keeps the newest records only, as the ring buffer of the kernel does. */
const LOG_RECORDS_MAX = 4096;

export function printk(k: Kernel, level: number, text: string): void {
  if (k.log.length >= LOG_RECORDS_MAX) k.log.splice(0, LOG_RECORDS_MAX / 4);
  k.log.push({ ts_ns: Math.max(0, Math.round(k.now - k.boot_ns)), level, text });
}
