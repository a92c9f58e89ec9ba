// What fails on the device, after an op was enqueued: the next sync point rejects and names the op; then the device goes on.
import test from "ava";
import { crossEntropy, DeviceError, embeddings, gatherRows, openDevice, type Tensor } from "../../src/index.js";

for (const name of ["cpu", "reference"]) {
  test(`${name}: an index out of range rejects at the next sync point, and the device is usable afterwards`, async (t) => {
    const device = openDevice(name);
    const index = (...values: number[]) => device.tensor(Int32Array.from(values));
    const table = (rows: number) => device.zeros([rows, 16]);
    const [gamma, beta] = [device.full([16], 1), device.zeros([16])];
    const tables = { word: table(10), position: table(4), type: table(2), gamma, beta };
    const failures: Record<string, [RegExp, () => Tensor]> = {
      "a token id": [/embeddings_forward: .*\b10\b/, () => embeddings(index(1, 10), index(0, 1), index(0, 0), tables)],
      "a negative token id": [
        /embeddings_forward: .*-1/,
        () => embeddings(index(1, -1), index(0, 1), index(0, 0), tables),
      ],
      "a position": [/embeddings_forward: .*\b4\b/, () => embeddings(index(1, 1), index(0, 4), index(0, 0), tables)],
      "a token type": [/embeddings_forward: .*\b2\b/, () => embeddings(index(1, 1), index(0, 1), index(2, 0), tables)],
      "a label": [/cross_entropy_forward: .*\b3\b/, () => crossEntropy(device.zeros([2, 3]), index(0, 3)).loss],
      "a row": [/gather_rows_forward: .*\b10\b/, () => gatherRows(table(10), index(10))],
    };
    for (const [what, [message, run]] of Object.entries(failures)) {
      const error = await t.throwsAsync(async () => device.scope(run).read(), { instanceOf: DeviceError }, what);
      t.regex(error!.message, message, what);
      t.is((error as DeviceError).code, "ERR_INDEX_OUT_OF_RANGE");
      t.deepEqual([...(await device.full([2], 5).read())], [5, 5], `after ${what}`);
    }
    device.dispose();
  });

  test(`${name}: the first error is kept, and every wait up to its delivery reports it`, async (t) => {
    const device = openDevice(name);
    const x = device.zeros([3, 2]);
    gatherRows(x, device.tensor(Int32Array.from([7])));
    gatherRows(x, device.tensor(Int32Array.from([9])));
    const [first, second] = await Promise.allSettled([x.read(), device.synchronize()]);
    for (const result of [first, second]) {
      t.is(result.status, "rejected");
      t.regex((result as PromiseRejectedResult).reason.message, /gather_rows_forward: .*\b7\b/);
    }
    await t.notThrowsAsync(device.synchronize());
    device.dispose();
  });

  test(`${name}: a handover tells no error, and whoever waits for results afterwards does`, async (t) => {
    const device = openDevice(name);
    const x = device.zeros([3, 2]);
    gatherRows(x, device.tensor(Int32Array.from([7])));
    await t.notThrowsAsync(device.handover());
    await t.throwsAsync(x.read(), { message: /gather_rows_forward: .*\b7\b/ });
    device.dispose();
    await t.throwsAsync(device.handover(), { message: /disposed/ });
  });

  test(`${name}: an error that nobody waited for does not end the process`, async (t) => {
    const device = openDevice(name);
    gatherRows(device.zeros([3, 2]), device.tensor(Int32Array.from([7])));
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.notThrows(() => device.dispose());
  });
}
