// The backend C ABI of node-bert: what a device library (cpu, reference, cuda, cuda-emulated) offers to the core.
//
// A backend is a table of functions, found by nb_backend_entry(). The core owns streams, tensors, the caching allocator and all
// argument checks (core/op_checks.cc); a backend gets calls that are already consistent, in stream order, from one thread per device.
//
// The one convention a reader would get wrong: gradients of *parameters* are accumulated (+=), gradients of *activations* are
// overwritten (=). So a caller zeroes parameter gradients once a step and never zeroes activation gradients.
//
// No exception and no abort() crosses this boundary: a failure is a status, with a message from last_error().
//
// Shape alphabet: B sequences, N packed tokens, S longest sequence, H hidden, A heads, D = H / A head width, F feed-forward,
// V vocabulary, P positions, T token types, C classes, M and K generic matrix sizes.
#ifndef NODE_BERT_BACKEND_H
#define NODE_BERT_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NB_ABI_VERSION 3
#define NB_MAX_RANK 4
#define NB_MAX_TENSORS 20
#define NB_MAX_PARAMS 16

typedef enum { NB_F32 = 0, NB_BF16 = 1, NB_F64 = 2, NB_I32 = 3, NB_U8 = 4, NB_F16 = 5 } nb_dtype;

typedef enum {
  NB_OK = 0,
  NB_ERROR_OUT_OF_MEMORY = 1,
  NB_ERROR_INDEX = 2,        // a data value is out of range: a token id, a label, a row index
  NB_ERROR_UNSUPPORTED = 3,  // this backend has no such op for these dtypes
  NB_ERROR_DEVICE = 4,       // the device or a library under it failed
  NB_ERROR_INTERNAL = 5
} nb_status;

// A dense row-major tensor. An optional argument that was left out has data == NULL and rank == -1.
typedef struct nb_tensor {
  void* data;
  int32_t dtype;
  int32_t rank;
  int64_t dims[NB_MAX_RANK];
} nb_tensor;

// Activation functions of NB_OP_LINEAR_*. GELU is the exact one, x * Phi(x), by erf (Hendrycks & Gimpel 2016), never the tanh form.
typedef enum { NB_ACTIVATION_NONE = 0, NB_ACTIVATION_GELU = 1, NB_ACTIVATION_TANH = 2, NB_ACTIVATION_RELU = 3 } nb_activation;

