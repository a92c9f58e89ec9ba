import { type Device, linear } from "@node-bert/core-native";
import { InputError } from "../errors.js";

/** `auto`: whichever of fp32 and bf16 is faster on this machine. `int8`: matrix products in 8 bits, for inference. */
export type Precision = "fp32" | "bf16" | "fp16" | "int8" | "auto";

export interface ChosenPrecision {
  precision: "fp32" | "bf16" | "fp16" | "int8";
  /** How it was chosen; undefined when it was asked for. */
  reason: string | undefined;
}

/** bf16 has to win by this much: training spends time on other things than products, and fp32 is more exact. */
const LEAST_GAIN = 1.1;

const measured = new WeakMap<Device, Promise<{ fp32: number; bf16: number }>>();

/** @throws {InputError} for a precision that there is not, or not on this device */
export async function choosePrecision(device: Device, wanted: Precision): Promise<ChosenPrecision> {
  if (!["fp32", "bf16", "fp16", "int8", "auto"].includes(wanted))
    throw new InputError(`precision is ${JSON.stringify(wanted)}, expected "fp32", "bf16", "fp16", "int8" or "auto".`);
  if (wanted === "int8") {
    if (!device.name.startsWith("cpu"))
      throw new InputError(
        `precision is "int8", expected another: the device ${device.name} does not offer it, the CPU does.`,
      );
    return { precision: "int8", reason: undefined };
  }
  const isReference = device.floatType === "f64";
  if (isReference && (wanted === "bf16" || wanted === "fp16"))
    throw new InputError(
      `precision is "${wanted}", expected "fp32" or "auto": the reference device computes in float64.`,
    );
  if (wanted === "fp16" && !device.activationTypes.includes("f16"))
    throw new InputError(
      `precision is "fp16", which the device ${device.name} does not compute in: take "bf16" or "fp32", or a device cuda:<number>.`,
    );
  if (isReference || wanted === "fp32") return { precision: "fp32", reason: undefined };
  if (wanted !== "auto") return { precision: wanted, reason: undefined };
  let rates = measured.get(device);
  if (rates === undefined) {
    rates = measureRates(device);
    measured.set(device, rates);
  }
  const { fp32, bf16 } = await rates;
  const precision = bf16 > LEAST_GAIN * fp32 ? "bf16" : "fp32";
  const figure = (rate: number): string => (rate / 1e9).toFixed(0);
  const reason = `precision ${precision}: matrix products run at ${figure(bf16)} GFLOP/s in bf16 and ${figure(fp32)} in fp32 here`;
  return { precision, reason };
}

/** Rates in FLOP/s of the product that a feed-forward layer is made of, the best of a few, taken in turns. */
async function measureRates(device: Device): Promise<{ fp32: number; bf16: number }> {
  const [N, K, M] = [512, 768, 1536];
  const operands = (dtype: "f32" | "bf16") => ({ x: device.zeros([N, K], dtype), weight: device.zeros([M, K], dtype) });
  const types = { fp32: operands("f32"), bf16: operands("bf16") };
  const best = { fp32: 0, bf16: 0 };
  for (let round = 0; round < 6; round++)
    for (const type of ["fp32", "bf16"] as const) {
      const { x, weight } = types[type];
      await device.synchronize();
      const start = process.hrtime.bigint();
      linear(x, weight).dispose();
      linear(x, weight).dispose();
      await device.synchronize();
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      best[type] = Math.max(best[type], (2 * 2 * N * K * M) / seconds);
    }
  for (const { x, weight } of Object.values(types)) {
    x.dispose();
    weight.dispose();
  }
  return best;
}
