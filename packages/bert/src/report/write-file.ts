import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SaveError } from "../errors.js";

/** Writes beside the file, then renames: what was there before stays whole until the new content is on disk, and if writing fails. @throws {SaveError} */
export async function writeFileSafely(path: string, content: string | Uint8Array): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  try {
    const file = await open(beside, "w");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw new SaveError(
      `${path}: could not be written (${(error as Error).message}); what was there before is untouched.`,
      {
        cause: error,
      },
    );
  }
}
