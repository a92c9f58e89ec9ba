// Every op, forward and backward, on every device and in every activation type, against the float64 reference. See numerics in
// docs: tolerances come from a naive run in the same precision; outputs are poisoned and guarded.
import test from "ava";
import { OP_NUMBER } from "../../src/op-numbers.js";
import { checkCase } from "../../src/self-test/check-case.js";
import { CASE_GROUPS, casesOf } from "../support/all-cases.js";
import { ACTIVATION_TYPES, DEVICE_NAMES, referenceDevice, testDevice } from "../support/devices.js";

/** "op device dtype" → how many cases ran. */
const ran = new Map<string, number>();
const MISALIGNMENTS = [0, 1, 7];

for (const name of DEVICE_NAMES) {
  for (const activation of ACTIVATION_TYPES) {
    for (const group of CASE_GROUPS) {
      test.serial(`${group} on ${name} in ${activation}`, async (t) => {
        let index = 0;
        for (const opCase of casesOf(group)) {
          const misalignment = MISALIGNMENTS[index++ % MISALIGNMENTS.length];
          const check = await checkCase(testDevice(name), referenceDevice(), activation, opCase, { misalignment });
          t.deepEqual(check.violations, [], opCase.label);
          for (const { op, output, verdict } of check.outputs) {
            t.true(verdict.passed, `${op} ${opCase.label}: ${output}: ${verdict.message}`);
          }
          for (const op of new Set(check.outputs.map((output) => output.op))) {
            const key = `${op} ${name} ${activation}`;
            ran.set(key, (ran.get(key) ?? 0) + 1);
          }
        }
      });
    }
  }
}

test.serial("every op of the ABI ran on every device in every type", (t) => {
  const wanted = Object.keys(OP_NUMBER).flatMap((op) =>
    DEVICE_NAMES.flatMap((name) => ACTIVATION_TYPES.map((activation) => `${op} ${name} ${activation}`)),
  );
  t.deepEqual(
    wanted.filter((key) => !ran.has(key)),
    [],
  );
});

test.after.always("list what ran", (t) => {
  const columns = DEVICE_NAMES.flatMap((name) => ACTIVATION_TYPES.map((activation) => `${name} ${activation}`));
  const width = Math.max(...Object.keys(OP_NUMBER).map((op) => op.length));
  const rows = Object.keys(OP_NUMBER).map((op) => {
    const counts = columns.map((column) => String(ran.get(`${op} ${column}`) ?? "-").padStart(column.length));
    return `${op.padEnd(width)}  ${counts.join("  ")}`;
  });
  t.log(["cases that ran:", `${"".padEnd(width)}  ${columns.join("  ")}`, ...rows].join("\n"));
});
