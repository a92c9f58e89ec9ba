// The gradient of attention with respect to q, k and v, by recomputation (Dao 2023), on tensor cores and without atomics: the same bits every time.
//
// With s = scale q k^T, p = exp(s - lse) and m the dropout mask's factors, 0 or 1 / (1 - p_drop):
//
//   dv = (p m)^T dout    dp = dout v^T    ds = p (m dp - delta)    dq = scale ds k    dk = scale ds^T q    delta = sum over d of dout * out
//
// delta is also the sum over a row's keys of p m dp, and in f32 the two are as good. In 16 bits out was rounded, and where one key has nearly all of the
// probability, ds is a difference of equal numbers in which that rounding is all that is left. So delta is taken from out first, and corrected: with
// r = sum of p (m dp - delta), which is what it is off by, dq -= scale r (p k), and the second kernel gets delta + r. One product more, in 16 bits only.
//
// Two kernels, each of which owns what it writes. One owns 64 queries, walks over keys and sums dq; it computes delta on the way. The other owns 64 keys,
// walks over queries and sums dk and dv; it computes every matrix transposed, so that its p^T and ds^T are left operands as they come out. Both recompute
// s and dp: 7 or 8 products instead of the 5 of one kernel that adds up dq with atomics, in an order that changes from run to run.
//
// Shapes: qkv, dqkv (N, 3H), out, dout (N, H), lse, delta (A, N); D = H / A is 32 or 64.
// Memory: the owned rows once, dqkv once; the other side's two matrices once for every 64 rows, from L2 after the first time.
//
// What a reader would get wrong: where a sequence ends inside a tile, the rows behind it are zeros, not absent. A query of zeros has lse = 0, hence p = 1, and
// harms nobody because its dout is 0; but a key of zeros has p = exp(-lse), which may be infinite, so dq's kernel sets it to 0.
#include "attention.cuh"

namespace node_bert::cuda {
namespace attention {
namespace {

// Rows of a tile that streams, the columns of the scores. 32 of them in f32 would not fit into registers.
template <class X>
constexpr int COLUMNS = sizeof(X) == 4 ? 16 : 32;

// A tile of both streaming matrices.
template <class X, int D>
struct Stage {
  unsigned char first[COLUMNS<X> * Tile<X, D>::ROW_BYTES], second[COLUMNS<X> * Tile<X, D>::ROW_BYTES];

