// y = activation(x W^T + b) in 8 bits with the VNNI instructions: what follows the sums happens before they leave the core. oneDNN's
// product writes 32-bit sums that another sweep has to read again.
// W lies in panels of kInt8Columns output channels, [panel][K / 4][column][4], so that a register of weights meets one word of a row.
// A block of rows is quantized and multiplied with all panels while it is in L2; a tile of its rows stays in registers along K.
#include <omp.h>

#include "activation_functions.h"
#include "declare.h"
#include "int8_row.h"
#include "node_bert/backend.h"

namespace node_bert::cpu::NB_KERNELS {

#if defined(__AVX512VNNI__)

namespace {

constexpr int kVectors = kInt8Columns / W;
constexpr int kTileRows = 12;  // 24 sums, 2 registers of weights and a word of x: of 32 registers

NB_INLINE F load_columns(const float* p, int64_t left) { return left > 0 ? load(p, left) : F{}; }
NB_INLINE I load_columns(const int32_t* p, int64_t left) { return (I)load_columns((const float*)p, left); }

// out = q (kRows, depth) times a panel, less the offsets: exact.
template <int kRows>
NB_INLINE void multiply_tile(const uint8_t* q, int64_t depth, const int8_t* panel, const I (&offsets)[kVectors],
                             I (&out)[kRows][kVectors]) {
  I sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) sums[i][j] = -offsets[j];
  }
  // A pointer for each four rows, which the compiler is not to take apart: twelve offsets do not fit the general registers.
  constexpr int kPointers = (kRows + 3) / 4;
  const uint8_t* rows[kPointers];
  int64_t three_rows = 3 * depth;
  asm("" : "+r"(three_rows));
#pragma GCC unroll 16
  for (int i = 0; i < kPointers; ++i) {
    rows[i] = q + i * 4 * depth;
    asm("" : "+r"(rows[i]));
  }
  for (int64_t k = 0; k < depth; k += 4) {
    __m512i weights[kVectors];
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) weights[j] = _mm512_load_si512(panel + j * 4 * W);
    panel += 4 * kInt8Columns;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      int32_t word;
      memcpy(&word, rows[i / 4] + (i % 4 == 3 ? three_rows : i % 4 * depth), sizeof(word));
      const __m512i factor = _mm512_set1_epi32(word);
#pragma GCC unroll 16
      for (int j = 0; j < kVectors; ++j) sums[i][j] = (I)_mm512_dpbusd_epi32((__m512i)sums[i][j], factor, weights[j]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kPointers; ++i) rows[i] += 4;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) out[i][j] = sums[i][j];
  }
}

// The columns of a panel, of which `left` exist.
NB_INLINE void store_columns(float* y, const F (&values)[kVectors], int64_t left) {
#pragma GCC unroll 16
  for (int j = 0; j < kVectors; ++j) {
    if (left > j * W) store(y + j * W, values[j], left - j * W);
  }
}
// Results below the normal range may become 0.
NB_INLINE void store_columns(bf16* y, const F (&values)[kVectors], int64_t left) {
  static_assert(kVectors == 2);
  const __m512i narrow = (__m512i)_mm512_cvtne2ps_pbh((__m512)values[1], (__m512)values[0]);
  if (__builtin_expect(left >= kInt8Columns, 1)) _mm512_storeu_si512(y, narrow);
  else _mm512_mask_storeu_epi16(y, (1u << left) - 1u, narrow);
}

template <class X>
struct Block {
  const uint8_t* q;  // (rows, depth)
  const float* scales;
  X* y;  // (rows, M)
  int64_t rows;
};

template <class X, class Function>
struct Panels {
  const Int8Weight& weight;
  int64_t depth, count;

  explicit Panels(const Int8Weight& w) : weight(w), depth(int8_depth(w.K)), count((w.M + kInt8Columns - 1) / kInt8Columns) {}

  // The columns of one panel.
  void multiply(const Block<X>& block, int64_t panel) const {
    const int8_t* weights = weight.panels + panel * kInt8Columns * depth;
    int64_t row = 0;
    for (; row + kTileRows <= block.rows; row += kTileRows) tile<kTileRows>(block, panel, weights, row);
    if (row + 8 <= block.rows) tile<8>(block, panel, weights, row), row += 8;
    if (row + 4 <= block.rows) tile<4>(block, panel, weights, row), row += 4;
    if (row + 2 <= block.rows) tile<2>(block, panel, weights, row), row += 2;
    if (row < block.rows) tile<1>(block, panel, weights, row);
  }

