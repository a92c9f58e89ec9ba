// What a call of the ABI cannot express: fill and convert in every type, index errors, the loss scale of f16, f16 copies of parameters, outputs that share
// memory with inputs, NaN and infinities, sizes that launchers refuse, empty tensors.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tests/op_case.h"

using namespace node_bert::cuda;
using namespace node_bert::cuda::tests;

namespace {

Suite suite;
constexpr float NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN(), INFINITE = std::numeric_limits<float>::infinity();

// Device memory with values of type T, one element after a 256-byte boundary when shifted.
template <class T>
class Device {
 public:
  explicit Device(const std::vector<T>& values, bool shifted = false) : size_(values.size()), shift_(shifted ? 1 : 0) {
    if (cudaMalloc(&base_, (size_ + shift_ + 1) * sizeof(T)) != cudaSuccess) std::abort();
    if (cudaMemcpy(get(), values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice) != cudaSuccess) std::abort();
  }
  Device(const Device&) = delete;
  ~Device() { cudaFree(base_); }
  T* get() const { return static_cast<T*>(base_) + shift_; }
  std::vector<T> read() const {
    std::vector<T> values(size_);
    suite.expect(cudaMemcpy(values.data(), get(), size_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess, "reading back");
    return values;
  }

 private:
  void* base_ = nullptr;
  size_t size_, shift_;
};

Launch plain_launch(int* error = nullptr) { return {nullptr, 80, 4, error}; }

void expect_ok(cudaError_t error, const std::string& what) { suite.expect(error == cudaSuccess, what + ": " + cudaGetErrorString(error)); }

uint16_t bf16_bits(float value) {
  const float kept = static_cast<float>(rounded(value, Precision::bf16));
  uint32_t bits;
  std::memcpy(&bits, &kept, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);
}

template <class T>
void check_fill(nb_dtype type, double value, T expected) {
  for (const size_t count : {size_t{1}, size_t{7}, size_t{31}, size_t{33}, size_t{4099}}) {
    for (const bool shifted : {false, true}) {
      Device<T> y(std::vector<T>(count, T{77}), shifted);
      expect_ok(fill(plain_launch(), type, y.get(), static_cast<int64_t>(count), value), "fill");
      const auto values = y.read();
      bool right = true;
      for (const T& found : values) right = right && std::memcmp(&found, &expected, sizeof(T)) == 0;
      suite.expect(right, "fill of type " + std::to_string(type) + ", " + std::to_string(count) + " elements" + (shifted ? ", misaligned" : ""));
    }
  }
}

void test_fill() {
  check_fill<float>(NB_F32, -1.5, -1.5f);
  check_fill<float>(NB_F32, 0, 0.f);
  check_fill<int32_t>(NB_I32, -100, -100);
  check_fill<uint16_t>(NB_BF16, 1.00390625 + 1e-4, bf16_bits(1.00390625f + 1e-4f));
  check_fill<_Float16>(NB_F16, 0.1, static_cast<_Float16>(0.1f));
  check_fill<uint8_t>(NB_U8, 200, 200);
}

void test_convert() {
  std::vector<float> values;
  Random random(1);
  for (const double value : normal(random, 4099, 3)) values.push_back(static_cast<float>(value));
  values[5] = NOT_A_NUMBER;
  values[6] = INFINITE;
  values[7] = 1e30f;   // overflows f16
  values[8] = 1e-7f;   // subnormal in f16
  values[9] = 1.00390625f;  // half way between two bf16
  for (const bool shifted : {false, true}) {
    Device<float> x(values, shifted), back(std::vector<float>(values.size(), 77.f), shifted);
    Device<uint16_t> bf16(std::vector<uint16_t>(values.size(), 77), shifted);
    Device<_Float16> f16(std::vector<_Float16>(values.size(), _Float16{77}), shifted);
    const auto count = static_cast<int64_t>(values.size());
    expect_ok(convert(plain_launch(), NB_F32, x.get(), NB_BF16, bf16.get(), count), "f32 to bf16");
    expect_ok(convert(plain_launch(), NB_F32, x.get(), NB_F16, f16.get(), count), "f32 to f16");
    bool right_bf16 = true, right_f16 = true, right_back = true, right_across = true;
    const auto bf16_values = bf16.read();
    const auto f16_values = f16.read();
    expect_ok(convert(plain_launch(), NB_BF16, bf16.get(), NB_F32, back.get(), count), "bf16 to f32");
    const auto back_values = back.read();
    expect_ok(convert(plain_launch(), NB_BF16, bf16.get(), NB_F16, f16.get(), count), "bf16 to f16");
    const auto across = f16.read();
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) {
        right_bf16 = right_bf16 && (bf16_values[i] & 0x7FFF) > 0x7F80;
        right_f16 = right_f16 && f16_values[i] != f16_values[i];
        right_back = right_back && std::isnan(back_values[i]);
        continue;
      }
      const float rounded_bf16 = static_cast<float>(rounded(values[i], Precision::bf16));
      right_bf16 = right_bf16 && bf16_values[i] == bf16_bits(values[i]);
      right_f16 = right_f16 && f16_values[i] == static_cast<_Float16>(values[i]);
      right_back = right_back && back_values[i] == rounded_bf16;
      right_across = right_across && across[i] == static_cast<_Float16>(rounded_bf16);
    }
    suite.expect(right_bf16, "convert f32 to bf16 rounds to nearest even");
    suite.expect(right_f16, "convert f32 to f16 rounds to nearest even");
    suite.expect(right_back, "convert bf16 to f32 is exact");
    suite.expect(right_across, "convert bf16 to f16");
    expect_ok(convert(plain_launch(), NB_F32, x.get(), NB_F32, back.get(), count), "f32 to f32");
    const auto copied = back.read();
    suite.expect(std::memcmp(copied.data(), values.data(), values.size() * sizeof(float)) == 0, "convert to the same type copies bits");
  }
  suite.expect(convert(plain_launch(), NB_I32, nullptr, NB_F32, nullptr, 3) == cudaErrorInvalidValue, "convert refuses i32 to f32");
}

