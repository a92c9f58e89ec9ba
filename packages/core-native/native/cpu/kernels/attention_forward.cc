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

// Row i of the scores becomes exponentials, of X and in place; what they are to be multiplied by goes to factors[i].
template <class X>
NB_INLINE void finish_row(const Attention& args, const Task& task, const ForwardScratch& s, int64_t first, int64_t i) {
  float* row = s.scores + i * padded(task.length);
  const auto store_left = [](X* to, F x) { Operands<X>::store_left(to, x); };
  X* out = reinterpret_cast<X*>(row);
  SoftmaxSums softmax;
  if (args.dropout.threshold != 0) {
    random_half_words(args.dropout, mask_row(args, task, first + i), task.length, s.bits);
    softmax = exponentials_of_row<true>(row, task.length, args.scale, s.bits, args.dropout.threshold, out, store_left);
    s.factors[i] = args.dropout.scale / softmax.sum;
  } else {
    softmax = exponentials_of_row<false>(row, task.length, args.scale, s.bits, 0, out, store_left);
    s.factors[i] = 1.f / softmax.sum;
  }
  if (args.lse != nullptr) args.lse[task.head * args.N + task.first + first + i] = softmax.largest + __builtin_logf(softmax.sum);
}

template <class X>
struct ForwardHead {
  static void run(const Attention& args, const Task& task, const ForwardScratch& s) {
    const int64_t H = args.H, D = args.D, L = task.length;
    Operands<X>::pack_right_transposed(qkv_rows<X>(args, task, 1), 3 * H, L, D, s.keys);
    Operands<X>::pack_right(qkv_rows<X>(args, task, 2), 3 * H, L, D, s.values);
    for (int64_t first = 0; first < L; first += kQueryBlock) {
      const int64_t rows = smaller(kQueryBlock, L - first);
      score_block<X>(args, task, s, first, rows);
      for (int64_t i = 0; i < rows; ++i) finish_row<X>(args, task, s, first, i);
      multiply_operands<X, false>(s.scores, padded(L), 1, s.values, s.sums, rows, D, L);
      unpack_rows(s.sums, rows, D, s.factors, static_cast<X*>(args.out) + (task.first + first) * H + task.head * D, H);
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
      const SoftmaxSums softmax =
          exponentials_of_row<false>(row, L, args.scale, s.bits, 0, row, [](float* to, F x) { store(to, x); });
      for (int64_t j = 0; j < L; j += W) store(out + (first + i) * L + j, load(row + j) / softmax.sum, L - j);
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
