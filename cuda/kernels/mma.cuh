// Tensor-core instructions for bf16, f16 and f32, behind one shape of fragment.
//
// A fragment is counted in bytes, not in elements: a left operand is 16 rows × 32 bytes of k, a right operand 8 columns × 32 bytes of k, whatever the
// type. That is m16n8k16 in bf16 and f16 and m16n8k8 in f32, and PTX lays both out alike: lane (g, t) = (lane / 4, lane % 4) holds
//
//   left   word 0: row g, bytes 4t ..        word 2: row g, bytes 16 + 4t ..          right  word 0: column g, bytes 4t ..
//          word 1: row g + 8, bytes 4t ..    word 3: row g + 8, bytes 16 + 4t ..             word 1: column g, bytes 16 + 4t ..
//   sums   c[0], c[1]: row g, columns 2t, 2t + 1      c[2], c[3]: row g + 8, the same columns        (always f32)
//
// so that one ldmatrix, which hands row g's 4t-th bytes to lane (g, t), loads either operand of any type where k runs along the row.
//
// f32 is "3xTF32" (Ootomo & Yokota 2022): x = big + small, both of 11 bits, and a b = small big + big small + big big, added to c in f32. Dropping
// small * small costs 2^-22 of a product, as much as a plain f32 sum of a few terms; TF32 alone costs 2^-11 and would not meet f32's tolerance.
//
// sm_75 has m16n8k8 in f16 only: two of them make one of ours. bf16 and f32 have no tensor cores there; see has_tensor_cores().
#pragma once

#include "common.cuh"

namespace node_bert::cuda {

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
template <class X>
inline constexpr bool HAS_TENSOR_CORES = true;
#else
template <class X>
inline constexpr bool HAS_TENSOR_CORES = std::is_same_v<X, __half>;
#endif

// The host's view of the same fact.
inline bool has_tensor_cores(DType type, int arch) { return arch >= 80 || type == DType::f16; }

// Elements of k in a fragment.
template <class X>
inline constexpr int K_STEP = 32 / sizeof(X);

__device__ __forceinline__ uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// Four 8 × 16-byte matrices; lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(uint32_t (&words)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

// The same of 16-bit elements, each matrix transposed: lane (g, t) gets column g of rows 2t and 2t + 1.
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&words)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

// Two floats rounded to a pair of X, the first in the low half.
template <class X>
__device__ __forceinline__ uint32_t pack_floats(float low, float high) {
  if constexpr (std::is_same_v<X, __nv_bfloat16>) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  } else {
    const __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  }
}

// The nearest number of 11 bits, as an f32. Volatile, so that it stays where it is written: moved out of a loop, the halves of operands that are loaded
// once would take more registers than there are.
__device__ __forceinline__ uint32_t to_tf32(float value) {
  uint32_t bits;
  asm volatile("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

// big + small = value, up to 2^-22 of it.
__device__ __forceinline__ void split_tf32(uint32_t value, uint32_t& big, uint32_t& small) {
  big = to_tf32(__uint_as_float(value));
  small = to_tf32(__uint_as_float(value) - __uint_as_float(big));
}

// A left operand, made ready once for many products.
template <class X>
struct LeftOperand {
  uint32_t words[4];

  __device__ __forceinline__ explicit LeftOperand(const uint32_t (&fragment)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) words[i] = fragment[i];
  }
};

template <>
struct LeftOperand<float> {
  uint32_t big[4], small[4];

  __device__ __forceinline__ explicit LeftOperand(const uint32_t (&fragment)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) split_tf32(fragment[i], big[i], small[i]);
  }
};

__device__ __forceinline__ void mma_tf32(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void mma_f16_k8(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(b));
}

// c (16 × 8) += a b over K_STEP<X>. In f32 the small products come first, so that they meet sums of their own size, and c is added outside of the tensor
// core, which truncates: its error would grow with every step.
template <class X>
__device__ __forceinline__ void mma(float (&c)[4], const LeftOperand<X>& a, uint32_t b0, uint32_t b1) {
  if constexpr (std::is_same_v<X, float>) {
    uint32_t big[2], small[2];
    split_tf32(b0, big[0], small[0]);
    split_tf32(b1, big[1], small[1]);
    float sum[4] = {0.f, 0.f, 0.f, 0.f};
    mma_tf32(sum, a.small, big[0], big[1]);
    mma_tf32(sum, a.big, small[0], small[1]);
    mma_tf32(sum, a.big, big[0], big[1]);
#pragma unroll
    for (int i = 0; i < 4; ++i) c[i] += sum[i];
  } else if constexpr (std::is_same_v<X, __nv_bfloat16>) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.words[0]), "r"(a.words[1]), "r"(a.words[2]), "r"(a.words[3]), "r"(b0), "r"(b1));
  } else {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.words[0]), "r"(a.words[1]), "r"(a.words[2]), "r"(a.words[3]), "r"(b0), "r"(b1));
#else
    mma_f16_k8(c, a.words[0], a.words[1], b0);
    mma_f16_k8(c, a.words[2], a.words[3], b1);
#endif
  }
}

}  // namespace node_bert::cuda
