#include "emulator/runtime/context.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "emulator/ptx/fatbin.h"

namespace node_bert::cuda::emulator {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

uint64_t environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 0);
}

uint64_t mix(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15ull;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

}  // namespace

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t take_last_error(bool clear) {
  const cudaError_t error = Context::get().sticky != cudaSuccess ? Context::get().sticky : last_error;
  if (clear) last_error = cudaSuccess;
  return error;
}

Context& Context::get() {
  static Context* context = new Context;  // outlives static destructors, which may still free memory
  return *context;
}

Context::Context() {
  arch = static_cast<int>(environment("NODE_BERT_EMULATED_ARCH", 80));
  total_memory = environment("NODE_BERT_EMULATED_MEMORY", uint64_t{8} << 30);
  checks = environment("NODE_BERT_EMULATOR_CHECKS", 1) != 0;
  seed = environment("NODE_BERT_EMULATOR_SEED", std::random_device{}());
  if (const char* fail = std::getenv("NODE_BERT_EMULATOR_FAIL")) {
    const std::string text = fail;
    const size_t colon = text.find(':');
    const std::string name = text.substr(0, colon);
    const uint64_t n = colon == std::string::npos ? 1 : std::strtoull(text.c_str() + colon + 1, nullptr, 10);
    failing_[name == "copy" ? FailingCall::copy : name == "launch" ? FailingCall::launch : FailingCall::allocation] = n;
  }
  reset();
  if (std::getenv("NODE_BERT_EMULATOR_COUNTERS") != nullptr) std::atexit(write_counters);
}

void Context::reset() {
  sticky = cudaSuccess;
  last_error = cudaSuccess;
  report.clear();
  for (CUstream_st* stream : streams) delete stream;
  streams.clear();
  events.clear();
  executed_.clear();
  uploads_.clear();
  deliveries_.clear();
  host_clock.clear();
  next_stream_ = 0;
  random_state_ = seed;
  executor.reset();
  memory.reset();
  timeline = Timeline();
  memory = std::make_unique<DeviceMemory>(timeline);
  pool_kept = pool_threshold = 0;
  executor = std::make_unique<Executor>(*memory, timeline, mix(random_state_), checks);
  create_stream(false);  // stream 0, the legacy default stream
  for (auto& module : modules) {
    module->symbols.clear();
    module->kernels.clear();
    module->ptx.reset();
  }
  for (auto& [function, entry] : kernels) {
    entry->kernel = nullptr;
    entry->max_dynamic_shared = 0;
  }
}

uint64_t Context::random() { return mix(random_state_); }

cudaError_t Context::fail_with(const Fault& fault) {
  sticky = fault.code;
  report = fault.what + "\n  seed " + std::to_string(seed);
  std::fprintf(stderr, "CUDA emulator: %s\n", report.c_str());
  drop_everything();
  return fault.code;
}

bool Context::injected(FailingCall call) {
  const auto found = failing_.find(call);
  if (found == failing_.end() || --found->second != 0) return false;
  failing_.erase(found);
  return true;
}

void fail_call(FailingCall call, uint64_t n) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  if (n == 0) context.failing_.erase(call);
  else context.failing_[call] = n;
}

Module* Context::register_module(const void* fatbin) {
  modules.push_back(std::make_unique<Module>());
  modules.back()->fatbin = fatbin;
  return modules.back().get();
}

void Context::register_kernel(Module* module, const void* host_function, const char* name) {
  auto entry = std::make_unique<KernelEntry>();
  entry->module = module;
  entry->name = name;
  entry->host_function = host_function;
  kernels[host_function] = std::move(entry);
}

KernelEntry* Context::find_kernel(const void* function_or_kernel) {
  const auto found = kernels.find(function_or_kernel);
  if (found != kernels.end()) return found->second.get();
  for (auto& [function, entry] : kernels) {
    if (entry.get() == function_or_kernel) return entry.get();
  }
  return nullptr;
}

