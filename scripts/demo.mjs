// npm run demo: sets everything up on a fresh machine and runs the main job on short embedded reviews, with the model of packages/tiny where its
// weights are, else with a small one that is fetched.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchMiniLm } from "./fetch-minilm.mjs";
import { setup } from "./setup.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
setup();
const isOwnModel = existsSync(join(root, "packages", "tiny", "model.safetensors"));
const fetched = () => [
  "--model",
  fetchMiniLm(),
  "--dataset",
  "reviews",
  "--max-length",
  "96",
  "--learning-rate",
  "5e-5",
];
const args = [
  "compare",
  ...(isOwnModel ? [] : fetched()),
  "--output",
  join(root, "runs", "demo"),
  ...process.argv.slice(2),
];
process.stderr.write(`demo: bert ${args.join(" ")}\n`);
const result = spawnSync(process.execPath, [join(root, "packages", "cli", "bin", "bert.js"), ...args], {
  stdio: "inherit",
});
process.exit(result.status ?? 1);
