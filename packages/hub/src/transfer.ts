// Bytes from a URL into a file: resumed, bounded, verified, and named only when complete.

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { HubError } from "./errors.js";
import { type Answer, bodyChunks, type RetryPolicy, send, TransientFailure, withRetries } from "./http.js";
import type { ProgressMeter } from "./progress.js";

/** Largest body that is taken from a server which does not say how long it is. */
const MAX_UNANNOUNCED_BYTES = 1024 ** 3;

/** What is to be fetched, and how it is known to be right. */
export interface Transfer {
  url: string;
  /** Name for messages and progress: `stanfordnlp/imdb: plain_text/train.parquet`. */
  what: string;
  /** Where it goes when complete. */
  path: string;
  /** Where it grows; kept on failure and resumed. */
  partialPath: string;
  size: number | undefined;
  checksum: Checksum | undefined;
  token?: string;
  retry: RetryPolicy;
  signal?: AbortSignal;
  meter: ProgressMeter;
}

/** Git hashes a small file with its length in front. */
export interface Checksum {
  kind: "sha256" | "git-sha1";
  hex: string;
}

/** The checksum that the etag of a Hub file is: sha256 of large files, git's blob hash of small ones; else none. */
export function checksumOfEtag(etag: string): Checksum | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return { kind: "sha256", hex: etag };
  return /^[0-9a-f]{40}$/.test(etag) ? { kind: "git-sha1", hex: etag } : undefined;
}

/**
 * Fetches a file. A damaged result is thrown away and fetched once more from the start.
 *
 * @throws HubError HUB_NETWORK, HUB_RATE_LIMITED, HUB_INTEGRITY, HUB_DISK (naming the file), and those of `send`.
 */
export async function transfer(job: Transfer): Promise<void> {
  try {
    await mkdir(dirname(job.partialPath), { recursive: true });
    for (let round = 1; ; round++) {
      await fill(job);
      const damage = await findDamage(job);
      if (damage === undefined) break;
      await rm(job.partialPath, { force: true });
      if (round === 2) {
        throw new HubError(
          "HUB_INTEGRITY",
          `${job.what}: ${damage}, twice. Nothing was kept. The server or a proxy in between alters the file; try later or another endpoint.`,
        );
      }
    }
    await rename(job.partialPath, job.path);
    job.meter.finish(job.what);
  } catch (cause) {
    throw describeDiskFailure(job.path, cause);
  }
}

/** Requests until the partial file has every byte. */
async function fill(job: Transfer): Promise<void> {
  job.meter.start(job.what, await sizeOf(job.partialPath), job.size);
  await withRetries(job.what, job.retry, job.signal, async (progressed) => {
    let have = await sizeOf(job.partialPath);
    if (job.size !== undefined && have > job.size) {
      await rm(job.partialPath);
      have = 0;
    }
    if (job.size !== undefined && have === job.size && have > 0) return;
    const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
    const answer = await requestBody(job, headers);
    const resumed = have > 0 && answer?.status === 206 && rangeStart(answer) === have;
    if (answer === undefined) return;
    if (have > 0 && !resumed) job.meter.start(job.what, 0, job.size);
    await append(job, answer, resumed ? have : 0, progressed);
  });
}

/** The body; undefined when the server says that nothing is left after what we have. */
async function requestBody(job: Transfer, headers: Record<string, string>): Promise<Answer | undefined> {
  try {
    return await send(job.url, { headers, token: job.token, signal: job.signal });
  } catch (cause) {
    if (!(cause instanceof HubError) || cause.status !== 416) throw cause;
    // The part we have is as long as the file or longer: whether it is right, the checksum will tell.
    if (job.size === undefined) return undefined;
    await rm(job.partialPath, { force: true });
    throw new TransientFailure("the server refused to resume", 416, 0, { cause });
  }
}

function rangeStart(answer: Answer): number | undefined {
  const start = /^bytes (\d+)-/.exec(answer.headers["content-range"] ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}

async function append(job: Transfer, answer: Answer, from: number, progressed: () => void): Promise<void> {
  const handle = await open(job.partialPath, from > 0 ? "r+" : "w");
  let at = from;
  const most = job.size ?? MAX_UNANNOUNCED_BYTES;
  try {
    for await (const chunk of bodyChunks(answer)) {
      if (at + chunk.length > most) throw tooLong(job, most);
      await writeAll(handle, chunk, at);
      at += chunk.length;
      job.meter.advance(job.what, chunk.length);
      progressed();
    }
    await handle.sync().catch(ignoreUnsyncable);
  } catch (cause) {
    answer.body.destroy();
    if (cause instanceof HubError && cause.code === "HUB_INTEGRITY") await handle.truncate(0);
    throw cause;
  } finally {
    await handle.close();
  }
  if (job.size !== undefined && at < job.size) {
    throw new TransientFailure(`the connection ended after ${at} of ${job.size} bytes`, answer.status, undefined);
  }
}

async function writeAll(handle: FileHandle, chunk: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, written, chunk.length - written, position + written);
    written += bytesWritten;
  }
}

/** Some network file systems cannot sync; the checksum is verified from the file anyway. */
function ignoreUnsyncable(error: NodeJS.ErrnoException): void {
  if (error.code !== "EINVAL" && error.code !== "ENOSYS" && error.code !== "ENOTSUP") throw error;
}

/** What is wrong with the finished partial file, if anything. Read back from disk: what counts is what lies there. */
async function findDamage({ partialPath, size, checksum }: Transfer): Promise<string | undefined> {
  const have = await sizeOf(partialPath);
  if (size !== undefined && have !== size) return `${have} bytes arrived where ${size} were announced`;
  if (checksum === undefined) return undefined;
  const hex = await hashFile(partialPath, checksum.kind, have);
  return hex === checksum.hex ? undefined : `${checksum.kind} is ${hex} where ${checksum.hex} was announced`;
}

async function hashFile(path: string, kind: Checksum["kind"], size: number): Promise<string> {
  const hash: Hash = kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function sizeOf(path: string): Promise<number> {
  const stats = await stat(path).catch(() => undefined);
  return stats?.size ?? 0;
}

function tooLong(job: Transfer, most: number): HubError {
  const announced = job.size === undefined ? `the ${most} that are taken unannounced` : `the ${job.size} announced`;
  return new HubError(
    "HUB_INTEGRITY",
    `${job.what}: the server sends more bytes than ${announced}. Nothing was kept; try later or another endpoint.`,
  );
}

function describeDiskFailure(path: string, cause: unknown): unknown {
  const reasons: Record<string, string> = {
    ENOSPC: "the disk is full. What was downloaded is kept; free some space and run again",
    EDQUOT: "the disk quota is used up. What was downloaded is kept; free some space and run again",
    EACCES: "writing there is not allowed. Choose another cache with HF_HOME or HF_HUB_CACHE",
    EROFS: "the disk is read-only. Choose another cache with HF_HOME or HF_HUB_CACHE",
  };
  const reason = reasons[(cause as NodeJS.ErrnoException).code ?? ""];
  return reason === undefined ? cause : new HubError("HUB_DISK", `${path}: ${reason}.`, { cause: cause as Error });
}
