// y = dropout(LayerNorm(word[id] + position[pos] + type[tt])) (BertEmbeddings), and its gradient.
//
//   forward   ids, positions, types (N); word (V, H), position (P, H), type (T, H) -> y (N, H), mean, rstd (N)
//   backward  dy (N, H) -> dword, dposition, dtype (as the tables), dgamma, dbeta (H), all +=
//
// Memory traffic: forward reads three table rows a token and writes y; backward gathers the rows again instead of keeping their sum, writes dz (N, H) in
// float, and scatter.cuh adds that to the three tables: deterministic, and only rows that occur are touched, not all V.
// The convention a reader would get wrong: tables and their gradients are float whatever X is, and dropout is the last thing forward does, so here it is
// the first in backward (add_layer_norm.cu has it the other way round).
#include "column_sums.cuh"
#include "norm_row.cuh"
#include "scatter.cuh"

namespace node_bert::cuda {
namespace {

// The sum of a token's three table rows.
struct TokenRows {
  const float *word, *position, *type;

  __device__ TokenRows(const EmbeddingTables& tables, int64_t n, int* error)
      : word(tables.word + checked_index(tables.ids[n], tables.V, INDEX_TOKEN_ID, error) * tables.H),
        position(tables.position + checked_index(tables.positions[n], tables.P, INDEX_POSITION, error) * tables.H),
        type(tables.type + checked_index(tables.types[n], tables.T, INDEX_TOKEN_TYPE, error) * tables.H) {}

  __device__ Chunk sum(int64_t column, int64_t left, bool vectorized) const {
    Chunk sum = load_chunk(word + column, left, vectorized);
    const Chunk a = load_chunk(position + column, left, vectorized), b = load_chunk(type + column, left, vectorized);
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) sum.at[i] = sum.at[i] + a.at[i] + b.at[i];
    return sum;
  }
};

template <class X, int WARPS, int CHUNKS>
__global__ void __launch_bounds__(NormRow<WARPS, CHUNKS>::THREADS)
    embeddings_forward_kernel(EmbeddingTables tables, const float* gamma, const float* beta, X* y, float* mean, float* rstd, float eps,
                              DropoutMask mask, bool vectorized, int* error) {
  __shared__ float shared[WARPS];
  using Row = NormRow<WARPS, CHUNKS>;
  const Row row{static_cast<int>(tables.H), shared};
  const int64_t n = Row::team();
  if (n >= tables.N) return;
  const TokenRows rows(tables, n, error);
  Chunk z[CHUNKS];
#pragma unroll
  for (int k = 0; k < CHUNKS; ++k) z[k] = rows.sum(row.column(k), row.left(k), vectorized);
  const auto moments = row.moments(z, eps);
  if (threadIdx.x % Row::TEAM == 0) {
    mean[n] = moments.mean;
    rstd[n] = moments.rstd;
  }
#pragma unroll
  for (int k = 0; k < CHUNKS; ++k) {
    row.normalize(z[k], k, moments, gamma, beta, vectorized);
    if (row.left(k) > 0) mask.apply(z[k], n, row.chunk(k));
    store_chunk(y + n * tables.H + row.column(k), z[k], row.left(k), vectorized);
  }
}

// dz (N, H) and the groups' parts of dgamma and dbeta.
template <class X, int WARPS, int CHUNKS>
__global__ void __launch_bounds__(NormRow<WARPS, CHUNKS>::THREADS)
    embeddings_backward_kernel(EmbeddingTables tables, const float* gamma, const float* mean, const float* rstd, const X* dy, float* dz,
                               float* partials, int64_t group_rows, DropoutMask mask, bool vectorized, int* error) {
  __shared__ float shared[WARPS];
  using Row = NormRow<WARPS, CHUNKS>;
  const int64_t N = tables.N, H = tables.H;
  const Row row{static_cast<int>(H), shared};
  const int64_t group = blockIdx.x;
  Chunk dgamma[CHUNKS] = {}, dbeta[CHUNKS] = {};
  const int64_t end = min(N, (group + 1) * group_rows);
  for (int64_t n = group * group_rows + threadIdx.x / Row::TEAM; n < end; n += Row::TEAMS) {
    const TokenRows rows(tables, n, error);
    Chunk z[CHUNKS], gradient[CHUNKS];
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
      z[k] = rows.sum(row.column(k), row.left(k), vectorized);
      gradient[k] = load_chunk(dy + n * H + row.column(k), row.left(k), vectorized);
      if (row.left(k) > 0) mask.apply(gradient[k], n, row.chunk(k));
    }
    row.backward(z, gradient, {mean[n], rstd[n]}, gamma, dgamma, dbeta, vectorized);
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) store_chunk(dz + n * H + row.column(k), gradient[k], row.left(k), vectorized);
  }
  row.store_partials(partials + group * 2 * H, dgamma, dbeta, vectorized);
}

// Where the parts of embeddings_backward's workspace begin, in elements of 4 bytes; each at a multiple of 16 bytes.
struct Workspace {
  int64_t partials, pieces, keys, tokens, size;  // dz (N, H) is at 0
  int64_t pieces_stride, tokens_stride;          // from one table's to the next

