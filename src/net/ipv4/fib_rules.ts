import type { Net } from "../core/net_namespace.ts";
export function fib4_rules_init(_net: Net): void {}
export function fib4_rules_exit(_net: Net): void {}
