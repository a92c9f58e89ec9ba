#include "host/device.h"

#include <cstdlib>
#include <sstream>

#include "host/failure.h"
#include "host/op_list.h"

using namespace node_bert::cuda;

namespace {

bool is_set(const char* variable, const char* value) {
  const char* text = std::getenv(variable);
  return text != nullptr && std::string(text) == value;
}

// A string as JSON.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') out += "\\n";
    else if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + '"';
}

cudaDeviceProp properties_of(int32_t index) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, index), "reading the device's properties");
  return properties;
}

}  // namespace

namespace node_bert::cuda {

Stream::Stream() { check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "creating the compute stream"); }

Stream::~Stream() {
  cudaStreamSynchronize(handle);
  cudaStreamDestroy(handle);
}

}  // namespace node_bert::cuda

nb_device::nb_device(int32_t device)
    : index(device),
      properties(properties_of(device)),
      pool_(std::make_unique<Pool>(device)),
      uploads_(std::make_unique<Uploads>(*pool_, compute_.handle)),
      scratch_(std::make_unique<Scratch>(*pool_)),
      index_errors_(std::make_unique<IndexErrors>(*pool_, compute_.handle)),
      downloads_(std::make_unique<Downloads>(*index_errors_, compute_.handle)),
      gemm_(std::make_unique<Gemm>(*this)),
      graph_(std::make_unique<StepGraph>(compute_.handle, !is_set("NODE_BERT_CUDA_GRAPHS", "0"), [this](const nb_call& call) { launch_call(call); })),
      wait_after_each_op_(is_set("NODE_BERT_CUDA_SYNC", "1")) {
  check(cudaStreamSynchronize(compute_.handle), "opening the device");
}

nb_device::~nb_device() { cudaStreamSynchronize(compute_.handle); }

Launch nb_device::launch(const nb_call& call) {
  return {compute_.handle, properties.major * 10 + properties.minor, properties.multiProcessorCount, index_errors_->flag_of(call)};
}

void* nb_device::scratch(size_t bytes) {
  if (bytes == 0) return nullptr;
  if (!scratch_->holds(bytes)) {
    // What was launched still uses the old buffer; a stretch being captured cannot wait.
    if (graph_->capturing()) throw CaptureLater{};
    check(cudaStreamSynchronize(compute_.handle), "growing scratch memory");
    try {
      scratch_->grow(bytes);
    } catch (Failure& failure) {
      // The core says so for tensors, which it asks for; scratch memory it does not know.
      if (failure.status == NB_ERROR_OUT_OF_MEMORY) failure.message += ". Lower the batch size or the maximum length";
      throw;
    }
  }
  return scratch_->data();
}

void nb_device::upload(void* target, const void* host, size_t bytes) {
  graph_->flush();
  uploaded_bytes_ += bytes;
  uploads_->enqueue(target, host, bytes);
}

void nb_device::download(void* host, const void* source, size_t bytes) {
  graph_->flush();
  downloaded_bytes_ += bytes;
  downloads_->enqueue(host, source, bytes);
}

void nb_device::launch_call(const nb_call& call) {
  const Op* op = find_op(call.op);
  op->run(*this, launch(call), Call(call));
  if (!wait_after_each_op_ || graph_->capturing()) return;
  check(cudaStreamSynchronize(compute_.handle), "the kernel");
}

void nb_device::run(const nb_call& call) {
  if (call.op == NB_OP_STEP_BEGIN) {
    gemm_->prepare();  // cuBLAS cannot start while a graph is captured
    graph_->begin();
  } else if (call.op == NB_OP_STEP_END) {
    graph_->end();
  } else {
    graph_->run(call);
  }
}

uint64_t nb_device::record() {
  graph_->flush();
  return downloads_->record();
}

const char* nb_device::describe() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const auto version = [](int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); };
  const StepGraph::Counts graphs = graph_->counts();
  std::ostringstream text;
  text << "{\"name\":" << quoted(properties.name) << ",\"computeCapability\":\"" << properties.major << '.' << properties.minor
       << "\",\"multiprocessors\":" << properties.multiProcessorCount << ",\"memory\":" << quoted(mebibytes(properties.totalGlobalMem))
       << ",\"peakBytes\":" << pool_->most_used() << ",\"driver\":" << quoted(version(driver)) << ",\"runtime\":" << quoted(version(runtime)) << ",\"gemm\":" << quoted(gemm_->describe())
       << ",\"graphs\":{\"launched\":" << graphs.launched << ",\"updated\":" << graphs.updated << ",\"instantiated\":" << graphs.instantiated
       << ",\"notUsedBecause\":" << quoted(graph_->reason()) << "},\"waits\":" << downloads_->waits()
       << ",\"uploadedBytes\":" << uploaded_bytes_ << ",\"downloadedBytes\":" << downloaded_bytes_ << ",\"dtypes\":[\"f32\",\"bf16\",\"f16\"]}";
  description_ = text.str();
  return description_.c_str();
}
