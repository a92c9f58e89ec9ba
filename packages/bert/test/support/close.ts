import type { Tensor } from "@node-bert/core-native";
import type { ExecutionContext } from "ava";
import { compare, type Values } from "../../../core-native/src/self-test/compare.js";

/** A tensor on the host, with its shape. */
export async function valuesOf(tensor: Tensor): Promise<Values> {
  const reading = tensor.read();
  return { shape: tensor.shape, data: await reading };
}

/**
 * Fails unless the normalised error is at most `normalized` and no element is off by more than ten times as much of the largest.
 * @param terms magnitude of the terms of expected values that cancel
 */
export function assertClose(
  t: ExecutionContext,
  what: string,
  actual: Values,
  expected: Values,
  normalized: number,
  terms = 0,
): void {
  let scale = terms;
  for (let i = 0; i < expected.data.length; i++) scale = Math.max(scale, Math.abs(expected.data[i]));
  const verdict = compare(actual, expected, { normalized, largest: 10 * normalized * scale }, terms);
  t.true(verdict.passed, `${what}: ${verdict.message}`);
}

/** Root mean square. */
export function magnitude({ data }: Values): number {
  let squares = 0;
  for (let i = 0; i < data.length; i++) squares += data[i] ** 2;
  return Math.sqrt(squares / data.length);
}
