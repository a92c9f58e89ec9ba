#include "core/profile.h"

#include <cstdio>
#include <cstdlib>

#include "core/op_table.h"

namespace nb {
namespace {

// Calls with this key do the same work: op, params that choose what is computed, types and shapes of the tensors.
std::string key_of(const nb_call& call) {
  std::string key = "{\"op\":\"";
  key.append(op_name(call.op)).append("\",\"tensors\":[");
  for (int32_t i = 0; i < call.tensor_count; ++i) {
    const nb_tensor& tensor = call.tensors[i];
    if (i > 0) key += ',';
    if (tensor.rank < 0) {
      key += "null";
      continue;
    }
    key.append("{\"dtype\":\"").append(dtype_name(tensor.dtype)).append("\",\"shape\":[");
    for (int32_t axis = 0; axis < tensor.rank; ++axis) {
      if (axis > 0) key += ',';
      key += std::to_string(tensor.dims[axis]);
    }
    key += "]}";
  }
  return key.append("],\"param\":").append(std::to_string(call.param_count > 0 ? call.params[0] : 0.0));
}

}  // namespace

Profile::Profile() {
  const char* path = std::getenv("NODE_BERT_PROFILE");
  if (path != nullptr) path_ = path;
}

Profile::~Profile() {
  if (!on()) return;
  std::FILE* file = std::fopen(path_.c_str(), "w");
  if (file == nullptr) return;
  const auto write = [file](const char* name, const std::vector<float>& values) {
    std::fprintf(file, ",\"%s\":[", name);
    for (size_t i = 0; i < values.size(); ++i) std::fprintf(file, i > 0 ? ",%.7g" : "%.7g", static_cast<double>(values[i]));
    std::fputc(']', file);
  };
  const char* separator = "[\n";
  for (const auto& [key, times] : times_) {
    std::fprintf(file, "%s%s", separator, key.c_str());
    write("seconds", times.seconds);
    write("cpuSeconds", times.cpu_seconds);
    std::fputc('}', file);
    separator = ",\n";
  }
  std::fputs(times_.empty() ? "[]\n" : "\n]\n", file);
  std::fclose(file);
}

void Profile::add(const nb_call& call, double seconds, double cpu_seconds) {
  Times& times = times_[key_of(call)];
  times.seconds.push_back(static_cast<float>(seconds));
  times.cpu_seconds.push_back(static_cast<float>(cpu_seconds));
}

}  // namespace nb
