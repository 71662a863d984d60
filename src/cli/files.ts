// What a command will write is opened before it runs, so that a name that cannot be is refused first. Way in: cannotWrite().

import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Makes the file, empty. What is wrong with its name, or null. */
export function cannotWrite(file: string): string | null {
  try {
    closeSync(openSync(file, "w"));
    return null;
  } catch (e) {
    return `cannot write ${file}: ${(e as Error).message}`;
  }
}

/** Makes the folder and those above it. One by one: mkdirSync's `recursive` does not end below /proc. */
export function cannotMakeFolder(dir: string): string | null {
  const missing: string[] = [];
  for (let d = resolve(dir); !existsSync(d); d = dirname(d)) missing.push(d);
  try {
    for (const d of missing.reverse()) mkdirSync(d);
    accessSync(dir, constants.W_OK | constants.X_OK);
    return null;
  } catch (e) {
    return `cannot write to the folder ${dir}: ${(e as Error).message}`;
  }
}
