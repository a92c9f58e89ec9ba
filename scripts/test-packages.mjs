// What another repository sees: the tarballs of `npm run pack:all`, installed with npm into empty projects elsewhere, without a compiler on the
// PATH and without install scripts. The README's program runs there in TypeScript and in JavaScript, and is type-checked.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const work = mkdtempSync(join(tmpdir(), "node-bert-packages-"));

/** Only node, npm and a shell: nothing that could compile. */
const tools = join(work, "bin");
mkdirSync(tools);
for (const tool of ["node", "npm", "npx"]) symlinkSync(join(dirname(process.execPath), tool), join(tools, tool));
for (const tool of ["sh", "env"])
  symlinkSync(spawnSync("which", [tool], { encoding: "utf8" }).stdout.trim(), join(tools, tool));
const env = { ...process.env, PATH: tools, npm_config_loglevel: "error" };
delete env.NODE_BERT_ADDON;
for (const name of Object.keys(env))
  if (name.startsWith("npm_") && name !== "npm_config_loglevel" && !/registry|cafile|proxy/.test(name))
    delete env[name];

function run(what, command, args, cwd, options = {}) {
  const result = spawnSync(command, args, { cwd, env, encoding: "utf8", ...options });
  if (result.status !== 0) {
    process.stderr.write(`test-packages: ${what} failed\n${result.stdout}${result.stderr}\n`);
    process.exit(1);
  }
  process.stderr.write(`test-packages: ${what}: ok\n`);
  return result.stdout;
}

run("pack:all", process.execPath, [join(root, "scripts", "pack-all.mjs")], root, { env: process.env });
const artifacts = join(root, "artifacts");
const tarballs = readdirSync(artifacts).filter((file) => file.endsWith(".tgz"));
const tarball = (name) =>
  join(
    artifacts,
    tarballs.find((file) => file.startsWith(`node-bert-${name}-`)),
  );

function makeProject(name, packages) {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...packages.map(tarball)];
  run(`npm install of ${packages.join(", ")}`, join(tools, "npm"), args, folder);
  return folder;
}

// The program of the README, on a tiny random model and rows of its own.
const PROGRAM = `
import { BertForSequenceClassification, Trainer } from "@node-bert/bert";
import { BertTokenizer, loadDataset } from "@node-bert/datasets";

const name = "model";
const tokenizer = await BertTokenizer.fromPretrained(name);
const { train, test } = await loadDataset("reviews", { split: { train: "train[:10%]", test: "test[:10%]" } });
const model = await BertForSequenceClassification.fromPretrained(name, { numLabels: 2 });
const trainer = new Trainer({ model, tokenizer, args: { batchSize: 8, epochs: 1, maxLength: 32, learningRate: 2e-5, loggingSteps: 10, evalStrategy: "epoch" }, train, test });
await trainer.train();
const { accuracy } = await trainer.evaluate();
if (!(accuracy >= 0 && accuracy <= 1)) throw new Error(\`accuracy is \${accuracy}\`);
await model.savePretrained("saved", { tokenizer });
const [prediction] = await new Trainer({ model, tokenizer }).predict(["a fine film"]);
console.log(JSON.stringify({ accuracy, label: prediction.label }));
`;

try {
  const project = makeProject("program", ["core-native", "bert", "datasets", "cli", "tiny"]);
  cpSync(join(root, "packages", "bert", "test", "fixtures", "tiny", "model"), join(project, "model"), {
    recursive: true,
  });
  writeFileSync(join(project, "program.js"), PROGRAM);
  writeFileSync(join(project, "program.ts"), PROGRAM);
  const inJavaScript = run("the program in JavaScript", join(tools, "node"), ["program.js"], project);
  const tsx = createRequire(join(root, "package.json")).resolve("tsx");
  const inTypeScript = run(
    "the program in TypeScript",
    join(tools, "node"),
    [`--import=file://${tsx}`, "program.ts"],
    project,
  );
  if (inJavaScript !== inTypeScript) throw new Error(`they differ: ${inJavaScript} ${inTypeScript}`);
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2022",
        lib: ["ES2023", "ESNext.Disposable"],
        module: "NodeNext",
        strict: true,
        noEmit: true,
        types: ["node"],
        typeRoots: [join(root, "node_modules", "@types")],
      },
      include: ["program.ts"],
    }),
  );
  run(
    "type-checking the program",
    process.execPath,
    [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "."],
    project,
  );
  const answer = JSON.parse(
    run(
      "bert predict",
      join(tools, "npx"),
      ["bert", "predict", "--model", "saved", "--text", "a fine film", "--json"],
      project,
    ),
  );
  if (answer.predictions.length !== 1) throw new Error("bert predict gave no prediction");

  const compare = ["bert", "compare", "--max-steps", "4", "--json"];
  const { methods } = JSON.parse(run("bert compare without arguments", join(tools, "npx"), compare, project));
  if (methods.length !== 4) throw new Error(`bert compare compared ${methods.length} methods`);

  const alone = makeProject("alone", ["datasets"]);
  writeFileSync(
    join(alone, "program.js"),
    'import { BertTokenizer, loadDataset } from "@node-bert/datasets";\nconst rows = await loadDataset("reviews", { split: "train" });\nconsole.log(rows.length, typeof BertTokenizer);\n',
  );
  const printed = run("@node-bert/datasets alone", join(tools, "node"), ["program.js"], alone);
  if (printed.trim() !== "300 function") throw new Error(`it printed ${printed}`);
} catch (error) {
  process.stderr.write(`test-packages: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
