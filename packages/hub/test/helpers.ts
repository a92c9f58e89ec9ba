import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { HubError } from "../src/errors.js";
import { FakeHub } from "./fake-hub.js";

interface Context {
  hub: FakeHub;
  cacheDir: string;
}

const VARIABLES = [
  "HF_ENDPOINT",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HF_TOKEN",
  "HF_TOKEN_PATH",
  "HF_HUB_OFFLINE",
  "HF_HUB_DOWNLOAD_TIMEOUT",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "ALL_PROXY",
  "all_proxy",
];

/** Fails fast: the policy of a test that does not test waiting. */
export const QUICK = { attempts: 4, baseDelayMs: 5 };

/** Tests that each get a Hub and an empty cache. They share the environment, so they run one after another. */
export function hubTest(): TestFn<Context> {
  const test = anyTest.serial as TestFn<Context>;
  anyTest.serial.beforeEach(async (t) => {
    for (const name of VARIABLES) delete process.env[name];
    const context = t.context as Context;
    context.hub = await FakeHub.start();
    context.cacheDir = await mkdtemp(join(tmpdir(), "hub-test-"));
    process.env.HF_ENDPOINT = context.hub.url;
    process.env.HF_HOME = context.cacheDir;
    context.cacheDir = join(context.cacheDir, "hub");
  });
  anyTest.serial.afterEach.always(async (t) => {
    const { hub, cacheDir } = t.context as Context;
    await hub.stop();
    await rm(join(cacheDir, ".."), { recursive: true, force: true });
  });
  return test;
}

/** Asserts that a promise fails with a HubError of this code, and returns it. */
export async function failsWith(
  t: ExecutionContext<Context>,
  promise: Promise<unknown>,
  code: string,
): Promise<HubError> {
  const error = await t.throwsAsync(promise, { instanceOf: HubError });
  t.is(error?.code, code, error?.message);
  return error!;
}
