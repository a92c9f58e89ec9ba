import { NodeBertError } from "@node-bert/core-native";

/** config.json is missing, not JSON, or asks for something that node-bert does not have (`ERR_CONFIG`). */
export class ConfigError extends NodeBertError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_CONFIG", message, options);
  }
}

/** A weights file is missing, damaged, or does not fit the configuration (`ERR_WEIGHTS`); the message names file and tensor. */
export class WeightsError extends NodeBertError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_WEIGHTS", message, options);
  }
}

/** Parameters were named that do not exist or cannot be used so (`ERR_PARAMETERS`). */
export class ParameterError extends NodeBertError {
  constructor(message: string) {
    super("ERR_PARAMETERS", message);
  }
}

/** Token ids, labels or options given to a model are wrong (`ERR_INPUT`); the message names sequence and token. */
export class InputError extends NodeBertError {
  constructor(message: string) {
    super("ERR_INPUT", message);
  }
}

/** A folder could not be written (`ERR_SAVE`); what was there before is untouched. */
export class SaveError extends NodeBertError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_SAVE", message, options);
  }
}
