// out = dropout(softmax(scale q k^T)) v on packed sequences (Vaswani et al. 2017), and the probabilities alone.
// Memory: reads qkv once and writes out once; scores stay in the cache of the core that works on the head.
#include <omp.h>

#include "attention_block.h"
#include "declare.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

struct ForwardScratch {
  float *keys, *values, *scores, *queries, *sums, *factors;  // (D,padded L) (L,padded D) (block,padded L) 2x (block,padded D) (block)
  uint16_t* bits;

  ForwardScratch(const Attention& args, int thread) {
    const int64_t S = args.S, D = args.D;
    keys = args.scratch + thread * attention_forward_scratch(S, D);
    values = keys + D * padded(S);
    scores = values + S * padded(D);
    queries = scores + kQueryBlock * padded(S);
    sums = queries + kQueryBlock * padded(D);
    factors = sums + kQueryBlock * padded(D);
    bits = reinterpret_cast<uint16_t*>(factors + kQueryBlock);
  }
};

NB_INLINE void drop_row(const Attention& args, uint32_t row, int64_t L, float* probabilities, uint16_t* bits) {
  random_half_words(args.dropout, row, L, bits);
  for (int64_t j = 0; j < L; j += W) {
    store(probabilities + j, load(probabilities + j) * keep_factors(bits + j, args.dropout.threshold, 1.f));
  }
}

template <class X>
void forward_head(const Attention& args, const Task& task, const ForwardScratch& s) {
  const int64_t H = args.H, D = args.D, L = task.length, wide_L = padded(L), wide_D = padded(D);
  pack_transposed(qkv_rows<X>(args, task, 1), 3 * H, L, D, s.keys);
  pack_rows(qkv_rows<X>(args, task, 2), 3 * H, L, D, s.values);
  const bool drops = args.dropout.threshold != 0;
  for (int64_t first = 0; first < L; first += kQueryBlock) {
    const int64_t rows = smaller(kQueryBlock, L - first);
    pack_rows(qkv_rows<X>(args, task, 0) + first * 3 * H, 3 * H, rows, D, s.queries);
    multiply<false>({s.queries, wide_D, 1, s.keys, wide_L, s.scores, wide_L, rows, wide_L, D});
    for (int64_t i = 0; i < rows; ++i) {
      float* row = s.scores + i * wide_L;
      const SoftmaxSums softmax = exponentials_of_row(row, L, args.scale);
      s.factors[i] = (drops ? args.dropout.scale : 1.f) / softmax.sum;
      if (args.lse != nullptr) args.lse[task.head * args.N + task.first + first + i] = softmax.largest + __builtin_logf(softmax.sum);
      if (drops) drop_row(args, mask_row(args, task, first + i), L, row, s.bits);
    }
    multiply<false>({s.scores, wide_L, 1, s.values, wide_D, s.sums, wide_D, rows, wide_D, L});
    X* out = static_cast<X*>(args.out) + (task.first + first) * H + task.head * D;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t d = 0; d < D; d += W) store(out + i * H + d, load(s.sums + i * wide_D + d) * s.factors[i], D - d);
    }
  }
}

template <class X>
void probabilities_head(const Attention& args, const Task& task, const ForwardScratch& s) {
  const int64_t H = args.H, D = args.D, L = task.length, wide_L = padded(L);
  pack_transposed(qkv_rows<X>(args, task, 1), 3 * H, L, D, s.keys);
  for (int64_t first = 0; first < L; first += kQueryBlock) {
    const int64_t rows = smaller(kQueryBlock, L - first);
    pack_rows(qkv_rows<X>(args, task, 0) + first * 3 * H, 3 * H, rows, D, s.queries);
    multiply<false>({s.queries, padded(D), 1, s.keys, wide_L, s.scores, wide_L, rows, wide_L, D});
    for (int64_t i = 0; i < rows; ++i) {
      const SoftmaxSums softmax = exponentials_of_row(s.scores + i * wide_L, L, args.scale);
      float* out = args.probabilities + task.head * args.squares + task.squares + (first + i) * L;
      for (int64_t j = 0; j < L; j += W) store(out + j, load(s.scores + i * wide_L + j) / softmax.sum, L - j);
    }
  }
}

template <class X>
void forward(const Attention& args, int threads) {
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    const ForwardScratch scratch(args, thread);
#pragma omp for schedule(dynamic)
    for (int64_t t = 0; t < args.B * args.A; ++t) {
      const Task task = task_of(args, t);
      if (task.length > 0) forward_head<X>(args, task, scratch);
    }
  }
}

// For inspection only: heads in order, one thread.
template <class X>
void probabilities(const Attention& args) {
  const ForwardScratch scratch(args, 0);
  for (int64_t head = 0; head < args.A; ++head) {
    int64_t squares = 0;
    for (int64_t b = 0; b < args.B; ++b) {
      const int64_t length = args.cu_seqlens[b + 1] - args.cu_seqlens[b];
      if (length > 0) probabilities_head<X>(args, {head, args.cu_seqlens[b], length, squares}, scratch);
      squares += length * length;
    }
  }
}

}  // namespace

void attention_forward(Type type, const Attention& args, int threads) {
  type == Type::bf16 ? forward<bf16>(args, threads) : forward<float>(args, threads);
}

void attention_probabilities(Type type, const Attention& args, int) {
  type == Type::bf16 ? probabilities<bf16>(args) : probabilities<float>(args);
}

}  // namespace node_bert::cpu::NB_KERNELS
