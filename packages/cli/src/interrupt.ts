/**
 * Ctrl-C and SIGTERM, turned into a signal that long work checks between steps, so that it ends cleanly and can say what was kept.
 * A second Ctrl-C ends at once.
 */
export function interruptSignal(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const handle = () => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write("\nbert: stopping after the current step; again to end at once\n");
    controller.abort();
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return {
    signal: controller.signal,
    release: () => {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
    },
  };
}
