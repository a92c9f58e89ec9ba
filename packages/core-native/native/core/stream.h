// The queue of one device and the one thread that works it off in order. JavaScript enqueues and goes on; the only waits are completions.
//
// Errors: the first failing command's error is kept, every later command is skipped, and each completion reports the error, until
// clear_error() is enqueued (by the binding, once the error was delivered to JavaScript).
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "core/profile.h"
#include "node_bert/backend.h"

namespace nb {

struct Status {
  nb_status code = NB_OK;
  std::string message;
  bool ok() const { return code == NB_OK; }
};

class Stream {
 public:
  Stream(const nb_backend* backend, nb_device* device);
  ~Stream();  // finishes what is queued
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void enqueue_call(const nb_call& call);
  // Work that is skipped while an error is pending.
  void enqueue_task(std::function<Status()> task);
  // Runs in order, always, with the status so far after a device synchronize; called on the stream's thread.
  void enqueue_completion(std::function<void(const Status&)> completion);
  void enqueue_clear_error();
  // Blocks the caller until everything queued so far has run. For memory pressure and closing only.
  void drain();

 private:
  struct Command {
    enum Kind { kCall, kTask, kCompletion, kClearError } kind;
    nb_call call;
    std::function<Status()> task;
    std::function<void(const Status&)> completion;
  };
  void push(Command&& command);
  void work();
  void execute(Command& command);
  nb_status run(const nb_call& call);

  const nb_backend* backend_;
  nb_device* device_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  bool sleeping_ = false;
  bool closing_ = false;
  Status error_;
  Profile profile_;
  std::thread thread_;
};

}  // namespace nb
