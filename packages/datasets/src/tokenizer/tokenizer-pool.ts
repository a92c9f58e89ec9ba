// Tokenization on several threads, this one among them. A batch is cut into parts, and parts are sent to the other threads ahead
// of need; this one encodes between, and in the end takes back what the others have not begun. So no thread waits for another,
// and one that is slow, or still starting, holds nobody up.

import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { TokenizerError } from "../errors.js";
import { badOption } from "./bad-option.js";
import type { BertTokenizer } from "./bert-tokenizer.js";
import type { Texts } from "./encode-texts.js";
import type { EncodeBatchOptions } from "./options.js";
import type { BatchEncoding } from "./packed-encoding.js";
import { PoolBatch } from "./pool-batch.js";
import { PoolThread } from "./pool-thread.js";
import { SpareColumns } from "./spare-columns.js";

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
  readonly #others: PoolThread[];
  readonly #spares = new SpareColumns();
  #batches = 0;
  #closed: Error | undefined;

  /** @param options.threads with the one that calls; default one for each processor. */
  constructor(tokenizer: BertTokenizer, options: { threads?: number } = {}) {
    const { threads = availableParallelism() } = options;
    if (!Number.isInteger(threads) || threads < 1) throw badOption("threads", threads, "a whole number of at least 1");
    this.#tokenizer = tokenizer;
    const { definition } = tokenizer;
    this.#others = Array.from({ length: threads - 1 }, () => new PoolThread(definition, this.#fail.bind(this)));
  }

  get threads(): number {
    return this.#others.length + 1;
  }

  /**
   * Encodes texts or pairs of texts, as `BertTokenizer.encodeBatch` does. The arrays are in shared memory: other threads that are
   * sent them read the same memory, and they cannot be transferred.
   * @throws TokenizerError BAD_TOKENIZER_OPTION, TRUNCATION_IMPOSSIBLE, TOKENIZER_CLOSED
   */
  async encodeBatch(texts: Texts, options: EncodeBatchOptions = {}): Promise<BatchEncoding> {
    const batch = new PoolBatch(this.#batches++, texts, options, this.threads);
    try {
      for (;;) {
        if (this.#closed !== undefined) throw this.#closed;
        for (const thread of this.#others) batch.sendTo(thread);
        const isBusy = batch.encodeNext(this.#tokenizer, this.#spares);
        const whole = batch.place();
        if (whole !== undefined) return whole;
        await (isBusy ? setImmediate() : batch.wait());
      }
    } finally {
      batch.end();
    }
  }

  /** Ends the threads; what is under way is rejected. */
  async close(): Promise<void> {
    this.#fail("the pool was closed");
    await Promise.all(this.#others.map((thread) => thread.close()));
  }

  #fail(why: string, cause?: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = new TokenizerError("TOKENIZER_CLOSED", `tokenizer pool: ${why}. Make a new one.`, { cause });
    for (const thread of this.#others) thread.abandon();
  }
}
