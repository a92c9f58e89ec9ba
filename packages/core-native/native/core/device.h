// A device as JavaScript sees it: a backend's device, its stream, its allocator and the table of tensors. Used from one JavaScript thread;
// only the stream has a thread of its own.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/allocator.h"
#include "core/stream.h"
#include "node_bert/backend.h"

namespace nb {

// Storage is shared by a tensor and its views; the block returns to the allocator with the last of them.
struct Storage {
  Storage(Allocator* owner, const Block& memory) : allocator(owner), block(memory) {}
  ~Storage() { allocator->free(block); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  Allocator* allocator;
  Block block;
};

struct TensorSlot {
  std::shared_ptr<Storage> storage;  // empty: the slot is free
  uint32_t generation = 0;
  nb_tensor tensor{};
};

// Every function reports a misuse as a message in *error (empty when all is well), for the binding to throw.
class Device {
 public:
  static std::unique_ptr<Device> open(const nb_backend* backend, int32_t index, int32_t threads, std::string* error);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // A handle is generation * 2^20 + slot, exact in a double; 0 stands for an absent tensor and is never a handle.
  double allocate(int32_t dtype, const int64_t* dims, int32_t rank, std::string* error);
  double view(double handle, int64_t element_offset, const int64_t* dims, int32_t rank, std::string* error);
  bool free(double handle);  // false when it was free already
  const TensorSlot* find(double handle) const;

  // The command: op, tensor count, param count, handles (0: absent), params.
  std::string enqueue(const double* command, size_t length);
  // Copies host bytes (taken over) into a tensor of exactly that size.
  std::string upload(double handle, std::vector<uint8_t> bytes);
  // Reads a file's values of file_dtype at byte offset into a float tensor, converting; fd is duplicated.
  std::string read_file(double handle, int fd, int64_t offset, int32_t file_dtype);
  // Whether download() of so many bytes would be right: an empty string, or what is wrong.
  std::string check_download(double handle, size_t bytes) const;
  // Copies a tensor to host memory of its size, which must live until the completion has run (on the stream's thread).
  void download(double handle, void* host, size_t bytes, std::function<void(const Status&)> completion);

  Stream& stream() { return *stream_; }
  Allocator& allocator() { return *allocator_; }
  const nb_backend* backend() const { return backend_; }
  const char* info() const { return backend_->device_info(device_); }
  size_t live_tensors() const { return slots_.size() - free_slots_.size() - 1; }

 private:
  Device(const nb_backend* backend, nb_device* device);
  double publish(std::shared_ptr<Storage> storage, void* data, int32_t dtype, const int64_t* dims, int32_t rank);

  const nb_backend* backend_;
  nb_device* device_;
  std::unique_ptr<Allocator> allocator_;
  std::unique_ptr<Stream> stream_;
  std::vector<TensorSlot> slots_;
  std::vector<uint32_t> free_slots_;
};

}  // namespace nb
