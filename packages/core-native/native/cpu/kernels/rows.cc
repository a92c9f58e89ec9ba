// Ops on whole rows: gather and its transpose, the mean over a sequence and its transpose. One thread writes a row.
#include "declare.h"
#include "simd.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

template <class X>
void scatter(const int32_t* starts, const int32_t* sources, const X* dy, X* dx, int64_t N, int64_t H, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (N * H > 16384)
  for (int64_t n = 0; n < N; ++n) {
    X* row = dx + n * H;
    if (starts[n] == starts[n + 1]) {
      memset(row, 0, static_cast<size_t>(H) * sizeof(X));
      continue;
    }
    for (int64_t h = 0; h < H; h += W) {
      F sum = {};
      for (int32_t i = starts[n]; i < starts[n + 1]; ++i) sum += load(dy + sources[i] * H + h, H - h);
      store(row + h, sum, H - h);
    }
  }
}

template <class X>
void mean_forward(const X* x, const int32_t* cu_seqlens, X* y, int64_t B, int64_t H, int threads) {
  const int64_t slices = padded(H) / kPad;  // columns of one cache line, so that one sequence too is shared among threads
#pragma omp parallel for collapse(2) num_threads(threads) schedule(static)
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t slice = 0; slice < slices; ++slice) {
      const int64_t end = smaller((slice + 1) * kPad, H);
      const float length = static_cast<float>(cu_seqlens[b + 1] - cu_seqlens[b]);
      for (int64_t h = slice * kPad; h < end; h += W) {
        F sum = {};
        for (int64_t n = cu_seqlens[b]; n < cu_seqlens[b + 1]; ++n) sum += load(x + n * H + h, end - h);
        store(y + b * H + h, length > 0 ? sum / length : F{}, end - h);
      }
    }
  }
}

template <class X>
void mean_backward(const int32_t* cu_seqlens, const X* dy, X* dx, int64_t B, int64_t H, int threads) {
#pragma omp parallel num_threads(threads)
  for (int64_t b = 0; b < B; ++b) {
    const float length = static_cast<float>(cu_seqlens[b + 1] - cu_seqlens[b]);
#pragma omp for schedule(static) nowait
    for (int64_t n = cu_seqlens[b]; n < cu_seqlens[b + 1]; ++n) {
      for (int64_t h = 0; h < H; h += W) store(dx + n * H + h, load(dy + b * H + h, H - h) / length, H - h);
    }
  }
}

}  // namespace

void gather_rows(Type type, const void* x, const int32_t* index, void* y, int64_t M, int64_t H, int threads) {
  const int64_t bytes = H * (type == Type::bf16 ? 2 : 4);
#pragma omp parallel for num_threads(threads) schedule(static) if (M * bytes > 65536)
  for (int64_t m = 0; m < M; ++m) {
    memcpy(static_cast<char*>(y) + m * bytes, static_cast<const char*>(x) + index[m] * bytes, static_cast<size_t>(bytes));
  }
}

void scatter_rows(Type type, const int32_t* starts, const int32_t* sources, const void* dy, void* dx, int64_t N, int64_t H,
                  int threads) {
  if (type == Type::bf16) scatter(starts, sources, (const bf16*)dy, (bf16*)dx, N, H, threads);
  else scatter(starts, sources, (const float*)dy, (float*)dx, N, H, threads);
}

void mean_pool_forward(Type type, const void* x, const int32_t* cu_seqlens, void* y, int64_t B, int64_t H, int threads) {
  if (type == Type::bf16) mean_forward((const bf16*)x, cu_seqlens, (bf16*)y, B, H, threads);
  else mean_forward((const float*)x, cu_seqlens, (float*)y, B, H, threads);
}

void mean_pool_backward(Type type, const int32_t* cu_seqlens, const void* dy, void* dx, int64_t B, int64_t H, int threads) {
  if (type == Type::bf16) mean_backward(cu_seqlens, (const bf16*)dy, (bf16*)dx, B, H, threads);
  else mean_backward(cu_seqlens, (const float*)dy, (float*)dx, B, H, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
