// What the kernels' numerical tests share: numbers as each type rounds them, device arrays between guard bands, and the tolerance rule of the op suite
// (packages/core-native/src/self-test/compare.ts): at most `factor` times the error of a naive run in the same precision, plus a stated floor.
#ifndef NODE_BERT_CUDA_NUMERIC_CHECK_H
#define NODE_BERT_CUDA_NUMERIC_CHECK_H

#include <cuda_runtime_api.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/launch.h"

namespace node_bert::cuda::test {

using Values = std::vector<double>;

const char* name_of(DType type);
// The nearest number of a type, ties to even.
double rounded(DType type, double value);

// Normally distributed numbers that `type` represents. The sequence depends on TEST_SEED, 1 unless set, which report() prints.
class Random {
 public:
  explicit Random(uint64_t salt);
  Values normal(int64_t count, DType type, double deviation = 1);

 private:
  std::mt19937_64 engine_;
};

// An array in device memory between two bands of sentinels; starts as NaN. `misalignment` elements past an address that is a multiple of 256.
class DeviceArray {
 public:
  DeviceArray(DType type, int64_t count, int misalignment = 0);
  DeviceArray(DType type, const Values& values, int misalignment = 0);
  explicit DeviceArray(const std::vector<int32_t>& values);
  ~DeviceArray();
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  void* data() const { return static_cast<unsigned char*>(allocation_) + before_; }
  float* floats() const { return static_cast<float*>(data()); }
  int32_t* integers() const { return static_cast<int32_t*>(data()); }
  // The elements, after a look at the guard bands; fails the running case when they changed.
  Values read() const;
  std::vector<int32_t> read_integers() const;

 private:
  void allocate(size_t element, int64_t count, int misalignment);
  std::vector<unsigned char> read_bytes() const;

  DType type_ = DType::f32;
  int64_t count_ = 0;
  size_t before_ = 0, bytes_ = 0, total_ = 0;
  void* allocation_ = nullptr;
};

// The device that the launchers are told about; index errors go to a flag of its own.
class TestDevice {
 public:
  TestDevice();
  ~TestDevice();
  const Launch& launch() const { return launch_; }
  // Waits, fails the running case on an error, and returns and clears the index error.
  int finish(cudaError_t launched);

 private:
  Launch launch_{};
};

// Cases: a name, then any number of failures.
void begin_case(const std::string& name);
void fail(const std::string& what);
// actual against expected; naive is a plain run in the precision of `type`. terms as in compare.ts.
void compare(const char* what, const Values& actual, const Values& expected, const Values& naive, DType type, double factor, double terms = 0);
// Prints what ran and the largest errors; 0 when nothing failed.
int report();

}  // namespace node_bert::cuda::test

#endif  // NODE_BERT_CUDA_NUMERIC_CHECK_H
