// Every op, forward and backward, on every device and in every activation type, against the float64 reference. See numerics in
// docs: tolerances come from a naive run in the same precision; outputs are poisoned and guarded.
import test from "ava";
import { CPU_OPS, F16_OPS, MARKS, OP_NUMBER, type OpName } from "../../src/op-numbers.js";
import { checkCase } from "../../src/self-test/check-case.js";
import { caseGroups, casesOf } from "../support/all-cases.js";
import { activationTypes, DEVICE_NAMES, referenceDevice, testDevice } from "../support/devices.js";

/** "op device dtype" → how many cases ran. */
const ran = new Map<string, number>();
const MISALIGNMENTS = [0, 1, 7];
const OPS = (Object.keys(OP_NUMBER) as OpName[]).filter((op) => !MARKS.includes(op));

for (const name of DEVICE_NAMES) {
  for (const activation of activationTypes(name)) {
    for (const group of caseGroups(activation, name)) {
      test.serial(`${group} on ${name} in ${activation}`, async (t) => {
        let index = 0;
        for (const opCase of casesOf(group)) {
          // Constant rows have rstd = 1 / sqrt(eps) = 1e6, which makes gradients beyond f16's largest number, 65504.
          if (activation === "f16" && opCase.label.includes("deviation 0")) continue;
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
  const wanted = OPS.flatMap((op) =>
    DEVICE_NAMES.flatMap((name) =>
      activationTypes(name)
        .filter((activation) => activation === "f16" || !F16_OPS.includes(op))
        .filter(() => !(name.startsWith("cuda") && CPU_OPS.includes(op)))
        .map((activation) => `${op} ${name} ${activation}`),
    ),
  );
  t.deepEqual(
    wanted.filter((key) => !ran.has(key)),
    [],
  );
});

test.after.always("list what ran", (t) => {
  const columns = DEVICE_NAMES.flatMap((name) => activationTypes(name).map((activation) => `${name} ${activation}`));
  const width = Math.max(...OPS.map((op) => op.length));
  const rows = OPS.map((op) => {
    const counts = columns.map((column) => String(ran.get(`${op} ${column}`) ?? "-").padStart(column.length));
    return `${op.padEnd(width)}  ${counts.join("  ")}`;
  });
  t.log(["cases that ran:", `${"".padEnd(width)}  ${columns.join("  ")}`, ...rows].join("\n"));
});
