// Parsers of option values; commander adds the option's name to what they say.
import { InvalidArgumentError } from "commander";

export function parseCount(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value))
    throw new InvalidArgumentError("expected an integer of at least 1");
  return value;
}

export function parseNatural(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new InvalidArgumentError("expected an integer of at least 0");
  return Number(text);
}

export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("expected a number");
  return value;
}

export function parsePositive(text: string): number {
  const value = parseNumber(text);
  if (value <= 0) throw new InvalidArgumentError("expected a number above 0");
  return value;
}

export function parseNonNegative(text: string): number {
  const value = parseNumber(text);
  if (value < 0) throw new InvalidArgumentError("expected a number of at least 0");
  return value;
}

export function parseProbability(text: string): number {
  const value = parseNumber(text);
  if (value < 0 || value >= 1) throw new InvalidArgumentError("expected a probability, 0 <= p < 1");
  return value;
}

/** A share of a whole. */
export function parseShare(text: string): number {
  const value = parseNumber(text);
  if (value < 0 || value > 1) throw new InvalidArgumentError("expected a number from 0 to 1");
  return value;
}

/** @returns a count, or "none", which the command sees as an option that was not given */
export function parseLength(text: string): number | "none" {
  return text === "none" ? text : parseCount(text);
}
