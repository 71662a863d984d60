// The one branch that tracing costs when it is off: a static key, as the kernel's jump labels are.
// Read first: docs/decisions/002-static-key.md. Way in: `if (trace_key.on) trace_fn(F_ip_rcv, skb)`.

/**
 * True while any machine of the process traces or charges costs. It is an over-approximation that lets the JIT fold the
 * branch away (the field of a constant object that never changed is a constant); which machine traces is decided behind
 * it, per Kernel. Only kernel/trace.ts writes it.
 */
export const trace_key = { on: false };
