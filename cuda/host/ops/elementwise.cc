// fill, convert, add and dropout.
#include "host/device.h"
#include "host/op_list.h"

namespace node_bert::cuda {

void fill(nb_device&, const Launch& launch, const Call& call) {
  check(fill(launch, static_cast<nb_dtype>(call.tensor(0).dtype), call.data(0), call.count(0), call.param(0)), "the kernel");
}

void convert(nb_device&, const Launch& launch, const Call& call) {
  const nb_tensor &x = call.tensor(0), &y = call.tensor(1);
  if (x.dtype == NB_F64 || y.dtype == NB_F64) throw Failure{NB_ERROR_UNSUPPORTED, "the CUDA device has no f64"};
  check(convert(launch, static_cast<nb_dtype>(x.dtype), x.data, static_cast<nb_dtype>(y.dtype), y.data, call.count(1)), "the kernel");
}

void add(nb_device&, const Launch& launch, const Call& call) {
  check(add(launch, call.type(0), call.data(0), call.data(1), call.data(2), call.count(2)), "the kernel");
}

void dropout(nb_device&, const Launch& launch, const Call& call) {
  check(dropout(launch, call.type(0), call.data(0), call.data(1), call.dim(0, 0), call.dim(0, 1), call.dropout(0)), "the kernel");
}

}  // namespace node_bert::cuda
