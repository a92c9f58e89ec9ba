// y = dropout(LayerNorm(word[id] + position[pos] + type[tt])), and its gradient. Tables (V,H), (P,H), (T,H) are f32; y and dy
// (N,H) are X. Backward has two phases: dz by rows, then the scatter into the tables by slices of columns, each slice in token
// order. So the sums have one order whatever the number of threads, and only rows of tokens that occur are touched.
#include "declare.h"
#include "layer_norm_row.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

struct TableRows {
  const float *word, *position, *type;
  int64_t H;
  NB_INLINE TableRows(const Embeddings& args, int64_t n)
      : word(args.word + args.ids[n] * args.H),
        position(args.position + args.positions[n] * args.H),
        type(args.type + args.types[n] * args.H),
        H(args.H) {}
  NB_INLINE F sum(int64_t h) const { return load(word + h, H - h) + load(position + h, H - h) + load(type + h, H - h); }
};

template <class X>
void forward_row(const Embeddings& args, int64_t n, float* z, uint16_t* bits) {
  const int64_t H = args.H;
  const TableRows rows(args, n);
  F sums = {};
  for (int64_t h = 0; h < H; h += W) {
    const F value = rows.sum(h);
    store(z + h, value);
    sums += value;
  }
  const Moments moments = row_moments(z, H, sum_lanes(sums), args.eps);
  args.mean[n] = moments.mean;
  args.rstd[n] = moments.rstd;
  const bool drops = args.dropout.threshold != 0;
  if (drops) random_half_words(args.dropout, static_cast<uint32_t>(n), H, bits);
  X* y = static_cast<X*>(args.y) + n * H;
  for (int64_t h = 0; h < H; h += W) {
    const F normalized = (load(z + h) - moments.mean) * moments.rstd;
    F value = fma(normalized, load(args.gamma + h, H - h), load(args.beta + h, H - h));
    if (drops) value *= keep_factors(bits + h, args.dropout.threshold, args.dropout.scale);
    store(y + h, value, H - h);
  }
}

template <class X>
void forward(const Embeddings& args, int threads) {
  const int64_t stride = layer_norm_scratch(args.H);
#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * args.H > 4096)
  for (int thread = 0; thread < threads; ++thread) {
    float* z = args.scratch + thread * stride;
    uint16_t* bits = reinterpret_cast<uint16_t*>(z + padded(args.H));
    const int64_t last = args.N * (thread + 1) / threads;
    for (int64_t n = args.N * thread / threads; n < last; ++n) forward_row<X>(args, n, z, bits);
  }
}

template <class X>
void backward_row(const Embeddings& args, int64_t n, uint16_t* bits, float* dgamma_part, float* dbeta_part) {
  const int64_t H = args.H;
  const TableRows rows(args, n);
  const X* dy = static_cast<const X*>(args.dy) + n * H;
  const float mean = args.mean[n], rstd = args.rstd[n];
  float* dz = args.dz + n * padded(H);  // holds g between the passes
  const bool drops = args.dropout.threshold != 0;
  if (drops) random_half_words(args.dropout, static_cast<uint32_t>(n), H, bits);
  F sum_g = {}, sum_g_normalized = {};
  for (int64_t h = 0; h < H; h += W) {
    F gradient = load(dy + h, H - h);
    if (drops) gradient *= first_lanes(keep_factors(bits + h, args.dropout.threshold, args.dropout.scale), H - h, 0.f);
    const F normalized = first_lanes((rows.sum(h) - mean) * rstd, H - h, 0.f);
    const F g = gradient * load(args.gamma + h, H - h);
    store(dz + h, g);
    sum_g += g;
    sum_g_normalized += g * normalized;
    store(dgamma_part + h, load(dgamma_part + h) + gradient * normalized);
    store(dbeta_part + h, load(dbeta_part + h) + gradient);
  }
  const float inverse_H = 1.f / static_cast<float>(H);
  const RowGradient row{rstd, sum_lanes(sum_g) * inverse_H, sum_lanes(sum_g_normalized) * inverse_H};
  for (int64_t h = 0; h < H; h += W) store(dz + h, row.dz(load(dz + h), (rows.sum(h) - mean) * rstd));
}

// table[index[n]] += dz[n] for columns begin .. end - 1, in token order.
NB_INLINE void scatter(float* table, const int32_t* index, const Embeddings& args, int64_t begin, int64_t end) {
  if (table == nullptr) return;
  for (int64_t n = 0; n < args.N; ++n) {
    float* row = table + index[n] * args.H;
    const float* dz = args.dz + n * padded(args.H);
    for (int64_t h = begin; h < end; h += W) store(row + h, load(row + h, end - h) + load(dz + h, end - h), end - h);
  }
}

template <class X>
void backward(const Embeddings& args, int threads) {
  const int64_t blocks = row_blocks(args.N), width = padded(args.H), stride = layer_norm_scratch(args.H);
#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * args.H > 4096)
  for (int thread = 0; thread < threads; ++thread) {
    uint16_t* bits = reinterpret_cast<uint16_t*>(args.scratch + thread * stride);
    const int64_t last = blocks * (thread + 1) / threads;
    for (int64_t block = blocks * thread / threads; block < last; ++block) {
      float* dgamma_part = args.partials + block * 2 * width;
      memset(dgamma_part, 0, static_cast<size_t>(2 * width) * sizeof(float));
      const int64_t end = smaller((block + 1) * kRowBlock, args.N);
      for (int64_t n = block * kRowBlock; n < end; ++n) backward_row<X>(args, n, bits, dgamma_part, dgamma_part + width);
    }
  }
  if (args.dgamma != nullptr) add_partials(args.partials, blocks, 2 * width, args.dgamma, args.H, threads);
  if (args.dbeta != nullptr) add_partials(args.partials + width, blocks, 2 * width, args.dbeta, args.H, threads);

#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * args.H > 4096)
  for (int thread = 0; thread < threads; ++thread) {
    const int64_t begin = width / kPad * thread / threads * kPad;
    const int64_t end = smaller(width / kPad * (thread + 1) / threads * kPad, args.H);
    scatter(args.dword, args.ids, args, begin, end);
    scatter(args.dposition, args.positions, args, begin, end);
    scatter(args.dtype, args.types, args, begin, end);
  }
}

}  // namespace

void embeddings_forward(Type type, const Embeddings& args, int threads) {
  type == Type::bf16 ? forward<bf16>(args, threads) : forward<float>(args, threads);
}

void embeddings_backward(Type type, const Embeddings& args, int threads) {
  type == Type::bf16 ? backward<bf16>(args, threads) : backward<float>(args, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
