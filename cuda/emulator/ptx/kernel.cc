// The body of one kernel: declarations with their scopes, labels, instructions.
#include "emulator/ptx/reader.h"

namespace node_bert::cuda::emulator {
namespace {

class KernelParser {
 public:
  KernelParser(const std::vector<Token>& tokens, size_t at) : reader_(tokens, at) {}

  PtxKernel parse() {
    kernel_.line = reader_.peek().line;
    kernel_.name = reader_.expect_word("the kernel's name");
    if (reader_.take('(')) parameters();
    directives();
    reader_.expect('{');
    scopes_.emplace_back();
    while (!scopes_.empty()) statement();
    return std::move(kernel_);
  }

 private:
  void parameters() {
    while (!reader_.take(')')) {
      if (!reader_.take(std::string_view(".param"))) reader_.fail("expected .param");
      uint64_t align = 1, count = 1;
      uint32_t element = 0;
      bool pointer = false;
      std::string_view name;
      while (name.empty()) {
        const uint32_t line = reader_.peek().line;
        const std::string_view word = reader_.expect_word("a parameter");
        if (word == ".align") {
          const uint64_t value = reader_.expect_integer();
          if (!pointer) align = value;  // after .ptr it is the alignment of what is pointed to
        } else if (word == ".ptr") {
          pointer = true;
        } else if (word == ".global" && pointer) {
          continue;
        } else if (word[0] == '.') {
          element = type_bytes(word.substr(1), line);
          align = std::max<uint64_t>(align, element);
        } else {
          name = word;
        }
      }
      if (reader_.take('[')) {
        count = reader_.expect_integer();
        reader_.expect(']');
      }
      const uint32_t offset = static_cast<uint32_t>((kernel_.parameter_bytes + align - 1) / align * align);
      const uint32_t size = static_cast<uint32_t>(count * element);
      kernel_.parameters.push_back({std::string(name), offset, size});
      kernel_.parameter_bytes = offset + size;
      reader_.take(',');
    }
  }

  void directives() {
    while (!reader_.peek().is('{')) {
      const std::string_view word = reader_.expect_word("a directive or '{'");
      if (word == ".maxntid" || word == ".reqntid") {
        kernel_.max_threads = static_cast<uint32_t>(reader_.expect_integer());
        while (reader_.take(',')) kernel_.max_threads *= static_cast<uint32_t>(reader_.expect_integer());
      } else if (word == ".minnctapersm" || word == ".maxnreg") {
        reader_.expect_integer();
      } else {
        reader_.fail("unknown kernel directive " + std::string(word));
      }
    }
  }

  void statement() {
    const Token token = reader_.peek();
    if (reader_.take('{')) {
      scopes_.emplace_back();
    } else if (reader_.take('}')) {
      scopes_.pop_back();
    } else if (reader_.take(';')) {
      return;  // an empty statement, as inline assembly leaves them
    } else if (token.is('@')) {
      instruction();
    } else if (token.kind != Token::word) {
      reader_.fail("expected a statement");
    } else if (reader_.peek(1).is(':')) {
      reader_.next();
      reader_.next();
      label_ = token.text;
      if (!kernel_.labels.emplace(token.text, static_cast<uint32_t>(kernel_.instructions.size())).second) {
        reader_.fail("label defined twice: " + std::string(token.text));
      }
    } else if (token.text[0] == '.') {
      directive();
    } else {
      instruction();
    }
  }

  void directive() {
    const Token token = reader_.next();
    if (token.text == ".reg") {
      const Token type = reader_.next();
      const uint8_t bytes = static_cast<uint8_t>(type_bytes(type.text.substr(1), type.line));
      do declare_registers(bytes);
      while (reader_.take(','));
      reader_.expect(';');
    } else if (token.text == ".shared" || token.text == ".local") {
      kernel_.variables.push_back(parse_variable(reader_, token.text == ".shared" ? Space::shared : Space::local, false));
    } else if (token.text == ".loc") {
      location(token.line);
    } else if (token.text == ".pragma") {
      reader_.next();
      reader_.expect(';');
    } else if (token.text == ".branchtargets") {
      do kernel_.branch_tables[label_].push_back(reader_.expect_word("a label"));
      while (reader_.take(','));
      reader_.expect(';');
    } else {
      throw PtxError(token.line, "unknown directive " + std::string(token.text));
    }
  }

  void declare_registers(uint8_t bytes) {
    const std::string_view name = reader_.expect_word("a register");
    const auto declare = [&](std::string full) {
      // 8-bit registers live in 16 bits, as do the values that ld and cvt put there.
      kernel_.registers.push_back({std::move(full), bytes == 1 ? uint8_t{2} : bytes});
      scopes_.back()[kernel_.registers.back().name] = static_cast<uint32_t>(kernel_.registers.size() - 1);
    };
    if (!reader_.take('<')) return declare(std::string(name));
    const uint64_t count = reader_.expect_integer();
    reader_.expect('>');
    for (uint64_t i = 0; i < count; ++i) declare(std::string(name) + std::to_string(i));
  }