void expect_error(const Device<int>& error, IndexError code, const char* what) {
  expect_ok(cudaDeviceSynchronize(), what);
  suite.expect(error.read()[0] == code, std::string(what) + " is noted");
}

// Each bad index is noted, and nothing outside the tensors is touched: the emulator would say so.
void test_index_errors() {
  const std::vector<float> table(8 * 16, 1.f), rows(2 * 16, 0.5f), ones(16, 1.f);
  for (int which = 0; which < 3; ++which) {
    for (const int32_t bad : {-1, 8, 1 << 30}) {
      Device<int> error({0});
      Device<float> word(table), gamma(ones), y(rows), mean({0, 0}), rstd({1, 1}), dword(table);
      std::vector<int32_t> index[3] = {{0, 1}, {0, 1}, {0, 1}};
      index[which][1] = bad;
      Device<int32_t> ids(index[0]), positions(index[1]), types(index[2]);
      const EmbeddingTables tables{ids.get(), positions.get(), types.get(), word.get(), word.get(), word.get(), 2, 16, 8, 8, 8};
      expect_ok(embeddings_forward(plain_launch(error.get()), DType::f32, tables, gamma.get(), gamma.get(), y.get(), mean.get(), rstd.get(), 1e-5f, {}),
                "embeddings");
      expect_error(error, static_cast<IndexError>(INDEX_TOKEN_ID + which), "an index of the embeddings");
      Device<uint8_t> workspace(std::vector<uint8_t>(embeddings_backward_workspace(2, 16)));
      expect_ok(embeddings_backward(plain_launch(error.get()), DType::f32, tables, gamma.get(), mean.get(), rstd.get(), y.get(), dword.get(), nullptr,
                                    nullptr, nullptr, nullptr, {}, workspace.get()),
                "embeddings backward");
      expect_ok(cudaDeviceSynchronize(), "embeddings backward with a bad index");
    }
  }
  for (const int32_t bad : {-1, 2, 1 << 30}) {
    Device<int> error({0});
    Device<float> x(rows), y(rows);
    Device<int32_t> index({0, bad});
    expect_ok(gather_rows_forward(plain_launch(error.get()), DType::f32, x.get(), index.get(), y.get(), 2, 2, 16), "gather");
    expect_error(error, INDEX_ROW, "a row index");
    Device<int> backward_error({0});
    expect_ok(gather_rows_backward(plain_launch(backward_error.get()), DType::f32, index.get(), x.get(), y.get(), 2, 2, 16), "gather backward");
    expect_error(backward_error, INDEX_ROW, "a row index in backward");
  }
  for (const std::vector<int32_t>& offsets : {std::vector<int32_t>{1, 1, 2}, {0, 3, 2}, {0, 1, 1}, {0, 1, 5}, {0, -1, 2}}) {
    Device<int> error({0});
    Device<float> x(rows), y(rows);
    Device<int32_t> cu_seqlens(offsets);
    expect_ok(mean_pool_forward(plain_launch(error.get()), DType::f32, x.get(), cu_seqlens.get(), y.get(), 2, 2, 16), "mean pool");
    expect_error(error, INDEX_CU_SEQLENS, "wrong cu_seqlens");
    Device<int> backward_error({0});
    expect_ok(mean_pool_backward(plain_launch(backward_error.get()), DType::f32, cu_seqlens.get(), y.get(), x.get(), 2, 2, 16), "mean pool backward");
    expect_error(backward_error, INDEX_CU_SEQLENS, "wrong cu_seqlens in backward");
  }
  for (const int32_t bad : {-1, 16, 1 << 30}) {
    Device<int> error({0});
    Device<float> logits(rows), losses({0, 0}), loss({0}), lse({0, 0}), dlogits(rows), factor({0});
    Device<int32_t> labels({3, bad});
    expect_ok(cross_entropy_forward(plain_launch(error.get()), DType::f32, logits.get(), labels.get(), losses.get(), loss.get(), lse.get(), 2, 16, -100),
              "cross-entropy");
    expect_error(error, INDEX_LABEL, "a label");
    Device<int> backward_error({0});
    expect_ok(cross_entropy_backward(plain_launch(backward_error.get()), DType::f32, logits.get(), labels.get(), loss.get(), dlogits.get(), 2, 16, -100,
                                     factor.get()),
              "cross-entropy backward");
    expect_error(backward_error, INDEX_LABEL, "a label in backward");
  }
}

