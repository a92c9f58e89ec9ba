// A Hub on localhost: repositories with commits, small files served by itself and large ones by a storage host at another
// origin, as the real one does. It misbehaves on demand.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A misbehaviour, for the next `times` (default 1) requests whose `METHOD path` matches. */
export interface Fault {
  match: RegExp;
  times?: number;
  /** Answers with this status instead. */
  status?: number;
  headers?: Record<string, string>;
  /** Destroys the connection after this many bytes of the body. */
  cutAfter?: number;
  /** Flips a bit of this byte of the body. */
  flipByte?: number;
  /** Leaves this many bytes off the end of the body, with a Content-Length to fit. */
  shortenBy?: number;
  /** Sends the whole file, whatever range was asked for. */
  ignoreRange?: boolean;
  /** Sends 64 KiB pieces without end. */
  endless?: boolean;
  /** Sends one byte, and then nothing more. */
  stall?: boolean;
  /** Waits this long before answering. */
  delayMs?: number;
  /** Redirects there. */
  redirect?: string;
}

/** A request that arrived. */
export interface Seen {
  method: string;
  path: string;
  range: string | undefined;
  authorization: string | undefined;
  /** `hub` or `storage`. */
  host: string;
}

interface FakeFile {
  bytes: Buffer;
  isLarge: boolean;
}

interface FakeRepo {
  commit: string;
  files: Map<string, FakeFile>;
  token: string | undefined;
  gated: boolean;
}

/** Files from this size on are "large": sha256 etags, served by the storage host. */
export const LARGE_FILE_BYTES = 10_000;

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function gitHash(bytes: Buffer): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

export class FakeHub {
  readonly seen: Seen[] = [];
  /** Extra entries of every listing, as they are. */
  readonly extraSiblings: unknown[] = [];
  private readonly repos = new Map<string, FakeRepo>();
  private faults: { fault: Fault; left: number }[] = [];
  private readonly hub: Server;
  private readonly storage: Server;
  private readonly blobs = new Map<string, Buffer>();

  private constructor() {
    this.hub = createServer((request, response) => this.serve("hub", request, response));
    this.storage = createServer((request, response) => this.serve("storage", request, response));
  }

  static async start(): Promise<FakeHub> {
    const fake = new FakeHub();
    for (const server of [fake.hub, fake.storage]) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    return fake;
  }

