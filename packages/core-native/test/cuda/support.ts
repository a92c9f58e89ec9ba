// Tests of the CUDA backend's host side run on "cuda-emulated", or on the device that NODE_BERT_TEST_CUDA names. What depends on environment variables
// runs in processes of its own.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { searchBackendLibrary } from "../../src/backend-library.js";

export const CUDA = process.env.NODE_BERT_TEST_CUDA || "cuda-emulated";
const isEmulated = CUDA === "cuda-emulated";
const isThere = searchBackendLibrary(isEmulated ? "cuda-emulated" : "cuda").path !== undefined;

/** Skipped, and counted as such, where the library was not built. */
export const cudaTest = isThere ? test.serial : test.skip;
/** For what only the emulator can do. */
export const emulatorTest = isThere && isEmulated ? test.serial : test.skip;

/** A file or folder of cuda/build. */
export function built(name: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../../cuda/build/${name}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}

/**
 * Runs `body`, the text of an async function of (module, device), in a process with these variables. What it returns comes back; an error comes
 * back as {error, code}.
 */
export function inProcess<T>(body: string, env: Record<string, string>): T & { error?: string; code?: string } {
  const index = new URL("../../src/index.ts", import.meta.url).href;
  const program = `
    import(${JSON.stringify(index)}).then(async (core) => {
      let result;
      let device;
      try {
        device = core.openDevice(${JSON.stringify(CUDA)});
        result = await (${body})(core, device);
      } catch (error) {
        result = { error: error.message, code: error.code };
      }
      device?.dispose();
      console.log("RESULT" + JSON.stringify(result ?? {}));
    });`;
  const child = spawnSync(process.execPath, ["--import", "tsx", "-e", program], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  const line = child.stdout.split("\n").find((text) => text.startsWith("RESULT"));
  if (child.status !== 0 || line === undefined)
    throw new Error(`the process ended with ${child.status ?? child.signal}: ${child.stdout}${child.stderr}`);
  return JSON.parse(line.slice("RESULT".length));
}
