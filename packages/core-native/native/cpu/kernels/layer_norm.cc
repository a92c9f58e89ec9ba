// z = dropout(x) + residual; y = LayerNorm(z), and its gradient; all (N,H).
// Memory: forward reads x and residual and writes y and z; backward reads z and dy and writes dx and dresidual. A row is worked
// on in L1.
#include "declare.h"
#include "layer_norm_row.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

template <class X>
void forward_row(const LayerNormForward& args, int64_t n, float* z, uint16_t* bits) {
  const int64_t H = args.H;
  const X* x = static_cast<const X*>(args.x) + n * H;
  const X* residual = args.residual == nullptr ? nullptr : static_cast<const X*>(args.residual) + n * H;
  const bool drops = args.dropout.threshold != 0;
  if (drops) random_half_words(args.dropout, static_cast<uint32_t>(n), H, bits);
  F sums = {};
  for (int64_t h = 0; h < H; h += W) {
    F value = load(x + h, H - h);
    if (drops) value *= first_lanes(keep_factors(bits + h, args.dropout.threshold, args.dropout.scale), H - h, 0.f);
    if (residual != nullptr) value += load(residual + h, H - h);
    store(z + h, value);
    sums += value;
  }
  const Moments moments = row_moments(z, H, sum_lanes(sums), args.eps);
  args.mean[n] = moments.mean;
  args.rstd[n] = moments.rstd;
  X* y = static_cast<X*>(args.y) + n * H;
  X* z_out = args.z == nullptr ? nullptr : static_cast<X*>(args.z) + n * H;
  for (int64_t h = 0; h < H; h += W) {
    const F value = load(z + h);
    if (z_out != nullptr) store(z_out + h, value, H - h);
    const F normalized = (value - moments.mean) * moments.rstd;
    store(y + h, fma(normalized, load(args.gamma + h, H - h), load(args.beta + h, H - h)), H - h);
  }
}

template <class X>
void forward(const LayerNormForward& args, int threads) {
  const int64_t stride = layer_norm_scratch(args.H);
#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * args.H > 4096)
  for (int thread = 0; thread < threads; ++thread) {
    float* z = args.scratch + thread * stride;
    uint16_t* bits = reinterpret_cast<uint16_t*>(z + padded(args.H));
    const int64_t last = args.N * (thread + 1) / threads;
    for (int64_t n = args.N * thread / threads; n < last; ++n) forward_row<X>(args, n, z, bits);
  }
}

// dgamma_part and dbeta_part are this row block's sums, padded(H) each. g_row holds g between the passes: computed anew it could
// be fused with what follows, and no longer cancel exactly against its mean on a row of equal values, where rstd is 1e6.
template <class X>
void backward_row(const LayerNormBackward& args, int64_t n, float* g_row, uint16_t* bits, float* dgamma_part, float* dbeta_part) {
  const int64_t H = args.H;
  const X* z = static_cast<const X*>(args.z) + n * H;
  const X* dy = static_cast<const X*>(args.dy) + n * H;
  const float mean = args.mean[n], rstd = args.rstd[n];
  F sum_g = {}, sum_g_normalized = {};
  for (int64_t h = 0; h < H; h += W) {
    const F gradient = load(dy + h, H - h);
    const F normalized = first_lanes((load(z + h, H - h) - mean) * rstd, H - h, 0.f);
    const F g = gradient * load(args.gamma + h, H - h);
    store(g_row + h, g);
    sum_g += g;
    sum_g_normalized += g * normalized;
    store(dgamma_part + h, load(dgamma_part + h) + gradient * normalized);
    store(dbeta_part + h, load(dbeta_part + h) + gradient);
  }
  X* dx = args.dx == nullptr ? nullptr : static_cast<X*>(args.dx) + n * H;
  X* dresidual = args.dresidual == nullptr ? nullptr : static_cast<X*>(args.dresidual) + n * H;
  if (dx == nullptr && dresidual == nullptr) return;
  const bool drops = dx != nullptr && args.dropout.threshold != 0;
  if (drops) random_half_words(args.dropout, static_cast<uint32_t>(n), H, bits);
  const float inverse_H = 1.f / static_cast<float>(H);
  const RowGradient row{rstd, sum_lanes(sum_g) * inverse_H, sum_lanes(sum_g_normalized) * inverse_H};
  for (int64_t h = 0; h < H; h += W) {
    const F normalized = (load(z + h, H - h) - mean) * rstd;
    F dz = row.dz(load(g_row + h), normalized);
    if (dresidual != nullptr) store(dresidual + h, dz, H - h);
    if (drops) dz *= keep_factors(bits + h, args.dropout.threshold, args.dropout.scale);
    if (dx != nullptr) store(dx + h, dz, H - h);
  }
}

template <class X>
void backward(const LayerNormBackward& args, int threads) {
  const int64_t blocks = row_blocks(args.N), width = padded(args.H), stride = layer_norm_scratch(args.H);
#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * args.H > 4096)
  for (int thread = 0; thread < threads; ++thread) {
    float* g_row = args.scratch + thread * stride;
    uint16_t* bits = reinterpret_cast<uint16_t*>(g_row + padded(args.H));
    const int64_t last = blocks * (thread + 1) / threads;
    for (int64_t block = blocks * thread / threads; block < last; ++block) {
      float* dgamma_part = args.partials + block * 2 * width;
      memset(dgamma_part, 0, static_cast<size_t>(2 * width) * sizeof(float));
      const int64_t end = smaller((block + 1) * kRowBlock, args.N);
      for (int64_t n = block * kRowBlock; n < end; ++n) backward_row<X>(args, n, g_row, bits, dgamma_part, dgamma_part + width);
    }
  }
  if (args.dgamma != nullptr) add_partials(args.partials, blocks, 2 * width, args.dgamma, args.H, threads);
  if (args.dbeta != nullptr) add_partials(args.partials + width, blocks, 2 * width, args.dbeta, args.H, threads);
}

}  // namespace

void layer_norm_forward(Type type, const LayerNormForward& args, int threads) {
  type == Type::bf16 ? forward<bf16>(args, threads) : forward<float>(args, threads);
}

void layer_norm_backward(Type type, const LayerNormBackward& args, int threads) {
  type == Type::bf16 ? backward<bf16>(args, threads) : backward<float>(args, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
