// A position in a list of tokens, with what parsing needs everywhere.
#ifndef NODE_BERT_CUDA_EMULATOR_PTX_READER_H
#define NODE_BERT_CUDA_EMULATOR_PTX_READER_H

#include "emulator/ptx/module.h"

namespace node_bert::cuda::emulator {

class Reader {
 public:
  Reader(const std::vector<Token>& tokens, size_t at) : tokens_(tokens), at_(at) {}

  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  size_t position() const { return at_; }
  bool at_end() const { return peek().kind == Token::end; }
  bool take(char c) { return peek().is(c) && (next(), true); }
  bool take(std::string_view word) { return peek().is(word) && (next(), true); }
  void expect(char c) {
    if (!take(c)) fail(std::string("expected '") + c + "'");
  }
  std::string_view expect_word(const char* what) {
    if (peek().kind != Token::word) fail(std::string("expected ") + what);
    return next().text;
  }
  uint64_t expect_integer();
  void skip_line();    // to the first token of another line
  void skip_braces();  // from '{' past its '}'
  [[noreturn]] void fail(const std::string& what) const;

 private:
  const std::vector<Token>& tokens_;
  size_t at_;
};

// The value of a number token. Float immediates (0f…, 0d…) give their bits and the width.
int64_t number_value(const Token& token, uint8_t& float_bytes);

// ".global .align 4 .b8 name[16] = {…};" from after the space's name, through ';'.
PtxVariable parse_variable(Reader& reader, Space space, bool external);

}  // namespace node_bert::cuda::emulator
#endif
