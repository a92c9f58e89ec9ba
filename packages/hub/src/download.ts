// Files and snapshots of the Hub, from the cache or into it.

import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { checkCommit, checkNames, fileExists, isCommit, type Repo, RepoCache } from "./cache-layout.js";
import { hubCacheFolder, hubEndpoint, isOffline } from "./environment.js";
import { HubError } from "./errors.js";
import { DEFAULT_RETRY, type RetryPolicy, send, withRetries } from "./http.js";
import { withLock } from "./lock.js";
import { type DownloadProgress, ProgressMeter } from "./progress.js";
import { fetchRepoInfo, pagePrefix, type RepoFile, type RepoInfo } from "./repo-info.js";
import { checksumOfEtag, transfer } from "./transfer.js";

const FILES_AT_ONCE = 8;

/** How files are downloaded. Environment variables give the defaults, as for Hugging Face's Python library. */
export interface DownloadOptions {
  /** Branch, tag or commit; default `main`. */
  revision?: string;
  /** Default HF_HUB_CACHE, else `$HF_HOME/hub`, else `~/.cache/huggingface/hub`. */
  cacheDir?: string;
  /** Default HF_TOKEN, else the token that `hf auth login` saved. */
  token?: string;
  onProgress?: (progress: DownloadProgress) => void;
  signal?: AbortSignal;
  /** Uses what is cached without asking for a newer version; what is not cached is downloaded. */
  trustCache?: boolean;
  retry?: Partial<RetryPolicy>;
}

interface Context {
  repo: Repo;
  cache: RepoCache;
  revision: string;
  token: string | undefined;
  signal: AbortSignal | undefined;
  retry: RetryPolicy;
  meter: ProgressMeter;
}

function openContext(repo: Repo, options: DownloadOptions): Context {
  const revision = options.revision ?? "main";
  checkNames(repo, revision);
  return {
    repo,
    cache: new RepoCache(options.cacheDir ?? hubCacheFolder(), repo),
    revision,
    token: options.token,
    signal: options.signal,
    retry: { ...DEFAULT_RETRY, ...options.retry },
    meter: new ProgressMeter(options.onProgress),
  };
}

/**
 * One file of a repository, downloaded unless it is cached.
 *
 * @returns its path in the cache (`snapshots/<commit>/<filename>`).
 * @throws HubError HUB_NOT_FOUND, HUB_ACCESS_DENIED, HUB_OFFLINE, HUB_NETWORK, HUB_RATE_LIMITED, HUB_INTEGRITY, HUB_DISK, HUB_BAD_NAME.
 * @example await downloadFile({ type: "model", name: "google-bert/bert-base-uncased" }, "config.json");
 */
export async function downloadFile(repo: Repo, filename: string, options: DownloadOptions = {}): Promise<string> {
  const context = openContext(repo, options);
  checkNames(repo, context.revision, filename);
  const { cache, revision } = context;
  const known = await cache.readRef(revision);
  const cached = known === undefined ? undefined : cache.pointer(known, filename);
  const isCached = cached !== undefined && (await fileExists(cached));
  if (isCached && (isCommit(revision) || isOffline() || options.trustCache)) return cached;
  if (isOffline()) throw offline(context, filename);
  try {
    const { commit, file } = await fetchMetadata(context, filename);
    await cache.writeRef(revision, commit);
    return await fetchFile(context, commit, file);
  } catch (cause) {
    if (cause instanceof HubError && cause.missingIn !== undefined) await cache.writeMissing(cause.missingIn, filename);
    // As in Python: a Hub that cannot be reached is no reason to fail when the file is here.
    if (isCached && cause instanceof HubError && cause.code === "HUB_NETWORK") return cached;
    throw cause;
  }
}

