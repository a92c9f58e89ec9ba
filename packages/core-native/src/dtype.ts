import { OpError } from "./errors.js";

/** Element types of tensors. `f64` exists on the reference device only, `f16` there and on CUDA. */
export type DType = "f32" | "bf16" | "f16" | "f64" | "i32" | "u8";

/** Numbers of the types in the backend ABI (backend.h, nb_dtype). */
export const DTYPE_NUMBER: Readonly<Record<DType, number>> = { f32: 0, bf16: 1, f64: 2, i32: 3, u8: 4, f16: 5 };

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = { f32: 4, bf16: 2, f64: 8, i32: 4, u8: 1, f16: 2 };

export type TensorData = Float32Array | Float64Array | Int32Array | Uint8Array;

/** The type whose memory layout is that of a typed array. */
export function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof Int32Array) return "i32";
  if (data instanceof Uint8Array) return "u8";
  throw new OpError(
    "ERR_INVALID_OP",
    `Expected a Float32Array, Float64Array, Int32Array or Uint8Array but received ${(data as object)?.constructor?.name ?? typeof data}`,
  );
}

export function isFloat(dtype: DType): boolean {
  return dtype === "f32" || dtype === "bf16" || dtype === "f16" || dtype === "f64";
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}
