// The version of this package, as package.json has it; tools/build.mjs checks that they agree.

export const VERSION = "0.1.0";
