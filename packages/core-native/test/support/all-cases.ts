// The cases of the parity tests: every op at awkward sizes. 1, 31, 33, 127 are no multiple of any tile; 63, 64, 65 lie round one.
import { addLayerNormCase } from "../../src/self-test/cases/add-layer-norm.js";
import { attentionCase, attentionProbabilitiesCase } from "../../src/self-test/cases/attention.js";
import { crossEntropyCase } from "../../src/self-test/cases/cross-entropy.js";
import { addCase, convertCase, fillCase } from "../../src/self-test/cases/elementwise.js";
import { embeddingsCase } from "../../src/self-test/cases/embeddings.js";
import { ACTIVATIONS, linearCase, linearInt8Case } from "../../src/self-test/cases/linear.js";
import { adamwCase, lossScaleCase, sumOfSquaresCase } from "../../src/self-test/cases/optimizer.js";
import { dropoutCase, gatherRowsCase, meanPoolCase } from "../../src/self-test/cases/rows.js";
import type { CheckedType } from "../../src/self-test/check-case.js";
import { type OpCase, randomDropout, without } from "../../src/self-test/op-case.js";
import type { Random } from "../../src/self-test/random.js";
import { randomFor } from "./random.js";

/** Batches of sequences: one token, none at all, an empty sequence, ragged ones round a tile of 64, and many short ones. */
const BATCHES: readonly (readonly number[])[] = [
  [1],
  [],
  [0, 3, 0],
  [31, 33, 1],
  [1, 63, 64, 65, 200],
  [5, 2, 7, 1, 3, 9],
];
const SIZES = [0, 1, 31, 33, 127, 1000, 4099];

type CaseMaker = (random: Random) => OpCase[];

function linearCases(random: Random): OpCase[] {
  const sizes = [
    [1, 1, 1],
    [1, 33, 31],
    [31, 33, 127],
    [127, 127, 33],
    [33, 64, 2],
    [0, 16, 8],
    [65, 256, 96],
    [200, 384, 130],
  ];
  const cases = sizes.flatMap(([N, K, M]) =>
    ACTIVATIONS.map((activation) => linearCase(random, N, K, M, { activation })),
  );
  const gelu = linearCase(random, 31, 33, 65, { activation: "gelu" });
  const plain = linearCase(random, 31, 33, 65);
  const gradients = ["dx", "dw", "dbias"];
  return [
    ...cases,
    linearCase(random, 33, 31, 65, { noBias: true }),
    linearCase(random, 65, 256, 96, { activation: "gelu", constantWeight: true }),
    linearCase(random, 200, 384, 130, { constantWeight: true, noBias: true }),
    linearCase(random, 33, 31, 65, { accumulate: true }),
    linearCase(random, 33, 31, 65, { accumulate: true, activation: "gelu" }),
    forwardOnly({ ...gelu, label: `${gelu.label} without pre`, forward: without(gelu.forward, ["pre"]) }),
    ...[
      ...gradients.map((name) => [name]),
      ...gradients.map((name) => gradients.filter((other) => other !== name)),
    ].map((names) => withoutGradients(plain, names)),
  ];
}

function forwardOnly(opCase: OpCase): OpCase {
  return { ...opCase, backward: undefined };
}

function withoutGradients(opCase: OpCase, names: string[]): OpCase {
  return { ...opCase, label: `${opCase.label} without ${names}`, backward: without(opCase.backward!, names) };
}

function embeddingsCases(random: Random): OpCase[] {
  const cases = [
    [0, 16],
    [1, 1],
    [1, 33],
    [31, 127],
    [33, 64],
    [127, 31],
    [200, 96],
  ].map(([N, H]) => embeddingsCase(random, N, H));
  const plain = embeddingsCase(random, 31, 33);
  const gradients = ["dword", "dposition", "dtype", "dgamma", "dbeta"];
  return [
    ...cases,
    embeddingsCase(random, 31, 33, randomDropout(random, 0.1)),
    embeddingsCase(random, 127, 64, randomDropout(random, 0.5)),
    ...gradients.map((name) => withoutGradients(plain, [name])),
    ...gradients.map((name) =>
      withoutGradients(
        plain,
        gradients.filter((other) => other !== name),
      ),
    ),
  ];
}

