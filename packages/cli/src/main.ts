import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { describeError, EXIT } from "./errors.js";
import { onInterrupt } from "./interrupt.js";
import { addSuggestion } from "./suggest.js";

const EXIT_CODES = `
Exit codes: 0 done; 1 failed, with the reason on stderr; 2 wrong usage; 130 interrupted.
Results go to stdout, progress and warnings to stderr.`;

/** In the order of --help. Of a command line that names one, only that one is loaded. */
const COMMANDS = new Map<string | undefined, () => Promise<(program: Command) => Command>>([
  ["doctor", async () => (await import("./commands/doctor.js")).addDoctorCommand],
  ["predict", async () => (await import("./commands/predict.js")).addPredictCommand],
  ["features", async () => (await import("./commands/features.js")).addFeaturesCommand],
  ["finetune", async () => (await import("./commands/finetune.js")).addFinetuneCommand],
  ["evaluate", async () => (await import("./commands/evaluate.js")).addEvaluateCommand],
  ["compare", async () => (await import("./commands/compare.js")).addCompareCommand],
  ["bench", async () => (await import("./commands/bench.js")).addBenchCommand],
  ["tokenize", async () => (await import("./commands/tokenize.js")).addTokenizeCommand],
  ["data", async () => (await import("./commands/data.js")).addDataCommand],
  ["vocabulary", async () => (await import("./commands/vocabulary.js")).addVocabularyCommand],
  ["pretrain", async () => (await import("./commands/pretrain.js")).addPretrainCommand],
]);

/**
 * Runs one command line.
 * @param args without the interpreter and the script
 * @returns the exit code
 */
export async function main(args: string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  tolerateClosedPipes();
  const interrupted = onInterrupt();
  const program = new Command("bert")
    .description("Fine-tune and run BERT")
    .version(version)
    .addHelpText("after", EXIT_CODES)
    .showHelpAfterError("(bert <command> --help shows the options)")
    .configureOutput({
      outputError: (text, write) => {
        const command = program.commands.find((each) => each.name() === args[0]);
        write(addSuggestion(text.replace(/^error: /, "bert: "), command));
      },
    })
    .exitOverride();
  try {
    for (const load of COMMANDS.has(args[0]) ? [COMMANDS.get(args[0])!] : COMMANDS.values()) {
      const add = await load();
      add(program).exitOverride().showHelpAfterError("(add --help for the options)");
    }
    await program.parseAsync(args, { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { text, exitCode } = describeError(error);
    process.stderr.write(`bert: ${text}\n`);
    return exitCode;
  } finally {
    interrupted.release();
  }
}

/** A reader that has seen enough (bert … | head) is no failure. What else goes wrong with stdout, such as a full disk, `print` reports. */
function tolerateClosedPipes(): void {
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
}
