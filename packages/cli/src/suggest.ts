// "Did you mean …?" for flags that commander finds too far from any of ours: those that people know from Hugging Face's scripts.
import { nearestArgument } from "@node-bert/bert";
import type { Command } from "commander";

/** Flags of Hugging Face's example scripts whose names here are those of no training argument. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  modelNameOrPath: "model",
  outputDir: "output",
  datasetName: "dataset",
  trainFile: "dataset",
  loggingSteps: "logEvery",
  maxTrainSamples: "trainRows",
  maxEvalSamples: "evalRows",
  fp16: "precision",
  bf16: "precision",
};

/** Adds the flag that was probably meant to an error of commander's that has no suggestion. */
export function addSuggestion(text: string, command: Command | undefined): string {
  const unknown = /unknown option '--([^'=]+)/.exec(text)?.[1];
  if (unknown === undefined || command === undefined || text.includes("Did you mean")) return text;
  const key = unknown.toLowerCase().replaceAll(/[-_](\w)/g, (_, letter: string) => letter.toUpperCase());
  const known = new Map(command.options.map((option) => [option.attributeName(), option.long]));
  const meant = known.get(OTHER_NAMES[key] ?? nearestArgument(key, [...known.keys()]) ?? "");
  return meant === undefined ? text : `${text.trimEnd()}\n(Did you mean ${meant}?)\n`;
}
