// What a PTX module says, before anything is decided about how to execute it.
#ifndef NODE_BERT_CUDA_EMULATOR_PTX_MODULE_H
#define NODE_BERT_CUDA_EMULATOR_PTX_MODULE_H

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/ptx/tokens.h"

namespace node_bert::cuda::emulator {

enum class Space : uint8_t { none, generic, global, shared, local, param, constant };

struct PtxVariable {
  Space space;
  std::string name;
  uint64_t align = 1, size = 0;
  std::vector<uint8_t> initial;  // empty: zeros
  bool external = false;         // extern shared: the launch gives the size
};

struct PtxParameter {
  std::string name;
  uint32_t offset, size;
};

struct PtxRegister {
  std::string name;
  uint8_t bytes;  // 2, 4, 8, 16; 0 for a predicate
};

struct PtxOperand {
  enum Kind : uint8_t {
    reg,        // index
    immediate,  // bits; a float immediate has float_bytes 4 or 8
    special,    // name, such as %tid.x
    symbol,     // name + bits: a variable's address, a label or a function
    address,    // [parts[0] + bits]
    vector,     // {parts…}
    sink,       // _
  } kind;
  bool negated = false;  // !p
  uint8_t float_bytes = 0;
  uint32_t index = 0;
  int64_t bits = 0;
  std::string_view name;
  std::vector<PtxOperand> parts;
};

struct SourceLine {
  uint32_t file = 0, line = 0;              // where the text stands
  uint32_t outer_file = 0, outer_line = 0;  // the call it was inlined into, 0 when none
};

struct PtxInstruction {
  uint32_t line;     // of the PTX
  SourceLine source;
  std::string_view opcode;
  std::vector<std::string_view> modifiers;
  std::vector<PtxOperand> operands;  // "d|p" is two operands, the second marked by has_pair
  bool has_pair = false;
  int32_t guard = -1;  // register index of the predicate
  bool guard_negated = false;
};

struct PtxKernel {
  std::string name;
  uint32_t line = 0;
  std::vector<PtxParameter> parameters;
  uint32_t parameter_bytes = 0;
  std::vector<PtxRegister> registers;
  std::vector<PtxVariable> variables;  // shared and local ones declared inside
  std::vector<PtxInstruction> instructions;
  std::unordered_map<std::string_view, uint32_t> labels;  // to an index into instructions
  std::unordered_map<std::string_view, std::vector<std::string_view>> branch_tables;  // .branchtargets by their label
  uint32_t max_threads = 0;                               // .maxntid or .reqntid, 0: none
};

// A module keeps its text and tokens; kernels are parsed when they are asked for.
class PtxModule {
 public:
  explicit PtxModule(std::string text);
  const std::vector<PtxVariable>& variables() const { return variables_; }
  std::vector<std::string> kernel_names() const;
  bool has_kernel(const std::string& name) const { return bodies_.count(name) != 0; }
  PtxKernel parse_kernel(const std::string& name) const;
  std::string source_file(uint32_t file) const;

 private:
  void scan();

  std::string text_;
  std::vector<Token> tokens_;
  std::vector<PtxVariable> variables_;
  std::map<std::string, size_t> bodies_;  // kernel name to the index of its name's token
  std::map<uint32_t, std::string> files_;
};

// Size in bytes of a type such as "u32" or "b8"; 0 for "pred"; throws for anything else.
uint32_t type_bytes(std::string_view type, uint32_t line);

}  // namespace node_bert::cuda::emulator
#endif
