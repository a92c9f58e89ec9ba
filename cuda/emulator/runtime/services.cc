// services.h: operations of a library loaded beside the emulator.
#include "emulator/services.h"

#include <optional>

#include "emulator/runtime/context.h"

using namespace node_bert::cuda::emulator;

namespace {

std::optional<Fault> failed;  // what a check found inside the operation that runs

// A fault may not fly through the other library: it is kept until the operation returns.
template <class F>
auto checked(F f) -> decltype(f()) {
  try {
    return f();
  } catch (const Fault& fault) {
    if (!failed) failed = fault;
    return nullptr;
  }
}

cudaError_t enqueue(cudaStream_t handle, const char* what, void (*work)(const void* data), const void* data, size_t bytes) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (context.injected(FailingCall::launch)) return remember(cudaErrorLaunchOutOfResources);
  ++context.step.launches;
  const uint8_t* from = static_cast<const uint8_t*>(data);
  context.submit(stream, {Work::library, what, [work, name = std::string(what), copy = std::vector<uint8_t>(from, from + bytes)] {
                            failed.reset();
                            ++Context::get().library_operations[name];
                            work(copy.data());
                            if (failed) throw Fault{failed->code, failed->what + "\n  in " + name};
                          }});
  return remember(context.sticky);
}

const void* read(const void* device, size_t bytes) {
  return checked([&]() -> const void* {
    Context& context = Context::get();
    context.device_read(reinterpret_cast<uint64_t>(device), bytes);
    return context.memory->bytes(reinterpret_cast<uint64_t>(device));
  });
}

void* write(void* device, size_t bytes) {
  return checked([&]() -> void* {
    Context& context = Context::get();
    context.device_write(reinterpret_cast<uint64_t>(device), bytes);
    return context.memory->bytes(reinterpret_cast<uint64_t>(device));
  });
}

}  // namespace

const Services* node_bert::cuda::emulator::services() {
  static const Services services = {enqueue, read, write};
  return &services;
}
