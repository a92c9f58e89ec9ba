#include "emulator/execute/decoder.h"

#include <algorithm>

namespace node_bert::cuda::emulator {
namespace {

// Static shared variables start here, so that an offset of zero is out of bounds.
constexpr uint32_t kSharedStart = 1024, kGap = 16;

const OpcodeTable& opcodes() {
  static const OpcodeTable table = [] {
    OpcodeTable made;
    for (auto add : {add_integer, add_bits, add_floating, add_compare, add_convert, add_move, add_access, add_atomics, add_async_copy, add_collectives, add_matrix, add_control}) {
      add(made);
    }
    return made;
  }();
  return table;
}

uint32_t align(uint64_t offset, uint64_t to) { return static_cast<uint32_t>((offset + to - 1) / to * to); }

}  // namespace

Decoder::Decoder(const PtxModule& module, const std::string& kernel, const Symbols& symbols, uint64_t shared_window, uint64_t local_window)
    : parsed_(module.parse_kernel(kernel)), symbols_(symbols), shared_window_(shared_window), local_window_(local_window), kernel_(std::make_unique<Kernel>()) {
  kernel_->name = parsed_.name;
  kernel_->parameters = parsed_.parameters;
  kernel_->parameter_bytes = parsed_.parameter_bytes;
  if (parsed_.max_threads != 0) kernel_->max_threads = parsed_.max_threads;
  kernel_->describe_source = [&module](const SourceLine& at) {
    std::string text = module.source_file(at.file) + ":" + std::to_string(at.line);
    if (at.outer_file != 0) text += " (inlined at " + module.source_file(at.outer_file) + ":" + std::to_string(at.outer_line) + ")";
    return text;
  };
  for (const PtxParameter& parameter : parsed_.parameters) symbols_[parameter.name] = {Space::param, parameter.offset};
  place_variables(module);
  for (const PtxRegister& reg : parsed_.registers) registers_.push_back(allocate(reg.bytes));
}

void Decoder::place_variables(const PtxModule& module) {
  uint32_t shared = kSharedStart;
  uint64_t dynamic_align = 16;
  std::vector<std::string> dynamic;
  const auto place = [&](const PtxVariable& variable) {
    if (variable.space == Space::local) {
      kernel_->local_bytes = align(kernel_->local_bytes, variable.align);
      symbols_[variable.name] = {Space::local, kernel_->local_bytes};
      kernel_->local_bytes += static_cast<uint32_t>(variable.size);
    } else if (variable.space == Space::shared && variable.external) {
      dynamic.push_back(variable.name);
      dynamic_align = std::max(dynamic_align, variable.align);
    } else if (variable.space == Space::shared) {
      const uint32_t at = align(shared, std::max<uint64_t>(variable.align, 16));
      kernel_->gaps.emplace_back(align(shared, 4), at - align(shared, 4));
      symbols_[variable.name] = {Space::shared, at};
      kernel_->static_shared += static_cast<uint32_t>(variable.size);
      shared = at + static_cast<uint32_t>(variable.size) + kGap;
      kernel_->gaps.emplace_back(align(at + variable.size, 4), kGap - 4);
    }
  };
  for (const PtxVariable& variable : module.variables()) place(variable);
  for (const PtxVariable& variable : parsed_.variables) place(variable);
  // The dynamic part begins at the next multiple of its alignment; the launch knows its size.
  const uint32_t at = align(shared, dynamic_align);
  kernel_->gaps.emplace_back(align(shared, 4), at - align(shared, 4));
  for (const std::string& name : dynamic) symbols_[name] = {Space::shared, at};
  kernel_->shared_end = at;
}

uint32_t Decoder::allocate(uint32_t bytes) {
  const uint32_t at = kernel_->register_bytes;
  kernel_->register_bytes += bytes == 0 ? 64 : bytes * kLanes;
  return at;
}

std::unique_ptr<Kernel> Decoder::decode() {
  for (const PtxInstruction& instruction : parsed_.instructions) decode_one(instruction);
  return std::move(kernel_);
}

void Decoder::decode_one(const PtxInstruction& instruction) {
  in_ = &instruction;
  taken_.assign(instruction.modifiers.size(), false);
  out = Instruction{};
  std::fill(std::begin(out.operands), std::end(out.operands), 0);
  out.ptx_line = instruction.line;
  out.source = instruction.source;
  if (instruction.guard >= 0) {
    out.guard = static_cast<int32_t>(registers_[instruction.guard]);
    out.guard_negated = instruction.guard_negated;
  }
  const auto found = opcodes().find(instruction.opcode);
  if (found == opcodes().end()) refuse("unknown opcode");
  out.run = found->second(*this);
  if (!next_modifier().empty()) refuse("unknown modifier ." + std::string(next_modifier()));
  kernel_->code.push_back(out);
}

bool Decoder::take(std::string_view modifier) {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i] && in_->modifiers[i] == modifier) return taken_[i] = true;
  }
  return false;
}

