// Tokenization on several threads, this one among them. A batch is cut into parts, and parts are sent to the other threads ahead
// of need; this one encodes between, puts the parts together as they come, and in the end takes back what the others have not
// begun. So no thread waits for another, and one that is slow, or still starting, holds nobody up.

import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { TokenizerError } from "../errors.js";
import { badOption } from "./bad-option.js";
import type { BertTokenizer } from "./bert-tokenizer.js";
import type { Texts } from "./encode-texts.js";
import type { EncodeBatchOptions } from "./options.js";
import { type BatchEncoding, emptyColumns, PackedBuilder, type PackedColumns } from "./packed-encoding.js";
import { type PoolReply, type PoolRequest, takePart } from "./pool-messages.js";

/** Characters of a part: about a millisecond of work, against which sending it costs little. */
const MOST_OF_PART = 1 << 17;
/** Parts get smaller towards the end, so that all threads end together; but not smaller than this. */
const LEAST_OF_PART = 1 << 14;
/** Parts that a thread is sent ahead, so that it never waits for this one while that is busy. */
const MOST_AHEAD = 4;
/** Columns to write over that are kept for each thread: of the parts ahead, and of those that wait for an earlier one. Some megabytes. */
const MOST_SPARES = 4 * MOST_AHEAD;
/** Room is made for this many times what is expected: the rest is never touched, so it costs nothing. */
const MARGIN = 1.1;

interface Part {
  texts: Texts;
  firstText: number;
  /** Characters and texts of the batch to its end. */
  end: number;
}

interface PoolWorker {
  worker: Worker;
  /** What to do with its replies, which come in the order of the requests; with none when it failed. */
  receivers: ((reply?: PoolReply) => void)[];
}

/**
 * Threads that encode as `tokenizer.encodeBatch` does. The event loop gets its turn every few milliseconds meanwhile.
 *
 * @example
 * const pool = new BertTokenizerPool(tokenizer, { threads: 4 });
 * const { inputIds, cuSeqlens } = await pool.encodeBatch(texts, { maxLength: 512 });
 * await pool.close();
 */
export class BertTokenizerPool {
  readonly #tokenizer: BertTokenizer;
  readonly #workers: PoolWorker[] = [];
  /** Columns to write over: the first touch of new memory takes long. */
  readonly #spares: PackedColumns[] = [];
  #closed: Error | undefined;

