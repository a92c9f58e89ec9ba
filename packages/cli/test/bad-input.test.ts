// What goes wrong is said in a line that names file, key or row, without a stack; exit code 1, or 2 for a wrong call.
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { makeFolder, reviews, runBert, TINY } from "./support/run-bert.js";

const cwd = makeFolder({
  "rows.jsonl": reviews(24),
  "one-class.jsonl": '{"text": "a", "label": "neg"}\n{"text": "b", "label": "neg"}\n',
  "skewed.jsonl": reviews(2) + '{"text": "bad", "label": "neg"}\n'.repeat(40),
  "strange.jsonl": `${reviews(2)}{"text": "so so", "label": "meh"}\n`,
  "unlabelled.csv": "text,label\na,0\nb,1\nc,\n",
  "no-label.jsonl": '{"text": "a"}\n{"text": "b"}\n',
  "latin1.jsonl": Buffer.from('{"text": "caf\xe9"}\n', "latin1"),
  "cut.jsonl": '{"text": "a", "label": "neg"}\n{"text": \n',
  "open.csv": 'text,label\n"never closed,1\nb,2\n',
  "broken.parquet": "PAR1xxxxPAR1",
  "empty.jsonl": "",
});
const weights = readFileSync(join(TINY, "model.safetensors"));
const copies = { "cut-weights": "", "other-config": "", "other-vocabulary": "" };
for (const name of Object.keys(copies)) cpSync(TINY, join(cwd, name), { recursive: true });
writeFileSync(join(cwd, "cut-weights", "model.safetensors"), weights.subarray(0, 5000));
writeFileSync(join(cwd, "other-config", "config.json"), "{");
const tokenizer = JSON.parse(readFileSync(join(TINY, "tokenizer.json"), "utf8"));
for (let i = 0; i < 50; i++) tokenizer.model.vocab[`extra${i}`] = 96 + i;
writeFileSync(join(cwd, "other-vocabulary", "tokenizer.json"), JSON.stringify(tokenizer));

