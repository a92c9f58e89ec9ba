// The device "cuda-emulated" for tests of whole models: the CUDA backend's kernels, executed on the CPU. NODE_BERT_TEST_CUDA=cuda runs the same
// tests on a GPU. Without the library they are skipped, and counted as such.
import { type Device, openDevice } from "@node-bert/core-native";
import test from "ava";

export const CUDA = process.env.NODE_BERT_TEST_CUDA || "cuda-emulated";

let device: Device | undefined;
try {
  device = openDevice(CUDA);
} catch (error) {
  if ((error as { code?: string }).code !== "ERR_BACKEND") throw error;
}

/** `test.serial`, or a skipped test where there is no CUDA library. */
export const cudaTest = device === undefined ? test.skip : test.serial;

export const cuda = (): Device => device!;
