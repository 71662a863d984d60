// GSO: being written.

import type { Kernel } from "../../kernel/kernel.ts";

export function gso_init(_k: Kernel): void {}
