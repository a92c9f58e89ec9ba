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
  problems.push(...(result?.benchmark === "exactness" ? problemsOfCounts(result) : problemsOfRates(result)));
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

function problemsOfRates({ contenders = [] } = {}) {
  const problems = [];
  if (!Array.isArray(contenders) || contenders.length === 0) problems.push("no contender was measured");
  else {
    for (const contender of contenders) {
      const rate = contender.samplesPerSecond;
      if (!["n", "median", "p10", "p90"].every((key) => Number.isFinite(rate?.[key]))) {
        problems.push(`${contender.name}: samplesPerSecond needs n, median, p10 and p90`);
      } else if (!(rate.p10 <= rate.median && rate.median <= rate.p90)) {
        problems.push(`${contender.name}: the quantiles of samplesPerSecond are out of order`);
      }
    }
  }
  return problems;
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
