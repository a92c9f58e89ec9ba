// Every question that the suite answers: the program that does, its flags, and the minutes it takes on two idle cores.
// The name is that of the result file, before the class of the processor.
import { availableParallelism } from "node:os";

const training = (minutes, flags) => ({ script: "training/run.mjs", flags, minutes });
const inference = (minutes, ...flags) => ({ script: "inference/run.mjs", flags, minutes });
const growth = (what, minutes, ...flags) => ({ script: "growth/run.mjs", flags: ["--what", what, ...flags], minutes });
const shape = (batchSize, length) => ["--batch-size", batchSize, "--length", length].map(String);
/** Steps of seconds: few of them, tuned on few. */
const LONG = ["--rounds", "5", "--steps-per-round", "1", "--tuning-steps", "1"];
const single = availableParallelism() === 1 ? undefined : ["--threads", "1"];

export const QUESTIONS = {
  "training-8x128": training(8, shape(8, 128)),
  "training-8x512": training(14, [...shape(8, 512), ...LONG]),
  // Not in fp32, too: five contenders take more than 24 GiB together.
  "training-imdb-8x512": training(14, [
    ...["--rows", "imdb", ...shape(8, 512), ...LONG, "--rounds", "7"],
    ...["--only", "pytorch-bf16,node-bert-bf16"],
  ]),
  "training-minilm-8x128": training(4, ["--size", "minilm", ...shape(8, 128)]),
  "inference-base-8x128": inference(7, ...shape(8, 128)),
  "inference-base-32x128": inference(9, ...shape(32, 128)),
  "inference-base-1x128": inference(5, ...shape(1, 128)),
  "inference-base-1x16": inference(5, ...shape(1, 16)),
  "inference-minilm-8x128": inference(5, "--model", "minilm", ...shape(8, 128)),
  "inference-minilm-1x16": inference(4, "--model", "minilm", ...shape(1, 16)),
  "inference-small-8x128": inference(4, "--model", "small", ...shape(8, 128)),
  "inference-small-1x16": inference(4, "--model", "small", ...shape(1, 16)),
  ...(single && {
    "inference-base-8x128-1-thread": inference(8, ...shape(8, 128), ...single),
    "inference-minilm-8x128-1-thread": inference(5, "--model", "minilm", ...shape(8, 128), ...single),
    "inference-small-8x128-1-thread": inference(4, "--model", "small", ...shape(8, 128), ...single),
  }),
  "limits-8x128": { script: "limits/run.mjs", flags: shape(8, 128), minutes: 4 },
  "limits-8x512": {
    script: "limits/run.mjs",
    flags: [...shape(8, 512), "--rounds", "4", "--steps-per-round", "1"],
    minutes: 4,
  },
  int8: { script: "int8/run.mjs", flags: [], minutes: 12 },
  frozen: { script: "frozen/run.mjs", flags: [], minutes: 19 },
  startup: { script: "startup/run.mjs", flags: [], minutes: 1 },
  loading: { script: "loading/run.mjs", flags: [], minutes: 2 },
  "growth-batch": growth("batch", 5),
  "growth-length": growth("length", 4),
  "growth-rows": growth("rows", 2),
  "growth-memory": growth("memory", 1),
};

/** A few minutes: fewer rounds and contenders, and PyTorch's settings hardly tried. Nothing of it is kept. */
export const QUICK = {
  "training-8x128": training(2, [
    ...shape(8, 128),
    ...["--rounds", "2", "--steps-per-round", "1", "--tuning-steps", "1"],
    ...["--only", "pytorch-bf16,node-bert-fp32,node-bert-bf16", "--no-save"],
  ]),
  "inference-small-8x128": inference(
    2,
    ...["--model", "small", ...shape(8, 128), "--rounds", "3", "--seconds-per-round", "0.3"],
    ...["--only", "node-bert-fp32,node-bert-bf16,node-bert-int8,pytorch-fp32,pytorch-bf16", "--no-save"],
  ),
  startup: { script: "startup/run.mjs", flags: ["--rounds", "3", "--no-save"], minutes: 1 },
};
