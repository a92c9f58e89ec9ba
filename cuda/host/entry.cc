// What the library exports. Compiled twice: what is linked with the emulator says so.
#include "host/backend.h"

#ifdef NODE_BERT_CUDA_EMULATED
#include "emulator/services.h"

#define NODE_BERT_BACKEND_NAME "cuda-emulated"

// For the stand-in of cuBLAS, which is loaded beside this library and cannot see into it.
extern "C" const node_bert::cuda::emulator::Services* node_bert_cuda_emulator_services(void) { return node_bert::cuda::emulator::services(); }
#else
#define NODE_BERT_BACKEND_NAME "cuda"
#endif

extern "C" __attribute__((visibility("default"))) const nb_backend* nb_backend_entry(void) {
  static const nb_backend backend = node_bert::cuda::backend_named(NODE_BERT_BACKEND_NAME);
  return &backend;
}
