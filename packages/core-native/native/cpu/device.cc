#include "device.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <sstream>

#include "call.h"

namespace node_bert::cpu {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

const Kernels& kernels_of(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512_bf16) return avx512_bf16::kKernels;
  if (isa == Isa::avx512) return avx512::kKernels;
  if (isa == Isa::avx2) return avx2::kKernels;
#endif
  return baseline::kKernels;
}

const char* library_isa_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41: return "sse41";
    case dnnl::cpu_isa::avx: return "avx";
    case dnnl::cpu_isa::avx2: return "avx2";
    case dnnl::cpu_isa::avx2_vnni: return "avx2_vnni";
    case dnnl::cpu_isa::avx2_vnni_2: return "avx2_vnni_2";
    case dnnl::cpu_isa::avx512_core: return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni: return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16: return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_fp16: return "avx512_core_fp16";
    case dnnl::cpu_isa::avx512_core_amx: return "avx512_core_amx";
    case dnnl::cpu_isa::avx512_core_amx_fp16: return "avx512_core_amx_fp16";
    default: return "other";
  }
}

bool library_has_amx() {
  const auto isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_amx || isa == dnnl::cpu_isa::avx512_core_amx_fp16;
}

// Whether the processor multiplies bf16 itself: without avx512_bf16 oneDNN emulates it on AVX-512, correctly but slower than f32.
const char* bf16_support(const Gemm& gemm) {
  const auto isa = dnnl::get_effective_cpu_isa();
  const bool native = isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_fp16 || library_has_amx();
  return native && gemm.native_bf16() ? "native" : "emulated";
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + "\"";
}

std::string describe(const nb_device& device) {
  std::ostringstream json;
  json << R"({"name":"cpu","model":)" << quoted(cpu_model()) << R"(,"threads":)" << device.threads << R"(,"isa":")"
       << isa_name(device.isa) << R"(","isaAvailable":[)";
  const char* separator = "";
  for (const Isa isa : available_isas()) {
    json << separator << quoted(isa_name(isa));
    separator = ",";
  }
  const dnnl_version_t& version = *dnnl_version();
  json << R"(],"bf16":")" << bf16_support(device.gemm) << R"(","amx":)" << (library_has_amx() ? "true" : "false")
       << R"(,"roundsWeights":true,"onednn":")" << version.major << '.' << version.minor << '.' << version.patch << R"(","onednnIsa":")"
       << library_isa_name() << R"(","dtypes":["f32","bf16"]})";
  return json.str();
}

size_t alignment_of_block(size_t bytes) { return bytes >= 2 * kHugePage ? kHugePage : kAlignment; }

size_t size_of_block(size_t bytes) {
  const size_t alignment = alignment_of_block(bytes);
  return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace

// oneDNN picks its own kernels; this keeps it at our level. It can be set once a process, before its first use, and BERT_CPU_ISA
// is one for the process too.
void limit_library(Isa isa) {
  static_cast<void>(dnnl::set_max_cpu_isa(isa == Isa::avx512_bf16 ? dnnl::cpu_isa::isa_default
                                          : isa == Isa::avx512    ? dnnl::cpu_isa::avx512_core_vnni
                                          : isa == Isa::avx2      ? dnnl::cpu_isa::avx2
                                                                  : dnnl::cpu_isa::sse41));
}

void* allocate_aligned(size_t bytes) {
  const size_t alignment = alignment_of_block(bytes);
  if (bytes > SIZE_MAX - alignment) return nullptr;
  const size_t size = size_of_block(bytes);
  void* data = std::aligned_alloc(alignment, size);
#if defined(MADV_HUGEPAGE)
  if (data != nullptr && alignment == kHugePage) madvise(data, size, MADV_HUGEPAGE);  // a hint: refusal changes nothing
#endif
  return data;
}

void release_aligned(void* data) { std::free(data); }

namespace {

struct Pages {
  char *begin, *end;  // the whole pages within a stretch of memory; begin >= end: none

  Pages(void* data, size_t bytes) {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto first = reinterpret_cast<uintptr_t>(data), last = first + bytes;
    begin = reinterpret_cast<char*>((first + page - 1) / page * page);
    end = reinterpret_cast<char*>(last / page * page);
  }
  size_t size() const { return begin < end ? static_cast<size_t>(end - begin) : 0; }
};

}  // namespace

void zero_by_release(void* data, size_t bytes) {
  const Pages pages(data, bytes);
  if (pages.size() == 0 || madvise(pages.begin, pages.size(), MADV_DONTNEED) != 0) {
    std::memset(data, 0, bytes);
    return;
  }
  char* const begin = static_cast<char*>(data);
  std::memset(begin, 0, static_cast<size_t>(pages.begin - begin));
  std::memset(pages.end, 0, static_cast<size_t>(begin + bytes - pages.end));
}

void prefer_small_pages(void* data, size_t bytes) {
#if defined(MADV_NOHUGEPAGE)
  const Pages pages(data, bytes);
  if (pages.size() > 0) madvise(pages.begin, pages.size(), MADV_NOHUGEPAGE);  // a hint
#endif
}

int usable_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

void* Scratch::bytes(size_t bytes) {
  if (bytes <= size_) return data_;
  release_aligned(data_);
  size_ = 0;
  data_ = allocate_aligned(bytes);
  if (data_ == nullptr) {
    throw Failure{NB_ERROR_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) + " bytes of scratch memory"};
  }
  size_ = bytes;
  return data_;
}

}  // namespace node_bert::cpu

nb_device::nb_device(int threads, node_bert::cpu::Isa isa)
    : threads(threads),
      isa(isa),
      kernels(node_bert::cpu::kernels_of(isa)),
      gemm(kernels, threads) {
  info = node_bert::cpu::describe(*this);
}
