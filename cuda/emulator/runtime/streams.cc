// Streams, events and waiting.
#include "emulator/runtime/context.h"

using namespace node_bert::cuda::emulator;

namespace node_bert::cuda::emulator {

bool capturing(Context& context) {
  bool found = false;
  for (CUstream_st* stream : context.streams) {
    if (stream->capture == nullptr) continue;
    stream->capture_broken = found = true;
  }
  return found;
}

}  // namespace node_bert::cuda::emulator

namespace {

// Events that took part in a capture have no meaning outside it.
bool known(const Context& context, cudaEvent_t event) { return context.events.count(event) != 0; }

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  NB_ENTER(context);
  *stream = context.create_stream((flags & cudaStreamNonBlocking) != 0);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) { return cudaStreamCreateWithFlags(stream, flags); }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  if (handle == nullptr || context.stream(handle) == nullptr) return remember(cudaErrorInvalidResourceHandle);
  context.destroy_stream(handle);
  return remember(context.sticky);
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) return stream->capture_broken = true, remember(cudaErrorStreamCaptureUnsupported);
  ++context.step.synchronisations;
  Clock clock = stream->clock;
  if (stream == context.stream(nullptr)) {
    for (const CUstream_st* other : context.streams) {
      if (!other->non_blocking) join(clock, other->clock);
    }
  }
  return remember(context.wait(clock));
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) return stream->capture_broken = true, remember(cudaErrorStreamCaptureUnsupported);
  if (!context.done(stream->clock)) {
    context.run_some();  // a program that polls gets on
    if (context.random() % 4 == 0) context.wait(stream->clock);
    if (context.sticky != cudaSuccess) return remember(context.sticky);
    if (!context.done(stream->clock)) return cudaErrorNotReady;
  }
  return remember(context.wait(stream->clock));
}

cudaError_t cudaDeviceSynchronize(void) {
  NB_ENTER(context);
  if (capturing(context)) return remember(cudaErrorStreamCaptureUnsupported);
  ++context.step.synchronisations;
  return remember(context.wait_for_everything());
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr || !known(context, event)) return remember(cudaErrorInvalidResourceHandle);
  if (event->capture != nullptr) {
    if (stream->capture != nullptr && stream->capture != event->capture) return remember(cudaErrorStreamCaptureMerge);
    stream->capture = event->capture;
    stream->capture_last.insert(stream->capture_last.end(), event->capture_nodes.begin(), event->capture_nodes.end());
    return cudaSuccess;
  }
  if (stream->capture != nullptr) return stream->capture_broken = true, remember(cudaErrorStreamCaptureIsolation);
  if (event->recorded) join(stream->clock, event->clock);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  NB_ENTER(context);
  *event = new CUevent_st;
  context.events.insert(*event);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  if (context.events.erase(event) == 0) return remember(cudaErrorInvalidResourceHandle);
  delete event;
  return remember(context.sticky);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr || !known(context, event)) return remember(cudaErrorInvalidResourceHandle);
  event->capture = stream->capture;
  event->capture_nodes = stream->capture_last;
  if (stream->capture != nullptr) return cudaSuccess;
  event->clock = stream->clock;
  if (stream == context.stream(nullptr)) {
    for (const CUstream_st* other : context.streams) {
      if (!other->non_blocking) join(event->clock, other->clock);
    }
  }
  event->recorded = true;
  event->stamp = context.step.launches + context.step.copies;
  return cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) { return cudaEventRecord(event, stream); }

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  NB_ENTER(context);
  if (!known(context, event)) return remember(cudaErrorInvalidResourceHandle);
  if (event->capture != nullptr) return remember(cudaErrorCapturedEvent);
  ++context.step.synchronisations;
  return remember(event->recorded ? context.wait(event->clock) : cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  NB_ENTER(context);
  if (!known(context, event)) return remember(cudaErrorInvalidResourceHandle);
  if (event->capture != nullptr) return remember(cudaErrorCapturedEvent);
  if (!event->recorded) return cudaSuccess;
  if (!context.done(event->clock)) {
    context.run_some();
    if (context.random() % 4 == 0) context.wait(event->clock);
    if (context.sticky != cudaSuccess) return remember(context.sticky);
    if (!context.done(event->clock)) return cudaErrorNotReady;
  }
  return remember(context.wait(event->clock));
}

// There is no time here: an operation counts as a microsecond.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  NB_ENTER(context);
  if (!known(context, from) || !known(context, to) || !from->recorded || !to->recorded) return remember(cudaErrorInvalidResourceHandle);
  if (!context.done(from->clock) || !context.done(to->clock)) return remember(cudaErrorNotReady);
  *milliseconds = static_cast<float>(to->stamp - from->stamp) * 1e-3f;
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  context.submit(stream, {Work::host, "a host function", [=, &context] {
                            context.deliver_before_reading(nullptr, SIZE_MAX / 2);
                            function(data);
                          }});
  return remember(context.sticky);
}

}  // extern "C"
