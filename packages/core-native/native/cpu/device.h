// A CPU device: its threads, its kernels, its oneDNN engine and primitives, and scratch memory that grows to what the largest op
// needs and then stays. Nothing is shared between devices, so several may live in one process (worker_threads).
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "gemm.h"
#include "isa.h"
#include "kernels.h"
#include "node_bert/backend.h"

namespace node_bert::cpu {

// 64-byte aligned, large blocks on huge pages where the system has them. Null when there is no memory.
void* allocate_aligned(size_t bytes);
void release_aligned(void* data);

// Zeros in memory of allocate_aligned: whole pages go back to the system and come again, zeroed, when they are next written to.
void zero_by_release(void* data, size_t bytes);
// From here on that is how zeros are made: they then cost neither time nor memory until something else is written there.
inline constexpr size_t kReleasedBytes = size_t{16} << 20;
// Asks for small pages in a part of memory of allocate_aligned that is written here and there: those that are not written take no
// memory.
void prefer_small_pages(void* data, size_t bytes);

// The number of processors this process may run on.
int usable_threads();

// Keeps oneDNN at our level. To be called before a device is made.
void limit_library(Isa isa);

// Memory that is valid until the next request.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { release_aligned(data_); }

  // Throws Failure (out of memory).
  void* bytes(size_t bytes);
  float* floats(int64_t count) { return static_cast<float*>(this->bytes(static_cast<size_t>(count) * sizeof(float))); }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace node_bert::cpu

struct nb_device {
  nb_device(int threads, node_bert::cpu::Isa isa);

  const int threads;
  const node_bert::cpu::Isa isa;
  const node_bert::cpu::Kernels& kernels;
  node_bert::cpu::Gemm gemm;
  node_bert::cpu::Scratch scratch;
  // Gradients that are mostly zeros, in small pages: embeddings_backward notes them, and adamw has their moments in small pages, too.
  std::map<const char*, size_t> sparse_gradients;
  std::string info, error;
};
