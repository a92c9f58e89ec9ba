// Makes what other repositories install: node scripts/pack-all.mjs
// prebuildify builds this platform's binary into packages/core-native/prebuilds/, with oneDNN and libgomp beside it; then every package's tarball
// goes to artifacts/.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const core = join(root, "packages", "core-native");
const artifacts = join(root, "artifacts");

// turbo looks for pnpm on the PATH.
const env = {
  ...process.env,
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH}`,
  TURBO_TELEMETRY_DISABLED: "1",
  npm_config_loglevel: "error",
};

function run(command, args, cwd) {
  const result = spawnSync(command, args, {
    cwd,
    stdio: ["ignore", 2, 2],
    env,
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
for (const name of ["bert", "datasets"]) bundleHub(name);
rmSync(join(artifacts, tarballOf("hub")));
// A file of its own, for those with a GPU: NODE_BERT_CUDA_BACKEND names it, or it is put beside the addon.
const cuda = join(root, "cuda", "build", "libnode_bert_cuda.so");
if (existsSync(cuda)) run("strip", ["--strip-unneeded", "-o", join(artifacts, "libnode_bert_cuda.so"), cuda], root);
for (const file of readdirSync(artifacts)) process.stdout.write(`artifacts/${file}\n`);

function tarballOf(name) {
  return readdirSync(artifacts).find((file) => file.startsWith(`node-bert-${name}-`));
}

/** The Hub client travels inside the packages that use it, so that each can be installed alone, from its tarball. */
function bundleHub(name) {
  const work = mkdtempSync(join(tmpdir(), "node-bert-pack-"));
  const unpack = (file, folder) => {
    mkdirSync(folder, { recursive: true });
    run("tar", ["-xzf", join(artifacts, file), "--strip-components=1", "-C", folder], root);
  };
  const folder = join(work, "package");
  const bundled = join(folder, "node_modules", "@node-bert", "hub");
  unpack(tarballOf(name), folder);
  unpack(tarballOf("hub"), bundled);
  const manifestPath = join(folder, "package.json");
  const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));
  const hub = JSON.parse(readFileSync(join(bundled, "package.json"), "utf8"));
  manifest.dependencies = { ...hub.dependencies, ...manifest.dependencies };
  manifest.bundleDependencies = ["@node-bert/hub"];
  writeFileSync(manifestPath, `${JSON.stringify(manifest, null, 2)}\n`);
  run("tar", ["-czf", join(artifacts, tarballOf(name)), "-C", work, "package"], root);
  rmSync(work, { recursive: true, force: true });
}
