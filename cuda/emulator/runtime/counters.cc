// What kernels and the host did, counted; and the file that receives it when the process ends.
#include <cstdio>
#include <cstdlib>

#include "emulator/runtime/context.h"

namespace node_bert::cuda::emulator {

std::map<std::string, NamedCounters> kernel_counters() {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  std::map<std::string, NamedCounters> all;
  for (const auto& module : context.modules) {
    for (const auto& [name, kernel] : module->kernels) {
      const Counters& c = kernel->counters;
      if (c.launches == 0) continue;
      all[name] = {{"launches", c.launches}, {"blocks", c.blocks}, {"instructions", c.instructions}, {"shared_wavefronts", c.shared_wavefronts},
                   {"shared_instructions", c.shared_instructions}, {"bank_conflicts", c.bank_conflicts}, {"global_sectors", c.global_sectors},
                   {"global_instructions", c.global_instructions}, {"global_bytes_read", c.global_bytes_read}, {"global_bytes_written", c.global_bytes_written},
                   {"mma", c.mma}, {"mma_flops", c.mma_flops}, {"flops", c.flops}, {"atomics", c.atomics}, {"barriers", c.barriers}};
    }
  }
  return all;
}

StepCounters step_counters() { return Context::get().step; }

void clear_counters() {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  context.step = {};
  context.library_operations.clear();
  for (const auto& module : context.modules) {
    for (const auto& [name, kernel] : module->kernels) kernel->counters = {};
  }
}

// {"kernels": {"<mangled name or operation of services.h>": {"launches": …, …}, …}, "host": {…}}
void write_counters() {
  std::FILE* file = std::fopen(std::getenv("NODE_BERT_EMULATOR_COUNTERS"), "w");
  if (file == nullptr) {
    std::perror("CUDA emulator: NODE_BERT_EMULATOR_COUNTERS");
    return;
  }
  const auto object = [&](const NamedCounters& counters) {
    const char* before = "{";
    for (const auto& [name, value] : counters) {
      std::fprintf(file, "%s\"%s\": %llu", before, name.c_str(), static_cast<unsigned long long>(value));
      before = ", ";
    }
    std::fputs("}", file);
  };
  const char* before = "{\"kernels\": {\n";
  auto kernels = kernel_counters();
  for (const auto& [name, runs] : Context::get().library_operations) kernels[name] = {{"launches", runs}};
  if (kernels.empty()) std::fputs(before, file);
  for (const auto& [name, counters] : kernels) {
    std::fprintf(file, "%s\"%s\": ", before, name.c_str());
    object(counters);
    before = ",\n";
  }
  const StepCounters s = step_counters();
  std::fputs("\n},\n\"host\": ", file);
  object({{"launches", s.launches}, {"copies", s.copies}, {"bytes_to_device", s.bytes_to_device}, {"bytes_to_host", s.bytes_to_host}, {"synchronisations", s.synchronisations},
          {"allocations", s.allocations}, {"frees", s.frees}, {"graph_launches", s.graph_launches}});
  std::fputs("}\n", file);
  std::fclose(file);
}

}  // namespace node_bert::cuda::emulator
