import { copyFileSync } from "node:fs";
import { join } from "node:path";
import type { TextEncoder } from "../../src/index.js";
import { modelFolder, readJson } from "./fixture.js";

/** A text of test/fixtures/tiny/texts.json with what Hugging Face makes of it. */
export interface TextFixture {
  text: string | [string, string];
  ids: number[];
  tokenTypeIds: number[];
  logits: number[];
  scores: number[];
}

export const TEXTS = (readJson("tiny/texts.json") as { rows: TextFixture[] }).rows;

/** Knows the texts of the fixture by heart, and how to truncate a head; saves the fixture's tokenizer. */
export class FixtureEncoder implements TextEncoder {
  readonly vocabSize: number = 96;
  /** Texts per call, as calls came. */
  readonly calls: number[] = [];

  encodeBatch(texts: Parameters<TextEncoder["encodeBatch"]>[0], { maxLength = 512 }: { maxLength?: number } = {}) {
    this.calls.push(texts.length);
    const rows = texts.map((text) => {
      const row = TEXTS.find((each) => JSON.stringify(each.text) === JSON.stringify(text));
      if (row === undefined) throw new Error(`${text} is not in the fixture`);
      return row;
    });
    const keep = <T>(values: T[]): T[] =>
      values.length <= maxLength ? values : [...values.slice(0, maxLength - 1), values[values.length - 1]];
    const cuSeqlens = new Int32Array(rows.length + 1);
    rows.forEach(({ ids }, b) => {
      cuSeqlens[b + 1] = cuSeqlens[b] + keep(ids).length;
    });
    return {
      inputIds: Int32Array.from(rows.flatMap(({ ids }) => keep(ids))),
      tokenTypeIds: Int32Array.from(rows.flatMap(({ tokenTypeIds }) => keep(tokenTypeIds))),
      cuSeqlens,
      originalLengths: Int32Array.from(rows, ({ ids }) => ids.length),
    };
  }

  async save(folder: string): Promise<string[]> {
    return ["vocab.txt", "tokenizer.json", "tokenizer_config.json"].map((name) => {
      copyFileSync(join(modelFolder("tiny"), name), join(folder, name));
      return join(folder, name);
    });
  }
}
