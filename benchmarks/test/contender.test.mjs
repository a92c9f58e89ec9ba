import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { withContenders } from "../lib/contender.mjs";
import { writeRows } from "../training/rows.mjs";

const COUNTING = `
  let step = 0;
  console.log(JSON.stringify({ ready: true, versions: { it: "1" }, environment: {} }));
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const command = JSON.parse(line);
    if (command.run === 13) { console.error("unlucky"); process.exit(3); }
    console.log(JSON.stringify(command.quit ? command : { steps: Array.from({ length: command.run }, () => ++step) }));
    if (command.quit) process.exit(0);
  });`;

const counting = (name) => ({ name, command: [process.execPath, "-e", COUNTING], environment: {} });

test("contenders keep their state between turns", async (t) => {
  const steps = await withContenders([counting("a"), counting("b")], async ([a, b]) => {
    t.deepEqual(a.versions, { it: "1" });
    await a.send({ run: 2 });
    await b.send({ run: 1 });
    return [(await a.send({ run: 2 })).steps, (await b.send({ run: 1 })).steps];
  });
  t.deepEqual(steps, [[3, 4], [2]]);
});

test("a contender that dies is named, with its last words", async (t) => {
  const error = await t.throwsAsync(withContenders([counting("a")], ([a]) => a.send({ run: 13 })));
  t.regex(error.message, /^a ended without an answer \(exit 3\)\nunlucky/);
});

test("a contender that does not start is named", async (t) => {
  const absent = { name: "absent", command: ["/no/such/program"], environment: {} };
  const error = await t.throwsAsync(withContenders([absent], () => undefined));
  t.regex(error.message, /^absent ended without an answer \(.*ENOENT/);
});

test("rows are full, within the vocabulary, and the same every time", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rows-"));
  try {
    const paths = ["a", "b"].map((name) => join(folder, name));
    for (const path of paths) writeRows(path, { count: 3, length: 5, vocabSize: 2000, seed: 11 });
    const file = readFileSync(paths[0]);
    t.deepEqual(file, readFileSync(paths[1]));
    const size = Number(file.readBigUInt64LE(0));
    const header = JSON.parse(file.toString("utf8", 8, 8 + size));
    const numbers = (name) => {
      const [first, last] = header[name].data_offsets;
      return Array.from({ length: (last - first) / 4 }, (_, i) => file.readInt32LE(8 + size + first + 4 * i));
    };
    t.is(size % 8, 0);
    t.deepEqual(numbers("packed.cu_seqlens"), [0, 5, 10, 15]);
    t.deepEqual(numbers("labels"), [0, 1, 0]);
    const ids = numbers("packed.input_ids");
    t.is(ids.length, 15);
    t.true(ids.every((id, i) => (i % 5 === 0 ? id === 101 : i % 5 === 4 ? id === 102 : id >= 1996 && id < 2000)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
