#include "tests/numeric_check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>

namespace node_bert::cuda::test {
namespace {

constexpr size_t GUARD = 256;
constexpr unsigned char SENTINEL = 0xA5;

std::string current_case;
int cases = 0, failures = 0;
struct Worst {
  double normalized = 0, of_allowed = 0;
};
std::map<std::string, Worst> worst;  // by output and type

uint64_t seed() {
  const char* text = std::getenv("TEST_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

void require(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s: %s\n", current_case.c_str(), what, cudaGetErrorString(status));
  std::exit(2);
}

// Copies and waits.
void copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, const char* what) {
  if (bytes == 0) return;
  require(cudaMemcpyAsync(to, from, bytes, kind, nullptr), what);
  require(cudaStreamSynchronize(nullptr), what);
}

size_t size_of(DType type) { return type == DType::f32 ? 4 : 2; }

// Bits after the leading one, and the exponent of the smallest subnormal number.
struct Format {
  int bits, smallest;
};
Format format_of(DType type) {
  switch (type) {
    case DType::f32: return {23, -149};
    case DType::bf16: return {7, -133};
    case DType::f16: return {10, -24};
  }
  return {};
}

uint32_t encode(DType type, double value) {
  const float narrow = static_cast<float>(rounded(type, value));
  uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  if (type == DType::f32) return bits;
  if (type == DType::bf16) return bits >> 16;
  const uint32_t sign = bits >> 16 & 0x8000u;
  const float magnitude = std::fabs(narrow);
  if (std::isnan(narrow)) return sign | 0x7E00u;
  if (magnitude > 65504.f) return sign | 0x7C00u;
  if (magnitude < 0x1p-14f) return sign | static_cast<uint32_t>(magnitude * 0x1p24f);
  std::memcpy(&bits, &magnitude, sizeof bits);
  return sign | ((bits >> 13) - (112u << 10));
}

double decode(DType type, uint32_t bits) {
  float value;
  if (type == DType::f16) {
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = bits & 0x8000u ? -1 : 1;
    if (exponent == 31) return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * HUGE_VAL;
    return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, static_cast<int>(exponent) - 25));
  }
  if (type == DType::bf16) bits <<= 16;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

struct Difference {
  double normalized = 0, largest = 0, scale = 0;
  size_t worst_at = 0;
};

Difference difference(const Values& actual, const Values& expected, double terms) {
  Difference d{.scale = terms};
  double error_squares = 0, expected_squares = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double error = actual[i] == expected[i] ? 0 : std::fabs(actual[i] - expected[i]);
    const double certain = std::isnan(error) ? HUGE_VAL : error;
    if (certain > d.largest) {
      d.largest = certain;
      d.worst_at = i;
    }
    error_squares += certain * certain;
    expected_squares += expected[i] * expected[i];
    d.scale = std::max(d.scale, std::fabs(expected[i]));
  }
  const double norm = std::max(std::sqrt(expected_squares), terms * std::sqrt(static_cast<double>(expected.size())));
  d.normalized = error_squares == 0 ? 0 : std::sqrt(error_squares) / norm;
  return d;
}

}  // namespace

const char* name_of(DType type) { return type == DType::f32 ? "f32" : type == DType::bf16 ? "bf16" : "f16"; }

double rounded(DType type, double value) {
  if (type == DType::f32) return static_cast<float>(value);
  if (value == 0 || !std::isfinite(value)) return value;
  const auto [bits, smallest] = format_of(type);
  const int quantum = std::max(std::ilogb(value) - bits, smallest);
  return std::ldexp(std::nearbyint(std::ldexp(value, -quantum)), quantum);
}

Random::Random(uint64_t salt) : engine_(seed() * 0x9E3779B97F4A7C15u + salt) {}

Values Random::normal(int64_t count, DType type, double deviation) {
  std::normal_distribution<double> distribution(0, deviation);
  Values values(count);
  for (double& value : values) value = rounded(type, distribution(engine_));
  return values;
}

void DeviceArray::allocate(size_t element, int64_t count, int misalignment) {
  count_ = count;
  bytes_ = element * count;
  before_ = GUARD + misalignment * element;
  total_ = before_ + bytes_ + GUARD;
  require(cudaMalloc(&allocation_, total_), "allocating");
  std::vector<unsigned char> initial(total_, SENTINEL);
  std::fill(initial.begin() + before_, initial.begin() + before_ + bytes_, 0xFF);
  copy(allocation_, initial.data(), total_, cudaMemcpyHostToDevice, "poisoning");
}

DeviceArray::DeviceArray(DType type, int64_t count, int misalignment) : type_(type) { allocate(size_of(type), count, misalignment); }

DeviceArray::DeviceArray(DType type, const Values& values, int misalignment) : type_(type) {
  allocate(size_of(type), static_cast<int64_t>(values.size()), misalignment);
  std::vector<unsigned char> bytes(bytes_);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t bits = encode(type, values[i]);
    std::memcpy(bytes.data() + i * size_of(type), &bits, size_of(type));
  }
  copy(data(), bytes.data(), bytes_, cudaMemcpyHostToDevice, "uploading");
}

