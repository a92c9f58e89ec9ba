// One request to the Hub: redirects, the token only to whom it belongs, retries with back-off, errors that say what to do.

import { setTimeout as sleep } from "node:timers/promises";
import type { Dispatcher } from "undici";
import { hubEndpoint, hubToken, stallTimeoutMs } from "./environment.js";
import { HubError } from "./errors.js";
import { dispatcherFor } from "./proxy.js";

const MAX_REDIRECTS = 10;
const MAX_WAIT_MS = 30_000;
const MAX_RETRY_AFTER_MS = 120_000;
const RETRIED_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/** How often a failing request is repeated. */
export interface RetryPolicy {
  /** Tries in a row without any progress; default 5. */
  attempts: number;
  /** First wait; doubled each time up to 30 s, with jitter; default 500. */
  baseDelayMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, baseDelayMs: 500 };

/** What a request needs beside its URL. */
export interface RequestOptions {
  method?: "GET" | "HEAD";
  headers?: Record<string, string>;
  token?: string;
  signal?: AbortSignal;
  /** Only redirects within the same host are followed; the answer of the first that leaves it is returned. */
  stayOnHost?: boolean;
}

/** An answer, its body still unread. */
export interface Answer {
  status: number;
  headers: Record<string, string | undefined>;
  body: Dispatcher.ResponseData["body"];
  url: URL;
}

/** A failure that repeating the request may cure. */
export class TransientFailure extends Error {
  constructor(
    message: string,
    readonly status: number | undefined,
    readonly retryAfterMs: number | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Sends one request, following redirects by hand. The token goes to the host of the first URL only, never to a storage
 * host it redirects to.
 *
 * @throws TransientFailure for cut connections, time-outs, 408, 429 and 5xx; HubError for other statuses from 400.
 */
export async function send(url: string, options: RequestOptions = {}): Promise<Answer> {
  let target = new URL(url);
  const home = target.origin;
  const token = options.token ?? (home === new URL(hubEndpoint()).origin ? hubToken() : undefined);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const headers: Record<string, string> = {
      "user-agent": "node-bert",
      "accept-encoding": "identity",
      ...options.headers,
    };
    if (token !== undefined && target.origin === home) headers.authorization = `Bearer ${token}`;
    const answer = await sendOnce(target, headers, options);
    const location = answer.headers.location;
    if (answer.status >= 300 && answer.status < 400 && location !== undefined) {
      const next = new URL(location, target);
      if (options.stayOnHost && next.origin !== target.origin) return answer;
      await answer.body.dump();
      if (next.protocol !== "https:" && next.protocol !== "http:") throw badRedirect(target, location);
      target = next;
      continue;
    }
    if (answer.status < 400) return answer;
    await answer.body.dump();
    throw describeFailure(answer, token !== undefined);
  }
  throw new HubError("HUB_NETWORK", `${url}: more than ${MAX_REDIRECTS} redirects. Is HF_ENDPOINT right?`);
}

async function sendOnce(url: URL, headers: Record<string, string>, options: RequestOptions): Promise<Answer> {
  const stall = stallTimeoutMs();
  // Loaded by the first request: it takes longer than all the rest of what a command needs that finds its files here.
  const { request } = await import("undici");
  try {
    const response = await request(url, {
      method: options.method ?? "GET",
      headers,
      dispatcher: await dispatcherFor(url),
      signal: options.signal,
      headersTimeout: stall,
      bodyTimeout: stall,
    });
    // Whoever reads the body sees its errors; one that comes after reading was given up must not end the process.
    response.body.on("error", () => {});
    return { status: response.statusCode, headers: flatten(response.headers), body: response.body, url };
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new TransientFailure(`${url.host}: ${describeCause(cause)}`, undefined, undefined, { cause });
  }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  );
}

/** The body piece by piece. @throws TransientFailure when the connection is cut or stalls. */
export async function* bodyChunks(answer: Answer): AsyncGenerator<Buffer> {
  try {
    yield* answer.body as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new TransientFailure(`${answer.url.host}: ${describeCause(cause)}`, answer.status, undefined, { cause });
  }
}

/** Node's network errors hide the reason one level down. */
function describeCause(cause: unknown): string {
  const error = cause as Error & { code?: string; errors?: Error[] };
  return error.errors?.[0]?.message || error.message || error.code || String(cause);
}

