// Memory that the CPU's optimizer does not take: moments of table rows that no token has used are 0, and zeros that were never written to take none.
import { existsSync, readFileSync } from "node:fs";
import test from "ava";
import { adamw, embeddings, openDevice, Tape } from "../../src/index.js";
import { randomFor } from "../support/random.js";

const PAGE = 4096;
const residentBytes = () => Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * PAGE;

test.serial("moments of rows that no token has used take no memory, and their parameters still decay", async (t) => {
  if (!existsSync("/proc/self/statm")) return t.pass("resident memory is read from /proc");
  const [V, H, N] = [100_000, 128, 64];
  const random = randomFor("untouched rows");
  using device = openDevice("cpu");
  const values = Float32Array.from(random.normal(V * H));
  const word = device.tensor(values, [V, H]);
  const small = {
    position: device.zeros([1, H]),
    type: device.zeros([1, H]),
    gamma: device.full([H], 1),
    beta: device.zeros([H]),
  };
  word.requiresGrad = true;
  word.grad = device.zeros([V, H]);
  const flat = { word: word.view([V * H]), grad: word.grad.view([V * H]) };
  const [m, v] = [device.zeros([V * H]), device.zeros([V * H])];
  const cotangent = Float32Array.from(random.normal(N * H));
  const ids = Int32Array.from(random.integers(N, V));
  const train = (step: number) =>
    device.scope(() => {
      const tape = new Tape();
      const zeros = () => device.tensor(new Int32Array(N));
      const y = tape.record(() => embeddings(device.tensor(ids), zeros(), zeros(), { word, ...small }));
      tape.backward(y, device.tensor(cotangent, [N, H]));
      adamw(flat.word, flat.grad, m, v, { learningRate: 0.5, weightDecay: 0.25, step });
    });
  await device.synchronize();
  const before = residentBytes();
  train(1);
  train(2);
  await device.synchronize();
  const grown = residentBytes() - before;
  t.true(
    grown < (V * H * 4) / 4,
    `resident memory grew by ${(grown / 1e6).toFixed(1)} MB for moments of ${(V * H * 8) / 1e6} MB`,
  );

  const used = new Set(ids);
  const [after, moments] = [await word.read(), await m.read()];
  for (let row = 0; row < V; row++) {
    const at = row * H;
    if (used.has(row)) t.not(moments[at], 0, `row ${row} was used`);
    else if (after[at] !== Math.fround(Math.fround(values[at] * 0.875) * 0.875))
      t.fail(`row ${row} did not decay as it should`);
  }
});
