// What goes wrong on the device: indices out of range, memory that runs out, calls of the runtime that fail. Each is an error that says what and where, and
// the device goes on, or closes, with nothing left behind.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import {
  crossEntropy,
  type Device,
  DeviceError,
  embeddings,
  gatherRows,
  openDevice,
  type Tensor,
} from "../../src/index.js";
import { built, CUDA, cudaTest, emulatorTest, inProcess } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "node-bert-cuda-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

cudaTest(
  `${CUDA}: an index out of range rejects at the next wait, names op and argument, and the device goes on`,
  async (t) => {
    const device = openDevice(CUDA);
    const index = (...values: number[]) => device.tensor(Int32Array.from(values));
    const table = (rows: number) => device.zeros([rows, 16]);
    const tables = {
      word: table(10),
      position: table(4),
      type: table(2),
      gamma: device.full([16], 1),
      beta: device.zeros([16]),
    };
    const failures: [RegExp, () => Tensor][] = [
      [/embeddings_forward: .*ids.*0 \.\. 9/, () => embeddings(index(1, 10), index(0, 1), index(0, 0), tables)],
      [/embeddings_forward: .*ids.*0 \.\. 9/, () => embeddings(index(1, -1), index(0, 1), index(0, 0), tables)],
      [/embeddings_forward: .*positions.*0 \.\. 3/, () => embeddings(index(1, 1), index(0, 4), index(0, 0), tables)],
      [/embeddings_forward: .*types.*0 \.\. 1/, () => embeddings(index(1, 1), index(0, 1), index(2, 0), tables)],
      [/cross_entropy_forward: .*labels.*0 \.\. 2/, () => crossEntropy(device.zeros([2, 3]), index(0, 3)).loss],
      [/gather_rows_forward: .*index.*0 \.\. 9/, () => gatherRows(table(10), index(10))],
    ];
    for (const [message, run] of failures) {
      const error = await t.throwsAsync(async () => device.scope(run).read(), { instanceOf: DeviceError });
      t.regex(error!.message, message);
      t.is((error as DeviceError).code, "ERR_INDEX_OUT_OF_RANGE");
      t.deepEqual([...(await device.full([2], 5).read())], [5, 5]);
    }
    device.dispose();
  },
);

cudaTest(`${CUDA}: every wait up to the delivery of an error reports it`, async (t) => {
  const device = openDevice(CUDA);
  const x = device.zeros([3, 2]);
  gatherRows(x, device.tensor(Int32Array.from([7])));
  const results = await Promise.allSettled([x.read(), device.synchronize()]);
  for (const result of results) {
    t.is(result.status, "rejected");
    t.regex((result as PromiseRejectedResult).reason.message, /gather_rows_forward/);
  }
  await t.notThrowsAsync(device.synchronize());
  device.dispose();
});

emulatorTest("sequences that overlap: the emulator stops at the race before the kernel can report them", (t) => {
  const body = `async (_, device) => {
    const tensors = [device.zeros([6, 48]), device.tensor(Int32Array.of(0, 4, 2, 6)), device.zeros([6, 16]), device.zeros([2, 6])];
    device.run("attention_forward", tensors, [2, 6, 0.3, 0, 0, 0, 0, 0]);
    await device.synchronize();
  }`;
  const { error, code } = inProcess(body, { NODE_BERT_CUDA_SYNC: "1" });
  t.is(code, "ERR_DEVICE");
  t.regex(error!, /attention_forward: .*cudaErrorLaunchFailure/);
});

/** Some of everything that allocates, copies and launches. */
const WORK = `async ({ linear, Tape, crossEntropy }, device) => {
  const x = device.tensor(new Float32Array(64 * 32).fill(0.5), [64, 32]);
  const weight = device.full([8, 32], 0.25);
  weight.requiresGrad = true;
  weight.grad = device.zeros([8, 32]);
  const labels = device.tensor(new Int32Array(64));
  const tape = new Tape();
  const { loss } = tape.record(() => crossEntropy(linear(x, weight), labels));
  tape.backward(loss);
  return { loss: await loss.item(), grad: (await weight.grad.read())[0] };
}`;

emulatorTest("the n-th allocation, copy or launch fails: a clear error, no crash, and nothing left behind", (t) => {
  const whole = inProcess<{ loss: number }>(WORK, {});
  t.true(Math.abs(whole.loss - Math.log(8)) < 1e-5, JSON.stringify(whole));
  let failed = 0;
  for (const call of ["allocation", "copy", "launch"])
    for (const n of [1, 2, 3, 5, 8]) {
      const counters = join(folder, `${call}-${n}.json`);
      const result = inProcess<{ loss?: number }>(WORK, {
        NODE_BERT_EMULATOR_FAIL: `${call}:${n}`,
        NODE_BERT_EMULATOR_COUNTERS: counters,
      });
      if (existsSync(counters)) {
        const { host } = JSON.parse(readFileSync(counters, "utf8"));
        t.is(host.allocations, host.frees, `${call} ${n}: memory was left behind`);
      }
      if (result.error === undefined) {
        t.is(result.loss, whole.loss, `${call} ${n}`); // tried again, or not so many calls
        continue;
      }
      failed++;
      t.regex(result.code!, /^ERR_(DEVICE|OUT_OF_MEMORY|INVALID_OP)$/, `${call} ${n}: ${result.error}`);
      t.regex(result.error, /cuda\w+|out of memory/, `${call} ${n}`);
    }
  t.true(failed >= 8, `${failed} of the failures were seen`);
});

