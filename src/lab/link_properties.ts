// The properties of a cable or hub: "rate=100mbit delay=2ms loss=1% duplex=half" and their units (as in tc(8)).
// Way in: `parseLinkWords()` for lab.conf, `setLinkProperty()` for each key of a YAML mapping.

import { quote, suggest } from "./diagnostics.ts";

export interface LinkProperties {
  /** Bits per second; undefined: as fast as the cards. */
  rate_bps?: number;
  /** Propagation delay, one way. */
  delay_ns?: number;
  /** Half duplex: the ends share the medium and collide. */
  half_duplex?: boolean;
  /** Frames that wait for the cable at each end. */
  limit?: number;
  /** Probabilities from 0 to 1, drawn from the lab's seed. */
  loss?: number;
  corrupt?: number;
  duplicate?: number;
  reorder?: number;
  /** Of the interfaces at its ends. */
  mtu?: number;
  /** A hub even with two ends. */
  hub?: boolean;
}

export const LINK_KEYS = [
  "rate",
  "delay",
  "duplex",
  "limit",
  "loss",
  "corrupt",
  "duplicate",
  "reorder",
  "mtu",
  "hub",
] as const;

/** Undefined when it was set, or what is wrong with it. */
export function setLinkProperty(link: LinkProperties, key: string, value: string): string | undefined {
  switch (key) {
    case "rate": {
      const n = scaled(value, RATE);
      if (n === undefined || n < 1000 || n > 1e12)
        return wrong(key, value, "a rate from 1kbit to 1000gbit, such as 100mbit");
      link.rate_bps = n;
      return undefined;
    }
    case "delay": {
      const n = scaled(value, TIME);
      if (n === undefined || n > 3.6e12) return wrong(key, value, "a time up to 3600s, such as 2ms or 500ns");
      link.delay_ns = n;
      return undefined;
    }
    case "duplex":
      if (value !== "half" && value !== "full") return wrong(key, value, "half or full");
      link.half_duplex = value === "half";
      return undefined;
    case "limit":
    case "mtu": {
      const [low, high] = key === "mtu" ? [68, 65535] : [1, 1_000_000];
      const n = /^\d{1,7}$/.test(value) ? Number(value) : -1;
      if (n < low || n > high) return wrong(key, value, `a number from ${low} to ${high}`);
      link[key] = n;
      return undefined;
    }
    case "loss":
    case "corrupt":
    case "duplicate":
    case "reorder": {
      const m = /^(\d{1,3}(?:\.\d{1,9})?)%?$/.exec(value);
      if (m === null || Number(m[1]) > 100) return wrong(key, value, "a percentage from 0% to 100%");
      link[key] = Number(m[1]) / 100;
      return undefined;
    }
    case "hub":
      if (value !== "true" && value !== "false" && value !== "") return wrong(key, value, "true or false");
      link.hub = value !== "false";
      return undefined;
    default:
      return `unknown property ${quote(key)} of a link${suggest(key, LINK_KEYS)}`;
  }
}

/** "rate=100mbit delay=2ms hub": what is wrong, word by word. */
export function parseLinkWords(link: LinkProperties, text: string): string[] {
  const errors: string[] = [];
  for (const word of text.split(/[\s,;]+/)) {
    if (word === "") continue;
    const eq = word.indexOf("=");
    const error = setLinkProperty(link, eq < 0 ? word : word.slice(0, eq), eq < 0 ? "" : word.slice(eq + 1));
    if (error !== undefined) errors.push(error);
  }
  return errors;
}

const RATE: Readonly<Record<string, number>> = {
  "": 1,
  bit: 1,
  bps: 8,
  kbit: 1e3,
  mbit: 1e6,
  gbit: 1e9,
  kbps: 8e3,
  mbps: 8e6,
  gbps: 8e9,
};
const TIME: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  ms: 1e6,
  s: 1e9,
  "": 1e3,
  usec: 1e3,
  msec: 1e6,
  sec: 1e9,
};

function scaled(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const m = /^(\d{1,15}(?:\.\d{1,9})?)([a-z]*)$/i.exec(text);
  if (m === null || !Object.hasOwn(units, m[2].toLowerCase())) return undefined;
  return Math.round(Number(m[1]) * units[m[2].toLowerCase()]);
}

function wrong(key: string, value: string, expected: string): string {
  return `${key} of a link is ${expected}, not ${quote(value)}`;
}
