import { type Device, openDevice } from "@node-bert/core-native";

const opened = new Map<string, Device>();

/**
 * The process's device of that name, opened at first use: models share it with its threads and memory, unless they are given their own.
 * @throws {BackendError} when there is no such device
 */
export function sharedDevice(name = "auto"): Device {
  let device = opened.get(name);
  if (device === undefined || device.disposed) {
    device = openDevice(name);
    opened.set(name, device);
  }
  return device;
}
