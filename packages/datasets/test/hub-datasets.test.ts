import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { parquetWriteBuffer } from "hyparquet-writer";
import { FakeHub, sha256 } from "../../hub/test/fake-hub.js";
import { BertTokenizer, HubError, loadDataset } from "../src/index.js";
import { openHub } from "../src/loaders/hub-source.js";
import { aclImdbTarball } from "./acl-imdb-files.js";
import { failsWith } from "./helpers.js";

// They share the environment, so they run one after another.
const test = anyTest.serial as TestFn<{ hub: FakeHub; folder: string }>;

test.beforeEach(async (t) => {
  for (const name of ["HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "NODE_BERT_DATA"]) delete process.env[name];
  t.context.hub = await FakeHub.start();
  t.context.folder = await mkdtemp(join(tmpdir(), "hub-datasets-test-"));
  process.env.HF_ENDPOINT = t.context.hub.url;
  process.env.HF_HOME = t.context.folder;
  process.env.NODE_BERT_CACHE = join(t.context.folder, "node-bert");
});

test.afterEach.always(async (t) => {
  await t.context.hub.stop();
  await rm(t.context.folder, { recursive: true, force: true });
});

function parquet(texts: string[], label: number): Buffer {
  const data = [
    { name: "text", data: texts, type: "STRING" as const },
    { name: "label", data: texts.map(() => BigInt(label)), type: "INT64" as const },
  ];
  const features = { text: { dtype: "string", _type: "Value" }, label: { names: ["neg", "pos"], _type: "ClassLabel" } };
  const kvMetadata = [{ key: "huggingface", value: JSON.stringify({ info: { features } }) }];
  return Buffer.from(parquetWriteBuffer({ columnData: data, kvMetadata }));
}

const IMDB = {
  "README.md": `---
configs:
- config_name: plain_text
  default: true
  data_files:
  - {split: train, path: plain_text/train-*}
  - {split: test, path: plain_text/test-*}
---
`,
  "plain_text/train-00000-of-00001.parquet": parquet(["a", "b", "c"], 0),
  "plain_text/test-00000-of-00001.parquet": parquet(["d"], 1),
};

test("imdb: from the Hub, only the files of the splits asked for, then from the cache, offline too", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/stanfordnlp/imdb", IMDB);
  const { train } = await loadDataset("imdb", { split: { train: "train[:2]" } });
  t.deepEqual(train.texts(), ["a", "b"]);
  t.deepEqual(train.labelNames, ["neg", "pos"]);
  t.is(hub.count(/^GET .*train-/), 1);
  t.is(hub.count(/test-/), 0);
  hub.clear();
  t.is((await loadDataset("stanfordnlp/imdb", { split: "train", trustCache: true })).length, 3);
  t.is(hub.seen.length, 0);
  process.env.HF_HUB_OFFLINE = "1";
  t.is((await loadDataset("imdb", { split: "train" })).length, 3);
  t.is(hub.seen.length, 0);
});

test("a revision, a configuration, a folder and files of a repository", async (t) => {
  const { hub } = t.context;
  const files = {
    "one/train.jsonl": '{"text":"1"}',
    "two/train.jsonl": '{"text":"2"}',
    "two/more.jsonl": '{"text":"3"}',
  };
  hub.addRepo("datasets/owner/rows", files);
  hub.addRepo("datasets/owner/rows", { "train.jsonl": '{"text":"old"}' }, { revision: "v1" });
  const texts = async (options: object) => (await loadDataset("owner/rows", { split: "train", ...options })).texts();
  t.deepEqual(await texts({ config: "one" }), ["1"]);
  t.deepEqual(await texts({ revision: "v1" }), ["old"]);
  t.deepEqual(await texts({ dataDir: "two", dataFiles: undefined }), ["2"]);
  t.deepEqual(await texts({ dataFiles: { train: "two/*.jsonl" } }), ["3", "2"]);
  await failsWith(t, texts({}), "BAD_OPTION", /owner\/rows: several configurations: one, two/);
  await failsWith(t, texts({ dataFiles: "three/*" }), "DATASET_NOT_FOUND", /no file matches dataFiles/);
});

test("a repository without data files: the Hub's own parquet copy", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/script", { "script.py": "", "data.zip": "" });
  await failsWith(t, loadDataset("owner/script"), "DATASET_UNSUPPORTED", /owner\/script: no data files/);
  const copy = {
    "default/train/0001.parquet": parquet(["b"], 1),
    "default/train/0000.parquet": parquet(["a"], 0),
    "default/partial-extra/0000.parquet": parquet(["x"], 1),
  };
  hub.addRepo("datasets/owner/script", copy, { revision: "refs/convert/parquet" });
  const { train, extra } = await loadDataset("owner/script");
  t.deepEqual(train.texts(), ["a", "b"]);
  t.deepEqual([...train.labels()], [0, 1]);
  t.deepEqual(extra.texts(), ["x"]);
});

