// Where a device's time goes: seconds by op and shapes, kept when the environment variable NODE_BERT_PROFILE names a file, and written
// there as JSON when the device closes. benchmarks/kernels/profile.mjs turns it into a table.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "node_bert/backend.h"

namespace nb {

class Profile {
 public:
  Profile();
  ~Profile();  // writes the file
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  bool on() const { return !path_.empty(); }
  void add(const nb_call& call, double seconds, double cpu_seconds);

 private:
  std::string path_;
  // Of each call: elapsed, and of the processor for the stream's thread, which is what counts where others use the machine too.
  struct Times {
    std::vector<float> seconds, cpu_seconds;
  };
  std::map<std::string, Times> times_;  // by a JSON object's first half
};

}  // namespace nb
