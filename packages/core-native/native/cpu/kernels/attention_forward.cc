// out = dropout(softmax(scale q k^T)) v on packed sequences (Vaswani et al. 2017), and the probabilities alone.
// Memory: reads qkv once and writes out once; scores stay in the cache of the core that works on the head.
// In bf16 both products take bf16 operands, so the exponentials are rounded to bf16 before they meet v; their sum is not.
#include "attention_operands.h"
#include "declare.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

struct ForwardScratch {
  float *keys, *values;            // right operands (D,L) and (L,D)
  float *scores, *queries, *sums;  // (block, padded L), (block, padded D) twice
  float* factors;                  // (block)
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

// scores (rows, padded L) of the queries from `first` on
template <class X>
NB_INLINE void score_block(const Attention& args, const Task& task, const ForwardScratch& s, int64_t first, int64_t rows) {
  Operands<X>::pack_left(qkv_rows<X>(args, task, 0) + first * 3 * args.H, 3 * args.H, rows, args.D, s.queries);
  multiply_operands<X, false>(s.queries, padded(args.D), 1, s.keys, s.scores, rows, task.length, args.D);
}

// Row i of the scores, whose largest is in factors[i], becomes exponentials, of X and in place; what they are to be multiplied by goes
// to factors[i].
template <class X>
NB_INLINE void finish_row(const Attention& args, const Task& task, const ForwardScratch& s, int64_t first, int64_t i) {
  float* row = s.scores + i * padded(task.length);
  const float largest = s.factors[i];
  const auto store_left = [](X* to, F x) { Operands<X>::store_left(to, x); };
  X* out = reinterpret_cast<X*>(row);
  float sum;
  if (args.dropout.threshold != 0) {
    random_half_words(args.dropout, mask_row(args, task, first + i), task.length, s.bits);
    sum = exponentials_of_row<true>(row, task.length, args.scale, largest, s.bits, args.dropout.threshold, out, store_left);
    s.factors[i] = args.dropout.scale / sum;
  } else {
    sum = exponentials_of_row<false>(row, task.length, args.scale, largest, s.bits, 0, out, store_left);
    s.factors[i] = 1.f / sum;
  }
  if (args.lse != nullptr) args.lse[task.head * args.N + task.first + first + i] = largest + __builtin_logf(sum);
}

// sums times factors → out (rows, D), `stride` apart; results below the normal range may become 0.
template <class X>
NB_INLINE void store_block(const ForwardScratch& s, int64_t rows, int64_t D, X* out, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t d = 0; d < D; d += W) {
      const F x = load(s.sums + i * padded(D) + d) * s.factors[i];
      if (D - d >= W) Operands<X>::store_left(out + i * stride + d, x);
      else store_part(out + i * stride + d, x, D - d);
    }
  }
}

template <class X>
struct ForwardHead {
  static void run(const Attention& args, const Task& task, const Task& next, const ForwardScratch& s) {
    const int64_t H = args.H, D = args.D, L = task.length;
    X* out = static_cast<X*>(args.out) + task.first * H + task.head * D;
    Operands<X>::pack_right_transposed(qkv_rows<X>(args, task, 1), 3 * H, L, D, s.keys);
    Operands<X>::pack_right(qkv_rows<X>(args, task, 2), 3 * H, L, D, s.values);
    for (int64_t first = 0; first < L; first += kQueryBlock) {
      const int64_t rows = smaller(kQueryBlock, L - first);
      score_block<X>(args, task, s, first, rows);
      // In a pass of its own, so that no row waits for its largest.
      for (int64_t i = 0; i < rows; ++i) s.factors[i] = largest_of_row(s.scores + i * padded(L), L, args.scale);
      for (int64_t i = 0; i < rows; ++i) {
        prefetch_row<X>(args, next, first + i);
        finish_row<X>(args, task, s, first, i);
      }
      multiply_operands<X, false>(s.scores, padded(L), 1, s.values, s.sums, rows, D, L);
      store_block(s, rows, D, out + first * H, H);
    }
  }
};

// out: this head's matrix of one sequence, (L,L)
template <class X>
void probabilities_of_head(const Attention& args, const Task& task, const ForwardScratch& s, float* out) {
  const int64_t L = task.length;
  Operands<X>::pack_right_transposed(qkv_rows<X>(args, task, 1), 3 * args.H, L, args.D, s.keys);
  for (int64_t first = 0; first < L; first += kQueryBlock) {
    const int64_t rows = smaller(kQueryBlock, L - first);
    score_block<X>(args, task, s, first, rows);
    for (int64_t i = 0; i < rows; ++i) {
      float* row = s.scores + i * padded(L);
      const float largest = largest_of_row(row, L, args.scale);
      const float sum =
          exponentials_of_row<false>(row, L, args.scale, largest, s.bits, 0, row, [](float* to, F x) { store(to, x); });
      for (int64_t j = 0; j < L; j += W) store(out + (first + i) * L + j, load(row + j) / sum, L - j);
    }
  }
}

// For inspection only: heads in order, one thread.
template <class X>
void probabilities(const Attention& args) {
  const ForwardScratch scratch(args, 0);
  float* out = args.probabilities;
  for (int64_t head = 0; head < args.A; ++head) {
    for (int64_t b = 0; b < args.B; ++b) {
      const int64_t length = args.cu_seqlens[b + 1] - args.cu_seqlens[b];
      if (length > 0) probabilities_of_head<X>(args, {head, args.cu_seqlens[b], length}, scratch, out);
      out += length * length;
    }
  }
}

}  // namespace

void attention_forward(Type type, const Attention& args, int threads) {
  if (type == Type::bf16) for_each_task<ForwardHead<bf16>, ForwardScratch>(args, threads);
  else for_each_task<ForwardHead<float>, ForwardScratch>(args, threads);
}

void attention_probabilities(Type type, const Attention& args, int) {
  type == Type::bf16 ? probabilities<bf16>(args) : probabilities<float>(args);
}

}  // namespace node_bert::cpu::NB_KERNELS
