import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackedEncoding } from "../src/index.js";

/** Options of LettersTokenizer. */
export interface LettersOptions {
  maxLength?: number;
  withOffsets?: boolean;
}

/** A tokenizer for tests: a token per UTF-16 unit; the second half of a text is of type 1. */
export class LettersTokenizer {
  calls = 0;

  constructor(
    readonly vocabSize = 30_522,
    private readonly shift = 0,
  ) {}

  encodeBatch(
    texts: readonly string[],
    { maxLength = 1000, withOffsets = false }: LettersOptions = {},
  ): PackedEncoding {
    this.calls += 1;
    const lengths = texts.map((text) => Math.min(text.length, maxLength));
    const cuSeqlens = new Int32Array(texts.length + 1);
    for (const [b, length] of lengths.entries()) cuSeqlens[b + 1] = cuSeqlens[b] + length;
    const tokens = cuSeqlens[texts.length];
    const encoding: PackedEncoding = {
      inputIds: new Int32Array(tokens),
      tokenTypeIds: new Int32Array(tokens),
      cuSeqlens,
      originalLengths: Int32Array.from(texts, (text) => text.length),
      ...(withOffsets ? { offsets: new Int32Array(2 * tokens), wordIds: new Int32Array(tokens) } : {}),
    };
    for (const [b, text] of texts.entries()) {
      for (let i = 0; i < lengths[b]; i++) {
        const n = cuSeqlens[b] + i;
        encoding.inputIds[n] = (text.charCodeAt(i) * 37 + this.shift) % this.vocabSize;
        encoding.tokenTypeIds[n] = i >= text.length / 2 ? 1 : 0;
        encoding.offsets?.set([i, i + 1], 2 * n);
        if (encoding.wordIds) encoding.wordIds[n] = i === 0 ? -1 : i;
      }
    }
    return encoding;
  }

  async save(folder: string): Promise<string[]> {
    const path = join(folder, "vocab.txt");
    await writeFile(path, `${this.vocabSize} ${this.shift}`);
    return [path];
  }
}
