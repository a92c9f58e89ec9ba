// The part of cuBLASLt that the backend uses (host/cublas_api.h), computed on the CPU inside the emulator.
//
// It is stricter than the library it stands for: whatever NVIDIA's documentation does not promise is refused with a status and a line on stderr. Refused:
// type combinations that are not listed, shapes that do not fit together, a leading dimension below the number of rows, a pointer that is less aligned than
// the preference said when the algorithm was chosen, a workspace that is too small or unaligned, outputs that overlap inputs, an algorithm of another
// product. Bounds, initialisation and races are the emulator's to check, in stream order.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <new>
#include <string>

#include "cublas_emulated/product.h"
#include "cublas_emulated/services.h"
#include "host/cublas_api.h"

namespace node_bert::cublas_emulated {
namespace {

using namespace node_bert::cuda;

constexpr int kInvalidValue = 7, kNotSupported = 15;
constexpr size_t kVersion = 130000;
constexpr uint64_t kWorkspaceWanted = 64 * 1024;

int refuse(int status, const char* why) {
  std::fprintf(stderr, "emulated cuBLAS: %s\n", why);
  return status;
}

struct Description {
  int compute_type, scale_type;
  int32_t transpose_a = CUBLAS_OPERATION_N, transpose_b = CUBLAS_OPERATION_N;
};

struct Preference {
  uint64_t workspace_bytes = 0;
  uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C and D
};

// What the heuristic leaves in the opaque 64 bytes of an algorithm, to be found again by the product.
struct Algorithm {
  uint64_t fingerprint;  // of the product it was chosen for
  uint64_t workspace_bytes;
  uint32_t alignment[4];
};
static_assert(sizeof(Algorithm) <= sizeof(CublasAlgorithm));

struct Problem {
  Matrix a, b, c, d;
  Description description;
};

uint64_t fingerprint(const Problem& problem) {
  uint64_t hash = 1469598103934665603u;
  const auto mix = [&](int64_t value) { hash = (hash ^ static_cast<uint64_t>(value)) * 1099511628211u; };
  for (const Matrix* matrix : {&problem.a, &problem.b, &problem.c, &problem.d}) {
    for (const int64_t value : {int64_t{static_cast<int>(matrix->type)}, matrix->rows, matrix->columns, matrix->leading}) mix(value);
  }
  for (const int value : {problem.description.compute_type, problem.description.transpose_a, problem.description.transpose_b}) mix(value);
  return hash;
}

// The rows of cublasLtMatmul's table of supported types that the backend uses, scale type f32: A and B equal; C = D.
bool documented_types(const Problem& problem) {
  const Type inputs = problem.a.type, output = problem.c.type;
  if (problem.b.type != inputs || problem.d.type != output || problem.description.scale_type != CUBLAS_R_32F) return false;
  if (problem.description.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32_) return inputs == Type::f32 && output == Type::f32;
  return problem.description.compute_type == CUBLAS_COMPUTE_32F_ && (output == inputs || output == Type::f32);
}

const char* fault_of(const Problem& problem) {
  if (!documented_types(problem)) return "this combination of types is not documented";
  const bool ta = problem.description.transpose_a != 0, tb = problem.description.transpose_b != 0;
  const int64_t m = ta ? problem.a.columns : problem.a.rows, k = ta ? problem.a.rows : problem.a.columns;
  const int64_t n = tb ? problem.b.rows : problem.b.columns;
  if ((tb ? problem.b.columns : problem.b.rows) != k) return "the inner dimensions of A and B differ";
  for (const Matrix* out : {&problem.c, &problem.d}) {
    if (out->rows != m || out->columns != n) return "C or D has not the rows of op(A) and the columns of op(B)";
  }
  if (problem.c.leading != problem.d.leading) return "C and D have different leading dimensions";
  return nullptr;
}

Problem problem_of(CublasDescription description, CublasLayout a, CublasLayout b, CublasLayout c, CublasLayout d) {
  const auto matrix = [](CublasLayout layout) { return *static_cast<const Matrix*>(layout); };
  return {matrix(a), matrix(b), matrix(c), matrix(d), *static_cast<const Description*>(description)};
}

bool aligned(const void* pointer, uint64_t bytes) { return reinterpret_cast<uintptr_t>(pointer) % bytes == 0; }

bool overlap(const void* p, const Matrix& a, const void* q, const Matrix& b) {
  const auto begin_p = reinterpret_cast<uintptr_t>(p), begin_q = reinterpret_cast<uintptr_t>(q);
  const auto extent = [](const Matrix& m) {
    return static_cast<uintptr_t>((m.columns - 1) * m.leading + m.rows) * size_of(m.type);
  };
  return begin_p < begin_q + extent(b) && begin_q < begin_p + extent(a);
}

template <class T>
int create(void** out, T value) {
  *out = new (std::nothrow) T(value);
  return *out != nullptr ? CUBLAS_STATUS_OK : CUBLAS_STATUS_ALLOC_FAILED_;
}

template <class T>
int destroy(void* object) {
  delete static_cast<T*>(object);
  return CUBLAS_STATUS_OK;
}

template <class T>
int set(T& field, const void* value, size_t bytes) {
  if (value == nullptr || bytes != sizeof(T)) return refuse(kInvalidValue, "an attribute of the wrong size");
  std::memcpy(&field, value, bytes);
  return CUBLAS_STATUS_OK;
}

struct Handle {};

// What the emulator's messages and counts call the operation; benchmarks/cuda-estimate reads it.
std::string name_of(const Product& product) {
  const auto type = [](Type type) { return type == Type::f32 ? "f32" : type == Type::bf16 ? "bf16" : "f16"; };
  const int64_t k = product.transpose_a ? product.a.rows : product.a.columns;
  return "cublasLtMatmul " + std::to_string(product.c.rows) + "x" + std::to_string(product.c.columns) + "x" + std::to_string(k) + " " +
         type(product.a.type) + " to " + type(product.c.type) + (product.beta != 0.f ? " added" : "");
}

}  // namespace

#define NODE_BERT_EXPORT extern "C" __attribute__((visibility("default")))

NODE_BERT_EXPORT size_t cublasLtGetVersion(void) { return kVersion; }

NODE_BERT_EXPORT int cublasLtCreate(CublasHandle* handle) {
  if (services() == nullptr) return refuse(CUBLAS_STATUS_NOT_INITIALIZED_, "there is no emulator in this process");
  return create(handle, Handle{});
}

NODE_BERT_EXPORT int cublasLtDestroy(CublasHandle handle) { return destroy<Handle>(handle); }

NODE_BERT_EXPORT int cublasLtMatmulDescCreate(CublasDescription* description, int compute_type, int scale_type) {
  return create(description, Description{compute_type, scale_type});
}

NODE_BERT_EXPORT int cublasLtMatmulDescDestroy(CublasDescription description) { return destroy<Description>(description); }

NODE_BERT_EXPORT int cublasLtMatmulDescSetAttribute(CublasDescription description, int attribute, const void* value, size_t bytes) {
  auto& target = *static_cast<Description*>(description);
  if (attribute == CUBLASLT_DESC_TRANSA) return set(target.transpose_a, value, bytes);
  if (attribute == CUBLASLT_DESC_TRANSB) return set(target.transpose_b, value, bytes);
  return refuse(kNotSupported, "an attribute of a product that the stand-in does not know");
}

NODE_BERT_EXPORT int cublasLtMatrixLayoutCreate(CublasLayout* layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  if (type != CUBLAS_R_32F && type != CUBLAS_R_16F && type != CUBLAS_R_16BF) return refuse(kNotSupported, "an unknown type of matrix");
  if (rows == 0 || columns == 0) return refuse(kInvalidValue, "an empty matrix");
  if (leading < static_cast<int64_t>(rows)) return refuse(kInvalidValue, "a leading dimension below the number of rows");
  return create(layout, Matrix{static_cast<Type>(type), static_cast<int64_t>(rows), static_cast<int64_t>(columns), leading});
}

NODE_BERT_EXPORT int cublasLtMatrixLayoutDestroy(CublasLayout layout) { return destroy<Matrix>(layout); }

NODE_BERT_EXPORT int cublasLtMatmulPreferenceCreate(CublasPreference* preference) { return create(preference, Preference{}); }

NODE_BERT_EXPORT int cublasLtMatmulPreferenceDestroy(CublasPreference preference) { return destroy<Preference>(preference); }

NODE_BERT_EXPORT int cublasLtMatmulPreferenceSetAttribute(CublasPreference preference, int attribute, const void* value, size_t bytes) {
  auto& target = *static_cast<Preference*>(preference);
  if (attribute == CUBLASLT_PREFERENCE_MAX_WORKSPACE_BYTES) return set(target.workspace_bytes, value, bytes);
  const int operand = attribute - CUBLASLT_PREFERENCE_MIN_ALIGNMENT_A_BYTES;
  if (operand >= 0 && operand < 4) return set(target.alignment[operand], value, bytes);
  return refuse(kNotSupported, "a preference that the stand-in does not know");
}

NODE_BERT_EXPORT int cublasLtMatmulAlgoGetHeuristic(CublasHandle handle, CublasDescription description, CublasLayout a, CublasLayout b, CublasLayout c,
                                                    CublasLayout d, CublasPreference preference, int requested, CublasHeuristic* results,
                                                    int* returned) {
  *returned = 0;
  if (handle == nullptr || requested < 1) return refuse(kInvalidValue, "no handle, or no result asked for");
  const Problem problem = problem_of(description, a, b, c, d);
  if (const char* fault = fault_of(problem)) return refuse(kNotSupported, fault);
  const auto& wanted = *static_cast<const Preference*>(preference);
  Algorithm algorithm{fingerprint(problem), wanted.workspace_bytes < kWorkspaceWanted ? wanted.workspace_bytes : kWorkspaceWanted, {}};
  for (int operand = 0; operand < 4; ++operand) {
    const uint32_t bytes = wanted.alignment[operand];
    const Matrix& matrix = operand == 0 ? problem.a : operand == 1 ? problem.b : problem.c;
    if (bytes == 0 || (bytes & (bytes - 1)) != 0 || bytes < size_of(matrix.type)) return refuse(kInvalidValue, "an alignment below that of the type");
    algorithm.alignment[operand] = bytes;
  }
  results[0] = {};
  std::memcpy(&results[0].algorithm, &algorithm, sizeof algorithm);
  results[0].workspace_bytes = algorithm.workspace_bytes;
  results[0].waves = 1.f;
  *returned = 1;
  return CUBLAS_STATUS_OK;
}

NODE_BERT_EXPORT int cublasLtMatmul(CublasHandle handle, CublasDescription description, const void* alpha, const void* a, CublasLayout a_layout,
                                    const void* b, CublasLayout b_layout, const void* beta, const void* c, CublasLayout c_layout, void* d,
                                    CublasLayout d_layout, const CublasAlgorithm* chosen, void* workspace, size_t workspace_bytes,
                                    cudaStream_t stream) {
  if (handle == nullptr || chosen == nullptr) return refuse(kInvalidValue, "no handle or no algorithm");
  const Problem problem = problem_of(description, a_layout, b_layout, c_layout, d_layout);
  if (const char* fault = fault_of(problem)) return refuse(kNotSupported, fault);
  Algorithm algorithm;
  std::memcpy(&algorithm, chosen, sizeof algorithm);
  if (algorithm.fingerprint != fingerprint(problem)) return refuse(kInvalidValue, "the algorithm was chosen for another product");
  const void* pointers[] = {a, b, c, d};
  for (int operand = 0; operand < 4; ++operand) {
    if (pointers[operand] == nullptr) return refuse(kInvalidValue, "a null operand");
    if (!aligned(pointers[operand], algorithm.alignment[operand])) return refuse(kInvalidValue, "an operand less aligned than the preference said");
  }
  if (workspace_bytes < algorithm.workspace_bytes || (workspace_bytes > 0 && (workspace == nullptr || !aligned(workspace, 16)))) {
    return refuse(kInvalidValue, "a workspace that is missing, too small or not aligned to 16 bytes");
  }
  if (overlap(d, problem.d, a, problem.a) || overlap(d, problem.d, b, problem.b)) return refuse(kInvalidValue, "the output overlaps an input");
  if (c != d && overlap(d, problem.d, c, problem.c)) return refuse(kInvalidValue, "C and D overlap without being the same");
  Product product{};
  product.a = problem.a;
  product.b = problem.b;
  product.c = problem.c;
  product.transpose_a = problem.description.transpose_a != CUBLAS_OPERATION_N;
  product.transpose_b = problem.description.transpose_b != CUBLAS_OPERATION_N;
  product.tf32 = problem.description.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32_;
  std::memcpy(&product.alpha, alpha, sizeof(float));
  std::memcpy(&product.beta, beta, sizeof(float));
  product.a_data = a;
  product.b_data = b;
  product.c_data = c;
  product.d_data = d;
  product.workspace = workspace;
  product.workspace_bytes = algorithm.workspace_bytes;
  const cudaError_t error = services()->enqueue(stream, name_of(product).c_str(), multiply, &product, sizeof product);
  return error == cudaSuccess ? CUBLAS_STATUS_OK : 13;  // CUBLAS_STATUS_EXECUTION_FAILED
}

}  // namespace node_bert::cublas_emulated