function addLayerNormCases(random: Random): OpCase[] {
  const cases = [
    [0, 16],
    [1, 33],
    [31, 127],
    [33, 64],
    [127, 31],
    [200, 384],
  ].flatMap(([N, H]) => [addLayerNormCase(random, N, H), addLayerNormCase(random, N, H, { noResidual: true })]);
  const plain = addLayerNormCase(random, 31, 33);
  const gradients = ["dx", "dresidual", "dgamma", "dbeta"];
  const withoutZ = { ...plain, label: `${plain.label} without z`, forward: without(plain.forward, ["z"]) };
  return [
    ...cases,
    addLayerNormCase(random, 31, 33, { dropout: randomDropout(random, 0.1) }),
    addLayerNormCase(random, 127, 64, { dropout: randomDropout(random, 0.5) }),
    addLayerNormCase(random, 31, 65, { dropout: randomDropout(random, 0.1), noResidual: true }),
    // Rows of one number, far from zero, and constant. Without a residual, or rounding z to bf16 would decide the result.
    addLayerNormCase(random, 5, 1, { noResidual: true }),
    addLayerNormCase(random, 33, 96, { mean: 100, deviation: 1, noResidual: true }),
    addLayerNormCase(random, 33, 96, { mean: 0.5, deviation: 0, noResidual: true }),
    forwardOnly(withoutZ),
    ...gradients.map((name) => withoutGradients(plain, [name])),
    ...gradients.map((name) =>
      withoutGradients(
        plain,
        gradients.filter((other) => other !== name),
      ),
    ),
  ];
}

function attentionCases(random: Random): OpCase[] {
  const cases = BATCHES.flatMap((lengths) =>
    [
      [1, 16],
      [2, 32],
      [3, 60],
      [2, 64],
    ].map(([A, D]) => attentionCase(random, lengths, A, D)),
  );
  const withoutLse = attentionCase(random, [31, 33, 1], 2, 32);
  return [
    ...cases,
    attentionCase(random, [17], 12, 64),
    attentionCase(random, [7, 40], 1, 128),
    attentionCase(random, [1, 63, 64, 65, 200], 2, 32, { dropout: randomDropout(random, 0.1) }),
    attentionCase(random, [31, 33, 1], 3, 60, { dropout: randomDropout(random, 0.5) }),
    attentionCase(random, [31, 33, 1], 2, 64, { deviation: 6 }),
    forwardOnly({
      ...withoutLse,
      label: `${withoutLse.label} without lse`,
      forward: without(withoutLse.forward, ["lse"]),
    }),
  ];
}

function crossEntropyCases(random: Random): OpCase[] {
  const cases = [
    [0, 2],
    [1, 1],
    [1, 2],
    [8, 2],
    [31, 33],
    [33, 127],
    [127, 3],
    [7, 3001],
  ].map(([N, C]) => crossEntropyCase(random, N, C));
  return [
    ...cases,
    crossEntropyCase(random, 33, 31, { ignored: 0.8 }),
    crossEntropyCase(random, 33, 31, { ignored: 1 }),
    crossEntropyCase(random, 33, 31, { deviation: 60 }),
  ];
}

function rowsCases(random: Random): OpCase[] {
  const shapes = [
    [1, 1, 1],
    [33, 31, 127],
    [127, 200, 33],
    [31, 0, 16],
    [64, 8, 96],
  ];
  return [
    ...shapes.map(([N, M, H]) => gatherRowsCase(random, N, M, H)),
    ...BATCHES.flatMap((lengths) => [1, 33, 96].map((H) => meanPoolCase(random, lengths, H))),
    ...[0, 0.1, 0.5, 0.9].flatMap((p) =>
      [
        [0, 8],
        [1, 1],
        [31, 33],
        [127, 65],
      ].map(([M, K]) => dropoutCase(random, M, K, randomDropout(random, p))),
    ),
  ];
}

function elementwiseCases(random: Random): OpCase[] {
  return [
    ...SIZES.flatMap((size) => [fillCase(size, 0), fillCase(size, -1.5)]),
    ...SIZES.flatMap((size) => [convertCase(random, size, "x"), convertCase(random, size, "h")]),
    ...SIZES.map((size) => addCase(random, [size])),
    addCase(random, [3, 5, 7, 2]),
  ];
}

