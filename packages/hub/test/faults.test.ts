import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { downloadFile, downloadKnownFile, downloadSnapshot, listRepo } from "../src/index.js";
import { gitHash, sha256 } from "./fake-hub.js";
import { failsWith, hubTest, QUICK } from "./helpers.js";

const test = hubTest();
const LARGE = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 2_654_435_761) >>> 24));
const DATA = { type: "dataset", name: "owner/rows" } as const;
const BODY = /^GET \/[0-9a-f]{64}/;
const FILE = "train.bin";

function blobFolder(cacheDir: string): string {
  return join(cacheDir, "datasets--owner--rows/blobs");
}

/** Nothing that looks complete: no snapshot, no blob under its final name. */
async function nothingComplete(cacheDir: string): Promise<boolean> {
  const snapshots = await readdir(join(cacheDir, "datasets--owner--rows/snapshots"), { recursive: true }).catch(
    () => [],
  );
  const blobs = await readdir(blobFolder(cacheDir)).catch(() => []);
  return snapshots.length === 0 && blobs.every((name) => name.endsWith(".incomplete"));
}

test("cut in the middle: resumed by Range, and right", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: BODY, cutAfter: 150_000 });
  hub.addFault({ match: BODY, cutAfter: 100_000 });
  const path = await downloadFile(DATA, FILE, { retry: QUICK });
  t.deepEqual(await readFile(path), LARGE);
  const ranges = hub.seen.filter(({ host }) => host === "storage").map(({ range }) => range);
  t.is(ranges.length, 3);
  t.is(ranges[0], undefined);
  t.regex(ranges[1] ?? "", /^bytes=[1-9]\d*-$/);
});

test("cut for good: an error, nothing looks complete, and the next call resumes what was kept", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: BODY, cutAfter: 150_000 });
  hub.addFault({ match: BODY, status: 500, times: 100 });
  const error = await failsWith(t, downloadFile(DATA, FILE, { retry: QUICK }), "HUB_NETWORK");
  t.regex(error.message, /owner\/rows: train\.bin: .*500, after 4 tries\. What was downloaded is kept and resumed/);
  t.true(await nothingComplete(cacheDir));
  const [partial] = await readdir(blobFolder(cacheDir));
  const kept = (await stat(join(blobFolder(cacheDir), partial))).size;
  t.true(kept > 0 && kept < LARGE.length, `${kept} bytes kept`);
  hub.clear();
  t.deepEqual(await readFile(await downloadFile(DATA, FILE)), LARGE);
  t.deepEqual(
    hub.seen.filter(({ host }) => host === "storage").map(({ range }) => range),
    [`bytes=${kept}-`],
  );
});

test("a server that ignores Range: started anew, and right", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: BODY, cutAfter: 150_000 });
  hub.addFault({ match: BODY, ignoreRange: true });
  t.deepEqual(await readFile(await downloadFile(DATA, FILE, { retry: QUICK })), LARGE);
});

test("wrong length: never complete", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: BODY, shortenBy: 5 });
  t.deepEqual(await readFile(await downloadFile(DATA, FILE, { retry: QUICK })), LARGE, "the missing end is asked for");

  hub.addRepo("datasets/owner/rows", { "small.txt": "hello" });
  hub.addFault({ match: /^HEAD .*small/, headers: { "x-linked-size": "4" } });
  const error = await failsWith(t, downloadFile(DATA, "small.txt", { retry: QUICK }), "HUB_INTEGRITY");
  t.regex(error.message, /sends more bytes than the 4 announced/);
  t.false((await readdir(blobFolder(cacheDir))).includes(gitHash(Buffer.from("hello"))));
});

test("wrong checksum: thrown away, fetched once more, then refused", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: BODY, flipByte: 1234 });
  t.deepEqual(await readFile(await downloadFile(DATA, FILE)), LARGE);

  const other = Buffer.from(LARGE).reverse();
  hub.addRepo("datasets/owner/rows", { "other.bin": other });
  hub.addFault({ match: BODY, flipByte: 99, times: 2 });
  const error = await failsWith(t, downloadFile(DATA, "other.bin"), "HUB_INTEGRITY");
  t.regex(error.message, /other\.bin: sha256 is [0-9a-f]{64} where [0-9a-f]{64} was announced, twice/);
  t.false((await readdir(blobFolder(cacheDir))).some((name) => name.startsWith(sha256(other))));
});

