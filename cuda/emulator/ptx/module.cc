#include "emulator/ptx/module.h"

#include <charconv>
#include <cstring>

#include "emulator/ptx/reader.h"

namespace node_bert::cuda::emulator {

uint32_t type_bytes(std::string_view type, uint32_t line) {
  if (type == "pred") return 0;
  if (type.size() >= 2 && std::strchr("busf", type[0]) != nullptr) {
    const std::string_view bits = type.substr(1);
    if (bits == "8") return 1;
    if (bits == "16") return 2;
    if (bits == "32") return 4;
    if (bits == "64") return 8;
    if (bits == "128") return 16;
    if (type == "f16x2") return 4;
  }
  if (type == "bf16") return 2;
  if (type == "bf16x2") return 4;
  throw PtxError(line, "unknown type ." + std::string(type));
}

uint64_t Reader::expect_integer() {
  uint8_t float_bytes = 0;
  if (peek().kind != Token::number) fail("expected a number");
  return static_cast<uint64_t>(number_value(next(), float_bytes));
}

void Reader::skip_line() {
  const uint32_t line = peek().line;
  while (!at_end() && peek().line == line) next();
}

void Reader::skip_braces() {
  int depth = 0;
  do {
    if (at_end()) fail("a '{' without its '}'");
    if (peek().is('{')) ++depth;
    if (peek().is('}')) --depth;
    next();
  } while (depth > 0);
}

void Reader::fail(const std::string& what) const {
  throw PtxError(peek().line, what + ", found " + (at_end() ? "the end" : "'" + std::string(peek().text) + "'"));
}

int64_t number_value(const Token& token, uint8_t& float_bytes) {
  std::string_view text = token.text;
  float_bytes = 0;
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char kind = text[1];
    if (kind == 'f' || kind == 'F') float_bytes = 4;
    if (kind == 'd' || kind == 'D') float_bytes = 8;
    if (float_bytes != 0 || kind == 'x' || kind == 'X') base = 16;
    if (kind == 'b' || kind == 'B') base = 2;
    if (base != 10) text.remove_prefix(2);
  }
  if (!text.empty() && text.back() == 'U') text.remove_suffix(1);
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) {
    throw PtxError(token.line, "not a number: " + std::string(token.text));
  }
  return static_cast<int64_t>(value);
}

PtxVariable parse_variable(Reader& reader, Space space, bool external) {
  PtxVariable variable{space, {}, 1, 0, {}, external};
  uint32_t element = 0;
  while (true) {
    const Token token = reader.peek();
    const std::string_view word = reader.expect_word("a type or a name");
    if (word == ".align") {
      variable.align = reader.expect_integer();
    } else if (word[0] == '.') {
      element = type_bytes(word.substr(1), token.line);
      variable.align = std::max<uint64_t>(variable.align, element);
    } else {
      variable.name = word;
      break;
    }
  }
  uint64_t count = 1;
  while (reader.take('[')) {
    if (!reader.peek().is(']')) {
      count *= reader.expect_integer();
    } else if (!external) {
      reader.fail("expected an array size");
    } else {
      count = 0;
    }
    reader.expect(']');
  }
  variable.size = count * element;
  if (reader.take('=')) {
    std::vector<uint8_t>& bytes = variable.initial;
    const auto value = [&] {
      const bool negative = reader.take('-');
      uint64_t bits = reader.expect_integer();  // an address of another variable is refused here
      if (negative) bits = -bits;
      const uint8_t* raw = reinterpret_cast<const uint8_t*>(&bits);
      bytes.insert(bytes.end(), raw, raw + element);
    };
    if (reader.take('{')) {
      if (!reader.peek().is('}')) {
        do value();
        while (reader.take(','));
      }
      reader.expect('}');
    } else {
      value();
    }
    bytes.resize(variable.size);
  }
  reader.expect(';');
  return variable;
}

PtxModule::PtxModule(std::string text) : text_(std::move(text)), tokens_(tokenize(text_)) { scan(); }

void PtxModule::scan() {
  Reader reader(tokens_, 0);
  bool external = false;
  while (!reader.at_end()) {
    const Token token = reader.next();
    if (token.kind != Token::word) throw PtxError(token.line, "unexpected '" + std::string(token.text) + "'");
    const std::string_view word = token.text;
    if (word == ".version" || word == ".target" || word == ".address_size") {
      while (!reader.at_end() && reader.peek().line == token.line) reader.next();
    } else if (word == ".file") {
      const uint32_t file = static_cast<uint32_t>(reader.expect_integer());
      const std::string_view name = reader.peek().text;
      files_[file] = std::string(name.substr(1, name.size() - 2));
      while (!reader.at_end() && reader.peek().line == token.line) reader.next();
    } else if (word == ".section") {
      while (!reader.peek().is('{')) reader.next();
      reader.skip_braces();
    } else if (word == ".visible" || word == ".weak" || word == ".common") {
      continue;
    } else if (word == ".extern") {
      external = true;
      continue;
    } else if (word == ".global" || word == ".const" || word == ".shared") {
      const Space space = word == ".global" ? Space::global : word == ".const" ? Space::constant : Space::shared;
      variables_.push_back(parse_variable(reader, space, external));
    } else if (word == ".entry") {
      bodies_[std::string(reader.peek().text)] = reader.position();
      while (!reader.peek().is('{') && !reader.at_end()) reader.next();
      reader.skip_braces();
    } else if (word == ".func") {
      // Device functions are refused where they are called; their text is only passed over.
      while (!reader.peek().is('{') && !reader.peek().is(';') && !reader.at_end()) reader.next();
      if (!reader.take(';')) reader.skip_braces();
    } else {
      throw PtxError(token.line, "unknown directive " + std::string(word));
    }
    external = false;
  }
}

std::vector<std::string> PtxModule::kernel_names() const {
  std::vector<std::string> names;
  for (const auto& [name, at] : bodies_) names.push_back(name);
  return names;
}

std::string PtxModule::source_file(uint32_t file) const {
  const auto found = files_.find(file);
  return found == files_.end() ? "?" : found->second;
}

}  // namespace node_bert::cuda::emulator
