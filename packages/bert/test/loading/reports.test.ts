import { renameSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import {
  BertForMaskedLM,
  BertForSequenceClassification,
  BertModel,
  type FromPretrainedOptions,
  type LoadNotice,
  WeightsError,
} from "../../src/index.js";
import { testDevice } from "../support/devices.js";
import { modelFolder } from "../support/fixture.js";
import { editHeader } from "../support/raw-safetensors.js";
import { copyOf } from "../support/temporary-folder.js";

const device = testDevice("cpu");

async function noticesOf(
  folder: string,
  options: FromPretrainedOptions = {},
  Model:
    | typeof BertModel
    | typeof BertForSequenceClassification
    | typeof BertForMaskedLM = BertForSequenceClassification,
): Promise<LoadNotice[]> {
  const notices: LoadNotice[] = [];
  const model = await Model.fromPretrained(folder, { device, onNotice: (notice) => notices.push(notice), ...options });
  model.dispose();
  return notices;
}

const line = (message: string, level: "info" | "warning" = "info"): LoadNotice[] => [
  { level, code: "WEIGHTS", message },
];

test("one line says what was loaded", async (t) => {
  t.deepEqual(await noticesOf(modelFolder("mini")), line("encoder 39/39 loaded; classifier loaded"));
  t.deepEqual(await noticesOf(modelFolder("mini-sharded")), line("encoder 39/39 loaded; classifier loaded"));
  t.deepEqual(await noticesOf(modelFolder("mini-old-names")), line("encoder 39/39 loaded; classifier loaded"));
  t.deepEqual(
    await noticesOf(modelFolder("mini-bare")),
    line("encoder 39/39 loaded; classifier new, as expected for a new task"),
  );
  t.deepEqual(
    await noticesOf(modelFolder("mini-pretraining")),
    line("encoder 39/39 loaded; classifier new, as expected for a new task; 7 pretraining tensors unused"),
  );
  t.deepEqual(
    await noticesOf(modelFolder("mini"), {}, BertModel),
    line("encoder 39/39 loaded; 2 other unused: classifier.bias, classifier.weight"),
  );
  t.deepEqual(
    await noticesOf(modelFolder("mini-bare"), {}, BertForMaskedLM),
    line("encoder 37/37 loaded; language-model head new, as expected for a new task; pooler unused"),
  );
  t.deepEqual(
    await noticesOf(modelFolder("mini"), { numLabels: 3 }),
    line("encoder 39/39 loaded; classifier new: the checkpoint's has 2 labels, 3 were asked for"),
  );
  t.deepEqual(
    await noticesOf(modelFolder("mini"), { keepLayers: 1 }),
    line("encoder 23/23 loaded; classifier loaded; only layer 0 kept, as asked"),
  );
  t.deepEqual(
    await noticesOf(modelFolder("mini"), { reinitialize: "last-1" }),
    line("encoder 21/39 loaded; classifier loaded; last-1 with pooler reinitialized, as asked"),
  );
  t.deepEqual(
    await noticesOf(modelFolder("masked-lm")),
    line(
      "encoder 21/23 loaded; classifier new, as expected for a new task; pooler new: a masked language model has none; 5 pretraining tensors unused",
    ),
  );
});

test("a warning when the encoder is not all pretrained, or has layers that the configuration lacks", async (t) => {
  const folder = copyOf(t, modelFolder("mini"));
  editHeader(join(folder, "model.safetensors"), (header) => {
    header["bert.encoder.layer.2.output.dense.bias"] = header["classifier.bias"];
    delete header["classifier.bias"];
  });
  t.deepEqual(
    await noticesOf(folder),
    line(
      "encoder 39/39 loaded; classifier.bias new, as expected for a new task; 1 other unused: bert.encoder.layer.2.output.dense.bias",
      "warning",
    ),
  );
});

test("what does not fit comes in one readable block", async (t) => {
  const folder = copyOf(t, modelFolder("mini"));
  const path = join(folder, "model.safetensors");
  editHeader(path, (header) => {
    header.unheard = header["bert.encoder.layer.1.output.dense.bias"];
    delete header["bert.encoder.layer.1.output.dense.bias"];
    header["bert.encoder.layer.0.intermediate.dense.weight"].shape = [16, 24];
    header["classifier.weight"].shape = [1, 32];
  });
  const error = await t.throwsAsync(noticesOf(folder), { instanceOf: WeightsError });
  t.is(
    error.message,
    `${path} does not fit the configuration:
  wrong shape: bert.encoder.layer.0.intermediate.dense.weight is (16, 24), expected (24, 16)
  wrong shape: classifier.weight is (1, 32), expected (2, 16)
  missing, 1: bert.encoder.layer.1.output.dense.bias
  not known to the model, 1: unheard
Do config.json and the weights belong to the same model?`,
  );
});

test("a vocabulary that does not fit the config is named", async (t) => {
  const folder = copyOf(t, modelFolder("mini"));
  renameSync(join(copyOf(t, modelFolder("tiny")), "config.json"), join(folder, "config.json"));
  const error = await t.throwsAsync(noticesOf(folder), { instanceOf: WeightsError });
  t.regex(error.message, /wrong shape: bert.embeddings.word_embeddings.weight is \(40, 16\), expected \(96, 32\)/);
  t.regex(error.message, /wrong shape: \d+ more/);
});

test("the report lists parameters and tensors", async (t) => {
  using model = await BertForSequenceClassification.fromPretrained(modelFolder("mini-pretraining"), {
    device,
    onNotice: () => {},
  });
  t.deepEqual(model.loadReport?.initialized, ["classifier.weight", "classifier.bias"]);
  t.is(model.loadReport?.unused.length, 7);
  t.deepEqual(model.loadReport?.encoder, { loaded: 39, total: 39 });
});
