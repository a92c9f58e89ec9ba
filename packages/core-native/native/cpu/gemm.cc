#include "gemm.h"

#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>
#include <utility>

#include "device.h"

namespace node_bert::cpu {
namespace {

using dnnl::memory;

// What distinguishes one primitive from another.
using Key = std::tuple<int64_t, int64_t, int64_t, Type, bool, bool, bool, bool, bool>;

Key key_of(Type type, const GemmCall& call) {
  return {
      call.M, call.N, call.K, type, call.a_transposed, call.b_transposed, call.accumulate, call.c_is_f32, call.bias != nullptr};
}

struct Product {
  dnnl::matmul primitive;
  memory a, b, bias, c, scratchpad;
  size_t scratchpad_bytes;
};

// N varies with the tokens of a batch, so a run over a data set meets many shapes; one entry is a few kilobytes beside the
// library's own cache.
constexpr size_t kCapacity = 1024;

// Below this many multiply-adds our own loops are faster than the library's call (benchmarked on the shapes of a classifier).
constexpr int64_t kSmall = 32768;

}  // namespace

struct Gemm::Library {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  bool native_bf16 = false;
  std::list<std::pair<Key, Product>> products;  // most recently used first
  std::map<Key, std::list<std::pair<Key, Product>>::iterator> index;
  Scratch scratchpad, conversion;

  Product create(Type type, const GemmCall& call);
  Product& find(Type type, const GemmCall& call);
};

Product Gemm::Library::create(Type type, const GemmCall& call) {
  const auto dtype = type == Type::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto c_dtype = call.c_is_f32 ? memory::data_type::f32 : dtype;
  const auto matrix = [](int64_t rows, int64_t columns, memory::data_type data_type, bool transposed) {
    const memory::dims strides = transposed ? memory::dims{1, rows} : memory::dims{columns, 1};
    return memory::desc({rows, columns}, data_type, strides);
  };
  const memory::desc a = matrix(call.M, call.K, dtype, call.a_transposed);
  const memory::desc b = matrix(call.K, call.N, dtype, call.b_transposed);
  const memory::desc c = matrix(call.M, call.N, c_dtype, false);
  const memory::desc bias = call.bias != nullptr ? matrix(1, call.N, memory::data_type::f32, false) : memory::desc();
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (call.accumulate) {
    dnnl::post_ops add;
    add.append_sum();
    attributes.set_post_ops(add);
  }
  const dnnl::matmul::primitive_desc description(engine, a, b, bias, c, attributes);
  const auto view = [&](const memory::desc& desc) { return memory(desc, engine, DNNL_MEMORY_NONE); };
  return {dnnl::matmul(description),
          view(a),
          view(b),
          call.bias != nullptr ? view(bias) : memory(),
          view(c),
          view(description.scratchpad_desc()),
          description.scratchpad_desc().get_size()};
}

Product& Gemm::Library::find(Type type, const GemmCall& call) {
  const Key key = key_of(type, call);
  const auto found = index.find(key);
  if (found != index.end()) {
    products.splice(products.begin(), products, found->second);
    return products.front().second;
  }
  products.emplace_front(key, create(type, call));
  index[key] = products.begin();
  if (products.size() > kCapacity) {
    index.erase(products.back().first);
    products.pop_back();
  }
  return products.front().second;
}

Gemm::Gemm(const Kernels& kernels, int threads) : kernels_(kernels), threads_(threads), library_(std::make_unique<Library>()) {
  try {
    library_->create(Type::bf16, {.M = 64, .N = 64, .K = 64, .a = nullptr, .b = nullptr, .c = nullptr});
    library_->native_bf16 = true;
  } catch (const dnnl::error&) {  // not for this instruction set
  }
}

Gemm::~Gemm() = default;

bool Gemm::native_bf16() const { return library_->native_bf16; }

void Gemm::run(Type type, const GemmCall& call) {
  if (call.M == 0 || call.N == 0 || (call.K == 0 && call.accumulate)) return;
  if (call.M * call.N * call.K <= kSmall) {
    const SmallGemm small{call.M,
                          call.N,
                          call.K,
                          call.a,
                          call.b,
                          call.a_transposed ? 1 : call.K,
                          call.a_transposed ? call.M : 1,
                          call.b_transposed ? 1 : call.N,
                          call.b_transposed ? call.K : 1,
                          call.bias,
                          call.c,
                          call.accumulate,
                          call.c_is_f32};
    return kernels_.small_gemm(type, small, threads_);
  }
  if (type == Type::bf16 && !library_->native_bf16) return run_bf16_through_f32(call);
  run_library(type, call);
}

void Gemm::run_library(Type type, const GemmCall& call) {
  Product& product = library_->find(type, call);
  product.a.set_data_handle(const_cast<void*>(call.a));
  product.b.set_data_handle(const_cast<void*>(call.b));
  product.c.set_data_handle(call.c);
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, product.a}, {DNNL_ARG_WEIGHTS, product.b}, {DNNL_ARG_DST, product.c}};
  if (call.bias != nullptr) {
    product.bias.set_data_handle(const_cast<float*>(call.bias));
    arguments.emplace(DNNL_ARG_BIAS, product.bias);
  }
  if (product.scratchpad_bytes > 0) {
    product.scratchpad.set_data_handle(library_->scratchpad.bytes(product.scratchpad_bytes));
    arguments.emplace(DNNL_ARG_SCRATCHPAD, product.scratchpad);
  }
  product.primitive.execute(library_->stream, arguments);
  library_->stream.wait();
}

// For processors without bf16 products: the same rounding of operands and result, with f32 products in between.
void Gemm::run_bf16_through_f32(const GemmCall& call) {
  const int64_t a_count = call.M * call.K, b_count = call.K * call.N, c_count = call.M * call.N;
  float* a = library_->conversion.floats(padded(a_count) + padded(b_count) + padded(c_count));
  float* b = a + padded(a_count);
  float* c = call.c_is_f32 ? static_cast<float*>(call.c) : b + padded(b_count);
  kernels_.bf16_to_f32(static_cast<const bf16*>(call.a), a, a_count, threads_);
  kernels_.bf16_to_f32(static_cast<const bf16*>(call.b), b, b_count, threads_);
  if (!call.c_is_f32 && call.accumulate) kernels_.bf16_to_f32(static_cast<const bf16*>(call.c), c, c_count, threads_);
  GemmCall wide = call;
  wide.a = a;
  wide.b = b;
  wide.c = c;
  wide.c_is_f32 = false;
  run_library(Type::f32, wide);
  if (!call.c_is_f32) kernels_.f32_to_bf16(c, static_cast<bf16*>(call.c), c_count, threads_);
}

}  // namespace node_bert::cpu
