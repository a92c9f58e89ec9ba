#include "tests/op_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace node_bert::cuda::tests {
namespace {

Precision precision_of(DType type) { return type == DType::f32 ? Precision::f32 : type == DType::bf16 ? Precision::bf16 : Precision::f16; }

nb_dtype stored_type(Kind kind, Precision precision) {
  if (kind == Kind::index) return NB_I32;
  if (kind == Kind::copy) return NB_BF16;
  if (precision == Precision::f64) return NB_F64;
  if (kind == Kind::statistics || precision == Precision::f32) return NB_F32;
  return precision == Precision::bf16 ? NB_BF16 : NB_F16;
}

size_t size_of(nb_dtype type) { return type == NB_F64 ? 8 : type == NB_F32 || type == NB_I32 ? 4 : 2; }

void store(void* at, int64_t i, nb_dtype type, double value) {
  switch (type) {
    case NB_F64: static_cast<double*>(at)[i] = value; break;
    case NB_F32: static_cast<float*>(at)[i] = static_cast<float>(value); break;
    case NB_I32: static_cast<int32_t*>(at)[i] = static_cast<int32_t>(value); break;
    case NB_F16: static_cast<_Float16*>(at)[i] = static_cast<_Float16>(value); break;
    default: {
      const float single = static_cast<float>(rounded(value, Precision::bf16));
      uint32_t bits;
      std::memcpy(&bits, &single, sizeof bits);
      static_cast<uint16_t*>(at)[i] = static_cast<uint16_t>(bits >> 16);
    }
  }
}

double load(const void* at, int64_t i, nb_dtype type) {
  switch (type) {
    case NB_F64: return static_cast<const double*>(at)[i];
    case NB_F32: return static_cast<const float*>(at)[i];
    case NB_I32: return static_cast<const int32_t*>(at)[i];
    case NB_F16: return static_cast<double>(static_cast<const _Float16*>(at)[i]);
    default: {
      const uint32_t bits = uint32_t{static_cast<const uint16_t*>(at)[i]} << 16;
      float value;
      std::memcpy(&value, &bits, sizeof value);
      return value;
    }
  }
}

// The call, and its arguments' bytes. Inputs are rounded to the type under test for every run, so that all see the same numbers.
struct HostCall {
  nb_call call{};
  std::vector<std::vector<uint8_t>> bytes;

  HostCall(const OpCase& op_case, Precision precision, Precision inputs, bool on_device) {
    call.op = op_case.op;
    call.tensor_count = static_cast<int32_t>(op_case.arguments.size());
    call.param_count = static_cast<int32_t>(op_case.params.size());
    std::copy(op_case.params.begin(), op_case.params.end(), call.params);
    bytes.resize(op_case.arguments.size());
    for (size_t i = 0; i < op_case.arguments.size(); ++i) {
      const Argument& argument = op_case.arguments[i];
      nb_tensor& tensor = call.tensors[i];
      tensor.rank = argument.role == Role::absent ? -1 : argument.columns == 0 ? 1 : 2;
      if (argument.role == Role::absent) continue;
      tensor.dims[0] = argument.rows;
      tensor.dims[1] = argument.columns;
      tensor.dtype = argument.kind == Kind::product && on_device ? NB_F32 : stored_type(argument.kind, precision);
      const auto type = static_cast<nb_dtype>(tensor.dtype);
      bytes[i].assign(std::max<size_t>(1, static_cast<size_t>(argument.count()) * size_of(type)), 0xFF);
      tensor.data = bytes[i].data();
      if (argument.role == Role::output) continue;
      const bool activation = argument.kind == Kind::activation || argument.kind == Kind::product;
      for (int64_t k = 0; k < argument.count(); ++k) {
        const double value = argument.values.at(static_cast<size_t>(k));
        store(bytes[i].data(), k, type, argument.kind == Kind::index ? value : rounded(value, activation ? inputs : Precision::f32));
      }
    }
  }

  std::vector<double> values(size_t i, int64_t count) const {
    std::vector<double> out(static_cast<size_t>(count));
    for (int64_t k = 0; k < count; ++k) out[static_cast<size_t>(k)] = load(bytes[i].data(), k, static_cast<nb_dtype>(call.tensors[i].dtype));
    return out;
  }
};

struct Difference {
  double normalized = 0, largest = 0, scale = 0;
  int64_t worst = 0;
};

Difference difference(const std::vector<double>& actual, const std::vector<double>& expected, double terms) {
  Difference found;
  found.scale = terms;
  double error_squares = 0, squares = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const bool nan = std::isnan(actual[i]) || std::isnan(expected[i]);
    const double error = nan ? std::numeric_limits<double>::infinity() : actual[i] == expected[i] ? 0 : std::abs(actual[i] - expected[i]);
    squares += expected[i] * expected[i];
    found.scale = std::max(found.scale, std::abs(expected[i]));
    error_squares += error * error;
    if (error > found.largest) {
      found.largest = error;
      found.worst = static_cast<int64_t>(i);
    }
  }
  const double norm = std::max(std::sqrt(squares), terms * std::sqrt(static_cast<double>(expected.size())));
  found.normalized = error_squares == 0 ? 0 : std::sqrt(error_squares) / norm;
  return found;
}

// The floor of compare.ts, in unit roundoffs; f16 lies between f32 and bf16.
struct Floor {
  double unit, normalized, largest;
};

Floor floor_of(Kind kind, DType type) {
  if (kind == Kind::copy) return {0x1p-8, 1, 1};
  if (kind == Kind::statistics || type == DType::f32) return {0x1p-24, 4, 8};
  return type == DType::bf16 ? Floor{0x1p-8, 1, 1} : Floor{0x1p-11, 2, 2};
}

