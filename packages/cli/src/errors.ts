/** A mistake in how the command was called; exit code 2. */
export class UsageError extends Error {
  readonly code = "ERR_USAGE";
}

/** The process was asked to stop; exit code 130. The message says what was kept. */
export class InterruptedError extends Error {
  readonly code = "ERR_INTERRUPTED";
}

export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Errors of ours and of the system are the user's business, without a stack; anything else is a bug of ours and shows one. */
export function describeError(error: unknown): { text: string; exitCode: number } {
  if (error instanceof UsageError) return { text: error.message, exitCode: EXIT.usage };
  if (error instanceof InterruptedError) return { text: error.message, exitCode: EXIT.interrupted };
  if (error instanceof Error) {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code === "string") return { text: error.message, exitCode: EXIT.failed };
    return { text: `this is a bug in node-bert, please report it:\n${error.stack}`, exitCode: EXIT.failed };
  }
  return { text: String(error), exitCode: EXIT.failed };
}
