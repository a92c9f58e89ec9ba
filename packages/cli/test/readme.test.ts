// The README's examples hold: its program runs, its command lines name commands and flags that exist, its links lead somewhere.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import test from "ava";
import { makeFolder, runBert, TINY } from "./support/run-bert.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

function fences(language: string): string[] {
  return Array.from(readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms")), ([, code]) => code);
}

test("the TypeScript program runs, on a tiny model in the place of the Hub's", (t) => {
  const programs = fences("ts");
  t.is(programs.length, 1);
  const name = /^const name = ".*?";/m;
  t.regex(programs[0], name);
  // Beside this package's dependencies, where its imports are found.
  const modules = join(root, "packages", "cli", "node_modules");
  mkdirSync(modules, { recursive: true });
  const folder = mkdtempSync(join(modules, ".readme-"));
  const cwd = makeFolder();
  try {
    const file = join(folder, "program.mts");
    writeFileSync(file, programs[0].replace(name, `const name = ${JSON.stringify(TINY)};`));
    const tsx = pathToFileURL(createRequire(join(root, "package.json")).resolve("tsx")).href;
    const env = { ...process.env, NODE_BERT_THREADS: "1", NODE_BERT_CACHE: cwd };
    const result = spawnSync(process.execPath, [`--import=${tsx}`, file], { cwd, encoding: "utf8", env });
    t.is(result.status, 0, result.stderr);
    const accuracy = Number(result.stdout);
    t.true(result.stdout.trim() !== "" && accuracy >= 0 && accuracy <= 1, result.stdout);
    t.true(existsSync(join(cwd, "run", "model.safetensors")));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("every command line names a command and flags that exist", async (t) => {
  const lines = fences("sh").flatMap((code) => code.split("\n").filter((line) => line.startsWith("bert ")));
  t.true(lines.length > 5);
  const shown = new Map<string, string>();
  for (const line of lines) {
    const [, command] = line.split(" ");
    if (!shown.has(command)) shown.set(command, (await runBert([command, "--help"])).stdout);
    const help = shown.get(command) as string;
    t.regex(help, new RegExp(`^Usage: bert ${command}`));
    for (const [flag] of line.matchAll(/--[a-z-]+/g)) t.regex(help, new RegExp(`^  ${flag}\\b`, "m"), line);
  }
});

test("links lead to files", (t) => {
  const links = Array.from(readme.matchAll(/\]\(([^)#]+)\)/g), ([, link]) => link);
  t.true(links.length > 5);
  for (const link of links) t.true(existsSync(join(root, link)), link);
});
