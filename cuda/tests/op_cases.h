// Cases of every op but attention and the GEMMs, at awkward sizes.
#ifndef NODE_BERT_CUDA_TESTS_OP_CASES_H
#define NODE_BERT_CUDA_TESTS_OP_CASES_H

#include "tests/op_case.h"

namespace node_bert::cuda::tests {

std::vector<OpCase> row_cases(Random& random);         // gather, mean pool, dropout, add
std::vector<OpCase> norm_cases(Random& random);        // add_layer_norm, embeddings
std::vector<OpCase> activation_cases(Random& random);  // bias and activation of a linear layer
std::vector<OpCase> loss_cases(Random& random);        // cross-entropy
std::vector<OpCase> optimizer_cases(Random& random);   // sum of squares, AdamW

// The dropout params of the ABI.
inline std::vector<double> dropout_params(double p) { return {p, 1234567, 4000000000.0, 17, 5}; }

}  // namespace node_bert::cuda::tests

#endif  // NODE_BERT_CUDA_TESTS_OP_CASES_H
