import { writeFile } from "node:fs/promises";
import {
  BertForSequenceClassification,
  describeEnvironment,
  measureThroughput,
  openDevice,
  parseConfig,
  type Throughput,
} from "@node-bert/bert";
import { type Command, InvalidArgumentError, Option } from "commander";
import { CommandError } from "../errors.js";
import { addOutputOptions } from "../options.js";
import { note, print, printJson, table } from "../output.js";
import { checkOutputFile } from "../output-path.js";
import { parseCount, parsePositive } from "../parse.js";

type Device = ReturnType<typeof openDevice>;
type MeasuredPrecision = "fp32" | "bf16" | "fp16" | "int8";

/** Batch size and length. */
type Shape = readonly [number, number];

interface BenchOptions {
  model?: string;
  size: keyof typeof SIZES;
  inference: Shape[];
  training: Shape[];
  precision?: MeasuredPrecision[];
  seconds: number;
  device: string;
  threads?: number;
  output?: string;
  json?: boolean;
  quiet?: boolean;
}

/** What differs from BERT-base. */
const SIZES = {
  base: {},
  minilm: { num_hidden_layers: 6, hidden_size: 384, intermediate_size: 1536 },
  small: { num_hidden_layers: 4, hidden_size: 256, num_attention_heads: 4, intermediate_size: 1024 },
};

/** `bert bench`: sequences a second of a model on this machine, over shapes and precisions. */
export function addBenchCommand(program: Command): Command {
  const command = program
    .command("bench")
    .description("measure how fast a model runs and trains on this machine")
    .option("--model <name>", "a Hugging Face model folder or a Hub id (default: random weights)")
    .addOption(
      new Option("--size <name>", "of random weights: BERT-base, MiniLM (6 × 384) or 4 × 256")
        .choices(Object.keys(SIZES))
        .default("base"),
    )
    .option("--inference <shapes>", "batch size × length, or none", parseShapes, parseShapes("1x16,1x128,8x128"))
    .option("--training <shapes>", "the same for training steps", parseShapes, parseShapes("8x128"))
    .option("--precision <types>", "of fp32, bf16, fp16, int8 (default: all the device has)", parsePrecisions)
    .option("--seconds <x>", "for each figure, after a warm-up", parsePositive, 1)
    .option("--device <name>", "auto, cpu, reference or cuda:<number>", "auto")
    .option("--threads <n>", "CPU threads (default: as many as the process may use)", parseCount)
    .option("--output <file>", "keep the result as JSON, with the machine it was measured on")
    .action(runBench);
  return addOutputOptions(command);
}

function parseShapes(text: string): Shape[] {
  if (text === "none") return [];
  return text.split(",").map((shape) => {
    const match = /^([1-9]\d*)[x×]([1-9]\d*)$/.exec(shape.trim());
    if (match === null) throw new InvalidArgumentError('expected shapes such as "8x128,1x16", or none');
    return [Number(match[1]), Number(match[2])];
  });
}

function parsePrecisions(text: string): MeasuredPrecision[] {
  const known = ["fp32", "bf16", "fp16", "int8"];
  const precisions = text.split(",").map((precision) => precision.trim());
  if (!precisions.every((precision) => known.includes(precision)))
    throw new InvalidArgumentError(`expected some of ${known.join(", ")}, separated by commas`);
  return precisions as MeasuredPrecision[];
}

/** All that a device can be told to compute in. */
function precisionsOf(device: Device): MeasuredPrecision[] {
  const types = device.activationTypes;
  const found: MeasuredPrecision[] = ["fp32"];
  if (device.floatType === "f64") return found;
  if (types.includes("bf16")) found.push("bf16");
  if (types.includes("f16")) found.push("fp16");
  if (device.name.startsWith("cpu")) found.push("int8");
  return found;
}

async function openModel(options: BenchOptions, device: Device, precision: MeasuredPrecision) {
  if (options.model !== undefined)
    return BertForSequenceClassification.fromPretrained(options.model, { device, precision, onNotice: () => {} });
  const config = parseConfig({ model_type: "bert", vocab_size: 30522, ...SIZES[options.size] });
  return BertForSequenceClassification.fromConfig(config, { device, precision });
}

async function runBench(options: BenchOptions): Promise<void> {
  if (options.output !== undefined) await checkOutputFile(options.output);
  using device = openDevice(options.device, { threads: options.threads });
  const results: Throughput[] = [];
  let sizes: object | undefined;
  for (const precision of options.precision ?? precisionsOf(device)) {
    using model = await openModel(options, device, precision);
    const { numHiddenLayers, hiddenSize } = model.config;
    sizes = { name: options.model ?? `random weights, ${options.size}`, layers: numHiddenLayers, hiddenSize };
    const shapes = [
      ...options.inference.map((shape) => ["inference", shape] as const),
      ...(precision === "int8" ? [] : options.training.map((shape) => ["training", shape] as const)),
    ];
    for (const [work, [batchSize, length]] of shapes) {
      if (!options.quiet) note(`${work} ${batchSize} × ${length} in ${precision}`);
      results.push(await measureThroughput(model, { work, batchSize, length, seconds: options.seconds }));
    }
  }
  const date = new Date().toISOString();
  const document = { date, machine: describeEnvironment(device.info), model: sizes, results };
  if (options.output !== undefined) await keep(options.output, document);
  if (options.json) await printJson(document);
  else await print(render(results));
}

async function keep(path: string, document: object): Promise<void> {
  await writeFile(path, `${JSON.stringify(document, null, 1)}\n`).catch((error: Error) => {
    throw new CommandError(`${path}: could not be written (${error.message})`);
  });
}

function render(results: readonly Throughput[]): string {
  const figure = ({ median, p10, p90 }: Throughput["secondsPerBatch"], scale: number, digits: number) =>
    `${(scale * median).toFixed(digits)} (${(scale * p10).toFixed(digits)}–${(scale * p90).toFixed(digits)})`;
  const rows = results.map(({ work, batchSize, length, precision, secondsPerBatch, sequencesPerSecond }) => [
    work,
    `${batchSize} × ${length}`,
    precision,
    figure(sequencesPerSecond, 1, 1),
    figure(secondsPerBatch, 1000, 2),
    String(secondsPerBatch.n),
  ]);
  const head = ["work", "shape", "precision", "sequences/s (p10–p90)", "ms a batch (p10–p90)", "n"];
  return table(head, rows, ["left", "left", "left", "right", "right", "right"]);
}
