import { NodeBertError } from "@node-bert/core-native";

/** A training argument is unknown or out of range (`ERR_TRAINING_ARGUMENT`). */
export class TrainingArgumentError extends NodeBertError {
  constructor(message: string) {
    super("ERR_TRAINING_ARGUMENT", message);
  }
}

/**
 * The rows cannot be trained or evaluated on: none at all, no labels, a label outside the model's classes, one class only under `strict`
 * (`ERR_TRAINING_DATA`).
 */
export class TrainingDataError extends NodeBertError {
  constructor(message: string) {
    super("ERR_TRAINING_DATA", message);
  }
}

/** The loss or the gradient stopped being a finite number (`ERR_NOT_FINITE`). */
export class NotFiniteError extends NodeBertError {
  readonly step: number;
  /** Indices into the training rows, of the step that failed. */
  readonly rows: readonly number[];

  constructor(message: string, step: number, rows: readonly number[]) {
    super("ERR_NOT_FINITE", message);
    this.step = step;
    this.rows = rows;
  }
}

/** A checkpoint cannot be read, or is of another model, other rows or other arguments (`ERR_CHECKPOINT`). */
export class CheckpointError extends NodeBertError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_CHECKPOINT", message, options);
  }
}
