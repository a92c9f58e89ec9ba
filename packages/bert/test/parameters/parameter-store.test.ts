import test from "ava";
import { type ParameterBlock, ParameterError, ParameterStore, parseConfig } from "../../src/index.js";
import { encoderBlocks, headBlock } from "../../src/model/parameter-blocks.js";
import { layOut, takesWeightDecay } from "../../src/parameters/layout.js";
import { testDevice } from "../support/devices.js";

const device = testDevice("cpu");
const reference = testDevice("reference");
const config = parseConfig({
  vocab_size: 11,
  hidden_size: 6,
  num_attention_heads: 2,
  num_hidden_layers: 3,
  intermediate_size: 10,
  max_position_embeddings: 7,
});
const blocks = [
  ...encoderBlocks(config, { prefix: "bert.", pooler: true, tiedDecoder: false }),
  headBlock("classifier.weight", [2, 6]),
  headBlock("classifier.bias", [2]),
];
const newStore = (type: "f32" | "bf16" = "f32", on = device) => new ParameterStore(on, blocks, type);
const shapesOf = (store: ParameterStore) =>
  store.trainableRanges().map(({ decay, copy }) => [decay, copy !== undefined]);

test("every parameter lies in one place and in one decay group; query, key and value lie side by side", (t) => {
  const placed = layOut(blocks).flatMap((block) => block.parameters.map((p) => ({ ...p, decay: block.decay })));
  let end = 0;
  for (const { name, offset, size, decay } of placed) {
    t.true(offset >= end, name);
    end = offset + size;
    t.is(decay, name.endsWith(".weight") && !name.includes("LayerNorm"), name);
  }
  const at = (name: string) => placed.find((p) => p.name === `bert.encoder.layer.1.attention.self.${name}`)!.offset;
  t.deepEqual([at("key.weight") - at("query.weight"), at("value.weight") - at("key.weight")], [36, 36]);
  t.deepEqual([at("key.bias") - at("query.bias"), at("value.bias") - at("key.bias")], [6, 6]);
  const firstPlain = placed.findIndex(({ decay }) => !decay);
  t.true(
    placed.slice(firstPlain).every(({ decay }) => !decay),
    "two groups, one after the other",
  );
});

test("a name of no group and a name that occurs twice are named", (t) => {
  const block = (name: string): ParameterBlock => ({
    key: name,
    names: [name],
    shape: [2],
    part: "head",
    operand: false,
  });
  t.throws(() => layOut([block("head.scale")]), {
    instanceOf: ParameterError,
    message: /head.scale is in no weight-decay group/,
  });
  t.throws(() => layOut([block("a.bias"), block("a.bias")]), { message: /a.bias is there twice/ });
  t.false(takesWeightDecay("LayerNorm.weight"));
  t.true(takesWeightDecay("myLayerNorms.weight"));
});

test("ranges are maximal and cover what is trainable exactly once", (t) => {
  using store = newStore();
  t.deepEqual(shapesOf(store), [
    [true, false],
    [false, false],
  ]);
  t.deepEqual(
    store.trainableRanges().flatMap(({ names }) => names),
    store.names(),
  );
  for (const selector of [
    "last-1",
    "head",
    "bert.encoder.layer.1",
    /key/,
    "none",
    /LayerNorm/,
    /query\.weight|value\.bias/,
  ]) {
    store.setTrainable(selector);
    const ranges = store.trainableRanges();
    const trainable = [...store].filter((parameter) => parameter.trainable);
    t.deepEqual(
      ranges.flatMap(({ names }) => names),
      trainable.map(({ name }) => name),
      String(selector),
    );
    for (const { offset, size, names, decay, parameter, gradient } of ranges) {
      t.is(parameter.size, size);
      t.is(gradient.size, size);
      for (const name of names) {
        const inside = store.get(name);
        t.true(inside.offset >= offset && inside.offset + inside.size <= offset + size, name);
        t.is(inside.decay, decay);
      }
      for (const other of store)
        if (!other.trainable) t.true(other.offset >= offset + size || other.offset + other.size <= offset, other.name);
    }
  }
  store.setTrainable("last-2");
  t.is(store.trainableRanges().length, 2);
});

