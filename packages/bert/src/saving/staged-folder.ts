import { randomBytes } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { SaveError } from "../errors.js";

/**
 * Fills a folder all or nothing: `write` gets an empty folder inside it, and only when everything is there and on the disk, its files
 * are renamed into place. A full disk, a crash or an error before that leaves the folder as it was.
 * @returns paths of the files
 * @throws {SaveError} for what the file system refuses
 */
export async function fillFolder(folder: string, write: (staging: string) => Promise<void>): Promise<string[]> {
  const staging = join(folder, `.saving-${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    await mkdir(staging, { recursive: true });
    await write(staging);
    const names = (await readdir(staging)).sort();
    for (const name of names) await syncToDisk(join(staging, name));
    // The one thing that makes a rename inside a folder fail is looked for before the first, so that it is all or nothing.
    for (const name of names) await refuseFolder(join(folder, name));
    for (const name of names) await rename(join(staging, name), join(folder, name));
    await rmdir(staging);
    await syncToDisk(folder);
    return names.map((name) => join(folder, name));
  } catch (error) {
    await rm(staging, { recursive: true, force: true }).catch(() => {});
    throw explain(error, folder);
  }
}

async function refuseFolder(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory())
    throw new SaveError(`${path}: there is a folder of that name, expected a file. Nothing was changed.`);
}

async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function explain(error: unknown, folder: string): unknown {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (typeof code !== "string" || syscall === undefined) return error;
  const what =
    code === "ENOSPC"
      ? "the disk is full"
      : code === "EACCES" || code === "EROFS" || code === "EPERM"
        ? "it may not be written to"
        : code === "ENOTDIR" || code === "EEXIST"
          ? "there is a file of that name, expected a folder"
          : message;
  return new SaveError(`${folder}: could not be saved, ${what}. What was there before is unchanged.`, { cause: error });
}
