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

struct Tanh {
  static NB_INLINE F value(F pre) { return hyperbolic_tangent(pre); }
  static NB_INLINE F slope(F y) { return 1.f - y * y; }
};

struct Relu {
  static NB_INLINE F value(F pre) { return pre < 0.f ? F{} : pre; }
  static NB_INLINE F slope(F y) { return y > 0.f ? splat(1.f) : F{}; }
};

}  // namespace
