// A thread of the pool: makes the tokenizer once, then encodes what it is sent.

import { parentPort, workerData } from "node:worker_threads";
import { TokenizerError } from "../errors.js";
import { BertTokenizer } from "./bert-tokenizer.js";
import type { TokenizerDefinition } from "./definition.js";
import type { Texts } from "./encode-texts.js";
import type { PoolReply, PoolRequest } from "./tokenizer-pool.js";

const tokenizer = new BertTokenizer(workerData as TokenizerDefinition);

parentPort!.on("message", (request: PoolRequest) => {
  const { job } = request;
  try {
    const encoding = tokenizer.encodeBatch(textsOf(request), request.options);
    const transfer = Object.values(encoding).map((array: Int32Array) => array.buffer as ArrayBuffer);
    parentPort!.postMessage({ job, encoding } satisfies PoolReply, transfer);
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    parentPort!.postMessage({ job, error: { code: error.code, message: error.message } } satisfies PoolReply);
  }
});

function textsOf({ joined, lengths, isPairs }: PoolRequest): Texts {
  const texts: string[] = [];
  let at = 0;
  for (const length of lengths) {
    texts.push(joined.slice(at, at + length));
    at += length;
  }
  if (!isPairs) return texts;
  return Array.from({ length: texts.length / 2 }, (_, i) => [texts[2 * i]!, texts[2 * i + 1]!] as const);
}
