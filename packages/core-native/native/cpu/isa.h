// Which instruction sets the kernels were compiled for, which this processor has, and which one is used.
#pragma once
#include <string>
#include <vector>

namespace node_bert::cpu {

enum class Isa { baseline, avx2, avx512, avx512_bf16 };

const char* isa_name(Isa isa);

// In rising order; baseline is always there.
std::vector<Isa> available_isas();

// The best one, or what BERT_CPU_ISA asks for. Returns false, with a message, for a level that is unknown or that this processor
// lacks.
bool choose_isa(Isa* isa, std::string* error);

// The processor's own name for itself, or "unknown".
std::string cpu_model();

}  // namespace node_bert::cpu
