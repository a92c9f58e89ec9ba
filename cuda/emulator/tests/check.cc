#include "emulator/tests/check.h"

#include <cstdio>
#include <numeric>
#include <sstream>

namespace node_bert::cuda::emulator::test {
namespace {

int passed_count = 0, failed_count = 0;

bool same(const std::vector<double>& a, const std::vector<double>& b) { return a == b; }  // NaN differs from everything

// Whether the text contains one of the parts between '|'.
bool mentions(const std::string& text, const std::string& parts) {
  std::istringstream all(parts);
  for (std::string part; std::getline(all, part, '|');) {
    if (text.find(part) != std::string::npos) return true;
  }
  return parts.empty();
}

}  // namespace

void ok(const std::string& name, bool passed, const std::string& why) {
  ++(passed ? passed_count : failed_count);
  std::printf("%sok %d - %s%s%s\n", passed ? "" : "not ", passed_count + failed_count, name.c_str(), passed || why.empty() ? "" : ": ", passed ? "" : why.c_str());
}

int finish() {
  std::printf("1..%d\n# %d passed, %d failed\n", passed_count + failed_count, passed_count, failed_count);
  return failed_count == 0 ? 0 : 1;
}

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

void planted(const std::string& name, const std::string& caught_by, const std::vector<double>& expected, const std::function<Outcome(bool fault)>& run) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const std::string at = " (seed " + std::to_string(seed) + ")";
    set_seed(seed);
    const Outcome good = run(false);
    if (good.error != cudaSuccess) return ok(name, false, "the correct twin fails" + at + ": " + last_report());
    if (!same(good.values, expected)) return ok(name, false, "the correct twin gives other numbers" + at);
    set_seed(seed);
    const Outcome bad = run(true);
    if (caught_by == "numbers") {
      if (bad.error != cudaSuccess) return ok(name, false, "expected wrong numbers, got an error" + at + ": " + last_report());
      if (same(bad.values, expected)) return ok(name, false, "the fault changed nothing" + at);
    } else if (bad.error == cudaSuccess) {
      return ok(name, false, "the fault was not caught" + at);
    } else if (!mentions(last_report() + cudaGetErrorName(bad.error), caught_by)) {
      return ok(name, false, "caught by another check" + at + ": " + last_report() + ", " + cudaGetErrorName(bad.error));
    }
  }
  set_seed(1);
  ok(name, true);
}

}  // namespace node_bert::cuda::emulator::test