  /** @param options.threads with the one that calls; default one for each processor. */
  constructor(tokenizer: BertTokenizer, options: { threads?: number } = {}) {
    const { threads = availableParallelism() } = options;
    if (!Number.isInteger(threads) || threads < 1) throw badOption("threads", threads, "a whole number of at least 1");
    this.#tokenizer = tokenizer;
    const file = new URL("./tokenizer-pool-worker.js", import.meta.url);
    for (let i = 1; i < threads; i++) {
      // Without this process's flags and loaders, which the file doesn't need.
      const worker = new Worker(file, { workerData: tokenizer.definition, execArgv: [] });
      const entry: PoolWorker = { worker, receivers: [] };
      worker.unref();
      worker.on("message", (reply: PoolReply) => {
        entry.receivers.shift()?.(reply);
        if (entry.receivers.length === 0 && this.#closed === undefined) worker.unref();
      });
      worker.on("error", (cause) => this.#fail(`a thread failed: ${cause.message}`, cause));
      worker.on("exit", () => this.#fail("a thread ended"));
      this.#workers.push(entry);
    }
  }

  get threads(): number {
    return this.#workers.length + 1;
  }

  /**
   * Encodes texts or pairs of texts, as `BertTokenizer.encodeBatch` does.
   * @throws TokenizerError BAD_TOKENIZER_OPTION, TRUNCATION_IMPOSSIBLE, TOKENIZER_CLOSED
   */
  async encodeBatch(texts: Texts, options: EncodeBatchOptions = {}): Promise<BatchEncoding> {
    const parts = cut(texts, this.threads);
    const taken = new Int32Array(new SharedArrayBuffer(4 * parts.length));
    const outcomes: (PackedColumns | Error | undefined)[] = [];
    const builder = new PackedBuilder(options);
    let wake = () => {};
    let sent = 0;
    for (let placed = 0; ; ) {
      if (this.#closed !== undefined) throw this.#closed;
      for (const worker of this.#workers) {
        for (; sent < parts.length - 1 && worker.receivers.length < MOST_AHEAD; sent++) {
          const part = sent;
          this.#ask(worker, { texts: parts[part]!.texts, options, taken, part }, (outcome) => {
            if (outcome !== undefined) outcomes[part] = outcome;
            wake();
          });
        }
      }
      // The next part; when all are sent, the last one that nobody has begun.
      let own = sent < parts.length ? sent++ : parts.length - 1;
      while (own >= placed && !takePart(taken, own)) own--;
      const isOwn = own >= placed;
      if (isOwn) outcomes[own] = this.#encode(parts[own]!.texts, options);
      for (let outcome = outcomes[placed]; outcome !== undefined; outcome = outcomes[placed]) {
        if (outcome instanceof Error) throw outcome;
        const { firstText, end } = parts[placed]!;
        builder.append(outcome, firstText, MARGIN * (parts.at(-1)!.end / end || 1));
        this.#keep(outcome);
        outcomes[placed++] = undefined;
      }
      if (placed === parts.length) return builder.finish();
      if (isOwn) await setImmediate();
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  /** Ends the threads; what is under way is rejected. */
  async close(): Promise<void> {
    this.#fail("the pool was closed");
    const ends = this.#workers.map(({ worker }) => {
      worker.ref(); // Else the process may end before the thread does, with this promise unsettled.
      return worker.terminate();
    });
    await Promise.all(ends);
  }

  /** Sends a part. @param receive gets what came of it; nothing when another thread had taken it, or this one failed. */
  #ask(
    { worker, receivers }: PoolWorker,
    request: Omit<PoolRequest, "columns">,
    receive: (outcome?: PackedColumns | Error) => void,
  ): void {
    const columns = this.#spares.pop() ?? emptyColumns(SharedArrayBuffer);
    worker.postMessage({ ...request, columns } satisfies PoolRequest);
    worker.ref();
    receivers.push((reply) => {
      if (reply?.error !== undefined) receive(new TokenizerError(reply.error.code, reply.error.message));
      else if (reply?.isEncoded) receive(reply.columns);
      else {
        if (reply !== undefined) this.#keep(reply.columns);
        receive();
      }
    });
  }

  #encode(texts: Texts, options: EncodeBatchOptions): PackedColumns | Error {
    try {
      return this.#tokenizer.encodeInto(this.#spares.pop() ?? emptyColumns(SharedArrayBuffer), texts, options).columns;
    } catch (error) {
      return error as Error;
    }
  }

  #keep(columns: PackedColumns): void {
    const mayHelp = columns.inputIds.length <= 2 * MOST_OF_PART && this.#spares.length < MOST_SPARES * this.threads;
    if (mayHelp) this.#spares.push(columns);
  }

  #fail(why: string, cause?: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = new TokenizerError("TOKENIZER_CLOSED", `tokenizer pool: ${why}. Make a new one.`, { cause });
    for (const { receivers } of this.#workers) for (const receive of receivers.splice(0)) receive();
  }
}

/** Cuts texts into parts, at least one. @throws TokenizerError BAD_TOKENIZER_OPTION */
function cut(texts: Texts, threads: number): Part[] {
  let total = 0;
  for (let i = 0; i < texts.length; i++) total += 1 + charactersOf(texts, i);
  const parts: Part[] = [];
  for (let firstText = 0, end = 0; firstText < texts.length || parts.length === 0; ) {
    const size = Math.max(LEAST_OF_PART, Math.min(MOST_OF_PART, (total - end) / (8 * threads)));
    const least = end + size;
    let to = firstText;
    for (; to < texts.length && end < least; to++) end += 1 + charactersOf(texts, to);
    parts.push({ texts: texts.slice(firstText, to) as Texts, firstText, end });
    firstText = to;
  }
  return parts;
}

function charactersOf(texts: Texts, index: number): number {
  const text: unknown = texts[index];
  if (typeof text === "string") return text.length;
  if (Array.isArray(text) && text.length === 2) {
    const [first, second] = text as unknown[];
    if (typeof first === "string" && typeof second === "string") return first.length + second.length;
  }
  throw badOption(`texts[${index}]`, text, "a text, or a pair of texts");
}