std::string_view Decoder::next_modifier() const {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i]) return in_->modifiers[i];
  }
  return {};
}

bool Decoder::parse_type(std::string_view name, Type& type) {
  static const std::map<std::string_view, Type> types = {
      {"pred", {'p', 0, false}}, {"b8", {'b', 8, false}},   {"u8", {'u', 8, false}},   {"s8", {'s', 8, false}},    {"b16", {'b', 16, false}},
      {"u16", {'u', 16, false}}, {"s16", {'s', 16, false}}, {"b32", {'b', 32, false}}, {"u32", {'u', 32, false}},  {"s32", {'s', 32, false}},
      {"b64", {'b', 64, false}}, {"u64", {'u', 64, false}}, {"s64", {'s', 64, false}}, {"f32", {'f', 32, false}},  {"f64", {'f', 64, false}},
      {"f16", {'h', 16, false}}, {"f16x2", {'h', 16, true}}, {"bf16", {'n', 16, false}}, {"bf16x2", {'n', 16, true}}, {"tf32", {'t', 32, false}},
      {"b128", {'b', 128, false}},
  };
  const auto found = types.find(name);
  if (found == types.end()) return false;
  type = found->second;
  return true;
}

Type Decoder::type() {
  for (size_t i = 0; i < taken_.size(); ++i) {
    Type type;
    if (taken_[i]) continue;
    if (!parse_type(in_->modifiers[i], type)) refuse("unknown modifier ." + std::string(in_->modifiers[i]));
    taken_[i] = true;
    return type;
  }
  refuse("a type is missing");
}

const PtxOperand& Decoder::operand(size_t position) const {
  if (position >= in_->operands.size()) refuse("too few operands");
  return in_->operands[position];
}

void Decoder::expect_operands(size_t count) const {
  if (in_->operands.size() != count) refuse("expected " + std::to_string(count) + " operands");
}

uint32_t Decoder::constant(uint64_t bits, uint32_t bytes) {
  if (bytes < 8) bits &= (uint64_t{1} << bytes * 8) - 1;
  const auto [at, fresh] = constants_.try_emplace({bytes, bits}, 0);
  if (fresh) {
    at->second = allocate(bytes);
    kernel_->constants.push_back({at->second, bytes, bits});
  }
  return at->second;
}

uint32_t Decoder::scratch(uint32_t bytes) { return allocate(bytes); }

uint32_t Decoder::source(const PtxOperand& operand, uint32_t bytes) {
  if (operand.negated) refuse("a negated operand");
  switch (operand.kind) {
    case PtxOperand::reg:
      if (parsed_.registers[operand.index].bytes != bytes) refuse("operand " + std::string(operand.name) + " has another width than the instruction");
      return registers_[operand.index];
    case PtxOperand::immediate:
      if (operand.float_bytes != 0 && operand.float_bytes != bytes) refuse("a float immediate of another width");
      return constant(static_cast<uint64_t>(operand.bits), bytes);
    case PtxOperand::special:
      if (bytes != 4) refuse("special register " + std::string(operand.name) + " as another type than 32 bits");
      return special(operand.name);
    case PtxOperand::symbol: {
      const Symbol& at = symbol(operand);
      if (bytes < 4 || (bytes == 4 && at.space != Space::shared)) refuse("the address of " + std::string(operand.name) + " in so few bits");
      return constant(at.address + static_cast<uint64_t>(operand.bits), bytes);
    }
    default:
      refuse("an operand of this kind");
  }
}

