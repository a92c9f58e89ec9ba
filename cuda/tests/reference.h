// The reference backend's ops (native/reference), linked into the tests: the truth in float64, and the naive implementation in each precision that
// tolerances are made from.
#ifndef NODE_BERT_CUDA_TESTS_REFERENCE_H
#define NODE_BERT_CUDA_TESTS_REFERENCE_H

#include "node_bert/backend.h"

namespace node_bert::cuda::tests {

enum class Precision { f64, f32, bf16, f16 };

// Runs the call on host memory, its activations in `precision`, its statistics in f64 for f64 and else in f32.
void run_reference(const nb_call& call, Precision precision);

// A value as an activation of that precision holds it.
double rounded(double value, Precision precision);

}  // namespace node_bert::cuda::tests

#endif  // NODE_BERT_CUDA_TESTS_REFERENCE_H
