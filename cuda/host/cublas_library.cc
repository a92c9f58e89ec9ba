#include "host/cublas_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "host/failure.h"

namespace node_bert::cuda {
namespace {

namespace fs = std::filesystem;

const std::string FILE_NAME = "libcublasLt.so." + std::to_string(CUBLAS_MAJOR);

// Folders directly in `folder` whose name begins with `prefix`.
std::vector<fs::path> folders_like(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end; entry.increment(none))
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  return found;
}

void add_pip_folders(const fs::path& library_folder, std::vector<fs::path>& folders) {
  for (const fs::path& python : folders_like(library_folder, "python3"))
    for (const char* packages : {"site-packages", "dist-packages"})
      for (const char* wheel : {"nvidia/cu13/lib", "nvidia/cublas/lib"}) folders.push_back(python / packages / wheel);
}

std::vector<fs::path> folders_to_search() {
  std::vector<fs::path> folders;
  for (const fs::path& toolkit : folders_like("/usr/local", "cuda")) folders.push_back(toolkit / "lib64");
  if (const char* environment = std::getenv("VIRTUAL_ENV")) add_pip_folders(fs::path(environment) / "lib", folders);
  if (const char* home = std::getenv("HOME")) add_pip_folders(fs::path(home) / ".local/lib", folders);
  for (const char* prefix : {"/usr/local/lib", "/usr/lib"}) add_pip_folders(prefix, folders);
  return folders;
}

// Loads one library; on failure returns nothing and says in *problem why.
std::unique_ptr<CublasLibrary> load(const std::string& path, std::string* problem) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    *problem = dlerror();
    return nullptr;
  }
  auto library = std::make_unique<CublasLibrary>();
  library->path = path;
#define NODE_BERT_RESOLVE(member, symbol, result, arguments)                              \
  library->member = reinterpret_cast<result(*) arguments>(dlsym(handle, #symbol));        \
  if (library->member == nullptr) *problem = "it has no " #symbol ", so it is not cuBLASLt";
  NODE_BERT_CUBLAS_SYMBOLS(NODE_BERT_RESOLVE)
#undef NODE_BERT_RESOLVE
  if (problem->empty()) {
    const size_t version = library->get_version();  // 10000 major + 100 minor + patch
    const size_t major = version / 10000;
    library->version = std::to_string(major) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
    if (major != CUBLAS_MAJOR) *problem = "it is version " + library->version + ", expected " + std::to_string(CUBLAS_MAJOR) + ".x";
  }
  if (problem->empty()) return library;
  dlclose(handle);
  return nullptr;
}

// What stands in a folder instead of the wanted file: another major version, perhaps.
std::string others_in(const fs::path& folder) {
  std::string names;
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end; entry.increment(none)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("libcublasLt.so.")) names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

class Search {
 public:
  // True when the library is found.
  bool try_path(const std::string& shown, const std::string& path) {
    std::string problem;
    result.library = load(path, &problem);
    if (result.library != nullptr) return true;
    result.tried += "  " + shown + ": " + problem + "\n";
    return false;
  }

  bool try_folder(const fs::path& folder) {
    std::error_code none;
    const fs::path file = folder / FILE_NAME;
    if (fs::exists(file, none)) return try_path(file.string(), file.string());
    if (!fs::exists(folder, none)) return false;
    const std::string others = others_in(folder);
    result.tried += "  " + file.string() + ": not there" +
                    (others.empty() ? "" : ", only " + others + ", another version; " + std::to_string(CUBLAS_MAJOR) + " is needed") + "\n";
    return false;
  }

  CublasSearch result;
};

}  // namespace

CublasSearch find_cublas() {
  Search search;
  const char* named = std::getenv("NODE_BERT_CUBLAS");
  if (named != nullptr && named[0] != '\0') {
    if (std::string(named) == "none") {
      search.result.tried = "  nowhere: NODE_BERT_CUBLAS is none\n";
      return std::move(search.result);
    }
    std::error_code none;
    if (fs::is_directory(named, none) ? search.try_folder(named) : search.try_path(named, named)) return std::move(search.result);
    if (search.result.tried.empty()) search.result.tried = "  " + std::string(named) + ": not there\n";
    throw Failure{NB_ERROR_DEVICE, "NODE_BERT_CUBLAS names no usable cuBLASLt:\n" + search.result.tried +
                                       "Set it to " + FILE_NAME + " or its folder, or unset it"};
  }
  if (search.try_path(FILE_NAME + " on the loader's path", FILE_NAME)) return std::move(search.result);
  for (const fs::path& folder : folders_to_search())
    if (search.try_folder(folder)) break;
  return std::move(search.result);
}

}  // namespace node_bert::cuda
