// The optimizer's sweep and the memory's bandwidth, as a contender of the limits benchmark (see ../lib/contender.mjs):
//   node benchmarks/limits/sweep.mjs --parameters 109483778 --threads 2
// {"run": n} → {"adamw": [seconds × n], "adamwBf16": […], "sum": […]}: AdamW over so many float32 parameters, the same with bf16 copies written, and
// one large vector added to another.
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { adamw, openDevice } from "@node-bert/core-native";
import { BYTES } from "./step.mjs";

const { values: options } = parseArgs({
  options: { parameters: { type: "string" }, threads: { type: "string", default: "0" } },
});
const size = Number(options.parameters);
const device = openDevice("cpu", { threads: Number(options.threads) });
// Filled with values: pages that nobody wrote are all the same page of zeros, which is in cache.
const [parameter, gradient, m, v] = [0.02, 1e-3, 1e-4, 1e-6].map((value) => device.full([size], value));
const copy = device.zeros([size], "bf16");
const [sum, addend] = [1, 2].map((value) => device.full([BYTES.sumElements], value));
let step = 0;
const sweep = (extra) =>
  adamw(parameter, gradient, m, v, {
    learningRate: 2e-5,
    step: ++step,
    weightDecay: 0.01,
    zeroGradient: false,
    ...extra,
  });
const WORK = {
  adamw: () => sweep({}),
  adamwBf16: () => sweep({ copy }),
  sum: () => device.run("add", [sum, addend, sum], []),
};

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
answer({ ready: true, versions: {}, environment: { device: device.info } });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.quit) {
    answer({ quit: true });
    break;
  }
  const seconds = { adamw: [], adamwBf16: [], sum: [] };
  for (let i = 0; i < command.run; i++)
    for (const [name, work] of Object.entries(WORK)) {
      await device.synchronize();
      const start = performance.now();
      work();
      await device.synchronize();
      seconds[name].push((performance.now() - start) / 1000);
    }
  answer(seconds);
}
device.dispose();
