// How far a download is, with rate and time left.

/** A moment of a download. */
export interface DownloadProgress {
  /** File that just moved. */
  file: string;
  /** Bytes on disk and in all of that file; `fileTotal` is undefined when the server does not say. */
  fileBytes: number;
  fileTotal: number | undefined;
  /** The same over all files of the call. */
  bytes: number;
  totalBytes: number | undefined;
  filesDone: number;
  files: number;
  /** Over the last seconds, 0 at the start. */
  bytesPerSecond: number;
  /** At that rate; undefined while unknown. */
  secondsLeft: number | undefined;
}

const WINDOW_MS = 5_000;
const REPORT_MS = 100;

/** Adds up the progress of files that are downloaded at once, and reports it at most ten times a second and at each end. */
export class ProgressMeter {
  private readonly files = new Map<string, { bytes: number; total: number | undefined; done: boolean }>();
  private readonly samples: { at: number; received: number }[] = [];
  private received = 0;
  private lastReport = 0;

  constructor(private readonly report: ((progress: DownloadProgress) => void) | undefined) {}

  /** Announces a file; `have` bytes are there already. */
  start(file: string, have: number, total: number | undefined): void {
    this.files.set(file, { bytes: have, total, done: false });
  }

  /** Bytes arrived. */
  advance(file: string, bytes: number): void {
    const entry = this.files.get(file)!;
    entry.bytes += bytes;
    this.received += bytes;
    if (this.report === undefined) return;
    const now = performance.now();
    this.samples.push({ at: now, received: this.received });
    while (this.samples.length > 2 && now - this.samples[0].at > WINDOW_MS) this.samples.shift();
    if (now - this.lastReport >= REPORT_MS) this.emit(file, now);
  }

  /** A file is complete. */
  finish(file: string): void {
    const entry = this.files.get(file);
    if (entry !== undefined) entry.done = true;
    if (this.report !== undefined && entry !== undefined) this.emit(file, performance.now());
  }

  private emit(file: string, now: number): void {
    this.lastReport = now;
    const entries = [...this.files.values()];
    const entry = this.files.get(file)!;
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const known = entries.every(({ total }) => total !== undefined);
    const bytes = sum(entries.map((each) => each.bytes));
    const totalBytes = known ? sum(entries.map(({ total }) => total!)) : undefined;
    const [first] = this.samples;
    const elapsed = first === undefined ? 0 : (now - first.at) / 1000;
    const bytesPerSecond = elapsed > 0 ? (this.received - first.received) / elapsed : 0;
    this.report!({
      file,
      fileBytes: entry.bytes,
      fileTotal: entry.total,
      bytes,
      totalBytes,
      filesDone: entries.filter(({ done }) => done).length,
      files: entries.length,
      bytesPerSecond,
      secondsLeft: totalBytes !== undefined && bytesPerSecond > 0 ? (totalBytes - bytes) / bytesPerSecond : undefined,
    });
  }
}
