// Two processes, a proxy, and Python's own client on the same cache.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, realpath, stat, utimes } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeLink } from "../src/cache-layout.js";
import { downloadFile, downloadSnapshot } from "../src/index.js";
import { withLock } from "../src/lock.js";
import { proxyFor } from "../src/proxy.js";
import { sha256 } from "./fake-hub.js";
import { hubTest, QUICK } from "./helpers.js";

const test = hubTest();
const LARGE = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 2_654_435_761) >>> 24));
const DATA = { type: "dataset", name: "owner/rows" } as const;
const BODY = /^GET \/[0-9a-f]{64}/;
const CHILD = fileURLToPath(new URL("download-child.ts", import.meta.url));

function exited(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.on("exit", resolve));
}

test("several processes download a file once", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { "train.bin": LARGE });
  hub.addFault({ match: BODY, delayMs: 1500 });
  const children = [0, 1, 2].map(() =>
    spawn(process.execPath, ["--import=tsx", CHILD], { stdio: "inherit", env: process.env }),
  );
  t.deepEqual(await Promise.all(children.map(exited)), [0, 0, 0]);
  t.is(hub.count(BODY), 1);
});

test("a process that is killed leaves a part and a lock; the next one takes over and resumes", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { "train.bin": LARGE });
  hub.addFault({ match: BODY, stall: true });
  const child = spawn(process.execPath, ["--import=tsx", CHILD], { stdio: "inherit", env: process.env });
  while (hub.count(BODY) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.kill("SIGKILL");
  await exited(child);
  const locks = join(cacheDir, ".locks/datasets--owner--rows");
  const [lock] = await readdir(locks);
  t.is(lock, `${sha256(LARGE)}.node-bert.lock`);
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(join(locks, lock), longAgo, longAgo);
  t.deepEqual(await readFile(await downloadFile(DATA, "train.bin")), LARGE);
  t.is(hub.seen.filter(({ host }) => host === "storage").at(-1)?.range, "bytes=1-");
  t.deepEqual(await readdir(locks), []);
});

test("a lock is kept fresh while its holder works, and excludes", async (t) => {
  const path = join(t.context.cacheDir, "a.lock");
  const timing = { refreshMs: 50, staleMs: 300 };
  let holders = 0;
  let most = 0;
  const work = async () => {
    holders += 1;
    most = Math.max(most, holders);
    await new Promise((resolve) => setTimeout(resolve, 500));
    holders -= 1;
  };
  await Promise.all([1, 2, 3].map(() => withLock(path, work, { timing })));
  t.is(most, 1);
  await t.throwsAsync(stat(path));
  await t.throwsAsync(
    withLock(path, async () => Promise.reject(new Error("work failed"))),
    { message: "work failed" },
  );
  await t.throwsAsync(stat(path), undefined, "released on failure too");
});

test("HTTP_PROXY is used, NO_PROXY is exempt", async (t) => {
  const { hub } = t.context;
  hub.addRepo("datasets/owner/rows", { "small.txt": "hello" });
  let tunnels = 0;
  const proxy = createServer().on("connect", (request, client, head) => {
    tunnels += 1;
    const [host, port] = (request.url ?? "").split(":");
    const upstream = connect(Number(port), host, () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  process.env.HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  await downloadFile(DATA, "small.txt", { retry: QUICK });
  t.true(tunnels > 0);
  const before = tunnels;
  process.env.NO_PROXY = "example.org,127.0.0.1";
  await downloadFile(DATA, "small.txt", { retry: QUICK });
  t.is(tunnels, before);
  proxy.closeAllConnections();
  proxy.close();
});

test("which proxy a URL takes", (t) => {
  const environment = {
    HTTPS_PROXY: "http://p:1",
    HTTP_PROXY: "q:2",
    NO_PROXY: ".internal, example.org:8443 huggingface.co",
  };
  const through = (url: string, more = {}) => proxyFor(new URL(url), { ...environment, ...more });
  t.is(through("https://hub.example.org/x"), "http://p:1");
  t.is(through("http://hub.example.org/x"), "http://q:2");
  t.is(through("https://example.org:8443/x"), undefined);
  t.is(through("https://huggingface.co/x"), undefined);
  t.is(through("https://cdn.huggingface.co/x"), undefined);
  t.is(through("https://nothuggingface.co/x"), "http://p:1");
  t.is(through("http://a.internal"), undefined);
  t.is(through("https://a.org", { NO_PROXY: "*" }), undefined);
  t.is(through("https://a.org", { https_proxy: "http://lower:3" }), "http://lower:3");
});

test("Python's huggingface_hub finds what we downloaded, and we find what it downloaded", async (t) => {
  const python = process.env.NODE_BERT_PYTHON ?? "python3";
  if (spawnSync(python, ["-c", "import huggingface_hub"]).status !== 0) {
    t.log(`SKIPPED: ${python} has no huggingface_hub; set NODE_BERT_PYTHON to one that has`);
    t.pass();
    return;
  }
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", {
    "small.txt": "hello",
    "data/train.bin": LARGE,
    "theirs.txt": "from python",
    "theirs.bin": Buffer.from(LARGE).reverse(),
  });
  const pythonDownloads = async (files: string[], offline: boolean) => {
    const code = `import sys\nfrom huggingface_hub import hf_hub_download\nfor f in sys.argv[1:]: print(hf_hub_download("owner/rows", f, repo_type="dataset"))`;
    // Not spawnSync: the fake Hub answers from this very process.
    const child = spawn(python, ["-c", code, ...files], {
      env: { ...process.env, HF_HUB_OFFLINE: offline ? "1" : "0", HF_HUB_DISABLE_XET: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
    });
    t.is(await exited(child), 0);
    return output.trim().split("\n");
  };
  const ours = [await downloadFile(DATA, "small.txt"), await downloadFile(DATA, "data/train.bin")];
  t.deepEqual(await pythonDownloads(["small.txt", "data/train.bin"], true), ours);

  const theirs = await pythonDownloads(["theirs.txt", "theirs.bin"], false);
  hub.clear();
  const snapshot = await downloadSnapshot(DATA, (path) => path.startsWith("theirs"));
  t.is(hub.count(/^GET (?!\/api)/), 0, "nothing was downloaded again");
  t.deepEqual(snapshot.files.map((file) => join(snapshot.folder, file)).sort(), [...theirs].sort());
  t.is((await readdir(join(cacheDir, "datasets--owner--rows/snapshots"))).length, 1);
});

test("links where symlinks are impossible: the same contents", async (t) => {
  const { hub, cacheDir } = t.context;
  hub.addRepo("datasets/owner/rows", { "small.txt": "hello" });
  const path = await realpath(await downloadFile(DATA, "small.txt"));
  t.is(await readFile(path, "utf8"), "hello");
  await mkdir(join(cacheDir, "elsewhere"), { recursive: true });
  const never = async () => Promise.reject(Object.assign(new Error("not here"), { code: "EPERM" }));
  const target = join(cacheDir, "elsewhere/a");
  await makeLink(path, target, join(cacheDir, "elsewhere"), { symlink: never });
  t.is((await stat(target)).ino, (await stat(path)).ino);
  const copy = join(cacheDir, "elsewhere/b");
  await makeLink(path, copy, join(cacheDir, "elsewhere"), { symlink: never, link: never });
  t.is(await readFile(copy, "utf8"), "hello");
  t.not((await stat(copy)).ino, (await stat(path)).ino);
});
