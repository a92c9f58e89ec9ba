// fill, convert and add.
#include <cstring>
#include <type_traits>

#include "ops.h"

namespace node_bert::reference {
namespace {

// Calls visit(T*) with the tensor's data as its C++ type.
template <class Visit>
void visit_type(const nb_tensor& tensor, Visit visit) {
  switch (tensor.dtype) {
    case NB_F32: return visit(static_cast<float*>(tensor.data));
    case NB_F64: return visit(static_cast<double*>(tensor.data));
    case NB_BF16: return visit(static_cast<bfloat16*>(tensor.data));
    case NB_F16: return visit(static_cast<float16*>(tensor.data));
    case NB_I32: return visit(static_cast<int32_t*>(tensor.data));
    case NB_U8: return visit(static_cast<uint8_t*>(tensor.data));
    default: throw Failure{NB_ERROR_UNSUPPORTED, "the reference device has no dtype " + std::to_string(tensor.dtype)};
  }
}

// To a 16-bit type the value is rounded to float on the way.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, From>) return value;
  else if constexpr (std::is_same_v<To, bfloat16> || std::is_same_v<To, float16>) return To(static_cast<float>(value));
  else return static_cast<To>(value);
}

template <class T>
inline constexpr bool is_float = std::is_floating_point_v<T> || std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

}  // namespace

void fill(const Call& call) {
  const int64_t count = element_count(call.tensor(0));
  visit_type(call.tensor(0), [&](auto* y) {
    using T = std::remove_pointer_t<decltype(y)>;
    for (int64_t i = 0; i < count; ++i) y[i] = converted<T>(call.param(0));
  });
}

void convert(const Call& call) {
  const int64_t count = element_count(call.tensor(1));
  visit_type(call.tensor(0), [&](const auto* x) {
    visit_type(call.tensor(1), [&](auto* y) {
      using From = std::remove_const_t<std::remove_pointer_t<decltype(x)>>;
      using To = std::remove_pointer_t<decltype(y)>;
      if constexpr (std::is_same_v<From, To> || (is_float<From> && is_float<To>)) {
        for (int64_t i = 0; i < count; ++i) y[i] = converted<To>(x[i]);
      } else {
        throw Failure{NB_ERROR_UNSUPPORTED, "convert needs two float types or two equal types"};
      }
    });
  });
}

template <class X>
void add(const Call& call) {
  using S = Statistics<X>;
  const auto a = call.matrix<X>(0);
  const auto b = call.matrix<X>(1);
  const auto y = call.matrix<X>(2);
  for (int64_t i = 0; i < y.size(); ++i) y(i) = static_cast<S>(a(i)) + static_cast<S>(b(i));
}

NB_INSTANTIATE(add);

}  // namespace node_bert::reference
