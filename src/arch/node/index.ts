// `import { NodePlatform, openTap } from "skbuff/node"`.

export { NodePlatform } from "./platform.ts";
export { openTap, TapError, type TapOptions, TapPort } from "./tap.ts";
export { tuneV8 } from "./tune.ts";
