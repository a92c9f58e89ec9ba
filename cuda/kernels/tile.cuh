// Tiles in shared memory: rows of COLUMNS elements of X, in chunks of 16 bytes that are swizzled so that no access meets a bank twice.
//
// Shared memory answers 128 bytes at once, one 4-byte word a bank. ldmatrix wants the *same* chunk of 8 neighbouring rows: laid out plainly, with rows of
// 128 bytes, these 8 chunks lie in the same 4 banks and take 8 turns. So chunk c of row r is stored in place c ^ (r % 8): the 8 rows' chunks then lie in
// 8 different groups of 4 banks. Rows of 64 bytes share 128 bytes in pairs, and the pair's number takes the place of r.
#pragma once

#include "cp_async.cuh"

namespace node_bert::cuda {

template <class X, int COLUMNS>
struct Tile {
  static constexpr int PER_CHUNK = 16 / sizeof(X);            // elements
  static constexpr int CHUNKS = COLUMNS / PER_CHUNK;          // of a row
  static constexpr int K_STEPS = COLUMNS / K_STEP<X>;         // fragments along a row
  static constexpr int ROW_BYTES = COLUMNS * sizeof(X);
  static_assert(CHUNKS >= 4 && (CHUNKS & (CHUNKS - 1)) == 0);

  // In bytes from the tile's beginning.
  static __device__ __forceinline__ int offset(int row, int chunk) {
    constexpr int ROWS_OF_A_LINE = CHUNKS < 8 ? 8 / CHUNKS : 1, MASK = CHUNKS < 8 ? CHUNKS - 1 : 7;
    return row * ROW_BYTES + (chunk ^ (row / ROWS_OF_A_LINE & MASK)) * 16;
  }

  // Starts copying `ROWS` rows, `stride` elements apart, by all THREADS of the block; rows from `valid` on become 0.
  template <int ROWS, int THREADS>
  static __device__ __forceinline__ void copy_rows(unsigned char* tile, const X* rows, int64_t stride, int valid) {
    static_assert(ROWS * CHUNKS % THREADS == 0);
#pragma unroll
    for (int i = 0; i < ROWS * CHUNKS / THREADS; ++i) {
      const int index = i * THREADS + threadIdx.x, row = index / CHUNKS, chunk = index % CHUNKS;
      copy_async_16(tile + offset(row, chunk), rows + row * stride + chunk * PER_CHUNK, row < valid);
    }
  }

  // The left operand of k step `step` whose rows are the 16 from `row` on; k runs along them.
  static __device__ __forceinline__ void load_left(uint32_t (&words)[4], const unsigned char* tile, int row, int step) {
    const int lane = threadIdx.x % WARP, matrix = lane / 8;
    load_matrices(words, shared_address(tile) + offset(row + matrix % 2 * 8 + lane % 8, 2 * step + matrix / 2));
  }

  // The right operands of k step `step` of 8 columns each: words 0, 1 the rows from `row` on, words 2, 3 the 8 after them; k runs along the rows.
  static __device__ __forceinline__ void load_right(uint32_t (&words)[4], const unsigned char* tile, int row, int step) {
    const int lane = threadIdx.x % WARP, matrix = lane / 8;
    load_matrices(words, shared_address(tile) + offset(row + matrix / 2 * 8 + lane % 8, 2 * step + matrix % 2));
  }

  // The right operands where k runs down the rows, from `row` on: words 0, 1 for columns column .. column + 7, words 2, 3 for the next 8.
  // In f32 the rows of a k step are taken in the order 0 2 4 6 1 3 5 7, the order in which sums hold their columns (see left_of_sums); the left
  // operand must do the same.
  static __device__ __forceinline__ void load_right_transposed(uint32_t (&words)[4], const unsigned char* tile, int row, int column) {
    const int lane = threadIdx.x % WARP;
    if constexpr (std::is_same_v<X, float>) {
      const int g = lane / 4, t = lane % 4;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at = column + i / 2 * 8 + g;
        words[i] = *reinterpret_cast<const uint32_t*>(tile + offset(row + 2 * t + i % 2, at / 4) + at % 4 * 4);
      }
    } else {
      const int matrix = lane / 8;
      load_matrices_transposed(words, shared_address(tile) + offset(row + matrix % 2 * 8 + lane % 8, column / 8 + matrix / 2));
    }
  }

  // The left operand where k runs down the rows, from `row` on: the 16 columns from `column`. Rows in the same order as above.
  static __device__ __forceinline__ void load_left_transposed(uint32_t (&words)[4], const unsigned char* tile, int row, int column) {
    const int lane = threadIdx.x % WARP;
    if constexpr (std::is_same_v<X, float>) {
      const int g = lane / 4, t = lane % 4;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at = column + i % 2 * 8 + g;
        words[i] = *reinterpret_cast<const uint32_t*>(tile + offset(row + 2 * t + i / 2, at / 4) + at % 4 * 4);
      }
    } else {
      const int matrix = lane / 8;
      load_matrices_transposed(words, shared_address(tile) + offset(row + matrix / 2 * 8 + lane % 8, column / 8 + matrix % 2));
    }
  }

  // Two neighbouring elements, at an even column.
  static __device__ __forceinline__ void store_pair(unsigned char* tile, int row, int column, float first, float second) {
    unsigned char* p = tile + offset(row, column / PER_CHUNK) + column % PER_CHUNK * sizeof(X);
    if constexpr (std::is_same_v<X, float>) *reinterpret_cast<float2*>(p) = {first, second};
    else *reinterpret_cast<uint32_t*>(p) = pack_floats<X>(first, second);
  }
};

// Sums become the left operand of the next product without leaving their registers: in 16 bits the 16 columns of two neighbouring sums, which already lie
// where a left operand wants them; in f32 the 8 columns of one, in the order 0 2 4 6 1 3 5 7.
template <class X, int TILES>
__device__ __forceinline__ LeftOperand<X> left_of_sums(const float (&c)[TILES][4], int step) {
  uint32_t words[4];
  if constexpr (std::is_same_v<X, float>) {
    words[0] = __float_as_uint(c[step][0]);
    words[1] = __float_as_uint(c[step][2]);
    words[2] = __float_as_uint(c[step][1]);
    words[3] = __float_as_uint(c[step][3]);
  } else {
    words[0] = pack_floats<X>(c[2 * step][0], c[2 * step][1]);
    words[1] = pack_floats<X>(c[2 * step][2], c[2 * step][3]);
    words[2] = pack_floats<X>(c[2 * step + 1][0], c[2 * step + 1][1]);
    words[3] = pack_floats<X>(c[2 * step + 1][2], c[2 * step + 1][3]);
  }
  return LeftOperand<X>(words);
}

}  // namespace node_bert::cuda
