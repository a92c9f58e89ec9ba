// The dependency rule, as a lint: node scripts/lint-dependencies.mjs
//   cli → bert, datasets, core-native (types of devices only through bert);  bert → core-native, hub;  datasets → hub;  nothing else.
//   Only native/napi/ includes napi.h or node_api.h; a backend includes the ABI and its own folder, never core/ or another backend.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const MAY_IMPORT = {
  "core-native": [],
  hub: [],
  bert: ["core-native", "hub"],
  datasets: ["hub"],
  cli: ["bert", "datasets", "tiny"],
  tiny: [],
};
const NATIVE_MAY_INCLUDE = {
  core: ["core", "cpu", "reference", "node_bert"],
  napi: ["core", "node_bert"],
  cpu: ["cpu", "node_bert"],
  reference: ["reference", "node_bert"],
  include: ["node_bert"],
};

const problems = [];

function files(folder, pattern) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() && pattern.test(entry.name) && !/node_modules|dist/.test(entry.parentPath ?? entry.path),
    )
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

for (const name of readdirSync(join(root, "packages"))) {
  const allowed = MAY_IMPORT[name];
  if (allowed === undefined) {
    problems.push(`packages/${name}: not in the dependency rule of scripts/lint-dependencies.mjs`);
    continue;
  }
  for (const file of files(join(root, "packages", name, "src"), /\.ts$/))
    for (const [, imported] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?\s*["']@node-bert\/([\w-]+)/g))
      if (!allowed.includes(imported))
        problems.push(
          `${relative(root, file)}: imports @node-bert/${imported}; ${name} may import ${allowed.join(", ") || "no package of ours"}`,
        );
}

const native = join(root, "packages", "core-native", "native");
for (const [folder, allowed] of Object.entries(NATIVE_MAY_INCLUDE))
  for (const file of files(join(native, folder), /\.(cc|h)$/)) {
    const text = readFileSync(file, "utf8");
    if (folder !== "napi" && /#include\s*[<"](napi|node_api|node|uv)\.h/.test(text))
      problems.push(`${relative(root, file)}: only native/napi/ may know of Node`);
    for (const [, included] of text.matchAll(/#include\s*"([\w-]+)\//g))
      if (["core", "napi", "cpu", "reference", "node_bert"].includes(included) && !allowed.includes(included))
        problems.push(`${relative(root, file)}: includes ${included}/; ${folder}/ may include ${allowed.join(", ")}`);
  }
for (const file of files(join(root, "cuda"), /\.(cc|h|cu|cuh)$/))
  if (/#include\s*[<"](napi|node_api|node|uv)\.h/.test(readFileSync(file, "utf8")))
    problems.push(`${relative(root, file)}: the CUDA backend knows nothing of Node`);

for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);
