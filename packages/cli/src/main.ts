import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addCompareCommand } from "./commands/compare.js";
import { addDataCommand } from "./commands/data.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addEvaluateCommand } from "./commands/evaluate.js";
import { addFeaturesCommand } from "./commands/features.js";
import { addFinetuneCommand } from "./commands/finetune.js";
import { addPredictCommand } from "./commands/predict.js";
import { addPretrainCommand } from "./commands/pretrain.js";
import { addTokenizeCommand } from "./commands/tokenize.js";
import { addVocabularyCommand } from "./commands/vocabulary.js";
import { describeError, EXIT } from "./errors.js";
import { onInterrupt } from "./interrupt.js";
import { addSuggestion } from "./suggest.js";

const EXIT_CODES = `
Exit codes: 0 done; 1 failed, with the reason on stderr; 2 wrong usage; 130 interrupted.
Results go to stdout, progress and warnings to stderr.`;

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
  const commands = [
    addDoctorCommand,
    addPredictCommand,
    addFeaturesCommand,
    addFinetuneCommand,
    addEvaluateCommand,
    addCompareCommand,
    addTokenizeCommand,
    addDataCommand,
    addVocabularyCommand,
    addPretrainCommand,
  ];
  for (const add of commands) add(program).exitOverride().showHelpAfterError("(add --help for the options)");
  try {
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
