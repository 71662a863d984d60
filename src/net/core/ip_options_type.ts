// struct ip_options: what parsing the options of an IPv4 header found. Filled by net/ipv4/ip_options.ts.

export class IpOptions {
  /** First hop of a source route that we send, int32. */
  faddr = 0;
  nexthop = 0;
  optlen = 0;
  /** Offsets from the start of the IP header, 0 when absent. */
  srr = 0;
  rr = 0;
  ts = 0;
  router_alert = 0;
  cipso = 0;
  is_strictroute = false;
  srr_is_hit = false;
  is_changed = false;
  rr_needaddr = false;
  ts_needtime = false;
  ts_needaddr = false;
  /** Raw option bytes for sending, multiple of 4; null for options that lie in a packet. */
  data: Uint8Array | null = null;
}
