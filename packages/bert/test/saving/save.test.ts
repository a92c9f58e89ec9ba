import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { BertForMaskedLM, BertForSequenceClassification, BertModel, parseConfig, SaveError } from "../../src/index.js";
import { assertClose } from "../support/close.js";
import { DEVICES, quiet, testDevice } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";
import { hasPython, PYTHON, PYTHON_SCRIPTS } from "../support/python.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { FixtureEncoder, TEXTS } from "../support/text-encoder.js";

const load = (folder: string, deviceName = "cpu") =>
  BertForSequenceClassification.fromPretrained(folder, { device: testDevice(deviceName), ...quiet });

/** Names and contents of a folder's files. */
function contents(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "hex")]));
}

for (const deviceName of DEVICES)
  test(`what is saved on ${deviceName} is what was loaded, byte for byte`, async (t) => {
    const folder = join(temporaryFolder(t), "a", "b");
    using model = await load(modelFolder("tiny"), deviceName);
    const files = await model.savePretrained(folder, { tokenizer: new FixtureEncoder() });
    const names = [
      "README.md",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
      "vocab.txt",
    ];
    t.deepEqual(
      files,
      names.map((name) => join(folder, name)),
    );
    t.deepEqual(readdirSync(folder).sort(), names);
    const [saved, given] = [contents(folder), contents(modelFolder("tiny"))];
    t.is(saved["model.safetensors"], given["model.safetensors"]);
    t.deepEqual(JSON.parse(readFileSync(join(folder, "config.json"), "utf8")), {
      ...JSON.parse(readFileSync(join(modelFolder("tiny"), "config.json"), "utf8")),
      problem_type: "single_label_classification",
    });
  });

test("Hugging Face loads the folder, strictly, and predicts the same", async (t) => {
  if (!hasPython(t)) return;
  const folder = temporaryFolder(t);
  using model = await load(modelFolder("tiny"));
  await model.savePretrained(folder, { tokenizer: new FixtureEncoder() });
  const texts = TEXTS.filter(({ text }) => typeof text === "string" && text !== "").slice(0, 4);
  const script = `${PYTHON_SCRIPTS}check_saved_folder.py`;
  const flags = texts.flatMap(({ text }) => ["--text", text as string]);
  const { status, stdout, stderr } = spawnSync(PYTHON, [script, folder, ...flags], { encoding: "utf8" });
  t.is(status, 0, stderr);
  const found = JSON.parse(stdout) as {
    architecture: string;
    parameters: number;
    labels: string[];
    predictions: { logits: number[] }[];
  };
  t.is(found.architecture, "BertForSequenceClassification");
  t.is(found.parameters, model.parameters.count().total);
  t.deepEqual(found.labels, ["neg", "pos"]);
  for (const [i, { logits }] of texts.entries())
    assertClose(t, `${i}`, { shape: [2], data: found.predictions[i].logits }, { shape: [2], data: logits }, 1e-5);
});

test("Hugging Face loads encoders and masked language models too", async (t) => {
  if (!hasPython(t)) return;
  const device = testDevice("cpu");
  for (const [Model, source] of [
    [BertModel, "mini-bare"],
    [BertForMaskedLM, "masked-lm"],
  ] as const) {
    const folder = temporaryFolder(t);
    using model = await Model.fromPretrained(modelFolder(source), { device, ...quiet });
    await model.savePretrained(folder);
    t.is(contents(folder)["model.safetensors"], contents(modelFolder(source))["model.safetensors"]);
    const program = `import sys, transformers
model, report = transformers.${Model.architecture}.from_pretrained(sys.argv[1], output_loading_info=True)
print({kind: names for kind, names in report.items() if names})`;
    const { stdout, stderr } = spawnSync(PYTHON, ["-c", program, folder], { encoding: "utf8" });
    t.is(stdout.trim(), "{}", stderr);
  }
});

test("labels, seed and bf16 survive saving and loading", async (t) => {
  const folder = temporaryFolder(t);
  const device = testDevice("cpu");
  const { input } = await readReference("mini/reference.safetensors");
  using model = await BertForSequenceClassification.fromPretrained(modelFolder("mini-bare"), {
    device,
    precision: "bf16",
    id2label: ["no", "maybe", "yes"],
    ...quiet,
  });
  await model.savePretrained(folder);
  using again = await BertForSequenceClassification.fromPretrained(folder, { device, precision: "bf16", ...quiet });
  t.deepEqual(again.id2label, ["no", "maybe", "yes"]);
  t.deepEqual(await again.forward(input).logits.read(), await model.forward(input).logits.read());
  t.is(again.loadReport?.message, "encoder 39/39 loaded; classifier loaded");
});