DeviceArray::DeviceArray(const std::vector<int32_t>& values) {
  allocate(4, static_cast<int64_t>(values.size()), 0);
  copy(data(), values.data(), bytes_, cudaMemcpyHostToDevice, "uploading");
}

DeviceArray::~DeviceArray() { cudaFree(allocation_); }

std::vector<unsigned char> DeviceArray::read_bytes() const {
  std::vector<unsigned char> all(total_);
  copy(all.data(), allocation_, total_, cudaMemcpyDeviceToHost, "downloading");
  for (size_t i = 0; i < total_; ++i) {
    const bool guard = i < before_ || i >= before_ + bytes_;
    if (guard && all[i] != SENTINEL) {
      fail("wrote " + std::to_string(i < before_ ? before_ - i : i + 1 - before_ - bytes_) + " bytes " + (i < before_ ? "before" : "past") + " an array");
      break;
    }
  }
  return {all.begin() + before_, all.begin() + before_ + bytes_};
}

Values DeviceArray::read() const {
  const std::vector<unsigned char> bytes = read_bytes();
  Values values(count_);
  for (int64_t i = 0; i < count_; ++i) {
    uint32_t bits = 0;
    std::memcpy(&bits, bytes.data() + i * size_of(type_), size_of(type_));
    values[i] = decode(type_, bits);
  }
  return values;
}

std::vector<int32_t> DeviceArray::read_integers() const {
  const std::vector<unsigned char> bytes = read_bytes();
  std::vector<int32_t> values(count_);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TestDevice::TestDevice() {
  int major = 0, minor = 0;
  require(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "asking for the device");
  require(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "asking for the device");
  require(cudaDeviceGetAttribute(&launch_.multiprocessors, cudaDevAttrMultiProcessorCount, 0), "asking for the device");
  launch_.arch = 10 * major + minor;
  void* error = nullptr;
  require(cudaMalloc(&error, sizeof(int)), "allocating");
  require(cudaMemsetAsync(error, 0, sizeof(int), nullptr), "clearing");
  launch_.error = static_cast<int*>(error);
}

TestDevice::~TestDevice() { cudaFree(launch_.error); }

int TestDevice::finish(cudaError_t launched) {
  require(launched, "launching");
  require(cudaStreamSynchronize(nullptr), "running");
  int code = 0;
  copy(&code, launch_.error, sizeof code, cudaMemcpyDeviceToHost, "reading the index error");
  require(cudaMemsetAsync(launch_.error, 0, sizeof(int), nullptr), "clearing");
  return code;
}

void begin_case(const std::string& name) {
  current_case = name;
  ++cases;
  if (std::getenv("TEST_VERBOSE") != nullptr) std::fprintf(stderr, "%s\n", name.c_str());
}

void fail(const std::string& what) {
  ++failures;
  std::printf("not ok: %s: %s\n", current_case.c_str(), what.c_str());
}

void compare(const char* what, const Values& actual, const Values& expected, const Values& naive, DType type, double factor, double terms) {
  if (actual.size() != expected.size() || naive.size() != expected.size()) return fail(std::string(what) + ": sizes differ");
  if (expected.empty()) return;
  // The floors of compare.ts, in unit roundoffs.
  const double floor_normalized = type == DType::f32 ? 4 : 1, floor_largest = type == DType::f32 ? 8 : 1;
  const double unit = std::ldexp(1, -format_of(type).bits - 1) * (1 + 1 / std::sqrt(static_cast<double>(expected.size())));
  const Difference allowed = difference(naive, expected, terms), found = difference(actual, expected, terms);
  const double normalized = factor * allowed.normalized + floor_normalized * unit;
  const double largest = factor * allowed.largest + floor_largest * unit * allowed.scale;
  if (!(found.normalized <= normalized && found.largest <= largest)) {
    char text[400];
    std::snprintf(text, sizeof text, "%s: normalized error %.2e (allowed %.2e), largest %.2e (allowed %.2e) at %zu: got %.9g, expected %.9g", what,
                  found.normalized, normalized, found.largest, largest, found.worst_at, actual[found.worst_at], expected[found.worst_at]);
    fail(text);
  }
  Worst& entry = worst[std::string(what) + " " + name_of(type)];
  entry.normalized = std::max(entry.normalized, found.normalized);
  entry.of_allowed = std::max({entry.of_allowed, found.normalized / normalized, found.largest / largest});
}

int report() {
  for (const auto& [name, entry] : worst)
    std::printf("# %-22s worst normalized error %.2e, at most %3.0f %% of what is allowed\n", name.c_str(), entry.normalized, 100 * entry.of_allowed);
  std::printf("# %d cases, %d failures, TEST_SEED=%llu\n", cases, failures, static_cast<unsigned long long>(seed()));
  return failures == 0 && cases > 0 ? 0 : 1;
}

}  // namespace node_bert::cuda::test
