// Every kernel but attention and the GEMMs, by its launcher, in f32, bf16 and f16, against float64. `kernels_test <op>` runs one op only.
// What a call of the ABI cannot express is in launchers_test.cc.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/op_cases.h"

using namespace node_bert::cuda::tests;
using node_bert::cuda::DType;

int main(int argc, char** argv) {
  const char* seed = std::getenv("TEST_SEED");
  Random random(seed != nullptr ? std::strtoull(seed, nullptr, 10) : 20241018);
  std::printf("TEST_SEED=%s\n", seed != nullptr ? seed : "20241018");
  Suite suite;
  for (const auto make : {row_cases, norm_cases, activation_cases, loss_cases, optimizer_cases}) {
    for (const OpCase& op_case : make(random)) {
      if (argc > 1 && std::strcmp(argv[1], name_of(op_case.op)) != 0) continue;
      for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
        const bool has_activations = op_case.op != NB_OP_SUM_OF_SQUARES && op_case.op != NB_OP_ADAMW;
        if (!has_activations && type != DType::f32) continue;
        suite.check(op_case, type, false);
        suite.check(op_case, type, true);
      }
    }
  }
  return suite.report() == 0 ? 0 : 1;
}
