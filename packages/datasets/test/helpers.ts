import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { ExecutionContext } from "ava";
import { DatasetError } from "../src/errors.js";

/** A new folder, removed when the test ends. */
export async function temporaryFolder(t: ExecutionContext<unknown>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "datasets-test-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files under a folder; names that end in .gz are gzipped. */
export async function writeFiles(folder: string, files: Record<string, string | Buffer | Uint8Array>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, name.endsWith(".gz") ? gzipSync(content) : content);
  }
}

/** Asserts that a promise fails with a DatasetError of this code whose message matches. */
export async function failsWith(
  t: ExecutionContext<unknown>,
  promise: Promise<unknown>,
  code: string,
  ...patterns: (RegExp | string)[]
): Promise<void> {
  const error = await t.throwsAsync(promise, { instanceOf: DatasetError });
  t.is(error?.code, code, error?.message);
  for (const pattern of patterns) {
    if (typeof pattern === "string")
      t.true(error?.message.includes(pattern), `${error?.message} should say ${pattern}`);
    else t.regex(error?.message ?? "", pattern);
  }
}

/** Folder of real data: NODE_BERT_DATA, default `../shared/data` beside the checkout. */
export const DATA_FOLDER = process.env.NODE_BERT_DATA
  ? resolve(process.env.NODE_BERT_DATA)
  : fileURLToPath(new URL("../../../../shared/data", import.meta.url));

/** False, said aloud, where there is no real data. */
export function hasRealData(t: ExecutionContext<unknown>, path: string): boolean {
  if (existsSync(join(DATA_FOLDER, path))) return true;
  console.warn(`SKIPPED "${t.title}": no ${path} under ${DATA_FOLDER}; set NODE_BERT_DATA`);
  t.pass();
  return false;
}

/** Seed of random tests, printed; TEST_SEED overrides it. */
export function testSeed(t: ExecutionContext<unknown>): number {
  const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.log(`TEST_SEED=${seed}`);
  return seed;
}
