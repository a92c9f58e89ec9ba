// Whether a command can write where it was told to, asked before it computes for hours.
import { mkdir, realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { CommandError, UsageError } from "./errors.js";

/** @throws {CommandError} when the path is a file; {UsageError} when it is the folder that the model is read from */
export async function checkOutputFolder(output: string, model: string): Promise<void> {
  if (output === "") throw new UsageError("--output is empty, expected a folder");
  const found = await stat(output).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isDirectory()) throw new CommandError(`${output}: is a file, expected a folder for --output`);
  const [here, there] = await Promise.all([realpath(output), realpath(model).catch(() => undefined)]);
  if (here === there) throw new UsageError(`${output}: --output would replace the model it starts from; name another`);
}

/** @throws {CommandError} when the path is a folder, or its folder is not there */
export async function checkOutputFile(output: string): Promise<void> {
  const found = await stat(output).catch(() => undefined);
  if (found?.isDirectory()) throw new CommandError(`${output}: is a folder, expected a file for --output`);
  const folder = await stat(dirname(resolve(output))).catch(() => undefined);
  if (!folder?.isDirectory()) throw new CommandError(`${output}: there is no folder ${dirname(output)}; make it first`);
}

/** Makes a folder with its parents, one by one: Node's `recursive` never returns where nothing can be made, as in /proc. */
export async function makeFolder(path: string): Promise<void> {
  const full = resolve(path);
  if ((await stat(full).catch(() => undefined))?.isDirectory()) return;
  if (dirname(full) !== full) await makeFolder(dirname(full));
  await mkdir(full).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw new CommandError(`${path}: cannot be made (${error.message})`);
  });
}
