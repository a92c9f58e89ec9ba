// The embedded reviews: what a first try runs on when nothing else is named, and what is then said of it.
import type { Command } from "commander";
import { note, print } from "./output.js";

/** What `compare` runs on when it is given neither a model nor a dataset: both come with the packages, nothing is downloaded. */
export const FIRST_TRY = { model: "tiny", dataset: "reviews" } as const;

/** Settings under which the small model learns from a few hundred short texts within a minute; only where the person set none. */
const FIRST_TRY_SETTINGS: Readonly<Record<string, number>> = { maxLength: 96, learningRate: 3e-4 };

/** Fills in the settings of a first try that were left at their defaults. */
export function applyFirstTry(command: Command): void {
  for (const [name, value] of Object.entries(FIRST_TRY_SETTINGS)) {
    const source = command.getOptionValueSource(name);
    if (source === undefined || source === "default") command.setOptionValue(name, value);
  }
}

/** Said with every result on the embedded reviews. */
export async function saySample(choice: { dataset?: string; json?: boolean }): Promise<void> {
  if (choice.dataset !== FIRST_TRY.dataset) return;
  const text =
    "\nThis is the embedded sample of 500 short reviews, to see how it works; it is no benchmark. " +
    "For the real thing: --dataset imdb --train-rows 2000 --eval-rows 2000 --stratify";
  if (choice.json) note(text);
  else await print(text);
}
