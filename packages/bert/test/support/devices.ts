import { type Device, openDevice } from "@node-bert/core-native";

/** What fp32 promises, and float64 against references that were rounded to float32 once. */
export const TOLERANCE = {
  cpu: { forward: 1e-5, gradient: 1e-4 },
  reference: { forward: 1e-7, gradient: 2e-7 },
} as const;

export type DeviceName = keyof typeof TOLERANCE;
export const DEVICES: readonly DeviceName[] = ["cpu", "reference"];

const opened = new Map<string, Device>();

/** The device of this test file; opened once. */
export function testDevice(name: string): Device {
  let device = opened.get(name);
  if (device === undefined) {
    device = openDevice(name, { threads: 2 });
    opened.set(name, device);
  }
  return device;
}

export const quiet = { onNotice: () => {} };