  Workspace(int64_t N, int64_t H) {
    const auto rounded = [](int64_t count) { return ceil_div(count, 4) * 4; };
    tokens_stride = rounded(N);
    pieces_stride = rounded(ceil_div(N, PIECE) * 2 * H);
    partials = rounded(N * H);
    pieces = partials + rounded(norm_groups(N) * 2 * H);
    keys = pieces + 3 * pieces_stride;
    tokens = keys + 3 * tokens_stride;
    size = tokens + 3 * tokens_stride;
  }
};

cudaError_t scatter_tables(const Launch& launch, const EmbeddingTables& tables, float* dword, float* dposition, float* dtype, float* workspace,
                           bool vectorized) {
  const int64_t N = tables.N, H = tables.H;
  const Workspace at(N, H);
  const Scatter wanted[3] = {{tables.ids, dword, tables.V}, {tables.positions, dposition, tables.P}, {tables.types, dtype, tables.T}};
  Scatter scatters[3] = {};
  unsigned count = 0;
  for (const Scatter& scatter : wanted) {
    if (scatter.gradient == nullptr) continue;
    scatters[count] = scatter;
    scatters[count].keys = reinterpret_cast<int32_t*>(workspace + at.keys + count * at.tokens_stride);
    scatters[count].tokens = reinterpret_cast<int32_t*>(workspace + at.tokens + count * at.tokens_stride);
    scatters[count].partials = workspace + at.pieces + count * at.pieces_stride;
    ++count;
  }
  if (count == 0) return cudaSuccess;
  const Scatters all{scatters[0], scatters[1], scatters[2]};
  const dim3 ranks(ceil_div(N, RANK_THREADS), 1, count);
  const dim3 pieces(ceil_div(N, PIECE * (SCATTER_THREADS / WARP)), ceil_div(H, WARP * CHUNK), count);
  scatter_rank_kernel<<<ranks, RANK_THREADS, 0, launch.stream>>>(all, N);
  scatter_pieces_kernel<<<pieces, SCATTER_THREADS, 0, launch.stream>>>(all, workspace, N, H, vectorized);
  if (N > PIECE) scatter_joints_kernel<<<pieces, SCATTER_THREADS, 0, launch.stream>>>(all, N, H, vectorized);
  return cudaGetLastError();
}

}  // namespace

cudaError_t embeddings_forward(const Launch& launch, DType type, const EmbeddingTables& tables, const float* gamma, const float* beta, void* y,
                               float* mean, float* rstd, float eps, const Dropout& dropout) {
  const int64_t N = tables.N, H = tables.H;
  if (N == 0 || H == 0) return cudaSuccess;
  const bool vectorized = can_vectorize(H, tables.word, tables.position, tables.type, gamma, beta, y);
  return dispatch_norm_row(H, [&]<int WARPS, int CHUNKS>(NormRow<WARPS, CHUNKS>) {
    return dispatch(type, [&](auto tag) {
      using X = decltype(tag);
      const unsigned blocks = ceil_div(N, NormRow<WARPS, CHUNKS>::TEAMS);
      embeddings_forward_kernel<X, WARPS, CHUNKS><<<blocks, NormRow<WARPS, CHUNKS>::THREADS, 0, launch.stream>>>(
          tables, gamma, beta, static_cast<X*>(y), mean, rstd, eps, DropoutMask(dropout), vectorized, launch.error);
      return cudaGetLastError();
    });
  });
}

cudaError_t embeddings_backward(const Launch& launch, DType type, const EmbeddingTables& tables, const float* gamma, const float* mean,
                                const float* rstd, const void* dy, float* dword, float* dposition, float* dtype, float* dgamma, float* dbeta,
                                const Dropout& dropout, void* workspace) {
  const int64_t N = tables.N, H = tables.H;
  if (N == 0 || H == 0) return cudaSuccess;
  if (N > INT32_MAX) return cudaErrorInvalidValue;
  float* dz = static_cast<float*>(workspace);
  float* partials = dz + Workspace(N, H).partials;
  const bool vectorized =
      can_vectorize(H, tables.word, tables.position, tables.type, gamma, dy, dword, dposition, dtype, workspace);
  const cudaError_t rows = dispatch_norm_row(H, [&]<int WARPS, int CHUNKS>(NormRow<WARPS, CHUNKS>) {
    return dispatch(type, [&](auto tag) {
      using X = decltype(tag);
      embeddings_backward_kernel<X, WARPS, CHUNKS><<<norm_groups(N), NormRow<WARPS, CHUNKS>::THREADS, 0, launch.stream>>>(
          tables, gamma, mean, rstd, static_cast<const X*>(dy), dz, partials, norm_group_rows(N), DropoutMask(dropout), vectorized, launch.error);
      return cudaGetLastError();
    });
  });
  if (rows != cudaSuccess) return rows;
  const cudaError_t sums = add_column_sums(launch, partials, norm_groups(N), 2 * H, dgamma, H, dbeta);
  return sums != cudaSuccess ? sums : scatter_tables(launch, tables, dword, dposition, dtype, dz, vectorized);
}

size_t embeddings_backward_workspace(int64_t N, int64_t H) { return Workspace(N, H).size * sizeof(float); }

}  // namespace node_bert::cuda