test("a name that is nowhere: every place is named", async (t) => {
  const error = await t.throwsAsync(loadDataset("owner/nope"), { instanceOf: HubError });
  t.regex(
    error?.message ?? "",
    /owner\/nope: no such file or folder here, and from the Hub: .*does not exist, or it is private/,
  );
  await failsWith(t, loadDataset("./owner/nope"), "DATASET_NOT_FOUND", /no such file or folder/);
});

test("the Hub down: IMDb's original archive, verified, in the Hub's row order", async (t) => {
  const { hub } = t.context;
  // Zeros after the end of an archive are allowed; they make it a large file of the fake Hub.
  const bytes = Buffer.concat([aclImdbTarball([0, 1, 127, 128]), Buffer.alloc(20_480)]);
  hub.addRepo("datasets/any/store", { "archive.tar": bytes });
  const archive = { url: `${hub.storageUrl}/${sha256(bytes)}`, bytes: bytes.length, sha256: sha256(bytes) };
  const known = { name: "imdb", aliases: [], hub: "stanfordnlp/imdb", labelNames: ["neg", "pos"], rename: {} };
  const open = (more: object) => openHub("stanfordnlp/imdb", { retry: { attempts: 1 } }, { ...known, ...more });
  process.env.HF_ENDPOINT = "http://127.0.0.1:1";
  await t.throwsAsync(open({}), { instanceOf: HubError, code: "HUB_NETWORK" });
  const wrong = await t.throwsAsync(open({ archive: { ...archive, sha256: "0".repeat(64) } }), {
    instanceOf: HubError,
  });
  t.regex(wrong?.message ?? "", /The original archive is no help either: .*sha256 is/);
  const splits = await open({ archive });
  const texts: unknown[] = [];
  for await (const table of splits.get("test")!.stream()) texts.push(...Array.from(table.columns.get("text")!));
  t.deepEqual(
    texts,
    ["neg", "pos"].flatMap((name) => [127, 1, 0, 128].map((id) => `test/${name} ${id}`)),
  );
});

test("a tokenizer by its Hub id: only its files are fetched", async (t) => {
  const { hub } = t.context;
  const vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello"].join("\n");
  hub.addRepo("models/owner/net", {
    "vocab.txt": vocab,
    "tokenizer_config.json": "{}",
    "model.safetensors": "weights",
  });
  const tokenizer = await BertTokenizer.fromPretrained("owner/net");
  t.deepEqual(tokenizer.encode("Hello").ids, [2, 5, 3]);
  t.is(hub.count(/safetensors/), 0);
});

test("streaming from the Hub", async (t) => {
  const { hub, folder } = t.context;
  hub.addRepo("datasets/stanfordnlp/imdb", IMDB);
  const { train, test: held } = await loadDataset("imdb", { streaming: true });
  const texts = [];
  for await (const row of train) texts.push(row.text);
  t.deepEqual(texts, ["a", "b", "c"]);
  t.is(hub.count(/test-/), 0);
  for await (const row of held) t.is(row.label, 1);
  t.truthy(await readFile(join(folder, "hub/datasets--stanfordnlp--imdb/refs/main")));
});
