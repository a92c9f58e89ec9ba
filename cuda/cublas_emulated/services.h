// The emulator beside which this library was loaded.
#ifndef NODE_BERT_CUBLAS_EMULATED_SERVICES_H
#define NODE_BERT_CUBLAS_EMULATED_SERVICES_H

#include "emulator/services.h"

namespace node_bert::cublas_emulated {

// Null when there is none in this process: then this library can do nothing, as cuBLAS without a driver.
const cuda::emulator::Services* services();

}  // namespace node_bert::cublas_emulated

#endif  // NODE_BERT_CUBLAS_EMULATED_SERVICES_H