  void location(uint32_t line) {
    SourceLine source;
    source.file = static_cast<uint32_t>(reader_.expect_integer());
    source.line = static_cast<uint32_t>(reader_.expect_integer());
    bool inlined = false;
    while (reader_.peek().line == line && !reader_.at_end()) {
      if (reader_.take(std::string_view("inlined_at"))) {
        inlined = true;
        source.outer_file = static_cast<uint32_t>(reader_.expect_integer());
        source.outer_line = static_cast<uint32_t>(reader_.expect_integer());
      } else {
        reader_.next();
      }
    }
    if (inlined) {
      // The call may stand in an inlined function, too: follow it out to the kernel's own text.
      const auto outer = inlined_.find({source.outer_file, source.outer_line});
      if (outer != inlined_.end()) std::tie(source.outer_file, source.outer_line) = outer->second;
      inlined_[{source.file, source.line}] = {source.outer_file, source.outer_line};
    } else {
      inlined_.erase({source.file, source.line});
    }
    source_ = source;
  }

  void instruction() {
    PtxInstruction instruction;
    instruction.source = source_;
    if (reader_.take('@')) {
      instruction.guard_negated = reader_.take('!');
      const PtxOperand guard = word_operand();
      if (guard.kind != PtxOperand::reg || kernel_.registers[guard.index].bytes != 0) reader_.fail("a guard must be a predicate");
      instruction.guard = static_cast<int32_t>(guard.index);
    }
    instruction.line = reader_.peek().line;
    std::string_view word = reader_.expect_word("an opcode");
    for (size_t dot; (dot = word.find('.')) != std::string_view::npos; word = word.substr(dot + 1)) push_name(instruction, word.substr(0, dot));
    push_name(instruction, word);
    while (!reader_.take(';')) {
      instruction.operands.push_back(operand());
      if (reader_.take('|')) {
        instruction.has_pair = true;
        instruction.operands.push_back(operand());
      }
      if (!reader_.take(',') && !reader_.peek().is(';')) reader_.fail("expected ',' or ';'");
    }
    kernel_.instructions.push_back(std::move(instruction));
  }

  static void push_name(PtxInstruction& instruction, std::string_view name) {
    if (instruction.opcode.empty()) {
      instruction.opcode = name;
    } else {
      instruction.modifiers.push_back(name);
    }
  }

  PtxOperand operand() {
    PtxOperand result{};
    if (reader_.take('{')) {
      result.kind = PtxOperand::vector;
      do result.parts.push_back(operand());
      while (reader_.take(','));
      reader_.expect('}');
    } else if (reader_.take('[')) {
      result.kind = PtxOperand::address;
      result.parts.push_back(operand());
      if (result.parts[0].kind == PtxOperand::reg && reader_.take('+')) result.bits = integer();
      reader_.expect(']');
    } else if (reader_.take('!')) {
      result = word_operand();
      result.negated = true;
    } else if (reader_.peek().kind == Token::number || reader_.peek().is('-')) {
      result.kind = PtxOperand::immediate;
      const bool negative = reader_.take('-');
      if (reader_.peek().kind != Token::number) reader_.fail("expected a number");
      result.bits = number_value(reader_.next(), result.float_bytes);
      if (negative) result.bits = -result.bits;
    } else {
      result = word_operand();
      if (result.kind == PtxOperand::symbol && reader_.take('+')) result.bits = integer();
    }
    return result;
  }

  int64_t integer() {
    const bool negative = reader_.take('-');
    const int64_t value = static_cast<int64_t>(reader_.expect_integer());
    return negative ? -value : value;
  }

  PtxOperand word_operand() {
    PtxOperand result{};
    const std::string_view word = reader_.expect_word("an operand");
    result.name = word;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(word);
      if (found == scope->end()) continue;
      result.kind = PtxOperand::reg;
      result.index = found->second;
      return result;
    }
    result.kind = word == "_" ? PtxOperand::sink : word[0] == '%' ? PtxOperand::special : PtxOperand::symbol;
    return result;
  }

  Reader reader_;
  PtxKernel kernel_;
  struct Scope : std::map<std::string, uint32_t, std::less<>> {};
  std::vector<Scope> scopes_;
  SourceLine source_;
  std::string_view label_;  // the last one
  std::map<std::pair<uint32_t, uint32_t>, std::pair<uint32_t, uint32_t>> inlined_;
};

}  // namespace

PtxKernel PtxModule::parse_kernel(const std::string& name) const { return KernelParser(tokens_, bodies_.at(name)).parse(); }

}  // namespace node_bert::cuda::emulator