[[noreturn]] void stop(const char* what, cudaError_t error) {
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

void must(cudaError_t error, const char* what) {
  if (error != cudaSuccess) stop(what, error);
}

// The outputs of the call on the device replace the bytes of `host`. An error of the call is returned; one of the harness's own ends the program.
cudaError_t run_on_device(HostCall& host, DType type, bool misaligned, const std::string& what) {
  nb_call call = host.call;
  std::vector<void*> bases(host.bytes.size());
  for (size_t i = 0; i < host.bytes.size(); ++i) {
    if (call.tensors[i].rank < 0) continue;
    const size_t shift = misaligned ? size_of(static_cast<nb_dtype>(call.tensors[i].dtype)) : 0;
    must(cudaMalloc(&bases[i], host.bytes[i].size() + shift), "cudaMalloc");
    call.tensors[i].data = static_cast<uint8_t*>(bases[i]) + shift;
  }
  for (size_t i = 0; i < host.bytes.size(); ++i) {
    if (bases[i] != nullptr) must(cudaMemcpy(call.tensors[i].data, host.bytes[i].data(), host.bytes[i].size(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  void* workspace = nullptr;
  if (const size_t bytes = workspace_of(call); bytes > 0) must(cudaMalloc(&workspace, bytes), "cudaMalloc");
  const Launch launch{nullptr, 80, 4, nullptr};
  if (const cudaError_t error = launch_op(call, launch, type, workspace); error != cudaSuccess) return error;
  must(cudaDeviceSynchronize(), what.c_str());
  for (size_t i = 0; i < host.bytes.size(); ++i) {
    if (bases[i] == nullptr) continue;
    must(cudaMemcpy(host.bytes[i].data(), call.tensors[i].data, host.bytes[i].size(), cudaMemcpyDeviceToHost), "cudaMemcpy");
    must(cudaFree(bases[i]), "cudaFree");
  }
  if (workspace != nullptr) must(cudaFree(workspace), "cudaFree");
  return cudaSuccess;
}

}  // namespace

std::vector<double> normal(Random& random, int64_t count, double deviation, double mean) {
  std::normal_distribution<double> distribution(mean, deviation);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = distribution(random);
  return values;
}

std::vector<double> integers(Random& random, int64_t count, int64_t limit) {
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = static_cast<double>(random() % static_cast<uint64_t>(limit));
  return values;
}

void Suite::check(const OpCase& op_case, DType type, bool misaligned) {
  const std::string what = std::string(name_of(op_case.op)) + " " + op_case.label + " in " + name_of(type) + (misaligned ? ", misaligned" : "");
  const Precision precision = precision_of(type);
  HostCall exact(op_case, Precision::f64, precision, false), naive(op_case, precision, precision, false), actual(op_case, precision, precision, true);
  run_reference(exact.call, Precision::f64);
  run_reference(naive.call, precision);
  if (const cudaError_t error = run_on_device(actual, type, misaligned, what); error != cudaSuccess)
    return expect(false, what + ": " + cudaGetErrorString(error));
  const std::string key = std::string(name_of(op_case.op)) + " " + name_of(type);
  auto found = std::find_if(worst_.begin(), worst_.end(), [&](const auto& entry) { return entry.first == key; });
  if (found == worst_.end()) found = worst_.insert(worst_.end(), {key, {}});
  Worst& worst = found->second;
  for (size_t i = 0; i < op_case.arguments.size(); ++i) {
    const Argument& argument = op_case.arguments[i];
    if (argument.role != Role::output && argument.role != Role::sum) continue;
    const int64_t count = argument.count();
    const std::vector<double> expected = exact.values(i, count), values = actual.values(i, count);
    const Difference allowed = difference(naive.values(i, count), expected, argument.terms), error = difference(values, expected, argument.terms);
    const Floor floor = floor_of(argument.kind, type);
    const double factor = op_case.backward ? 3 : 2, unit = floor.unit * (1 + 1 / std::sqrt(std::max<double>(1, static_cast<double>(count))));
    const double limit = factor * allowed.normalized + floor.normalized * unit;
    const double limit_largest = factor * allowed.largest + floor.largest * unit * allowed.scale;
    ++checks_;
    ++worst.outputs;
    worst.error = std::max(worst.error, error.normalized);
    if (limit_largest > 0) worst.ratio = std::max({worst.ratio, error.normalized / limit, error.largest / limit_largest});
    if (!std::isfinite(limit) || !std::isfinite(limit_largest)) {
      expect(false, what + ": " + argument.name + ": the naive run has a NaN or an infinity, so nothing can be compared with it");
      continue;
    }
    if (error.normalized <= limit && error.largest <= limit_largest) continue;
    ++failures_;
    std::fprintf(stderr, "FAILED %s: %s: normalized error %.2e (allowed %.2e), largest %.2e (allowed %.2e); at %ld got %g, expected %g\n", what.c_str(),
                 argument.name.c_str(), error.normalized, limit, error.largest, limit_largest, static_cast<long>(error.worst),
                 values[static_cast<size_t>(error.worst)], expected[static_cast<size_t>(error.worst)]);
  }
}

void Suite::expect(bool holds, const std::string& what) {
  ++checks_;
  if (holds) return;
  ++failures_;
  std::fprintf(stderr, "FAILED %s\n", what.c_str());
}

int Suite::report() const {
  for (const auto& [key, worst] : worst_) {
    std::printf("%-32s %4d outputs, normalized error up to %.1e, at most %.2f of what is allowed\n", key.c_str(), worst.outputs, worst.error, worst.ratio);
  }
  std::printf("%d checks, %d failed\n", checks_, failures_);
  return failures_;
}

}  // namespace node_bert::cuda::tests
