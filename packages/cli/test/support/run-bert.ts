import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const BINARY = fileURLToPath(new URL("../../bin/bert.js", import.meta.url));
/** 2 layers, 32 wide, 48 positions, classes neg and pos, dropout 0. */
export const TINY = fileURLToPath(new URL("../../../bert/test/fixtures/tiny/model", import.meta.url));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Sees the process and what it has said so far, whenever it says something on stderr. */
  onStderr?(said: string, child: ChildProcess): void;
}

/** Runs the command `bert` in a process of its own, on one thread and away from the user's caches and the network. */
export function runBert(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const home = options.cwd ?? tmpdir();
  const env = {
    ...process.env,
    NODE_BERT_THREADS: "1",
    HF_HOME: join(home, "hf-home"),
    NODE_BERT_CACHE: join(home, "cache"),
    HF_HUB_OFFLINE: "1",
    ...options.env,
  };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BINARY, ...args], { cwd: options.cwd, env });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
      options.onStderr?.(stderr, child);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** An empty folder with the files given. */
export function makeFolder(files: Record<string, string | Uint8Array> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "node-bert-cli-"));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** Rows of two classes, in turn. */
export function reviews(count: number): string {
  const row = (i: number) => ({ text: `a ${i % 2 ? "bad" : "good"} film number ${i}`, label: i % 2 ? "neg" : "pos" });
  return Array.from({ length: count }, (_, i) => `${JSON.stringify(row(i))}\n`).join("");
}
