// The stand-in of cuBLAS refuses what NVIDIA does not document, and the host code's loader finds it. Each refusal beside the same call as it should be.
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "emulator/services.h"
#include "host/cublas_library.h"
#include "tests/numeric_check.h"

using namespace node_bert::cuda;
using namespace node_bert::cuda::test;

// As host/entry.cc exports it.
extern "C" const emulator::Services* node_bert_cuda_emulator_services(void) { return emulator::services(); }

namespace {

constexpr int INVALID_VALUE = 7, NOT_SUPPORTED = 15;

struct Sizes {
  uint64_t rows, columns;
  int64_t leading;
};

// A product of three matrices of (8, 8), and everything about it that can be wrong.
struct Product {
  int compute = CUBLAS_COMPUTE_32F_, scale = CUBLAS_R_32F;
  int type_a = CUBLAS_R_32F, type_b = CUBLAS_R_32F, type_c = CUBLAS_R_32F;
  Sizes a{8, 8, 8}, b{8, 8, 8}, c{8, 8, 8}, d{8, 8, 8};
  int transpose_a = CUBLAS_OPERATION_N;
  size_t attribute_bytes = sizeof(int32_t);
  int attribute = CUBLASLT_DESC_TRANSA;
  uint64_t workspace_limit = 4096;
  uint32_t alignment = 16;
  int requested = 1;
  bool null_handle = false;
  // Of the call that computes.
  int64_t skip_a = 0, skip_workspace = 0;  // bytes past where they should start
  bool null_a = false, null_algorithm = false, null_workspace = false;
  size_t workspace_bytes = 4096;
  bool output_is_input = false, c_beside_d = false;
  bool other_product = false;  // than the one the algorithm was chosen for
};

class Cublas {
 public:
  explicit Cublas(const CublasLibrary& library) : library_(library) {
    library_.create(&handle_);
    for (void** each : {&a_, &b_, &d_, &workspace_}) {
      cudaMalloc(each, 8192);
      cudaMemset(*each, 0, 8192);
    }
  }
  ~Cublas() {
    library_.destroy(handle_);
    for (void* each : {a_, b_, d_, workspace_}) cudaFree(each);
  }

  // The first status that is not 0, of describing, choosing and computing.
  int run(const Product& p) {
    int status = 0;
    const auto keep = [&](int code) { status = status != 0 ? status : code; };
    CublasDescription description = nullptr;
    CublasPreference preference = nullptr;
    CublasLayout a = nullptr, b = nullptr, c = nullptr, d = nullptr;
    keep(library_.description_create(&description, p.compute, p.scale));
    const int32_t transposed = p.transpose_a;
    keep(library_.description_set(description, p.attribute, &transposed, p.attribute_bytes));
    keep(library_.preference_create(&preference));
    keep(library_.preference_set(preference, CUBLASLT_PREFERENCE_MAX_WORKSPACE_BYTES, &p.workspace_limit, sizeof p.workspace_limit));
    for (int i = 0; i < 4; ++i) keep(library_.preference_set(preference, CUBLASLT_PREFERENCE_MIN_ALIGNMENT_A_BYTES + i, &p.alignment, sizeof p.alignment));
    const auto layout = [&](CublasLayout* made, int type, const Sizes& s) { keep(library_.layout_create(made, type, s.rows, s.columns, s.leading)); };
    layout(&a, p.type_a, p.a);
    layout(&b, p.type_b, p.b);
    layout(&c, p.type_c, p.c);
    layout(&d, p.type_c, p.d);
    CublasHeuristic best{};
    int found = 0;
    if (status == 0) {
      keep(library_.heuristic(p.null_handle ? nullptr : handle_, description, a, b, c, d, preference, p.requested, &best, &found));
      if (status != 0 && found != 0) fail("a refused heuristic returned a result");
    }
    if (status == 0 && p.other_product) {
      const int32_t other = CUBLAS_OPERATION_T;
      keep(library_.description_set(description, CUBLASLT_DESC_TRANSB, &other, sizeof other));
    }
    if (status == 0) {
      const float one = 1, zero = 0;
      const auto past = [](void* data, int64_t bytes) { return static_cast<char*>(data) + bytes; };
      void* out = p.output_is_input ? a_ : d_;
      keep(library_.matmul(handle_, description, &one, p.null_a ? nullptr : past(a_, p.skip_a), a, b_, b, &zero, p.c_beside_d ? past(out, 16) : out, c, out,
                           d, p.null_algorithm ? nullptr : &best.algorithm, p.null_workspace ? nullptr : past(workspace_, p.skip_workspace),
                           p.workspace_bytes, nullptr));
    }
    for (CublasLayout each : {a, b, c, d}) library_.layout_destroy(each);
    library_.preference_destroy(preference);
    library_.description_destroy(description);
    return status;
  }