/**
 * Repeats `attempt` while it fails transiently, waiting longer each time, or as long as the server asks.
 *
 * @param attempt gets a function to call when there was progress, which starts the count anew.
 * @throws HubError HUB_NETWORK or HUB_RATE_LIMITED when the tries are used up.
 */
export async function withRetries<T>(
  what: string,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: (progressed: () => void) => Promise<T>,
): Promise<T> {
  let failures = 0;
  for (;;) {
    try {
      return await attempt(() => {
        failures = 0;
      });
    } catch (cause) {
      if (!(cause instanceof TransientFailure)) throw cause;
      failures += 1;
      if (failures >= policy.attempts) throw givenUp(what, failures, cause);
      await sleep(waitMs(what, failures, policy, cause), undefined, { signal });
    }
  }
}

function waitMs(what: string, failures: number, policy: RetryPolicy, failure: TransientFailure): number {
  if (failure.retryAfterMs === undefined) {
    const backOff = Math.min(policy.baseDelayMs * 2 ** (failures - 1), MAX_WAIT_MS);
    return backOff * (0.5 + Math.random() / 2);
  }
  if (failure.retryAfterMs > MAX_RETRY_AFTER_MS) throw givenUp(what, failures, failure);
  return failure.retryAfterMs;
}

function givenUp(what: string, failures: number, cause: TransientFailure): HubError {
  const tries = `after ${failures} ${failures === 1 ? "try" : "tries"}`;
  if (cause.status === 429) {
    const wait = cause.retryAfterMs === undefined ? "" : ` It asks to wait ${Math.ceil(cause.retryAfterMs / 1000)} s.`;
    return new HubError(
      "HUB_RATE_LIMITED",
      `${what}: the Hub limits the rate of requests (429), ${tries}.${wait} Try later; with an access token in HF_TOKEN the limit is higher.`,
      { cause, status: 429 },
    );
  }
  return new HubError(
    "HUB_NETWORK",
    `${what}: ${cause.message}, ${tries}. What was downloaded is kept and resumed. Check the connection and the proxy (HTTPS_PROXY, NO_PROXY, HF_ENDPOINT).`,
    { cause, status: cause.status },
  );
}

/** The error of a status from 400; the token is mentioned only where it matters. */
function describeFailure({ status, headers, url }: Answer, hadToken: boolean): Error {
  if (RETRIED_STATUS.has(status)) {
    return new TransientFailure(`${url.host} answered ${status}`, status, retryAfterMs(headers["retry-after"]));
  }
  const where = `${url.origin}${url.pathname}`;
  const code = headers["x-error-code"];
  const said = headers["x-error-message"];
  const detail = said === undefined ? "" : ` The Hub says: ${said}`;
  if (code === "GatedRepo") {
    const page = where.replace(/\/(resolve|tree|raw)\/.*$/, "");
    const advice = hadToken
      ? "Ask for access on its page with the account of your token"
      : "Ask for access on its page, then set HF_TOKEN";
    return new HubError(
      "HUB_ACCESS_DENIED",
      `${where}: access is granted on request only. ${advice}: ${page}.${detail}`,
      { status },
    );
  }
  if (code === "EntryNotFound")
    return new HubError("HUB_NOT_FOUND", `${where}: there is no such file.${detail}`, {
      status,
      missingIn: headers["x-repo-commit"],
    });
  if (code === "RevisionNotFound") {
    return new HubError(
      "HUB_NOT_FOUND",
      `${where}: there is no such revision. Give a branch, a tag or a full commit.${detail}`,
      { status },
    );
  }
  if (status === 401 || status === 403) {
    const advice = hadToken
      ? "The token was sent and refused: it has expired, or it lacks the right to read this repository. Renew it at https://huggingface.co/settings/tokens"
      : "The repository does not exist, or it is private: check the name, or set HF_TOKEN to a token that may read it";
    return new HubError("HUB_ACCESS_DENIED", `${where}: access denied (${status}). ${advice}.${detail}`, { status });
  }
  if (status === 404) {
    return new HubError(
      "HUB_NOT_FOUND",
      `${where}: not found. Check the name of repository, revision and file.${detail}`,
      { status },
    );
  }
  return new HubError("HUB_NETWORK", `${where}: the server answered ${status}.${detail}`, { status });
}

/** Seconds or a date, as HTTP has it. */
function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(seconds * 1000, 0);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(date - Date.now(), 0);
}

function badRedirect(from: URL, location: string): HubError {
  return new HubError("HUB_NETWORK", `${from}: redirects to ${location}, which is not http. Is HF_ENDPOINT right?`);
}
