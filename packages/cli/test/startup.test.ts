// A command loads what it uses: modules took most of the time from the shell to the first prediction.
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test from "ava";
import { makeFolder, runBert, TINY } from "./support/run-bert.js";

const COMMANDS = readdirSync(new URL("../src/commands", import.meta.url)).map((file) => basename(file, ".ts"));
const HEAVY = ["cli-progress", "csv-parse", "hyparquet", "hyparquet-compressors", "tar-stream", "undici", "yaml"];

/** Those of HEAVY, and the commands, that a command line loads: V8 names every module in its coverage. */
async function loadedBy(args: readonly string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "node-bert-coverage-"));
  const { code, stderr } = await runBert(args, { env: { NODE_V8_COVERAGE: folder } });
  if (code !== 0) throw new Error(stderr);
  const [file] = readdirSync(folder);
  const { result } = JSON.parse(readFileSync(join(folder, file!), "utf8")) as { result: { url: string }[] };
  const found = result.map(({ url }) => /\/cli\/dist\/commands\/(\w+)\.js$|.*\/node_modules\/([^/]+)\//.exec(url));
  const names = new Set(found.map((match) => match?.[1] ?? match?.[2] ?? ""));
  return [...HEAVY, ...COMMANDS].filter((name) => names.has(name));
}

test("predict loads neither other commands nor readers of files that it is not given", async (t) => {
  t.deepEqual(await loadedBy(["predict", "--model", TINY, "--text", "good"]), ["predict"]);
  const file = join(makeFolder({ "rows.csv": "text\ngood\n" }), "rows.csv");
  t.deepEqual(await loadedBy(["predict", "--model", TINY, "--file", file]), ["csv-parse", "predict"]);
});

test("every command is listed, and found by its name", async (t) => {
  const { stdout } = await runBert(["--help"]);
  const listed = [...stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name]) => name!);
  t.deepEqual(listed.sort(), COMMANDS.sort());
  for (const name of listed) {
    const help = await runBert([name, "--help"]);
    t.is(help.code, 0, help.stderr);
    t.true(help.stdout.startsWith(`Usage: bert ${name} `), help.stdout);
  }
});
