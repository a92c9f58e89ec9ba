// Stream capture and graphs.
#include <algorithm>
#include <cstring>

#include "emulator/runtime/context.h"

using namespace node_bert::cuda::emulator;

struct CUgraph_st {
  struct Node {
    Work work;
    std::vector<size_t> after;
  };
  std::vector<Node> nodes;
};

struct CUgraphExec_st {
  std::vector<CUgraph_st::Node> nodes;
  std::vector<CUstream_st*> lanes;  // streams of its own for branches that run beside each other
};

namespace node_bert::cuda::emulator {

void add_node(CUgraph_st* graph, CUstream_st* stream, Work work) {
  graph->nodes.push_back({std::move(work), stream->capture_last});
  stream->capture_last.assign(1, graph->nodes.size() - 1);
}

}  // namespace node_bert::cuda::emulator

namespace {

// Gives back a stream that was drawn into a capture.
void end_capture(CUstream_st* stream) {
  stream->capture = nullptr;
  stream->capture_last.clear();
  stream->capture_origin = stream->capture_broken = false;
}

// Every node goes to the stream of the one it follows when it is that stream's last, and else to a lane that waits for what it needs.
void launch(Context& context, CUgraphExec_st& graph, CUstream_st* stream) {
  std::vector<CUstream_st*> place(graph.nodes.size());
  std::vector<Clock> after(graph.nodes.size());
  const Clock start = stream->clock;
  std::vector<long> last(graph.lanes.size() + 1, -1);  // node that each stream ran last in this graph
  const auto lane = [&](size_t i) { return i == 0 ? stream : graph.lanes[i - 1]; };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const CUgraph_st::Node& node = graph.nodes[i];
    size_t chosen = last.size();
    for (size_t k = 0; k < last.size() && chosen == last.size(); ++k) {
      const bool follows = last[k] >= 0 && std::find(node.after.begin(), node.after.end(), static_cast<size_t>(last[k])) != node.after.end();
      if (follows || (last[k] < 0 && (node.after.empty() || k > 0))) chosen = k;
    }
    if (chosen == last.size()) {
      graph.lanes.push_back(context.create_stream(true));
      last.push_back(-1);
    }
    CUstream_st* const at = lane(chosen);
    join(at->clock, start);
    for (const size_t before : node.after) join(at->clock, after[before]);
    context.queue(at, node.work);
    after[i] = at->clock;
    last[chosen] = static_cast<long>(i);
  }
  for (const Clock& clock : after) join(stream->clock, clock);
}

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (stream == context.stream(nullptr)) return remember(cudaErrorStreamCaptureUnsupported);
  if (stream->capture != nullptr) return remember(cudaErrorIllegalState);
  stream->capture = new CUgraph_st;
  stream->capture_origin = true;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  *graph = nullptr;
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture == nullptr) return remember(cudaErrorIllegalState);
  if (!stream->capture_origin) return remember(cudaErrorStreamCaptureUnmatched);
  CUgraph_st* const made = stream->capture;
  bool broken = false, unjoined = false;
  std::vector<bool> followed(made->nodes.size());
  for (const CUgraph_st::Node& node : made->nodes) {
    for (const size_t before : node.after) followed[before] = true;
  }
  for (const size_t at : stream->capture_last) followed[at] = true;
  for (CUstream_st* other : context.streams) {
    if (other->capture != made) continue;
    broken |= other->capture_broken;
    // What another stream did must have been waited for.
    for (const size_t at : other->capture_last) unjoined |= !followed[at];
  }
  for (CUstream_st* other : context.streams) {
    if (other->capture == made) end_capture(other);
  }
  for (CUevent_st* event : context.events) {
    if (event->capture == made) event->capture = nullptr;
  }
  if (broken || unjoined) {
    delete made;
    return remember(broken ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined);
  }
  *graph = made;
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  *status = stream->capture == nullptr ? cudaStreamCaptureStatusNone : stream->capture_broken ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) { return cudaSuccess; }

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  NB_ENTER(context);
  *exec = new CUgraphExec_st{graph->nodes, {}};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags) { return cudaGraphInstantiate(exec, graph, flags); }

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo* result) {
  NB_ENTER(context);
  std::memset(static_cast<void*>(result), 0, sizeof(*result));
  cudaGraphExecUpdateResult outcome = cudaGraphExecUpdateSuccess;
  if (exec->nodes.size() != graph->nodes.size()) outcome = cudaGraphExecUpdateErrorTopologyChanged;
  for (size_t i = 0; outcome == cudaGraphExecUpdateSuccess && i < graph->nodes.size(); ++i) {
    const CUgraph_st::Node &before = exec->nodes[i], &now = graph->nodes[i];
    if (before.after != now.after) outcome = cudaGraphExecUpdateErrorTopologyChanged;
    else if (before.work.kind != now.work.kind) outcome = cudaGraphExecUpdateErrorNodeTypeChanged;
    else if (before.work.entry != now.work.entry) outcome = cudaGraphExecUpdateErrorUnsupportedFunctionChange;
  }
  result->result = outcome;
  if (outcome != cudaGraphExecUpdateSuccess) return remember(cudaErrorGraphExecUpdateFailure);
  exec->nodes = graph->nodes;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t handle) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) return remember(cudaErrorStreamCaptureUnsupported);
  if (context.injected(FailingCall::launch)) return remember(cudaErrorLaunchOutOfResources);
  ++context.step.graph_launches;
  launch(context, *exec, stream);
  return remember(context.sticky);
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  NB_ENTER(context);
  if (nodes != nullptr) return remember(cudaErrorNotSupported);
  *count = graph->nodes.size();
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  for (CUstream_st* lane : exec->lanes) {
    if (context.streams.count(lane) != 0) context.destroy_stream(lane);
  }
  delete exec;
  return remember(context.sticky);
}

}  // extern "C"
