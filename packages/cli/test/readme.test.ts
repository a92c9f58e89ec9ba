// What the README shows holds: its command lines name commands and flags that exist, its links lead somewhere.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { runBert } from "./support/run-bert.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

function fences(language: string): string[] {
  return Array.from(readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms")), ([, code]) => code);
}

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