void Context::load_module(Module& module) {
  if (module.ptx != nullptr) return;
  module.ptx = std::make_unique<PtxModule>(ptx_of_fatbin(module.fatbin, arch));
  for (const PtxVariable& variable : module.ptx->variables()) {
    if (variable.space == Space::shared) continue;  // placed for each kernel
    const uint64_t size = std::max<uint64_t>(variable.size, 1);
    const uint64_t address = memory->allocate(size);
    timeline.begin(0, 0, {}, "the initial value of " + variable.name);
    std::memset(memory->bytes(address), 0, size);
    std::copy(variable.initial.begin(), variable.initial.end(), memory->bytes(address));
    device_write(address, size);
    module.symbols[variable.name] = {variable.space, address};
  }
}

Kernel& Context::load(KernelEntry& entry) {
  if (entry.kernel == nullptr) {
    load_module(*entry.module);
    if (!entry.module->ptx->has_kernel(entry.name)) throw PtxError(0, "the PTX has no kernel " + entry.name);
    auto kernel = Decoder(*entry.module->ptx, entry.name, entry.module->symbols, memory->shared_window(), memory->local_window()).decode();
    entry.kernel = kernel.get();
    entry.module->kernels[entry.name] = std::move(kernel);
  }
  return *entry.kernel;
}

CUstream_st* Context::create_stream(bool non_blocking) {
  auto* stream = new CUstream_st;
  stream->index = next_stream_++;
  stream->non_blocking = non_blocking;
  streams.insert(stream);
  return stream;
}

CUstream_st* Context::stream(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) {
    for (CUstream_st* stream : streams) {
      if (stream->index == 0) return stream;
    }
  }
  return streams.count(handle) != 0 ? handle : nullptr;
}

void Context::destroy_stream(CUstream_st* stream) {
  wait(stream->clock);  // what was submitted still runs
  streams.erase(stream);
  delete stream;
}

void Context::submit(CUstream_st* stream, Work work) {
  if (stream->capture != nullptr) {
    add_node(stream->capture, stream, std::move(work));
  } else {
    queue(stream, std::move(work));
  }
}

void Context::queue(CUstream_st* stream, Work work) {
  join(stream->clock, host_clock);
  CUstream_st* const legacy = this->stream(nullptr);
  if (stream == legacy) {
    for (CUstream_st* other : streams) {
      if (!other->non_blocking) join(stream->clock, other->clock);
    }
  } else if (!stream->non_blocking) {
    join(stream->clock, legacy->clock);
  }
  if (work.at_submit) work.at_submit();
  if (work.host_source != nullptr) upload_from(stream->index, stream->submitted + 1, work.host_source, work.host_bytes);
  stream->queue.push_back({++stream->submitted, stream->clock, std::move(work)});
  if (stream->clock.size() <= stream->index) stream->clock.resize(stream->index + 1);
  stream->clock[stream->index] = stream->submitted;
  run_some();
}

// Runs the first operation of a stream drawn among those that can go on.
bool Context::run_one() {
  std::vector<CUstream_st*> ready;
  for (CUstream_st* stream : streams) {
    if (!stream->queue.empty() && done(stream->queue.front().clock)) ready.push_back(stream);
  }
  if (ready.empty()) return false;
  std::sort(ready.begin(), ready.end(), [](const CUstream_st* a, const CUstream_st* b) { return a->index < b->index; });
  CUstream_st* const stream = ready[random() % ready.size()];
  CUstream_st::Operation operation = std::move(stream->queue.front());
  stream->queue.pop_front();
  timeline.begin(stream->index, operation.number, operation.clock, operation.work.what);
  if (operation.work.run) operation.work.run();
  if (executed_.size() <= stream->index) executed_.resize(stream->index + 1);
  executed_[stream->index] = operation.number;
  return true;
}

