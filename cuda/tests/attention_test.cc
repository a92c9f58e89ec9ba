// Attention's kernels against plain loops in float64: shapes that end inside, on and past every tile, dropout on and off, all types; what no other
// suite looks at: f16, misaligned tensors, equal bits run after run, cu_seqlens that do not fit.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "node_bert/philox.h"
#include "tests/numeric_check.h"

namespace node_bert::cuda::test {
namespace {

struct Case {
  std::vector<int> lengths;
  int A, D;
  double p = 0;          // of dropout
  double deviation = 1;  // of q, k and v; at 6 scores pass 100
  int misalignment = 0;  // elements

  int64_t N() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }
  int64_t H() const { return int64_t{A} * D; }
  AttentionShape shape() const {
    const int longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
    return {N(), A, D, static_cast<int64_t>(lengths.size()), longest, static_cast<float>(1 / std::sqrt(D))};
  }
  std::vector<int32_t> cu_seqlens() const {
    std::vector<int32_t> ends(lengths.size() + 1, 0);
    std::partial_sum(lengths.begin(), lengths.end(), ends.begin() + 1);
    return ends;
  }
  Dropout dropout() const { return {p, 0x12345678u, 0x9ABCDEF0u, 7, 3}; }
  std::string name(DType type) const {
    std::string text = std::string(name_of(type)) + " lengths";
    for (const int length : lengths) text += " " + std::to_string(length);
    return text + " A=" + std::to_string(A) + " D=" + std::to_string(D) + " p=" + std::to_string(p) + " deviation=" + std::to_string(deviation) +
           " misalignment=" + std::to_string(misalignment);
  }
};

struct Result {
  Values out, lse, dqkv, probabilities;
};

// Plain loops with statistics in S. Whatever goes into or comes out of a product of matrices is an activation and rounded by `round`, as in the
// reference backend (native/reference/attention.cc).
template <class S, class Round>
Result reference(const Case& c, const Values& qkv, const Values& dout, Round round) {
  const int64_t N = c.N(), H = c.H();
  const int A = c.A, D = c.D;
  const S scale = static_cast<S>(1 / std::sqrt(D));
  const uint32_t threshold = nb_dropout_threshold(c.p);
  const S dropout_scale = static_cast<S>(nb_dropout_scale(threshold));
  const Dropout d = c.dropout();
  Result r{Values(N * H), Values(A * N), Values(N * 3 * H), {}};
  std::vector<std::vector<S>> gradient(3, std::vector<S>(N * H, S{0}));
  const auto x = [&](int64_t n, int part, int a, int i) { return static_cast<S>(qkv[(n * 3 + part) * H + a * D + i]); };
  int64_t squares = 0;
  for (const int length : c.lengths) squares += int64_t{length} * length;
  r.probabilities.resize(A * squares);
  for (int a = 0; a < A; ++a) {
    int64_t first = 0, column = a * squares;
    for (const int length : c.lengths) {
      for (int64_t i = first; i < first + length; ++i) {
        std::vector<S> p(length), dp(length), kept(length);
        S largest = -HUGE_VAL, sum = 0;
        for (int j = 0; j < length; ++j) {
          S score = 0;
          for (int t = 0; t < D; ++t) score += x(i, 0, a, t) * x(first + j, 1, a, t);
          p[j] = score * scale;
          largest = std::max(largest, p[j]);
        }
        for (S& e : p) sum += e = std::exp(e - largest);
        for (S& e : p) r.probabilities[column++] = e = e / sum;
        r.lse[a * N + i] = largest + std::log(sum);
        S p_dot_dp = 0;
        for (int j = 0; j < length; ++j) {
          const nb_philox_block block = nb_philox(j / 8, static_cast<uint32_t>(i * A + a), d.op, d.step, d.seed_low, d.seed_high);
          const uint32_t word = block.word[j % 8 / 2], half_word = j % 2 == 0 ? word & 0xFFFFu : word >> 16;
          const S factor = threshold != 0 && half_word < threshold ? S{0} : dropout_scale;
          kept[j] = round(factor * p[j]);
          S dkept = 0;
          for (int t = 0; t < D; ++t) {
            const S gradient_of_out = static_cast<S>(dout[i * H + a * D + t]);
            dkept += gradient_of_out * x(first + j, 2, a, t);
            gradient[2][(first + j) * H + a * D + t] += kept[j] * gradient_of_out;
          }
          dp[j] = factor * static_cast<S>(round(dkept));
          p_dot_dp += p[j] * dp[j];
        }
        for (int t = 0; t < D; ++t) {
          S total = 0;
          for (int j = 0; j < length; ++j) total += kept[j] * x(first + j, 2, a, t);
          r.out[i * H + a * D + t] = round(total);
        }
        for (int j = 0; j < length; ++j) {
          const S ds = round(p[j] * (dp[j] - p_dot_dp));
          for (int t = 0; t < D; ++t) {
            gradient[0][i * H + a * D + t] += scale * ds * x(first + j, 1, a, t);
            gradient[1][(first + j) * H + a * D + t] += scale * ds * x(i, 0, a, t);
          }
        }
      }
      first += length;
    }
  }
  for (int64_t n = 0; n < N; ++n) {
    for (int part = 0; part < 3; ++part) {
      for (int64_t h = 0; h < H; ++h) r.dqkv[(n * 3 + part) * H + h] = round(gradient[part][n * H + h]);
    }
  }
  return r;
}

void run(TestDevice& device, DType type, const Case& c) {
  begin_case(c.name(type));
  const int64_t N = c.N(), H = c.H();
  Random random(N * 1000 + c.A * 100 + c.D);
  const Values qkv = random.normal(N * 3 * H, type, c.deviation), dout = random.normal(N * H, type);
  const Result exact = reference<double>(c, qkv, dout, [](double value) { return value; });
  const Result naive = reference<float>(c, qkv, dout, [&](float value) { return static_cast<float>(rounded(type, value)); });

  const AttentionShape shape = c.shape();
  const DeviceArray qkv_d(type, qkv, c.misalignment), dout_d(type, dout, c.misalignment), cu_seqlens(c.cu_seqlens());
  const DeviceArray out(type, N * H, c.misalignment), lse(DType::f32, c.A * N), dqkv(type, N * 3 * H, c.misalignment);
  const DeviceArray workspace(DType::f32, attention_backward_workspace(shape) / sizeof(float));
  const auto forward = [&](const DeviceArray& to) {
    return device.finish(attention_forward(device.launch(), type, shape, qkv_d.data(), cu_seqlens.integers(), to.data(), lse.floats(), c.dropout()));
  };
  if (forward(out) != 0) fail("forward reports an index error");
  const auto backward = [&](const DeviceArray& to) {
    return device.finish(attention_backward(device.launch(), type, shape, qkv_d.data(), cu_seqlens.integers(), out.data(), lse.floats(), dout_d.data(),
                                            to.data(), c.dropout(), workspace.data()));
  };
  if (backward(dqkv) != 0) fail("backward reports an index error");
  compare("out", out.read(), exact.out, naive.out, type, 2);
  // For a lone token lse is a sum of D products that may cancel, and dq and dk are the difference of two equal sums.
  const double terms = shape.max_seqlen <= 3 ? c.deviation * c.deviation : 0;
  compare("lse", lse.read(), exact.lse, naive.lse, DType::f32, 2, terms);
  compare("dqkv", dqkv.read(), exact.dqkv, naive.dqkv, type, 3, 3 * terms);
  if (c.misalignment == 0) {  // again, in another order of blocks and warps
    const DeviceArray out_again(type, N * H), dqkv_again(type, N * 3 * H);
    forward(out_again);
    backward(dqkv_again);
    if (out_again.read() != out.read()) fail("forward gave other bits the second time");
    if (dqkv_again.read() != dqkv.read()) fail("backward gave other bits the second time");
  }
  if (c.p == 0) {
    const DeviceArray probabilities(DType::f32, static_cast<int64_t>(exact.probabilities.size()));
    device.finish(attention_probabilities(device.launch(), type, shape, qkv_d.data(), cu_seqlens.integers(), probabilities.floats(),
                                          static_cast<int64_t>(exact.probabilities.size()) / c.A));
    compare("probabilities", probabilities.read(), exact.probabilities, naive.probabilities, DType::f32, 2);
  }
}

// Whatever cu_seqlens says, kernels stay inside their tensors and name the error.
void run_bad_cu_seqlens(TestDevice& device, int D) {
  const std::vector<std::vector<int32_t>> wrong = {{0, 9, 5, 40}, {0, 9, 20, 39}, {0, 9, 20, 41}, {1, 9, 20, 40}, {0, -3, 20, 40}, {0, 2, 38, 40}};
  for (const auto& ends : wrong) {
    begin_case("cu_seqlens that do not fit, D=" + std::to_string(D));
    const AttentionShape shape = {40, 1, D, 3, 30, 1};
    const DeviceArray qkv(DType::f32, Values(40 * 3 * D, 0.5)), cu_seqlens(ends), out(DType::f32, 40 * D);
    const int code =
        device.finish(attention_forward(device.launch(), DType::f32, shape, qkv.data(), cu_seqlens.integers(), out.data(), nullptr, Dropout{}));
    if (code != INDEX_CU_SEQLENS) fail("reports index error " + std::to_string(code));
    out.read();
  }
}

}  // namespace
}  // namespace node_bert::cuda::test

