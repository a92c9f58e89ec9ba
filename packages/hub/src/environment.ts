// What the environment says about the Hub. The variables are those of Hugging Face's Python library.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Address of the Hub: HF_ENDPOINT, default https://huggingface.co. */
export function hubEndpoint(): string {
  return (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
}

/** HF_HOME, default `$XDG_CACHE_HOME/huggingface` or `~/.cache/huggingface`. */
export function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HOME ? expandHome(HF_HOME) : join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
}

/** The cache of downloads: HF_HUB_CACHE, default `$HF_HOME/hub`. */
export function hubCacheFolder(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
  const named = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  return named ? expandHome(named) : join(hubHome(), "hub");
}

/** The access token: HF_TOKEN, or what `hf auth login` saved, unless HF_HUB_DISABLE_IMPLICIT_TOKEN forbids to send it unasked. */
export function hubToken(): string | undefined {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN } = process.env;
  if (isTrue(HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const given = HF_TOKEN || HUGGING_FACE_HUB_TOKEN;
  if (given) return given.trim();
  try {
    return (
      readFileSync(HF_TOKEN_PATH ? expandHome(HF_TOKEN_PATH) : join(hubHome(), "token"), "utf8").trim() || undefined
    );
  } catch {
    return undefined;
  }
}

/** True when HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE, HF_DATASETS_OFFLINE) says that nothing may be requested. */
export function isOffline(): boolean {
  const { HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE, HF_DATASETS_OFFLINE } = process.env;
  return isTrue(HF_HUB_OFFLINE || TRANSFORMERS_OFFLINE || HF_DATASETS_OFFLINE);
}

/** Milliseconds without a byte after which a connection counts as cut: HF_HUB_DOWNLOAD_TIMEOUT seconds, default 30. */
export function stallTimeoutMs(): number {
  const seconds = Number(process.env.HF_HUB_DOWNLOAD_TIMEOUT);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 30_000;
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ["1", "ON", "YES", "TRUE"].includes(value.toUpperCase());
}

function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}
