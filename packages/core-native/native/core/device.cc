#include "core/device.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <sstream>

#include "core/convert.h"
#include "core/op_table.h"

namespace nb {
namespace {

constexpr double kSlotLimit = 1048576.0;  // 2^20
constexpr int64_t kSizeLimit = int64_t{1} << 46;
constexpr size_t kChunkBytes = size_t{1} << 20;

// Elements of a shape, or -1 for a negative or absurd one.
int64_t checked_size(const int64_t* dims, int32_t rank) {
  int64_t size = 1;
  for (int i = 0; i < rank; ++i) {
    if (dims[i] < 0 || dims[i] > kSizeLimit) return -1;
    if (dims[i] != 0 && size > kSizeLimit / dims[i]) return -1;
    size *= dims[i];
  }
  return size;
}

int64_t element_count(const nb_tensor& tensor) { return checked_size(tensor.dims, tensor.rank); }

std::string megabytes(size_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

// Closes a duplicated descriptor with the last command that needs it.
struct FileDescriptor {
  explicit FileDescriptor(int descriptor) : fd(descriptor) {}
  ~FileDescriptor() {
    if (fd >= 0) close(fd);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int fd;
};

}  // namespace

std::unique_ptr<Device> Device::open(const nb_backend* backend, int32_t index, int32_t threads, std::string* error) {
  nb_device_options options{threads, 0};
  nb_device* device = nullptr;
  const nb_status status = backend->device_open(index, &options, &device);
  if (status != NB_OK) {
    *error = backend->last_error(nullptr);
    return nullptr;
  }
  return std::unique_ptr<Device>(new Device(backend, device));
}

Device::Device(const nb_backend* backend, nb_device* device)
    : backend_(backend),
      device_(device),
      allocator_(std::make_unique<Allocator>(backend, device)),
      stream_(std::make_unique<Stream>(backend, device)),
      slots_(1) {}

Device::~Device() {
  stream_.reset();
  backend_->synchronize(device_);  // whatever failed, nothing may still be running in memory that now goes
  slots_.clear();
  allocator_.reset();
  backend_->device_close(device_);
}

double Device::publish(std::shared_ptr<Storage> storage, void* data, int32_t dtype, const int64_t* dims, int32_t rank) {
  uint32_t index;
  if (!free_slots_.empty()) {
    index = free_slots_.back();
    free_slots_.pop_back();
  } else {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  TensorSlot& slot = slots_[index];
  slot.storage = std::move(storage);
  ++slot.generation;
  slot.tensor = {data, dtype, rank, {}};
  std::copy(dims, dims + rank, slot.tensor.dims);
  return slot.generation * kSlotLimit + index;
}

double Device::allocate(int32_t dtype, const int64_t* dims, int32_t rank, std::string* error) {
  const size_t item = dtype_size(dtype);
  const int64_t size = rank <= NB_MAX_RANK ? checked_size(dims, rank) : -1;
  if (item == 0 || size < 0) {
    *error = "a tensor of this type or shape cannot exist";
    return 0;
  }
  if (slots_.size() >= static_cast<size_t>(kSlotLimit) && free_slots_.empty()) {
    *error = "more than a million live tensors: dispose of tensors, or use device.scope()";
    return 0;
  }
  const size_t bytes = std::max<size_t>(static_cast<size_t>(size) * item, 1);
  Block block{};
  nb_status status = allocator_->allocate(bytes, &block);
  if (status == NB_ERROR_OUT_OF_MEMORY) {
    stream_->drain();
    allocator_->trim();
    status = allocator_->allocate(bytes, &block);
  }
  if (status != NB_OK) {
    const MemoryStats& stats = allocator_->stats();
    const char* detail = backend_->last_error(device_);
    *error = "out of memory: " + megabytes(bytes) + " asked for, " + megabytes(stats.in_use) + " in use, " + megabytes(stats.reserved) +
             " reserved" + (*detail != '\0' ? std::string("; ") + detail : "") + ". Lower the batch size or the maximum length";
    return 0;
  }
  return publish(std::make_shared<Storage>(allocator_.get(), block), block.data, dtype, dims, rank);
}

double Device::view(double handle, int64_t element_offset, const int64_t* dims, int32_t rank, std::string* error) {
  const TensorSlot* base = find(handle);
  if (base == nullptr) {
    *error = "view: the tensor was disposed";
    return 0;
  }
  const int64_t size = rank <= NB_MAX_RANK ? checked_size(dims, rank) : -1;
  const int64_t available = element_count(base->tensor);
  if (size < 0 || element_offset < 0 || element_offset > available || size > available - element_offset) {
    *error = "view: " + std::to_string(size) + " elements at offset " + std::to_string(element_offset) + " lie outside a tensor of " +
             std::to_string(available) + " elements";
    return 0;
  }
  char* data = static_cast<char*>(base->tensor.data) + static_cast<size_t>(element_offset) * dtype_size(base->tensor.dtype);
  return publish(base->storage, data, base->tensor.dtype, dims, rank);
}

bool Device::free(double handle) {
  const TensorSlot* found = find(handle);
  if (found == nullptr) return false;
  const uint32_t index = static_cast<uint32_t>(found - slots_.data());
  slots_[index].storage.reset();
  free_slots_.push_back(index);
  return true;
}

const TensorSlot* Device::find(double handle) const {
  if (!(handle >= kSlotLimit && handle < 9007199254740992.0) || handle != std::floor(handle)) return nullptr;
  const double generation = std::floor(handle / kSlotLimit);
  const size_t index = static_cast<size_t>(handle - generation * kSlotLimit);
  if (index == 0 || index >= slots_.size()) return nullptr;
  const TensorSlot& slot = slots_[index];
  return slot.storage == nullptr || slot.generation != generation ? nullptr : &slot;
}

std::string Device::enqueue(const double* command, size_t length) {
  auto count_of = [](double value, int limit) { return value >= 0 && value <= limit && value == std::floor(value) ? static_cast<int>(value) : -1; };
  if (length < 3) return "enqueue: the command is too short";
  nb_call call;
  call.op = count_of(command[0], 1 << 20);
  call.tensor_count = count_of(command[1], NB_MAX_TENSORS);
  call.param_count = count_of(command[2], NB_MAX_PARAMS);
  call.reserved = 0;
  if (call.op < 0 || call.tensor_count < 0 || call.param_count < 0 ||
      length < 3 + static_cast<size_t>(call.tensor_count) + static_cast<size_t>(call.param_count))
    return "enqueue: the command is malformed";
  for (int i = 0; i < call.tensor_count; ++i) {
    const double handle = command[3 + i];
    if (handle == 0) {
      call.tensors[i] = {nullptr, 0, -1, {}};
      continue;
    }
    const TensorSlot* slot = find(handle);
    if (slot == nullptr) {
      const char* name = op_name(call.op);
      return std::string(name == nullptr ? "enqueue" : name) + ": tensor argument " + std::to_string(i) + " was disposed";
    }
    call.tensors[i] = slot->tensor;
  }
  for (int i = 0; i < call.param_count; ++i) call.params[i] = command[3 + call.tensor_count + i];
  std::string problem = check_call(call);
  const bool is_mark = call.op == NB_OP_STEP_BEGIN || call.op == NB_OP_STEP_END;
  if (problem.empty() && !(is_mark && !backend_->supports_op(device_, call.op, 0))) stream_->enqueue_call(call);
  return problem;
}

std::string Device::upload(double handle, std::vector<uint8_t> bytes) {
  const TensorSlot* slot = find(handle);
  if (slot == nullptr) return "upload: the tensor was disposed";
  const size_t expected = static_cast<size_t>(element_count(slot->tensor)) * dtype_size(slot->tensor.dtype);
  if (bytes.size() != expected)
    return "upload: got " + std::to_string(bytes.size()) + " bytes for a tensor of " + std::to_string(expected) + " bytes";
  if (expected == 0) return "";
  stream_->enqueue_task([this, data = slot->tensor.data, host = std::move(bytes)]() -> Status {
    const nb_status code = backend_->upload(device_, data, host.data(), host.size());
    return code == NB_OK ? Status{} : Status{code, backend_->last_error(device_)};
  });
  return "";
}

std::string Device::read_file(double handle, int fd, int64_t offset, int32_t file_dtype) {
  const TensorSlot* slot = find(handle);
  if (slot == nullptr) return "read_file: the tensor was disposed";
  const int32_t dtype = slot->tensor.dtype;
  if (!can_convert(file_dtype, dtype))
    return std::string("read_file: cannot read ") + dtype_name(file_dtype) + " values into a " + dtype_name(dtype) + " tensor";
  if (offset < 0) return "read_file: negative offset";
  auto file = std::make_shared<FileDescriptor>(dup(fd));
  if (file->fd < 0) return std::string("read_file: ") + std::strerror(errno);
  const int64_t count = element_count(slot->tensor);
  // In chunks that stay in cache, and by pread, not a memory map: a file that shrinks meanwhile is an error here, and SIGBUS there.
  stream_->enqueue_task([this, file, offset, count, dtype, file_dtype, target = static_cast<char*>(slot->tensor.data)]() -> Status {
    const size_t file_item = dtype_size(file_dtype), item = dtype_size(dtype);
    const int64_t step = static_cast<int64_t>(kChunkBytes / std::max(file_item, item));
    std::vector<uint8_t> raw(static_cast<size_t>(std::min(step, count)) * file_item);
    std::vector<uint8_t> converted(file_dtype == dtype ? 0 : static_cast<size_t>(std::min(step, count)) * item);
    for (int64_t done = 0; done < count; done += step) {
      const int64_t now = std::min(step, count - done);
      const size_t bytes = static_cast<size_t>(now) * file_item;
      for (size_t have = 0; have < bytes;) {
        const ssize_t got = pread(file->fd, raw.data() + have, bytes - have, static_cast<off_t>(offset + done * static_cast<int64_t>(file_item)) + static_cast<off_t>(have));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return {NB_ERROR_DEVICE, got < 0 ? std::string("reading the weights failed: ") + std::strerror(errno) : "reading the weights failed: the file ends early"};
        have += static_cast<size_t>(got);
      }
      const uint8_t* source = raw.data();
      if (file_dtype != dtype) {
        convert(raw.data(), file_dtype, converted.data(), dtype, now);
        source = converted.data();
      }
      const nb_status code = backend_->upload(device_, target + static_cast<size_t>(done) * item, source, static_cast<size_t>(now) * item);
      if (code != NB_OK) return {code, backend_->last_error(device_)};
    }
    return {};
  });
  return "";
}

std::string Device::check_download(double handle, size_t bytes) const {
  const TensorSlot* slot = find(handle);
  if (slot == nullptr) return "read: the tensor was disposed";
  const size_t expected = static_cast<size_t>(element_count(slot->tensor)) * dtype_size(slot->tensor.dtype);
  if (bytes == expected) return "";
  return "read: the target has " + std::to_string(bytes) + " bytes, expected " + std::to_string(expected);
}

void Device::download(double handle, void* host, size_t bytes, std::function<void(const Status&)> completion) {
  if (bytes > 0) {
    stream_->enqueue_task([this, data = find(handle)->tensor.data, host, bytes]() -> Status {
      const nb_status code = backend_->download(device_, host, data, bytes);
      return code == NB_OK ? Status{} : Status{code, backend_->last_error(device_)};
    });
  }
  stream_->enqueue_completion(std::move(completion));
}

}  // namespace nb
