// Attention by plain loops in f32: any head width, type, alignment and architecture; and the probabilities alone, for inspection.
//
// A warp owns one row of one head of one sequence and walks over the other side 32 rows at a time: each lane computes the scores of one of them, then the
// lanes share out the D columns of the sums. Same formulas as attention_forward.cu and attention_backward.cu, same dropout masks; nothing is rounded to X in
// between, and delta is summed over the keys, in a pass of its own.
//
// Memory: the other side's matrices once for every row, from L1 and L2. Rows are read by lanes, not by neighbouring addresses: this path is for
// correctness.
//
// What a reader would get wrong: warps leave early where a sequence ends, so a block never synchronises, only a warp does.
#include "attention.cuh"

namespace node_bert::cuda {
namespace attention {
namespace {

// Matrices of a warp's own row in shared memory, beside `weights` of 32 rows of the other side.
constexpr int OWN_ROWS = 4, OWN_WEIGHTS = 2;

struct Warp {
  Sequence sequence;
  int64_t n;  // packed row of the own row; valid when `row` is
  int row;    // in its sequence; -1 when the sequence has no such row
  int head, lane;
  float* own;      // (OWN_ROWS, D)
  float* weights;  // (OWN_WEIGHTS, 32)
};

__device__ __forceinline__ Warp this_warp(const Arguments& args, float* shared) {
  const int warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  Warp w;
  w.sequence = sequence_of(args, blockIdx.x);
  w.row = blockIdx.z * warps + warp;
  if (w.row >= w.sequence.length) w.row = -1;
  w.n = w.sequence.first + w.row;
  w.head = blockIdx.y;
  w.lane = threadIdx.x % WARP;
  w.own = shared + warp * (OWN_ROWS * args.D + OWN_WEIGHTS * WARP);
  w.weights = w.own + OWN_ROWS * args.D;
  return w;
}

template <class X>
__device__ __forceinline__ const X* dout_row(const Arguments& args, int64_t n, int head) {
  return static_cast<const X*>(args.dout) + n * args.H() + head * args.D;
}

template <class X>
__device__ __forceinline__ void load_row(const Warp& w, int D, float* own, const X* row) {
  for (int d = w.lane; d < D; d += WARP) own[d] = to_float(row[d]);
}

template <class X>
__device__ __forceinline__ void store_row(const Warp& w, int D, X* row, const float* own, float factor) {
  for (int d = w.lane; d < D; d += WARP) row[d] = from_float<X>(own[d] * factor);
}

__device__ __forceinline__ void clear_row(const Warp& w, int D, float* own) {
  for (int d = w.lane; d < D; d += WARP) own[d] = 0.f;
}

template <class X>
__device__ __forceinline__ float dot(int D, const float* own, const X* row) {
  float sum = 0.f;
  for (int d = 0; d < D; ++d) sum = fmaf(own[d], to_float(row[d]), sum);
  return sum;
}

// own = own * factor + sum over `count` rows, `stride` apart, of weight * row
template <class X>
__device__ __forceinline__ void add_weighted_rows(const Warp& w, int D, float* own, float factor, const float* weights, const X* rows, int64_t stride,
                                                  int count) {
  for (int d = w.lane; d < D; d += WARP) {
    float sum = own[d] * factor;
    for (int i = 0; i < count; ++i) sum = fmaf(weights[i], to_float(rows[i * stride + d]), sum);
    own[d] = sum;
  }
}

__device__ __forceinline__ bool keeps(const Arguments& args, int64_t query, int head, int key) {
  return args.dropout.threshold == 0 || (keep_bits(args, query, head, key / 8) >> key % 8 & 1) != 0;
}

template <class X>
__global__ void __launch_bounds__(THREADS) attention_forward_plain_kernel(const Arguments args) {
  extern __shared__ float shared[];
  const Warp w = this_warp(args, shared);
  if (w.row < 0) return;
  const int D = args.D, length = w.sequence.length;
  float *query = w.own, *out = w.own + D;
  load_row(w, D, query, qkv_rows<X>(args, w.n, 0, w.head));
  clear_row(w, D, out);
  float largest = -INFINITY, sum = 0.f;
  for (int from = 0; from < length; from += WARP) {
    __syncwarp();
    const int key = from + w.lane;
    const float score = key < length ? args.scale * dot(D, query, qkv_rows<X>(args, w.sequence.first + key, 1, w.head)) : -INFINITY;
    const float new_largest = fmaxf(largest, warp_max(score)), correction = exponential(largest - new_largest);
    const float p = exponential(score - new_largest);
    largest = new_largest;
    sum = sum * correction + warp_sum(p);
    w.weights[w.lane] = keeps(args, w.n, w.head, key) ? p : 0.f;
    __syncwarp();
    add_weighted_rows(w, D, out, correction, w.weights, qkv_rows<X>(args, w.sequence.first + from, 2, w.head), 3 * args.H(),
                      min(WARP, length - from));
  }
  store_row(w, D, static_cast<X*>(args.out) + w.n * args.H() + w.head * D, out, args.dropout.scale / sum);
  if (args.lse != nullptr && w.lane == 0) args.lse[static_cast<int64_t>(w.head) * args.N + w.n] = largest + logf(sum);
}

template <class X>
__global__ void __launch_bounds__(THREADS) attention_backward_queries_plain_kernel(const Arguments args) {
  extern __shared__ float shared[];
  const Warp w = this_warp(args, shared);
  if (w.row < 0) return;
  const int D = args.D, length = w.sequence.length;
  const int64_t statistic = static_cast<int64_t>(w.head) * args.N + w.n;
  float *query = w.own, *dout = w.own + D, *dq = w.own + 2 * D;
  load_row(w, D, query, qkv_rows<X>(args, w.n, 0, w.head));
  load_row(w, D, dout, dout_row<X>(args, w.n, w.head));
  clear_row(w, D, dq);
  const float lse = args.lse[statistic];
  // p and m dp of the lane's key
  const auto gradients_at = [&](int key, float& p, float& dp) {
    p = dp = 0.f;
    if (key >= length) return;
    p = exponential(fmaf(dot(D, query, qkv_rows<X>(args, w.sequence.first + key, 1, w.head)), args.scale, -lse));
    if (keeps(args, w.n, w.head, key)) dp = dot(D, dout, qkv_rows<X>(args, w.sequence.first + key, 2, w.head)) * args.dropout.scale;
  };
  __syncwarp();
  // Divided by the sum of p: where scores reach the hundreds, lse is rounded to 1e-5, and p does not sum to 1.
  float delta = 0.f, sum = 0.f, p, dp;
  for (int from = 0; from < length; from += WARP) {
    gradients_at(from + w.lane, p, dp);
    delta = fmaf(p, dp, delta);
    sum += p;
  }
  delta = warp_sum(delta) / warp_sum(sum);
  if (w.lane == 0) args.delta[statistic] = delta;
  for (int from = 0; from < length; from += WARP) {
    __syncwarp();
    gradients_at(from + w.lane, p, dp);
    w.weights[w.lane] = p * (dp - delta);
    __syncwarp();
    add_weighted_rows(w, D, dq, 1.f, w.weights, qkv_rows<X>(args, w.sequence.first + from, 1, w.head), 3 * args.H(), min(WARP, length - from));
  }
  store_row(w, D, static_cast<X*>(args.dqkv) + w.n * 3 * args.H() + w.head * D, dq, args.scale);
}

template <class X>
__global__ void __launch_bounds__(THREADS) attention_backward_keys_plain_kernel(const Arguments args) {
  extern __shared__ float shared[];
  const Warp w = this_warp(args, shared);
  if (w.row < 0) return;
  const int D = args.D, length = w.sequence.length;
  float *key = w.own, *value = w.own + D, *dk = w.own + 2 * D, *dv = w.own + 3 * D;
  float *kept = w.weights, *ds = w.weights + WARP;
  load_row(w, D, key, qkv_rows<X>(args, w.n, 1, w.head));
  load_row(w, D, value, qkv_rows<X>(args, w.n, 2, w.head));
  clear_row(w, D, dk);
  clear_row(w, D, dv);
  for (int from = 0; from < length; from += WARP) {
    __syncwarp();
    const int64_t query = w.sequence.first + from + w.lane;
    kept[w.lane] = ds[w.lane] = 0.f;
    if (from + w.lane < length) {
      const int64_t statistic = static_cast<int64_t>(w.head) * args.N + query;
      const float p = exponential(fmaf(dot(D, key, qkv_rows<X>(args, query, 0, w.head)), args.scale, -args.lse[statistic]));
      const float dp = dot(D, value, dout_row<X>(args, query, w.head)) * args.dropout.scale;
      const bool keep = keeps(args, query, w.head, w.row);
      kept[w.lane] = keep ? p : 0.f;
      ds[w.lane] = p * ((keep ? dp : 0.f) - args.delta[statistic]);
    }
    __syncwarp();
    const int count = min(WARP, length - from);
    const int64_t first = w.sequence.first + from;
    add_weighted_rows(w, D, dk, 1.f, ds, qkv_rows<X>(args, first, 0, w.head), 3 * args.H(), count);
    add_weighted_rows(w, D, dv, 1.f, kept, dout_row<X>(args, first, w.head), args.H(), count);
  }
  X* row = static_cast<X*>(args.dqkv) + w.n * 3 * args.H() + w.head * D;
  store_row(w, D, row + args.H(), dk, args.scale);
  store_row(w, D, row + 2 * args.H(), dv, args.dropout.scale);
}

template <class X>
__global__ void __launch_bounds__(THREADS) attention_probabilities_kernel(const Arguments args) {
  extern __shared__ float shared[];
  const Warp w = this_warp(args, shared);
  const int64_t length = w.sequence.length;
  int64_t before = 0;  // the squares of the sequences before this one
  for (int b = w.lane; b < static_cast<int>(blockIdx.x); b += WARP) {
    const int64_t other = args.cu_seqlens[b + 1] - args.cu_seqlens[b];
    before += other * other;
  }
#pragma unroll
  for (int offset = WARP / 2; offset > 0; offset /= 2) before += __shfl_xor_sync(0xFFFFFFFFu, before, offset);
  const int64_t end = before + length * length;
  if (end > args.squares || (static_cast<int>(blockIdx.x) + 1 == args.B && end != args.squares)) {
    if (args.error != nullptr && w.lane == 0) atomicCAS(args.error, INDEX_OK, INDEX_CU_SEQLENS);
    return;
  }
  if (w.row < 0) return;
  float* row = args.probabilities + w.head * args.squares + before + w.row * length;
  load_row(w, args.D, w.own, qkv_rows<X>(args, w.n, 0, w.head));
  __syncwarp();
  float largest = -INFINITY, sum = 0.f;
  for (int key = w.lane; key < length; key += WARP) {
    const float score = args.scale * dot(args.D, w.own, qkv_rows<X>(args, w.sequence.first + key, 1, w.head));
    row[key] = score;
    largest = fmaxf(largest, score);
  }
  largest = warp_max(largest);
  for (int key = w.lane; key < length; key += WARP) sum += exponential(row[key] - largest);
  sum = warp_sum(sum);
  for (int key = w.lane; key < length; key += WARP) row[key] = exponential(row[key] - largest) / sum;
}

// A warp for every row of every sequence, four to a block where shared memory allows.
cudaError_t launch_plain(const Launch& launch, const Arguments& args, void (*kernel)(Arguments)) {
  constexpr size_t SHARED_LIMIT = 48 * 1024;
  const size_t bytes = (OWN_ROWS * args.D + OWN_WEIGHTS * WARP) * sizeof(float);
  const int warps = 4 * bytes <= SHARED_LIMIT ? 4 : 1;
  if (warps * bytes > SHARED_LIMIT) return cudaErrorInvalidValue;
  const dim3 grid(args.B, args.A, static_cast<unsigned>(ceil_div(args.max_seqlen, warps)));
  kernel<<<grid, warps * WARP, warps * bytes, launch.stream>>>(args);
  return cudaGetLastError();
}

}  // namespace

template <class X>
cudaError_t forward_plain(const Launch& launch, const Arguments& args) {
  return launch_plain(launch, args, attention_forward_plain_kernel<X>);
}

template <class X>
cudaError_t backward_plain(const Launch& launch, const Arguments& args) {
  const cudaError_t status = launch_plain(launch, args, attention_backward_queries_plain_kernel<X>);
  return status != cudaSuccess ? status : launch_plain(launch, args, attention_backward_keys_plain_kernel<X>);
}

template cudaError_t forward_plain<float>(const Launch&, const Arguments&);
template cudaError_t forward_plain<__nv_bfloat16>(const Launch&, const Arguments&);
template cudaError_t forward_plain<__half>(const Launch&, const Arguments&);
template cudaError_t backward_plain<float>(const Launch&, const Arguments&);
template cudaError_t backward_plain<__nv_bfloat16>(const Launch&, const Arguments&);
template cudaError_t backward_plain<__half>(const Launch&, const Arguments&);

}  // namespace attention

cudaError_t attention_probabilities(const Launch& launch, DType type, const AttentionShape& shape, const void* qkv, const int32_t* cu_seqlens,
                                    float* probabilities, int64_t squares) {
  attention::Arguments args = attention::arguments_of(launch, shape, qkv, cu_seqlens, Dropout{});
  args.probabilities = probabilities;
  args.squares = squares;
  if (attention::is_empty(args)) return cudaSuccess;
  return dispatch(type, [&](auto x) { return attention::launch_plain(launch, args, attention::attention_probabilities_kernel<decltype(x)>); });
}

}  // namespace node_bert::cuda
