#ifndef NODE_BERT_CUDA_BACKEND_H
#define NODE_BERT_CUDA_BACKEND_H

#include "node_bert/backend.h"

namespace node_bert::cuda {

// The table of functions, under the name it is asked for by.
nb_backend backend_named(const char* name);

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_BACKEND_H
