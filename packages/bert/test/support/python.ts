import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** The project's Python with Hugging Face's packages. */
export const PYTHON = `${root}.venv/bin/python`;
export const PYTHON_SCRIPTS = `${root}python/`;

/** Says so aloud when the test cannot run. */
export function hasPython(t: ExecutionContext): boolean {
  if (existsSync(PYTHON)) return true;
  t.log(`SKIPPED: ${t.title}: there is no .venv; make it with: node scripts/setup-python.mjs`);
  t.pass();
  return false;
}
