// The registry of backends: the built-in ones, and libraries loaded by path through the versioned ABI.
#pragma once
#include <string>
#include <vector>

#include "node_bert/backend.h"

namespace nb {

std::vector<std::string> builtin_backend_names();
const nb_backend* find_builtin_backend(const std::string& name);

// dlopens a backend library (kept loaded for the life of the process) and checks its ABI version; nullptr and *error on failure.
const nb_backend* load_backend(const std::string& path, std::string* error);

}  // namespace nb
