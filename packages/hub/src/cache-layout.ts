// The cache on disk, shared with Hugging Face's Python library in both directions:
//
//   <cache>/datasets--stanfordnlp--imdb/
//     refs/main                      text: the commit
//     blobs/<etag>                   contents, named by sha256 (large files) or git's blob hash (small ones)
//     snapshots/<commit>/<file>      relative symlinks into blobs; hard links or copies where symlinks are impossible
//     .no_exist/<commit>/<file>      empty: the Hub said that there is no such file
//     .node-bert/<commit>.json       ours alone: all files of the commit, so that they are known without the Hub

import { copyFile, link, mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { HubError } from "./errors.js";

/** A repository of the Hub. */
export interface Repo {
  type: "model" | "dataset";
  /** `owner/name`, or a bare name of the early days such as `bert-base-uncased`. */
  name: string;
}

const NAME = /^[\w.-]+(\/[\w.-]+)?$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** True for a full commit hash. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** @throws HubError HUB_INTEGRITY for what a server calls a commit and is none. */
export function checkCommit(commit: string): string {
  if (isCommit(commit)) return commit;
  throw new HubError(
    "HUB_INTEGRITY",
    `The server named "${commit.slice(0, 80)}" as the commit, which is none. Is HF_ENDPOINT right?`,
  );
}

/** True for what can be the name of a repository. */
export function isRepoName(name: string): boolean {
  return (
    NAME.test(name) && !name.includes("..") && !name.includes("--") && name.length <= 96 && !/^[.-]|[.-]$/.test(name)
  );
}

/** @throws HubError HUB_BAD_NAME for a name, revision or file that could reach outside its folder. */
export function checkNames(repo: Repo, revision: string, file?: string): void {
  if (!isRepoName(repo.name)) {
    throw new HubError("HUB_BAD_NAME", `"${repo.name}" is not the name of a Hub repository; expected owner/name.`);
  }
  if (!isSafePath(revision)) throw new HubError("HUB_BAD_NAME", `"${revision}" is not a branch, tag or commit.`);
  if (file !== undefined && !isSafePath(file)) {
    throw new HubError(
      "HUB_BAD_NAME",
      `${repo.name}: refused the file name "${file}", which leaves the repository's folder.`,
    );
  }
}

function isSafePath(path: string): boolean {
  const parts = path.split("/");
  const plain = parts.every((part) => part !== "" && part !== "." && part !== "..");
  return plain && !/[\\\0]/.test(path) && !/^[A-Za-z]:/.test(path);
}

/** Paths of one repository in the cache. */
export class RepoCache {
  readonly folder: string;
  private readonly locks: string;

  constructor(cacheFolder: string, repo: Repo) {
    const name = [`${repo.type}s`, ...repo.name.split("/")].join("--");
    this.folder = join(cacheFolder, name);
    this.locks = join(cacheFolder, ".locks", name);
  }

  blob(etag: string): string {
    return join(this.folder, "blobs", checkEtag(etag));
  }

  /** A download under way; kept when it fails and resumed. Python's own have other names. */
  partial(etag: string): string {
    return `${this.blob(etag)}.node-bert.incomplete`;
  }

  lock(etag: string): string {
    return join(this.locks, `${checkEtag(etag)}.node-bert.lock`);
  }

  snapshot(commit: string): string {
    if (!isCommit(commit))
      throw new HubError("HUB_INTEGRITY", `The Hub named "${commit}" as the commit, which is none.`);
    return join(this.folder, "snapshots", commit);
  }

  /** Path of a file in a snapshot. */
  pointer(commit: string, file: string): string {
    return join(this.snapshot(commit), ...file.split("/"));
  }

  /** The commit that a branch or tag meant when last asked. */
  async readRef(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.folder, "refs", ...revision.split("/")), "utf8").catch(() => "");
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.readRef(revision)) === commit) return;
    await writeWhole(join(this.folder, "refs", ...revision.split("/")), commit);
  }

  /** Remembers that a snapshot has no such file. */
  async writeMissing(commit: string, file: string): Promise<void> {
    if (isCommit(commit)) await writeWhole(join(this.folder, ".no_exist", commit, ...file.split("/")), "");
  }

  async isKnownMissing(commit: string, file: string): Promise<boolean> {
    return fileExists(join(this.folder, ".no_exist", commit, ...file.split("/")));
  }

  /** Remembers what the Hub lists at a commit. */
  async writeListing(commit: string, listing: unknown): Promise<void> {
    const path = this.listing(commit);
    if (!(await fileExists(path))) await writeWhole(path, JSON.stringify(listing));
  }

  /** What `writeListing` kept; undefined when there is none, or it is damaged. */
  async readListing(commit: string): Promise<unknown> {
    const text = await readFile(this.listing(commit), "utf8").catch(() => "");
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  private listing(commit: string): string {
    return join(this.folder, ".node-bert", `${checkCommit(commit)}.json`);
  }

  /** Makes `snapshots/<commit>/<file>` show the blob. */
  async point(commit: string, file: string, etag: string): Promise<string> {
    const pointer = this.pointer(commit, file);
    const blob = this.blob(etag);
    if (await isSameFile(pointer, blob)) return pointer;
    await mkdir(dirname(pointer), { recursive: true });
    const beside = `${pointer}.${process.pid}.${Math.random().toString(36).slice(2)}`;
    await makeLink(blob, beside, dirname(pointer));
    await rename(beside, pointer);
    return pointer;
  }
}

/** Symlink; where the file system or Windows forbids it a hard link; else a copy. Silently: the result is the same. */
export async function makeLink(
  blob: string,
  path: string,
  folder: string,
  system: { symlink?: typeof symlink; link?: typeof link } = {},
): Promise<void> {
  try {
    return await (system.symlink ?? symlink)(relative(folder, blob), path);
  } catch {
    // Not allowed here.
  }
  try {
    return await (system.link ?? link)(blob, path);
  } catch {
    return copyFile(blob, path);
  }
}

async function isSameFile(pointer: string, blob: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(pointer).catch(() => undefined), stat(blob).catch(() => undefined)]);
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

/** True for an existing file, through links. */
export async function fileExists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    await writeFile(beside, text);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

/** @throws HubError HUB_INTEGRITY for an etag that could not be a file's name. */
function checkEtag(etag: string): string {
  if (/^[\w-][\w.-]{0,199}$/.test(etag)) return etag;
  throw new HubError("HUB_INTEGRITY", `The Hub sent the etag "${etag.slice(0, 80)}", which cannot name a file.`);
}
