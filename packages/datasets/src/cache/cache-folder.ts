// Where computed things are kept, and how a file appears there whole or not at all.

import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { DatasetError } from "../errors.js";

/** `NODE_BERT_CACHE`, else `$XDG_CACHE_HOME/node-bert`, else `~/.cache/node-bert`. */
export function datasetCacheFolder(): string {
  const { NODE_BERT_CACHE, XDG_CACHE_HOME } = process.env;
  return NODE_BERT_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "node-bert");
}

/**
 * Writes a file beside its place and renames it there, so that readers see the old file or the new one and two writers
 * cannot mix. On failure nothing is left behind.
 *
 * @throws DatasetError CACHE_IO naming the file, when it cannot be written (full disk, missing rights).
 */
export async function writeBeside(path: string, write: (partialPath: string) => Promise<void>): Promise<void> {
  const partial = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await write(partial);
    const handle = await open(partial, "r+");
    await handle.sync().finally(() => handle.close());
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true });
    throw describeWriteFailure(path, cause);
  }
}

function describeWriteFailure(path: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  const reasons: Record<string, string> = {
    ENOSPC: "the disk is full. Free some space, or choose another cache folder",
    EDQUOT: "the disk quota is used up. Free some space, or choose another cache folder",
    EACCES: "writing there is not allowed. Choose another cache folder",
    EROFS: "the disk is read-only. Choose another cache folder",
  };
  if (code === undefined || reasons[code] === undefined) return cause;
  return new DatasetError("CACHE_IO", `${path}: ${reasons[code]} (NODE_BERT_CACHE).`, { cause });
}
