#include "gemm.h"

#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>
#include <utility>

#include "device.h"

namespace node_bert::cpu {
namespace {

using dnnl::memory;

// What distinguishes one primitive from another.
using Key = std::tuple<int64_t, int64_t, int64_t, PackedKind, bool, bool, bool, bool, bool, bool>;

PackedKind kind_of(Type type) { return type == Type::bf16 ? PackedKind::bf16 : PackedKind::f32; }

Key key_of(PackedKind kind, const GemmCall& call) {
  return {call.M,
          call.N,
          call.K,
          kind,
          call.a_transposed,
          call.b_transposed,
          call.accumulate,
          call.c_is_f32,
          call.bias != nullptr,
          call.b_is_constant};
}

memory::desc matrix(int64_t rows, int64_t columns, memory::data_type data_type, bool transposed) {
  return memory::desc({rows, columns}, data_type, transposed ? memory::dims{1, rows} : memory::dims{columns, 1});
}

memory::data_type operand_type(PackedKind kind) {
  switch (kind) {
    case PackedKind::bf16: return memory::data_type::bf16;
    case PackedKind::int8: return memory::data_type::s8;
    default: return memory::data_type::f32;
  }
}

// 8-bit products that do not saturate on the way need the VNNI instructions.
bool library_has_vnni() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx2_vnni:
    case dnnl::cpu_isa::avx2_vnni_2:
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core_bf16:
    case dnnl::cpu_isa::avx512_core_fp16:
    case dnnl::cpu_isa::avx512_core_amx:
    case dnnl::cpu_isa::avx512_core_amx_fp16: return true;
    default: return false;
  }
}

// Matrix units multiply 8 bits many times faster than VNNI does.
bool library_has_amx() {
  const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_amx || isa == dnnl::cpu_isa::avx512_core_amx_fp16;
}

// The rows that a weight's layout is chosen for: one layout for all, or the sums of a product would depend on what came before it.
constexpr int64_t kLayoutRows = 128;

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
  std::map<std::tuple<PackedKind, int64_t, int64_t>, memory::desc> layouts;
  std::list<std::pair<Key, Product>> products;  // most recently used first
  std::map<Key, std::list<std::pair<Key, Product>>::iterator> index;
  Scratch scratchpad, conversion, rounded;

  // The layout that weights (N,K) of this kind are kept in.
  const memory::desc& layout(PackedKind kind, int64_t N, int64_t K);
  // From plain rows (N,K).
  void re_lay(PackedKind kind, int64_t N, int64_t K, const void* from, void* to);
  Product create(PackedKind kind, const GemmCall& call);
  Product& find(PackedKind kind, const GemmCall& call);
};

const memory::desc& Gemm::Library::layout(PackedKind kind, int64_t N, int64_t K) {
  const auto [found, is_new] = layouts.try_emplace({kind, N, K});
  if (is_new) {
    const bool int8 = kind == PackedKind::int8;
    const auto type = operand_type(kind);
    const memory::desc any({K, N}, type, memory::format_tag::any);
    const memory::desc a = matrix(kLayoutRows, K, int8 ? memory::data_type::u8 : type, false);
    const memory::desc c = matrix(kLayoutRows, N, int8 ? memory::data_type::s32 : type, false);
    found->second = dnnl::matmul::primitive_desc(engine, a, any, c).weights_desc();
  }
  return found->second;
}

void Gemm::Library::re_lay(PackedKind kind, int64_t N, int64_t K, const void* from, void* to) {
  memory source(matrix(K, N, operand_type(kind), true), engine, const_cast<void*>(from));
  memory target(layout(kind, N, K), engine, to);
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
}

