// The chances of netem: correlated random numbers, loss models, delay distributions. Mirrors half of net/sched/sch_netem.c.
// Read first: tc-netem(8); S. Salsano et al., "Definition of a general and intuitive loss model for packet networks"
// (2009); E. N. Gilbert (1960), E. O. Elliott (1963). Way in: loss_event(), tabledist().

import { type Prng, prng_u32 } from "../../lib/prng.ts";
import { NETEM_DIST_SCALE } from "../../uapi/pkt_sched.ts";

const TWO_32 = 0x1_0000_0000;

/** A random stream in which a value resembles the one before by `rho` / 2^32. */
export class Crndstate {
  last = 0.5;
  rho = 0;
  constructor() {
    this.last = 0;
  }
}

export function init_crandom(state: Crndstate, rho: number, prng: Prng): void {
  state.rho = rho;
  state.last = prng_u32(prng);
}

/** A number of 32 bits: new with weight 1 - rho, the last one with weight rho. */
export function get_crandom(state: Crndstate | null, prng: Prng): number {
  const value = prng_u32(prng);
  if (state === null || state.rho === 0) return value;
  const rho = state.rho + 1;
  const answer = Math.floor((value * (TWO_32 - rho) + state.last * rho) / TWO_32);
  state.last = answer;
  return answer;
}

/** A value around `mu` with spread `sigma`, ns: even over [mu - sigma, mu + sigma), or after a table of `dist`. */
export function tabledist(
  mu: number,
  sigma: number,
  state: Crndstate | null,
  prng: Prng,
  dist: Int16Array | null,
): number {
  if (sigma === 0) return mu;
  const rnd = get_crandom(state, prng);
  if (dist === null) {
    const span = 2 * sigma;
    return (span < TWO_32 ? rnd % span : Math.floor((rnd / TWO_32) * span)) + mu - sigma;
  }
  // The table holds deviations in units of 1/8192 sigma, equally likely.
  const t = dist[rnd % dist.length]!;
  const x = (sigma % NETEM_DIST_SCALE) * t;
  const rounded = Math.trunc((x >= 0 ? x + NETEM_DIST_SCALE / 2 : x - NETEM_DIST_SCALE / 2) / NETEM_DIST_SCALE);
  return rounded + Math.floor(sigma / NETEM_DIST_SCALE) * t + mu;
}

export const CLG_RANDOM = 0;
export const CLG_4_STATES = 1;
export const CLG_GILB_ELL = 2;

// States of the four-state chain, and the two of Gilbert and Elliott.
const TX_IN_GAP_PERIOD = 1;
const TX_IN_BURST_PERIOD = 2;
const LOST_IN_BURST_PERIOD = 3;
const LOST_IN_GAP_PERIOD = 4;
const GOOD_STATE = 1;
const BAD_STATE = 2;

/** Loss: at random with correlation, or by a Markov chain whose transitions are chances of 2^32. */
export class LossModel {
  kind: number = CLG_RANDOM;
  state = 1;
  /** 4 states: p13, p31, p32, p14, p23. Gilbert-Elliott: p, r, h, k1. */
  a1 = 0;
  a2 = 0;
  a3 = 0;
  a4 = 0;
  a5 = 0;
}

/** Gap: single losses (p14). Burst: runs of losses (p13 in, p31 out) with packets that pass between (p32, p23). */
function loss_4state(m: LossModel, prng: Prng): boolean {
  const rnd = prng_u32(prng);
  switch (m.state) {
    case TX_IN_GAP_PERIOD:
      if (rnd < m.a4) m.state = LOST_IN_GAP_PERIOD;
      else if (rnd < m.a1 + m.a4) m.state = LOST_IN_BURST_PERIOD;
      break;
    case TX_IN_BURST_PERIOD:
      if (rnd < m.a5) m.state = LOST_IN_BURST_PERIOD;
      break;
    case LOST_IN_BURST_PERIOD:
      if (rnd < m.a3) m.state = TX_IN_BURST_PERIOD;
      else if (rnd < m.a2 + m.a3) m.state = TX_IN_GAP_PERIOD;
      break;
    default:
      m.state = TX_IN_GAP_PERIOD;
  }
  return m.state === LOST_IN_BURST_PERIOD || m.state === LOST_IN_GAP_PERIOD;
}

/** In the good state 1-k of the packets are lost, in the bad one 1-h; p leads into the bad one, r out of it. */
function loss_gilb_ell(m: LossModel, prng: Prng): boolean {
  if (m.state === GOOD_STATE) {
    if (prng_u32(prng) < m.a1) m.state = BAD_STATE;
    return prng_u32(prng) < m.a4;
  }
  if (m.state === BAD_STATE) {
    if (prng_u32(prng) < m.a2) m.state = GOOD_STATE;
    return prng_u32(prng) > m.a3;
  }
  return false;
}

/** Is the next packet lost? `loss` is the chance of the random model. */
export function loss_event(m: LossModel, loss: number, cor: Crndstate, prng: Prng): boolean {
  if (m.kind === CLG_RANDOM) return loss !== 0 && loss >= get_crandom(cor, prng);
  return m.kind === CLG_4_STATES ? loss_4state(m, prng) : loss_gilb_ell(m, prng);
}
