// Signatures in the notation of backend.h: name(dims):type, "?" for optional. Dimension letters bind at their first use and must agree
// afterwards; "3H" is three times H; "*" is any shape with the same number of elements as the other "*" arguments.
// Types: x activation (f32, bf16, f16, f64), w as x, or f32 beside bf16, s statistics (f32, or f64 when x is f64), i i32, h bf16 or f16, a any float.
#include "core/op_table.h"

#include <cctype>
#include <cmath>
#include <cstring>
#include <map>
#include <sstream>
#include <vector>

namespace nb {
namespace {

struct Dim {
  int64_t factor;
  char letter;  // 'A'..'Z', or '1' for a dimension that must be 1
};

struct Argument {
  std::string name;
  std::vector<Dim> dims;
  bool any_shape = false;
  char type = 'x';
  bool optional = false;
};

struct Signature {
  std::string name;
  std::vector<Argument> arguments;
  std::vector<std::string> params;
  int p_index = -1;  // of the dropout probability
};

// The value each dimension letter was bound to, and by which argument.
struct Bindings {
  int64_t value[128];
  const Argument* by[128] = {};
  int64_t get(char letter) const { return by[static_cast<int>(letter)] == nullptr ? 0 : value[static_cast<int>(letter)]; }
};

Signature parse(const char* name, const char* arguments, const char* params) {
  Signature signature{name, {}, {}};
  std::istringstream words(arguments);
  for (std::string word; words >> word;) {
    Argument argument;
    const size_t open = word.find('('), close = word.find(')');
    argument.name = word.substr(0, open);
    std::istringstream dims(word.substr(open + 1, close - open - 1));
    for (std::string dim; std::getline(dims, dim, ',');) {
      if (dim == "*") {
        argument.any_shape = true;
      } else if (dim.size() > 1 && std::isdigit(dim[0]) && std::isalpha(dim[1])) {
        argument.dims.push_back({dim[0] - '0', dim[1]});
      } else {
        argument.dims.push_back({1, dim[0]});
      }
    }
    argument.type = word[close + 2];
    argument.optional = word.back() == '?';
    signature.arguments.push_back(argument);
  }
  std::istringstream names(params);
  for (std::string param; names >> param;) {
    if (param == "p") signature.p_index = static_cast<int>(signature.params.size());
    signature.params.push_back(param);
  }
  return signature;
}

#define NB_DROPOUT "p seed_low seed_high step op"

const std::map<int32_t, Signature>& signature_map() {
  static const std::map<int32_t, Signature> table = {
      {NB_OP_FILL, parse("fill", "y(*):a", "value")},
      {NB_OP_CONVERT, parse("convert", "x(*):a y(*):a", "")},
      {NB_OP_ADD, parse("add", "a(*):x b(*):x y(*):x", "")},
      {NB_OP_EMBEDDINGS_FORWARD,
       parse("embeddings_forward",
             "ids(N):i positions(N):i types(N):i word(V,H):s position(P,H):s type(T,H):s gamma(H):s beta(H):s y(N,H):x mean(N):s rstd(N):s",
             "eps " NB_DROPOUT)},
      {NB_OP_EMBEDDINGS_BACKWARD,
       parse("embeddings_backward",
             "ids(N):i positions(N):i types(N):i word(V,H):s position(P,H):s type(T,H):s gamma(H):s mean(N):s rstd(N):s dy(N,H):x "
             "dword(V,H):s? dposition(P,H):s? dtype(T,H):s? dgamma(H):s? dbeta(H):s?",
             "eps " NB_DROPOUT)},
      {NB_OP_LINEAR_FORWARD, parse("linear_forward", "x(N,K):x w(M,K):w bias(M):s? y(N,M):x pre(N,M):x?", "activation w_is_constant")},
      {NB_OP_LINEAR_INT8_FORWARD, parse("linear_int8_forward", "x(N,K):x w(M,K):s bias(M):s? y(N,M):x", "activation")},
      {NB_OP_LINEAR_BACKWARD,
       parse("linear_backward", "x(N,K):x w(M,K):w saved(N,M):x? dy(N,M):x dpre(N,M):x? dx(N,K):x? dw(M,K):s? dbias(M):s?",
             "activation accumulate_dx x_activation")},
      {NB_OP_ADD_LAYER_NORM_FORWARD,
       parse("add_layer_norm_forward", "x(N,H):x residual(N,H):x? gamma(H):s beta(H):s y(N,H):x z(N,H):x? mean(N):s rstd(N):s",
             "eps " NB_DROPOUT)},
      {NB_OP_ADD_LAYER_NORM_BACKWARD,
       parse("add_layer_norm_backward",
             "z(N,H):x gamma(H):s mean(N):s rstd(N):s dy(N,H):x dx(N,H):x? dresidual(N,H):x? dgamma(H):s? dbeta(H):s?", "eps " NB_DROPOUT)},
      {NB_OP_ATTENTION_FORWARD,
       parse("attention_forward", "qkv(N,3H):x cu_seqlens(E):i out(N,H):x lse(A,N):s?", "heads max_seqlen scale " NB_DROPOUT)},
      {NB_OP_ATTENTION_BACKWARD,
       parse("attention_backward", "qkv(N,3H):x cu_seqlens(E):i out(N,H):x lse(A,N):s dout(N,H):x dqkv(N,3H):x",
             "heads max_seqlen scale " NB_DROPOUT)},
      {NB_OP_ATTENTION_PROBABILITIES,
       parse("attention_probabilities", "qkv(N,3H):x cu_seqlens(E):i probabilities(A,Q):s", "heads max_seqlen scale")},
      {NB_OP_GATHER_ROWS_FORWARD, parse("gather_rows_forward", "x(N,H):x index(M):i y(M,H):x", "")},
      {NB_OP_GATHER_ROWS_BACKWARD, parse("gather_rows_backward", "index(M):i dy(M,H):x dx(N,H):x", "")},
      {NB_OP_MEAN_POOL_FORWARD, parse("mean_pool_forward", "x(N,H):x cu_seqlens(E):i y(B,H):x", "")},
      {NB_OP_MEAN_POOL_BACKWARD, parse("mean_pool_backward", "cu_seqlens(E):i dy(B,H):x dx(N,H):x", "")},
      {NB_OP_DROPOUT, parse("dropout", "x(M,K):x y(M,K):x", NB_DROPOUT)},
      {NB_OP_CROSS_ENTROPY_FORWARD,
       parse("cross_entropy_forward", "logits(N,C):x labels(N):i losses(N):s loss(1):s lse(N):s?", "ignore_index")},
      {NB_OP_CROSS_ENTROPY_BACKWARD,
       parse("cross_entropy_backward", "logits(N,C):x labels(N):i dloss(1):s dlogits(N,C):x", "ignore_index")},
      {NB_OP_SUM_OF_SQUARES, parse("sum_of_squares", "x(*):s out(1):s", "")},
      {NB_OP_ADAMW, parse("adamw", "param(n):s grad(n):s m(n):s v(n):s copy(n):h? norm_squared(1):s? loss_scale(L):s?",
                          "lr beta1 beta2 eps weight_decay step max_norm grad_scale zero_grad")},
      {NB_OP_UPDATE_LOSS_SCALE, parse("update_loss_scale", "loss_scale(L):s norm_squared(1):s", "")},
      {NB_OP_STEP_BEGIN, parse("step_begin", "", "")},
      {NB_OP_STEP_END, parse("step_end", "", "")},
  };
  return table;
}

constexpr int32_t kOpLimit = 64;

const Signature* find_signature(int32_t op) {
  static const std::vector<const Signature*> table = [] {
    std::vector<const Signature*> by_op(kOpLimit, nullptr);
    for (const auto& [number, signature] : signature_map()) by_op[number] = &signature;
    return by_op;
  }();
  return op < 0 || op >= kOpLimit ? nullptr : table[op];
}

std::string shape_text(const nb_tensor& tensor) {
  std::ostringstream text;
  text << '(';
  for (int i = 0; i < tensor.rank; ++i) text << (i ? ", " : "") << tensor.dims[i];
  text << ')';
  return text.str();
}

bool is_float(int32_t dtype) { return dtype == NB_F32 || dtype == NB_BF16 || dtype == NB_F16 || dtype == NB_F64; }

// What goes beyond shapes and types: relations between params and dimensions.
std::string check_params(const nb_call& call, const Signature& signature, const Bindings& dims) {
  for (int i = 0; i < call.param_count; ++i)
    if (std::isnan(call.params[i]) && call.op != NB_OP_FILL) return "param " + signature.params[i] + " is NaN";
  if (signature.p_index >= 0) {
    const double p = call.params[signature.p_index];
    if (!(p >= 0.0 && p < 1.0)) return "dropout p is " + std::to_string(p) + ", expected 0 <= p < 1";
  }
  switch (call.op) {
    case NB_OP_ATTENTION_FORWARD:
    case NB_OP_ATTENTION_BACKWARD:
    case NB_OP_ATTENTION_PROBABILITIES: {
      const double heads = call.params[0], max_seqlen = call.params[1];
      const int64_t h = call.tensors[0].dims[1] / 3;
      if (!(heads >= 1 && heads <= 65536) || heads != std::floor(heads) || h % static_cast<int64_t>(heads) != 0)
        return "heads is " + std::to_string(heads) + " but H = " + std::to_string(h) + " is not a multiple of it";
      if (dims.by[static_cast<int>('A')] != nullptr && dims.get('A') != static_cast<int64_t>(heads))
        return dims.by[static_cast<int>('A')]->name + " has " + std::to_string(dims.get('A')) + " heads, expected " +
               std::to_string(static_cast<int64_t>(heads));
      if (dims.get('E') < 1) return "cu_seqlens is empty, expected (B + 1)";
      if (!(max_seqlen >= 0 && max_seqlen <= INT32_MAX)) return "max_seqlen is " + std::to_string(max_seqlen);
      break;
    }
    case NB_OP_MEAN_POOL_FORWARD:
    case NB_OP_MEAN_POOL_BACKWARD:
      if (dims.get('E') != dims.get('B') + 1)
        return "cu_seqlens has " + std::to_string(dims.get('E')) + " entries, expected B + 1 = " + std::to_string(dims.get('B') + 1);
      break;
    case NB_OP_LINEAR_FORWARD:
    case NB_OP_LINEAR_INT8_FORWARD:
    case NB_OP_LINEAR_BACKWARD: {
      for (const double number : {call.params[0], call.op == NB_OP_LINEAR_BACKWARD ? call.params[2] : 0.0})
        if (number != std::floor(number) || number < 0 || number > static_cast<int>(NB_ACTIVATION_RELU))
          return "activation " + std::to_string(number) + " does not exist";
      const int activation = static_cast<int>(call.params[0]);
      if (call.op == NB_OP_LINEAR_BACKWARD && activation != NB_ACTIVATION_NONE &&
          (call.tensors[2].data == nullptr || call.tensors[4].data == nullptr))
        return "saved and dpre are required when there is an activation";
      break;
    }
    case NB_OP_ADAMW:
      if (call.params[5] < 1) return "step is " + std::to_string(call.params[5]) + ", expected at least 1";
      if (call.tensors[6].data != nullptr && call.tensors[5].data == nullptr) return "norm_squared is required with loss_scale";
      [[fallthrough]];
    case NB_OP_UPDATE_LOSS_SCALE:
      if (dims.by[static_cast<int>('L')] != nullptr && dims.get('L') != 2)
        return "loss_scale has " + std::to_string(dims.get('L')) + " elements, expected (2)";
      break;
    default:
      break;
  }
  return "";
}

}  // namespace

const char* op_name(int32_t op) {
  const Signature* signature = find_signature(op);
  return signature == nullptr ? nullptr : signature->name.c_str();
}

const char* dtype_name(int32_t dtype) {
  switch (dtype) {
    case NB_F32: return "f32";
    case NB_BF16: return "bf16";
    case NB_F64: return "f64";
    case NB_I32: return "i32";
    case NB_U8: return "u8";
    case NB_F16: return "f16";
    default: return "unknown";
  }
}

size_t dtype_size(int32_t dtype) {
  switch (dtype) {
    case NB_F32:
    case NB_I32: return 4;
    case NB_BF16:
    case NB_F16: return 2;
    case NB_F64: return 8;
    case NB_U8: return 1;
    default: return 0;
  }
}

std::string check_call(const nb_call& call) {
  const Signature* found = find_signature(call.op);
  if (found == nullptr) return "op " + std::to_string(call.op) + " does not exist";
  const Signature& signature = *found;
  const std::string& op = signature.name;
  if (call.tensor_count != static_cast<int32_t>(signature.arguments.size()))
    return op + ": got " + std::to_string(call.tensor_count) + " tensors, expected " + std::to_string(signature.arguments.size());
  if (call.param_count != static_cast<int32_t>(signature.params.size()))
    return op + ": got " + std::to_string(call.param_count) + " params, expected " + std::to_string(signature.params.size());

  Bindings dims;
  int32_t x_type = -1, s_type = -1;
  int64_t any_size = -1;
  for (int i = 0; i < call.tensor_count; ++i) {
    const Argument& argument = signature.arguments[i];
    const nb_tensor& tensor = call.tensors[i];
    if (tensor.data == nullptr) {
      if (!argument.optional) return op + ": " + argument.name + " is missing";
      continue;
    }
    // Built only when something is wrong: enqueueing has 2 microseconds.
    auto what = [&] { return op + ": " + argument.name + " is " + dtype_name(tensor.dtype) + " " + shape_text(tensor); };
    switch (argument.type) {
      case 'x':
        if (!is_float(tensor.dtype)) return what() + ", expected a float type";
        if (x_type < 0) x_type = tensor.dtype;
        if (tensor.dtype != x_type) return what() + ", expected " + dtype_name(x_type) + " like the other activations";
        break;
      case 'w':
        if (tensor.dtype != x_type && !(tensor.dtype == NB_F32 && x_type == NB_BF16))
          return what() + ", expected " + dtype_name(x_type) + " like the activations" + (x_type == NB_BF16 ? ", or f32" : "");
        break;
      case 's':
        if (tensor.dtype != NB_F32 && tensor.dtype != NB_F64) return what() + ", expected f32 (f64 on the reference device)";
        if (s_type < 0) s_type = tensor.dtype;
        if (tensor.dtype != s_type) return what() + ", expected " + dtype_name(s_type);
        break;
      case 'i':
        if (tensor.dtype != NB_I32) return what() + ", expected i32";
        break;
      case 'h':
        if (tensor.dtype != NB_BF16 && tensor.dtype != NB_F16) return what() + ", expected bf16 or f16";
        break;
      default:
        if (!is_float(tensor.dtype) && !(tensor.dtype == NB_I32 && call.op == NB_OP_FILL)) return what() + ", expected a float type";
    }
    if (argument.any_shape) {
      int64_t size = 1;
      for (int d = 0; d < tensor.rank; ++d) size *= tensor.dims[d];
      if (any_size < 0) any_size = size;
      if (size != any_size) return what() + ", expected " + std::to_string(any_size) + " elements like the first argument";
      continue;
    }
    if (tensor.rank != static_cast<int32_t>(argument.dims.size()))
      return what() + ", expected " + std::to_string(argument.dims.size()) + " dimensions";
    for (int d = 0; d < tensor.rank; ++d) {
      const auto [factor, letter] = argument.dims[d];
      const int64_t size = tensor.dims[d];
      if (letter == '1') {
        if (size != 1) return what() + ", expected (1)";
        continue;
      }
      if (size % factor != 0) return what() + ", expected dimension " + std::to_string(d) + " to be a multiple of " + std::to_string(factor);
      const int slot = letter;
      if (dims.by[slot] == nullptr) {
        dims.by[slot] = &argument;
        dims.value[slot] = size / factor;
      } else if (dims.value[slot] * factor != size) {
        return what() + " but " + letter + " = " + std::to_string(dims.value[slot]) + " from " + dims.by[slot]->name;
      }
    }
  }
  if (x_type >= 0 && s_type >= 0 && (x_type == NB_F64) != (s_type == NB_F64))
    return op + ": activations are " + dtype_name(x_type) + " but parameters and statistics are " + dtype_name(s_type);
  const std::string problem = check_params(call, signature, dims);
  return problem.empty() ? "" : op + ": " + problem;
}

}  // namespace nb
