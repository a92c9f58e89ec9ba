#include "host/gemm.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "host/device.h"
#include "host/failure.h"

namespace node_bert::cuda {
namespace {

constexpr size_t PLAN_LIMIT = 2048;  // one is made for each number of rows that a batch has

// What NVIDIA recommends: more on Hopper and later.
size_t cublas_workspace(int arch) { return arch >= 90 ? size_t{32} << 20 : size_t{4} << 20; }

int cublas_type(DType type) { return type == DType::f32 ? CUBLAS_R_32F : type == DType::bf16 ? CUBLAS_R_16BF : CUBLAS_R_16F; }

void check_cublas(int status, const char* doing) {
  if (status == CUBLAS_STATUS_OK) return;
  throw Failure{status == CUBLAS_STATUS_ALLOC_FAILED_ ? NB_ERROR_OUT_OF_MEMORY : NB_ERROR_DEVICE,
                std::string("cuBLAS: ") + doing + " failed with status " + std::to_string(status)};
}

// cuBLASLt takes pointers for aligned to 256 bytes unless told otherwise; views of tensors need not be.
uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  return static_cast<uint32_t>(std::min<uintptr_t>(address & -address, 256));
}

}  // namespace

// cuBLASLt is column-major, and a row-major matrix read by columns is its transpose: so C^T = op(B)^T op(A)^T is computed, with B first.
struct Gemm::Plan {
  Plan(const CublasLibrary& cublas, CublasHandle handle, const Key& key, bool tf32, size_t workspace_limit) : library(cublas) {
    try {
      make(handle, key, tf32, workspace_limit);
    } catch (...) {
      destroy();
      throw;
    }
  }
  ~Plan() { destroy(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  void make(CublasHandle handle, const Key& key, bool tf32, size_t workspace_limit) {
    const Product& p = key.product;
    const int compute = tf32 && p.inputs == DType::f32 ? CUBLAS_COMPUTE_32F_FAST_TF32_ : CUBLAS_COMPUTE_32F_;
    check_cublas(library.description_create(&description, compute, CUBLAS_R_32F), "describing a product");
    const int32_t first = p.transpose_b ? CUBLAS_OPERATION_T : CUBLAS_OPERATION_N;
    const int32_t second = p.transpose_a ? CUBLAS_OPERATION_T : CUBLAS_OPERATION_N;
    check_cublas(library.description_set(description, CUBLASLT_DESC_TRANSA, &first, sizeof first), "describing a product");
    check_cublas(library.description_set(description, CUBLASLT_DESC_TRANSB, &second, sizeof second), "describing a product");
    const auto layout = [&](CublasLayout* made, DType type, int64_t rows, int64_t columns) {
      check_cublas(library.layout_create(made, cublas_type(type), static_cast<uint64_t>(columns), static_cast<uint64_t>(rows), columns),
                   "describing a matrix");
    };
    layout(&b, p.inputs, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n);
    layout(&a, p.inputs, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k);
    layout(&c, p.output, p.m, p.n);

    CublasPreference preference = nullptr;
    check_cublas(library.preference_create(&preference), "choosing an algorithm");
    const uint64_t limit = workspace_limit;
    int status = library.preference_set(preference, CUBLASLT_PREFERENCE_MAX_WORKSPACE_BYTES, &limit, sizeof limit);
    const uint32_t alignments[] = {key.alignment_b, key.alignment_a, key.alignment_c, key.alignment_c};
    for (int i = 0; i < 4 && status == CUBLAS_STATUS_OK; ++i)
      status = library.preference_set(preference, CUBLASLT_PREFERENCE_MIN_ALIGNMENT_A_BYTES + i, &alignments[i], sizeof alignments[i]);
    CublasHeuristic best{};
    int found = 0;
    if (status == CUBLAS_STATUS_OK) status = library.heuristic(handle, description, b, a, c, c, preference, 1, &best, &found);
    library.preference_destroy(preference);
    usable = status == CUBLAS_STATUS_OK && found > 0 && best.status == CUBLAS_STATUS_OK;
    algorithm = best.algorithm;
    workspace_bytes = best.workspace_bytes;
  }

  void destroy() {
    if (c != nullptr) library.layout_destroy(c);
    if (b != nullptr) library.layout_destroy(b);
    if (a != nullptr) library.layout_destroy(a);
    if (description != nullptr) library.description_destroy(description);
  }

  const CublasLibrary& library;
  CublasDescription description = nullptr;
  CublasLayout a = nullptr, b = nullptr, c = nullptr;
  bool usable = false;  // for some sizes and alignments there is no algorithm
  CublasAlgorithm algorithm{};
  size_t workspace_bytes = 0;
};

Gemm::Gemm(nb_device& device) : device_(device), text_("not needed yet") {
  const char* tf32 = std::getenv("NODE_BERT_CUDA_TF32");
  tf32_ = tf32 != nullptr && std::string(tf32) == "1";
}

Gemm::~Gemm() {
  plans_.clear();
  if (handle_ != nullptr) library_->destroy(handle_);
}

std::string Gemm::describe() const {
  std::lock_guard lock(text_mutex_);
  return text_;
}

void Gemm::prepare() {
  if (prepared_) return;
  CublasSearch search = find_cublas();
  std::string text = "own kernel; cuBLAS was not found:\n" + search.tried;
  if (search.library != nullptr) {
    library_ = std::move(search.library);
    check_cublas(library_->create(&handle_), "starting");
    text = "cuBLASLt " + library_->version + " (" + library_->path + ")" + (tf32_ ? ", f32 products in TF32" : "");
  }
  prepared_ = true;
  std::lock_guard lock(text_mutex_);
  text_ = text;
}

size_t Gemm::workspace_bytes() {
  prepare();
  return handle_ != nullptr ? cublas_workspace(device_.properties.major * 10) : 0;
}

const Gemm::Plan* Gemm::plan_of(const Key& key) {
  if (handle_ == nullptr) return nullptr;
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    if (plans_.size() >= PLAN_LIMIT) plans_.clear();
    found = plans_.emplace(key, std::make_unique<Plan>(*library_, handle_, key, tf32_, workspace_bytes())).first;
  }
  return found->second->usable ? found->second.get() : nullptr;
}

void Gemm::run(const Launch& launch, const Product& product, const void* a, const void* b, void* c, void* workspace) {
  prepare();
  if (product.m == 0 || product.n == 0) return;
  if (product.k == 0) {
    const size_t bytes = static_cast<size_t>(product.m * product.n) * (product.output == DType::f32 ? 4 : 2);
    if (!product.accumulate) check(cudaMemsetAsync(c, 0, bytes, launch.stream), "clearing an empty product");
    return;
  }
  const Plan* plan = plan_of({product, alignment_of(a), alignment_of(b), alignment_of(c)});
  if (plan == nullptr) {
    const GemmShape shape{product.m, product.n, product.k, product.transpose_a, product.transpose_b, product.accumulate};
    check(gemm(launch, shape, product.inputs, a, b, product.output, c), "the GEMM kernel");
    return;
  }
  const float one = 1.0f, beta = product.accumulate ? 1.0f : 0.0f;
  check_cublas(library_->matmul(handle_, plan->description, &one, b, plan->b, a, plan->a, &beta, c, plan->c, c, plan->c, &plan->algorithm,
                                workspace, plan->workspace_bytes, launch.stream),
               "a product");
}

}  // namespace node_bert::cuda
