// What got slower, or faster, from one result file to another, beyond noise: node benchmarks/compare.mjs A.json B.json
// Two measurements differ when their ranges from the 10th to the 90th percentile do not overlap and the medians are more than 3 % apart; less is
// noise. Exits with 1 when something of B is slower than of A, with 2 when the two do not measure the same.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { problemsOf } from "./lib/results.mjs";

const LEAST_DIFFERENCE = 0.03;

/** @returns `{ name, before, after, change, verdict }` of each contender of both results; change is of the rate, 0.1: a tenth faster */
export function compareResults(before, after) {
  return before.contenders.flatMap(({ name, samplesPerSecond: old }) => {
    const now = after.contenders.find((contender) => contender.name === name)?.samplesPerSecond;
    return now === undefined ? [] : [{ name, before: old, after: now, ...compareRates(old, now) }];
  });
}

function compareRates(old, now) {
  const change = now.median / old.median - 1;
  if (Math.abs(change) < LEAST_DIFFERENCE) return { change, verdict: "same" };
  if (change < 0 && now.p90 < old.p10) return { change, verdict: "slower" };
  if (change > 0 && now.p10 > old.p90) return { change, verdict: "faster" };
  return { change, verdict: "within noise" };
}

/** Why two results cannot be compared, as a list of sentences; those that make figures doubtful only are in `warnings`. */
export function obstacles(before, after) {
  const refused = [before, after].flatMap((result, i) =>
    problemsOf(result).map((problem) => `the ${i === 0 ? "first" : "second"} result: ${problem}`),
  );
  if (before.benchmark !== after.benchmark)
    refused.push(`one is of ${before.benchmark}, the other of ${after.benchmark}`);
  const { rounds: _before, ...first } = before.workload ?? {};
  const { rounds: _after, ...second } = after.workload ?? {};
  if (JSON.stringify(first) !== JSON.stringify(second)) refused.push("they are of different workloads");
  if (!Array.isArray(before.contenders) || !Array.isArray(after.contenders)) refused.push("there are no rates in them");
  const machine = ({ cpu, cpuFamily, cores } = {}) => `${cpu} (family ${cpuFamily}), ${cores} cores`;
  const [here, there] = [machine(before.fingerprint), machine(after.fingerprint)];
  return { refused, warnings: here === there ? [] : [`measured on different machines: ${here}; ${there}`] };
}

function main(paths) {
  const say = (text) => process.stdout.write(`${text}\n`);
  if (paths.length !== 2) {
    process.stderr.write("usage: node benchmarks/compare.mjs A.json B.json\n");
    return 2;
  }
  const [before, after] = paths.map((path) => JSON.parse(readFileSync(path, "utf8")));
  const { refused, warnings } = obstacles(before, after);
  for (const text of [...refused, ...warnings]) process.stderr.write(`compare: ${text}\n`);
  if (refused.length > 0) return 2;
  const compared = compareResults(before, after);
  for (const { name, before: old, after: now, change, verdict } of compared) {
    const rate = ({ median, p10, p90 }) => `${median.toPrecision(4)} (${p10.toPrecision(4)}–${p90.toPrecision(4)})`;
    say(
      `${verdict.padEnd(12)} ${`${change > 0 ? "+" : ""}${(100 * change).toFixed(1)} %`.padStart(8)}  ${name}: ${rate(old)} → ${rate(now)} a second`,
    );
  }
  return compared.some(({ verdict }) => verdict === "slower") ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