// One AdamW step on parameters of 1 with gradients of 2 * scale.
std::vector<float> scaled_step(float norm_squared, float scale, LossScale* after, std::vector<_Float16>* copy) {
  Device<float> param(std::vector<float>(37, 1.f)), grad(std::vector<float>(37, 2.f * scale)), m(std::vector<float>(37, 0.f)), v(std::vector<float>(37, 0.f)),
      norm({norm_squared});
  Device<LossScale> loss_scale({LossScale{scale, 1998}});
  Device<_Float16> half(std::vector<_Float16>(37, _Float16{9}));
  const AdamWParams params{0.125, 0.9, 0.999, 1e-8, 0, 1, 0, 1, true};
  expect_ok(adamw(plain_launch(), param.get(), grad.get(), m.get(), v.get(), DType::f16, half.get(), 37, norm.get(), loss_scale.get(), params), "adamw");
  expect_ok(update_loss_scale(plain_launch(), loss_scale.get(), norm.get()), "update_loss_scale");
  suite.expect(grad.read() == std::vector<float>(37, 0.f), "a step clears the gradient, skipped or not");
  *after = loss_scale.read()[0];
  *copy = half.read();
  const float moment = m.read()[36];
  suite.expect(std::isfinite(norm_squared) ? std::abs(moment - 0.2f) < 1e-6f : moment == 0.f, "the moment is of the unscaled gradient");
  return param.read();
}

void test_loss_scale() {
  LossScale after;
  std::vector<_Float16> copy;
  const auto stepped = scaled_step(37 * 4 * 1024.f * 1024.f, 1024.f, &after, &copy);
  suite.expect(std::abs(stepped[0] - 0.875f) < 1e-6f, "a good step under a loss scale is the plain step");
  suite.expect(after.scale == 1024.f && after.good_steps == 1999, "a good step counts");
  suite.expect(copy[36] == static_cast<_Float16>(stepped[36]), "the f16 copy is the rounded parameter");
  for (const float norm : {INFINITE, NOT_A_NUMBER}) {
    const auto skipped = scaled_step(norm, 1024.f, &after, &copy);
    suite.expect(skipped == std::vector<float>(37, 1.f) && copy[0] == _Float16{9}, "a step that overflowed changes nothing");
    suite.expect(after.scale == 512.f && after.good_steps == 0, "and halves the scale");
  }
  Device<LossScale> state({LossScale{8.f, 1999}});
  Device<float> norm({1.f});
  expect_ok(update_loss_scale(plain_launch(), state.get(), norm.get()), "update_loss_scale");
  suite.expect(state.read()[0].scale == 16.f && state.read()[0].good_steps == 0, "2000 good steps double the scale");
}

