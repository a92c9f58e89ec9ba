// A fine-tuning run on real reviews as a user starts it, on CUDA and on the CPU: the same losses and the same predictions.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { makeFolder, runBert, TINY } from "../support/run-bert.js";

const CUDA = process.env.NODE_BERT_TEST_CUDA || "cuda-emulated";
const library = `libnode_bert_cuda${CUDA === "cuda-emulated" ? "_emulated" : ""}.so`;
const isThere = existsSync(fileURLToPath(new URL(`../../../../cuda/build/${library}`, import.meta.url)));
const cudaTest = isThere ? test.serial : test.skip;

interface Run {
  eval: { loss: number; accuracy: number };
}

cudaTest(`bert finetune --device ${CUDA} on reviews: the CPU's losses and accuracy, dropout on`, async (t) => {
  const folder = makeFolder();
  const finetune = async (device: string): Promise<Run> => {
    const { code, stdout, stderr } = await runBert(
      [
        ...[
          "finetune",
          "--model",
          TINY,
          "--dataset",
          "reviews",
          "--train-rows",
          "32",
          "--eval-rows",
          "16",
          "--stratify",
        ],
        ...["--max-length", "40", "--epochs", "2", "--learning-rate", "1e-3", "--dropout", "0.1", "--json"],
        ...["--device", device, "--output", join(folder, device.replace(":", "-"))],
      ],
      { cwd: folder },
    );
    t.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const expected = await finetune("cpu");
  const actual = await finetune(CUDA);
  t.true(Math.abs(actual.eval.loss - expected.eval.loss) <= 1e-4 * expected.eval.loss, `${actual.eval.loss}`);
  t.is(actual.eval.accuracy, expected.eval.accuracy);
  rmSync(folder, { recursive: true, force: true });
});
