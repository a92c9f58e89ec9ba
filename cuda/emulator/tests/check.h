// The emulator's tests: named results, printed as TAP lines; and what a planted fault and its correct twin have in common.
#ifndef NODE_BERT_CUDA_EMULATOR_TESTS_CHECK_H
#define NODE_BERT_CUDA_EMULATOR_TESTS_CHECK_H

#include <cuda_runtime.h>

#include <functional>
#include <string>
#include <vector>

#include "emulator/emulator.h"

namespace node_bert::cuda::emulator::test {

void ok(const std::string& name, bool passed, const std::string& why = "");
// Prints the totals; the program's exit status.
int finish();

// Device memory of a test; freed by the reset that begins the next one.
template <class T>
T* on_device(const std::vector<T>& values) {
  T* at = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&at), values.size() * sizeof(T) + (values.empty() ? 1 : 0));
  cudaMemcpy(at, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice);
  return at;
}
template <class T>
T* fresh_on_device(size_t count) {
  T* at = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&at), count * sizeof(T));
  return at;
}
template <class T>
std::vector<T> from_device(const T* at, size_t count) {
  std::vector<T> values(count);
  cudaMemcpy(values.data(), at, count * sizeof(T), cudaMemcpyDeviceToHost);
  return values;
}
std::vector<float> ramp(size_t count);  // 0, 1, 2, … : whole numbers, so that sums are exact

// What a run came to: an error with its report, or values.
struct Outcome {
  cudaError_t error = cudaSuccess;
  std::vector<double> values;
};

// Runs `run(false)` and `run(true)`, each on a fresh device and with several seeds. The first must succeed and give `expected`. The second, with the
// fault planted, must be caught on every seed: by an error whose report or name contains `caught_by` (alternatives by '|'), or, when that is "numbers", by values that differ.
void planted(const std::string& name, const std::string& caught_by, const std::vector<double>& expected, const std::function<Outcome(bool fault)>& run);

template <class T>
Outcome outcome_of(const T* device, size_t count) {
  Outcome outcome;
  outcome.error = cudaDeviceSynchronize();
  if (outcome.error != cudaSuccess) return outcome;
  const std::vector<T> values = from_device(device, count);
  outcome.error = cudaGetLastError();
  outcome.values.assign(values.begin(), values.end());
  return outcome;
}

}  // namespace node_bert::cuda::emulator::test
#endif
