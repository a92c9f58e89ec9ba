// Tokenization on several threads. Texts go to a thread as one string, results come back in typed arrays that are transferred,
// not copied; the parts are then put together in the order of the texts.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { TokenizerError, type TokenizerErrorCode } from "../errors.js";
import { badOption } from "./bad-option.js";
import type { BertTokenizer } from "./bert-tokenizer.js";
import type { Texts } from "./encode-texts.js";
import type { EncodeBatchOptions } from "./options.js";
import type { BatchEncoding } from "./packed-encoding.js";

/** What a worker is asked to do. */
export interface PoolRequest {
  job: number;
  /** All texts one after the other; a pair is two of them. */
  joined: string;
  lengths: Int32Array;
  isPairs: boolean;
  options: EncodeBatchOptions;
}

export interface PoolReply {
  job: number;
  encoding?: BatchEncoding;
  error?: { code: TokenizerErrorCode; message: string };
}

/** Characters of a part: small enough to share the work evenly, large enough that sending it costs nothing. */
const PART_CHARACTERS = 200_000;
/** Parts that a thread has before it, so that it never waits for this one while that is busy. */
const MOST_JOBS = 8;

/** A thread and its jobs, which it does in this order. */
interface PoolWorker {
  worker: Worker;
  jobs: Job[];
}

interface Job {
  request: PoolRequest;
  resolve(encoding: BatchEncoding): void;
  reject(error: Error): void;
}

/**
 * Threads that encode as `tokenizer.encodeBatch` does. The event loop is free meanwhile.
 *
 * @example
 * const pool = new BertTokenizerPool(tokenizer, { threads: 4 });
 * const { inputIds, cuSeqlens } = await pool.encodeBatch(texts, { maxLength: 512 });
 * await pool.close();
 */
export class BertTokenizerPool {
  readonly #workers: PoolWorker[] = [];
  readonly #waiting: Job[] = [];
  #jobs = 0;
  #closed: Error | undefined;

  /** @param options.threads default one for each processor. */
  constructor(tokenizer: BertTokenizer, options: { threads?: number } = {}) {
    const { threads = availableParallelism() } = options;
    if (!Number.isInteger(threads) || threads < 1) throw badOption("threads", threads, "a whole number of at least 1");
    const file = new URL("./tokenizer-pool-worker.js", import.meta.url);
    for (let i = 0; i < threads; i++) {
      const worker = new Worker(file, { workerData: tokenizer.definition });
      const entry: PoolWorker = { worker, jobs: [] };
      worker.unref();
      worker.on("message", (reply: PoolReply) => this.#finish(entry, reply));
      worker.on("error", (cause) => this.#fail(`a thread failed: ${cause.message}`, cause));
      worker.on("exit", () => this.#fail("a thread ended"));
      this.#workers.push(entry);
    }
  }

  get threads(): number {
    return this.#workers.length;
  }

  /**
   * Encodes texts or pairs of texts, as `BertTokenizer.encodeBatch` does.
   * @throws TokenizerError BAD_TOKENIZER_OPTION, TRUNCATION_IMPOSSIBLE, TOKENIZER_CLOSED
   */
  async encodeBatch(texts: Texts, options: EncodeBatchOptions = {}): Promise<BatchEncoding> {
    const parts: Promise<BatchEncoding>[] = [];
    const firstTexts: number[] = [];
    for (let from = 0, part = 0; from < texts.length || part === 0; part++) {
      let to = from;
      for (let characters = 0; to < texts.length && characters < PART_CHARACTERS; to++) {
        characters += charactersOf(texts[to], `texts[${to}]`);
      }
      firstTexts.push(from);
      parts.push(this.#start(texts.slice(from, to) as Texts, options));
      from = to;
    }
    const results = await Promise.allSettled(parts);
    return concatenate(
      results.map((result) => {
        if (result.status === "rejected") throw result.reason;
        return result.value;
      }),
      firstTexts,
    );
  }

  /** Ends the threads; what is under way is rejected. */
  async close(): Promise<void> {
    this.#fail("the pool was closed");
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()));
  }

  #start(texts: Texts, options: EncodeBatchOptions): Promise<BatchEncoding> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const isPairs = typeof texts[0] === "object";
    const flat = isPairs ? (texts as readonly (readonly [string, string])[]).flat() : (texts as readonly string[]);
    const request: PoolRequest = {
      job: ++this.#jobs,
      joined: flat.join(""),
      lengths: Int32Array.from(flat, (text) => text.length),
      isPairs,
      options,
    };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#assign();
    });
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const entry = this.#workers.reduce((least, other) => (other.jobs.length < least.jobs.length ? other : least));
      if (entry.jobs.length === MOST_JOBS) return;
      const job = this.#waiting.shift()!;
      entry.jobs.push(job);
      entry.worker.ref();
      entry.worker.postMessage(job.request, [job.request.lengths.buffer as ArrayBuffer]);
    }
  }

  #finish({ worker, jobs }: PoolWorker, { encoding, error }: PoolReply): void {
    const job = jobs.shift();
    if (jobs.length === 0) worker.unref();
    if (encoding !== undefined) job?.resolve(encoding);
    else job?.reject(new TokenizerError(error!.code, error!.message));
    this.#assign();
  }

  #fail(why: string, cause?: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = new TokenizerError("TOKENIZER_CLOSED", `tokenizer pool: ${why}. Make a new one.`, { cause });
    for (const job of this.#waiting.splice(0)) job.reject(this.#closed);
    for (const { jobs } of this.#workers) for (const job of jobs.splice(0)) job.reject(this.#closed);
  }
}

