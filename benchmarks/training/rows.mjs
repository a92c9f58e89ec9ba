// The rows that every contender trains on: token ids in a safetensors file, so that tokenizers play no part.
import { readFileSync, writeFileSync } from "node:fs";

const CLS = 101;
const SEP = 102;
const FIRST_WORD = 1996;

/** Park–Miller: any reader can repeat it. */
function* random(seed) {
  for (let state = seed; ; yield state / 2147483647) state = (state * 48271) % 2147483647;
}

/**
 * `count` full rows of `length` tokens, [CLS] words [SEP], with labels 0 and 1 alternating.
 *
 * @param path the file to write, with the keys packed.input_ids (N), packed.token_type_ids (N), packed.cu_seqlens (B + 1), labels (B)
 */
export function writeRows(path, { count, length, vocabSize, seed }) {
  const draw = random(seed);
  const ids = new Int32Array(count * length);
  for (let i = 0; i < ids.length; i++) {
    const place = i % length;
    const word = FIRST_WORD + Math.floor(draw.next().value * (vocabSize - FIRST_WORD));
    ids[i] = place === 0 ? CLS : place === length - 1 ? SEP : word;
  }
  writeSafetensors(path, {
    "packed.input_ids": ids,
    "packed.token_type_ids": new Int32Array(count * length),
    "packed.cu_seqlens": Int32Array.from({ length: count + 1 }, (_, b) => b * length),
    labels: Int32Array.from({ length: count }, (_, b) => b % 2),
  });
}

export function writeSafetensors(path, tensors) {
  const header = {};
  let offset = 0;
  for (const [name, { length, byteLength }] of Object.entries(tensors)) {
    header[name] = { dtype: "I32", shape: [length], data_offsets: [offset, offset + byteLength] };
    offset += byteLength;
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  const data = Object.values(tensors).map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  writeFileSync(path, Buffer.concat([size, padded, ...data]));
}

/** Reads what {@link writeRows} wrote, as the Trainer takes it. */
export function readRows(path) {
  const file = readFileSync(path);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + headerBytes));
  const array = (name) => {
    const [first, last] = header[name].data_offsets.map((offset) => 8 + headerBytes + offset);
    return new Int32Array(file.buffer.slice(file.byteOffset + first, file.byteOffset + last));
  };
  const cuSeqlens = array("packed.cu_seqlens");
  return {
    inputIds: array("packed.input_ids"),
    tokenTypeIds: array("packed.token_type_ids"),
    cuSeqlens,
    originalLengths: Int32Array.from({ length: cuSeqlens.length - 1 }, (_, b) => cuSeqlens[b + 1] - cuSeqlens[b]),
    labels: array("labels"),
  };
}