// Types in the table of ops below:
//   x(N,H)      activation of type X in {f32, bf16}, on CUDA also f16 (f64 on the reference backend); all x of one call share X
//   w(M,K):w    weight of a GEMM: of the same type X as the activations, or f32 where X is bf16 and the product is that with w rounded to
//               bf16 (not on CUDA)
//   g(H):s      "statistics type" S: f32 (f64 when X is f64). LayerNorm weights, biases, embedding tables, statistics, losses and
//               every parameter gradient are S
//   i(N):i      i32
//   [..]        optional
// Dropout, wherever an op has it, is five params {p, seed_low, seed_high, step, op}: see nb_philox below. p = 0 turns it off.
typedef enum {
  // ---- plain data movement
  NB_OP_FILL = 1,     // tensors: y(any)                        params: value
  NB_OP_CONVERT = 2,  // tensors: x(any), y(same size)          y = x converted; f32, bf16, f16, f64 in any pair, or equal types (a copy)
  NB_OP_ADD = 3,      // tensors: a(any), b, y: all same float type and size; y = a + b; y may be a or b

  // ---- y = dropout(LayerNorm(word[id] + position[pos] + type[tt]))      (BertEmbeddings)
  NB_OP_EMBEDDINGS_FORWARD = 10,
  //   tensors: ids(N):i, positions(N):i, types(N):i, word(V,H):s, position(P,H):s, type(T,H):s, gamma(H):s, beta(H):s,
  //            y(N,H):x, mean(N):s, rstd(N):s
  //   params:  eps, dropout x5
  NB_OP_EMBEDDINGS_BACKWARD = 11,
  //   tensors: ids, positions, types, word, position, type, gamma, mean, rstd, dy(N,H):x,
  //            [dword(V,H):s], [dposition(P,H):s], [dtype(T,H):s], [dgamma(H):s], [dbeta(H):s]       all +=
  //   params:  eps (unused, for symmetry), dropout x5.  Deterministic: sums run in token order.

  // ---- y = activation(x W^T + b)
  NB_OP_LINEAR_FORWARD = 12,
  //   tensors: x(N,K):x, w(M,K):w, [bias(M):s], y(N,M):x, [pre(N,M):x]
  //   params:  activation, w_is_constant.  pre, when given, receives x W^T + b before the activation (GELU's backward needs it).
  //            w_is_constant != 0: w keeps its values for many calls, so that a copy in a better layout pays. A hint: a write to w counts.
  NB_OP_LINEAR_BACKWARD = 13,
  //   tensors: x, w, [saved(N,M):x], dy(N,M):x, [dpre(N,M):x], [dx(N,K):x] (=), [dw(M,K):s] (+=), [dbias(M):s] (+=)
  //   params:  activation, accumulate_dx, x_activation.  saved is pre for GELU, y for TANH and RELU, absent for NONE. dpre is scratch, required
  //            when the activation is not NONE (it may be the same memory as dy). accumulate_dx != 0: dx += instead of =.
  //            x_activation != NONE (not on CUDA): in place of x comes what forward's x was this activation of. dx stays the gradient of
  //            forward's x.

  // ---- y = activation(x W^T + b) with both operands of the product in 8 bits, for inference; the CPU's
  NB_OP_LINEAR_INT8_FORWARD = 19,
  //   tensors: x(N,K):x, w(M,K):s, [bias(M):s], y(N,M):x
  //   params:  activation.  Rows of x and rows of w (output channels) become integers of -127 .. 127 times a scale: scale = largest
  //            magnitude / 127, q = round(x * (127 / largest)), in f32, half to even. Rows below 1e-30 are 0; a NaN makes its row NaN.
  //            w keeps its values for many calls.

  // ---- z = dropout(x) + residual; y = LayerNorm(z)
  NB_OP_ADD_LAYER_NORM_FORWARD = 14,
  //   tensors: x(N,H):x, [residual(N,H):x], gamma(H):s, beta(H):s, y(N,H):x, [z(N,H):x], mean(N):s, rstd(N):s
  //   params:  eps, dropout x5.  z may be x itself (in place). Variance in two passes or by Welford, never E[x^2] - E[x]^2.
  NB_OP_ADD_LAYER_NORM_BACKWARD = 15,
  //   tensors: z, gamma, mean, rstd, dy(N,H):x, [dx(N,H):x] (=), [dresidual(N,H):x] (=), [dgamma] (+=), [dbeta] (+=)
  //   params:  eps (unused), dropout x5.  dresidual is the gradient of z; dx is that gradient through the dropout mask.

  // ---- scaled dot-product self-attention on packed sequences; token n of sequence b sees the tokens of sequence b only
  NB_OP_ATTENTION_FORWARD = 16,
  //   tensors: qkv(N,3H):x (row n is q | k | v, each split in A heads of D), cu_seqlens(B+1):i, out(N,H):x, [lse(A,N):s]
  //   params:  heads, max_seqlen, scale, dropout x5
  //   out = dropout(softmax(scale q k^T)) v; lse is the natural-log sum of exponentials of the scaled scores, for backward.
  NB_OP_ATTENTION_BACKWARD = 17,
  //   tensors: qkv, cu_seqlens, out, lse, dout(N,H):x, dqkv(N,3H):x (=)
  //   params:  as forward
  NB_OP_ATTENTION_PROBABILITIES = 18,
  //   tensors: qkv, cu_seqlens, probabilities(A, sum of len_b^2):s; params: heads, max_seqlen, scale.  Sequence b's square (query, key) matrix
  //            starts at the sum of the squares before it. Without dropout: for inspection only.

  // ---- rows and pooling
  NB_OP_GATHER_ROWS_FORWARD = 20,   // tensors: x(N,H):x, index(M):i, y(M,H):x
  NB_OP_GATHER_ROWS_BACKWARD = 21,  // tensors: index(M):i, dy(M,H):x, dx(N,H):x (=, zero where no index points)
  NB_OP_MEAN_POOL_FORWARD = 22,     // tensors: x(N,H):x, cu_seqlens(B+1):i, y(B,H):x: mean over the tokens of each sequence
  NB_OP_MEAN_POOL_BACKWARD = 23,    // tensors: cu_seqlens, dy(B,H):x, dx(N,H):x (=)
  NB_OP_DROPOUT = 24,               // tensors: x(M,K):x, y(M,K):x; params: dropout x5. Its own backward: call it on dy. y may be x.

  // ---- mean over rows with label != ignore_index of -log softmax(logits)[label]
  NB_OP_CROSS_ENTROPY_FORWARD = 30,
  //   tensors: logits(N,C):x, labels(N):i, losses(N):s (0 where ignored), loss(1):s (0 when every row is ignored), [lse(N):s]
  //   params:  ignore_index
  NB_OP_CROSS_ENTROPY_BACKWARD = 31,
  //   tensors: logits(N,C):x, labels(N):i, dloss(1):s, dlogits(N,C):x (=; may be logits)
  //   params:  ignore_index

  // ---- optimizer
  NB_OP_SUM_OF_SQUARES = 40,  // tensors: x(any):s, out(1):s +=.  Summed blockwise in double, in a fixed order.
  NB_OP_ADAMW = 41,
  //   tensors: param(n):s, grad(n):s, m(n):s, v(n):s, [copy(n):bf16 or f16], [norm_squared(1):s], [loss_scale(2):s]
  //   params:  lr, beta1, beta2, eps, weight_decay, step (1-based), max_norm, grad_scale, zero_grad
  //   Decoupled weight decay (Loshchilov & Hutter 2019) as torch.optim.AdamW: p *= 1 - lr wd; m, v; p -= lr/(1-b1^t) * m / (sqrt(v)/sqrt(1-b2^t) + eps).
  //   g = grad * grad_scale * min(1, max_norm / (sqrt(norm_squared) * grad_scale + 1e-6)), the last factor only when norm_squared is
  //   given and max_norm > 0. copy receives the new parameters rounded to its type. zero_grad != 0 clears grad in the same sweep.
  //   With loss_scale (for f16) the gradients are scaled: they are divided by it, and when norm_squared is not finite param, m, v and copy stay.
  NB_OP_UPDATE_LOSS_SCALE = 42,  // tensors: loss_scale(2):s, norm_squared(1):s.  Once a step, after adamw: halves the scale
                                 // when norm_squared is not finite, doubles it after 2000 steps without that.
  //   loss_scale is {scale, int32 count of steps since the scale last changed}. Not on the CPU.

  // ---- marks without tensors or params, dropped for backends that do not support them: the ops in between are a training step, which a
  //      backend may record and launch as a whole. Only the order of ops matters for results.
  NB_OP_STEP_BEGIN = 50,
  NB_OP_STEP_END = 51
} nb_op;

