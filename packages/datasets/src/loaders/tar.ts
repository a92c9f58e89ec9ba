// Entries of a tar archive, read in memory: nothing is ever unpacked to disk, and an archive that tries to reach outside
// itself is refused as a whole.

import { pipeline } from "node:stream/promises";
import type { Entry } from "tar-stream";
import { DatasetError } from "../errors.js";
import { readBytes } from "./text-blocks.js";

const MAX_ARCHIVE_BYTES = 8 * 1024 ** 3;

/** One file of an archive. */
export interface TarEntry {
  name: string;
  bytes: Buffer;
}

/**
 * Reads the wanted files of a tarball, gunzipped when its name ends in .gz or .tgz.
 *
 * @param isWanted tells by name which files to read; the others are passed over.
 * @param maxBytes largest size a wanted file may have.
 * @throws DatasetError BAD_ARCHIVE for names with `..` or an absolute path, links and devices, absurd sizes, a damaged archive.
 */
export async function* readTarEntries(
  path: string,
  isWanted: (name: string) => boolean,
  maxBytes: number,
): AsyncGenerator<TarEntry> {
  const { extract } = await import("tar-stream");
  const archive = extract();
  const feeding = pipeline(readBytes(path), archive);
  // The loop below reports the failure; without this a rejection would go unhandled while it is being thrown.
  feeding.catch(() => {});
  let total = 0;
  try {
    for await (const entry of archive as AsyncIterable<Entry>) {
      const { name, type, size = 0 } = entry.header;
      checkName(path, name);
      if (type !== "file" && type !== "contiguous-file" && type !== "directory") {
        throw refused(path, name, `is a ${type}; only plain files and folders are read`);
      }
      total += size;
      const wanted = type !== "directory" && isWanted(name);
      if (total > MAX_ARCHIVE_BYTES || (wanted && size > maxBytes)) {
        throw refused(path, name, `claims a size of ${size} bytes`);
      }
      if (wanted) yield { name, bytes: await collect(entry) };
      else entry.resume();
    }
    await feeding;
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    throw new DatasetError(
      "BAD_ARCHIVE",
      `${path}: damaged tar archive (${(cause as Error).message}). Fetch it again.`,
      {
        cause,
      },
    );
  } finally {
    archive.destroy();
    await feeding.catch(() => {});
  }
}

async function collect(entry: Entry): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function checkName(path: string, name: string): void {
  const parts = name.split(/[\\/]/);
  if (parts.includes("..")) throw refused(path, name, "leaves the archive's folder with ..");
  if (/^([\\/]|[A-Za-z]:)/.test(name)) throw refused(path, name, "has an absolute path");
}

function refused(path: string, name: string, why: string): DatasetError {
  return new DatasetError(
    "BAD_ARCHIVE",
    `${path}: refused, its entry "${name.slice(0, 200)}" ${why}. A data set's archive has no need of this; get it from its source.`,
  );
}
