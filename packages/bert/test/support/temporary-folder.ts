import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";

/** An empty folder, removed after the test. */
export function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "node-bert-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A copy of a folder that may be changed, removed after the test. */
export function copyOf(t: ExecutionContext, source: string): string {
  const folder = join(temporaryFolder(t), "copy");
  cpSync(source, folder, { recursive: true });
  return folder;
}
