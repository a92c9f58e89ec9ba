// What the contenders of the inference benchmark share: their flags, and the same rows in batches, packed and padded.
import { parseArgs } from "node:util";

/** The flags of a contender. */
export function inferenceOptions() {
  const { values } = parseArgs({
    options: {
      model: { type: "string" },
      rows: { type: "string" },
      "batch-size": { type: "string", default: "8" },
      precision: { type: "string", default: "fp32" },
      threads: { type: "string", default: "0" },
      device: { type: "string", default: "cpu" },
    },
  });
  return {
    model: values.model,
    rows: values.rows,
    batchSize: Number(values["batch-size"]),
    precision: values.precision,
    threads: Number(values.threads),
    device: values.device,
  };
}

/** Whole batches of the rows, as node-bert takes them. */
export function packedBatches(rows, batchSize) {
  const batches = [];
  for (let first = 0; first + batchSize < rows.cuSeqlens.length; first += batchSize) {
    const start = rows.cuSeqlens[first];
    const cuSeqlens = rows.cuSeqlens.slice(first, first + batchSize + 1).map((offset) => offset - start);
    const end = rows.cuSeqlens[first + batchSize];
    batches.push({
      inputIds: rows.inputIds.slice(start, end),
      tokenTypeIds: rows.tokenTypeIds.slice(start, end),
      cuSeqlens,
    });
  }
  return batches;
}

/** The same batches padded to their longest row, as (B, S) int64 values, which is what ONNX models take. */
export function paddedBatches(rows, batchSize) {
  return packedBatches(rows, batchSize).map(({ inputIds, tokenTypeIds, cuSeqlens }) => {
    const lengths = Array.from({ length: batchSize }, (_, b) => cuSeqlens[b + 1] - cuSeqlens[b]);
    const longest = Math.max(...lengths);
    const empty = () => new BigInt64Array(batchSize * longest);
    const batch = { input_ids: empty(), attention_mask: empty(), token_type_ids: empty() };
    for (let b = 0; b < batchSize; b++)
      for (let i = 0; i < lengths[b]; i++) {
        const to = b * longest + i;
        batch.input_ids[to] = BigInt(inputIds[cuSeqlens[b] + i]);
        batch.token_type_ids[to] = BigInt(tokenTypeIds[cuSeqlens[b] + i]);
        batch.attention_mask[to] = 1n;
      }
    return { dims: [batchSize, longest], ...batch };
  });
}
