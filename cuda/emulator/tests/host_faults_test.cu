// Faults planted in host programs: streams, events, copies, graphs, memory. Each must be caught, and its correct twin must pass.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emulator/tests/check.h"

using namespace node_bert::cuda::emulator::test;
using node_bert::cuda::emulator::FailingCall;

namespace {

constexpr int kCount = 256;

__global__ void add(const float* x, float* y, float value, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) y[i] = x[i] + value;
}
void launch_add(cudaStream_t stream, const float* x, float* y, float value) { add<<<2, 128, 0, stream>>>(x, y, value, kCount); }

std::vector<double> ramp_plus(double value) {
  std::vector<double> values(kCount);
  for (int i = 0; i < kCount; ++i) values[i] = i + value;
  return values;
}

float* pinned(const std::vector<float>& values) {
  void* at = nullptr;
  cudaMallocHost(&at, values.size() * sizeof(float));
  std::copy(values.begin(), values.end(), static_cast<float*>(at));
  return static_cast<float*>(at);
}
cudaStream_t stream() {
  cudaStream_t made;
  cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
  return made;
}
cudaEvent_t recorded(cudaStream_t on) {
  cudaEvent_t event;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  cudaEventRecord(event, on);
  return event;
}

constexpr size_t kBytes = kCount * sizeof(float);

Outcome unsynchronised_download(bool fault) {
  const cudaStream_t s = stream();
  float *x = on_device(ramp(kCount)), *host = pinned(std::vector<float>(kCount, 0));
  launch_add(s, x, x, 1);
  cudaMemcpyAsync(host, x, kBytes, cudaMemcpyDeviceToHost, s);
  if (!fault) cudaStreamSynchronize(s);
  return {cudaGetLastError(), std::vector<double>(host, host + kCount)};
}

Outcome staging_buffer_reused(bool fault) {
  const cudaStream_t s = stream();
  float *x = fresh_on_device<float>(kCount), *y = fresh_on_device<float>(kCount), *staging = pinned(ramp(kCount));
  cudaMemcpyAsync(x, staging, kBytes, cudaMemcpyHostToDevice, s);
  if (!fault) cudaEventSynchronize(recorded(s));
  for (int i = 0; i < kCount; ++i) staging[i] = -1;
  launch_add(s, x, y, 0);
  return outcome_of(y, kCount);
}

// Two streams; what waits for what.
enum class Wait { upload, kernel, download };
template <Wait kMissing>
Outcome pipeline(bool fault) {
  const auto wait = [&](Wait which, cudaStream_t later, cudaStream_t earlier) {
    if (!fault || which != kMissing) cudaStreamWaitEvent(later, recorded(earlier), 0);
  };
  const cudaStream_t copies = stream(), compute = stream(), other = stream();
  float *x = fresh_on_device<float>(kCount), *y = fresh_on_device<float>(kCount);
  float *in = pinned(ramp(kCount)), *out = pinned(std::vector<float>(kCount, 0));
  cudaMemsetAsync(x, 0, kBytes, copies);
  cudaMemcpyAsync(x, in, kBytes, cudaMemcpyHostToDevice, copies);
  wait(Wait::upload, compute, copies);
  launch_add(compute, x, y, 1);
  wait(Wait::kernel, other, compute);
  launch_add(other, y, y, 1);
  wait(Wait::download, copies, other);
  cudaMemcpyAsync(out, y, kBytes, cudaMemcpyDeviceToHost, copies);
  cudaDeviceSynchronize();
  return {cudaGetLastError(), std::vector<double>(out, out + kCount)};
}

Outcome overwritten_while_read(bool fault) {
  const cudaStream_t compute = stream(), copies = stream();
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount), *next = pinned(std::vector<float>(kCount, 9));
  launch_add(compute, x, y, 2);
  if (!fault) cudaStreamWaitEvent(copies, recorded(compute), 0);
  cudaMemcpyAsync(x, next, kBytes, cudaMemcpyHostToDevice, copies);  // the next batch
  return outcome_of(y, kCount);
}

Outcome freed_on_another_stream(bool fault) {
  const cudaStream_t compute = stream(), other = stream();
  float *x = nullptr, *y = fresh_on_device<float>(kCount);
  cudaMallocAsync(reinterpret_cast<void**>(&x), kBytes, compute);
  cudaMemsetAsync(x, 0, kBytes, compute);
  launch_add(compute, x, y, 4);
  if (!fault) cudaStreamWaitEvent(other, recorded(compute), 0);
  cudaFreeAsync(x, other);
  return outcome_of(y, kCount);
}

Outcome used_after_free(bool fault) {
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount);
  if (fault) cudaFree(x);
  launch_add(nullptr, x, y, 3);
  return outcome_of(y, kCount);
}