  async stop(): Promise<void> {
    for (const server of [this.hub, this.storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get url(): string {
    return addressOf(this.hub);
  }

  get storageUrl(): string {
    return addressOf(this.storage);
  }

  /** Adds or replaces a repository; `key` is `models/owner/name` or `datasets/owner/name`. Returns its commit. */
  addRepo(
    key: string,
    files: Record<string, string | Buffer>,
    { token, gated = false, revision = "main" }: { token?: string; gated?: boolean; revision?: string } = {},
  ): string {
    const entries = Object.entries(files).map(([path, content]): [string, FakeFile] => {
      const bytes = Buffer.from(content);
      const isLarge = bytes.length >= LARGE_FILE_BYTES;
      if (isLarge) this.blobs.set(sha256(bytes), bytes);
      return [path, { bytes, isLarge }];
    });
    const hash = createHash("sha1").update(key + revision);
    for (const [path, { bytes }] of entries) hash.update(path).update(bytes);
    const commit = hash.digest("hex");
    const repo = { commit, files: new Map(entries), token, gated };
    this.repos.set(`${key}@${revision}`, repo);
    this.repos.set(`${key}@${commit}`, repo);
    return commit;
  }

  addFault(fault: Fault): void {
    this.faults.push({ fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.faults = [];
    this.seen.length = 0;
    this.extraSiblings.length = 0;
  }

  /** Requests of a kind that arrived so far. */
  count(match: RegExp): number {
    return this.seen.filter(({ method, path }) => match.test(`${method} ${path}`)).length;
  }

  private serve(host: string, request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "/";
    const method = request.method ?? "GET";
    const { range, authorization } = request.headers;
    this.seen.push({ method, path, range, authorization, host });
    const entry = this.faults.find(({ fault, left }) => left > 0 && fault.match.test(`${method} ${path}`));
    if (entry !== undefined) entry.left -= 1;
    const fault = entry?.fault ?? { match: /./ };
    setTimeout(() => this.answer(host, request, response, fault), fault.delayMs ?? 0);
  }

  private answer(host: string, request: IncomingMessage, response: ServerResponse, fault: Fault): void {
    const path = decodeURIComponent((request.url ?? "/").split("?")[0]);
    if (fault.redirect !== undefined) {
      response.writeHead(307, { location: fault.redirect }).end();
      return;
    }
    if (fault.status !== undefined) {
      response.writeHead(fault.status, fault.headers).end();
      return;
    }
    if (host === "storage") {
      const bytes = this.blobs.get(path.slice(1));
      if (bytes === undefined) response.writeHead(404).end();
      else sendBytes(request, response, bytes, { etag: `"${path.slice(1)}"` }, fault);
      return;
    }
    const api = /^\/api\/(models|datasets)\/(.+)\/revision\/(.+)$/.exec(path);
    if (api !== null) {
      this.answerListing(request, response, `${api[1]}/${api[2]}@${api[3]}`, fault);
      return;
    }
    const page = /^\/(datasets\/)?(.+?)\/resolve\/(refs\/[^/]+\/[^/]+|[^/]+)\/(.+)$/.exec(path);
    if (page === null) {
      response.writeHead(404).end();
      return;
    }
    const repo = this.open(request, response, `${page[1] ?? "models/"}${page[2]}@${page[3]}`);
    if (repo === undefined) return;
    const file = repo.files.get(page[4]);
    if (file === undefined) {
      response.writeHead(404, { "x-error-code": "EntryNotFound", "x-repo-commit": repo.commit }).end();
    } else if (file.isLarge) {
      response.writeHead(302, {
        location: `${this.storageUrl}/${sha256(file.bytes)}`,
        "x-repo-commit": repo.commit,
        "x-linked-etag": `"${sha256(file.bytes)}"`,
        "x-linked-size": String(file.bytes.length),
        ...fault.headers,
      });
      response.end();
    } else {
      const headers = { "x-repo-commit": repo.commit, etag: `"${gitHash(file.bytes)}"`, ...fault.headers };
      sendBytes(request, response, file.bytes, headers, fault);
    }
  }

  private answerListing(request: IncomingMessage, response: ServerResponse, key: string, fault: Fault): void {
    const repo = this.open(request, response, key);
    if (repo === undefined) return;
    const siblings: unknown[] = [...repo.files].map(([rfilename, { bytes, isLarge }]) => ({
      rfilename,
      size: bytes.length,
      blobId: gitHash(bytes),
      ...(isLarge ? { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {}),
    }));
    const id = key.split("@")[0].split("/").slice(1).join("/");
    const body = JSON.stringify({ id, sha: repo.commit, siblings: [...siblings, ...this.extraSiblings] });
    sendBytes(request, response, Buffer.from(body), { "content-type": "application/json" }, fault);
  }

  /** The repository, or an answer that says why not. */
  private open(request: IncomingMessage, response: ServerResponse, key: string): FakeRepo | undefined {
    const repo = this.repos.get(key);
    const [name] = key.split("@");
    const sent = request.headers.authorization;
    if (repo === undefined && [...this.repos.keys()].some((known) => known.startsWith(`${name}@`))) {
      response.writeHead(404, { "x-error-code": "RevisionNotFound" }).end();
    } else if (repo === undefined || (repo.token !== undefined && sent !== `Bearer ${repo.token}` && !repo.gated)) {
      // The Hub does not tell a private repository from one that does not exist.
      response.writeHead(401, { "x-error-code": "RepoNotFound", "x-error-message": "Repository not found" }).end();
    } else if (repo.gated && sent !== `Bearer ${repo.token}`) {
      response
        .writeHead(403, { "x-error-code": "GatedRepo", "x-error-message": "Access to this repository is restricted" })
        .end();
    } else return repo;
    return undefined;
  }
}

function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  whole: Buffer,
  headers: Record<string, string>,
  fault: Fault,
): void {
  if (fault.endless) {
    sendEndless(request, response, headers);
    return;
  }
  const from = fault.ignoreRange ? 0 : Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
  if (from > 0 && from >= whole.length) {
    response.writeHead(416, { "content-range": `bytes */${whole.length}` }).end();
    return;
  }
  let bytes = whole;
  if (fault.flipByte !== undefined) {
    bytes = Buffer.from(whole);
    bytes[fault.flipByte] ^= 1;
  }
  bytes = bytes.subarray(from, bytes.length - (fault.shortenBy ?? 0));
  const range = from > 0 ? { "content-range": `bytes ${from}-${whole.length - 1}/${whole.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, { "content-length": String(bytes.length), ...headers, ...range });
  if (request.method === "HEAD") response.end();
  else if (fault.stall) response.write(bytes.subarray(0, 1));
  else if (fault.cutAfter !== undefined)
    response.write(bytes.subarray(0, fault.cutAfter), () => response.socket?.destroy());
  else response.end(bytes);
}

function sendEndless(request: IncomingMessage, response: ServerResponse, headers: Record<string, string>): void {
  response.writeHead(200, headers);
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const piece = Buffer.alloc(65_536, 97);
  const push = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on("drain", push);
  push();
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
