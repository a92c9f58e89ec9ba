#include "host/index_errors.h"

#include <string>

#include "host/failure.h"
#include "host/op_list.h"
#include "kernels/launch.h"

namespace node_bert::cuda {
namespace {

// By IndexError.
constexpr const char* ARGUMENT[] = {"", "ids", "positions", "types", "labels", "index", "cu_seqlens"};

}  // namespace

IndexErrors::IndexErrors(Pool& pool, cudaStream_t stream) : pool_(pool), stream_(stream) {
  flags_ = static_cast<int*>(pool_.allocate(BYTES));
  const cudaError_t code = cudaMemsetAsync(flags_, 0, BYTES, stream_);
  if (code != cudaSuccess) pool_.release(flags_);
  check(code, "setting up error flags");
}

IndexErrors::~IndexErrors() { pool_.release(flags_); }

int* IndexErrors::flag_of(const nb_call& call) {
  const auto allow = [&](IndexError kind, int64_t limit) { limits_[kind][call.op] = limit; };
  switch (call.op) {
    case NB_OP_EMBEDDINGS_FORWARD:
    case NB_OP_EMBEDDINGS_BACKWARD:
      allow(INDEX_TOKEN_ID, call.tensors[3].dims[0]);
      allow(INDEX_POSITION, call.tensors[4].dims[0]);
      allow(INDEX_TOKEN_TYPE, call.tensors[5].dims[0]);
      break;
    case NB_OP_GATHER_ROWS_FORWARD: allow(INDEX_ROW, call.tensors[0].dims[0]); break;
    case NB_OP_GATHER_ROWS_BACKWARD: allow(INDEX_ROW, call.tensors[2].dims[0]); break;
    case NB_OP_CROSS_ENTROPY_FORWARD:
    case NB_OP_CROSS_ENTROPY_BACKWARD: allow(INDEX_LABEL, call.tensors[0].dims[1]); break;
    case NB_OP_ATTENTION_FORWARD:
    case NB_OP_ATTENTION_BACKWARD:
    case NB_OP_ATTENTION_PROBABILITIES:
    case NB_OP_MEAN_POOL_FORWARD: allow(INDEX_CU_SEQLENS, call.tensors[0].dims[0]); break;
    case NB_OP_MEAN_POOL_BACKWARD: allow(INDEX_CU_SEQLENS, call.tensors[2].dims[0]); break;
    default: return nullptr;
  }
  used_ = true;
  return flags_ + call.op;
}

bool IndexErrors::fetch(int* landing) {
  if (!used_) return false;
  used_ = false;
  check(cudaMemcpyAsync(landing, flags_, BYTES, cudaMemcpyDeviceToHost, stream_), "reading error flags");
  check(cudaMemsetAsync(flags_, 0, BYTES, stream_), "clearing error flags");
  return true;
}

void IndexErrors::report(const int* landing) const {
  for (int op = 0; op < OPS; ++op) {
    const int kind = landing[op];
    if (kind <= INDEX_OK || kind > INDEX_CU_SEQLENS) continue;
    const int64_t limit = limits_[kind][op];
    const std::string expected = kind == INDEX_CU_SEQLENS ? "offsets that rise from 0 to the number of rows, " + std::to_string(limit) + ", by at most max_seqlen"
                                                          : "0 .. " + std::to_string(limit - 1);
    throw Failure{NB_ERROR_INDEX, std::string(op_name(op)) + ": a value of " + ARGUMENT[kind] + " is out of range, expected " + expected};
  }
}

}  // namespace node_bert::cuda
