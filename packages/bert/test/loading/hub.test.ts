// A server on this machine stands in for the Hub.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { FakeHub } from "../../../hub/test/fake-hub.js";
import { BertForSequenceClassification } from "../../src/index.js";
import { assertClose, valuesOf } from "../support/close.js";
import { quiet, TOLERANCE, testDevice } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test.serial("a Hub id is downloaded, cached, and loaded from the cache without the Hub", async (t) => {
  const hub = await FakeHub.start();
  t.teardown(() => hub.stop().catch(() => {}));
  process.env.HF_ENDPOINT = hub.url;
  process.env.HF_HOME = temporaryFolder(t);
  const source = modelFolder("mini-sharded");
  const files = Object.fromEntries(readdirSync(source).map((name) => [name, readFileSync(join(source, name))]));
  hub.addRepo("models/someone/mini", { ...files, "pytorch_model.bin": "not wanted" });
  const expected = await readReference("mini/reference.safetensors");
  const progress: string[] = [];
  const check = async (onProgress?: ({ file }: { file: string }) => void) => {
    const options = { device: testDevice("cpu"), onProgress, ...quiet };
    using model = await BertForSequenceClassification.fromPretrained("someone/mini", options);
    const { logits } = model.forward(expected.input);
    assertClose(t, "logits", await valuesOf(logits), expected.floats("logits"), TOLERANCE.cpu.forward);
  };
  await check(({ file }) => progress.push(file));
  t.true(progress.length > 0);
  t.false(hub.seen.some(({ path }) => path.includes("pytorch_model.bin")));
  await hub.stop();
  process.env.HF_HUB_OFFLINE = "1";
  await check();
  await t.throwsAsync(BertForSequenceClassification.fromPretrained("someone/else", quiet), { code: "HUB_OFFLINE" });
});
