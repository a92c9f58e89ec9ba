// What a repository holds at a revision: one request for the commit and all its files.

import { checkCommit, checkNames, type Repo } from "./cache-layout.js";
import { hubEndpoint } from "./environment.js";
import { HubError } from "./errors.js";
import { type Answer, bodyChunks, type RetryPolicy, send, withRetries } from "./http.js";

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** One file of a repository. */
export interface RepoFile {
  path: string;
  size: number | undefined;
  /** sha256 of a large file, git's blob hash of a small one. */
  etag: string | undefined;
}

/** A repository at a commit. */
export interface RepoInfo {
  commit: string;
  files: RepoFile[];
}

/** Path prefix of the Hub's pages: models have none. */
export function pagePrefix(repo: Repo): string {
  return repo.type === "model" ? repo.name : `${repo.type}s/${repo.name}`;
}

interface ApiAnswer {
  sha?: unknown;
  siblings?: {
    rfilename?: unknown;
    size?: unknown;
    blobId?: unknown;
    lfs?: { sha256?: unknown; size?: unknown } | null;
  }[];
}

/** Asks the Hub. @throws HubError of `send`; HUB_BAD_NAME when a file name leaves the repository's folder. */
export async function fetchRepoInfo(
  repo: Repo,
  revision: string,
  options: { token?: string; retry: RetryPolicy; signal?: AbortSignal },
): Promise<RepoInfo> {
  checkNames(repo, revision);
  const url = `${hubEndpoint()}/api/${repo.type}s/${repo.name}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const body = await withRetries(repo.name, options.retry, options.signal, async () => {
    return readJson(await send(url, { token: options.token, signal: options.signal }));
  });
  const { sha, siblings } = body;
  if (typeof sha !== "string" || !Array.isArray(siblings)) {
    throw new HubError(
      "HUB_INTEGRITY",
      `${url}: the answer is not that of a Hub (no "sha" or "siblings"). Is HF_ENDPOINT right?`,
    );
  }
  const files = siblings.map(({ rfilename, size, blobId, lfs }): RepoFile => {
    checkNames(repo, revision, String(rfilename));
    return { path: String(rfilename), size: asNumber(lfs?.size ?? size), etag: asText(lfs?.sha256 ?? blobId) };
  });
  return { commit: checkCommit(sha), files };
}

async function readJson(answer: Answer): Promise<ApiAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bodyChunks(answer)) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) {
      answer.body.destroy();
      throw new HubError("HUB_INTEGRITY", `${answer.url}: the answer does not end after 64 MiB. Is HF_ENDPOINT right?`);
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as ApiAnswer;
  } catch (cause) {
    throw new HubError(
      "HUB_INTEGRITY",
      `${answer.url}: the answer is not JSON. Is HF_ENDPOINT right, or a login page in between?`,
      { cause },
    );
  }
}

function asNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
