// The signature of every op, checked at enqueue: names, shapes with dimension letters, types. One table, written in the notation of
// backend.h, read by check_call() and by the TypeScript side (for messages). No other place knows what an op's arguments are.
#pragma once
#include <string>

#include "node_bert/backend.h"

namespace nb {

// Returns the op's name ("linear_forward"), or nullptr when there is no such op.
const char* op_name(int32_t op);

// Verifies counts, ranks, dimensions and types of a call; returns an empty string or what is wrong, naming op and argument.
std::string check_call(const nb_call& call);

const char* dtype_name(int32_t dtype);
size_t dtype_size(int32_t dtype);  // bytes; 0 for an unknown dtype

}  // namespace nb
