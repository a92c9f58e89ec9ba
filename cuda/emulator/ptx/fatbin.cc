#include "emulator/ptx/fatbin.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace node_bert::cuda::emulator {
namespace {

// Not documented by NVIDIA; found in the objects of nvcc 13.0.
struct Wrapper {
  uint32_t magic, version;
  const uint8_t* data;
  void* unused;
};
struct Header {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t payload_bytes;  // of all entries
};
struct Entry {
  uint16_t kind, version;  // kind 1: PTX, 2: machine code
  uint32_t header_bytes;
  uint64_t payload_bytes;
  uint32_t compressed_bytes, unused;
  uint16_t minor, major;
  uint32_t arch;
};
constexpr uint32_t kWrapperMagic = 0x466243b1, kMagic = 0xBA55ED50;

}  // namespace

std::string ptx_of_fatbin(const void* wrapper, int arch) {
  const Wrapper& outer = *static_cast<const Wrapper*>(wrapper);
  if (outer.magic != kWrapperMagic) throw std::runtime_error("not a fat binary of nvcc 13.0");
  Header header;
  std::memcpy(&header, outer.data, sizeof(header));
  if (header.magic != kMagic) throw std::runtime_error("a fat binary with an unknown header");
  const uint8_t* at = outer.data + header.header_bytes;
  const uint8_t* const end = at + header.payload_bytes;
  std::string best, found;
  int best_arch = -1;
  while (at + sizeof(Entry) <= end) {
    Entry entry;
    std::memcpy(&entry, at, sizeof(entry));
    if (entry.kind == 1) {
      found += " " + std::to_string(entry.arch);
      const int entry_arch = static_cast<int>(entry.arch);
      if (entry_arch <= arch && entry_arch > best_arch) {
        if (entry.compressed_bytes != 0) throw std::runtime_error("the PTX is compressed: compile with --no-compress");
        best_arch = entry_arch;
        best.assign(reinterpret_cast<const char*>(at + entry.header_bytes), entry.payload_bytes);
      }
    }
    at += entry.header_bytes + entry.payload_bytes;
  }
  if (best_arch < 0) throw std::runtime_error("no PTX for compute capability " + std::to_string(arch) + "; there is" + (found.empty() ? " none" : found));
  return best;
}

}  // namespace node_bert::cuda::emulator