const predict = (...args: string[]) => ["predict", "--model", TINY, ...args];
const finetune = (dataset: string, ...args: string[]) => [
  ...["finetune", "--model", TINY, "--dataset", dataset, "--output", "never", "--epochs", "1", ...args],
];
const cases: [string, string[], 1 | 2, RegExp][] = [
  ["no command", [], 2, /Usage: bert/],
  ["a mistyped command", ["finetne"], 2, /Did you mean finetune/],
  ["a mistyped flag", predict("--txt", "a"), 2, /unknown option '--txt'\n\(Did you mean --text\?\)/],
  ["a mistyped flag that is needed", ["predict", "--modle", TINY], 2, /Did you mean --model/],
  [
    "Hugging Face's name of a flag",
    finetune("rows.jsonl", "--evaluation-strategy", "epoch"),
    2,
    /Did you mean --eval-strategy/,
  ],
  ["another one", finetune("rows.jsonl", "--per_device_train_batch_size", "8"), 2, /Did you mean --batch-size/],
  ["a flag of its example scripts", ["predict", "--model_name_or_path", TINY], 2, /Did you mean --model\?/],
  ["no model", ["predict", "--text", "a"], 2, /--model is missing/],
  ["an empty model", ["predict", "--model", "", "--text", "a"], 2, /--model is empty/],
  ["neither text nor file", predict(), 2, /either --text .* or --file/],
  ["both text and file", predict("--text", "a", "--file", "rows.jsonl"), 2, /either --text .* or --file/],
  ["a precision that is none", predict("--text", "a", "--precision", "fp8"), 2, /fp32, bf16, fp16, int8, auto/],
  ["a word too much", predict("a"), 2, /too many arguments/],
  ["an unknown method", ["compare", "--model", TINY, "--methods", "foo"], 2, /no method "foo"/],
  ["partial without its layers", ["compare", "--model", TINY, "--methods", "partial"], 2, /--keep-layers/],
  ["a share above 1", finetune("rows.jsonl", "--warmup-ratio", "3"), 2, /from 0 to 1/],
  ["no dataset", ["finetune", "--model", TINY, "--output", "never"], 2, /--dataset is missing/],
  ["more rows than there are", finetune("rows.jsonl", "--train-rows", "400"), 2, /fewer than the 400/],
  ["output over the model", ["finetune", "--model", TINY, "--dataset", "rows.jsonl", "--output", TINY], 2, /replace/],
  ["a missing folder", ["predict", "--model", "./nowhere", "--text", "a"], 1, /\.\/nowhere: no such folder/],
  ["a Hub id without network", ["predict", "--model", "a/b", "--text", "a"], 1, /HF_HUB_OFFLINE/],
  ["a missing file", predict("--file", "nothing.jsonl"), 1, /nothing\.jsonl: no such file/],
  ["cut weights", ["predict", "--model", "cut-weights", "--text", "a"], 1, /model\.safetensors: .*truncated/],
  ["a broken config", ["predict", "--model", "other-config", "--text", "a"], 1, /config\.json: not JSON/],
  ["another vocabulary", ["predict", "--model", "other-vocabulary", "--text", "a"], 1, /146 tokens.*embeds 96/],
  ["an unknown device", predict("--text", "a", "--device", "gpu"), 1, /no device "gpu"/],
  [
    "a device that is not there",
    predict("--text", "a", "--device", "cuda:7"),
    1,
    /device cuda:7 cannot be used: (its library was not found|no NVIDIA driver was found)/,
  ],
  ["a length beyond the model", predict("--text", "a", "--max-length", "1000"), 1, /1000.*48/],
  ["text that is not UTF-8", predict("--file", "latin1.jsonl"), 1, /latin1\.jsonl, line 1: not UTF-8/],
  ["an empty file", predict("--file", "empty.jsonl"), 1, /empty\.jsonl: no rows/],
  ["an empty split", finetune("rows.jsonl", "--train-split", "train[:0]"), 1, /"train\[:0\]" has no rows/],
  ["a split that is not there", finetune("rows.jsonl", "--eval-split", "val"), 1, /no split "val"/],
  ["a label column that is not there", finetune("rows.jsonl", "--label-column", "x"), 1, /no label column "x"/],
  ["no labels", finetune("no-label.jsonl"), 1, /no label column/],
  [
    "a row without a label",
    finetune("unlabelled.csv"),
    1,
    /unlabelled\.csv train, row 2, column "label": the row has no label/,
  ],
  [
    "a label that the model does not know",
    ["evaluate", "--model", TINY, "--dataset", "strange.jsonl", "--split", "train"],
    1,
    /Row 2 of the test split has the class "meh"/,
  ],
  ["one class", finetune("one-class.jsonl"), 1, /one class only \("neg"\)/],
  ["a skewed slice", finetune("skewed.jsonl", "--eval-split", "train", "--strict"), 1, /% of the 42 rows.*"neg"/],
  ["a broken line", finetune("cut.jsonl"), 1, /cut\.jsonl, line 2: not JSON/],
  ["an open quote", finetune("open.csv"), 1, /open\.csv, line 3/],
  ["broken parquet", finetune("broken.parquet"), 1, /broken\.parquet: broken parquet/],
  ["layers that are not there", finetune("rows.jsonl", "--trainable", "last-9"), 1, /last-9.*at most 2/],
  [
    "layers that a later method needs and that are not there",
    ["compare", "--model", TINY, "--dataset", "rows.jsonl", "--output", "never", "--last-layers", "9"],
    1,
    /^(?!.*probe: accuracy).*last-9.*at most 2/s,
  ],
  ["a file as the output folder", finetune("rows.jsonl", "--output", "rows.jsonl"), 1, /rows\.jsonl: is a file/],
  ["a folder that cannot be made", finetune("rows.jsonl", "--output", "/proc/x/y"), 1, /cannot be made/],
  [
    "features into no folder",
    ["features", "--model", TINY, "--dataset", "rows.jsonl", "--output", "no/f.safetensors"],
    1,
    /there is no folder no/,
  ],
];

for (const [what, args, exitCode, message] of cases)
  test.serial(`${what}: exit code ${exitCode} and a clear line`, async (t) => {
    const { code, stdout, stderr } = await runBert(args, { cwd });
    t.is(code, exitCode, stderr);
    t.regex(stderr, message);
    t.notRegex(stderr, /^\s+at .*:\d+:\d+|this is a bug/m);
    t.is(stdout, "");
  });

test.after("nothing was written", (t) => {
  t.false(existsSync(join(cwd, "never", "model.safetensors")));
  t.deepEqual(readFileSync(join(cwd, "rows.jsonl"), "utf8"), reviews(24));
  t.deepEqual(readFileSync(join(TINY, "model.safetensors")), weights);
});