uint32_t Decoder::target(const PtxOperand& operand, uint32_t bytes) {
  if (operand.kind == PtxOperand::sink) return scratch(bytes);
  if (operand.kind != PtxOperand::reg || operand.negated) refuse("the result must be a register");
  return source(operand, bytes);
}

uint32_t Decoder::predicate(const PtxOperand& operand) {
  if (operand.kind != PtxOperand::reg || operand.negated || parsed_.registers[operand.index].bytes != 0) refuse("expected a predicate");
  return registers_[operand.index];
}

uint32_t Decoder::predicate_target(const PtxOperand& operand) { return operand.kind == PtxOperand::sink ? scratch(0) : predicate(operand); }

uint32_t Decoder::register_bytes(const PtxOperand& operand) const {
  if (operand.kind != PtxOperand::reg) refuse("expected a register");
  return parsed_.registers[operand.index].bytes;
}

const std::vector<PtxOperand>& Decoder::elements(size_t position) const {
  const PtxOperand& whole = operand(position);
  if (whole.kind == PtxOperand::vector) return whole.parts;
  single_.assign(1, whole);
  return single_;
}

uint32_t Decoder::label(size_t position) const {
  const auto found = parsed_.labels.find(operand(position).name);
  if (found == parsed_.labels.end()) refuse("no such label: " + std::string(operand(position).name));
  return found->second;
}

uint32_t Decoder::branch_table(size_t position) {
  const auto found = parsed_.branch_tables.find(operand(position).name);
  if (found == parsed_.branch_tables.end()) refuse("no such branch table: " + std::string(operand(position).name));
  std::vector<uint32_t> targets;
  for (const std::string_view name : found->second) {
    const auto at = parsed_.labels.find(name);
    if (at == parsed_.labels.end()) refuse("no such label: " + std::string(name));
    targets.push_back(at->second);
  }
  kernel_->branch_tables.push_back(std::move(targets));
  return static_cast<uint32_t>(kernel_->branch_tables.size() - 1);
}

int64_t Decoder::integer(size_t position) const {
  const PtxOperand& at = operand(position);
  if (at.kind != PtxOperand::immediate || at.float_bytes != 0) refuse("expected an integer constant");
  return at.bits;
}

const Symbol& Decoder::symbol(const PtxOperand& operand) const {
  const auto found = symbols_.find(operand.name);
  if (found == symbols_.end()) refuse("unknown name " + std::string(operand.name));
  return found->second;
}

uint32_t Decoder::special(std::string_view name) {
  static const std::map<std::string_view, Special> names = {
      {"%tid.x", Special::tid_x}, {"%tid.y", Special::tid_y}, {"%tid.z", Special::tid_z}, {"%ntid.x", Special::ntid_x}, {"%ntid.y", Special::ntid_y},
      {"%ntid.z", Special::ntid_z}, {"%ctaid.x", Special::ctaid_x}, {"%ctaid.y", Special::ctaid_y}, {"%ctaid.z", Special::ctaid_z},
      {"%nctaid.x", Special::nctaid_x}, {"%nctaid.y", Special::nctaid_y}, {"%nctaid.z", Special::nctaid_z}, {"%laneid", Special::laneid},
      {"%warpid", Special::warpid}, {"%nwarpid", Special::nwarpid}, {"%lanemask_eq", Special::lanemask_eq}, {"%lanemask_lt", Special::lanemask_lt},
      {"%lanemask_le", Special::lanemask_le}, {"%lanemask_gt", Special::lanemask_gt}, {"%lanemask_ge", Special::lanemask_ge}, {"%smid", Special::smid},
      {"%nsmid", Special::nsmid}, {"%dynamic_smem_size", Special::dynamic_smem_size}, {"%total_smem_size", Special::total_smem_size},
  };
  const auto [at, fresh] = specials_.try_emplace(name, 0);
  if (fresh) {
    const auto known = names.find(name);
    if (known == names.end()) refuse("unknown special register " + std::string(name));
    at->second = allocate(4);
    kernel_->specials.emplace_back(known->second, at->second);
  }
  return at->second;
}

void Decoder::refuse(const std::string& why) const {
  std::string text(in_->opcode);
  for (const std::string_view modifier : in_->modifiers) text += "." + std::string(modifier);
  throw PtxError(in_->line, why + " in '" + text + "' of kernel " + parsed_.name);
}

}  // namespace node_bert::cuda::emulator
