// A lock between processes, so that a file is downloaded once. It only saves work: what is downloaded is verified before it
// gets its name, so that even two holders at once could not leave a wrong file.
//
// The lock is a folder (mkdir is atomic everywhere), kept fresh by its holder. A folder that was not touched for a while
// belonged to a process that died, and is taken over.

import { mkdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 100;

/** How soon a lock counts as abandoned. */
export interface LockTiming {
  /** Default 2000. */
  refreshMs: number;
  /** Default 15000. */
  staleMs: number;
}

const DEFAULT_TIMING: LockTiming = { refreshMs: 2_000, staleMs: 15_000 };

/** Runs `work` while holding the lock at `path`; waits for it as long as its holder lives. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  { signal, timing = DEFAULT_TIMING }: { signal?: AbortSignal; timing?: LockTiming } = {},
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  while (!(await tryAcquire(path))) {
    if (await isStale(path, timing.staleMs)) await removeStale(path);
    else await sleep(POLL_MS, undefined, { signal });
  }
  const refresh = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, timing.refreshMs);
  refresh.unref();
  try {
    return await work();
  } finally {
    clearInterval(refresh);
    await rm(path, { recursive: true, force: true });
  }
}

async function tryAcquire(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isStale(path: string, staleMs: number): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && Date.now() - stats.mtimeMs > staleMs;
}

/** Moved away before it is removed, so that of several waiters one only succeeds. */
async function removeStale(path: string): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  await rm(aside, { recursive: true, force: true });
}
