// The activation functions of a linear layer on vectors, and their slopes: of the value before GELU, of the one after tanh and relu.
#pragma once
#include "math.h"

namespace {

struct Identity {
  static NB_INLINE F value(F pre) { return pre; }
  static NB_INLINE F slope(F) { return splat(1.f); }
};

struct Gelu {
  static NB_INLINE F value(F pre) { return pre * normal_distribution(pre).distribution; }
  static NB_INLINE F slope(F pre) {
    const Normal normal = normal_distribution(pre);
    return fma(pre * normal.gaussian, splat(0.398942280401432678f), normal.distribution);
  }
};

// For results that are rounded to bf16: within 6e-5 on [-6, 6], and within 1.5e-5 |x| beyond. Phi(x) - 1/2 = x P(x^2), by a fit on
// |x| <= 4.25; a third of the time.
struct QuickGelu {
  static NB_INLINE F value(F pre) {
    constexpr float kEnd = 4.25f;
    const F x = minimum(splat(kEnd), maximum(splat(-kEnd), pre));
    const F z = x * x;
    F p = splat(5.5648990403e-11f);
    p = fma(p, z, splat(-5.3277886725e-09f));
    p = fma(p, z, splat(2.2554376395e-07f));
    p = fma(p, z, splat(-5.6264441417e-06f));
    p = fma(p, z, splat(9.3418855087e-05f));
    p = fma(p, z, splat(-1.1085617226e-03f));
    p = fma(p, z, splat(9.8159731730e-03f));
    p = fma(p, z, splat(-6.6344493597e-02f));
    p = fma(p, z, splat(3.9890233964e-01f));
    return pre * fma(p, x, splat(0.5f));
  }
};

template <class X>
struct GeluFor {
  using Function = Gelu;
};
template <>
struct GeluFor<bf16> {
  using Function = QuickGelu;
};

struct Tanh {
  static NB_INLINE F value(F pre) { return hyperbolic_tangent(pre); }
  static NB_INLINE F slope(F y) { return 1.f - y * y; }
};

struct Relu {
  static NB_INLINE F value(F pre) { return pre < 0.f ? F{} : pre; }
  static NB_INLINE F slope(F y) { return y > 0.f ? splat(1.f) : F{}; }
};

}  // namespace
