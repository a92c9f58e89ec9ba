// Who frees a tensor and when: dispose, scopes, views, devices. Memory is reused in stream order, so none of it waits.
import test from "ava";
import { type Device, DisposedError, linear, OpError, openDevice, type Tensor } from "../../src/index.js";
import { DEVICE_NAMES } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const SIZE = 96;

function withDevice(name: string, body: (device: Device) => Promise<void>): Promise<void> {
  const device = openDevice(name);
  return body(device).finally(() => device.dispose());
}

for (const name of DEVICE_NAMES) {
  test(`${name}: tensors disposed of while ops on them are queued still give the right numbers`, async (t) => {
    const random = randomFor("dispose in flight");
    const data = Float32Array.from(random.normal(SIZE * SIZE, 1 / Math.sqrt(SIZE)));
    await withDevice(name, async (device) => {
      const chain = (eager: boolean): Tensor => {
        let x = device.tensor(data, [SIZE, SIZE]);
        const w = device.tensor(data, [SIZE, SIZE]);
        const waiting: Tensor[] = [w];
        for (let i = 0; i < 40; i++) {
          const y = linear(x, w, undefined, "tanh");
          if (eager) x.dispose();
          else waiting.push(x);
          // Memory given back is taken again at once, and written.
          const noise = device.full([SIZE, SIZE], 1e9);
          if (eager) noise.dispose();
          else waiting.push(noise);
          x = y;
        }
        if (eager) w.dispose();
        pendingTensors.push(...waiting);
        return x;
      };
      const pendingTensors: Tensor[] = [];
      const [eager, patient] = [chain(true), chain(false)];
      const pending = eager.read();
      eager.dispose();
      t.deepEqual(await pending, await patient.read());
      for (const tensor of [...pendingTensors, patient]) tensor.dispose();
      t.is(device.memory().liveTensors, 0);
      t.is(device.memory().bytesInUse, 0);
    });
  });

  test(`${name}: data may be a part of an array, in memory that threads share`, async (t) => {
    await withDevice(name, async (device) => {
      for (const buffer of [new ArrayBuffer(32), new SharedArrayBuffer(32)]) {
        const data = new Int32Array(buffer);
        data.set([1, 2, 3, 4, 5, 6, 7, 8]);
        using x = device.tensor(data.subarray(2, 6));
        data.fill(0);
        t.deepEqual(await x.read(), Int32Array.of(3, 4, 5, 6));
      }
    });
  });

  test(`${name}: dispose() twice is allowed, use afterwards is an error that says so`, async (t) => {
    await withDevice(name, async (device) => {
      const x = device.zeros([2, 3]);
      x.dispose();
      t.notThrows(() => x.dispose());
      t.true(x.disposed);
      t.throws(() => device.run("fill", [x], [1]), {
        instanceOf: DisposedError,
        message: /fill: argument 0.*\(2, 3\).*disposed/,
      });
      await t.throwsAsync(x.read(), { instanceOf: DisposedError });
      t.throws(() => x.view([6]), { instanceOf: DisposedError });
      t.throws(() => x.write(new Float32Array(6)), { instanceOf: DisposedError });
      // The slot is taken by another tensor; the old handle must not reach it.
      const y = device.full([2, 3], 7);
      x.dispose();
      t.deepEqual([...(await y.read())], [7, 7, 7, 7, 7, 7]);
      y.dispose();
    });
  });

  test(`${name}: a view keeps the storage alive`, async (t) => {
    await withDevice(name, async (device) => {
      const base = device.tensor(
        Float32Array.from({ length: 100 }, (_, i) => i),
        [10, 10],
      );
      const view = base.rows(3, 5).view([4, 5]);
      base.dispose();
      device.full([10, 10], -1).dispose();
      t.deepEqual([...(await view.read())].slice(0, 3), [30, 31, 32]);
      view.dispose();
    });
  });

  test(`${name}: a scope frees what was made inside, except what it returns`, async (t) => {
    await withDevice(name, async (device) => {
      const outer: Tensor[] = [];
      const { kept, listed } = device.scope(() => {
        const inner = device.scope(() => {
          outer.push(device.zeros([5]));
          return device.full([1], 3);
        });
        outer.push(device.zeros([5]));
        return { kept: inner, listed: [device.full([1], 4), 5, undefined] };
      });
      t.true(outer.every((tensor) => tensor.disposed));
      t.is(await kept.item(), 3);
      t.is(await (listed[0] as Tensor).item(), 4);
      t.is(device.memory().liveTensors, 2);
      kept.dispose();
      (listed[0] as Tensor).dispose();

      const error = t.throws(() =>
        device.scope(() => {
          outer.push(device.zeros([5]));
          throw new Error("inside");
        }),
      );
      t.is(error?.message, "inside");
      t.true(outer.at(-1)?.disposed);
      t.throws(() => device.scope(async () => 1), { instanceOf: OpError, message: /promise/ });
      t.is(device.memory().liveTensors, 0);
    });
  });

  test(`${name}: using frees at the end of the block`, async (t) => {
    await withDevice(name, async (device) => {
      {
        using x = device.full([2], 1);
        t.deepEqual([...(await x.read())], [1, 1]);
        t.is(device.memory().liveTensors, 1);
      }
      t.is(device.memory().liveTensors, 0);
    });
  });

  test(`${name}: a device finishes pending reads when it is disposed of, and can be disposed of twice`, async (t) => {
    const device = openDevice(name);
    const x = device.full([256, 256], 0.5);
    const y = linear(linear(x, x), x);
    const pending = y.read();
    device.dispose();
    t.notThrows(() => device.dispose());
    t.is((await pending)[0], 0.5 ** 3 * 256 ** 2);
    await t.throwsAsync(device.synchronize(), { instanceOf: DisposedError });
    await t.throwsAsync(x.read(), { instanceOf: DisposedError });
    t.notThrows(() => x.dispose());
  });

  test(`${name}: two devices work side by side and do not mix`, async (t) => {
    const [first, second] = [openDevice(name), openDevice(name)];
    const [a, b] = [first.full([3], 1), second.full([3], 2)];
    t.throws(() => first.run("add", [a, b, a], []), { instanceOf: OpError, message: /add: argument 1 is on/ });
    t.throws(() => first.readFile(b, 0, 0, "f32"), { instanceOf: OpError, message: /readFile: the tensor is on/ });
    t.deepEqual([...(await a.read()), ...(await b.read())], [1, 1, 1, 2, 2, 2]);
    first.dispose();
    t.is((await b.read())[0], 2);
    second.dispose();
  });
}
