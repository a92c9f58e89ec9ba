import type { Tensor } from "@node-bert/core-native";
import type { TensorSource } from "../safetensors/write-file.js";

/** Elements read from the device at once. */
const CHUNK = 2 ** 20;

/** A flat tensor on a device as something to write. @param tensor (n) f32 or f64 */
export function flatSource(name: string, tensor: Tensor): TensorSource {
  return {
    name,
    type: tensor.dtype === "f64" ? "F64" : "F32",
    shape: tensor.shape,
    async *chunks() {
      for (let from = 0; from < tensor.size; from += CHUNK) {
        using part = tensor.rows(from, Math.min(from + CHUNK, tensor.size));
        const data = await part.read();
        yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      }
    },
  };
}

/** An array as something to write. */
export function arraySource(name: string, data: Float32Array, shape: readonly number[]): TensorSource {
  return {
    name,
    type: "F32",
    shape,
    async *chunks() {
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    },
  };
}