 private:
  template <int kRows>
  void tile(const Block<X>& block, int64_t panel, const int8_t* weights, int64_t row) const {
    const int64_t first = panel * kInt8Columns, left = weight.M - first;
    I offsets[kVectors];
    F scales[kVectors], biases[kVectors];
    for (int j = 0; j < kVectors; ++j) {
      const int64_t column = first + j * W;
      offsets[j] = load_columns(weight.offsets + column, left - j * W);
      scales[j] = load_columns(weight.scales + column, left - j * W);
      biases[j] = weight.bias != nullptr ? load_columns(weight.bias + column, left - j * W) : F{};
    }
    X* y = block.y + row * weight.M + first;
    const float* row_scales = block.scales + row;
    I sums[kRows][kVectors];
    // The lines of y come while the tile is multiplied: waiting for them costs up to 4 % (benchmarks/kernels/profile.mjs).
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) __builtin_prefetch(y + i * weight.M, 1);
    multiply_tile<kRows>(block.q + row * depth, depth, weights, offsets, sums);
    for (int i = 0; i < kRows; ++i) {
      F values[kVectors];
      for (int j = 0; j < kVectors; ++j)
        values[j] = Function::value(__builtin_convertvector(sums[i][j], F) * (scales[j] * row_scales[i]) + biases[j]);
      store_columns(y, values, left);
      y += weight.M;
    }
  }
};

// Each thread takes an equal share of the rows, and quantizes a block of them at a time.
template <class X, class Function>
void linear_by_rows(const Int8Linear& args, const Panels<X, Function>& product, int64_t thread, int64_t threads) {
  const int64_t M = args.weight.M, K = args.weight.K, depth = product.depth;
  const X* x = static_cast<const X*>(args.x);
  X* y = static_cast<X*>(args.y);
  uint8_t* q = args.q + thread * kInt8Rows * depth;
  float* scales = args.row_scales + thread * kInt8Rows;
  const int64_t end = args.N * (thread + 1) / threads;
  for (int64_t first = args.N * thread / threads; first < end; first += kInt8Rows) {
    const int64_t rows = smaller(kInt8Rows, end - first);
    for (int64_t i = 0; i < rows; ++i) scales[i] = quantize_token(x + (first + i) * K, K, q + i * depth);
    for (int64_t panel = 0; panel < product.count; ++panel) product.multiply({q, scales, y + first * M, rows}, panel);
  }
}

// Where there are few rows: quantized beforehand, then a task is a block of them with a part of the panels.
template <class X, class Function>
void linear_by_panels(const Int8Linear& args, const Panels<X, Function>& product, int64_t threads) {
  const int64_t N = args.N, M = args.weight.M, K = args.weight.K, depth = product.depth;
  const X* x = static_cast<const X*>(args.x);
  X* y = static_cast<X*>(args.y);
  const int64_t tiles = (N + kTileRows - 1) / kTileRows, most = kInt8Rows / kTileRows, least_blocks = (tiles + most - 1) / most;
  const int64_t height = (tiles + least_blocks - 1) / least_blocks * kTileRows, blocks = (N + height - 1) / height;
  const int64_t parts = smaller(product.count, 4 * threads);
#pragma omp for schedule(static)
  for (int64_t n = 0; n < N; ++n) args.row_scales[n] = quantize_token(x + n * K, K, args.q + n * depth);
#pragma omp for schedule(static)
  for (int64_t task = 0; task < parts * blocks; ++task) {
    const int64_t part = task / blocks, first = task % blocks * height, rows = smaller(height, N - first);
    const Block<X> block{args.q + first * depth, args.row_scales + first, y + first * M, rows};
    for (int64_t panel = product.count * part / parts; panel < product.count * (part + 1) / parts; ++panel)
      product.multiply(block, panel);
  }
}

template <class X, class Function>
void linear(const Int8Linear& args, int threads) {
  const Panels<X, Function> product(args.weight);
  const bool few = int8_few_rows(args.N, threads);
#pragma omp parallel num_threads(threads) if (args.N * args.weight.M * args.weight.K > 32768)
  {
    if (few) linear_by_panels(args, product, omp_get_num_threads());
    else linear_by_rows(args, product, omp_get_thread_num(), omp_get_num_threads());
  }
}

template <class X>
void linear(const Int8Linear& args, int threads) {
  switch (args.activation) {
    case NB_ACTIVATION_GELU: return linear<X, typename GeluFor<X>::Function>(args, threads);
    case NB_ACTIVATION_TANH: return linear<X, Tanh>(args, threads);
    case NB_ACTIVATION_RELU: return linear<X, Relu>(args, threads);
    default: return linear<X, Identity>(args, threads);
  }
}

}  // namespace

void int8_pack(const int8_t* q, int8_t* panels, int64_t M, int64_t K, int threads) {
  const int64_t depth = int8_depth(K), count = (M + kInt8Columns - 1) / kInt8Columns;
#pragma omp parallel for num_threads(threads) schedule(static) if (M * K > 16384)
  for (int64_t panel = 0; panel < count; ++panel) {
    int8_t* to = panels + panel * kInt8Columns * depth;
    memset(to, 0, static_cast<size_t>(kInt8Columns * depth));
    for (int64_t column = 0; column < smaller(kInt8Columns, M - panel * kInt8Columns); ++column) {
      const int8_t* row = q + (panel * kInt8Columns + column) * K;
      for (int64_t k = 0; k < K; k += 4)
        memcpy(to + k * kInt8Columns + column * 4, row + k, static_cast<size_t>(smaller<int64_t>(4, K - k)));
    }
  }
}

void int8_linear(Type type, const Int8Linear& args, int threads) {
  type == Type::bf16 ? linear<bf16>(args, threads) : linear<float>(args, threads);
}

#endif

}  // namespace node_bert::cpu::NB_KERNELS
