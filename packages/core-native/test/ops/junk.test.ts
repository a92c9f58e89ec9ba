// Whatever a program gives to a public function or method, of any JavaScript type, the answer is an Error and the process lives on. What the
// ops themselves check is in arguments.test.ts.
import test from "ava";
import * as core from "../../src/index.js";
import { DEVICE_NAMES } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const CALLS = 5000;
/** What opens a device, or waits for one for long. */
const LEFT_OUT = ["openDevice", "selfTest", "loadAddon", "scope", "dispose", "constructor"];

type AnyFunction = (...args: unknown[]) => unknown;

function methodsOf(instance: object): [string, AnyFunction][] {
  const methods = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(instance)));
  return methods.flatMap(([name, { value }]) =>
    typeof value === "function" && !LEFT_OUT.includes(name) ? [[name, value.bind(instance)]] : [],
  );
}

for (const name of DEVICE_NAMES)
  test.serial(`${name}: functions and methods given junk throw errors, and the device goes on`, async (t) => {
    const random = randomFor("junk");
    const [device, other] = [core.openDevice(name, { threads: 1 }), core.openDevice("reference")];
    const disposed = device.zeros([2, 3]);
    disposed.dispose();
    const tensors = [
      ...[[2, 3], [3, 3], [6], [0, 3]].map((shape) => device.zeros(shape)),
      device.zeros([2, 3], "bf16"),
      device.tensor(Int32Array.of(0, 1)),
      device.tensor(Int32Array.of(9, -1)),
      disposed,
      other.zeros([2, 3]),
    ];
    const hostile = new Proxy(
      {},
      {
        get() {
          throw new Error("hostile");
        },
      },
    );
    const junk: unknown[] = [
      ...tensors,
      ...[undefined, null, 0, -1, 1.5, 1e300, Number.NaN, 3n, "x", Symbol("s"), {}, [], [1, 2], () => 1, hostile],
      ...[new Float32Array(6), Int32Array.of(0, 2), new BigInt64Array(2), new ArrayBuffer(8)],
      ...[
        [0, 2],
        [0, 1, 2],
      ].map((starts) => device.sequences(Int32Array.from(starts))),
      { device, shape: [2, 3], dtype: "f32", handle: 5, requiresGrad: false },
    ];
    const functions = [
      ...(Object.entries(core) as [string, unknown][]).filter(
        (entry): entry is [string, AnyFunction] =>
          typeof entry[1] === "function" && /^[a-z]/.test(entry[0]) && !LEFT_OUT.includes(entry[0]),
      ),
      ...[device, other, ...tensors].flatMap(methodsOf),
    ];
    const pending: Promise<unknown>[] = [];
    const expectError = (error: unknown) => t.true(error instanceof Error, String(error));
    let [refused, accepted] = [0, 0];
    for (let call = 0; call < CALLS; call++) {
      const [, run] = random.pick(functions);
      const args = Array.from({ length: random.integer(7) }, () => random.pick(junk));
      try {
        const result = run(...args);
        if (result instanceof Promise) pending.push(result.catch(expectError));
        else if (result instanceof core.Tensor && !junk.includes(result)) result.dispose();
        accepted++;
      } catch (error) {
        expectError(error);
        refused++;
      }
      if (call % 100 === 0) {
        await Promise.all(pending.splice(0));
        await device.synchronize().catch(expectError);
      }
    }
    await Promise.all(pending);
    await Promise.all([device, other].map((each) => each.synchronize().catch(expectError)));
    t.true(refused > CALLS / 4 && accepted > CALLS / 10, `${refused} refused, ${accepted} accepted`);
    t.deepEqual([...(await device.full([2], 3).read())], [3, 3]);
    device.dispose();
    other.dispose();
  });