// One call: an op, its tensors in the order above (optional ones present as absent entries), its params as doubles.
typedef struct nb_call {
  int32_t op;
  int32_t tensor_count;
  int32_t param_count;
  int32_t reserved;
  nb_tensor tensors[NB_MAX_TENSORS];
  double params[NB_MAX_PARAMS];
} nb_call;

typedef struct nb_device nb_device;  // opaque, the backend's own

typedef struct nb_device_options {
  int32_t threads;  // CPU threads, 0: as many as the process may use
  int32_t reserved;
} nb_device_options;

typedef struct nb_backend {
  uint32_t abi_version;  // NB_ABI_VERSION; the core refuses another
  uint32_t size;         // sizeof(nb_backend) when the backend was built
  const char* name;      // "cpu", "reference", "cuda", "cuda-emulated"

  nb_status (*device_count)(int32_t* count);
  nb_status (*device_open)(int32_t index, const nb_device_options* options, nb_device** device);
  void (*device_close)(nb_device* device);
  // Facts for people, as a JSON object: instruction set, threads, libraries and versions, limits. Valid until the device closes.
  const char* (*device_info)(nb_device* device);

  // Raw memory, 64-byte aligned at least; the core's caching allocator sits above. bytes > 0.
  nb_status (*allocate)(nb_device* device, size_t bytes, void** data);
  void (*release)(nb_device* device, void* data);
  // Host to device and back, in stream order. An upload's host buffer may be reused as soon as the call returns; a download's is filled by the
  // next synchronize, or by a wait for a mark recorded afterwards.
  nb_status (*upload)(nb_device* device, void* device_data, const void* host_data, size_t bytes);
  nb_status (*download)(nb_device* device, void* host_data, const void* device_data, size_t bytes);

  int32_t (*supports_op)(nb_device* device, int32_t op, int32_t activation_dtype);
  nb_status (*run)(nb_device* device, const nb_call* call);
  nb_status (*synchronize)(nb_device* device);
  // For backends that run ahead of their caller, else NULL: marks the stream after what was enqueued so far, and waits for a mark. Marks are
  // waited for in order, each once; no more than 64 are outstanding.
  nb_status (*record)(nb_device* device, uint64_t* mark);
  nb_status (*wait)(nb_device* device, uint64_t mark);
  // The message of the last failed call on this device (or, with NULL, of the last failed device_open of this thread).
  const char* (*last_error)(nb_device* device);
} nb_backend;

// Every backend exports this symbol; built-in ones have their own names with the same signature.
typedef const nb_backend* (*nb_backend_entry_fn)(void);
#define NB_BACKEND_ENTRY_SYMBOL "nb_backend_entry"

#ifdef __cplusplus
}
#endif
#endif  // NODE_BERT_BACKEND_H