/** Commit, size and etag of a file, by a HEAD request that does not follow to the storage host. */
async function fetchMetadata(context: Context, filename: string): Promise<{ commit: string; file: RepoFile }> {
  const { token, signal, retry } = context;
  const url = fileUrl(context, context.revision, filename);
  const answer = await withRetries(`${context.repo.name}: ${filename}`, retry, signal, async () => {
    const head = await send(url, { method: "HEAD", token, signal, stayOnHost: true });
    await head.body.dump();
    return head;
  });
  const { headers, status } = answer;
  const commit = headers["x-repo-commit"];
  const etag = (headers["x-linked-etag"] ?? headers.etag)?.replace(/^W\//, "").replace(/^"|"$/g, "");
  if (commit === undefined || etag === undefined) {
    throw new HubError(
      "HUB_INTEGRITY",
      `${url}: the answer is not that of a Hub (no X-Repo-Commit or ETag). Is HF_ENDPOINT right?`,
    );
  }
  const length = headers["x-linked-size"] ?? (status === 200 ? headers["content-length"] : undefined);
  const size = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
  return { commit: checkCommit(commit), file: { path: filename, size, etag } };
}

function fileUrl({ repo }: Context, revision: string, file: string): string {
  const path = file.split("/").map(encodeURIComponent).join("/");
  return `${hubEndpoint()}/${pagePrefix(repo)}/resolve/${encodeURIComponent(revision)}/${path}`;
}

/** A file whose etag is known, into the cache. */
async function fetchFile(context: Context, commit: string, file: RepoFile): Promise<string> {
  const { cache, signal } = context;
  const etag = file.etag!;
  if (!(await hasBlob(cache, etag, file.size))) {
    const work = async () => {
      if (await hasBlob(cache, etag, file.size)) return;
      await transfer({
        url: fileUrl(context, commit, file.path),
        what: `${context.repo.name}: ${file.path}`,
        path: cache.blob(etag),
        partialPath: cache.partial(etag),
        size: file.size,
        checksum: checksumOfEtag(etag),
        ...context,
      });
    };
    await withLock(cache.lock(etag), work, { signal });
  }
  return cache.point(commit, file.path, etag);
}

async function hasBlob(cache: RepoCache, etag: string, size: number | undefined): Promise<boolean> {
  const stats = await stat(cache.blob(etag)).catch(() => undefined);
  return stats !== undefined && (size === undefined || stats.size === size);
}

/** A repository's files at a commit. */
export interface RepoListing {
  commit: string;
  files: string[];
  /** True when the Hub was not asked; unless it was asked for this commit before, `files` are only those in the cache. */
  fromCache: boolean;
}

/**
 * The files of a repository.
 *
 * @throws HubError as `downloadFile`.
 */
export async function listRepo(repo: Repo, options: DownloadOptions = {}): Promise<RepoListing> {
  return toListing(await openRepo(openContext(repo, options), options));
}

interface OpenRepo extends RepoInfo {
  fromCache: boolean;
}

function toListing({ commit, files, fromCache }: OpenRepo): RepoListing {
  return { commit, files: files.map(({ path }) => path), fromCache };
}

async function openRepo(context: Context, options: DownloadOptions): Promise<OpenRepo> {
  const { cache, revision } = context;
  const cached = await cachedRepo(context);
  if (cached !== undefined && (isOffline() || options.trustCache)) return cached;
  if (isOffline()) throw offline(context, "anything");
  try {
    const info = await fetchRepoInfo(context.repo, revision, context);
    await cache.writeRef(revision, info.commit);
    await cache.writeListing(info.commit, info.files);
    return { ...info, fromCache: false };
  } catch (cause) {
    if (cached !== undefined && cause instanceof HubError && cause.code === "HUB_NETWORK") return cached;
    throw cause;
  }
}

async function cachedRepo({ cache, revision }: Context): Promise<OpenRepo | undefined> {
  const commit = await cache.readRef(revision);
  if (commit === undefined) return undefined;
  const listed = await cache.readListing(commit);
  if (Array.isArray(listed)) return { commit, files: listed as RepoFile[], fromCache: true };
  const folder = cache.snapshot(commit);
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  const files: RepoFile[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isDirectory() && (await fileExists(path))) {
      files.push({ path: relative(folder, path).split(sep).join("/"), size: undefined, etag: undefined });
    }
  }
  return files.length === 0 ? undefined : { commit, files, fromCache: true };
}

/** What was downloaded of a repository. */
export interface Snapshot {
  /** Folder that holds the files: `snapshots/<commit>`. */
  folder: string;
  commit: string;
  /** Wanted files, relative to `folder`. */
  files: string[];
}

/**
 * Several files of a repository at one commit, eight at a time.
 *
 * @param wanted tells by path which files to download.
 * @throws HubError as `downloadFile`.
 */
export async function downloadSnapshot(
  repo: Repo,
  wanted: (path: string) => boolean,
  options: DownloadOptions = {},
): Promise<Snapshot> {
  const context = openContext(repo, options);
  const info = await openRepo(context, options);
  const files = info.files.filter(({ path }) => wanted(path));
  await eachAtOnce(files, async (file) => {
    if (await fileExists(context.cache.pointer(info.commit, file.path))) return;
    if (isOffline()) throw offline(context, file.path);
    const atCommit = { ...context, revision: info.commit };
    const complete = file.etag === undefined ? (await fetchMetadata(atCommit, file.path)).file : file;
    await fetchFile(context, info.commit, complete);
  });
  return { folder: context.cache.snapshot(info.commit), commit: info.commit, files: files.map(({ path }) => path) };
}

/** Runs `work` over items, eight at once. The first failure stops new ones from starting and is thrown when the running ones ended. */
async function eachAtOnce<T>(items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
        queue.length = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, worker));
  if (failures.length > 0) throw failures[0];
}

/** A file at any address whose size and sha256 are known beforehand. */
export interface KnownFile {
  url: string;
  bytes: number;
  sha256: string;
}

/**
 * Downloads a file from outside the Hub, with the same resuming and verifying.
 *
 * @returns `path`, when it is complete and right.
 */
export async function downloadKnownFile(file: KnownFile, path: string, options: DownloadOptions = {}): Promise<string> {
  if (await fileExists(path)) return path;
  if (isOffline()) throw new HubError("HUB_OFFLINE", `${file.url}: not downloaded yet, and HF_HUB_OFFLINE is set.`);
  const work = async () => {
    if (await fileExists(path)) return;
    await transfer({
      url: file.url,
      what: file.url,
      path,
      partialPath: `${path}.incomplete`,
      size: file.bytes,
      checksum: { kind: "sha256", hex: file.sha256 },
      retry: { ...DEFAULT_RETRY, ...options.retry },
      signal: options.signal,
      meter: new ProgressMeter(options.onProgress),
    });
  };
  await withLock(`${path}.lock`, work, { signal: options.signal });
  return path;
}

function offline({ repo, revision }: Context, what: string): HubError {
  return new HubError(
    "HUB_OFFLINE",
    `${repo.name} (${revision}): ${what} is not in the cache, and HF_HUB_OFFLINE is set. Unset it once to download, or give a local folder.`,
  );
}
