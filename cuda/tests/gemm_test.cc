// Our own matrix product against float64: the three forms that linear layers need, every type, sizes round every tile, misaligned tensors.
#include "tests/numeric_check.h"

namespace node_bert::cuda::test {
namespace {

enum class Form { forward, data_gradient, weight_gradient };

struct Case {
  Form form;
  int64_t m, n, k;
  bool accumulate = false;
  int misalignment = 0;
};

template <class S>
Values reference(const GemmShape& shape, const Values& a, const Values& b, const Values& before, DType output, bool exact) {
  const auto [m, n, k, transpose_a, transpose_b, accumulate] = shape;
  Values c(m * n);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      S sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += static_cast<S>(a[transpose_a ? l * m + i : i * k + l]) * static_cast<S>(b[transpose_b ? j * k + l : l * n + j]);
      if (accumulate) sum += static_cast<S>(before[i * n + j]);
      c[i * n + j] = exact ? static_cast<double>(sum) : rounded(output, sum);
    }
  }
  return c;
}

void run(TestDevice& device, DType type, const Case& c) {
  const char* forms[] = {"x w^T", "dy w", "dy^T x"};
  begin_case(std::string(name_of(type)) + " " + forms[static_cast<int>(c.form)] + " m=" + std::to_string(c.m) + " n=" + std::to_string(c.n) +
             " k=" + std::to_string(c.k) + (c.accumulate ? " accumulate" : "") + " misalignment=" + std::to_string(c.misalignment));
  const GemmShape shape = {c.m, c.n, c.k, c.form == Form::weight_gradient, c.form == Form::forward, c.accumulate};
  const DType output = c.form == Form::weight_gradient ? DType::f32 : type;
  Random random(c.m * 10007 + c.n * 101 + c.k);
  const Values a = random.normal(c.m * c.k, type), b = random.normal(c.k * c.n, type), before = random.normal(c.m * c.n, output);
  const DeviceArray a_d(type, a, c.misalignment), b_d(type, b, c.misalignment);
  const DeviceArray out = c.accumulate ? DeviceArray(output, before, c.misalignment) : DeviceArray(output, c.m * c.n, c.misalignment);
  device.finish(gemm(device.launch(), shape, type, a_d.data(), b_d.data(), output, out.data()));
  const double terms = std::sqrt(static_cast<double>(c.k));
  compare(forms[static_cast<int>(c.form)], out.read(), reference<double>(shape, a, b, before, output, true),
          reference<float>(shape, a, b, before, output, false), output, 2, terms);
}

}  // namespace
}  // namespace node_bert::cuda::test

int main() {
  using namespace node_bert::cuda;
  using namespace node_bert::cuda::test;
  TestDevice device;
  for (const DType type : {DType::bf16, DType::f16, DType::f32}) {
    for (const Form form : {Form::forward, Form::data_gradient, Form::weight_gradient}) {
      run(device, type, {form, 1, 1, 1});
      run(device, type, {form, 1, 2, 768});
      run(device, type, {form, 33, 127, 31, true});
      run(device, type, {form, 128, 64, 128});
      run(device, type, {form, 136, 72, 40, true});   // aligned, with ends inside every tile
      run(device, type, {form, 130, 65, 200, true});  // rows that do not start at 16 bytes
      run(device, type, {form, 264, 136, 264});
      run(device, type, {form, 64, 32, 64, true, 1});
    }
  }
  run(device, DType::f32, {Form::forward, 0, 5, 3});
  run(device, DType::f32, {Form::weight_gradient, 3, 5, 0, true});
  return report();
}
