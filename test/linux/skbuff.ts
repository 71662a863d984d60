// The skbuff command from its sources, without the launcher: `node --import tsx test/linux/skbuff.ts host --tap …`.

import { main } from "../../src/cli/main.ts";

process.exitCode = await main(process.argv.slice(2));
