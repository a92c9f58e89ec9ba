// The state behind the runtime's functions: modules, streams, memory, errors. One device, one context, one lock.
#ifndef NODE_BERT_CUDA_EMULATOR_RUNTIME_CONTEXT_H
#define NODE_BERT_CUDA_EMULATOR_RUNTIME_CONTEXT_H

#include <cuda_runtime_api.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "emulator/emulator.h"
#include "emulator/execute/decoder.h"
#include "emulator/execute/executor.h"

namespace node_bert::cuda::emulator {

struct KernelEntry;

// Something a stream or a graph does.
struct Work {
  enum Kind { kernel, copy, fill, host, free, library } kind;
  std::string what;  // for messages
  std::function<void()> run;
  const void* host_source = nullptr;  // page-locked memory read when it runs
  size_t host_bytes = 0;
  std::function<void()> at_submit = {};  // poisons the target of an asynchronous copy
  const KernelEntry* entry = nullptr;    // of a kernel
};

}  // namespace node_bert::cuda::emulator

struct CUstream_st {
  uint32_t index;
  bool non_blocking;
  node_bert::cuda::emulator::Clock clock;  // what the next operation comes after, the stream's own last one included
  uint32_t submitted = 0;
  struct Operation {
    uint32_t number;
    node_bert::cuda::emulator::Clock clock;
    node_bert::cuda::emulator::Work work;
  };
  std::deque<Operation> queue;
  struct CUgraph_st* capture = nullptr;          // being recorded into
  std::vector<size_t> capture_last;              // nodes that the next one depends on
  bool capture_origin = false, capture_broken = false;
};

struct CUevent_st {
  node_bert::cuda::emulator::Clock clock;
  bool recorded = false;
  uint64_t stamp = 0;
  struct CUgraph_st* capture = nullptr;
  std::vector<size_t> capture_nodes;
};

namespace node_bert::cuda::emulator {

struct Module {
  const void* fatbin;
  std::unique_ptr<PtxModule> ptx;  // parsed when first needed
  Symbols symbols;
  std::map<const void*, std::string> host_variables;
  std::map<std::string, std::unique_ptr<Kernel>> kernels;
};

// What a host function that stands for a kernel was registered as.
struct KernelEntry {
  Module* module;
  std::string name;
  const void* host_function;
  Kernel* kernel = nullptr;  // decoded at the first use
  int max_dynamic_shared = 0;
};

class Context {
 public:
  static Context& get();
  std::recursive_mutex lock;

  // --- errors
  cudaError_t sticky = cudaSuccess;
  std::string report;
  cudaError_t fail_with(const Fault& fault);  // prints, sticks
  bool injected(FailingCall call);

  // --- modules and kernels
  Module* register_module(const void* fatbin);
  void register_kernel(Module* module, const void* host_function, const char* name);
  KernelEntry* find_kernel(const void* function_or_kernel);
  Kernel& load(KernelEntry& entry);  // throws PtxError
  void load_module(Module& module);
  std::vector<std::unique_ptr<Module>> modules;
  std::map<const void*, std::unique_ptr<KernelEntry>> kernels;  // by host function

  // --- streams
  CUstream_st* stream(cudaStream_t handle);  // null when it is none
  CUstream_st* create_stream(bool non_blocking);
  void destroy_stream(CUstream_st* stream);
  // Puts an operation at the end of a stream; it runs when something waits for it, or when chance wants.
  // While the stream is captured, the graph receives it instead.
  void submit(CUstream_st* stream, Work work);
  void queue(CUstream_st* stream, Work work);
  bool done(const Clock& clock) const { return covers(executed_, clock); }
  cudaError_t wait(const Clock& clock);  // runs what the clock needs, and whatever else chance picks
  cudaError_t wait_for_everything();
  void run_readers_of(const void* host, size_t bytes);  // pending copies out of this host memory
  void run_some();  // what a real device would have done meanwhile, by chance
  std::set<CUstream_st*> streams;
  std::set<CUevent_st*> events;
  Clock host_clock;

  // --- memory
  uint64_t total_memory;
  // The one memory pool: what it keeps of what was freed, and how much it may hold in all.
  uint64_t pool_kept = 0, pool_threshold = 0;
  void trim_pool(uint64_t held);  // to so much, what is in use included
  std::map<uint64_t, size_t> pinned;  // start and size of page-locked host memory
  bool is_pinned(const void* pointer) const;
  // Page-locked memory between a copy and the moment the host has waited for it, see page_locked.cc.
  void upload_from(uint32_t stream, uint32_t number, const void* source, size_t bytes);  // called when it is queued
  void deliver(void* target, const void* bytes, size_t count);                          // called by a download that runs
  void deliver_before_reading(const void* source, size_t bytes);
  void host_knows();  // after host_clock grew: delivers, and checks the sources of uploads
  Accessor accessor() const;  // for the operation that runs
  void device_read(uint64_t address, size_t bytes);
  void device_write(uint64_t address, size_t bytes);

  int arch;  // of the emulated device: major * 10 + minor
  bool checks;
  uint64_t seed;
  uint64_t random();

  Timeline timeline;
  std::unique_ptr<DeviceMemory> memory;
  std::unique_ptr<Executor> executor;
  StepCounters step;
  std::map<std::string, uint64_t> library_operations;  // runs of services.h's operations, by name
  void reset();  // cudaDeviceReset: everything but the modules' code

 private:
  Context();
  bool run_one();
  void drop_everything();

  struct Upload {
    uint32_t stream, number;
    const void* source;
    size_t bytes;
    uint64_t hash;
  };
  struct Delivery {
    uint32_t stream, number;
    uint8_t* target;
    std::vector<uint8_t> bytes;
  };
  bool host_waited_for(uint32_t stream, uint32_t number) const { return stream < host_clock.size() && number <= host_clock[stream]; }

  std::vector<Upload> uploads_;
  std::vector<Delivery> deliveries_;
  Clock executed_;
  uint32_t next_stream_ = 0;
  uint64_t random_state_;
  std::map<FailingCall, uint64_t> failing_;
  friend void fail_call(FailingCall, uint64_t);
};

// Locks the context; returns at once with the sticky error when there is one.
#define NB_ENTER(context)                                         \
  Context& context = Context::get();                              \
  const std::lock_guard<std::recursive_mutex> held(context.lock); \
  if (context.sticky != cudaSuccess) return remember(context.sticky)

// Keeps an error for cudaGetLastError of this thread, and returns it.
cudaError_t remember(cudaError_t error);
cudaError_t take_last_error(bool clear);
void add_node(CUgraph_st* graph, CUstream_st* stream, Work work);  // graphs.cc
void write_counters();  // counters.cc
// Calls that may not be made while a stream is captured break its capture.
bool capturing(Context& context);

}  // namespace node_bert::cuda::emulator
#endif