cudaError_t Context::wait(const Clock& clock) {
  try {
    while (sticky == cudaSuccess && !done(clock)) {
      if (!run_one()) throw Fault{cudaErrorUnknown, "streams wait for each other"};
    }
  } catch (const Fault& fault) {
    return fail_with(fault);
  }
  if (sticky != cudaSuccess) return sticky;
  join(host_clock, clock);
  host_knows();
  if (sticky != cudaSuccess) return sticky;
  timeline.forget(host_clock);
  return cudaSuccess;
}

cudaError_t Context::wait_for_everything() {
  Clock all;
  for (const CUstream_st* stream : streams) join(all, stream->clock);
  return wait(all);
}

void Context::run_readers_of(const void* host, size_t bytes) {
  const uint8_t* from = static_cast<const uint8_t*>(host);
  for (CUstream_st* stream : streams) {
    for (size_t i = stream->queue.size(); i-- > 0;) {
      const CUstream_st::Operation& operation = stream->queue[i];
      const uint8_t* source = static_cast<const uint8_t*>(operation.work.host_source);
      if (source == nullptr || source >= from + bytes || from >= source + operation.work.host_bytes) continue;
      Clock needed = operation.clock;
      if (needed.size() <= stream->index) needed.resize(stream->index + 1);
      needed[stream->index] = operation.number;
      try {
        while (!done(needed) && run_one()) continue;
      } catch (const Fault& fault) {
        fail_with(fault);
      }
      return run_readers_of(host, bytes);
    }
  }
}

void Context::run_some() {
  size_t pending = 0;
  for (const CUstream_st* stream : streams) pending += stream->queue.size();
  // Mostly nothing runs before it must; now and then something does.
  size_t count = random() % 16 == 0 ? random() % 4 : 0;
  if (pending > 4096) count = pending - 4096;
  try {
    while (sticky == cudaSuccess && count-- > 0 && run_one()) continue;
  } catch (const Fault& fault) {
    fail_with(fault);
  }
}

void Context::drop_everything() {
  uploads_.clear();
  deliveries_.clear();
  for (CUstream_st* stream : streams) {
    stream->queue.clear();
    join(executed_, stream->clock);
  }
}

bool Context::is_pinned(const void* pointer) const {
  const uint64_t at = reinterpret_cast<uint64_t>(pointer);
  const auto after = pinned.upper_bound(at);
  return after != pinned.begin() && at < std::prev(after)->first + std::prev(after)->second;
}

void Context::trim_pool(uint64_t held) { pool_kept = std::min(pool_kept, held > memory->used() ? held - memory->used() : 0); }

Accessor Context::accessor() const {
  const uint32_t interval = timeline.current().first_interval;
  return {interval, interval, interval, timeline.floor(), 0, 0};
}

namespace {

// In pieces of whole words, with what sticks out at both ends apart.
template <class F>
void in_pieces(uint64_t offset, size_t bytes, F f) {
  constexpr uint64_t kPiece = 1 << 20;
  while (bytes > 0) {
    uint64_t piece = offset % 4 != 0 ? 4 - offset % 4 : bytes < 4 ? bytes : std::min<uint64_t>(kPiece, bytes / 4 * 4);
    piece = std::min<uint64_t>(piece, bytes);
    f(offset, static_cast<uint32_t>(piece));
    offset += piece;
    bytes -= piece;
  }
}

}  // namespace

void Context::device_read(uint64_t address, size_t bytes) {
  memory->check(address, bytes, "reads");
  if (!checks) return;
  in_pieces(memory->offset(address), bytes, [&](uint64_t offset, uint32_t size) { memory->shadow().read(offset, size, accessor(), 0); });
}

void Context::device_write(uint64_t address, size_t bytes) {
  memory->check(address, bytes, "writes");
  if (!checks) return;
  in_pieces(memory->offset(address), bytes, [&](uint64_t offset, uint32_t size) { memory->shadow().write(offset, size, accessor(), 0); });
}

}  // namespace node_bert::cuda::emulator