Product Gemm::Library::create(PackedKind kind, const GemmCall& call) {
  const auto dtype = operand_type(kind);
  const bool int8 = kind == PackedKind::int8;
  const auto c_dtype = int8 ? memory::data_type::s32 : call.c_is_f32 ? memory::data_type::f32 : dtype;
  const memory::desc a = matrix(call.M, call.K, int8 ? memory::data_type::u8 : dtype, call.a_transposed);
  const memory::desc b = call.b_is_constant ? layout(kind, call.N, call.K) : matrix(call.K, call.N, dtype, call.b_transposed);
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

Product& Gemm::Library::find(PackedKind kind, const GemmCall& call) {
  const Key key = key_of(kind, call);
  const auto found = index.find(key);
  if (found != index.end()) {
    products.splice(products.begin(), products, found->second);
    return products.front().second;
  }
  products.emplace_front(key, create(kind, call));
  index[key] = products.begin();
  if (products.size() > kCapacity) {
    index.erase(products.back().first);
    products.pop_back();
  }
  return products.front().second;
}

Gemm::Gemm(const Kernels& kernels, int threads) : kernels_(kernels), threads_(threads), library_(std::make_unique<Library>()) {
  try {
    library_->create(PackedKind::bf16, {.M = 64, .N = 64, .K = 64, .a = nullptr, .b = nullptr, .c = nullptr});
    library_->native_bf16 = true;
  } catch (const dnnl::error&) {  // not for this instruction set
  }
}

Gemm::~Gemm() = default;

bool Gemm::native_bf16() const { return library_->native_bf16; }

bool Gemm::native_int8() const { return library_has_vnni(); }

bool Gemm::panels_int8() const { return kernels_.int8_linear != nullptr && !library_has_amx(); }

void Gemm::run(Type type, const GemmCall& call) {
  if (call.M == 0 || call.N == 0 || (call.K == 0 && call.accumulate)) return;
  if (call.M * call.N * call.K <= kSmall) {
    const SmallGemm small{call.M,
                          call.N,
                          call.K,
                          call.a,
                          operand_b(call),
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

const void* Gemm::operand_b(const GemmCall& call) {
  if (!call.b_is_f32) return call.b;
  const int64_t count = call.N * call.K;
  bf16* rounded = static_cast<bf16*>(library_->rounded.bytes(static_cast<size_t>(count) * sizeof(bf16)));
  kernels_.f32_to_bf16(static_cast<const float*>(call.b), rounded, count, threads_);
  return rounded;
}

void Gemm::run_library(Type type, const GemmCall& given) {
  const PackedKind kind = kind_of(type);
  GemmCall call = given;
  PackedWeight* weight = nullptr;
  if (call.b_is_constant) {
    weight = packed_.find(call.b, kind, call.N, call.K);
    const size_t source_bytes = static_cast<size_t>(call.N * call.K) * (type == Type::bf16 && !call.b_is_f32 ? 2 : 4);
    if (weight == nullptr) {  // a program that asks once (bert predict) is answered sooner without
      packed_.insert(call.b, kind, call.N, call.K, source_bytes, 0);
      call.b_is_constant = false;
    } else if (weight->data == nullptr) {
      weight->allocate(library_->layout(kind, call.N, call.K).get_size());
      library_->re_lay(kind, call.N, call.K, operand_b(call), weight->data);
    }
  }
  call.b = call.b_is_constant ? weight->data : operand_b(call);
  execute(kind, call);
}

const PackedWeight& Gemm::quantized(const float* w, int64_t N, int64_t K) {
  if (const PackedWeight* found = packed_.find(w, PackedKind::int8, N, K)) return *found;
  const size_t bytes = static_cast<size_t>(N * K);
  const bool panels = panels_int8(), native = native_int8();
  const size_t packed_bytes = panels   ? static_cast<size_t>(int8_panels_bytes(N, K))
                              : native ? library_->layout(PackedKind::int8, N, K).get_size()
                                       : bytes;
  PackedWeight& weight = packed_.insert(w, PackedKind::int8, N, K, bytes * sizeof(float), packed_bytes + 1);
  weight.scales.resize(static_cast<size_t>(N));
  weight.offsets.resize(static_cast<size_t>(N));
  int8_t* q = static_cast<int8_t*>(panels || native ? library_->conversion.bytes(bytes + 1) : weight.data);
  kernels_.quantize_weight(w, q, weight.scales.data(), weight.offsets.data(), N, K, threads_);
  if (panels) kernels_.int8_pack(q, static_cast<int8_t*>(weight.data), N, K, threads_);
  else if (native && bytes > 0) library_->re_lay(PackedKind::int8, N, K, q, weight.data);
  return weight;
}

void Gemm::run_int8(int64_t M, const uint8_t* a, const PackedWeight& b, int32_t* c) {
  if (!native_int8() || b.K == 0) return kernels_.int8_gemm(a, static_cast<const int8_t*>(b.data), c, M, b.N, b.K, threads_);
  execute(PackedKind::int8, {.M = M, .N = b.N, .K = b.K, .a = a, .b = b.data, .c = c, .b_is_constant = true});
}

void Gemm::execute(PackedKind kind, const GemmCall& call) {
  Product& product = library_->find(kind, call);
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
  kernels_.bf16_to_f32(static_cast<const bf16*>(operand_b(call)), b, b_count, threads_);
  if (!call.c_is_f32 && call.accumulate) kernels_.bf16_to_f32(static_cast<const bf16*>(call.c), c, c_count, threads_);
  GemmCall wide = call;
  wide.a = a;
  wide.b = b;
  wide.c = c;
  wide.c_is_f32 = wide.b_is_f32 = false;
  wide.b_is_constant = false;
  run_library(Type::f32, wide);
  if (!call.c_is_f32) kernels_.f32_to_bf16(c, static_cast<bf16*>(call.c), c_count, threads_);
}

}  // namespace node_bert::cpu
