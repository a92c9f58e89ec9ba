// The PTX that nvcc embeds in an object file.
#ifndef NODE_BERT_CUDA_EMULATOR_PTX_FATBIN_H
#define NODE_BERT_CUDA_EMULATOR_PTX_FATBIN_H

#include <string>

namespace node_bert::cuda::emulator {

// The PTX in the fat binary (what __cudaRegisterFatBinary gets) for the newest architecture not above `arch` (major * 10 + minor), which is
// what a driver would compile for that device. Throws when there is none, or when it is compressed.
std::string ptx_of_fatbin(const void* wrapper, int arch);

}  // namespace node_bert::cuda::emulator
#endif
