// One op on given inputs, run by its launcher on the device, by the reference in float64 and by the naive code in the same precision, and compared by the
// project's rule: the error of each output is at most 2 (forward) or 3 (backward) times that of the naive code, plus a floor.
#ifndef NODE_BERT_CUDA_TESTS_OP_CASE_H
#define NODE_BERT_CUDA_TESTS_OP_CASE_H

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/launch.h"
#include "tests/reference.h"

namespace node_bert::cuda::tests {

enum class Kind {
  activation,  // of the type X under test
  statistics,  // f32, f64 for the reference
  index,       // i32
  copy,        // bf16, the half-precision copy of parameters
  product,     // an activation that the device gets as float: what a GEMM left
};

enum class Role {
  absent,
  input,
  output,  // poisoned before the run
  sum,     // += : holds values before the run
};

struct Argument {
  std::string name;
  Kind kind;
  Role role;
  int64_t rows, columns;       // columns = 0: a vector
  std::vector<double> values;  // of inputs and sums
  double terms = 0;            // magnitude of the terms an output is the difference of, where they are larger than itself

  int64_t count() const { return columns == 0 ? rows : rows * columns; }
};

struct OpCase {
  std::string label;
  nb_op op;
  bool backward;
  std::vector<Argument> arguments;  // in the order of the ABI
  std::vector<double> params;
};

using Random = std::mt19937_64;
std::vector<double> normal(Random& random, int64_t count, double deviation = 1, double mean = 0);
std::vector<double> integers(Random& random, int64_t count, int64_t limit);

// A failure is a line on stderr. misaligned: every device tensor begins one element after a 256-byte boundary.
class Suite {
 public:
  void check(const OpCase& op_case, DType type, bool misaligned);
  void expect(bool holds, const std::string& what);
  // What ran and what was worst, for people. The number of failures.
  int report() const;

 private:
  struct Worst {
    double ratio = 0;  // of the error to what is allowed
    double error = 0;
    int outputs = 0;
  };
  int failures_ = 0, checks_ = 0;
  std::vector<std::pair<std::string, Worst>> worst_;
};

// Calls the op's launcher with device pointers: what the host does, without its device.
cudaError_t launch_op(const nb_call& call, const Launch& launch, DType type, void* workspace);
size_t workspace_of(const nb_call& call);

const char* name_of(nb_op op);
const char* name_of(DType type);

}  // namespace node_bert::cuda::tests

#endif  // NODE_BERT_CUDA_TESTS_OP_CASE_H
