import { findBackendLibrary, searchBackendLibrary } from "./backend-library.js";
import { cachedVerdict, probeCuda } from "./cuda-probe.js";
import { Device, type DeviceOptions } from "./device.js";
import { BackendError } from "./errors.js";

/**
 * Opens a device.
 * @param name "cpu"; "reference" (plain float64, for checking); "cuda" or "cuda:1" …; "cuda-emulated" (the GPU's kernels on the CPU, for
 * checking); default "auto": cuda:0 when it works, else cpu, with a line on stderr when a GPU backend is there and of no use
 * @throws {BackendError} when there is no such device, with every place tried and what to do
 */
export function openDevice(name = "auto", options: DeviceOptions = {}): Device {
  if (name === "auto") return openBest(options);
  if (name === "cpu") return new Device("cpu", "cpu", 0, options);
  if (name === "reference") return new Device(name, "reference", 0, options);
  const cuda = /^(cuda|cuda-emulated)(?::(\d+))?$/.exec(name);
  if (cuda === null)
    throw new BackendError(
      "ERR_DEVICE",
      `There is no device "${name}"; expected auto, cpu, reference or cuda:<number>`,
    );
  const backend = cuda[1] as "cuda" | "cuda-emulated";
  const index = Number(cuda[2] ?? 0);
  if (backend === "cuda") {
    const verdict = probeCuda(index);
    if (!verdict.works) throw new BackendError("ERR_DEVICE", `The device ${name} cannot be used: ${verdict.reason}`);
  }
  return new Device(name, findBackendLibrary(backend), index, options);
}

function openBest(options: DeviceOptions): Device {
  const library = searchBackendLibrary("cuda").path;
  if (library !== undefined) {
    const { verdict, isNew } = cachedVerdict();
    if (verdict.works) return new Device("cuda:0", library, 0, options);
    if (isNew) process.stderr.write(`node-bert: computing on the CPU: ${verdict.reason.split("\n")[0]}\n`);
  }
  return new Device("cpu", "cpu", 0, options);
}
