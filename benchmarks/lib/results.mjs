// Result files: written only when they say what was measured, on what, how often and with what spread.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./fingerprint.mjs";

export const resultsFolder = join(root, "benchmarks", "results");

const FINGERPRINT = ["cpu", "cpuFamily", "instructionSets", "cores", "memoryBytes", "system", "versions", "commit"];

/** What is wrong with a result, as a list of sentences; empty when it may be kept. */
export function problemsOf(result) {
  const problems = [];
  for (const key of ["benchmark", "date", "workload", "check"]) {
    if (result?.[key] === undefined) problems.push(`${key} is missing`);
  }
  for (const key of FINGERPRINT) {
    const value = result?.fingerprint?.[key];
    if (value === undefined || value === null || value === "") problems.push(`fingerprint.${key} is missing`);
  }
  const special = { exactness: problemsOfCounts, int8: problemsOfPoints }[result?.benchmark];
  problems.push(...(special ?? problemsOfRates)(result));
  if (result?.check?.passed !== true) problems.push("the contenders were not checked to give the same answer");
  return problems;
}

/** Of a result that counts texts on which two libraries were compared. */
function problemsOfCounts({ compared }) {
  if (!Array.isArray(compared) || compared.length === 0) return ["nothing was compared"];
  return compared
    .filter(({ count, different }) => !(count > 0) || different !== 0)
    .map(({ tokenizer, texts }) => `${tokenizer}: ${texts}: no text was compared, or some differ`);
}

/** Of a summary (statistics.mjs). */
function problemsOfSummary(what, summary) {
  if (!["n", "median", "p10", "p90"].every((key) => Number.isFinite(summary?.[key])))
    return [`${what} needs n, median, p10 and p90`];
  const isOrdered = summary.p10 <= summary.median && summary.median <= summary.p90;
  return isOrdered ? [] : [`the quantiles of ${what} are out of order`];
}

/** Of accuracies of models, fine-tuned anew for each run. */
function problemsOfPoints({ pointsLost, runs = [] }) {
  const problems = problemsOfSummary("pointsLost", pointsLost);
  if (runs.length !== pointsLost?.n) problems.push(`there are ${runs.length} runs, expected ${pointsLost?.n}`);
  return problems;
}

function problemsOfRates({ contenders = [] } = {}) {
  if (!Array.isArray(contenders) || contenders.length === 0) return ["no contender was measured"];
  return contenders.flatMap(({ name, samplesPerSecond }) =>
    problemsOfSummary(`${name}: samplesPerSecond`, samplesPerSecond),
  );
}

function refuseUnlessComplete(result, what) {
  const problems = problemsOf(result);
  if (problems.length > 0) throw new Error(`${what} is refused:\n  ${problems.join("\n  ")}`);
}

/** Writes `results/<name>.json`. @throws Error when the result is incomplete, with what it lacks. */
export function writeResult(name, result) {
  refuseUnlessComplete(result, `the result ${name}`);
  mkdirSync(resultsFolder, { recursive: true });
  const path = join(resultsFolder, `${name}.json`);
  writeFileSync(`${path}.part`, `${JSON.stringify(result, null, 1)}\n`);
  renameSync(`${path}.part`, path);
  return path;
}

/** The result of that name, if it was measured. */
export function findResult(name) {
  const path = join(resultsFolder, `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

/** All results, in order of their names. @throws Error when one is incomplete. */
export function readResults() {
  if (!existsSync(resultsFolder)) return [];
  const names = readdirSync(resultsFolder).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => {
    const result = JSON.parse(readFileSync(join(resultsFolder, name), "utf8"));
    refuseUnlessComplete(result, name);
    return { name: name.replace(/\.json$/, ""), ...result };
  });
}
