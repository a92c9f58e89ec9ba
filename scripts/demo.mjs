// npm run demo: sets everything up on a fresh machine, brings a small pretrained model, and runs the main job on the embedded reviews.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchMiniLm } from "./fetch-minilm.mjs";
import { setup } from "./setup.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
setup();
const model = fetchMiniLm();
const args = [
  "compare",
  "--model",
  model,
  "--dataset",
  "reviews",
  "--max-length",
  "96",
  "--epochs",
  "3",
  "--learning-rate",
  "5e-5",
];
args.push("--output", join(root, "runs", "demo"), ...process.argv.slice(2));
process.stderr.write(`demo: bert ${args.join(" ")}\n`);
const result = spawnSync(process.execPath, [join(root, "packages", "cli", "bin", "bert.js"), ...args], {
  stdio: "inherit",
});
process.exit(result.status ?? 1);
