#include "emulator/ptx/tokens.h"

#include <cctype>

namespace node_bert::cuda::emulator {
namespace {

bool starts_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.'; }
bool in_word(char c) { return starts_word(c) || std::isdigit(static_cast<unsigned char>(c)); }

}  // namespace

std::vector<Token> tokenize(std::string_view text) {
  std::vector<Token> tokens;
  tokens.reserve(text.size() / 5);
  uint32_t line = 1;
  size_t at = 0;
  const auto peek = [&](size_t ahead) { return at + ahead < text.size() ? text[at + ahead] : '\0'; };
  const auto add = [&](Token::Kind kind, size_t length) {
    tokens.push_back({kind, line, text.substr(at, length)});
    at += length;
  };
  while (at < text.size() && text[at] != '\0') {
    const char c = text[at];
    if (c == '\n') {
      ++line;
      ++at;
    } else if (std::isspace(static_cast<unsigned char>(c))) {
      ++at;
    } else if (c == '/' && peek(1) == '/') {
      while (at < text.size() && text[at] != '\n') ++at;
    } else if (c == '/' && peek(1) == '*') {
      for (at += 2; at < text.size() && !(text[at] == '*' && peek(1) == '/'); ++at) line += text[at] == '\n';
      at += 2;
    } else if (c == '"') {
      size_t length = 1;
      while (peek(length) != '"') {
        if (peek(length) == '\0') throw PtxError(line, "a string without an end");
        ++length;
      }
      add(Token::string, length + 1);
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      size_t length = 1;
      while (std::isalnum(static_cast<unsigned char>(peek(length))) || (peek(length) == '.' && std::isdigit(static_cast<unsigned char>(peek(length + 1))))) ++length;
      add(Token::number, length);
    } else if (starts_word(c)) {
      size_t length = 1;
      while (true) {
        if (in_word(peek(length))) {
          ++length;
        } else if (peek(length) == ':' && peek(length + 1) == ':') {
          length += 2;  // as in .L1::no_allocate
        } else {
          break;
        }
      }
      add(Token::word, length);
    } else {
      add(Token::symbol, 1);
    }
  }
  tokens.push_back({Token::end, line, {}});
  return tokens;
}

}  // namespace node_bert::cuda::emulator
