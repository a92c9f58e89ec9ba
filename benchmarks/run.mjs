// The whole suite, question after question: node benchmarks/run.mjs [--only name,name] [--quick] [--again] [--list]
// Each question (questions.mjs) is a program with a result file of its own. One whose result is of this commit and this class of processor is not
// measured again, so a run that was stopped goes on where it was; --again measures all. Afterwards benchmarks/README.md is rendered.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fingerprint, processorClass, root } from "./lib/fingerprint.mjs";
import { findResult } from "./lib/results.mjs";
import { QUESTIONS, QUICK } from "./questions.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});
const say = (text) => process.stderr.write(`${text}\n`);
const questions = options.quick ? QUICK : QUESTIONS;
const names = options.only?.split(",") ?? Object.keys(questions);
const unknown = names.find((name) => !(name in questions));
if (unknown !== undefined) {
  say(`there is no question ${unknown}; expected ${Object.keys(questions).join(", ")}`);
  process.exit(2);
}
const machine = fingerprint({});

/** Whether the result there is was measured on this machine's class at this commit, with nothing changed since. */
function isMeasured(name) {
  const known = findResult(`${name}-${processorClass(machine)}`);
  return known !== undefined && known.fingerprint.commit === machine.commit && !machine.commit.endsWith("+");
}

function ask(name) {
  const { script, flags, minutes } = questions[name];
  say(`\n== ${name}, about ${minutes} min: node benchmarks/${script} ${flags.join(" ")}`);
  const started = performance.now();
  const { status } = spawnSync(process.execPath, [join(root, "benchmarks", script), ...flags], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  say(
    `== ${name}: ${status === 0 ? "done" : `failed (exit ${status})`} after ${((performance.now() - started) / 60_000).toFixed(1)} min`,
  );
  return status === 0;
}

const failed = [];
for (const name of names) {
  const { script, flags, minutes } = questions[name];
  if (options.list) process.stdout.write(`${name}: ${minutes} min, node benchmarks/${script} ${flags.join(" ")}\n`);
  else if (!options.quick && !options.again && isMeasured(name)) say(`${name}: measured at this commit already`);
  else if (!ask(name)) failed.push(name);
}
if (!options.list && !options.quick) {
  const { status } = spawnSync(process.execPath, [join(root, "benchmarks", "render.mjs")], { stdio: "inherit" });
  if (status !== 0) failed.push("render.mjs");
}
if (failed.length > 0) say(`failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
