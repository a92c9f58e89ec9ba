import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DeviceInfo } from "@node-bert/core-native";
import type { ComparedMethod } from "../compare/methods.js";
import { SaveError } from "../errors.js";
import type { Evaluation } from "../metrics/evaluate.js";
import type { MaskedLMEvaluation } from "../pretraining/evaluate-masked-lm.js";
import type { Scores, TrainingEvent, TrainingResult } from "../training/events.js";
import { describeEnvironment } from "./environment.js";
import { type RecordedEvent, renderReport } from "./report.js";
import { writeFileSafely } from "./write-file.js";

const PARTIAL = "metrics.jsonl.partial";

export interface RunResults {
  train?: TrainingResult;
  /** Of the test rows, once, after training. */
  evaluation?: Evaluation;
  methods?: readonly ComparedMethod[];
  /** Of the texts held out from pretraining. */
  heldOut?: MaskedLMEvaluation;
}

/**
 * The record of a run in a folder: `run.json` (configuration and environment), `metrics.jsonl` (one event a line) and `report.html`.
 * Metrics are appended as they come to `metrics.jsonl.partial`, so a run that was killed leaves them; files of an earlier run are replaced
 * only when this one is finished.
 *
 * @example
 * const folder = await RunFolder.create("run", { title: "imdb", configuration: args, device: model.device.info });
 * for await (const event of trainer.run()) await folder.record(event);
 * await folder.finish({ evaluation: await trainer.evaluate() });
 */
export class RunFolder {
  readonly path: string;
  readonly #options: { title: string; configuration: object; device: DeviceInfo; labelNames?: readonly string[] };
  readonly #metrics: FileHandle;
  readonly #started = new Date();
  readonly #events: RecordedEvent[] = [];

  private constructor(path: string, metrics: FileHandle, options: RunFolder["options"]) {
    this.path = path;
    this.#metrics = metrics;
    this.#options = options;
  }

  /** What `create` was given. */
  get options(): {
    /** Of the report. */
    title: string;
    /** Everything that was set or left at its default. */
    configuration: object;
    device: DeviceInfo;
    labelNames?: readonly string[];
  } {
    return this.#options;
  }

  /** Makes the folder, with its parents, where it is not there yet. */
  static async create(path: string, options: RunFolder["options"]): Promise<RunFolder> {
    await mkdir(path, { recursive: true });
    return new RunFolder(path, await open(join(path, PARTIAL), "w"), options);
  }

  /**
   * Keeps an event, of a method when several are compared. Every step is kept, so logs, which repeat some, are not.
   * @throws {SaveError} when the disk takes no more
   */
  async record(event: TrainingEvent<Scores>, method?: string): Promise<void> {
    if (event.type === "log") return;
    this.#events.push({ event, method });
    const line = JSON.stringify(method === undefined ? event : { method, ...event });
    await this.#metrics.appendFile(`${line}\n`).catch((error: Error) => {
      throw new SaveError(`${this.#partialPath}: could not be written (${error.message}).`, { cause: error });
    });
  }

  get #partialPath(): string {
    return join(this.path, PARTIAL);
  }

  /** Writes the other files and puts all in place. */
  async finish(results: RunResults): Promise<void> {
    const environment = describeEnvironment(this.#options.device);
    const { title, configuration, labelNames } = this.#options;
    const run = { title, started: this.#started.toISOString(), configuration, environment, ...results };
    await this.#metrics.sync();
    await this.#metrics.close();
    await rename(this.#partialPath, join(this.path, "metrics.jsonl"));
    await writeFileSafely(join(this.path, "run.json"), `${JSON.stringify(run, null, 2)}\n`);
    const report = renderReport({ ...run, labelNames, events: this.#events });
    await writeFileSafely(join(this.path, "report.html"), report);
  }

  /** Gives up on the run: removes what is unfinished, keeps files of an earlier one. */
  async abandon(): Promise<void> {
    await this.#metrics.close();
    await rm(this.#partialPath, { force: true });
  }
}
