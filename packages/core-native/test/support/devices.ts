// The devices that the tests of ops run on: NODE_BERT_TEST_DEVICES, comma separated, default "cpu". Tests only get there what they can open:
// a device that was asked for and cannot be opened fails the test file.
import { type Device, openDevice } from "../../src/index.js";
import type { CheckedType } from "../../src/self-test/check-case.js";

export const DEVICE_NAMES: readonly string[] = (process.env.NODE_BERT_TEST_DEVICES || "cpu")
  .split(",")
  .map((name) => name.trim());

/** Activation types to test on a device: f16 on CUDA only. */
export const activationTypes = (name: string): readonly CheckedType[] =>
  name.startsWith("cuda") ? ["f32", "bf16", "f16"] : ["f32", "bf16"];

const opened = new Map<string, Device>();

/** The device of this test file; opened once. */
export function testDevice(name: string): Device {
  let device = opened.get(name);
  if (device === undefined) {
    device = openDevice(name);
    opened.set(name, device);
  }
  return device;
}

/** The float64 reference. */
export const referenceDevice = (): Device => testDevice("reference");
