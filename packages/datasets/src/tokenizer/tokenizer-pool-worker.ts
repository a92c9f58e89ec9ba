// A thread of the pool: makes the tokenizer once, then encodes the parts that it is sent, unless another thread has taken them,
// and copies them where they belong as soon as that is known.

import { parentPort, workerData } from "node:worker_threads";
import { TokenizerError } from "../errors.js";
import type { TokenizerDefinition } from "./definition.js";
import { encodeTexts } from "./encode-texts.js";
import { type PackedColumns, placeColumns } from "./packed-encoding.js";
import { type EncodeRequest, type PlaceRequest, type PoolReply, type PoolRequest, takePart } from "./pool-messages.js";
import { SpareColumns } from "./spare-columns.js";
import { scannerOf } from "./text-scanner.js";
import { Vocabulary } from "./vocabulary.js";

const definition = workerData as TokenizerDefinition;
const scanner = scannerOf(definition, new Vocabulary(definition.vocabulary));
const spares = new SpareColumns();
/** Of each batch the parts that have no place yet. */
const batches = new Map<number, Map<number, PackedColumns>>();

function encode({ batch, part, texts, options, taken }: EncodeRequest): PoolReply {
  if (!takePart(taken, part)) return {};
  const columns = spares.take();
  try {
    encodeTexts(scanner, definition, texts, options, columns);
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
  const parts = batches.get(batch) ?? new Map<number, PackedColumns>();
  batches.set(batch, parts.set(part, columns));
  const { tokens, sequences, hasTypeIds } = columns;
  return { size: { tokens, sequences, hasTypeIds } };
}

function place({ batch, part, place, firstText, target, options }: PlaceRequest): PoolReply {
  const parts = batches.get(batch)!;
  const columns = parts.get(part)!;
  placeColumns(target, place, columns, firstText, options);
  parts.delete(part);
  spares.keep(columns);
  return {};
}

parentPort!.on("message", (request: PoolRequest) => {
  if (request.what === "end") batches.delete(request.batch);
  else parentPort!.postMessage(request.what === "encode" ? encode(request) : place(request));
});
