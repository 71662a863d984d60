// Names of neighbour states as `ip neigh` spells them.
import * as N from "../../../../src/uapi/neighbour.ts";

export const { NTF_PROXY, NUD_PERMANENT } = N;

const bits: Readonly<Record<string, number>> = {
  none: N.NUD_NONE,
  incomplete: N.NUD_INCOMPLETE,
  reachable: N.NUD_REACHABLE,
  stale: N.NUD_STALE,
  delay: N.NUD_DELAY,
  probe: N.NUD_PROBE,
  failed: N.NUD_FAILED,
  noarp: N.NUD_NOARP,
  permanent: N.NUD_PERMANENT,
};
export const nud_bits = (name: string): number => bits[name]!;
