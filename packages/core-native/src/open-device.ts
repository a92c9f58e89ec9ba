import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Device, type DeviceOptions } from "./device.js";
import { BackendError } from "./errors.js";

/**
 * Opens a device.
 * @param name "cpu"; "reference" (plain float64, for checking); "cuda:0" …; default "auto": the best one that works here
 * @throws {BackendError} when there is no such device, with every place tried and what to do
 */
export function openDevice(name = "auto", options: DeviceOptions = {}): Device {
  if (name === "auto" || name === "cpu") return new Device("cpu", "cpu", 0, options);
  if (name === "reference") return new Device(name, "reference", 0, options);
  const cuda = /^(cuda|cuda-emulated)(?::(\d+))?$/.exec(name);
  if (cuda === null)
    throw new BackendError(
      "ERR_DEVICE",
      `There is no device "${name}"; expected auto, cpu, reference or cuda:<number>`,
    );
  return new Device(name, findBackendLibrary(cuda[1]), Number(cuda[2] ?? 0), options);
}

/** The library of a backend that is not built in: named by an environment variable, or beside the addon. */
function findBackendLibrary(backend: string): string {
  const file = `libnode_bert_${backend.replace("-", "_")}.so`;
  const variable = `NODE_BERT_${backend.replace("-", "_").toUpperCase()}_BACKEND`;
  const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..");
  const named = process.env[variable];
  const places = [
    ...(named === undefined ? [] : [named]),
    join(packageFolder, "build", "Release", file),
    join(packageFolder, "prebuilds", `${process.platform}-${process.arch}`, file),
  ];
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new BackendError(
    "ERR_BACKEND",
    `The ${backend} backend was not found. Tried:\n${places.map((place) => `  ${place}: not there`).join("\n")}\n` +
      `Use --device cpu, or set ${variable} to the library's path.`,
  );
}
