// Finds and loads cuBLASLt at run time.
#ifndef NODE_BERT_CUDA_CUBLAS_LIBRARY_H
#define NODE_BERT_CUDA_CUBLAS_LIBRARY_H

#include <memory>
#include <string>

#include "host/cublas_api.h"

namespace node_bert::cuda {

// The major version whose interface cublas_api.h declares.
constexpr int CUBLAS_MAJOR = 13;

struct CublasLibrary {
#define NODE_BERT_MEMBER(member, symbol, result, arguments) result(*member) arguments = nullptr;
  NODE_BERT_CUBLAS_SYMBOLS(NODE_BERT_MEMBER)
#undef NODE_BERT_MEMBER
  std::string path;
  std::string version;
};

struct CublasSearch {
  std::unique_ptr<CublasLibrary> library;  // empty when none was found
  std::string tried;                       // a line a place: what was looked for and what was there
};

// Looks, in this order, at NODE_BERT_CUBLAS (a file or a folder; "none": nowhere), what the loader finds, /usr/local/cuda*/lib64, and pip's
// nvidia folders. A library stays loaded for the life of the process.
// @throws Failure when NODE_BERT_CUBLAS names something that cannot be used
CublasSearch find_cublas();

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_CUBLAS_LIBRARY_H
