import { lstat, mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type DownloadProgress, downloadFile, downloadSnapshot, listRepo, resolveModelFolder } from "../src/index.js";
import { gitHash, sha256 } from "./fake-hub.js";
import { failsWith, hubTest, QUICK } from "./helpers.js";

const test = hubTest();
const LARGE = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 2_654_435_761) >>> 24));
const SMALL = Buffer.from('{"hidden_size": 4}\n');
const FILES = { "config.json": SMALL, "data/train.bin": LARGE };
const MODEL = { type: "model", name: "owner/net" } as const;
const DATA = { type: "dataset", name: "owner/rows" } as const;

test("a small and a large file lie in the cache as Python lays them out", async (t) => {
  const { hub, cacheDir } = t.context;
  const commit = hub.addRepo("datasets/owner/rows", FILES);
  const small = await downloadFile(DATA, "config.json");
  const large = await downloadFile(DATA, "data/train.bin");
  const folder = join(cacheDir, "datasets--owner--rows");
  t.is(small, join(folder, "snapshots", commit, "config.json"));
  t.deepEqual(await readFile(small), SMALL);
  t.deepEqual(await readFile(large), LARGE);
  t.is(await readFile(join(folder, "refs/main"), "utf8"), commit);
  t.deepEqual((await readdir(join(folder, "blobs"))).sort(), [gitHash(SMALL), sha256(LARGE)].sort());
  t.true((await lstat(large)).isSymbolicLink());
  t.is(await readlink(large), join("../../../blobs", sha256(LARGE)));
});

test("a cached file is not downloaded again, and a commit is not even asked for", async (t) => {
  const { hub } = t.context;
  const commit = hub.addRepo("models/owner/net", FILES);
  await downloadFile(MODEL, "config.json");
  hub.clear();
  await downloadFile(MODEL, "config.json");
  t.is(hub.count(/^GET/), 0);
  t.is(hub.count(/^HEAD/), 1);
  hub.clear();
  await downloadFile(MODEL, "config.json", { revision: commit });
  await downloadFile(MODEL, "config.json", { trustCache: true });
  t.is(hub.seen.length, 0);
});

test("a new commit is fetched, and both snapshots share the unchanged blob", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("models/owner/net", FILES);
  await downloadSnapshot(MODEL, () => true);
  const second = hub.addRepo("models/owner/net", { ...FILES, "config.json": "{}" });
  hub.clear();
  const snapshot = await downloadSnapshot(MODEL, () => true);
  t.is(snapshot.commit, second);
  t.is(hub.count(/^GET .*train\.bin/), 0);
  t.is((await readdir(join(cacheDir, "models--owner--net/blobs"))).length, 3);
  t.is(await readFile(join(snapshot.folder, "config.json"), "utf8"), "{}");
});

test("revisions: branches with slashes, tags and commits", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", FILES);
  const converted = hub.addRepo("datasets/owner/rows", { "a.txt": "converted" }, { revision: "refs/convert/parquet" });
  const path = await downloadFile(DATA, "a.txt", { revision: "refs/convert/parquet" });
  t.is(await readFile(path, "utf8"), "converted");
  t.is(await readFile(join(cacheDir, "datasets--owner--rows/refs/refs/convert/parquet"), "utf8"), converted);
  await failsWith(t, downloadFile(DATA, "a.txt", { revision: "v9" }), "HUB_NOT_FOUND");
});

test("the token goes to the Hub and never to the storage host", async (t) => {
  const { hub } = t.context;
  hub.addRepo("models/owner/net", FILES, { token: "hf_secret" });
  process.env.HF_TOKEN = "hf_secret";
  await downloadFile(MODEL, "data/train.bin");
  const storage = hub.seen.filter(({ host }) => host === "storage");
  t.is(storage.length, 1);
  t.true(storage.every(({ authorization }) => authorization === undefined));
  t.true(
    hub.seen.filter(({ host }) => host === "hub").every(({ authorization }) => authorization === "Bearer hf_secret"),
  );
});

