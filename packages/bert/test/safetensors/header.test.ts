import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { SafetensorsFile, WeightsError } from "../../src/index.js";
import { rawFile } from "../support/raw-safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const entry = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype: unknown = "F32") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

function lengthField(length: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return bytes;
}

const REFUSED: [what: string, bytes: Buffer, message: RegExp][] = [
  ["empty", Buffer.alloc(0), /truncated, it has 0 bytes/],
  ["five bytes", Buffer.alloc(5), /truncated, it has 5 bytes/],
  ["length 2^60", Buffer.concat([lengthField(2n ** 60n), Buffer.alloc(50)]), /header claims 1152921504606846976 bytes/],
  ["length 2^64 - 1", Buffer.concat([lengthField(2n ** 64n - 1n), Buffer.alloc(50)]), /no safetensors file/],
  ["length beyond the end", Buffer.concat([lengthField(51n), Buffer.alloc(50)]), /claims 51 bytes but only 50 follow/],
  ["not JSON", rawFile("{nonsense", 0), /header is not JSON/],
  ["not UTF-8", Buffer.concat([lengthField(2n), Buffer.from([0xff, 0xfe])]), /header is not JSON/],
  ["an array", rawFile([], 0), /header is \[\], expected a JSON object/],
  ["null", rawFile("null", 0), /expected a JSON object/],
  ["a number as entry", rawFile({ w: 3 }, 0), /tensor w: its entry is 3/],
  ["null as entry", rawFile({ w: null }, 0), /tensor w: its entry is null/],
  ["no type", rawFile({ w: { shape: [], data_offsets: [0, 4] } }, 4), /tensor w: dtype is undefined/],
  ["an unknown type", rawFile({ w: entry(0, 4, [1], "F31") }, 4), /dtype is "F31", expected one of F64, F32/],
  ["a type of the prototype", rawFile({ w: entry(0, 4, [1], "toString") }, 4), /dtype is "toString"/],
  ["a text as shape", rawFile({ w: entry(0, 4, "1") }, 4), /shape is "1"/],
  ["a negative size", rawFile({ w: entry(0, 4, [-1]) }, 4), /shape is \[-1\]/],
  ["a fractional size", rawFile({ w: entry(0, 4, [0.5, 2]) }, 4), /shape is \[0.5,2\]/],
  ["size 2^60", rawFile({ w: entry(0, 4, [2 ** 60]) }, 4), /shape is \[1152921504606847000\]/],
  ["a product beyond 2^53", rawFile({ w: entry(0, 4, [2 ** 50, 2 ** 50]) }, 4), /but its data_offsets span 4/],
  ["one offset", rawFile({ w: { dtype: "F32", shape: [1], data_offsets: [0] } }, 4), /data_offsets is \[0\]/],
  [
    "offsets as texts",
    rawFile({ w: { dtype: "F32", shape: [1], data_offsets: ["0", "4"] } }, 4),
    /expected two integers/,
  ],
  ["backwards", rawFile({ w: entry(8, 4, [1]) }, 8), /8 to 4 run backwards/],
  ["data beyond the end", rawFile({ w: entry(0, 16) }, 12), /ends at byte 16 of 12 in the file/],
  ["shape and size differ", rawFile({ w: entry(0, 12, [2]) }, 12), /shape \(2\) in F32 takes 8 bytes, .* span 12/],
  ["an overlap", rawFile({ a: entry(0, 8), b: entry(4, 12) }, 12), /data of tensor b overlaps that of tensor a/],
  ["the same data twice", rawFile({ a: entry(0, 8), b: entry(0, 8) }, 8), /overlaps/],
  ["a hole", rawFile({ a: entry(0, 4), b: entry(8, 12) }, 12), /4 bytes between tensor a and tensor b/],
  ["a hole at the start", rawFile({ a: entry(4, 8) }, 8), /4 bytes between the header and tensor a/],
  ["data after the last", rawFile({ a: entry(0, 4) }, 9), /5 bytes after tensor a/],
  ["data without tensors", rawFile({}, 9), /9 bytes after the header/],
  [
    "a name twice",
    rawFile(
      `{"a":${JSON.stringify(entry(0, 4))},"b":${JSON.stringify(entry(4, 8))},"\\u0061":${JSON.stringify(entry(0, 4))}}`,
      8,
    ),
    /tensor a is there twice/,
  ],
  ["metadata with a number", rawFile({ __metadata__: { format: 1 } }, 0), /__metadata__ is/],
];

for (const [what, bytes, message] of REFUSED)
  test(`refused: ${what}`, async (t) => {
    const path = join(temporaryFolder(t), "model.safetensors");
    writeFileSync(path, bytes);
    const error = await t.throwsAsync(SafetensorsFile.open(path), { instanceOf: WeightsError, code: "ERR_WEIGHTS" });
    t.true(error.message.startsWith(path), error.message);
    t.regex(error.message, message);
  });

test("accepted: metadata, an empty tensor, a scalar, nested keys that repeat, quotes in names", async (t) => {
  const path = join(temporaryFolder(t), "model.safetensors");
  const header = {
    __metadata__: { shape: "x", format: "pt" },
    'a "quoted" {name}': entry(0, 0, [0, 3]),
    scalar: entry(0, 4, []),
    b: entry(4, 12, [1, 2]),
  };
  writeFileSync(path, rawFile(header, 12));
  const file = await SafetensorsFile.open(path);
  t.deepEqual(file.metadata, { shape: "x", format: "pt" });
  t.deepEqual([...file.tensors.keys()], ['a "quoted" {name}', "scalar", "b"]);
  t.deepEqual(file.tensors.get("b")?.shape, [1, 2]);
  t.is((await file.readBytes("b")).length, 8);
  await file.close();
});

test("every file cut anywhere in a real one is refused", async (t) => {
  const folder = temporaryFolder(t);
  const whole = rawFile({ a: entry(0, 8), b: entry(8, 24, [2, 2]) }, 24);
  for (let bytes = 0; bytes < whole.length; bytes++) {
    const path = join(folder, `${bytes}.safetensors`);
    writeFileSync(path, whole.subarray(0, bytes));
    await t.throwsAsync(SafetensorsFile.open(path), { instanceOf: WeightsError }, `${bytes} bytes`);
  }
});

test("a file that is not there", async (t) => {
  await t.throwsAsync(SafetensorsFile.open("/nowhere/model.safetensors"), {
    instanceOf: WeightsError,
    message: /^\/nowhere\/model.safetensors: cannot be opened/,
  });
});
