import { cpus, release, totalmem } from "node:os";
import type { DeviceInfo } from "@node-bert/core-native";

/** Where a run ran: enough to explain why numbers differ elsewhere. */
export interface Environment {
  node: string;
  platform: string;
  processor: string;
  cores: number;
  memoryBytes: number;
  device: DeviceInfo;
}

export function describeEnvironment(device: DeviceInfo): Environment {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch} ${release()}`,
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    device,
  };
}
