// Records the ops of a training step as CUDA graphs and launches each with one call, instead of a few hundred launches.
//
// Between begin() and end() every stretch of ops with nothing else in between (no upload, no wait) is captured. Its graph has the values
// of this step in it (learning rate, step, addresses, row counts); an executable graph of the same ops, kept from an earlier step, takes them
// over by cudaGraphExecUpdate, which costs far less than building one. Executables are kept per stretch, per bucket of row counts.
//
// Capturing is never needed for a right result: calls are kept until their graph is launched, and where that fails they are run one by one, and
// reason() says why. What only happens in first steps (scratch memory grows) stops capturing until the next step.
#ifndef NODE_BERT_CUDA_STEP_GRAPH_H
#define NODE_BERT_CUDA_STEP_GRAPH_H

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "node_bert/backend.h"

namespace node_bert::cuda {

// Thrown by a call that cannot be captured now, but can be next time.
struct CaptureLater {};

class StepGraph {
 public:
  // `launch` runs one call on the stream; @throws Failure, and CaptureLater while capturing.
  StepGraph(cudaStream_t stream, bool enabled, std::function<void(const nb_call&)> launch);
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  void begin();
  void end();
  // Runs an op, or captures it when in a step.
  void run(const nb_call& call);
  // Ends the stretch and launches it. Before anything that is no op, and before waits.
  void flush();

  bool capturing() const { return capturing_; }
  struct Counts {
    uint64_t launched, updated, instantiated;
  };
  Counts counts() const { return {launched_, updated_, instantiated_}; }
  std::string reason() const;  // why steps are not captured; empty when they are

 private:
  struct Kept {
    uint64_t key;
    cudaGraphExec_t executable;
  };
  bool start_capture();
  void note(const nb_call& call);
  void run_uncaptured();
  void give_up(const std::string& reason);
  void launch(cudaGraph_t graph);

  cudaStream_t stream_;
  std::function<void(const nb_call&)> launch_call_;
  std::vector<nb_call> calls_;  // of the stretch being captured
  bool enabled_;
  bool in_step_ = false;
  bool paused_ = false;  // until the next step
  bool capturing_ = false;
  uint64_t key_ = 0;
  std::list<Kept> kept_;  // most recently used first
  std::atomic<uint64_t> launched_ = 0, updated_ = 0, instantiated_ = 0;
  mutable std::mutex reason_mutex_;
  std::string reason_;
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_STEP_GRAPH_H
