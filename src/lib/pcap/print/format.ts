// A packet as the lines that tcpdump prints: number, time, text, bytes. Way in: format_packet.
// Read first: tcpdump(8); printer.ts for the options.

import { print_link } from "./print_link.ts";
import {
  hex_and_ascii,
  hex_only,
  new_print_state,
  Printer,
  type PrintOptions,
  type PrintState,
  pad2,
} from "./printer.ts";

export { new_print_state, type PrintOptions, type PrintState };

const fraction = (nsec: number, nano: boolean): string =>
  nano ? String(nsec).padStart(9, "0") : String(Math.floor(nsec / 1000)).padStart(6, "0");

const time_of_day = (sec: number): string => {
  const s = ((sec % 86400) + 86400) % 86400;
  return `${pad2(Math.floor(s / 3600))}:${pad2(Math.floor(s / 60) % 60)}:${pad2(s % 60)}`;
};

/** Year, month and day of a count of days since 1970-01-01 (proleptic Gregorian). */
const date_of = (days: number): string => {
  // Count years from March, so that the leap day is the last of its year.
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const doe = z - era * 146097;
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365);
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const day = doy - Math.floor((153 * mp + 2) / 5) + 1;
  const month = mp < 10 ? mp + 3 : mp - 9;
  const year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  return `${String(year).padStart(4, "0")}-${pad2(month)}-${pad2(day)}`;
};

const difference = (sec: number, nsec: number, from_sec: number, from_nsec: number, nano: boolean): string => {
  const unit = nano ? 1 : 1000;
  const [a, b] = [Math.floor(nsec / unit), Math.floor(from_nsec / unit)];
  const whole = 1e9 / unit;
  let d_sec = sec - from_sec;
  let d = a - b;
  const negative = d_sec < 0 || (d_sec === 0 && d < 0);
  if (negative) {
    d_sec = -d_sec;
    d = -d;
  }
  if (d < 0) {
    d_sec--;
    d += whole;
  }
  return `${negative ? "-" : " "}${time_of_day(d_sec)}.${fraction(d * unit, nano)}`;
};

/** The time in front of a packet, with the space after it; '' with -t. Moves the state on. */
const timestamp = (sec: number, nsec: number, o: PrintOptions, s: PrintState): string => {
  const nano = o.nano === true;
  const local = sec + (o.tz_offset ?? 0);
  if (s.count === 1) {
    s.first_sec = s.prev_sec = sec;
    s.first_nsec = s.prev_nsec = nsec;
  }
  let text: string;
  switch (o.t ?? 0) {
    case 1:
      return "";
    case 2:
      text = `${sec}.${fraction(nsec, nano)}`;
      break;
    case 3:
      text = difference(sec, nsec, s.prev_sec, s.prev_nsec, nano);
      s.prev_sec = sec;
      s.prev_nsec = nsec;
      break;
    case 4:
      text = `${date_of(Math.floor(local / 86400))} ${time_of_day(local)}.${fraction(nsec, nano)}`;
      break;
    case 5:
      text = difference(sec, nsec, s.first_sec, s.first_nsec, nano);
      break;
    default:
      text = `${time_of_day(local)}.${fraction(nsec, nano)}`;
  }
  return `${text} `;
};

/** The characters alone, as -A prints: line feeds and tabs stay. */
const ascii_only = (p: Printer, from: number, to: number): undefined => {
  p.out += "\n";
  for (let at = from; at < to; at++) {
    const c = p.u8[at];
    p.out += c === 9 || c === 10 || (c >= 32 && c < 127) ? String.fromCharCode(c) : ".";
  }
};

const bytes = (p: Printer, hdr: number, caplen: number, mode: string): undefined => {
  const from = mode.length === 2 ? 0 : Math.min(hdr, caplen);
  if (mode[0] === "x") hex_only(p, from, caplen);
  else if (mode[0] === "X") hex_and_ascii(p, from, caplen);
  else ascii_only(p, from, caplen);
};

/**
 * The lines for a packet of which `caplen` of `len` bytes are at the start of `u8`, at a time in seconds and nanoseconds
 * since the epoch. `state` carries what later packets are relative to; make one with new_print_state for a run.
 * Never throws, whatever the bytes.
 */
export const format_packet = (
  u8: Uint8Array,
  caplen: number,
  len: number,
  ts_sec: number,
  ts_nsec: number,
  o: PrintOptions,
  state: PrintState,
): string[] => {
  state.count++;
  const p = new Printer(u8, caplen, o, state);
  const end = p.end;
  if (end === 0) return [`[Invalid header: caplen==0${len === 0 ? ", len==0" : ""}]`];
  if (o.number) p.out += `${String(state.count).padStart(5)}  `;
  p.out += timestamp(ts_sec, ts_nsec, o, state);
  const hdr = print_link(p, len);
  if (o.hex) bytes(p, hdr, end, o.hex);
  return p.out.split("\n");
};
