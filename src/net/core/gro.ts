// GRO: being written.

import type { Kernel } from "../../kernel/kernel.ts";

export function gro_init(_k: Kernel): void {}