test("a saved token is used unless HF_HUB_DISABLE_IMPLICIT_TOKEN forbids it; an option wins over both", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("models/owner/net", FILES, { token: "hf_saved" });
  await mkdir(dirname(cacheDir), { recursive: true });
  await writeFile(join(dirname(cacheDir), "token"), "hf_saved\n");
  await t.notThrowsAsync(downloadFile(MODEL, "config.json"));
  process.env.HF_TOKEN = "hf_wrong";
  await failsWith(t, downloadFile(MODEL, "data/train.bin"), "HUB_ACCESS_DENIED");
  await t.notThrowsAsync(downloadFile(MODEL, "data/train.bin", { token: "hf_saved" }));
});

test("401, 403 and 404 say what is wrong; the token is named only where it matters", async (t) => {
  const { hub } = t.context;
  hub.addRepo("models/owner/net", FILES);
  hub.addRepo("models/owner/gated", FILES, { gated: true, token: "hf_x" });
  const missing = await failsWith(
    t,
    downloadFile({ type: "model", name: "owner/nope" }, "config.json"),
    "HUB_ACCESS_DENIED",
  );
  t.regex(missing.message, /does not exist, or it is private: check the name, or set HF_TOKEN/);
  const gated = await failsWith(
    t,
    downloadFile({ type: "model", name: "owner/gated" }, "config.json"),
    "HUB_ACCESS_DENIED",
  );
  t.regex(gated.message, /Ask for access on its page, then set HF_TOKEN: .*\/owner\/gated\./);
  const file = await failsWith(t, downloadFile(MODEL, "nope.json"), "HUB_NOT_FOUND");
  t.regex(file.message, /nope\.json: there is no such file/);
  t.notRegex(file.message, /TOKEN/);
  const revision = await failsWith(t, downloadFile(MODEL, "config.json", { revision: "nope" }), "HUB_NOT_FOUND");
  t.regex(revision.message, /no such revision/);
  process.env.HF_TOKEN = "hf_expired";
  const refused = await failsWith(
    t,
    downloadFile({ type: "model", name: "owner/nope" }, "config.json"),
    "HUB_ACCESS_DENIED",
  );
  t.regex(refused.message, /The token was sent and refused/);
  t.false(refused.message.includes("hf_expired"));
});

test("a missing file is remembered as Python remembers it", async (t) => {
  const { hub, cacheDir } = t.context;
  const commit = hub.addRepo("models/owner/net", FILES);
  await failsWith(t, downloadFile(MODEL, "added_tokens.json"), "HUB_NOT_FOUND");
  t.true((await lstat(join(cacheDir, "models--owner--net/.no_exist", commit, "added_tokens.json"))).isFile());
});

test("offline: the cache answers and nothing is requested", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", FILES);
  const path = await downloadFile(DATA, "config.json");
  hub.clear();
  process.env.HF_HUB_OFFLINE = "1";
  t.is(await downloadFile(DATA, "config.json"), path);
  t.deepEqual((await listRepo(DATA)).files, ["config.json"]);
  const error = await failsWith(t, downloadFile(DATA, "data/train.bin"), "HUB_OFFLINE");
  t.regex(error.message, /data\/train\.bin is not in the cache, and HF_HUB_OFFLINE is set/);
  await failsWith(t, listRepo(MODEL), "HUB_OFFLINE");
  t.is(hub.seen.length, 0);
});

test("what the Hub listed is remembered: other files of the commit are fetched later, or named as missing offline", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", FILES);
  await downloadSnapshot(DATA, (path) => path === "config.json");
  hub.clear();
  process.env.HF_HUB_OFFLINE = "1";
  t.deepEqual((await listRepo(DATA)).files, ["config.json", "data/train.bin"]);
  const error = await failsWith(
    t,
    downloadSnapshot(DATA, () => true),
    "HUB_OFFLINE",
  );
  t.regex(error.message, /data\/train\.bin is not in the cache/);
  delete process.env.HF_HUB_OFFLINE;
  const snapshot = await downloadSnapshot(DATA, () => true, { trustCache: true });
  t.deepEqual(await readFile(join(snapshot.folder, "data/train.bin")), LARGE);
  t.is(hub.count(/^GET \/api/), 0);
});

