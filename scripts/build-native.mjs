// Builds the native addon with cmake-js: node scripts/build-native.mjs [--sanitize]
// Incremental. The package node-api-headers stands in for Node's own headers, so nothing is downloaded.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const packageFolder = join(root, "packages", "core-native");
const require = createRequire(join(packageFolder, "package.json"));
const sanitize = process.argv.includes("--sanitize");

const args = [
  require.resolve("cmake-js/bin/cmake-js"),
  "compile",
  "--out",
  sanitize ? "build-sanitize" : "build",
  `--CDNB_NODE_ADDON_API=${require("node-addon-api").include_dir}`,
  `--CDNB_NODE_API_HEADERS=${require("node-api-headers").include_dir}`,
  `--CDNB_SANITIZE=${sanitize ? "ON" : "OFF"}`,
  "--parallel",
  "2",
];
const result = spawnSync(process.execPath, args, {
  cwd: packageFolder,
  encoding: "utf8",
  env: { ...process.env, npm_config_loglevel: "error" },
});
const output = `${result.stdout}${result.stderr}`;
if (result.status !== 0) {
  process.stderr.write(output);
  process.stderr.write("build-native: the native build failed, see above\n");
  process.exit(1);
}
if (process.argv.includes("--verbose")) process.stderr.write(output);
