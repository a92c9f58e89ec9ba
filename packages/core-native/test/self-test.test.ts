// What `bert doctor` stands on: it covers every op, is quick, and reports wrong numbers and failures.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import test from "ava";
import { type Device, openDevice, type Tensor } from "../src/index.js";
import { F16_OPS, MARKS, OP_NUMBER, type OpName } from "../src/op-numbers.js";
import { selfTest } from "../src/self-test.js";

const fixture = fileURLToPath(new URL("fixtures/self-test.ts", import.meta.url));

test.serial("passes on cpu, covers every op in both types, in less than 3 s", async (t) => {
  const device = openDevice("cpu");
  const seen: string[] = [];
  const report = await selfTest(device, { onResult: ({ op, dtype }) => seen.push(`${op} ${dtype}`) });
  device.dispose();
  t.deepEqual(
    report.results.filter(({ passed }) => !passed),
    [],
  );
  t.true(report.passed);
  t.is(seen.length, report.results.length);
  for (const op of (Object.keys(OP_NUMBER) as OpName[]).filter((name) => ![...MARKS, ...F16_OPS].includes(name)))
    for (const dtype of ["f32", "bf16"]) t.true(seen.includes(`${op} ${dtype}`), op);
  t.true(report.milliseconds < 3000, `took ${report.milliseconds} ms`);
  for (const { op, error, tolerance } of report.results) {
    t.true(error >= 0 && error <= tolerance && tolerance < 0.05, `${op}: error ${error}, tolerance ${tolerance}`);
  }
});

const instructionSets = (() => {
  const device = openDevice("cpu");
  const { isaAvailable } = device.info as { isaAvailable: string[] };
  device.dispose();
  return isaAvailable;
})();

for (const isa of instructionSets) {
  test.serial(`passes on cpu with the kernels for ${isa}`, (t) => {
    const child = spawnSync(process.execPath, ["--import", "tsx", fixture], {
      encoding: "utf8",
      env: { ...process.env, BERT_CPU_ISA: isa },
    });
    t.is(child.status, 0, child.stderr);
    const { info, failed, count } = JSON.parse(child.stdout);
    t.is(info.isa, isa);
    t.deepEqual(failed, []);
    t.true(count > 40);
  });
}

/** Runs the self-test while one op behaves otherwise. */
async function withBrokenOp(
  op: OpName,
  broken: (
    run: Device["run"],
    device: Device,
    tensors: readonly (Tensor | undefined)[],
    params: readonly number[],
  ) => void,
) {
  const device = openDevice("cpu");
  const run = device.run.bind(device);
  device.run = (name, tensors, params) =>
    name === op ? broken(run, device, tensors, params) : run(name, tensors, params);
  const report = await selfTest(device);
  device.dispose();
  return report;
}

test.serial("a wrong result is reported with its worst element", async (t) => {
  const report = await withBrokenOp("linear_forward", (run, _device, tensors, params) => {
    run("linear_forward", tensors, [params[0] === 1 ? 2 : params[0], params[1]]); // tanh for GELU
  });
  t.false(report.passed);
  const failed = report.results.filter(({ passed }) => !passed);
  t.deepEqual(new Set(failed.map(({ op }) => op)), new Set(["linear_forward"]));
  t.true(failed.every(({ shape }) => shape.includes("gelu")));
  t.regex(failed[0].problem!, /^y: normalized error .* worst at \[\d+, \d+\]: got/);
});

test.serial("an output that is not written is reported", async (t) => {
  const report = await withBrokenOp("mean_pool_forward", () => {});
  const failed = report.results.filter(({ passed }) => !passed);
  t.deepEqual(new Set(failed.map(({ op }) => op)), new Set(["mean_pool_forward"]));
  t.regex(failed[0].problem!, /got NaN/);
});

test.serial("a changed input is reported", async (t) => {
  const report = await withBrokenOp("gather_rows_forward", (run, _device, tensors, params) => {
    run("gather_rows_forward", tensors, params);
    run("fill", [tensors[0]], [0]);
  });
  const failed = report.results.filter(({ passed }) => !passed);
  t.deepEqual(new Set(failed.map(({ op }) => op)), new Set(["gather_rows_forward"]));
  t.regex(failed[0].problem!, /x: changed an input/);
});

test.serial("an op that throws is a failed row, and the others still run", async (t) => {
  const report = await withBrokenOp("adamw", () => {
    throw new Error("adamw: not here");
  });
  const failed = report.results.filter(({ passed }) => !passed);
  t.deepEqual(new Set(failed.map(({ op, problem }) => `${op}: ${problem}`)), new Set(["adamw: adamw: not here"]));
  t.true(report.results.length > 40);
});