emulatorTest(
  "out of memory frees what is cached, and else says what was asked for, used and free, and what to lower",
  (t) => {
    const body = `async (_, device) => {
    const first = device.zeros([12 * 1024 * 1024]);
    first.dispose(); // 48 MiB, cached
    const second = device.zeros([14 * 1024 * 1024]); // fits only when that goes
    await device.synchronize();
    let message = "";
    try { device.zeros([40 * 1024 * 1024]); } catch (error) { message = error.code + " " + error.message; }
    second.dispose();
    const third = device.full([1024], 2);
    return { message, still: (await third.read())[1023] };
  }`;
    const result = inProcess<{ message: string; still: number }>(body, {
      NODE_BERT_EMULATED_MEMORY: String(100 << 20),
    });
    t.is(result.error, undefined);
    t.regex(
      result.message,
      /^ERR_OUT_OF_MEMORY out of memory: 160 MiB asked for, .* in use, .*free.*Lower the batch size/s,
    );
    t.is(result.still, 2);
  },
);

emulatorTest("scratch memory that does not fit: the op, what was asked for, used and free, and what to lower", (t) => {
  const body = `async ({ linear }, device) => {
    const fill = device.zeros([4 * 1024 * 1024]);
    const y = linear(device.zeros([64, 32]), device.zeros([16, 32])); // cuBLAS' workspace is 4 MiB
    let message = "";
    try { await y.read(); } catch (error) { message = error.code + " " + error.message; }
    fill.dispose();
    return { message, still: (await device.full([8], 2).read())[7] };
  }`;
  const result = inProcess<{ message: string; still: number }>(body, {
    NODE_BERT_EMULATED_MEMORY: String(22 << 20),
    NODE_BERT_CUBLAS: built("cublas_emulated")!,
  });
  t.is(result.error, undefined);
  // What cuBLAS gets: 4 MiB, from sm_90 on 32.
  t.regex(
    result.message,
    /^ERR_OUT_OF_MEMORY linear_forward: the device is out of memory: (?:4|32) MiB asked for, \d+ MiB of 22 MiB used, \d MiB free\. Lower the batch size or the maximum length$/,
  );
  t.is(result.still, 2);
});

cudaTest(`${CUDA}: a step recorded as a graph gives the same bits`, async (t) => {
  const compute = async (device: Device, inStep: boolean) => {
    const x = device.tensor(
      Float32Array.from({ length: 33 * 32 }, (_, i) => Math.sin(i)),
      [33, 32],
    );
    const y = device.empty([33, 32]);
    const body = () => {
      for (let i = 0; i < 5; i++) {
        device.run("add", [x, y, y], []);
        device.run("dropout", [y, y], [0.1, 1, 2, 3, i]);
      }
    };
    for (let step = 0; step < 3; step++) {
      device.run("fill", [y], [step]);
      inStep ? device.step(body) : body();
    }
    return [...(await y.read())];
  };
  const device = openDevice(CUDA);
  t.deepEqual(await compute(device, true), await compute(device, false));
  const { graphs } = device.info as {
    graphs: { launched: number; updated: number; instantiated: number; notUsedBecause: string };
  };
  t.deepEqual(graphs, { launched: 3, updated: 2, instantiated: 1, notUsedBecause: "" });
  device.dispose();
});

/** Three steps of ops that need scratch memory, and how they were launched. */
const STEPS = `async ({ Tape, linear, crossEntropy }, device) => {
  const x = device.tensor(new Float32Array(64 * 32).map((_, i) => Math.sin(i)), [64, 32]);
  const weight = device.full([8, 32], 0.25);
  weight.requiresGrad = true;
  weight.grad = device.zeros([8, 32]);
  const labels = device.tensor(new Int32Array(64));
  for (let step = 0; step < 3; step++)
    device.scope(() => device.step(() => {
      const tape = new Tape();
      const { loss } = tape.record(() => crossEntropy(linear(x, weight), labels));
      tape.backward(loss);
    }));
  return { grad: [...(await weight.grad.read())], graphs: device.info.graphs };
}`;
interface Steps {
  grad: number[];
  graphs: { launched: number; notUsedBecause: string };
}

emulatorTest(
  "steps are captured from the second on, for the first finds out how much scratch memory is needed",
  (t) => {
    const env = { NODE_BERT_CUBLAS: "none" };
    const captured = inProcess<Steps>(STEPS, env);
    t.is(captured.error, undefined);
    t.is(captured.graphs.notUsedBecause, "");
    t.is(captured.graphs.launched, 2);
    const plain = inProcess<Steps>(STEPS, { ...env, NODE_BERT_CUDA_GRAPHS: "0" });
    t.deepEqual(plain.graphs, {
      ...captured.graphs,
      launched: 0,
      updated: 0,
      instantiated: 0,
      notUsedBecause: "NODE_BERT_CUDA_GRAPHS is 0",
    });
    t.deepEqual(plain.grad, captured.grad);
  },
);

emulatorTest("a step that cannot be captured runs op by op, with the same result, and the reason is told", (t) => {
  const expected = inProcess<Steps>(STEPS, {});
  const failures = [5, 9].map((n) => inProcess<Steps>(STEPS, { NODE_BERT_EMULATOR_FAIL: `launch:${n}` }));
  const fallen = failures.filter(({ graphs }) => graphs?.notUsedBecause !== undefined && graphs.notUsedBecause !== "");
  t.true(fallen.length > 0, JSON.stringify(failures));
  for (const { grad, graphs } of fallen) {
    t.deepEqual(grad, expected.grad);
    t.regex(graphs.notUsedBecause, /cannot be captured: .*cuda/);
  }
});
