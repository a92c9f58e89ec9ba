// From parsed PTX to instructions. Whatever a decoding function does not take (a modifier left over, an operand of another width) refuses
// the kernel.
#ifndef NODE_BERT_CUDA_EMULATOR_EXECUTE_DECODER_H
#define NODE_BERT_CUDA_EMULATOR_EXECUTE_DECODER_H

#include <map>
#include <memory>

#include "emulator/execute/kernel.h"

namespace node_bert::cuda::emulator {

struct Type {
  char kind = 0;       // b u s f p(redicate), h for f16, n for bf16 (brain), t for tf32
  uint8_t bits = 0;    // of one element
  bool packed = false;  // two elements in 32 bits
  uint32_t bytes() const { return bits / 8 * (packed ? 2 : 1); }
  bool is(char k, int b) const { return kind == k && bits == b && !packed; }
  bool integer() const { return kind == 'u' || kind == 's' || kind == 'b'; }
};

// Where module variables were put.
struct Symbol {
  Space space;
  uint64_t address;
};
using Symbols = std::map<std::string, Symbol, std::less<>>;

class Decoder;
// Takes modifiers and operands from the decoder, fills Decoder::out and returns its handler.
using DecodeFunction = Handler (*)(Decoder&);
using OpcodeTable = std::map<std::string_view, DecodeFunction>;

class Decoder {
 public:
  Decoder(const PtxModule& module, const std::string& kernel, const Symbols& symbols, uint64_t shared_window, uint64_t local_window);
  std::unique_ptr<Kernel> decode();

  Instruction out;
  std::string_view opcode() const { return in_->opcode; }

  // Modifiers of the instruction, each to be taken once.
  bool take(std::string_view modifier);
  std::string_view next_modifier() const;  // the first not taken, or empty
  const std::vector<std::string_view>& modifiers() const { return in_->modifiers; }
  Type type();                             // takes the next modifier, which must be a type
  static bool parse_type(std::string_view name, Type& type);

  // Operands, by position.
  size_t operand_count() const { return in_->operands.size(); }
  const PtxOperand& operand(size_t position) const;
  void expect_operands(size_t count) const;
  bool has_pair() const { return in_->has_pair; }
  // Each gives an offset in the register file.
  uint32_t source(const PtxOperand& operand, uint32_t bytes);      // a register of that width, an immediate, …
  uint32_t target(const PtxOperand& operand, uint32_t bytes);      // a register, or _
  uint32_t source(size_t position, uint32_t bytes) { return source(operand(position), bytes); }
  uint32_t target(size_t position, uint32_t bytes) { return target(operand(position), bytes); }
  uint32_t predicate(const PtxOperand& operand);                   // not negated
  uint32_t predicate_target(const PtxOperand& operand);
  uint32_t constant(uint64_t bits, uint32_t bytes);                // a place where every lane has that value
  uint32_t scratch(uint32_t bytes);
  uint32_t register_bytes(const PtxOperand& operand) const;        // of a register operand; throws for others
  const std::vector<PtxOperand>& elements(size_t position) const;  // of {a, b, …}, or the operand alone
  uint32_t label(size_t position) const;
  uint32_t branch_table(size_t position);                          // an index into Kernel::branch_tables
  int64_t integer(size_t position) const;                          // an immediate
  const Symbol& symbol(const PtxOperand& operand) const;
  Kernel& kernel() { return *kernel_; }
  uint64_t shared_window() const { return shared_window_; }
  uint64_t local_window() const { return local_window_; }

  [[noreturn]] void refuse(const std::string& why) const;

 private:
  void place_variables(const PtxModule& module);
  uint32_t special(std::string_view name);
  uint32_t allocate(uint32_t bytes);
  void decode_one(const PtxInstruction& instruction);

  PtxKernel parsed_;
  Symbols symbols_;
  uint64_t shared_window_, local_window_;
  std::unique_ptr<Kernel> kernel_;
  std::vector<uint32_t> registers_;  // offsets
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> constants_;
  std::map<std::string_view, uint32_t> specials_;
  const PtxInstruction* in_ = nullptr;
  std::vector<bool> taken_;
  mutable std::vector<PtxOperand> single_;
};

// Each file of handlers adds what it knows.
void add_integer(OpcodeTable& table);
void add_bits(OpcodeTable& table);
void add_floating(OpcodeTable& table);
void add_compare(OpcodeTable& table);
void add_convert(OpcodeTable& table);
void add_move(OpcodeTable& table);
void add_access(OpcodeTable& table);
void add_atomics(OpcodeTable& table);
void add_async_copy(OpcodeTable& table);
void add_collectives(OpcodeTable& table);
void add_matrix(OpcodeTable& table);
void add_control(OpcodeTable& table);

}  // namespace node_bert::cuda::emulator
#endif
