// Sums run over k in order, in float, one rounding at the end: what a naive product in the same precision does.
#include "cublas_emulated/product.h"

#include <cstring>
#include <vector>

#include "cublas_emulated/services.h"

namespace node_bert::cublas_emulated {
namespace {

float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t float_to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// The top `kept` bits of a float, rounded to nearest, ties to even. A NaN stays one.
uint32_t rounded_bits(float value, int kept) {
  const uint32_t bits = float_to_bits(value), dropped = 32 - kept;
  if (value != value) return bits | 0x400000u;
  return (bits + (1u << (dropped - 1)) - 1 + ((bits >> dropped) & 1u)) >> dropped << dropped;
}

template <Type TYPE>
struct Element;

template <>
struct Element<Type::f32> {
  using Stored = float;
  static float load(float value) { return value; }
  static float store(float value) { return value; }
};

template <>
struct Element<Type::bf16> {
  using Stored = uint16_t;
  static float load(uint16_t bits) { return bits_to_float(uint32_t{bits} << 16); }
  static uint16_t store(float value) { return static_cast<uint16_t>(rounded_bits(value, 16) >> 16); }
};

template <>
struct Element<Type::f16> {
  using Stored = _Float16;
  static float load(_Float16 value) { return static_cast<float>(value); }
  static _Float16 store(float value) { return static_cast<_Float16>(value); }
};

template <class Visit>
void with_type(Type type, Visit visit) {
  switch (type) {
    case Type::f32: return visit(Element<Type::f32>{});
    case Type::bf16: return visit(Element<Type::bf16>{});
    case Type::f16: return visit(Element<Type::f16>{});
  }
}

const uint8_t* column_of(const void* data, const Matrix& matrix, int64_t column) {
  return static_cast<const uint8_t*>(data) + static_cast<size_t>(column * matrix.leading) * size_of(matrix.type);
}

// op(matrix) as dense floats, column after column. Only the rows are read, never the gap between them and the leading dimension.
// False when the emulator found fault with an access.
bool read_operand(const void* data, const Matrix& matrix, bool transpose, bool tf32, std::vector<float>& out) {
  out.resize(static_cast<size_t>(matrix.rows * matrix.columns));
  const auto& emulator = *services();
  for (int64_t column = 0; column < matrix.columns; ++column) {
    const void* source = emulator.read(column_of(data, matrix, column), static_cast<size_t>(matrix.rows) * size_of(matrix.type));
    if (source == nullptr) return false;
    with_type(matrix.type, [&](auto element) {
      using E = decltype(element);
      const auto* stored = static_cast<const typename E::Stored*>(source);
      for (int64_t row = 0; row < matrix.rows; ++row) {
        float value = E::load(stored[row]);
        if (tf32) value = bits_to_float(rounded_bits(value, 19));
        out[static_cast<size_t>(transpose ? column + row * matrix.columns : row + column * matrix.rows)] = value;
      }
    });
  }
  return true;
}

// y += factor * x
__attribute__((target_clones("avx512f", "avx2", "default"))) void add_scaled(float* y, const float* x, float factor, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] += factor * x[i];
}

// Fills the workspace with NaNs, so that whoever keeps something there finds out.
bool scribble(const Product& product) {
  if (product.workspace_bytes == 0) return true;
  void* workspace = services()->write(product.workspace, product.workspace_bytes);
  if (workspace != nullptr) std::memset(workspace, 0xFF, product.workspace_bytes);
  return workspace != nullptr;
}

}  // namespace

void multiply(const void* data) {
  Product product;
  std::memcpy(&product, data, sizeof product);
  std::vector<float> a, b;
  if (!scribble(product) || !read_operand(product.a_data, product.a, product.transpose_a, product.tf32, a) ||
      !read_operand(product.b_data, product.b, product.transpose_b, product.tf32, b)) {
    return;
  }
  const auto& emulator = *services();
  const int64_t m = product.c.rows, n = product.c.columns, k = product.transpose_a ? product.a.rows : product.a.columns;
  const size_t bytes = static_cast<size_t>(m) * size_of(product.c.type);
  std::vector<float> sums(static_cast<size_t>(m));
  for (int64_t column = 0; column < n; ++column) {
    std::memset(sums.data(), 0, sums.size() * sizeof(float));
    for (int64_t l = 0; l < k; ++l) add_scaled(sums.data(), a.data() + l * m, b[static_cast<size_t>(l + column * k)], m);
    const void* c = nullptr;  // beta = 0 must not read C: it may be uninitialised, or NaN
    if (product.beta != 0.f && (c = emulator.read(column_of(product.c_data, product.c, column), bytes)) == nullptr) return;
    void* d = emulator.write(const_cast<uint8_t*>(column_of(product.d_data, product.c, column)), bytes);
    if (d == nullptr) return;
    with_type(product.c.type, [&](auto element) {
      using E = decltype(element);
      const auto* before = static_cast<const typename E::Stored*>(c);
      auto* after = static_cast<typename E::Stored*>(d);
      for (int64_t row = 0; row < m; ++row) {
        const float added = c == nullptr ? 0.f : product.beta * E::load(before[row]);
        after[row] = E::store(product.alpha * sums[static_cast<size_t>(row)] + added);
      }
    });
  }
}

}  // namespace node_bert::cublas_emulated
