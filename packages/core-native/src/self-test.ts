import type { Device } from "./device.js";
import { CPU_OPS, type OpName } from "./op-numbers.js";
import { openDevice } from "./open-device.js";
import { addLayerNormCase } from "./self-test/cases/add-layer-norm.js";
import { attentionCase, attentionProbabilitiesCase } from "./self-test/cases/attention.js";
import { crossEntropyCase } from "./self-test/cases/cross-entropy.js";
import { addCase, convertCase, fillCase } from "./self-test/cases/elementwise.js";
import { embeddingsCase } from "./self-test/cases/embeddings.js";
import { linearCase, linearInt8Case } from "./self-test/cases/linear.js";
import { adamwCase, lossScaleCase, sumOfSquaresCase } from "./self-test/cases/optimizer.js";
import { dropoutCase, gatherRowsCase, meanPoolCase } from "./self-test/cases/rows.js";
import { type CheckedType, checkCase, type Direction, type OutputCheck } from "./self-test/check-case.js";
import { type OpCase, randomDropout } from "./self-test/op-case.js";
import { Random } from "./self-test/random.js";

/** One call of one op: how far its worst output was from the float64 reference. */
export interface SelfTestResult {
  /** Name in backend.h, e.g. "linear_backward". */
  op: string;
  direction: Direction;
  /** Type of the activations. */
  dtype: CheckedType;
  /** Sizes and settings, e.g. "(31, 96) x (65, 96)^T gelu". */
  shape: string;
  /** ‖output − reference‖ / ‖reference‖ of the output that came closest to its bound, or went past it; NaN when the call failed. */
  error: number;
  /** What that output was allowed. */
  tolerance: number;
  passed: boolean;
  /** Of the call on the device under test. */
  milliseconds: number;
  /** Why it failed: the worst element, a write outside an output, or an error's message. */
  problem?: string;
}

export interface SelfTestReport {
  device: string;
  passed: boolean;
  results: SelfTestResult[];
  milliseconds: number;
}

export interface SelfTestOptions {
  /** Called after each result. */
  onResult?: (result: SelfTestResult) => void;
  /** Seed of the inputs; default 1. */
  seed?: number;
}

/** A few small cases of every op, off the sizes of tiles and vector registers. */
function cases(seed: number): OpCase[] {
  const random = new Random("self-test", seed);
  const lengths = [1, 33, 65];
  const dropout = () => randomDropout(random, 0.1);
  return [
    fillCase(127, 1.5),
    convertCase(random, 127, "x"),
    convertCase(random, 127, "h"),
    addCase(random, [31, 33]),
    embeddingsCase(random, 33, 96, dropout()),
    linearCase(random, 31, 96, 65),
    linearCase(random, 31, 96, 65, { activation: "gelu" }),
    linearCase(random, 31, 96, 65, { activation: "tanh" }),
    linearCase(random, 31, 96, 65, { activation: "relu", accumulate: true }),
    linearCase(random, 31, 96, 65, { activation: "gelu", constantWeight: true }),
    linearCase(random, 8, 384, 2),
    linearInt8Case(random, 31, 96, 65, "gelu"),
    addLayerNormCase(random, 33, 96, { dropout: dropout() }),
    addLayerNormCase(random, 33, 100, { noResidual: true }),
    attentionCase(random, lengths, 2, 64),
    attentionCase(random, lengths, 3, 32, { dropout: dropout() }),
    attentionProbabilitiesCase(random, lengths, 2, 64),
    gatherRowsCase(random, 33, 8, 96),
    meanPoolCase(random, lengths, 96),
    dropoutCase(random, 31, 96, dropout()),
    crossEntropyCase(random, 33, 2),
    crossEntropyCase(random, 9, 1001, { ignored: 0.5 }),
    sumOfSquaresCase(random, 4099),
    adamwCase(random, 4099, { maxNorm: 1, zeroGrad: true, copy: true }),
  ];
}

/**
 * Runs every op of the backend ABI, forward and backward, at a few small sizes and in every activation type that the device has, and compares with the float64
 * reference: does this device compute the right numbers on this machine? Takes a second or two on a CPU.
 *
 * An output may be off by twice (forward) or three times (backward) what a naive implementation in the same precision is off by, plus
 * a floor of a few roundings.
 *
 * @example
 * using device = openDevice("cpu");
 * const report = await selfTest(device, { onResult: ({ op, error }) => console.log(op, error) });
 * console.log(report.passed);
 */
export async function selfTest(device: Device, options: SelfTestOptions = {}): Promise<SelfTestReport> {
  const start = performance.now();
  const results: SelfTestResult[] = [];
  const reference = openDevice("reference");
  try {
    for (const dtype of checkedTypes(device)) {
      for (const opCase of [...cases(options.seed ?? 1), ...(dtype === "f16" ? f16Cases() : [])]) {
        if (device.name.startsWith("cuda") && CPU_OPS.includes(opCase.forward.op as OpName)) continue;
        for (const result of await testCase(device, reference, dtype, opCase)) {
          results.push(result);
          options.onResult?.(result);
        }
      }
    }
  } finally {
    reference.dispose();
  }
  const passed = results.every((result) => result.passed);
  return { device: device.name, passed, results, milliseconds: performance.now() - start };
}

/** What f16 needs beside. */
function f16Cases(): OpCase[] {
  const random = new Random("self-test f16", 1);
  return [
    adamwCase(random, 127, { lossScale: 1024, copy: true }),
    lossScaleCase(1024, false),
    lossScaleCase(1024, true),
  ];
}

/** The types a device has and the reference can check. */
export function checkedTypes(device: Device): CheckedType[] {
  return device.activationTypes.filter((type) => type !== "f64");
}

async function testCase(
  device: Device,
  reference: Device,
  dtype: CheckedType,
  opCase: OpCase,
): Promise<SelfTestResult[]> {
  try {
    const { outputs, violations } = await checkCase(device, reference, dtype, opCase);
    const directions = ["forward", "backward"] as const;
    return directions.flatMap((direction) => {
      const ofDirection = outputs.filter((output) => output.direction === direction);
      return ofDirection.length === 0 ? [] : [summarize(ofDirection, violations, dtype, opCase.label)];
    });
  } catch (error) {
    const { op } = opCase.forward;
    const failed = { op, direction: "forward" as const, dtype, shape: opCase.label, passed: false };
    return [{ ...failed, error: Number.NaN, tolerance: 0, milliseconds: 0, problem: (error as Error).message }];
  }
}

/** One row from the outputs of one call: the one that is worst in relation to its tolerance. */
function summarize(outputs: OutputCheck[], violations: string[], dtype: CheckedType, shape: string): SelfTestResult {
  const share = ({ verdict, tolerance }: OutputCheck) =>
    Math.max(
      ratio(verdict.difference.normalized, tolerance.normalized),
      ratio(verdict.difference.largest, tolerance.largest),
    );
  const worst = outputs.reduce((a, b) => (share(b) > share(a) ? b : a));
  const { op, direction, milliseconds, verdict, tolerance } = worst;
  const outside = violations.filter((violation) => violation.startsWith(`${op}:`));
  const problems = [...(verdict.passed ? [] : [`${worst.output}: ${verdict.message}`]), ...outside];
  return {
    op,
    direction,
    dtype,
    shape,
    error: verdict.difference.normalized,
    tolerance: tolerance.normalized,
    passed: problems.length === 0,
    milliseconds,
    problem: problems.length === 0 ? undefined : problems.join("; "),
  };
}

const ratio = (value: number, bound: number): number => (value === 0 ? 0 : value / bound);
