#include "host/step_graph.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "host/failure.h"

namespace node_bert::cuda {
namespace {

constexpr size_t KEPT_LIMIT = 16;

// FNV-1a, a word at a time.
void mix(uint64_t& hash, uint64_t word) { hash = (hash ^ word) * 0x100000001b3ULL; }

// Row counts vary from batch to batch: eight buckets an octave, so that kernels chosen by size rarely differ within one.
uint64_t bucket(int64_t size) {
  if (size < 16) return static_cast<uint64_t>(size);
  const int octave = std::bit_width(static_cast<uint64_t>(size)) - 1;
  return static_cast<uint64_t>(octave) * 8 + (static_cast<uint64_t>(size) >> (octave - 3) & 7);
}

}  // namespace

StepGraph::StepGraph(cudaStream_t stream, bool enabled, std::function<void(const nb_call&)> launch)
    : stream_(stream), launch_call_(std::move(launch)), enabled_(enabled), reason_(enabled ? "" : "NODE_BERT_CUDA_GRAPHS is 0") {}

StepGraph::~StepGraph() {
  for (const Kept& kept : kept_) cudaGraphExecDestroy(kept.executable);
}

std::string StepGraph::reason() const {
  std::lock_guard lock(reason_mutex_);
  return reason_;
}

void StepGraph::begin() {
  in_step_ = true;
  paused_ = false;
}

void StepGraph::end() {
  in_step_ = false;
  flush();
}

void StepGraph::run(const nb_call& call) {
  if (!in_step_ || !enabled_ || paused_ || !(capturing_ || start_capture())) return launch_call_(call);
  note(call);
  try {
    launch_call_(call);
  } catch (const CaptureLater&) {
    paused_ = true;
    run_uncaptured();
  } catch (const Failure& failure) {
    give_up("an op cannot be captured: " + failure.message);
  }
}

bool StepGraph::start_capture() {
  const cudaError_t code = cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal);
  if (code != cudaSuccess) {
    give_up(std::string("capturing cannot start: ") + cudaGetErrorString(code));
    return false;
  }
  capturing_ = true;
  key_ = 0xcbf29ce484222325ULL;
  return true;
}

void StepGraph::note(const nb_call& call) {
  calls_.push_back(call);
  mix(key_, static_cast<uint64_t>(call.op));
  for (int i = 0; i < call.tensor_count; ++i) {
    const nb_tensor& tensor = call.tensors[i];
    mix(key_, static_cast<uint64_t>(tensor.rank + 1) << 8 | static_cast<uint64_t>(tensor.dtype));
    for (int axis = 0; axis < tensor.rank; ++axis) mix(key_, bucket(tensor.dims[axis]));
  }
}

void StepGraph::flush() {
  if (!capturing_) return;
  cudaGraph_t graph = nullptr;
  try {
    check(cudaStreamEndCapture(stream_, &graph), "ending the capture");
    capturing_ = false;
    launch(graph);
    calls_.clear();
  } catch (const Failure& failure) {
    give_up(failure.message);
  }
  if (graph != nullptr) cudaGraphDestroy(graph);
}

// Runs what was captured but never launched.
void StepGraph::run_uncaptured() {
  if (capturing_) {
    capturing_ = false;
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
  }
  cudaGetLastError();
  std::vector<nb_call> calls;
  calls.swap(calls_);
  for (const nb_call& call : calls) launch_call_(call);
}

// Stops capturing for good.
void StepGraph::give_up(const std::string& reason) {
  enabled_ = false;
  {
    std::lock_guard lock(reason_mutex_);
    reason_ = reason;
  }
  run_uncaptured();
}

void StepGraph::launch(cudaGraph_t graph) {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [this](const Kept& kept) { return kept.key == key_; });
  if (found != kept_.end()) {
    cudaGraphExecUpdateResultInfo info{};
    if (cudaGraphExecUpdate(found->executable, graph, &info) == cudaSuccess) {
      ++updated_;
      kept_.splice(kept_.begin(), kept_, found);
    } else {
      cudaGetLastError();
      cudaGraphExecDestroy(found->executable);
      kept_.erase(found);
    }
  }
  if (kept_.empty() || kept_.front().key != key_) {
    cudaGraphExec_t executable = nullptr;
    check(cudaGraphInstantiate(&executable, graph, 0), "making the graph of a step");
    kept_.push_front({key_, executable});
    ++instantiated_;
    if (kept_.size() > KEPT_LIMIT) {
      cudaGraphExecDestroy(kept_.back().executable);
      kept_.pop_back();
    }
  }
  check(cudaGraphLaunch(kept_.front().executable, stream_), "launching the graph of a step");
  ++launched_;
}

}  // namespace node_bert::cuda
