#include "tests/op_cases.h"

#include <cmath>
#include <numeric>

namespace node_bert::cuda::tests {
namespace {

using Sizes = std::vector<std::vector<int64_t>>;

std::string label_of(const std::vector<int64_t>& sizes, double p = 0) {
  std::string text;
  for (const int64_t size : sizes) text += (text.empty() ? "(" : ", ") + std::to_string(size);
  return text + ")" + (p > 0 ? " dropout " + std::to_string(p).substr(0, 3) : "");
}

Argument x_in(Random& random, const char* name, int64_t rows, int64_t columns) {
  return {name, Kind::activation, Role::input, rows, columns, normal(random, rows * columns)};
}
Argument x_out(const char* name, int64_t rows, int64_t columns) { return {name, Kind::activation, Role::output, rows, columns, {}}; }
Argument vector_in(Random& random, const char* name, int64_t size, double mean, double deviation = 0.3) {
  return {name, Kind::statistics, Role::input, size, 0, normal(random, size, deviation, mean)};
}
Argument s_out(const char* name, int64_t size, double terms = 0) { return {name, Kind::statistics, Role::output, size, 0, {}, terms}; }
Argument s_sum(Random& random, const char* name, int64_t rows, int64_t columns, double terms = 0) {
  const int64_t count = columns == 0 ? rows : rows * columns;
  return {name, Kind::statistics, Role::sum, rows, columns, normal(random, count), terms};
}
Argument indices(const char* name, std::vector<double> values) {
  const auto count = static_cast<int64_t>(values.size());
  return {name, Kind::index, Role::input, count, 0, std::move(values)};
}
Argument absent(const char* name) { return {name, Kind::activation, Role::absent, 0, 0, {}}; }

std::vector<double> with(double first, std::vector<double> rest) {
  rest.insert(rest.begin(), first);
  return rest;
}

// Removes the arguments of these names, each of which is optional.
OpCase without(OpCase op_case, const std::vector<std::string>& names) {
  for (Argument& argument : op_case.arguments) {
    for (const std::string& name : names) {
      if (argument.name == name) argument.role = Role::absent;
    }
  }
  op_case.label += " without";
  for (const std::string& name : names) op_case.label += " " + name;
  return op_case;
}

// mean and rstd of rows of `row(n, h)`, for backward passes.
template <class Row>
std::pair<Argument, Argument> moments(int64_t N, int64_t H, Row row) {
  Argument mean{"mean", Kind::statistics, Role::input, N, 0, {}}, rstd{"rstd", Kind::statistics, Role::input, N, 0, {}};
  for (int64_t n = 0; n < N; ++n) {
    double sum = 0, squares = 0;
    for (int64_t h = 0; h < H; ++h) sum += row(n, h);
    for (int64_t h = 0; h < H; ++h) squares += std::pow(row(n, h) - sum / static_cast<double>(H), 2);
    mean.values.push_back(sum / static_cast<double>(H));
    rstd.values.push_back(1 / std::sqrt(squares / static_cast<double>(H) + 1e-12));
  }
  return {mean, rstd};
}

OpCase layer_norm_forward(Random& random, int64_t N, int64_t H, double p) {
  return {label_of({N, H}, p), NB_OP_ADD_LAYER_NORM_FORWARD, false,
          {x_in(random, "x", N, H), x_in(random, "residual", N, H), vector_in(random, "gamma", H, 1), vector_in(random, "beta", H, 0),
           x_out("y", N, H), x_out("z", N, H), s_out("mean", N, 1), s_out("rstd", N)},
          with(1e-12, dropout_params(p))};
}

OpCase layer_norm_backward(Random& random, int64_t N, int64_t H, double p) {
  Argument z = x_in(random, "z", N, H);
  for (double& value : z.values) value = rounded(value, Precision::bf16);  // mean and rstd must be those of z as stored
  const auto [mean, rstd] = moments(N, H, [&](int64_t n, int64_t h) { return z.values[static_cast<size_t>(n * H + h)]; });
  return {label_of({N, H}, p), NB_OP_ADD_LAYER_NORM_BACKWARD, true,
          {z, vector_in(random, "gamma", H, 1), mean, rstd, x_in(random, "dy", N, H), x_out("dx", N, H), x_out("dresidual", N, H),
           s_sum(random, "dgamma", H, 0, 1), s_sum(random, "dbeta", H, 0, 1)},
          with(1e-12, dropout_params(p))};
}

constexpr int64_t V = 29, P = 17, T = 2;

std::vector<Argument> embedding_inputs(Random& random, int64_t N, int64_t H) {
  const auto table = [&](const char* name, int64_t rows) {
    return Argument{name, Kind::statistics, Role::input, rows, H, normal(random, rows * H)};
  };
  return {indices("ids", integers(random, N, V)), indices("positions", integers(random, N, P)), indices("types", integers(random, N, T)),
          table("word", V), table("position", P), table("type", T)};
}

OpCase embeddings_forward_case(Random& random, int64_t N, int64_t H, double p) {
  std::vector<Argument> arguments = embedding_inputs(random, N, H);
  for (Argument argument : {vector_in(random, "gamma", H, 1), vector_in(random, "beta", H, 0), x_out("y", N, H), s_out("mean", N, 1), s_out("rstd", N)})
    arguments.push_back(argument);
  return {label_of({N, H}, p), NB_OP_EMBEDDINGS_FORWARD, false, arguments, with(1e-12, dropout_params(p))};
}

OpCase embeddings_backward_case(Random& random, int64_t N, int64_t H, double p) {
  std::vector<Argument> arguments = embedding_inputs(random, N, H);
  const auto at = [&](int index, int table, int64_t n, int64_t h) {
    return arguments[table].values[static_cast<size_t>(arguments[index].values[static_cast<size_t>(n)]) * static_cast<size_t>(H) + static_cast<size_t>(h)];
  };
  const auto [mean, rstd] = moments(N, H, [&](int64_t n, int64_t h) { return at(0, 3, n, h) + at(1, 4, n, h) + at(2, 5, n, h); });
  for (Argument argument : {vector_in(random, "gamma", H, 1), mean, rstd, x_in(random, "dy", N, H), s_sum(random, "dword", V, H, 1),
                            s_sum(random, "dposition", P, H, 1), s_sum(random, "dtype", T, H, 1), s_sum(random, "dgamma", H, 0, 1),
                            s_sum(random, "dbeta", H, 0, 1)})
    arguments.push_back(argument);
  return {label_of({N, H}, p), NB_OP_EMBEDDINGS_BACKWARD, true, arguments, with(1e-12, dropout_params(p))};
}

}  // namespace

std::vector<OpCase> norm_cases(Random& random) {
  std::vector<OpCase> cases;
  struct Size {
    int64_t N, H;
    double p;
  };
  for (const auto& [N, H, p] : {Size{1, 1, 0}, {1, 33, 0}, {31, 127, 0.1}, {33, 64, 0.5}, {5, 768, 0.1}, {9, 776, 0}, {3, 1024, 0.1}, {2, 3072, 0},
                                {127, 31, 0}}) {
    cases.push_back(layer_norm_forward(random, N, H, p));
    cases.push_back(layer_norm_backward(random, N, H, p));
    cases.push_back(embeddings_forward_case(random, N, H, p));
    cases.push_back(embeddings_backward_case(random, N, H, p));
  }
  cases.push_back(embeddings_backward_case(random, 300, 24, 0));  // ten pieces: rows that span several
  for (const char* name : {"residual", "z"}) cases.push_back(without(layer_norm_forward(random, 9, 33, 0.1), {name}));
  for (const char* name : {"dx", "dresidual", "dgamma", "dbeta"}) cases.push_back(without(layer_norm_backward(random, 9, 33, 0.1), {name}));
  cases.push_back(without(layer_norm_backward(random, 9, 33, 0.1), {"dgamma", "dbeta"}));
  for (const char* name : {"dword", "dposition", "dtype", "dgamma", "dbeta"})
    cases.push_back(without(embeddings_backward_case(random, 65, 33, 0.1), {name}));
  cases.push_back(without(embeddings_backward_case(random, 9, 33, 0), {"dword", "dposition", "dtype"}));
  return cases;
}

std::vector<OpCase> activation_cases(Random& random) {
  std::vector<OpCase> cases;
  for (const auto& sizes : Sizes{{1, 1}, {31, 33}, {33, 127}, {200, 2}, {5, 768}, {70, 64}}) {
    const int64_t N = sizes[0], M = sizes[1];
    for (int activation = NB_ACTIVATION_NONE; activation <= NB_ACTIVATION_RELU; ++activation) {
      const std::string label = label_of(sizes) + " activation " + std::to_string(activation);
      std::vector<double> identity(static_cast<size_t>(M * M));
      for (int64_t m = 0; m < M; ++m) identity[static_cast<size_t>(m * (M + 1))] = 1;
      for (const Kind kind : {Kind::activation, Kind::product}) {
        Argument product = x_in(random, "x", N, M);
        product.kind = kind;
        cases.push_back({label + (kind == Kind::product ? " of a float product" : ""), NB_OP_LINEAR_FORWARD, false,
                         {product, {"w", Kind::activation, Role::input, M, M, identity}, vector_in(random, "bias", M, 0), x_out("y", N, M),
                          x_out("pre", N, M)},
                         {static_cast<double>(activation)}});
      }
      const bool none = activation == NB_ACTIVATION_NONE;
      Argument saved = x_in(random, "saved", N, M);
      if (activation == NB_ACTIVATION_TANH) {
        for (double& value : saved.values) value = std::tanh(value);
      }
      const OpCase backward{label, NB_OP_LINEAR_BACKWARD, true,
                            {absent("x"), {"w", Kind::activation, Role::input, M, 1, normal(random, M)}, none ? absent("saved") : saved,
                             x_in(random, "dy", N, M), none ? absent("dpre") : x_out("dpre", N, M), absent("dx"), absent("dw"),
                             s_sum(random, "dbias", M, 0, 1)},
                            {static_cast<double>(activation), 0}};
      cases.push_back(backward);
      if (!none) cases.push_back(without(backward, {"dbias"}));
    }
  }
  const auto gelu = [&](const char* name) {
    return without({label_of({33, 40}), NB_OP_LINEAR_FORWARD, false,
                    {x_in(random, "x", 33, 40), {"w", Kind::activation, Role::input, 40, 40, [] {
                       std::vector<double> identity(1600);
                       for (size_t m = 0; m < 40; ++m) identity[m * 41] = 1;
                       return identity;
                     }()}, vector_in(random, "bias", 40, 0), x_out("y", 33, 40), x_out("pre", 33, 40)},
                    {NB_ACTIVATION_GELU}},
                   {name});
  };
  cases.push_back(gelu("bias"));
  cases.push_back(gelu("pre"));
  return cases;
}

std::vector<OpCase> loss_cases(Random& random) {
  std::vector<OpCase> cases;
  const auto add = [&](int64_t N, int64_t C, double ignored, double deviation) {
    std::vector<double> labels = integers(random, N, C);
    for (double& label : labels) {
      if (static_cast<double>(random() % 1000) < 1000 * ignored) label = -100;
    }
    Argument logits = x_in(random, "logits", N, C);
    for (double& value : logits.values) value *= deviation;
    const std::string label = label_of({N, C}) + " ignored " + std::to_string(ignored).substr(0, 3);
    const double terms = std::max(1.0, deviation) + std::log(static_cast<double>(C));
    cases.push_back({label, NB_OP_CROSS_ENTROPY_FORWARD, false,
                     {logits, indices("labels", labels), s_out("losses", N, terms), s_out("loss", 1, terms), s_out("lse", N, terms)},
                     {-100}});
    cases.push_back(without(cases.back(), {"lse"}));
    Argument dlogits = x_out("dlogits", N, C);
    cases.push_back({label, NB_OP_CROSS_ENTROPY_BACKWARD, true, {logits, indices("labels", labels), vector_in(random, "dloss", 1, 1), dlogits}, {-100}});
  };
  for (const auto& sizes : Sizes{{1, 1}, {1, 2}, {8, 2}, {31, 33}, {33, 127}, {127, 3}, {3, 1024}, {3, 1025}, {5, 3001}, {3, 2056}})
    add(sizes[0], sizes[1], 0, 1);
  add(33, 31, 0.8, 1);
  add(33, 31, 1, 1);
  add(33, 31, 0, 60);
  add(7, 1100, 0.5, 20);
  return cases;
}

std::vector<OpCase> row_cases(Random& random) {
  std::vector<OpCase> cases;
  for (const auto& sizes : Sizes{{1, 1, 1}, {33, 31, 127}, {127, 200, 33}, {31, 0, 16}, {64, 8, 96}, {9, 70, 768}}) {
    const int64_t N = sizes[0], M = sizes[1], H = sizes[2];
    const Argument index = indices("index", integers(random, M, N));
    cases.push_back({label_of(sizes), NB_OP_GATHER_ROWS_FORWARD, false, {x_in(random, "x", N, H), index, x_out("y", M, H)}, {}});
    cases.push_back({label_of(sizes), NB_OP_GATHER_ROWS_BACKWARD, true, {index, x_in(random, "dy", M, H), x_out("dx", N, H)}, {}});
  }
  for (const auto& lengths : Sizes{{1}, {0, 3, 0}, {31, 33, 1}, {1, 63, 64, 65, 200}, {5, 2, 7, 1, 3, 9}}) {
    for (const int64_t H : {1, 33, 96, 264}) {
      std::vector<double> offsets{0};
      for (const int64_t length : lengths) offsets.push_back(offsets.back() + static_cast<double>(length));
      const auto N = static_cast<int64_t>(offsets.back()), B = static_cast<int64_t>(lengths.size());
      const std::string label = label_of(lengths) + " of " + std::to_string(H);
      cases.push_back({label, NB_OP_MEAN_POOL_FORWARD, false, {x_in(random, "x", N, H), indices("cu_seqlens", offsets), x_out("y", B, H)}, {}});
      cases.push_back({label, NB_OP_MEAN_POOL_BACKWARD, true, {indices("cu_seqlens", offsets), x_in(random, "dy", B, H), x_out("dx", N, H)}, {}});
    }
  }
  for (const double p : {0.0, 0.1, 0.5, 0.9}) {
    for (const auto& sizes : Sizes{{1, 1}, {31, 33}, {127, 65}, {9, 768}})
      cases.push_back({label_of(sizes, p), NB_OP_DROPOUT, false, {x_in(random, "x", sizes[0], sizes[1]), x_out("y", sizes[0], sizes[1])}, dropout_params(p)});
  }
  for (const int64_t size : {1, 31, 33, 127, 1000, 4099})
    cases.push_back({label_of({size}), NB_OP_ADD, false, {x_in(random, "a", size, 1), x_in(random, "b", size, 1), x_out("y", size, 1)}, {}});
  return cases;
}

std::vector<OpCase> optimizer_cases(Random& random) {
  std::vector<OpCase> cases;
  for (const int64_t size : {1, 31, 33, 127, 1000, 4099, 40001}) {
    const Argument x{"x", Kind::statistics, Role::input, size, 0, normal(random, size)};
    cases.push_back({label_of({size}), NB_OP_SUM_OF_SQUARES, false, {x, {"out", Kind::statistics, Role::sum, 1, 0, {2.5}}}, {}});
  }
  const auto adamw_case = [&](int64_t n, double step, double max_norm, double grad_scale, bool copy, bool zero) {
    const auto sum = [&](const char* name, std::vector<double> values) { return Argument{name, Kind::statistics, Role::sum, n, 0, std::move(values)}; };
    std::vector<double> squares = normal(random, n, step == 1 ? 0 : 0.01);
    for (double& value : squares) value *= value;
    const std::vector<double> gradient = normal(random, n, 0.1);
    const double norm = std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0);
    const Argument copied{"copy", Kind::copy, copy ? Role::output : Role::absent, n, 0, {}};
    const Argument norm_squared{"norm_squared", Kind::statistics, max_norm > 0 ? Role::input : Role::absent, 1, 0, {norm}};
    cases.push_back({label_of({n}) + " step " + std::to_string(static_cast<int>(step)) + (max_norm > 0 ? " clipped" : ""), NB_OP_ADAMW, false,
                     {sum("param", normal(random, n, 0.02)), sum("grad", gradient), sum("m", normal(random, n, step == 1 ? 0 : 0.05)),
                      sum("v", squares), copied, norm_squared},
                     {1e-3, 0.9, 0.999, 1e-8, 0.01, step, max_norm, grad_scale, zero ? 1.0 : 0.0}});
  };
  for (const int64_t n : {1, 31, 33, 127, 1000, 4099, 40001}) adamw_case(n, 3, 0, 1, false, false);
  adamw_case(127, 1, 0, 1, false, false);
  adamw_case(127, 100000, 1000, 1, true, false);
  adamw_case(4099, 3, 0.1, 0.25, true, true);
  return cases;
}

}  // namespace node_bert::cuda::tests