function optimizerCases(random: Random): OpCase[] {
  return [
    ...SIZES.map((size) => sumOfSquaresCase(random, size)),
    ...SIZES.map((size) => adamwCase(random, size)),
    adamwCase(random, 127, { step: 1 }),
    adamwCase(random, 127, { step: 100000 }),
    adamwCase(random, 127, { weightDecay: 0 }),
    adamwCase(random, 127, { maxNorm: 0.1 }),
    adamwCase(random, 127, { maxNorm: 1000 }),
    adamwCase(random, 127, { maxNorm: 0.1, gradScale: 0.25, zeroGrad: true, copy: true }),
    adamwCase(random, 4099, { copy: true, zeroGrad: true }),
  ];
}

function lossScalingCases(random: Random): OpCase[] {
  return [
    adamwCase(random, 127, { lossScale: 65536, copy: true, zeroGrad: true }),
    adamwCase(random, 127, { lossScale: 1024, maxNorm: 0.1 }),
    adamwCase(random, 127, { lossScale: 1024, maxNorm: 0.1, overflow: true, zeroGrad: true }),
    lossScaleCase(65536, false),
    lossScaleCase(65536, true),
  ];
}

/** Large enough for every thread, block and tail of a real batch. */
function largeCases(random: Random): OpCase[] {
  return [
    linearCase(random, 301, 768, 770, { activation: "gelu" }),
    linearCase(random, 130, 1027, 259),
    embeddingsCase(random, 701, 768, randomDropout(random, 0.1)),
    addLayerNormCase(random, 701, 768, { dropout: randomDropout(random, 0.1) }),
    attentionCase(random, [512, 130, 7], 2, 64, { dropout: randomDropout(random, 0.1) }),
    attentionCase(random, [300], 3, 32),
    crossEntropyCase(random, 41, 30522),
    gatherRowsCase(random, 701, 300, 768),
    meanPoolCase(random, [512, 130, 7], 768),
    dropoutCase(random, 701, 768, randomDropout(random, 0.1)),
    addCase(random, [701, 768]),
    convertCase(random, 538369, "x"),
    sumOfSquaresCase(random, 1000003),
    adamwCase(random, 300007, { maxNorm: 1, copy: true, zeroGrad: true }),
  ];
}

function linearInt8Cases(random: Random): OpCase[] {
  const sizes = [
    [1, 1, 1],
    [1, 33, 31],
    [31, 33, 127],
    [33, 64, 2],
    [0, 16, 8],
    [65, 256, 96],
    [300, 384, 130],
    [613, 96, 130], // rows enough for the kernel that shares rows, not columns, among two threads
  ];
  const plain = linearInt8Case(random, 33, 31, 65, "none");
  return [
    ...sizes.flatMap(([N, K, M]) => ACTIVATIONS.map((activation) => linearInt8Case(random, N, K, M, activation))),
    { ...plain, label: `${plain.label} without bias`, forward: without(plain.forward, ["bias"]) },
  ];
}

const MAKERS: Record<string, CaseMaker> = {
  linear: linearCases,
  "linear-int8": linearInt8Cases,
  embeddings: embeddingsCases,
  "add-layer-norm": addLayerNormCases,
  attention: attentionCases,
  "attention-probabilities": (random) => BATCHES.map((lengths) => attentionProbabilitiesCase(random, lengths, 2, 32)),
  "cross-entropy": crossEntropyCases,
  rows: rowsCases,
  elementwise: elementwiseCases,
  optimizer: optimizerCases,
  "loss-scaling": lossScalingCases,
  large: largeCases,
};

/** The groups that an activation type has on a device: loss scaling is for f16, products in 8 bits are the CPU's. */
export const caseGroups = (activation: CheckedType, device = "cpu"): readonly string[] =>
  Object.keys(MAKERS).filter(
    (group) =>
      (activation === "f16" || group !== "loss-scaling") && !(device.startsWith("cuda") && group === "linear-int8"),
  );

/** The cases of a group, equal for equal seeds. */
export function casesOf(group: string): OpCase[] {
  return MAKERS[group](randomFor(group));
}
