// The names of ICMP types and codes in scripts (RFC 792). Way in: icmp_type_of(), icmp_code_of().

const TYPES: Readonly<Record<string, number>> = {
  echo_reply: 0,
  unreachable: 3,
  source_quench: 4,
  redirect: 5,
  echo_request: 8,
  time_exceeded: 11,
  parameter_problem: 12,
  timestamp_request: 13,
  timestamp_reply: 14,
};

const UNREACHABLE: Readonly<Record<string, number>> = {
  net_unreachable: 0,
  host_unreachable: 1,
  protocol_unreachable: 2,
  port_unreachable: 3,
  frag_needed: 4,
  source_route_failed: 5,
  net_unknown: 6,
  host_unknown: 7,
  source_host_isolated: 8,
  net_prohibited: 9,
  host_prohibited: 10,
  net_unreachable_for_tos: 11,
  host_unreachable_for_tos: 12,
  admin_prohibited: 13,
  packet_filtered: 13,
  prec_violation: 14,
  prec_cutoff: 15,
};

const CODES: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  3: UNREACHABLE,
  11: { exc_ttl: 0, ttl_exceeded: 0, exc_fragtime: 1, frag_time_exceeded: 1 },
  5: { redirect_net: 0, redirect_host: 1, redirect_net_tos: 2, redirect_host_tos: 3 },
};

export const icmp_type_of = (name: string): number => TYPES[name] ?? -1;
export const icmp_code_of = (type: number, name: string): number => CODES[type]?.[name] ?? -1;
export const icmp_name = (type: number): string => Object.keys(TYPES).find((n) => TYPES[n] === type) ?? `type ${type}`;
