// The tolerance rule: a device may be off by at most twice (forward) or three times (backward) what the naive implementation in the
// same precision is off by, both measured against the float64 reference on the same inputs, plus the floor of compare.ts.
import type { Device } from "../device.js";
import { compare, difference, type FloatType, type Tolerance, toleranceFrom, type Verdict } from "./compare.js";
import type { CallSpec, OpCase } from "./op-case.js";
import { type CallResult, type CaseResult, dtypeOfTensor, type RunOptions, runCase } from "./run-case.js";

const FACTOR = { forward: 2, backward: 3 } as const;
export type Direction = keyof typeof FACTOR;

export interface OutputCheck {
  op: string;
  direction: Direction;
  output: string;
  tolerance: Tolerance;
  verdict: Verdict;
  /** Of the whole call. */
  milliseconds: number;
}

export interface CaseCheck {
  outputs: OutputCheck[];
  /** Writes outside the outputs, changed inputs. */
  violations: string[];
}

/** The activation types that have a naive implementation to be measured against. */
export type CheckedType = "f32" | "bf16" | "f16";

/**
 * Runs a case on `device` and compares each output.
 * @param reference the device "reference", which gives both the float64 truth and the naive run
 */
export async function checkCase(
  device: Device,
  reference: Device,
  activation: CheckedType,
  opCase: OpCase,
  options: Omit<RunOptions, "inputs"> = {},
): Promise<CaseCheck> {
  const exact = await runCase(reference, "f64", opCase, { inputs: activation });
  const naive = await runCase(reference, activation, opCase);
  const actual = await runCase(device, activation, opCase, options);
  const checks = { exact, naive, actual, activation, opCase };
  return {
    outputs: [...checkDirection("forward", checks), ...checkDirection("backward", checks)],
    violations: [...exact.violations, ...naive.violations, ...actual.violations],
  };
}

interface Runs {
  exact: CaseResult;
  naive: CaseResult;
  actual: CaseResult;
  activation: CheckedType;
  opCase: OpCase;
}

function checkDirection(direction: Direction, { exact, naive, actual, activation, opCase }: Runs): OutputCheck[] {
  const call: CallSpec | undefined = opCase[direction];
  if (call === undefined) return [];
  const measured = actual[direction] as CallResult;
  return Object.entries(measured.outputs).map(([output, values]) => {
    const expected = (exact[direction] as CallResult).outputs[output];
    const naiveValues = (naive[direction] as CallResult).outputs[output];
    const { type, terms, fromActivations } = opCase.tensors[output];
    const floatType = dtypeOfTensor(fromActivations ? "x" : type, activation) as FloatType;
    const tolerance = toleranceFrom(difference(naiveValues, expected, terms), FACTOR[direction], floatType);
    const verdict = compare(values, expected, tolerance, terms);
    return { op: call.op, direction, output, tolerance, verdict, milliseconds: measured.milliseconds };
  });
}
