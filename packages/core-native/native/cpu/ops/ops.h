// The ops of the CPU backend: each checks the data values it depends on, provides scratch memory and calls the kernels.
#pragma once
#include "call.h"
#include "device.h"

namespace node_bert::cpu {

void fill(nb_device& device, const Call& call);
void convert(nb_device& device, const Call& call);
void add(nb_device& device, const Call& call);
void dropout(nb_device& device, const Call& call);
void embeddings_forward(nb_device& device, const Call& call);
void embeddings_backward(nb_device& device, const Call& call);
void linear_forward(nb_device& device, const Call& call);
void linear_backward(nb_device& device, const Call& call);
void linear_int8_forward(nb_device& device, const Call& call);
void add_layer_norm_forward(nb_device& device, const Call& call);
void add_layer_norm_backward(nb_device& device, const Call& call);
void attention_forward(nb_device& device, const Call& call);
void attention_backward(nb_device& device, const Call& call);
void attention_probabilities(nb_device& device, const Call& call);
void gather_rows_forward(nb_device& device, const Call& call);
void gather_rows_backward(nb_device& device, const Call& call);
void mean_pool_forward(nb_device& device, const Call& call);
void mean_pool_backward(nb_device& device, const Call& call);
void cross_entropy_forward(nb_device& device, const Call& call);
void cross_entropy_backward(nb_device& device, const Call& call);
void sum_of_squares(nb_device& device, const Call& call);
void adamw(nb_device& device, const Call& call);

}  // namespace node_bert::cpu
