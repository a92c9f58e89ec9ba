/** Every error that node-bert throws on purpose; `code` is stable, `message` says what was wrong, what was expected and what to do. */
export class NodeBertError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The native addon or a backend library cannot be used on this machine (`ERR_ADDON`, `ERR_BACKEND`, `ERR_DEVICE`). */
export class BackendError extends NodeBertError {}

/** A wrong shape, type, device or parameter given to an op or a tensor (`ERR_INVALID_OP`). */
export class OpError extends NodeBertError {}

/** A tensor or device was used after its disposal (`ERR_DISPOSED`). */
export class DisposedError extends NodeBertError {
  constructor(what: string) {
    super("ERR_DISPOSED", `${what} was disposed and cannot be used any more`);
  }
}

/** A command failed on the device after it was enqueued (`ERR_INDEX_OUT_OF_RANGE`, `ERR_OUT_OF_MEMORY`, `ERR_DEVICE`…). */
export class DeviceError extends NodeBertError {}

/** Gives an error of the addon our class, keeping its code and message. */
export function wrapNativeError(error: unknown): Error {
  if (!(error instanceof Error)) return new NodeBertError("ERR_INTERNAL", String(error));
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string" || error instanceof NodeBertError) return error;
  if (code === "ERR_DISPOSED") return new DisposedError("The device");
  if (code === "ERR_INVALID_OP") return new OpError(code, error.message);
  if (code === "ERR_BACKEND") return new BackendError(code, error.message);
  return code.startsWith("ERR_") ? new DeviceError(code, error.message) : error;
}
