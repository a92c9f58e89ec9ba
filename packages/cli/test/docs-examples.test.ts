// The examples of the documentation hold: every ```ts block of a README or of docs/ and every @example of the sources is type-checked against
// the built packages, then executed beside a Hub on localhost with a small model and film reviews under the names that the examples use.
// What a comment after an expression says of its value is compared: `scheduleFactor("linear", 5, 0, 10); // 0.5`.
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { BertForSequenceClassification, parseConfig } from "@node-bert/bert";
import { BertTokenizer } from "@node-bert/datasets";
import test from "ava";
import { FakeHub } from "../../hub/test/fake-hub.js";
import { asModule, type Example, findExamples } from "./support/docs-examples.js";
import { makeFolder, reviews } from "./support/run-bert.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const PACKAGES = ["bert", "datasets", "hub", "core-native"];
/** Rows of text and label. */
const PARQUET = "packages/datasets/test/fixtures/parquet/gzip.parquet";

/** The exported values of every package. */
async function exportsOf(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of PACKAGES.toReversed()) {
    const exported = await import(pathToFileURL(join(root, "packages", name, "dist", "index.js")).href);
    for (const key of Object.keys(exported)) found.set(key, name);
  }
  return found;
}

/** A folder in which every file that the examples name is there; its model has the real one's ids for a few words. */
async function makeModelAndData(hub: FakeHub): Promise<string> {
  const folder = makeFolder({ "train.jsonl": reviews(24), "big.parquet": readFileSync(join(root, PARQUET)) });
  const vocabulary = Array.from({ length: 30_522 }, (_, id) => `[unused${id}]`);
  const words: Record<string, number> = {
    "[PAD]": 0,
    "[UNK]": 100,
    "[CLS]": 101,
    "[SEP]": 102,
    "[MASK]": 103,
    a: 1037,
  };
  Object.assign(words, { hello: 7592, world: 2088, good: 2204, bad: 2919, film: 2143, number: 2193 });
  for (const [word, id] of Object.entries(words)) vocabulary[id] = word;
  const config = {
    vocab_size: 30_522,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 64,
  };
  const model = BertForSequenceClassification.fromConfig(parseConfig(config), { seed: 1 });
  const tokenizer = BertTokenizer.fromVocabulary(vocabulary);
  for (const path of ["models/bert", "my-model", "."]) await model.savePretrained(join(folder, path), { tokenizer });
  const files = readdirSync(join(folder, "my-model")).map((name) => [
    name,
    readFileSync(join(folder, "my-model", name)),
  ]);
  hub.addRepo("models/google-bert/bert-base-uncased", Object.fromEntries(files));
  const rows = Array.from(
    { length: 400 },
    (_, i) => `{"text":"a film ${i}","label":"${i < 200 ? "neg" : "pos"}"}\n`,
  ).join("");
  hub.addRepo("datasets/stanfordnlp/imdb", { "train.jsonl": rows, "test.jsonl": rows });
  return folder;
}

test("every example type-checks and runs, and gives the values that it says", async (t) => {
  const examples = findExamples(root);
  t.true(examples.length > 30);
  // Within the package's modules, where TypeScript and Node.js look for imports and where nothing is linted.
  mkdirSync(join(root, "packages", "cli", "node_modules"), { recursive: true });
  const folder = mkdtempSync(join(root, "packages", "cli", "node_modules", ".examples-"));
  const hub = await FakeHub.start();
  try {
    mkdirSync(join(folder, "node_modules", "@node-bert"), { recursive: true });
    for (const name of PACKAGES)
      symlinkSync(join(root, "packages", name), join(folder, "node_modules", "@node-bert", name));
    const packageOf = await exportsOf();
    const nameOf = ({ place }: Example) => place.replace(/\W+/g, "-");
    for (const example of examples)
      writeFileSync(join(folder, `${nameOf(example)}.mts`), asModule(example.code, packageOf));
    const same = `import { deepEqual } from "node:assert/strict";
      const plain = (value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Int32Array) : value);
      let count = 0;
      export const same = (value: unknown, said: unknown): void => { count++; deepEqual(plain(value), said); };
      process.on("exit", () => console.log("compared", count));`;
    writeFileSync(join(folder, "same.mts"), same);
    const compilerOptions = {
      noUnusedLocals: false,
      outDir: "out",
      rootDir: ".",
      declaration: false,
      typeRoots: [join(root, "node_modules/@types")],
    };
    const project = {
      extends: join(root, "tsconfig.base.json"),
      compilerOptions,
      files: ["same.mts", ...examples.map((example) => `${nameOf(example)}.mts`)],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project));
    const tsc = join(
      dirname(createRequire(join(root, "package.json")).resolve("typescript/package.json")),
      "bin",
      "tsc",
    );
    const run = promisify(execFile);
    const checked = await run(process.execPath, [tsc, "-p", folder]).catch((error) => error);
    t.falsy(checked.code, checked.stdout);

    const lines = examples.map(
      (e) => `console.log(${JSON.stringify(`=== ${e.place}`)}); await import("./${nameOf(e)}.mjs").catch(fail);`,
    );
    const fail = "const fail = (error) => { console.log(error); process.exitCode = 1; };";
    writeFileSync(join(folder, "out", "all.mjs"), [fail, ...lines].join("\n"));
    const cwd = await makeModelAndData(hub);
    const caches = { HF_ENDPOINT: hub.url, HF_HOME: join(cwd, "hf-home"), NODE_BERT_CACHE: join(cwd, "cache") };
    const env = { ...process.env, ...caches, NODE_BERT_THREADS: "1" };
    for (const name of ["HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "NODE_BERT_DATA"])
      delete (env as NodeJS.ProcessEnv)[name];
    const ended = await run(process.execPath, [join(folder, "out", "all.mjs")], { cwd, env }).catch((error) => error);
    t.falsy(ended.code, ended.stdout + ended.stderr);
    const compared = Number(/^compared (\d+)$/m.exec(ended.stdout)?.[1]);
    t.true(compared > 5);
    t.regex(ended.stdout, /^=== README\.md:\d+\n[01](\.\d+)?$/m);
    t.true(existsSync(join(cwd, "run", "model.safetensors")));
    rmSync(cwd, { recursive: true });
    t.log(`${examples.length} examples type-checked and executed, ${compared} values compared`);
  } finally {
    await hub.stop();
    rmSync(folder, { recursive: true });
  }
});
