import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { BertForSequenceClassification, WeightsError } from "../../src/index.js";
import { quiet, testDevice } from "../support/devices.js";
import { modelFolder } from "../support/fixture.js";
import { editHeader } from "../support/raw-safetensors.js";
import { copyOf } from "../support/temporary-folder.js";

const load = (folder: string) =>
  BertForSequenceClassification.fromPretrained(folder, { device: testDevice("cpu"), ...quiet });

type Index = { weight_map: Record<string, unknown> };

function editIndex(folder: string, edit: (index: Index) => unknown): void {
  const path = join(folder, "model.safetensors.index.json");
  const index = JSON.parse(readFileSync(path, "utf8")) as Index;
  writeFileSync(path, JSON.stringify(edit(index) ?? index));
}

const WRONG_INDEX: [what: string, edit: (index: Index) => unknown, message: RegExp][] = [
  ["no weight_map", () => ({}), /weight_map is undefined/],
  ["weight_map is a list", () => ({ weight_map: [] }), /weight_map is \[\]/],
  ["a number as shard", (i) => Object.assign(i.weight_map, { "classifier.bias": 3 }) && i, /has 3 for classifier.bias/],
  [
    "a shard outside the folder",
    (i) => Object.assign(i.weight_map, { "classifier.bias": "../../secret.safetensors" }) && i,
    /"..\/..\/secret.safetensors" for classifier.bias, expected a .safetensors file of the same folder/,
  ],
  [
    "a tensor in another shard",
    (i) => Object.assign(i.weight_map, { "classifier.bias": "model-00001-of-00003.safetensors" }) && i,
    /says that model-00001-of-00003.safetensors has the tensor classifier.bias; it is in model-00003/,
  ],
  [
    "a tensor in no shard",
    (i) => Object.assign(i.weight_map, { extra: "model-00001-of-00003.safetensors" }) && i,
    /has the tensor extra; no shard has/,
  ],
  [
    "a tensor left out",
    (i) => {
      delete i.weight_map["classifier.bias"];
    },
    /lacks the tensor classifier.bias of model-00003/,
  ],
];

for (const [what, edit, message] of WRONG_INDEX)
  test(`index refused: ${what}`, async (t) => {
    const folder = copyOf(t, modelFolder("mini-sharded"));
    editIndex(folder, edit);
    const error = await t.throwsAsync(load(folder), { instanceOf: WeightsError, message });
    t.true(error.message.includes("model.safetensors.index.json"));
  });

test("an index that is not JSON, and a shard that is missing", async (t) => {
  const folder = copyOf(t, modelFolder("mini-sharded"));
  rmSync(join(folder, "model-00002-of-00003.safetensors"));
  await t.throwsAsync(load(folder), { message: /names the shard model-00002-of-00003.safetensors, which is not in/ });
  writeFileSync(join(folder, "model.safetensors.index.json"), "{");
  await t.throwsAsync(load(folder), { instanceOf: WeightsError, message: /index.json: not JSON/ });
});

test("a tensor in two shards", async (t) => {
  const folder = copyOf(t, modelFolder("mini-sharded"));
  editHeader(join(folder, "model-00003-of-00003.safetensors"), (header) => {
    header["bert.embeddings.LayerNorm.bias"] = header["classifier.bias"];
    delete header["classifier.bias"];
  });
  await t.throwsAsync(load(folder), {
    message: /LayerNorm.bias is in both model-00001-of-00003.safetensors and model-00003/,
  });
});

test("a folder with weights for another library says how to convert them", async (t) => {
  const folder = copyOf(t, modelFolder("mini"));
  renameSync(join(folder, "model.safetensors"), join(folder, "pytorch_model.bin"));
  await t.throwsAsync(load(folder), {
    instanceOf: WeightsError,
    message:
      /has its weights as pytorch_model.bin, expected model.safetensors. Convert them once with Python: .*save_pretrained/,
  });
  rmSync(join(folder, "pytorch_model.bin"));
  await t.throwsAsync(load(folder), {
    instanceOf: WeightsError,
    message: /has no weights, expected model.safetensors/,
  });
});

test("a model whose file was cut", async (t) => {
  const folder = copyOf(t, modelFolder("mini"));
  const path = join(folder, "model.safetensors");
  writeFileSync(path, readFileSync(path).subarray(0, -3));
  await t.throwsAsync(load(folder), { instanceOf: WeightsError, message: /truncated, or its header is wrong/ });
});

test("integers where floats belong", async (t) => {
  const folder = copyOf(t, modelFolder("mini"));
  editHeader(join(folder, "model.safetensors"), (header) => {
    header["classifier.bias"].dtype = "I32";
  });
  await t.throwsAsync(load(folder), {
    instanceOf: WeightsError,
    message: /classifier.bias is of type I32, expected F32/,
  });
});
