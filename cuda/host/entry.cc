// The one exported symbol. Compiled twice: what is linked with the emulator says so.
#include "host/backend.h"

#ifdef NODE_BERT_CUDA_EMULATED
#define NODE_BERT_BACKEND_NAME "cuda-emulated"
#else
#define NODE_BERT_BACKEND_NAME "cuda"
#endif

extern "C" __attribute__((visibility("default"))) const nb_backend* nb_backend_entry(void) {
  static const nb_backend backend = node_bert::cuda::backend_named(NODE_BERT_BACKEND_NAME);
  return &backend;
}
