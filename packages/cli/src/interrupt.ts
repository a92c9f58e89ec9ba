const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Whether a command ends by itself on Ctrl-C, so that the process must not be ended under it. */
let handled = false;

/** Ctrl-C and SIGTERM while nothing is under way that is worth ending cleanly: the process says so and ends. */
export function onInterrupt(): { release: () => void } {
  const handle = () => {
    if (handled) return;
    process.stderr.write("\nbert: interrupted; nothing was written\n");
    process.exit(130);
  };
  return listen(handle);
}

/**
 * Ctrl-C and SIGTERM, turned into a signal that long work checks between steps, so that it ends cleanly and can say what was kept.
 * A second Ctrl-C ends at once.
 */
export function interruptSignal(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const { release } = listen(() => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write("\nbert: stopping after the current step; again to end at once\n");
    controller.abort();
  });
  handled = true;
  return {
    signal: controller.signal,
    release: () => {
      handled = false;
      release();
    },
  };
}

function listen(handle: () => void): { release: () => void } {
  for (const signal of SIGNALS) process.on(signal, handle);
  return {
    release: () => {
      for (const signal of SIGNALS) process.off(signal, handle);
    },
  };
}
