#!/usr/bin/env node
// The command `bert`. In a clone, `npm run setup` makes dist/.
import { existsSync } from "node:fs";

const main = new URL("../dist/main.js", import.meta.url);
if (!existsSync(main)) {
  process.stderr.write("bert: not built yet. In a clone of the repository run: npm run setup\n");
  process.exit(1);
}
const { main: run } = await import(main.href);
process.exitCode = await run(process.argv.slice(2));
