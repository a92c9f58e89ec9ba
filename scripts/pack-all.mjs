// Makes what other repositories install: node scripts/pack-all.mjs
// prebuildify builds this platform's binary into packages/core-native/prebuilds/, with oneDNN and libgomp beside it; then every package's tarball
// goes to artifacts/.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const core = join(root, "packages", "core-native");
const artifacts = join(root, "artifacts");

function run(command, args, cwd) {
  const result = spawnSync(command, args, {
    cwd,
    stdio: ["ignore", 2, 2],
    env: { ...process.env, npm_config_loglevel: "error" },
  });
  if (result.status !== 0) {
    process.stderr.write(`pack-all: failed: ${command} ${args.join(" ")}\n`);
    process.exit(1);
  }
}

run(process.execPath, [join(root, "scripts", "build-native.mjs")], root);
rmSync(join(core, "prebuilds"), { recursive: true, force: true });
const beside = mkdtempSync(join(tmpdir(), "node-bert-beside-"));
for (const library of ["libdnnl.so.3", "libgomp.so.1"]) {
  copyFileSync(realpathSync(join(core, "build", "Release", library)), join(beside, library));
  run("strip", ["--strip-unneeded", join(beside, library)], root);
}
const prebuildify = createRequire(join(core, "package.json")).resolve("prebuildify/bin.js");
run(
  process.execPath,
  [
    prebuildify,
    "--napi",
    "--strip",
    "--node-gyp",
    join(root, "scripts", "cmake-js-as-node-gyp.sh"),
    "--artifacts",
    beside,
  ],
  core,
);
rmSync(beside, { recursive: true, force: true });

run(join(root, "node_modules", ".bin", "turbo"), ["run", "build", "--output-logs=errors-only"], root);
rmSync(artifacts, { recursive: true, force: true });
mkdirSync(artifacts);
for (const name of readdirSync(join(root, "packages")))
  run(
    join(root, "node_modules", ".bin", "pnpm"),
    ["pack", "--pack-destination", artifacts],
    join(root, "packages", name),
  );
for (const file of readdirSync(artifacts)) process.stdout.write(`artifacts/${file}\n`);
