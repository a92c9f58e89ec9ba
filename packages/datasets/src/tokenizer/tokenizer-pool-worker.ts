// A thread of the pool: makes the tokenizer once, then encodes the parts that it is sent, unless another thread has taken them.

import { parentPort, workerData } from "node:worker_threads";
import { TokenizerError } from "../errors.js";
import type { TokenizerDefinition } from "./definition.js";
import { encodeTexts } from "./encode-texts.js";
import { type PoolReply, type PoolRequest, takePart } from "./pool-messages.js";
import { scannerOf } from "./text-scanner.js";
import { Vocabulary } from "./vocabulary.js";

const definition = workerData as TokenizerDefinition;
const scanner = scannerOf(definition, new Vocabulary(definition.vocabulary));

parentPort!.on("message", ({ texts, options, taken, part, columns }: PoolRequest) => {
  const isEncoded = takePart(taken, part);
  const reply: PoolReply = { isEncoded, columns };
  try {
    if (isEncoded) encodeTexts(scanner, definition, texts, options, columns);
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    reply.error = { code: error.code, message: error.message };
  }
  parentPort!.postMessage(reply);
});