test("fields of the config that we do not know are kept", async (t) => {
  const folder = temporaryFolder(t);
  const sizes = { hidden_size: 24, num_hidden_layers: 1, vocab_size: 9 };
  const fields = { ...sizes, my_note: { a: [1] }, torch_dtype: "float16", use_cache: true };
  using model = BertModel.fromConfig(parseConfig(fields), { device: testDevice("cpu") });
  await model.savePretrained(folder);
  const saved = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown>;
  t.deepEqual(
    [saved.my_note, saved.use_cache, saved.dtype, saved.torch_dtype],
    [{ a: [1] }, true, "float32", undefined],
  );
});

test("the model card says what the model is and how to load it", async (t) => {
  const folder = temporaryFolder(t);
  using model = await load(modelFolder("tiny"));
  await model.savePretrained(folder);
  const card = readFileSync(join(folder, "README.md"), "utf8");
  t.regex(card, /^---\nlibrary_name: transformers\npipeline_tag: text-classification\n/);
  t.regex(card, /Classes: 0 neg, 1 pos\./);
  t.regex(card, /BertForSequenceClassification.from_pretrained\(folder\)/);
  await model.savePretrained(folder, { modelCard: "# Mine" });
  t.regex(readFileSync(join(folder, "README.md"), "utf8"), /---\n\n# Mine\n$/);
});

test("a full disk while saving leaves the folder as it was", async (t) => {
  const folder = temporaryFolder(t);
  using first = await load(modelFolder("tiny"));
  await first.savePretrained(folder, { tokenizer: new FixtureEncoder() });
  writeFileSync(join(folder, "notes.txt"), "kept");
  const before = contents(folder);
  using other = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), {
    device: testDevice("cpu"),
    reinitialize: "last-1",
    ...quiet,
  });
  const full = {
    save: async (staging: string) => {
      writeFileSync(join(staging, "vocab.txt"), "half");
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
    },
  };
  const error = await t.throwsAsync(other.savePretrained(folder, { tokenizer: full }), {
    instanceOf: SaveError,
    code: "ERR_SAVE",
  });
  t.is(error.message, `${folder}: could not be saved, the disk is full. What was there before is unchanged.`);
  t.deepEqual(contents(folder), before);
});

test("a disk that is really full", (t) => {
  const folder = temporaryFolder(t);
  const program = `mount -t tmpfs -o size=128k tmpfs "$1" && exec "$2" --import=tsx "$3" "$1"`;
  const child = new URL("full-disk-child.ts", import.meta.url).pathname;
  const arguments_ = [
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    program,
    "sh",
    folder,
    process.execPath,
    child,
  ];
  const probe = spawnSync("unshare", [
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    `mount -t tmpfs tmpfs "$1"`,
    "sh",
    folder,
  ]);
  if (probe.status !== 0) {
    console.warn("SKIPPED: a disk that is really full: no file system can be mounted here");
    t.pass();
    return;
  }
  const { stdout, stderr } = spawnSync("unshare", arguments_, { encoding: "utf8" });
  t.deepEqual(JSON.parse(stdout || "null"), { code: "ERR_SAVE", unchanged: true, left: true }, stderr);
});

test("a folder that cannot be written", async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "file");
  writeFileSync(file, "x");
  using model = await load(modelFolder("tiny"));
  await t.throwsAsync(model.savePretrained(file), { instanceOf: SaveError, message: /there is a file of that name/ });
  await t.throwsAsync(model.savePretrained("/dev/null/model"), {
    instanceOf: SaveError,
    message: /could not be saved/,
  });
  mkdirSync(join(folder, "taken", "config.json"), { recursive: true });
  await t.throwsAsync(model.savePretrained(join(folder, "taken")), {
    instanceOf: SaveError,
    message: /taken\/config.json: there is a folder of that name, expected a file/,
  });
  t.deepEqual(readdirSync(join(folder, "taken")), ["config.json"]);
});
