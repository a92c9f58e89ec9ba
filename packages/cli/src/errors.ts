/** A mistake in how the command was called; exit code 2. */
export class UsageError extends Error {
  readonly code = "ERR_USAGE";
}

/** The process was asked to stop; exit code 130. The message says what was kept. */
export class InterruptedError extends Error {
  readonly code = "ERR_INTERRUPTED";
}

export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Input that a command cannot work with, found before a package was asked; exit code 1. */
export class CommandError extends Error {
  readonly code = "ERR_COMMAND";
}

/**
 * Errors of ours and of the system are the user's business; anything else is a bug of ours, and NODE_BERT_DEBUG shows where.
 * Every error that our packages throw on purpose has a code, as those of the system have.
 */
export function describeError(error: unknown): { text: string; exitCode: number } {
  if (error instanceof UsageError) return { text: error.message, exitCode: EXIT.usage };
  if (error instanceof InterruptedError) return { text: error.message, exitCode: EXIT.interrupted };
  if (error instanceof Error && error.name === "AbortError")
    return { text: "interrupted; nothing was written", exitCode: EXIT.interrupted };
  if (error instanceof Error) {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code === "string") return { text: error.message, exitCode: EXIT.failed };
    const where = process.env.NODE_BERT_DEBUG ? error.stack : `${error.message} (NODE_BERT_DEBUG=1 shows where)`;
    return { text: `this is a bug in node-bert, please report it: ${where}`, exitCode: EXIT.failed };
  }
  return { text: String(error), exitCode: EXIT.failed };
}
