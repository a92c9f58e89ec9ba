#include "isa.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace node_bert::cpu {

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512_bf16: return "avx512_bf16";
    default: return "baseline";
  }
}

// __builtin_cpu_supports also asks whether the operating system saves the wide registers.
std::vector<Isa> available_isas() {
  std::vector<Isa> isas = {Isa::baseline};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  if (!avx2) return isas;
  isas.push_back(Isa::avx2);
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (!avx512) return isas;
  isas.push_back(Isa::avx512);
  if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni")) isas.push_back(Isa::avx512_bf16);
#endif
  return isas;
}

bool choose_isa(Isa* isa, std::string* error) {
  const std::vector<Isa> available = available_isas();
  *isa = available.back();
  const char* wanted = std::getenv("BERT_CPU_ISA");
  if (wanted == nullptr || *wanted == '\0') return true;
  std::string names;
  for (const Isa level : available) {
    if (std::strcmp(wanted, isa_name(level)) == 0) {
      *isa = level;
      return true;
    }
    names += names.empty() ? "" : ", ";
    names += isa_name(level);
  }
  *error = std::string("BERT_CPU_ISA is \"") + wanted + "\", but this processor offers " + names +
           ". Unset it to use the best, or set it to one of these";
  return false;
}

std::string cpu_model() {
#if defined(__x86_64__)
  uint32_t words[12] = {};
  for (uint32_t leaf = 0; leaf < 3; ++leaf) {
    uint32_t* w = words + 4 * leaf;
    if (!__get_cpuid(0x80000002u + leaf, &w[0], &w[1], &w[2], &w[3])) return "unknown";
  }
  char text[sizeof(words) + 1] = {};
  std::memcpy(text, words, sizeof(words));
  std::string name = text;
  name.erase(0, name.find_first_not_of(' '));
  name.erase(name.find_last_not_of(' ') + 1);
  return name.empty() ? "unknown" : name;
#else
  return "unknown";
#endif
}

}  // namespace node_bert::cpu
