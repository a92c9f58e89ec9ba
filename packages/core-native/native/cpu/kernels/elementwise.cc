// fill, conversions, add and dropout alone: one pass over memory each.
#include "declare.h"
#include "philox.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

constexpr int64_t kChunk = 8192;  // elements a thread takes at a time; small enough that a short tensor stays on one thread

// body(begin, end) over 0 .. count - 1; boundaries are multiples of kChunk.
template <class Body>
NB_INLINE void in_chunks(int64_t count, int threads, Body body) {
#pragma omp parallel for num_threads(threads) schedule(static) if (count > 2 * kChunk)
  for (int64_t begin = 0; begin < count; begin += kChunk) body(begin, smaller(begin + kChunk, count));
}

template <class From, class To>
NB_INLINE void convert(const From* x, To* y, int64_t count, int threads) {
  in_chunks(count, threads, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += W) store(y + i, load(x + i, end - i), end - i);
  });
}

template <class X>
void add(const X* a, const X* b, X* y, int64_t count, int threads) {
  in_chunks(count, threads, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += W) store(y + i, load(a + i, end - i) + load(b + i, end - i), end - i);
  });
}

template <class X>
void dropout_rows(const X* x, X* y, int64_t rows, int64_t columns, const Dropout& dropout, float* scratch, int threads) {
  const int64_t stride = padded_bits(columns) / 2;
#pragma omp parallel for num_threads(threads) schedule(static) if (rows * columns > kChunk)
  for (int thread = 0; thread < threads; ++thread) {
    uint16_t* bits = reinterpret_cast<uint16_t*>(scratch + thread * stride);
    const int64_t first = rows * thread / threads, last = rows * (thread + 1) / threads;
    for (int64_t row = first; row < last; ++row) {
      random_half_words(dropout, static_cast<uint32_t>(row), columns, bits);
      for (int64_t i = 0; i < columns; i += W) {
        const F kept = load(x + row * columns + i, columns - i) * keep_factors(bits + i, dropout.threshold, dropout.scale);
        store(y + row * columns + i, kept, columns - i);
      }
    }
  }
}

}  // namespace

void fill(float* y, float value, int64_t count, int threads) {
  in_chunks(count, threads, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = value;
  });
}

void fill_bf16(bf16* y, bf16 value, int64_t count, int threads) {
  in_chunks(count, threads, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = value;
  });
}

void f32_to_bf16(const float* x, bf16* y, int64_t count, int threads) { convert(x, y, count, threads); }
void bf16_to_f32(const bf16* x, float* y, int64_t count, int threads) { convert(x, y, count, threads); }

void add(Type type, const void* a, const void* b, void* y, int64_t count, int threads) {
  if (type == Type::bf16) add<bf16>((const bf16*)a, (const bf16*)b, (bf16*)y, count, threads);
  else add<float>((const float*)a, (const float*)b, (float*)y, count, threads);
}

void dropout(Type type, const void* x, void* y, int64_t rows, int64_t columns, const Dropout& mask, float* scratch, int threads) {
  if (type == Type::bf16) dropout_rows((const bf16*)x, (bf16*)y, rows, columns, mask, scratch, threads);
  else dropout_rows((const float*)x, (float*)y, rows, columns, mask, scratch, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