// Outputs in the memory of inputs, where launch.h allows it, beyond those that the ABI's tests cover.
void test_in_place() {
  Random random(3);
  std::vector<float> values;
  for (const double value : normal(random, 33 * 40)) values.push_back(static_cast<float>(value));
  const std::vector<float> ones(40, 1.f);
  Device<float> gamma(ones), mean(std::vector<float>(33, 0.f)), rstd(std::vector<float>(33, 1.f)), z(values), dy(values), dx(values), both(values);
  for (const bool in_dresidual : {false, true}) {
    Device<float> shared(values);
    expect_ok(add_layer_norm_backward(plain_launch(), DType::f32, z.get(), gamma.get(), mean.get(), rstd.get(), dy.get(), in_dresidual ? nullptr : dx.get(),
                                      in_dresidual ? dx.get() : nullptr, nullptr, nullptr, 33, 40, {0.3, 1, 2, 3, 4}, nullptr),
              "add_layer_norm_backward");
    expect_ok(add_layer_norm_backward(plain_launch(), DType::f32, z.get(), gamma.get(), mean.get(), rstd.get(), shared.get(),
                                      in_dresidual ? nullptr : shared.get(), in_dresidual ? shared.get() : nullptr, nullptr, nullptr, 33, 40,
                                      {0.3, 1, 2, 3, 4}, nullptr),
              "add_layer_norm_backward in place");
    suite.expect(dx.read() == shared.read(), "a gradient of add_layer_norm may be dy");
  }
  Device<float> y(values), x(values);
  expect_ok(add_layer_norm_forward(plain_launch(), DType::f32, x.get(), dy.get(), gamma.get(), gamma.get(), y.get(), nullptr, mean.get(), rstd.get(), 33, 40,
                                   1e-5f, {}),
            "add_layer_norm_forward");
  expect_ok(add_layer_norm_forward(plain_launch(), DType::f32, both.get(), dy.get(), gamma.get(), gamma.get(), both.get(), nullptr, mean.get(), rstd.get(), 33,
                                   40, 1e-5f, {}),
            "add_layer_norm_forward in place");
  suite.expect(y.read() == both.read(), "y of add_layer_norm may be x");
}

void test_not_finite() {
  // A row of the softmax with -inf, one with +inf, one with a NaN behind -inf.
  Device<float> logits({-INFINITE, 0.f, 0.f, INFINITE, 0.f, 0.f, -INFINITE, NOT_A_NUMBER, 0.f}), losses({9, 9, 9}), loss({9});
  Device<int32_t> labels({1, 1, 2});
  expect_ok(cross_entropy_forward(plain_launch(), DType::f32, logits.get(), labels.get(), losses.get(), loss.get(), nullptr, 3, 3, -100), "cross-entropy");
  const auto found = losses.read();
  suite.expect(std::abs(found[0] - std::log(2.f)) < 1e-6f, "a class of -inf adds nothing to the softmax");
  suite.expect(!std::isfinite(found[1]) && std::isnan(found[2]), "infinity and NaN reach the loss");
}

void test_refusals() {
  Device<float> x(std::vector<float>(64, 1.f));
  const auto none = Dropout{};
  suite.expect(add_layer_norm_forward(plain_launch(), DType::f32, x.get(), nullptr, x.get(), x.get(), x.get(), nullptr, x.get(), x.get(), 1,
                                      MAX_NORM_COLUMNS + 1, 1e-5f, none) == cudaErrorInvalidValue,
               "a LayerNorm that is too wide is refused");
  suite.expect(adamw(plain_launch(), x.get(), x.get(), x.get(), x.get(), DType::f32, x.get(), 8, nullptr, nullptr, {}) == cudaErrorInvalidValue,
               "adamw refuses an f32 copy");
  Device<float> loss({77.f});
  expect_ok(cross_entropy_forward(plain_launch(), DType::f32, nullptr, nullptr, nullptr, loss.get(), nullptr, 0, 2, -100), "cross-entropy of no rows");
  suite.expect(loss.read()[0] == 0.f, "the loss of no rows is 0");
  expect_ok(add(plain_launch(), DType::f32, nullptr, nullptr, nullptr, 0), "add of nothing");
  expect_ok(embeddings_forward(plain_launch(), DType::f32, {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, 0, 16, 8, 8, 8}, nullptr, nullptr, nullptr,
                               nullptr, nullptr, 1e-5f, none),
            "embeddings of nothing");
}

}  // namespace

int main() {
  test_fill();
  test_convert();
  test_index_errors();
  test_loss_scale();
  test_in_place();
  test_not_finite();
  test_refusals();
  return suite.report() == 0 ? 0 : 1;
}
