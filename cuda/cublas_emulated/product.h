// One matrix product of the stand-in, column-major as in BLAS: D (m, n) = alpha op(A) op(B) + beta C, and the work on the device's memory.
#ifndef NODE_BERT_CUBLAS_EMULATED_PRODUCT_H
#define NODE_BERT_CUBLAS_EMULATED_PRODUCT_H

#include <stddef.h>
#include <stdint.h>

namespace node_bert::cublas_emulated {

enum class Type : int { f32 = 0, f16 = 2, bf16 = 14 };  // numbered as cudaDataType

inline size_t size_of(Type type) { return type == Type::f32 ? 4 : 2; }

// A column-major matrix: element (row, column) is at row + column * leading.
struct Matrix {
  Type type;
  int64_t rows, columns, leading;
};

// Plain data, for the emulator copies it.
struct Product {
  Matrix a, b, c;  // as stored; d lies as c does
  bool transpose_a, transpose_b, tf32;
  float alpha, beta;
  const void *a_data, *b_data, *c_data;
  void* d_data;
  void* workspace;
  size_t workspace_bytes;
};

// To be called in stream order; data is a Product.
void multiply(const void* data);

}  // namespace node_bert::cublas_emulated

#endif  // NODE_BERT_CUBLAS_EMULATED_PRODUCT_H