 private:
  const CublasLibrary& library_;
  CublasHandle handle_ = nullptr;
  void *a_ = nullptr, *b_ = nullptr, *d_ = nullptr, *workspace_ = nullptr;
};

void refused(Cublas& cublas, const std::string& what, int expected, const std::function<void(Product&)>& plant) {
  begin_case(what);
  Product product;
  if (const int status = cublas.run(product); status != 0) return fail("the call as it should be gives status " + std::to_string(status));
  plant(product);
  const int status = cublas.run(product);
  if (status != expected) fail("status " + std::to_string(status) + ", expected " + std::to_string(expected));
  if (const cudaError_t code = cudaDeviceSynchronize(); code != cudaSuccess) fail(std::string("it was computed, and that failed: ") + cudaGetErrorName(code));
}

}  // namespace

int main(int, char** arguments) {
  const auto program = std::filesystem::canonical("/proc/self/exe");
  setenv("NODE_BERT_CUBLAS", (program.parent_path() / "../../cublas_emulated").c_str(), 1);
  const CublasSearch search = find_cublas();
  if (search.library == nullptr) return std::printf("%s: %s\n", arguments[0], search.tried.c_str()), 1;
  Cublas cublas(*search.library);

  refused(cublas, "a leading dimension below the number of rows", INVALID_VALUE, [](Product& p) { p.a.leading = 7; });
  refused(cublas, "an empty matrix", INVALID_VALUE, [](Product& p) { p.b.columns = 0; });
  refused(cublas, "an unknown type", NOT_SUPPORTED, [](Product& p) { p.type_a = 1; });  // CUDA_R_64F
  refused(cublas, "A and B of different types", NOT_SUPPORTED, [](Product& p) { p.type_a = CUBLAS_R_16BF; });
  refused(cublas, "bf16 to f16", NOT_SUPPORTED, [](Product& p) { p.type_a = p.type_b = CUBLAS_R_16BF, p.type_c = CUBLAS_R_16F; });
  refused(cublas, "f32 to bf16", NOT_SUPPORTED, [](Product& p) { p.type_c = CUBLAS_R_16BF; });
  refused(cublas, "bf16 in TF32", NOT_SUPPORTED,
          [](Product& p) { p.type_a = p.type_b = p.type_c = CUBLAS_R_16BF, p.compute = CUBLAS_COMPUTE_32F_FAST_TF32_; });
  refused(cublas, "a scale that is no float", NOT_SUPPORTED, [](Product& p) { p.scale = CUBLAS_R_16F; });
  refused(cublas, "inner dimensions that differ", NOT_SUPPORTED, [](Product& p) { p.a = {8, 7, 8}; });
  refused(cublas, "C of another size than op(A) op(B)", NOT_SUPPORTED, [](Product& p) { p.c = p.d = {7, 8, 8}; });
  refused(cublas, "C and D with different leading dimensions", NOT_SUPPORTED, [](Product& p) { p.d.leading = 9; });
  refused(cublas, "an attribute of the wrong size", INVALID_VALUE, [](Product& p) { p.attribute_bytes = 8; });
  refused(cublas, "an unknown attribute", NOT_SUPPORTED, [](Product& p) { p.attribute = 99; });
  refused(cublas, "an alignment below that of the type", INVALID_VALUE, [](Product& p) { p.alignment = 2; });
  refused(cublas, "an alignment that is no power of two", INVALID_VALUE, [](Product& p) { p.alignment = 24; });
  refused(cublas, "no result asked for", INVALID_VALUE, [](Product& p) { p.requested = 0; });
  refused(cublas, "no handle", INVALID_VALUE, [](Product& p) { p.null_handle = true; });
  refused(cublas, "a null operand", INVALID_VALUE, [](Product& p) { p.null_a = true; });
  refused(cublas, "no algorithm", INVALID_VALUE, [](Product& p) { p.null_algorithm = true; });
  refused(cublas, "an operand less aligned than was said", INVALID_VALUE, [](Product& p) { p.skip_a = 4; });
  refused(cublas, "no workspace", INVALID_VALUE, [](Product& p) { p.null_workspace = true; });
  refused(cublas, "a workspace smaller than the algorithm's", INVALID_VALUE, [](Product& p) { p.workspace_bytes = 4095; });
  refused(cublas, "a workspace that is not aligned", INVALID_VALUE, [](Product& p) { p.skip_workspace = 8; });
  refused(cublas, "an output that is an input", INVALID_VALUE, [](Product& p) { p.output_is_input = true; });
  refused(cublas, "C and D that overlap", INVALID_VALUE, [](Product& p) { p.c_beside_d = true; });
  refused(cublas, "an algorithm of another product", INVALID_VALUE, [](Product& p) { p.other_product = true; });
  return report();
}
