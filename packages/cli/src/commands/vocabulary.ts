import { BertTokenizer, trainVocabulary } from "@node-bert/datasets";
import type { Command } from "commander";
import { addDatasetOptions, addOutputOptions, addRequiredOption } from "../options.js";
import { count, note, print, printJson } from "../output.js";
import { makeFolder } from "../output-path.js";
import { parseCount } from "../parse.js";
import { type DatasetChoice, loadRows } from "../rows.js";

interface VocabularyOptions extends DatasetChoice {
  split: string;
  size: number;
  minFrequency: number;
  alphabet: number;
  cased?: boolean;
  output: string;
  json?: boolean;
}

/** `bert vocabulary`: a WordPiece vocabulary of one's own texts, as a tokenizer that Hugging Face loads. */
export function addVocabularyCommand(program: Command): Command {
  const command = program
    .command("vocabulary")
    .description("train a WordPiece vocabulary on texts, and save a tokenizer that Hugging Face loads")
    .option("--split <split>", 'several with +: "train+unsupervised"', "train")
    .option("--size <n>", "tokens, the special ones included", parseCount, 30_000)
    .option("--min-frequency <n>", "pairs of pieces that come less often are not joined", parseCount, 2)
    .option("--alphabet <n>", "characters that are kept, the most frequent ones", parseCount, 1000)
    .option("--cased", "keep capitals and accents (default: lower case, no accents, as bert-base-uncased)")
    .action(runVocabulary);
  addRequiredOption(command, "--output <folder>", "where the tokenizer goes");
  addDatasetOptions(command);
  return addOutputOptions(command);
}

async function runVocabulary(options: VocabularyOptions): Promise<void> {
  const { size, minFrequency, alphabet, cased = false, output } = options;
  const rows = await loadRows(options, options.split);
  const texts = rows.texts().flat();
  const started = performance.now();
  const doLowerCase = !cased;
  const tokens = trainVocabulary(texts, { size, minFrequency, alphabet, doLowerCase });
  const seconds = (performance.now() - started) / 1000;
  const tokenizer = BertTokenizer.fromVocabulary(tokens, { doLowerCase });
  await makeFolder(output);
  await tokenizer.save(output);
  const { unknown, perWord } = describeFit(tokenizer, texts);
  if (options.json) {
    await printJson({
      output,
      tokens: tokens.length,
      rows: rows.length,
      seconds,
      piecesPerWord: perWord,
      unknownShare: unknown,
    });
    return;
  }
  if (tokens.length < size)
    note(
      `The texts hold no more pieces that come at least ${minFrequency} times: ${tokens.length} instead of ${size}.`,
    );
  await print(
    `${count(tokens.length)} tokens of ${count(rows.length)} texts in ${seconds.toFixed(1)} s; ` +
      `${perWord.toFixed(2)} pieces a word, ${(100 * unknown).toFixed(3)} % [UNK], on the first ${count(Math.min(SAMPLE, texts.length))} texts`,
  );
  note(`Tokenizer: ${output}`);
}

/** Texts that the fit is measured on. */
const SAMPLE = 1000;

function describeFit(tokenizer: BertTokenizer, texts: readonly string[]): { unknown: number; perWord: number } {
  const { inputIds, wordIds } = tokenizer.encodeBatch(texts.slice(0, SAMPLE), {
    addSpecialTokens: false,
    returnWordIds: true,
  });
  let words = 0;
  let unknown = 0;
  inputIds.forEach((id, n) => {
    if (n === 0 || wordIds?.[n] !== wordIds?.[n - 1]) words++;
    if (id === tokenizer.unkTokenId) unknown++;
  });
  return { unknown: unknown / Math.max(1, inputIds.length), perWord: inputIds.length / Math.max(1, words) };
}