  __device__ __forceinline__ void copy(const X* first_rows, int64_t first_stride, const X* second_rows, int64_t second_stride, int valid) {
    Tile<X, D>::template copy_rows<COLUMNS<X>, THREADS>(first, first_rows, first_stride, valid);
    Tile<X, D>::template copy_rows<COLUMNS<X>, THREADS>(second, second_rows, second_stride, valid);
  }
};

template <class X, int D>
using Fragments = uint32_t[Tile<X, D>::K_STEPS][4];

// Shared memory holds both stages, or a 64-row tile of each of two matrices, whichever takes more.
template <class X, int D>
constexpr int SHARED_BYTES = 2 * ROWS * Tile<X, D>::ROW_BYTES;

// The two matrices that the block owns rows of, by way of `tiles`.
template <class X, int D>
__device__ __forceinline__ void load_owned_rows(Fragments<X, D>& first, const X* first_rows, int64_t first_stride, Fragments<X, D>& second,
                                                const X* second_rows, int64_t second_stride, int valid, unsigned char* tiles) {
  unsigned char* second_tile = tiles + ROWS * Tile<X, D>::ROW_BYTES;
  Tile<X, D>::template copy_rows<ROWS, THREADS>(tiles, first_rows, first_stride, valid);
  Tile<X, D>::template copy_rows<ROWS, THREADS>(second_tile, second_rows, second_stride, valid);
  copy_async_commit();
  copy_async_wait<0>();
  __syncthreads();
  load_rows<X, D>(first, tiles);
  load_rows<X, D>(second, second_tile);
  __syncthreads();
}

// delta of the block's 64 queries, from out; two threads sum a row.
template <class X, int D>
__device__ __forceinline__ void delta_from_out(const Arguments& args, int64_t n, int head, int valid, float* delta) {
  const int row = threadIdx.x / 2, half = threadIdx.x % 2;
  float sum = 0;
  if (row < valid) {
    const int64_t from = (n + row) * args.H() + head * D + half * (D / 2);
#pragma unroll
    for (int d = 0; d < D / 2; d += CHUNK) {
      const Chunk dout = load_chunk(static_cast<const X*>(args.dout) + from + d, CHUNK, true);
      const Chunk out = load_chunk(static_cast<const X*>(args.out) + from + d, CHUNK, true);
#pragma unroll
      for (int i = 0; i < CHUNK; ++i) sum = fmaf(dout.at[i], out.at[i], sum);
    }
  }
  sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 1);
  if (half == 0) delta[row] = sum;
}

template <class X, int D>
__global__ void __launch_bounds__(THREADS, 1) attention_backward_queries_kernel(const Arguments args) {
  if constexpr (HAS_TENSOR_CORES<X>) {
    using T = Tile<X, D>;
    constexpr int COLUMNS = attention::COLUMNS<X>, TILES = COLUMNS / 8;
    __shared__ __align__(128) unsigned char shared[SHARED_BYTES<X, D>];
    static_assert(sizeof(shared) >= 2 * sizeof(Stage<X, D>));
    Stage<X, D>* stages = reinterpret_cast<Stage<X, D>*>(shared);
    __shared__ float delta_of_block[ROWS];

    const Sequence sequence = sequence_of(args, blockIdx.x);
    const int head = blockIdx.y, first = blockIdx.z * ROWS;
    if (first >= sequence.length) return;
    const int64_t H = args.H(), n = sequence.first + first;
    const int valid = sequence.length - first;

    uint32_t queries[T::K_STEPS][4], dout[T::K_STEPS][4];
    load_owned_rows<X, D>(queries, qkv_rows<X>(args, n, 0, head), 3 * H, dout, static_cast<const X*>(args.dout) + n * H + head * D, H, valid, shared);
    const auto copy_keys = [&](int from) {
      const int64_t key = sequence.first + from;
      stages[from / COLUMNS % 2].copy(qkv_rows<X>(args, key, 1, head), 3 * H, qkv_rows<X>(args, key, 2, head), 3 * H, sequence.length - from);
      copy_async_commit();
    };
    copy_keys(0);
    delta_from_out<X, D>(args, n, head, valid, delta_of_block);
    __syncthreads();

    const int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4, row = threadIdx.x / WARP * WARP_ROWS + g;
    float lse[2], delta[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      lse[h] = row + 8 * h < valid ? args.lse[static_cast<int64_t>(head) * args.N + n + row + 8 * h] : 0.f;
      delta[h] = delta_of_block[row + 8 * h];
    }
    constexpr bool CORRECTS = sizeof(X) == 2;
    float dq[D / 8][4], pk[D / 8][4], off_by[2] = {0.f, 0.f};
    clear(dq);
    clear(pk);
#pragma unroll 1
    for (int from = 0; from < sequence.length; from += COLUMNS) {
      copy_async_wait<0>();
      __syncthreads();
      if (from + COLUMNS < sequence.length) copy_keys(from + COLUMNS);
      const Stage<X, D>& stage = stages[from / COLUMNS % 2];

      float p[TILES][4], ds[TILES][4];
      multiply_rows<X, D>(p, queries, stage.first);
      multiply_rows<X, D>(ds, dout, stage.second);
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) p[i][e] = exponential(fmaf(p[i][e], args.scale, -lse[e / 2]));
      }
      if (const int left = sequence.length - from; left < COLUMNS) {
#pragma unroll
        for (int i = 0; i < TILES; ++i) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            if (8 * i + 2 * t + e % 2 >= left) p[i][e] = 0.f;
          }
        }
      }
      const KeepKeys<TILES> mask(args, n + row, head, from);
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const float dp = mask.keeps(i, e) ? ds[i][e] * args.dropout.scale : 0.f;
          ds[i][e] = p[i][e] * (dp - delta[e / 2]);
          off_by[e / 2] += ds[i][e];
        }
      }
      multiply_sums<X, D>(dq, ds, stage.first);
      if constexpr (CORRECTS) multiply_sums<X, D>(pk, p, stage.first);
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      off_by[h] = CORRECTS ? quad_sum(off_by[h]) : 0.f;
      if (t == 0 && row + 8 * h < valid) args.delta[static_cast<int64_t>(head) * args.N + n + row + 8 * h] = delta[h] + off_by[h];
    }
#pragma unroll
    for (int i = 0; i < D / 8; ++i) {
#pragma unroll
      for (int e = 0; e < 4; ++e) dq[i][e] -= off_by[e / 2] * pk[i][e];
    }
    __syncthreads();
    X* rows = static_cast<X*>(args.dqkv) + n * 3 * H + head * D;
    store_rows<X, D>(rows, 3 * H, valid, dq, args.scale, args.scale, shared);
  }
}

