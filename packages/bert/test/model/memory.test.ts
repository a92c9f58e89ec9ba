import { openDevice, Tape } from "@node-bert/core-native";
import test from "ava";
import { BertForSequenceClassification, parseConfig } from "../../src/index.js";
import { quiet } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";

test("training allocates nothing after the second step, and leaves no tensor behind", async (t) => {
  using device = openDevice("cpu", { threads: 1 });
  const { input, labels } = await readReference("tiny/reference.safetensors");
  using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), {
    device,
    dropout: 0.1,
    ...quiet,
  });
  model.train();
  const figures: string[] = [];
  for (let step = 0; step < 6; step++) {
    device.setDropoutState(1, step);
    device.scope(() => {
      const tape = new Tape();
      tape.backward(tape.record(() => model.loss({ ...input, labels })).loss);
    });
    await device.synchronize();
    const { allocations, bytesInUse, liveTensors } = device.memory();
    figures.push(`${allocations} allocations, ${bytesInUse} bytes, ${liveTensors} tensors`);
  }
  t.deepEqual(figures.slice(2), new Array(4).fill(figures[1]));
});

test("inference takes the memory of one layer, however many there are", async (t) => {
  using device = openDevice("cpu", { threads: 1 });
  const inputIds = Int32Array.from({ length: 64 }, (_, n) => n % 50);
  const peak = async (layers: number): Promise<number> => {
    const config = parseConfig({
      vocab_size: 50,
      hidden_size: 32,
      num_attention_heads: 2,
      intermediate_size: 64,
      num_hidden_layers: layers,
      max_position_embeddings: 64,
    });
    using model = BertForSequenceClassification.fromConfig(config, { device });
    await device.synchronize();
    const before = device.memory().bytesInUse;
    device.resetPeakMemory();
    model.forward({ inputIds, cuSeqlens: Int32Array.of(0, 64) }).logits.dispose();
    await device.synchronize();
    return device.memory().peakBytesInUse - before;
  };
  t.is(await peak(8), await peak(2));
});

test("a model that is disposed of leaves nothing on the device", async (t) => {
  using device = openDevice("cpu", { threads: 1 });
  const { input, labels } = await readReference("tiny/reference.safetensors");
  const before = device.memory();
  const model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), {
    device,
    precision: "bf16",
    ...quiet,
  });
  model.train();
  device.scope(() => {
    const tape = new Tape();
    tape.backward(tape.record(() => model.loss({ ...input, labels })).loss);
  });
  model.parameters.trainableRanges();
  model.parameters.setTrainable("last-1");
  model.dispose();
  const { bytesInUse, liveTensors } = device.memory();
  t.deepEqual({ bytesInUse, liveTensors }, { bytesInUse: before.bytesInUse, liveTensors: before.liveTensors });
});