test("a small file is verified too, by git's hash", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { "small.txt": "hello" });
  hub.addFault({ match: /^GET .*small/, flipByte: 0, times: 2 });
  const error = await failsWith(t, downloadFile(DATA, "small.txt"), "HUB_INTEGRITY");
  t.regex(error.message, /git-sha1/);
});

test("a part kept from before that is damaged: found by the checksum and fetched anew", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  await mkdir(blobFolder(cacheDir), { recursive: true });
  const partial = join(blobFolder(cacheDir), `${sha256(LARGE)}.node-bert.incomplete`);
  for (const rubbish of [1000, LARGE.length, LARGE.length + 7]) {
    await writeFile(partial, Buffer.alloc(rubbish, 7));
    t.deepEqual(await readFile(await downloadFile(DATA, FILE, { retry: QUICK })), LARGE);
    hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
    await rm(join(blobFolder(cacheDir), sha256(LARGE)));
  }
});

test("429 with Retry-After: waits as long as asked, then succeeds", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { "small.txt": "hello" });
  hub.addFault({ match: /^GET .*small/, status: 429, headers: { "retry-after": "1" } });
  const start = performance.now();
  await downloadFile(DATA, "small.txt", { retry: QUICK });
  t.true(performance.now() - start >= 990);
});

test("429 for good, or for too long: says so and names the token", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { "small.txt": "hello" });
  hub.addFault({ match: /^GET .*small/, status: 429, times: 100 });
  const error = await failsWith(t, downloadFile(DATA, "small.txt", { retry: QUICK }), "HUB_RATE_LIMITED");
  t.regex(error.message, /\(429\), after 4 tries.*HF_TOKEN/);
  hub.clear();
  hub.addFault({ match: /^HEAD .*small/, status: 429, headers: { "retry-after": "3600" } });
  const long = await failsWith(t, downloadFile(DATA, "small.txt", { retry: QUICK }), "HUB_RATE_LIMITED");
  t.regex(long.message, /asks to wait 3600 s/);
});

test("500, 502 and 503 are tried again, on every kind of request", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: /^HEAD/, status: 503 });
  hub.addFault({ match: /^GET .*resolve/, status: 500 });
  hub.addFault({ match: BODY, status: 502 });
  t.deepEqual(await readFile(await downloadFile(DATA, FILE, { retry: QUICK })), LARGE);
  hub.addFault({ match: /^GET \/api/, status: 500 });
  hub.addFault({ match: /^GET \/api/, cutAfter: 10 });
  t.deepEqual((await listRepo(DATA, { retry: QUICK })).files, [FILE]);
});

test("redirects: a renamed repository is followed; a loop and a foreign scheme are refused", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/new/rows", { "small.txt": "hello" });
  for (const match of [/^HEAD .*owner/, /^GET .*owner/]) {
    hub.addFault({ match, redirect: "/datasets/new/rows/resolve/main/small.txt" });
  }
  t.is(await readFile(await downloadFile(DATA, "small.txt"), "utf8"), "hello");
  hub.addFault({ match: /loop/, redirect: "/datasets/owner/rows/resolve/main/loop", times: 100 });
  const loop = await failsWith(t, downloadFile(DATA, "loop", { retry: QUICK }), "HUB_NETWORK");
  t.regex(loop.message, /more than 10 redirects/);
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: BODY, redirect: "file:///etc/passwd" });
  await failsWith(t, downloadFile(DATA, FILE, { retry: QUICK }), "HUB_NETWORK");
});

test("a connection that goes silent counts as cut, and is resumed", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  process.env.HF_HUB_DOWNLOAD_TIMEOUT = "1";
  hub.addFault({ match: BODY, stall: true });
  t.deepEqual(await readFile(await downloadFile(DATA, FILE, { retry: QUICK })), LARGE);
  t.is(hub.seen.filter(({ host }) => host === "storage").at(-1)?.range, "bytes=1-");
});

test("slow answers are waited for", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: /./, delayMs: 300, times: 3 });
  t.deepEqual(await readFile(await downloadFile(DATA, FILE)), LARGE);
});

