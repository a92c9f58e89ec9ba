// The queue of one device and the one thread that works it off in order. JavaScript enqueues and goes on; the only waits are completions.
//
// A backend that runs ahead of its caller (a GPU) has marks: completions then go to a second thread, which waits for them in order, while the
// first goes on enqueueing. Without marks everything before a completion has been computed when its turn comes.
//
// Errors: the first failing command's error is kept, every later command is skipped, and each completion reports the error, until
// clear_error() is enqueued (by the binding, once the error was delivered to JavaScript).
#pragma once
#include <atomic>
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
  // Runs in order, always, with the status of all that was queued before, once the device has done it; called on a thread of the stream.
  void enqueue_completion(std::function<void(const Status&)> completion);
  // Runs in order, always, once the stream's thread is done with all that was queued before: a device with marks may still compute it.
  void enqueue_handover(std::function<void(const Status&)> reached);
  void enqueue_clear_error();
  // Blocks the caller until everything queued so far has run. For memory pressure and closing only.
  void drain();
  // Waits for the op that runs and gives up what is queued behind it; nothing runs any more. For a process that ends.
  void abandon();

 private:
  struct Command {
    enum Kind { kCall, kTask, kCompletion, kHandover, kClearError } kind;
    nb_call call;
    std::function<Status()> task;
    std::function<void(const Status&)> completion;
  };
  struct Waiting {
    Status status;  // when not ok there is no mark
    uint64_t mark;
    uint64_t epoch;
    std::function<void(const Status&)> completion;
  };
  void push(Command&& command);
  void end();
  void work();
  void execute(Command& command);
  bool failed();
  void complete(std::function<void(const Status&)> completion);
  void wait_for_marks();
  nb_status run(const nb_call& call);

  const nb_backend* backend_;
  nb_device* device_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  bool sleeping_ = false;
  bool closing_ = false;
  std::atomic<bool> abandoned_ = false;
  Status error_;
  Profile profile_;
  uint64_t epoch_ = 0;  // errors cleared so far: an error found late concerns what was queued before it was cleared

  std::mutex waiting_mutex_;  // of what follows
  std::condition_variable waiting_changed_;
  std::deque<Waiting> waiting_;
  bool no_more_ = false;
  Status late_error_;  // found by the second thread, in late_epoch_
  uint64_t late_epoch_ = 0;

  std::thread thread_;
  std::thread waiter_;  // only with marks
};

}  // namespace nb
