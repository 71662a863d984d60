// Dynamic queue limits: how much a queue of hardware may hold so that it never runs dry, and no more. Mirrors lib/dynamic_queue_limits.c.
// Read first: Documentation/ABI/testing/sysfs-class-net-queues of Linux (byte_queue_limits). Way in: dql_queued() when something
// is given to the hardware, dql_completed() when it has done it, dql_avail() before more is given. One object is one byte.

/** The largest limit; far enough below 2^31 for differences of counters to have a sign. */
export const DQL_MAX_LIMIT = 0x7000_0000;

/** struct dql. Counters are int32 and wrap; only their differences mean something. */
export class Dql {
  /** Ever given to the hardware, and the size of the last lot. */
  num_queued = 0;
  last_obj_cnt = 0;
  /** num_completed + limit: so that dql_avail() is one subtraction. */
  adj_limit = 0;
  limit = 0;
  num_completed = 0;
  /** As of the last completion: what was queued, by how much that was over the limit, the size of its last lot. */
  prev_num_queued = 0;
  prev_ovlimit = 0;
  prev_last_obj_cnt = 0;
  /** The least that was too much since slack_start_time (jiffies). */
  lowest_slack = DQL_MAX_LIMIT;
  slack_start_time = 0;
  max_limit = DQL_MAX_LIMIT;
  min_limit = 0;
  /** For how long there must be slack before the limit falls, in jiffies. */
  slack_hold_time = 1000;
  /** A completion that is this many jiffies late is a stall; 0: nobody looks. */
  stall_thrs = 0;
  stall_max = 0;
  stall_cnt = 0;
  /** Since when something has been with the hardware without a completion. Kept while stall_thrs is set. */
  stall_start = 0;
}

/** Before dql_queued(), while stall_thrs is set: the time that an idle queue spends does not count. `now` in jiffies. */
export function dql_queue_stall(dql: Dql, now: number): void {
  if (dql.num_queued === dql.num_completed) dql.stall_start = now;
}

/** `count` bytes go to the hardware. */
export function dql_queued(dql: Dql, count: number): void {
  dql.last_obj_cnt = count;
  dql.num_queued = (dql.num_queued + count) | 0;
}

/** How much more may be given; negative when the last lot went over the limit. */
export const dql_avail = (dql: Dql): number => (dql.adj_limit - dql.num_queued) | 0;

/** What the hardware holds. */
export const dql_inflight = (dql: Dql): number => (dql.num_queued - dql.num_completed) | 0;

function dql_check_stall(dql: Dql, now: number): void {
  const late = now - dql.stall_start;
  if (late >= dql.stall_thrs) {
    dql.stall_cnt++;
    if (late > dql.stall_max) dql.stall_max = late;
  }
  dql.stall_start = now;
}

/**
 * The hardware has done `count` bytes: the limit follows. It rises at once when the hardware had nothing left to do although
 * the limit held something back, and falls, after slack_hold_time, by the least that was to spare at all times.
 */
export function dql_completed(dql: Dql, count: number, now: number): void {
  const { num_queued, prev_num_queued, prev_ovlimit } = dql;
  const completed = (dql.num_completed + count) | 0;
  const over = (num_queued - dql.num_completed - dql.limit) | 0;
  const ovlimit = over > 0 ? over : 0;
  const inflight = (num_queued - completed) | 0;
  const had_inflight = ((prev_num_queued - dql.num_completed) | 0) !== 0;
  // Of what was done now, this much had not been queued yet at the last completion.
  const fresh = (completed - prev_num_queued) | 0;
  let limit = dql.limit;
  if ((ovlimit !== 0 && inflight === 0) || (prev_ovlimit !== 0 && fresh >= 0)) {
    // Starved: the queue was full and all of it is done; or it was full the last time, and all that was queued then is done.
    // Then the hardware would have taken what was sent and done within this interval on top, and what went over before.
    limit += (fresh > 0 ? fresh : 0) + prev_ovlimit;
    dql.slack_start_time = now;
    dql.lowest_slack = DQL_MAX_LIMIT;
  } else if (inflight !== 0 && had_inflight && fresh <= 0) {
    // Busy all the time. An interval's work must be there at its beginning, and the next one's at its end: more is slack.
    let slack = limit + prev_ovlimit - 2 * count;
    if (slack < 0) slack = 0;
    // The last lot may have gone over the limit: that part was to spare too.
    const last = prev_ovlimit !== 0 && dql.prev_last_obj_cnt > prev_ovlimit ? dql.prev_last_obj_cnt - prev_ovlimit : 0;
    if (last > slack) slack = last;
    if (slack < dql.lowest_slack) dql.lowest_slack = slack;
    if (now - dql.slack_start_time > dql.slack_hold_time) {
      limit = limit > dql.lowest_slack ? limit - dql.lowest_slack : 0;
      dql.slack_start_time = now;
      dql.lowest_slack = DQL_MAX_LIMIT;
    }
  }
  if (limit > dql.max_limit) limit = dql.max_limit;
  if (limit < dql.min_limit) limit = dql.min_limit;
  if (limit !== dql.limit) {
    dql.limit = limit;
    // What was over the old limit need not be over this one.
    dql.prev_ovlimit = 0;
  } else dql.prev_ovlimit = ovlimit;
  dql.adj_limit = (limit + completed) | 0;
  dql.num_completed = completed;
  dql.prev_num_queued = num_queued;
  dql.prev_last_obj_cnt = dql.last_obj_cnt;
  if (dql.stall_thrs !== 0) dql_check_stall(dql, now);
}

/** The hardware lost all it had: nothing is in flight, and the limit is learned anew. */
export function dql_reset(dql: Dql, now: number): void {
  dql.limit = dql.min_limit;
  dql.num_queued = dql.num_completed = dql.last_obj_cnt = 0;
  dql.adj_limit = dql.limit;
  dql.prev_num_queued = dql.prev_last_obj_cnt = dql.prev_ovlimit = 0;
  dql.lowest_slack = DQL_MAX_LIMIT;
  dql.slack_start_time = now;
}