template <class X, int D>
__global__ void __launch_bounds__(THREADS) attention_backward_keys_kernel(const Arguments args) {
  if constexpr (HAS_TENSOR_CORES<X>) {
    using T = Tile<X, D>;
    constexpr int COLUMNS = attention::COLUMNS<X>, TILES = COLUMNS / 8;
    __shared__ __align__(128) unsigned char shared[SHARED_BYTES<X, D>];
    static_assert(sizeof(shared) >= 2 * sizeof(Stage<X, D>) + (sizeof(X) == 4 ? ROWS * T::ROW_BYTES : 0));
    Stage<X, D>* stages = reinterpret_cast<Stage<X, D>*>(shared);
    __shared__ __align__(8) float lse[2][COLUMNS], delta[2][COLUMNS];

    const Sequence sequence = sequence_of(args, blockIdx.x);
    const int head = blockIdx.y, first = blockIdx.z * ROWS;
    if (first >= sequence.length) return;
    const int64_t H = args.H(), n = sequence.first + first;
    const int valid = sequence.length - first;

    uint32_t keys[T::K_STEPS][4], values[T::K_STEPS][4];
    load_owned_rows<X, D>(keys, qkv_rows<X>(args, n, 1, head), 3 * H, values, qkv_rows<X>(args, n, 2, head), 3 * H, valid, shared);
    const auto copy_queries = [&](int from) {
      const int s = from / COLUMNS % 2;
      const int64_t query = sequence.first + from;
      const X* dout = static_cast<const X*>(args.dout) + query * H + head * D;
      stages[s].copy(qkv_rows<X>(args, query, 0, head), 3 * H, dout, H, sequence.length - from);
      if (threadIdx.x < 2 * COLUMNS) {
        const int column = threadIdx.x % COLUMNS;
        const float* statistic = threadIdx.x < COLUMNS ? args.lse : args.delta;
        copy_async_4(threadIdx.x < COLUMNS ? &lse[s][column] : &delta[s][column], statistic + static_cast<int64_t>(head) * args.N + query + column,
                     from + column < sequence.length);
      }
      copy_async_commit();
    };
    copy_queries(0);

    const int lane = threadIdx.x % WARP, t = lane % 4;
    float dk[D / 8][4], dv[D / 8][4];
    clear(dk);
    clear(dv);
#pragma unroll 1
    for (int from = 0; from < sequence.length; from += COLUMNS) {
      copy_async_wait<0>();
      __syncthreads();
      if (from + COLUMNS < sequence.length) copy_queries(from + COLUMNS);
      const int s = from / COLUMNS % 2;
      const Stage<X, D>& stage = stages[s];

      float p[TILES][4], ds[TILES][4];
      multiply_rows<X, D>(p, keys, stage.first);
      // In f32 the values stay in shared memory behind the stages, since registers cannot hold all that the block owns.
      if constexpr (sizeof(X) == 4) load_rows<X, D>(values, shared + ROWS * T::ROW_BYTES);
      multiply_rows<X, D>(ds, values, stage.second);
      const KeepQueries<TILES> mask(args, sequence.first + from, head, first + threadIdx.x / WARP * WARP_ROWS);
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
        const float2 lse_of = *reinterpret_cast<const float2*>(&lse[s][8 * i + 2 * t]);
        const float2 delta_of = *reinterpret_cast<const float2*>(&delta[s][8 * i + 2 * t]);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const float probability = exponential(fmaf(p[i][e], args.scale, e % 2 == 0 ? -lse_of.x : -lse_of.y));
          const bool keeps = mask.keeps(i, e);
          const float dp = keeps ? ds[i][e] * args.dropout.scale : 0.f;
          ds[i][e] = probability * (dp - (e % 2 == 0 ? delta_of.x : delta_of.y));
          p[i][e] = keeps ? probability : 0.f;
        }
      }
      multiply_sums<X, D>(dv, p, stage.second);
      multiply_sums<X, D>(dk, ds, stage.first);
    }
    __syncthreads();
    X* rows = static_cast<X*>(args.dqkv) + n * 3 * H + head * D;
    store_rows<X, D>(rows + H, 3 * H, valid, dk, args.scale, args.scale, shared);
    store_rows<X, D>(rows + 2 * H, 3 * H, valid, dv, args.dropout.scale, args.dropout.scale, shared + ROWS * T::ROW_BYTES);
  }
}

template <class X, int D>
cudaError_t backward_fast(const Launch& launch, const Arguments& args) {
  const dim3 grid(args.B, args.A, static_cast<unsigned>(ceil_div(args.max_seqlen, ROWS)));
  attention_backward_queries_kernel<X, D><<<grid, THREADS, 0, launch.stream>>>(args);
  attention_backward_keys_kernel<X, D><<<grid, THREADS, 0, launch.stream>>>(args);
  return cudaGetLastError();
}

}  // namespace
}  // namespace attention

size_t attention_backward_workspace(const AttentionShape& shape) { return static_cast<size_t>(shape.A * shape.N) * sizeof(float); }

cudaError_t attention_backward(const Launch& launch, DType type, const AttentionShape& shape, const void* qkv, const int32_t* cu_seqlens,
                               const void* out, const float* lse, const void* dout, void* dqkv, const Dropout& dropout, void* workspace) {
  attention::Arguments args = attention::arguments_of(launch, shape, qkv, cu_seqlens, dropout);
  args.out = const_cast<void*>(out);
  args.lse = const_cast<float*>(lse);
  args.dout = dout;
  args.dqkv = dqkv;
  args.delta = static_cast<float*>(workspace);
  if (attention::is_empty(args)) return cudaSuccess;
  return dispatch(type, [&](auto x) {
    using X = decltype(x);
    if (!attention::is_fast(launch, type, args)) return attention::backward_plain<X>(launch, args);
    return args.D == 32 ? attention::backward_fast<X, 32>(launch, args) : attention::backward_fast<X, 64>(launch, args);
  });
}

}  // namespace node_bert::cuda