test("a Hub that cannot be reached is no failure for what is cached", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", FILES);
  const path = await downloadFile(DATA, "config.json");
  process.env.HF_ENDPOINT = "http://127.0.0.1:1";
  t.is(await downloadFile(DATA, "config.json", { retry: QUICK }), path);
  t.true((await listRepo(DATA, { retry: QUICK })).fromCache);
  const error = await failsWith(t, downloadFile(DATA, "other.json", { retry: QUICK }), "HUB_NETWORK");
  t.regex(error.message, /ECONNREFUSED.*after 4 tries/);
});

test("a snapshot downloads several files at once and reports progress", async (t) => {
  const { hub } = t.context;
  const files = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`part-${i}.bin`, Buffer.alloc(20_000 + i, i)]),
  );
  hub.addRepo("datasets/owner/rows", files);
  // One file comes long after the others, so that there is a time when some of the bytes are left.
  for (let i = 0; i < 8; i++) hub.addFault({ match: /^GET \/[0-9a-f]{64}/, delayMs: i === 0 ? 1500 : 100 });
  const reports: DownloadProgress[] = [];
  const snapshot = await downloadSnapshot(DATA, (path) => path.startsWith("part-"), {
    onProgress: (p) => reports.push(p),
  });
  t.is(snapshot.files.length, 20);
  const last = reports.at(-1)!;
  t.is(last.filesDone, 20);
  t.is(last.bytes, last.totalBytes);
  t.is(
    last.bytes,
    Object.values(files).reduce((sum, bytes) => sum + bytes.length, 0),
  );
  t.true(last.bytesPerSecond > 0);
  t.is(last.secondsLeft, 0);
  t.true(reports.some(({ secondsLeft }) => secondsLeft !== undefined && secondsLeft > 0));
  const early = hub.seen.filter(({ host }) => host === "storage").slice(0, 8);
  t.is(early.length, 8);
});

test("HF_HUB_CACHE says where the cache is, and wins over HF_HOME", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("models/owner/net", FILES);
  process.env.HF_HUB_CACHE = join(cacheDir, "elsewhere");
  t.true((await downloadFile(MODEL, "config.json")).startsWith(join(cacheDir, "elsewhere/models--owner--net/")));
});

test("a model folder: local as it is, a Hub id as a snapshot of the files a model has", async (t) => {
  const { hub, cacheDir } = t.context;
  await mkdir(cacheDir, { recursive: true });
  t.is(await resolveModelFolder(cacheDir), cacheDir);
  hub.addRepo("models/owner/net", {
    "config.json": "{}",
    "model.safetensors": LARGE,
    "vocab.txt": "a\n",
    "pytorch_model.bin": LARGE,
  });
  const folder = await resolveModelFolder("owner/net");
  t.deepEqual((await readdir(folder)).sort(), ["config.json", "model.safetensors", "vocab.txt"]);
  const missing = await failsWith(t, resolveModelFolder("./no/such/folder"), "HUB_NOT_FOUND");
  t.regex(missing.message, /no such folder, and not a Hub id/);
  await failsWith(t, resolveModelFolder("owner/other"), "HUB_ACCESS_DENIED");
});

test("names that leave their folder are refused before any request", async (t) => {
  const { hub } = t.context;
  hub.addRepo("models/owner/net", FILES);
  for (const file of ["../../etc/passwd", "/etc/passwd", "a/../../b", "a\\..\\b", "C:/x", "", "a//b", "./a"]) {
    await failsWith(t, downloadFile(MODEL, file), "HUB_BAD_NAME");
  }
  for (const name of ["../owner", "a/b/c", "owner/..", "", "a b", "owner/net?x"]) {
    await failsWith(t, downloadFile({ type: "model", name }, "config.json"), "HUB_BAD_NAME");
  }
  await failsWith(t, downloadFile(MODEL, "config.json", { revision: "../main" }), "HUB_BAD_NAME");
  t.is(hub.seen.length, 0);
});