Outcome freed_too_early_in_stream(bool fault) {
  const cudaStream_t s = stream();
  float *x = nullptr, *y = fresh_on_device<float>(kCount);
  cudaMallocAsync(reinterpret_cast<void**>(&x), kBytes, s);
  cudaMemsetAsync(x, 0, kBytes, s);
  if (fault) cudaFreeAsync(x, s);
  launch_add(s, x, y, 4);
  if (!fault) cudaFreeAsync(x, s);
  return outcome_of(y, kCount);
}

Outcome copy_too_long(bool fault) {
  float* x = on_device(ramp(kCount));
  std::vector<float> host(kCount + 1);
  Outcome outcome;
  outcome.error = cudaMemcpy(host.data(), x, kBytes + (fault ? 4 : 0), cudaMemcpyDeviceToHost);
  outcome.values.assign(host.begin(), host.end() - 1);
  return outcome;
}

Outcome freed_twice(bool fault) {
  float* x = on_device(ramp(kCount));
  Outcome outcome{cudaFree(x), {}};
  if (fault) outcome.error = cudaFree(x);
  return outcome;
}

Outcome too_much_shared_memory(bool fault) {
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount);
  if (!fault) cudaFuncSetAttribute(add, cudaFuncAttributeMaxDynamicSharedMemorySize, 60000);
  add<<<2, 128, 60000>>>(x, y, 5, kCount);
  const cudaError_t error = cudaGetLastError();
  return error != cudaSuccess ? Outcome{error, {}} : outcome_of(y, kCount);
}

// --- graphs

cudaGraph_t capture(cudaStream_t s, const std::function<void()>& work) {
  cudaGraph_t graph = nullptr;
  cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal);
  work();
  cudaStreamEndCapture(s, &graph);
  return graph;
}

// The value of the second step must get into the graph that was instantiated for the first one.
Outcome step_value_in_graph(bool fault) {
  const cudaStream_t s = stream();
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount);
  cudaGraphExec_t exec;
  cudaGraphInstantiate(&exec, capture(s, [&] { launch_add(s, x, y, 1); }), 0);
  cudaGraphLaunch(exec, s);
  const cudaGraph_t second = capture(s, [&] { launch_add(s, x, y, 2); });
  cudaGraphExecUpdateResultInfo result;
  if (!fault) cudaGraphExecUpdate(exec, second, &result);
  cudaGraphLaunch(exec, s);
  return outcome_of(y, kCount);
}

Outcome branches_of_graph(bool fault) {
  const cudaStream_t a = stream(), b = stream();
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount), *z = fresh_on_device<float>(kCount);
  cudaGraphExec_t exec;
  const cudaGraph_t graph = capture(a, [&] {
    cudaStreamWaitEvent(b, recorded(a), 0);
    launch_add(a, x, y, 1);
    launch_add(b, x, fault ? y : z, 1);  // both branches write y
    cudaStreamWaitEvent(a, recorded(b), 0);
    launch_add(a, fault ? y : z, z, 1);
  });
  if (graph == nullptr) return {cudaGetLastError(), {}};
  cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphLaunch(exec, a);
  return outcome_of(z, kCount);
}

Outcome branch_not_joined(bool fault) {
  const cudaStream_t a = stream(), b = stream();
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount);
  const cudaGraph_t graph = capture(a, [&] {
    cudaStreamWaitEvent(b, recorded(a), 0);
    launch_add(b, x, y, 1);
    if (!fault) cudaStreamWaitEvent(a, recorded(b), 0);
  });
  if (graph == nullptr) return {cudaGetLastError(), {}};
  cudaGraphExec_t exec;
  cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphLaunch(exec, a);
  return outcome_of(y, kCount);
}

Outcome wait_during_capture(bool fault) {
  const cudaStream_t s = stream();
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount);
  const cudaGraph_t graph = capture(s, [&] {
    launch_add(s, x, y, 1);
    if (fault) cudaStreamSynchronize(s);
  });
  if (graph == nullptr) return {cudaGetLastError(), {}};
  cudaGraphExec_t exec;
  cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphLaunch(exec, s);
  return outcome_of(y, kCount);
}

// --- failing calls: a program that checks comes out clean, one that does not runs into the null pointer

Outcome failing_allocation(bool fault) {
  float *x = on_device(ramp(kCount)), *y = nullptr;
  node_bert::cuda::emulator::fail_call(FailingCall::allocation, 1);
  if (cudaMalloc(reinterpret_cast<void**>(&y), kBytes) != cudaSuccess && !fault) {
    cudaGetLastError();  // handled
    cudaMalloc(reinterpret_cast<void**>(&y), kBytes);
  }
  launch_add(nullptr, x, y, 6);
  return outcome_of(y, kCount);
}

Outcome failing_copy(bool fault) {
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount);
  node_bert::cuda::emulator::fail_call(FailingCall::copy, 1);
  if (cudaMemcpyAsync(y, x, kBytes, cudaMemcpyDeviceToDevice, nullptr) != cudaSuccess && !fault) {
    cudaGetLastError();
    cudaMemcpyAsync(y, x, kBytes, cudaMemcpyDeviceToDevice, nullptr);
  }
  launch_add(nullptr, y, y, 0);
  return outcome_of(y, kCount);
}

