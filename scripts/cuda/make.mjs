// A make in a hundred lines: a step runs when its output is missing, its command changed, or the content of a file that it reads did; a file that
// git only wrote anew does not count. Compilers tell what they read through depfiles. Two steps run at a time.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * @typedef {object} Step
 * @property {string} output file that the command makes; `<output>.log` gets what the command says on stderr
 * @property {string[]} command program and arguments
 * @property {string[]} inputs files it reads; those that a compiler finds by itself come from `<output>.d`
 */

const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : Number.POSITIVE_INFINITY);

const hashes = new Map();
function hashOf(file) {
  if (!existsSync(file)) return "";
  const key = `${file} ${modified(file)}`;
  if (!hashes.has(key)) hashes.set(key, createHash("sha1").update(readFileSync(file)).digest("base64"));
  return hashes.get(key);
}

/** Files that a depfile names: "output: a b \<newline> c". */
function readDependencies(file) {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8").replaceAll("\\\n", " ");
  return text
    .slice(text.indexOf(":") + 1)
    .split(/\s+/)
    .filter((name) => name !== "");
}

/** What a step was made from: its command, and the content of all that it read. */
function fingerprint({ output, command, inputs }) {
  const files = [...new Set([...inputs, ...readDependencies(`${output}.d`)])];
  return { command: command.join(" "), hashes: Object.fromEntries(files.map((file) => [file, hashOf(file)])) };
}

function isFresh(step) {
  const stamp = `${step.output}.made`;
  if (!existsSync(step.output) || !existsSync(stamp)) return false;
  const made = JSON.parse(readFileSync(stamp, "utf8"));
  if (made.command !== step.command.join(" ")) return false;
  const time = modified(stamp);
  return Object.entries(made.hashes).every(([file, hash]) => modified(file) <= time || hashOf(file) === hash);
}

function runStep(step) {
  const { output, command } = step;
  const started = Date.now();
  rmSync(`${output}.made`, { force: true });
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
        const made = fingerprint(step);
        // What was edited meanwhile may have been read before or after.
        const settled = Object.keys(made.hashes).every(
          (file) => !(modified(file) > started && existsSync(file)) || step.inputs.includes(file),
        );
        if (settled) writeFileSync(`${output}.made`, JSON.stringify(made));
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