int main() {
  using namespace node_bert::cuda;
  using namespace node_bert::cuda::test;
  TestDevice device;
  const std::vector<int> ragged = {1, 63, 64, 65, 200};
  for (const DType type : {DType::bf16, DType::f16, DType::f32}) {
    for (const int D : {32, 64}) {
      run(device, type, {{1}, 1, D});
      run(device, type, {{0, 3, 0}, 2, D});
      run(device, type, {ragged, 2, D, 0.1});
      run(device, type, {{31, 33, 1}, 3, D, 0.5});
      run(device, type, {{65, 129}, 1, D});
      run(device, type, {{31, 33, 1}, 1, D, 0, 6});
    }
    run(device, type, {{512, 1, 600}, 1, 64, 0.1});  // as long as BERT's and longer
    run(device, type, {{}, 2, 64});
    run(device, type, {{31, 33, 1}, 3, 60, 0.1});
    run(device, type, {{520, 3}, 1, 4, 0.1});
    run(device, type, {{7, 40}, 1, 128});
    run(device, type, {{9, 1}, 2, 1});
    run(device, type, {{5, 70}, 2, 64, 0.1, 1, 1});
  }
  run(device, DType::bf16, {{1030, 7}, 1, 32, 0.1});
  for (const int D : {32, 5}) run_bad_cu_seqlens(device, D);
  return report();
}
