/** Every error this project throws on purpose: `code` is stable, `message` says what was wrong, expected, and what to do. */
export class NodeBertError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The codes a Hub operation can fail with. */
export type HubErrorCode =
  | "HUB_ACCESS_DENIED"
  | "HUB_NOT_FOUND"
  | "HUB_OFFLINE"
  | "HUB_NETWORK"
  | "HUB_INTEGRITY"
  | "HUB_RATE_LIMITED"
  | "HUB_BAD_NAME"
  | "HUB_DISK"
  | "HUB_LOCKED";

/** A repository, revision or file of the Hub could not be read, or what arrived is not what was promised. */
export class HubError extends NodeBertError {
  declare readonly code: HubErrorCode;
  /** The HTTP status behind the error, when there was one. */
  readonly status: number | undefined;

  /** The commit that has no such file, when that is what is wrong. */
  readonly missingIn: string | undefined;

  constructor(code: HubErrorCode, message: string, options?: ErrorOptions & { status?: number; missingIn?: string }) {
    super(code, message, options);
    this.status = options?.status;
    this.missingIn = options?.missingIn;
  }
}