function charactersOf(text: unknown, name: string): number {
  if (typeof text === "string") return text.length;
  if (Array.isArray(text) && text.length === 2 && text.every((one) => typeof one === "string")) {
    return text[0].length + text[1].length;
  }
  throw badOption(name, text, "a text, or a pair of texts");
}

/** Puts encodings one after the other. @param firstTexts which text each begins with. */
function concatenate(parts: readonly BatchEncoding[], firstTexts: readonly number[]): BatchEncoding {
  if (parts.length === 1) return parts[0]!;
  const join = (pick: (part: BatchEncoding) => Int32Array): Int32Array => {
    const result = new Int32Array(parts.reduce((sum, part) => sum + pick(part).length, 0));
    let at = 0;
    for (const part of parts) {
      result.set(pick(part), at);
      at += pick(part).length;
    }
    return result;
  };
  let tokens = 0;
  for (const part of parts) {
    const { cuSeqlens } = part;
    for (let b = 0; b < cuSeqlens.length; b++) cuSeqlens[b]! += tokens;
    tokens = cuSeqlens.at(-1)!;
  }
  const ends = join(({ cuSeqlens }) => cuSeqlens.subarray(1));
  const cuSeqlens = new Int32Array(ends.length + 1);
  cuSeqlens.set(ends, 1);
  const result: BatchEncoding = {
    inputIds: join(({ inputIds }) => inputIds),
    tokenTypeIds: join(({ tokenTypeIds }) => tokenTypeIds),
    cuSeqlens,
    originalLengths: join(({ originalLengths }) => originalLengths),
  };
  if (parts[0]!.offsets !== undefined) result.offsets = join(({ offsets }) => offsets!);
  if (parts[0]!.wordIds !== undefined) result.wordIds = join(({ wordIds }) => wordIds!);
  if (parts[0]!.textIndices !== undefined) {
    for (const [p, { textIndices }] of parts.entries()) {
      for (let b = 0; b < textIndices!.length; b++) textIndices![b]! += firstTexts[p]!;
    }
    result.textIndices = join(({ textIndices }) => textIndices!);
  }
  return result;
}