test("gradient ranges and gradients by name are the same memory", async (t) => {
  using store = newStore();
  for (const selector of ["all", "last-1", /layer\.[02]/, /query\.weight|value\.bias/]) {
    store.setTrainable(selector);
    for (const { gradient, offset, names } of store.trainableRanges())
      for (const name of names) {
        const parameter = store.get(name);
        device.run("fill", [parameter.gradient], [1]);
        const values = await gradient.read();
        const start = parameter.offset - offset;
        t.true(
          values.every((x, i) => x === (i >= start && i < start + parameter.size ? 1 : 0)),
          name,
        );
        store.zeroGradients();
      }
  }
});

test("gradients exist for what is trainable only, and only while training", (t) => {
  using store = newStore();
  t.is(store.gradientArena, undefined);
  store.buildGradients();
  const whole = store.gradientArena!.size;
  store.setTrainable("head");
  t.true(store.gradientArena!.size < whole / 10);
  t.is(store.get("bert.pooler.dense.weight").gradient, undefined);
  t.deepEqual(store.get("classifier.weight").gradient?.shape, [2, 6]);
  store.setTrainable("none");
  t.is(store.gradientArena, undefined);
  t.deepEqual(store.trainableRanges(), []);
  store.releaseGradients();
  t.is(store.gradientArena, undefined);
});

test("a device that rounds weights needs no bf16 copies", (t) => {
  using store = newStore("bf16");
  t.is(store.copies, undefined);
  const weight = "bert.encoder.layer.0.output.dense.weight";
  t.is(store.operand(weight), store.value(weight));
});

test("elsewhere bf16 copies exist for GEMM weights and follow the values", async (t) => {
  using store = newStore("bf16", reference);
  const query = store.get("bert.encoder.layer.0.attention.self.query.weight");
  query.tensor.write(Float32Array.from({ length: 36 }, (_, i) => i));
  store.refreshCopies();
  const fused = store.operand("bert.encoder.layer.0.attention.self.qkv.weight");
  t.deepEqual([fused.dtype, ...fused.shape], ["bf16", 18, 6]);
  const rounded = await fused.read();
  t.deepEqual(
    [...rounded.slice(0, 36)],
    Array.from({ length: 36 }, (_, i) => i),
  );
  t.true(rounded.slice(36).every((x) => x === 0));
  for (const key of ["bert.embeddings.word_embeddings.weight", "bert.pooler.dense.weight", "classifier.weight"])
    t.is(store.operand(key).dtype, "f64", key);
  t.deepEqual(shapesOf(store), [
    [true, false],
    [true, true],
    [true, false],
    [false, false],
  ]);
});

test("selectors: keywords, names, modules, expressions, unions", (t) => {
  using store = newStore();
  const { total } = store.count();
  const trained = (...selectors: (string | RegExp)[]) => {
    const count = store.setTrainable(...selectors);
    t.is(count, store.count().trainable);
    return count;
  };
  t.is(trained("all"), total);
  t.is(trained("none"), 0);
  t.is(trained("head"), 14);
  t.is(trained("last-0"), 14 + 42);
  t.is(trained("last-3"), total - (11 + 7 + 2 + 2) * 6);
  t.is(trained("classifier.bias"), 2);
  t.is(trained("classifier.bias", "bert.pooler"), 2 + 42);
  t.is(trained("bert.encoder.layer.1", "bert.encoder.layer.1.output.dense.bias"), trained(/layer\.1\./));
  t.is(trained("LayerNorm\\.(weight|bias)$"), (1 + 2 * 3) * 12);
});

test("selectors that match nothing are refused, and nothing changes", (t) => {
  using store = newStore();
  store.setTrainable("head");
  const refused = (selector: string | RegExp, message: RegExp) =>
    t.throws(() => store.setTrainable(selector), { instanceOf: ParameterError, code: "ERR_PARAMETERS", message });
  refused("last-4", /last-4 asks for 4 layers, expected at most 3/);
  refused("classifier.weigth", /No parameter matches classifier.weigth: .*Did you mean classifier.weight\?/);
  refused(/nothing/, /No parameter matches \/nothing\/: expected all, none, head, last-<k>/);
  refused("(", /"\(" is not a regular expression/);
  t.is(store.count().trainable, 14);
  using bare = new ParameterStore(
    device,
    encoderBlocks(config, { prefix: "", pooler: true, tiedDecoder: false }),
    "f32",
  );
  t.throws(() => bare.setTrainable("head"), { message: /"head" selects nothing/ });
});

test("an unknown name is answered with the nearest", (t) => {
  using store = newStore();
  t.throws(() => store.get("bert.pooler.dense.wieght"), { message: /Did you mean bert.pooler.dense.weight\?/ });
  t.throws(() => store.value("nothing"), { message: /no parameter block nothing/ });
});
