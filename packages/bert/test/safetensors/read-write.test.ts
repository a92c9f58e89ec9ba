import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { SafetensorsFile, type TensorSource, WeightsError, writeSafetensors } from "../../src/index.js";
import { testDevice } from "../support/devices.js";
import { hasPython, PYTHON } from "../support/python.js";
import { rawFile } from "../support/raw-safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";

function source(name: string, shape: number[], type = "F32", pieces = 2): TensorSource {
  const bytes = shape.reduce((product, dim) => product * dim, type === "F32" ? 4 : 2);
  const data = Uint8Array.from({ length: bytes }, (_, i) => (i * 37 + name.length) % 120);
  return {
    name,
    type,
    shape,
    async *chunks() {
      for (let p = 0; p < pieces; p++) yield data.subarray((bytes * p) / pieces, (bytes * (p + 1)) / pieces);
    },
  };
}

async function bytesOf(tensor: TensorSource): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of tensor.chunks()) parts.push(part);
  return Buffer.concat(parts);
}

test("what is written is read back, wide types first, then by name", async (t) => {
  const path = join(temporaryFolder(t), "model.safetensors");
  const tensors = [source("b", [2, 3]), source("half", [4], "BF16"), source("a", [4]), source("Z", [2])];
  await writeSafetensors(path, tensors, { format: "pt" });
  const file = await SafetensorsFile.open(path);
  t.deepEqual([...file.tensors.keys()], ["Z", "a", "b", "half"]);
  t.deepEqual(file.metadata, { format: "pt" });
  for (const tensor of tensors) {
    t.deepEqual(Buffer.from(await file.readBytes(tensor.name)), await bytesOf(tensor));
    t.is(file.tensors.get(tensor.name)!.offset % 2, 0);
  }
  t.is(file.tensors.get("Z")!.offset % 8, 0, "data starts at a multiple of 8");
  await file.close();
});

test("Python's safetensors reads what is written", async (t) => {
  if (!hasPython(t)) return;
  const path = join(temporaryFolder(t), "model.safetensors");
  const tensor = source("w", [2, 3]);
  await writeSafetensors(path, [tensor], { format: "pt" });
  const program = `from safetensors import safe_open
with safe_open(${JSON.stringify(path)}, framework="np") as file:
    print(file.metadata(), list(file.keys()), file.get_tensor("w").shape, file.get_tensor("w").tobytes().hex())`;
  const { stdout, stderr } = spawnSync(PYTHON, ["-c", program], { encoding: "utf8" });
  t.is(stdout.trim(), `{'format': 'pt'} ['w'] (2, 3) ${(await bytesOf(tensor)).toString("hex")}`, stderr);
});

test("a source that gives other than it says is refused", async (t) => {
  const path = join(temporaryFolder(t), "model.safetensors");
  const short = { ...source("w", [4]), shape: [5] };
  await t.throwsAsync(writeSafetensors(path, [short]), { instanceOf: RangeError, message: /w: 16 bytes were given/ });
});

test("f16, bf16, f32 and f64 are read into the device's type; other types and shapes are refused", async (t) => {
  const device = testDevice("cpu");
  const path = join(temporaryFolder(t), "model.safetensors");
  const header = {
    f16: { dtype: "F16", shape: [3], data_offsets: [0, 6] },
    bf16: { dtype: "BF16", shape: [3], data_offsets: [6, 12] },
    f32: { dtype: "F32", shape: [3], data_offsets: [12, 24] },
    f64: { dtype: "F64", shape: [3], data_offsets: [24, 48] },
    i64: { dtype: "I64", shape: [3], data_offsets: [48, 72] },
  };
  const bytes = rawFile(header, 72);
  const data = bytes.subarray(bytes.length - 72);
  const values = [1.5, -0.25, 3];
  [0x3e00, 0xb400, 0x4200].forEach((half, i) => {
    data.writeUInt16LE(half, 2 * i);
  });
  [0x3fc0, 0xbe80, 0x4040].forEach((half, i) => {
    data.writeUInt16LE(half, 6 + 2 * i);
  });
  values.forEach((value, i) => {
    data.writeFloatLE(value, 12 + 4 * i);
  });
  values.forEach((value, i) => {
    data.writeDoubleLE(value, 24 + 8 * i);
  });
  writeFileSync(path, bytes);
  const file = await SafetensorsFile.open(path);
  for (const name of ["f16", "bf16", "f32", "f64"]) {
    using tensor = device.zeros([3]);
    file.readInto(name, tensor);
    t.deepEqual([...(await tensor.read())], values, name);
  }
  using tensor = device.zeros([3]);
  t.throws(() => file.readInto("i64", tensor), { instanceOf: WeightsError, message: /tensor i64 is of type I64/ });
  t.throws(() => file.readInto("none", tensor), { instanceOf: WeightsError, message: /there is no tensor none/ });
  using wide = device.zeros([1, 3]);
  t.throws(() => file.readInto("f32", wide), { instanceOf: WeightsError, message: /f32 is \(3\), expected \(1, 3\)/ });
  await file.close();
});
