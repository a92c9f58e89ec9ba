// Texts of a command line: --text, repeated, or --file.
import { loadDataset } from "@node-bert/datasets";
import { UsageError } from "./errors.js";

export interface TextChoice {
  text?: string[];
  file?: string;
  textColumn?: string;
}

export async function loadTexts(choice: TextChoice): Promise<string[]> {
  if ((choice.text === undefined) === (choice.file === undefined))
    throw new UsageError('expected either --text "…" (several times if need be) or --file rows.jsonl');
  if (choice.text !== undefined) return choice.text;
  const rows = await loadDataset(choice.file as string, { split: "train", textColumn: choice.textColumn });
  return rows.texts();
}

/** Collects the values of an option that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