test("a listing with .. or absolute paths is refused, and nothing is written", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { "small.txt": "hello" });
  for (const rfilename of ["../../../evil", "/tmp/evil", "a\\..\\evil"]) {
    hub.extraSiblings.splice(0, 1, { rfilename, size: 1, blobId: "0".repeat(40) });
    await failsWith(
      t,
      downloadSnapshot(DATA, () => true, { retry: QUICK }),
      "HUB_BAD_NAME",
    );
  }
  hub.extraSiblings.splice(0, 1, { rfilename: "evil", size: 5, blobId: "../../evil" });
  await failsWith(
    t,
    downloadSnapshot(DATA, (path) => path === "evil", { retry: QUICK }),
    "HUB_INTEGRITY",
  );
  hub.addFault({ match: /^HEAD/, headers: { "x-repo-commit": "../../../evil" } });
  await failsWith(t, downloadFile(DATA, "small.txt", { retry: QUICK }), "HUB_INTEGRITY");
  t.true(await nothingComplete(cacheDir));
});

test("endless bodies are cut off: a file at its announced size, an answer at 64 MiB", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: BODY, endless: true });
  const error = await failsWith(t, downloadFile(DATA, FILE, { retry: QUICK }), "HUB_INTEGRITY");
  t.regex(error.message, /sends more bytes than the 400000 announced/);
  t.true(await nothingComplete(cacheDir));
  hub.addFault({ match: /^GET \/api/, endless: true });
  const listing = await failsWith(t, listRepo(DATA, { retry: QUICK }), "HUB_INTEGRITY");
  t.regex(listing.message, /does not end after 64 MiB/);
});

test("answers that are not a Hub's say that HF_ENDPOINT may be wrong", async (t) => {
  const { hub } = t.context;
  process.env.HF_ENDPOINT = hub.storageUrl;
  const error = await failsWith(t, listRepo(DATA, { retry: QUICK }), "HUB_NOT_FOUND");
  t.regex(error.message, /not found/);
  process.env.HF_ENDPOINT = hub.url;
  hub.addFault({ match: /^GET \/api/, redirect: `${hub.url}/datasets/owner/rows/resolve/main/page.html` });
  hub.addRepo("datasets/owner/rows", { "page.html": "<html>log in</html>" });
  const page = await failsWith(t, listRepo(DATA, { retry: QUICK }), "HUB_INTEGRITY");
  t.regex(page.message, /not JSON. Is HF_ENDPOINT right/);
});

test("a full disk is an error that names the file", async (t) => {
  const { hub, cacheDir } = t.context;
  if (process.platform !== "linux") {
    t.log("SKIPPED: needs /dev/full");
    t.pass();
    return;
  }
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  await mkdir(blobFolder(cacheDir), { recursive: true });
  await symlink("/dev/full", join(blobFolder(cacheDir), `${sha256(LARGE)}.node-bert.incomplete`));
  const error = await failsWith(t, downloadFile(DATA, FILE, { retry: QUICK }), "HUB_DISK");
  t.true(error.message.includes(join(blobFolder(cacheDir), sha256(LARGE))));
  t.regex(error.message, /the disk is full/);
});

test("an abort ends the download and keeps what arrived", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  hub.addFault({ match: BODY, stall: true });
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 200);
  await t.throwsAsync(downloadFile(DATA, FILE, { signal: controller.signal }), { name: "AbortError" });
  t.true(await nothingComplete(cacheDir));
  t.is(hub.count(BODY), 1, "an abort is not retried");
});

test("a file from outside the Hub is resumed and verified in the same way", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { [FILE]: LARGE });
  const file = { url: `${hub.storageUrl}/${sha256(LARGE)}`, bytes: LARGE.length, sha256: sha256(LARGE) };
  const path = join(cacheDir, "archive.tar.gz");
  hub.addFault({ match: BODY, cutAfter: 100_000 });
  t.is(await downloadKnownFile(file, path, { retry: QUICK }), path);
  t.deepEqual(await readFile(path), LARGE);
  await failsWith(t, downloadKnownFile({ ...file, bytes: 399_999 }, `${path}2`, { retry: QUICK }), "HUB_INTEGRITY");
});
