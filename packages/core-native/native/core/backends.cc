#include "core/backends.h"

#include <dlfcn.h>

#include "cpu/backend.h"
#include "reference/backend.h"

namespace nb {
namespace {

const nb_backend* const* builtin_backends(size_t* count) {
  static const nb_backend* const table[] = {nb_cpu_backend_entry(), nb_reference_backend_entry()};
  *count = sizeof(table) / sizeof(table[0]);
  return table;
}

}  // namespace

std::vector<std::string> builtin_backend_names() {
  size_t count;
  const nb_backend* const* table = builtin_backends(&count);
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.emplace_back(table[i]->name);
  return names;
}

const nb_backend* find_builtin_backend(const std::string& name) {
  size_t count;
  const nb_backend* const* table = builtin_backends(&count);
  for (size_t i = 0; i < count; ++i)
    if (name == table[i]->name) return table[i];
  return nullptr;
}

const nb_backend* load_backend(const std::string& path, std::string* error) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    *error = dlerror();
    return nullptr;
  }
  auto entry = reinterpret_cast<nb_backend_entry_fn>(dlsym(library, NB_BACKEND_ENTRY_SYMBOL));
  const nb_backend* backend = entry == nullptr ? nullptr : entry();
  if (backend == nullptr) {
    *error = path + " is not a node-bert backend: it has no " NB_BACKEND_ENTRY_SYMBOL;
  } else if (backend->abi_version != NB_ABI_VERSION || backend->size != sizeof(nb_backend)) {
    *error = path + " speaks version " + std::to_string(backend->abi_version) + " of the backend ABI, expected " +
             std::to_string(NB_ABI_VERSION);
    backend = nullptr;
  }
  if (backend == nullptr) dlclose(library);
  return backend;
}

}  // namespace nb
