import cliProgress from "cli-progress";

export interface Progress {
  update(done: number, details?: string): void;
  stop(): void;
}

/**
 * Progress on stderr with rate and time left: a bar on a terminal, a line every ten seconds elsewhere.
 * @param before what was done in an earlier run, which says nothing of the rate of this one
 */
export function startProgress(label: string, total: number, unit: string, before = 0): Progress {
  const started = performance.now();
  const rate = (done: number) => (done - before) / Math.max((performance.now() - started) / 1000, 1e-9);
  const text = (done: number, details: string) => {
    const left = done === before ? "" : `, ${duration((total - done) / rate(done))} left`;
    return `${done}/${total} ${unit}, ${rate(done).toFixed(rate(done) < 10 ? 2 : 0)} ${unit}/s${left}${details === "" ? "" : `, ${details}`}`;
  };
  if (process.stderr.isTTY) {
    const bar = new cliProgress.SingleBar({
      format: `${label} {bar} {text}`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      barsize: 24,
      gracefulExit: false,
    });
    bar.start(total, 0, { text: "" });
    return { update: (done, details = "") => bar.update(done, { text: text(done, details) }), stop: () => bar.stop() };
  }
  let printedAt = started;
  return {
    update: (done, details = "") => {
      if (performance.now() - printedAt < 10_000 && done !== total) return;
      printedAt = performance.now();
      process.stderr.write(`${label}: ${text(done, details)}\n`);
    },
    stop: () => {},
  };
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
