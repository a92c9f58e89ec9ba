// A thread of the pool, seen from the thread that made it.

import { Worker } from "node:worker_threads";
import type { TokenizerDefinition } from "./definition.js";
import type { PoolReply, PoolRequest } from "./pool-messages.js";

/** Gets the answer to a request; nothing when the thread was closed, or failed. */
export type PoolReceiver = (reply?: PoolReply) => void;

export class PoolThread {
  readonly #worker: Worker;
  /** Answers come in the order of the requests. */
  readonly #receivers: PoolReceiver[] = [];
  #isClosing = false;

  /** @param onEnd is told why the thread ended. */
  constructor(definition: TokenizerDefinition, onEnd: (why: string, cause?: Error) => void) {
    const file = new URL("./tokenizer-pool-worker.js", import.meta.url);
    // Without this process's flags and loaders, which the file doesn't need.
    this.#worker = new Worker(file, { workerData: definition, execArgv: [] });
    this.#worker.unref();
    this.#worker.on("message", (reply: PoolReply) => {
      this.#receivers.shift()?.(reply);
      if (this.pending === 0 && !this.#isClosing) this.#worker.unref();
    });
    this.#worker.on("error", (cause) => onEnd(`a thread failed: ${cause.message}`, cause));
    this.#worker.on("exit", () => onEnd("a thread ended"));
  }

  /** Requests that are not answered. */
  get pending(): number {
    return this.#receivers.length;
  }

  /** @param receive for requests that are answered. The process doesn't end by itself before. */
  ask(request: PoolRequest, receive?: PoolReceiver): void {
    this.#worker.postMessage(request);
    if (receive === undefined) return;
    this.#receivers.push(receive);
    this.#worker.ref();
  }

  /** Tells all who wait that nothing comes. */
  abandon(): void {
    for (const receive of this.#receivers.splice(0)) receive();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#worker.ref(); // Else the process may end before the thread does, with this promise unsettled.
    await this.#worker.terminate();
  }
}
