import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BackendError } from "./errors.js";

const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..");

export interface LibrarySearch {
  /** Undefined when it is nowhere. */
  path: string | undefined;
  /** A line a place, for messages. */
  tried: string;
  /** The environment variable that names the library. */
  variable: string;
}

/** Where the library of a backend that is not built in is: named by an environment variable, beside the addon, or built in the clone. */
export function searchBackendLibrary(backend: "cuda" | "cuda-emulated"): LibrarySearch {
  const identifier = backend.replace("-", "_");
  const file = `libnode_bert_${identifier}.so`;
  const variable = `NODE_BERT_${identifier.toUpperCase()}_BACKEND`;
  const named = process.env[variable];
  const places = named
    ? [named]
    : [
        join(packageFolder, "prebuilds", `${process.platform}-${process.arch}`, file),
        join(packageFolder, "..", "..", "cuda", "build", file),
      ];
  const path = places.find((place) => existsSync(place));
  const tried = places.map((place) => `  ${place}: ${existsSync(place) ? "there" : "not there"}`).join("\n");
  return { path, tried, variable };
}

/** @throws {BackendError} when the library is nowhere, with every place tried and what to do */
export function findBackendLibrary(backend: "cuda" | "cuda-emulated"): string {
  const { path, tried, variable } = searchBackendLibrary(backend);
  if (path !== undefined) return path;
  throw new BackendError(
    "ERR_BACKEND",
    `The ${backend} backend is a library of its own, and it was not found. Tried:\n${tried}\n` +
      `Use --device cpu, set ${variable} to the library's path, or build it in a clone: node scripts/build-cuda.mjs`,
  );
}