Outcome failing_launch(bool fault) {
  float *x = on_device(ramp(kCount)), *y = fresh_on_device<float>(kCount);
  node_bert::cuda::emulator::fail_call(FailingCall::launch, 1);
  launch_add(nullptr, x, y, 7);
  if (!fault && cudaGetLastError() != cudaSuccess) launch_add(nullptr, x, y, 7);
  Outcome outcome{cudaDeviceSynchronize(), {}};
  const std::vector<float> values = from_device(y, kCount);
  if (outcome.error == cudaSuccess) outcome.error = cudaGetLastError();
  outcome.values.assign(values.begin(), values.end());
  return outcome;
}

Outcome leaked(bool fault) {
  float* x = on_device(ramp(kCount));
  if (!fault) cudaFree(x);
  return {cudaSuccess, {static_cast<double>(node_bert::cuda::emulator::live_allocations())}};
}

// In a process of its own, which must die of it.
void host_dereference() {
  node_bert::cuda::emulator::set_seed(1);
  float* x = on_device(ramp(4));
  const auto dies = [&](auto f) {
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGSEGV, SIG_DFL);
      f();
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
  };
  volatile float sink = 0;
  ok("the host reads through a device pointer", dies([&] { sink = x[0]; }) && !dies([&] { sink = from_device(x, 1)[0]; }));
  ok("the host writes through a device pointer", dies([&] { x[1] = 2; }));
}

void sticky() {
  node_bert::cuda::emulator::set_seed(1);
  launch_add(nullptr, nullptr, nullptr, 0);
  const bool failed = cudaDeviceSynchronize() == cudaErrorIllegalAddress;
  void* at = nullptr;
  const bool stays = cudaMalloc(&at, 4) == cudaErrorIllegalAddress && cudaGetLastError() == cudaErrorIllegalAddress && cudaGetLastError() == cudaErrorIllegalAddress;
  const std::string report = node_bert::cuda::emulator::last_report();
  bool tells = true;
  for (const char* part : {"host_faults_test.cu:", "PTX line", "block (", "thread (", "seed 1", "add("}) tells &= report.find(part) != std::string::npos;
  ok("an error sticks to every later call", failed && stays);
  ok("a report names kernel, source line, PTX line, block, thread and seed", tells, report);
  cudaDeviceReset();
  ok("a reset clears the error", cudaMalloc(&at, 4) == cudaSuccess && cudaGetLastError() == cudaSuccess);
}

}  // namespace

int main() {
  planted("a download is read before it is waited for", "numbers", ramp_plus(1), unsynchronised_download);
  planted("the source of an asynchronous upload changes before it is read", "changed before the copy", ramp_plus(0), staging_buffer_reused);
  planted("a kernel does not wait for the upload on another stream", "race:|never written", ramp_plus(2), pipeline<Wait::upload>);
  planted("a kernel does not wait for a kernel on another stream", "race:|never written", ramp_plus(2), pipeline<Wait::kernel>);
  planted("a download does not wait for the kernel on another stream", "race:|never written", ramp_plus(2), pipeline<Wait::download>);
  planted("an upload overwrites what a kernel on another stream reads", "race:", ramp_plus(2), overwritten_while_read);
  planted("memory is freed on another stream while a kernel uses it", "", std::vector<double>(kCount, 4), freed_on_another_stream);
  planted("memory is used after it was freed", "freed memory", ramp_plus(3), used_after_free);
  planted("memory is freed in the stream before its last use", "freed memory", std::vector<double>(kCount, 4), freed_too_early_in_stream);
  planted("a copy longer than its source", "cudaErrorInvalidValue", ramp_plus(0), copy_too_long);
  planted("memory is freed twice", "cudaErrorInvalidValue", {}, freed_twice);
  planted("dynamic shared memory beyond 48 KiB without asking", "cudaErrorInvalidValue", ramp_plus(5), too_much_shared_memory);
  planted("a graph replays the value of an earlier step", "numbers", ramp_plus(2), step_value_in_graph);
  planted("two branches of a graph write the same memory", "race:", ramp_plus(2), branches_of_graph);
  planted("a branch of a graph is not joined", "cudaErrorStreamCaptureUnjoined", ramp_plus(1), branch_not_joined);
  planted("waiting for a stream while it is captured", "cudaErrorStreamCapture", ramp_plus(1), wait_during_capture);
  planted("a failed allocation is not noticed", "no device memory", ramp_plus(6), failing_allocation);
  planted("a failed copy is not noticed", "never written", ramp_plus(0), failing_copy);
  planted("a failed launch is not noticed", "never written", ramp_plus(7), failing_launch);
  planted("an allocation is not freed", "numbers", {0}, leaked);
  host_dereference();
  sticky();
  return finish();
}
