// PTX text as tokens. Views point into the text, which must outlive them.
#ifndef NODE_BERT_CUDA_EMULATOR_PTX_TOKENS_H
#define NODE_BERT_CUDA_EMULATOR_PTX_TOKENS_H

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace node_bert::cuda::emulator {

// PTX that the emulator does not take: an unknown opcode, modifier, operand or directive. The kernel is refused, nothing is skipped.
struct PtxError : std::runtime_error {
  PtxError(uint32_t line, const std::string& what) : std::runtime_error("PTX line " + std::to_string(line) + ": " + what), line(line) {}
  uint32_t line;
};

struct Token {
  enum Kind : uint8_t { word, number, string, symbol, end } kind;
  uint32_t line;  // from 1
  std::string_view text;
  bool is(char c) const { return kind == symbol && text[0] == c; }
  bool is(std::string_view w) const { return kind == word && text == w; }
};

// The last token has kind `end`. Words may hold dots, "::", % and $, so an opcode with its modifiers is one word.
std::vector<Token> tokenize(std::string_view text);

}  // namespace node_bert::cuda::emulator
#endif
