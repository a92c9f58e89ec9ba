import { BertTokenizer, resolveModelFolder } from "@node-bert/datasets";
import type { Command } from "commander";
import { addModelOption, addOutputOptions, addTextOptions } from "../options.js";
import { print, printJson } from "../output.js";
import { collect, loadTexts, type TextChoice } from "../texts.js";

interface TokenizeOptions extends TextChoice {
  model: string;
  maxLength?: number;
  truncation: "head" | "tail" | "head-tail";
  json?: boolean;
}

/** `bert tokenize`: ids, tokens, offsets and word ids of each text, as Hugging Face has them. */
export function addTokenizeCommand(program: Command): Command {
  const command = program
    .command("tokenize")
    .description("show ids, tokens, offsets and word ids of texts")
    .option("--text <text>", "a text; may be given several times", collect)
    .option("--file <file>", 'JSONL rows {"text": …}, CSV, TSV, parquet, or a text file with one text a line')
    .option("--text-column <name>", "of --file; default: inferred")
    .action(runTokenize);
  addModelOption(command);
  addTextOptions(command);
  return addOutputOptions(command);
}

async function runTokenize(options: TokenizeOptions): Promise<void> {
  const tokenizer = await BertTokenizer.fromPretrained(await resolveModelFolder(options.model));
  const { maxLength, truncation } = options;
  const rows = (await loadTexts(options)).map((text) => {
    const { ids, tokens, offsets, wordIds } = tokenizer.encode(
      text,
      maxLength === undefined ? {} : { maxLength, truncation },
    );
    return { ids: Array.from(ids), tokens, offsets, wordIds };
  });
  if (options.json) await printJson({ rows });
  else
    await print(rows.map(({ tokens, ids }) => tokens.map((token, i) => `${token}\t${ids[i]}`).join("\n")).join("\n\n"));
}
