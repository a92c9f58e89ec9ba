// The model that ships with the repository: what is in its folder, and that Hugging Face computes the same with it.
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { BertTokenizer } from "../../../datasets/src/index.js";
import { BertForMaskedLM, BertForSequenceClassification, SafetensorsFile } from "../../src/index.js";
import { hasPython, PYTHON } from "../support/python.js";
import { cpu, normalisedError } from "../training/support.js";

const folder = fileURLToPath(new URL("../../../tiny", import.meta.url));
const TEXTS = [
  "This was the best film I have seen this year.",
  "Dull from start to end, and far too long; I nearly fell asleep.",
  "Ünbelievable [MASK] acting!",
  "fine",
];

test("its weights are bf16, at most 12 MB, and what is loaded is what the file has", async (t) => {
  const path = join(folder, "model.safetensors");
  t.true(statSync(path).size <= 12e6, `${statSync(path).size}`);
  using model = await BertForMaskedLM.fromPretrained("tiny", { device: cpu, onNotice: () => {} });
  const file = await SafetensorsFile.open(path);
  t.teardown(() => file.close());
  for (const { name, tensor } of model.parameters) {
    t.is(file.tensors.get(name)?.type, "BF16", name);
    const bytes = await file.readBytes(name);
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
    const values = (await tensor.read()) as Float32Array;
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    t.true(bits.length === halves.length && bits.every((each, i) => each === halves[i] * 65536), name);
  }
  t.deepEqual([...file.tensors.keys()].sort(), [...model.parameters.names()].sort());
});

test("its name is enough, for every model and the tokenizer, and its pooler is new without a warning", async (t) => {
  const notices: object[] = [];
  using model = await BertForSequenceClassification.fromPretrained("tiny", {
    device: cpu,
    onNotice: (notice) => notices.push(notice),
  });
  const tokenizer = await BertTokenizer.fromPretrained("tiny");
  t.is(tokenizer.vocabSize, model.config.vocabSize);
  t.is(tokenizer.modelMaxLength, model.config.maxPositionEmbeddings);
  t.like(notices, [{ level: "info" }]);
});

test("Hugging Face loads it, cuts texts the same way and gives the same logits", async (t) => {
  if (!hasPython(t)) return;
  const program = `
import json, sys, torch
from transformers import BertForMaskedLM, BertTokenizerFast
folder, texts = sys.argv[1], json.load(sys.stdin)
tokenizer = BertTokenizerFast.from_pretrained(folder)
model, info = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
assert not info["missing_keys"] and not info["unexpected_keys"], info
out = []
with torch.no_grad():
    for text in texts:
        encoded = tokenizer(text, return_tensors="pt")
        out.append({"ids": encoded["input_ids"][0].tolist(), "logits": model.eval()(**encoded).logits[0].flatten().tolist()})
json.dump(out, sys.stdout)`;
  const run = spawnSync(PYTHON, ["-c", program, folder], {
    input: JSON.stringify(TEXTS),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  t.is(run.status, 0, run.stderr);
  const expected = JSON.parse(run.stdout) as { ids: number[]; logits: number[] }[];
  using model = await BertForMaskedLM.fromPretrained(folder, { device: cpu, onNotice: () => {} });
  const tokenizer = await BertTokenizer.fromPretrained(folder);
  const worst: number[] = [];
  for (const [i, text] of TEXTS.entries()) {
    const { inputIds, cuSeqlens } = tokenizer.encodeBatch([text]);
    t.deepEqual([...inputIds], expected[i].ids, text);
    const logits = await cpu.scope(() => ({ reading: model.forward({ inputIds, cuSeqlens }).logits.read() })).reading;
    worst.push(normalisedError(logits, expected[i].logits));
  }
  t.log(`worst normalised error of logits: ${Math.max(...worst).toExponential(1)}`);
  t.true(
    worst.every((error) => error < 1e-5),
    `${worst}`,
  );
});

test("the model card says what it is made of, and how it was made", (t) => {
  const card = readFileSync(join(folder, "README.md"), "utf8");
  for (const part of [/bert vocabulary/, /bert pretrain/, /--seed|seed 42/, /tokens/, /loss/, /accuracy/])
    t.regex(card, part);
});
