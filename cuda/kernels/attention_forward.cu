// out = dropout(softmax(scale q k^T)) v on packed sequences, by FlashAttention-2 (Dao 2023), on tensor cores.
//
// A block owns 64 queries of a head and walks over the keys in tiles, keeping for each query the largest score m so far, the sum l of exp(score - m), and
// the unnormalised output o. A tile with scores s makes of them
//
//   m' = max(m, max s)    p = exp(s - m')    l' = l exp(m - m') + sum p    o' = o exp(m - m') + p v
//
// and in the end out = o / l and lse = m + log l. The (query, key) matrix never exists outside registers.
//
// Shapes: qkv (N, 3H), cu_seqlens (B + 1), out (N, H), lse (A, N); D = H / A is 32 or 64.
// Memory: q once, out and lse once; k and v once for every 64 queries of their sequence, from L2 after the first time.
//
// What a reader would get wrong: dropout applies to p after the softmax, so the sum l counts dropped keys too. And p meets v unnormalised and
// without dropout's scale, rounded to X: both factors come in at the end.
#include "attention.cuh"

namespace node_bert::cuda {
namespace attention {
namespace {

// Keys of a tile: both stages of k and v together take 32 KB at D = 64.
template <class X>
constexpr int KEYS = sizeof(X) == 4 ? 32 : 64;

template <class X, int D>
__global__ void __launch_bounds__(THREADS) attention_forward_kernel(const Arguments args) {
  if constexpr (HAS_TENSOR_CORES<X>) {
    using T = Tile<X, D>;
    constexpr int TILES = KEYS<X> / 8;
    struct Stage {
      unsigned char k[KEYS<X> * T::ROW_BYTES], v[KEYS<X> * T::ROW_BYTES];
    };
    __shared__ __align__(128) Stage stages[2];
    static_assert(sizeof(Stage) >= ROWS * T::ROW_BYTES);

    const Sequence sequence = sequence_of(args, blockIdx.x);
    const int head = blockIdx.y, first = blockIdx.z * ROWS;
    if (first >= sequence.length) return;
    const int64_t stride = 3 * args.H();
    const auto copy_keys = [&](int from) {
      Stage& stage = stages[from / KEYS<X> % 2];
      const int64_t n = sequence.first + from;
      T::template copy_rows<KEYS<X>, THREADS>(stage.k, qkv_rows<X>(args, n, 1, head), stride, sequence.length - from);
      T::template copy_rows<KEYS<X>, THREADS>(stage.v, qkv_rows<X>(args, n, 2, head), stride, sequence.length - from);
      copy_async_commit();
    };

    // The queries pass through the second stage, whose keys are not needed yet.
    unsigned char* staging = reinterpret_cast<unsigned char*>(&stages[1]);
    T::template copy_rows<ROWS, THREADS>(staging, qkv_rows<X>(args, sequence.first + first, 0, head), stride, sequence.length - first);
    copy_keys(0);
    copy_async_wait<0>();
    __syncthreads();
    uint32_t queries[T::K_STEPS][4];
    load_rows<X, D>(queries, staging);

    const int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const int64_t query = sequence.first + first + threadIdx.x / WARP * WARP_ROWS + g;  // and query + 8
    float out[D / 8][4];
    clear(out);
    float largest[2] = {-INFINITY, -INFINITY}, sum[2] = {0.f, 0.f};
    for (int from = 0; from < sequence.length; from += KEYS<X>) {
      // Once everybody is here, this tile has arrived, and nobody reads the other stage any more.
      copy_async_wait<0>();
      __syncthreads();
      if (from + KEYS<X> < sequence.length) copy_keys(from + KEYS<X>);
      const Stage& stage = stages[from / KEYS<X> % 2];

      float p[TILES][4];
      multiply_rows<X, D>(p, queries, stage.k);
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) p[i][e] *= args.scale;
      }
      float new_largest[2] = {largest[0], largest[1]};
      if (const int left = sequence.length - from; left < KEYS<X>) {
#pragma unroll
        for (int i = 0; i < TILES; ++i) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            if (8 * i + 2 * t + e % 2 >= left) p[i][e] = -INFINITY;
          }
        }
      }
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) new_largest[e / 2] = fmaxf(new_largest[e / 2], p[i][e]);
      }
      float correction[2];
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        new_largest[h] = quad_max(new_largest[h]);
        correction[h] = exponential(largest[h] - new_largest[h]);
        largest[h] = new_largest[h];
        sum[h] *= correction[h];
      }
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          p[i][e] = exponential(p[i][e] - largest[e / 2]);
          sum[e / 2] += p[i][e];
        }
      }
      if (args.dropout.threshold != 0) {
        const KeepKeys<TILES> mask(args, query, head, from);
#pragma unroll
        for (int i = 0; i < TILES; ++i) {
#pragma unroll
          for (int e = 0; e < 4; ++e) p[i][e] = mask.keeps(i, e) ? p[i][e] : 0.f;
        }
      }
#pragma unroll
      for (int i = 0; i < D / 8; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) out[i][e] *= correction[e / 2];
      }
      multiply_sums<X, D>(out, p, stage.v);
    }

    const int valid = sequence.length - first, row = threadIdx.x / WARP * WARP_ROWS + g;
    float factor[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      sum[h] = quad_sum(sum[h]);
      factor[h] = args.dropout.scale / sum[h];
      if (args.lse != nullptr && t == 0 && row + 8 * h < valid) {
        args.lse[static_cast<int64_t>(head) * args.N + query + 8 * h] = largest[h] + logf(sum[h]);
      }
    }
    __syncthreads();  // everybody is done with the stages
    X* rows = static_cast<X*>(args.out) + (sequence.first + first) * args.H() + head * D;
    store_rows<X, D>(rows, args.H(), valid, out, factor[0], factor[1], reinterpret_cast<unsigned char*>(stages));
  }
}

template <class X, int D>
cudaError_t forward_fast(const Launch& launch, const Arguments& args) {
  const dim3 grid(args.B, args.A, static_cast<unsigned>(ceil_div(args.max_seqlen, ROWS)));
  attention_forward_kernel<X, D><<<grid, THREADS, 0, launch.stream>>>(args);
  return cudaGetLastError();
}

}  // namespace
}  // namespace attention

cudaError_t attention_forward(const Launch& launch, DType type, const AttentionShape& shape, const void* qkv, const int32_t* cu_seqlens, void* out,
                              float* lse, const Dropout& dropout) {
  attention::Arguments args = attention::arguments_of(launch, shape, qkv, cu_seqlens, dropout);
  args.out = out;
  args.lse = lse;
  if (attention::is_empty(args)) return cudaSuccess;
  return dispatch(type, [&](auto x) {
    using X = decltype(x);
    if (!attention::is_fast(launch, type, args)) return attention::forward_plain<X>(launch, args);
    return args.D == 32 ? attention::forward_fast<X, 32>(launch, args) : attention::forward_fast<X, 64>(launch, args);
  });
}

}  // namespace node_bert::cuda
