// npm run demo: sets everything up on a fresh machine and runs the main job on what comes with the repository: the model of packages/tiny and short reviews.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
setup();
const args = ["compare", "--output", join(root, "runs", "demo"), ...process.argv.slice(2)];
process.stderr.write(`demo: bert ${args.join(" ")}\n`);
const result = spawnSync(process.execPath, [join(root, "packages", "cli", "bin", "bert.js"), ...args], {
  stdio: "inherit",
});
process.exit(result.status ?? 1);
