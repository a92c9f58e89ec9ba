// Worker threads with devices of their own, memory over many steps, forgotten tensors, and ways for a process to end.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import test from "ava";
import { adamw, addLayerNorm, crossEntropy, linear, openDevice, Tape, type Tensor } from "../../src/index.js";
import { randomFor } from "../support/random.js";

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

function startWorker(workerData: object): { worker: Worker; result: Promise<number>; started: Promise<void> } {
  const worker = new Worker(fixture("worker.mjs"), { workerData, execArgv: [] });
  let start: () => void;
  const started = new Promise<void>((resolve) => {
    start = resolve;
  });
  const result = new Promise<number>((resolve, reject) => {
    worker.on("message", (message) => (message === "started" ? start() : resolve(message as number)));
    worker.on("error", reject);
  });
  return { worker, result, started };
}

const exited = (worker: Worker) => new Promise<number>((resolve) => worker.once("exit", resolve));

test.serial("worker threads open devices and run ops at the same time", async (t) => {
  const run = (index: number, dispose: boolean) => startWorker({ device: "cpu", index, dispose });
  const workers = [1, 2, 3, 1].map((index, i) => run(index, i % 2 === 0));
  const exits = workers.map(({ worker }) => exited(worker));
  const sums = await Promise.all(workers.map(({ result }) => result));
  t.is(sums[0], sums[3]);
  t.not(sums[0], sums[1]);
  t.deepEqual(await Promise.all(exits), [0, 0, 0, 0]);
});

test.serial("a worker terminated while its device is busy leaves the process alive", async (t) => {
  for (let round = 0; round < 8; round++) {
    const { worker, started } = startWorker({ device: "cpu", index: 1, endless: true });
    await started;
    await new Promise((resolve) => setTimeout(resolve, 9 * round));
    await worker.terminate();
  }
  const device = openDevice("cpu");
  t.is(await device.full([1], 2).item(), 2);
  device.dispose();
});

test.serial("memory is flat over 200 training steps of varying batch size", async (t) => {
  const random = randomFor("flat memory");
  const device = openDevice("cpu");
  const [H, F] = [64, 128];
  const parameter = (shape: number[]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const tensor = device.tensor(Float32Array.from(random.normal(size, 0.1)), shape);
    tensor.requiresGrad = true;
    tensor.grad = device.zeros(shape);
    return tensor;
  };
  const [up, down, head, gamma, beta] = [[F, H], [H, F], [2, H], [H], [H]].map(parameter);
  const parameters = [up, down, head, gamma, beta];
  const moments = parameters.map(({ size }) => [device.zeros([size]), device.zeros([size])]);
  const flat = (tensor: Tensor) => tensor.view([tensor.size]);

  const train = async (step: number) => {
    const rows = 20 + random.integer(80);
    const input = Float32Array.from(random.normal(rows * H));
    const labels = random.integers(rows, 2);
    const loss = device.scope(() => {
      const x = device.tensor(input, [rows, H]);
      const tape = new Tape();
      const output = tape.record(() => {
        const hidden = linear(linear(x, up, undefined, "gelu"), down);
        const normed = addLayerNorm(hidden, x, gamma, beta, { dropout: 0.1 });
        return crossEntropy(linear(normed, head), device.tensor(labels)).loss;
      });
      tape.backward(output);
      parameters.forEach((p, i) => {
        adamw(flat(p), flat(p.grad!), moments[i][0], moments[i][1], { learningRate: 1e-3, step });
      });
      return output;
    });
    const value = await loss.item();
    loss.dispose();
    return value;
  };

  let atWarmUp = device.memory();
  let rssAtWarmUp = 0;
  for (let step = 1; step <= 200; step++) {
    t.true(Number.isFinite(await train(step)));
    if (step === 50) {
      atWarmUp = device.memory();
      rssAtWarmUp = process.memoryUsage().rss;
    }
  }
  const { allocations, liveTensors, bytesInUse } = device.memory();
  t.is(allocations, atWarmUp.allocations, "no raw allocation after 50 steps");
  t.is(liveTensors, atWarmUp.liveTensors);
  t.is(bytesInUse, atWarmUp.bytesInUse);
  const grown = process.memoryUsage().rss - rssAtWarmUp;
  t.true(grown < 64 * 2 ** 20, `resident memory grew by ${(grown / 2 ** 20).toFixed(1)} MiB`);
  device.dispose();
});

function runChild(file: string, nodeArguments: string[], args: string[], env: Record<string, string> = {}) {
  const all = [...nodeArguments, "--import", "tsx", fixture(file), ...args];
  return spawnSync(process.execPath, all, { encoding: "utf8", env: { ...process.env, ...env }, timeout: 60_000 });
}

test.serial("the finalizer frees forgotten tensors, and in debug mode says where they were made", (t) => {
  const { stdout, stderr, status } = runChild("forget.ts", ["--expose-gc"], [], { NODE_BERT_DEBUG: "1" });
  t.is(status, 0, stderr);
  const { before, after, bytesBefore, bytesAfter } = JSON.parse(stdout);
  t.is(before, 101);
  t.true(after < 10, `${after} of ${before} are left`);
  t.true(bytesAfter < bytesBefore / 10);
  t.regex(stderr, /a tensor of shape \(1000\) was never disposed; it was made .*forget\.ts/);
});

test.serial("the finalizer frees what a forgotten tape held", (t) => {
  const { stdout, stderr, status } = runChild("forget.ts", ["--expose-gc"], ["tape"]);
  t.is(status, 0, stderr);
  const { before, after } = JSON.parse(stdout);
  t.true(before > 80, `${before} tensors were alive`);
  t.true(after < 10, `${after} of ${before} are left`);
});

const ENDS: Record<string, { status: number; output: string }> = {
  return: { status: 0, output: "" },
  exit: { status: 0, output: "" },
  dispose: { status: 0, output: "262144\n" },
  await: { status: 0, output: "262144\n" },
  throw: { status: 1, output: "" },
};

for (const [way, { status, output }] of Object.entries(ENDS)) {
  test.serial(`a process may end by ${way} while its device is busy`, (t) => {
    // More than once: what the device is doing when the process ends is a matter of chance.
    for (let round = 0; round < 4; round++) {
      const child = runChild("exit.ts", [], [way]);
      t.is(child.signal, null, "no signal");
      t.is(child.status, status, child.stderr);
      t.is(child.stdout, output);
    }
  });
}
