// Loads the addon and declares its surface (native/napi/addon.cc). Nothing else imports the binary.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BackendError } from "./errors.js";

/** The addon's device. The hot calls (allocate, view, enqueue) read their arguments from the command buffer given at construction. */
export interface NativeDevice {
  allocate(): number;
  view(): number;
  free(handle: number): boolean;
  enqueue(): void;
  upload(handle: number, data: ArrayBufferView): void;
  readFile(handle: number, fd: number, offset: number, fileType: number): void;
  download(handle: number, bytes: number): Promise<ArrayBuffer>;
  synchronize(): Promise<void>;
  handover(): Promise<void>;
  memory(): {
    bytesInUse: number;
    bytesReserved: number;
    peakBytesInUse: number;
    allocations: number;
    liveTensors: number;
  };
  resetPeak(): void;
  info(): string;
  close(): void;
}

interface Addon {
  Device: new (backend: string, index: number, threads: number, command: Float64Array) => NativeDevice;
  /** Waits for the op that each device runs and gives up what is queued behind it. */
  abandonDevices(): void;
  abiVersion: number;
  builtinBackends: string[];
}

const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..");
let loaded: Addon | undefined;

/**
 * How often an idle OpenMP thread looks for work before it sleeps: some 70 µs, longer than the gaps between our loops. The default is 5 ms,
 * in which a thread that waits takes the processor from the one it waits for, when other processes want it too.
 */
const SPIN_COUNT = "4000";

/**
 * The addon: the one named by `NODE_BERT_ADDON`, else the package's prebuilt binary or own build.
 * @throws {BackendError} `ERR_ADDON` when none can be loaded, with the places tried and what to do.
 */
export function loadAddon(): Addon {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  const override = process.env.NODE_BERT_ADDON;
  const spinning = process.env.GOMP_SPINCOUNT;
  // OpenMP reads it once, when it is loaded.
  if (spinning === undefined && process.env.OMP_WAIT_POLICY === undefined) process.env.GOMP_SPINCOUNT = SPIN_COUNT;
  try {
    loaded = override === undefined ? require("node-gyp-build")(packageFolder) : require(override);
  } catch (error) {
    throw new BackendError("ERR_ADDON", explainFailure(error as Error, override), { cause: error });
  } finally {
    if (spinning === undefined) delete process.env.GOMP_SPINCOUNT;
  }
  const addon = loaded as Addon;
  process.once("exit", () => addon.abandonDevices());
  return addon;
}

/** The addon's file, for a process of its own. */
export function addonPath(): string {
  return process.env.NODE_BERT_ADDON ?? createRequire(import.meta.url)("node-gyp-build").path(packageFolder);
}

function explainFailure(error: Error, override: string | undefined): string {
  const platform = `${process.platform}-${process.arch}`;
  const places =
    override === undefined
      ? [join(packageFolder, "build", "Release"), join(packageFolder, "prebuilds", platform)]
      : [override];
  const listed = places
    .map((place) => `  ${place}: ${existsSync(place) ? "there, but it could not be loaded" : "not there"}`)
    .join("\n");
  const advice = /cannot open shared object|libdnnl|GLIBC|GOMP/.test(error.message)
    ? "A library it needs is missing or too old: it needs glibc 2.28 or later and libgomp (Debian: apt-get install libgomp1)."
    : places.some(existsSync)
      ? "Reinstall @node-bert/core-native; the binary may be for another platform or damaged."
      : `There is no binary for ${platform}. In a clone of the repository, npm run setup builds it.`;
  return `The native addon of @node-bert/core-native could not be loaded: ${error.message.split("\n")[0]}\nTried:\n${listed}\n${advice}`;
}
