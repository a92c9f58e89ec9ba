// A make in a hundred lines: a step runs when its output is missing, its command changed, or a file that it reads is newer. Compilers tell
// what they read through depfiles. Two steps run at a time.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * @typedef {object} Step
 * @property {string} output file that the command makes; `<output>.log` gets what the command says on stderr
 * @property {string[]} command program and arguments
 * @property {string[]} inputs files it reads; those that a compiler finds by itself come from `<output>.d`
 */

const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : Number.POSITIVE_INFINITY);

/** Files that a depfile names: "output: a b \<newline> c". */
function readDependencies(file) {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8").replaceAll("\\\n", " ");
  return text
    .slice(text.indexOf(":") + 1)
    .split(/\s+/)
    .filter((name) => name !== "");
}

function isFresh({ output, command, inputs }) {
  const stamp = `${output}.command`;
  if (!existsSync(output) || !existsSync(stamp) || readFileSync(stamp, "utf8") !== command.join("\0")) return false;
  const made = statSync(output).mtimeMs;
  return [...inputs, ...readDependencies(`${output}.d`)].every((file) => modified(file) <= made);
}

function runStep({ output, command }) {
  mkdirSync(dirname(output), { recursive: true });
  rmSync(output, { force: true });
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += chunk;
    });
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    child.on("error", (error) => resolve({ ok: false, said: error.message }));
    child.on("close", (code) => {
      const ok = code === 0 && existsSync(output);
      if (ok) {
        writeFileSync(`${output}.log`, said);
        writeFileSync(`${output}.command`, command.join("\0"));
      }
      resolve({ ok, said });
    });
  });
}

/**
 * Brings steps up to date, in order where one's output is another's input.
 * @param {Step[]} steps
 * @param {{jobs?: number, onStep?: (step: Step) => void}} options
 * @returns {Promise<{ran: number, failures: {step: Step, said: string}[]}>} after a failure no new step starts, except independent ones
 */
export async function make(steps, { jobs = 2, onStep = () => {} } = {}) {
  const waiting = new Map(steps.map((step) => [step.output, step]));
  const running = new Set();
  const failures = [];
  let ran = 0;
  for (;;) {
    for (const step of waiting.values()) {
      if (running.size >= jobs) break;
      // Ready when no input is still to be made.
      if (step.inputs.some((file) => waiting.has(file) || [...running].some((other) => other.step.output === file)))
        continue;
      waiting.delete(step.output);
      if (step.inputs.some((file) => failures.some((failure) => failure.step.output === file))) {
        failures.push({ step, said: "" });
        continue;
      }
      if (isFresh(step)) continue;
      onStep(step);
      ran++;
      const entry = { step };
      entry.done = runStep(step).then(({ ok, said }) => {
        running.delete(entry);
        if (!ok) failures.push({ step, said });
      });
      running.add(entry);
    }
    if (running.size === 0 && waiting.size === 0) return { ran, failures };
    if (running.size === 0 && ![...waiting.values()].some((step) => step.inputs.every((file) => !waiting.has(file))))
      throw new Error(`make: steps wait for each other: ${[...waiting.keys()].join(", ")}`);
    if (running.size > 0) await Promise.race([...running].map((entry) => entry.done));
  }
}
