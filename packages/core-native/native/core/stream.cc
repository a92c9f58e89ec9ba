#include "core/stream.h"

#include <time.h>

#include <chrono>
#include <exception>
#include <future>
#include <new>

#include "core/op_table.h"

namespace nb {

namespace {

constexpr size_t kMostMarks = 32;  // a backend keeps 64

}  // namespace

Stream::Stream(const nb_backend* backend, nb_device* device) : backend_(backend), device_(device), thread_([this] { work(); }) {
  if (backend_->record != nullptr) waiter_ = std::thread([this] { wait_for_marks(); });
}

Stream::~Stream() { end(); }

void Stream::abandon() {
  abandoned_ = true;
  end();
}

void Stream::end() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  {
    std::lock_guard lock(waiting_mutex_);
    no_more_ = true;
  }
  waiting_changed_.notify_all();
  if (waiter_.joinable()) waiter_.join();
}

void Stream::push(Command&& command) {
  bool wake;
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(command));
    wake = sleeping_;
  }
  if (wake) wake_.notify_one();
}

void Stream::enqueue_call(const nb_call& call) { push({Command::kCall, call, {}, {}}); }

void Stream::enqueue_task(std::function<Status()> task) { push({Command::kTask, {}, std::move(task), {}}); }

void Stream::enqueue_completion(std::function<void(const Status&)> completion) {
  push({Command::kCompletion, {}, {}, std::move(completion)});
}

void Stream::enqueue_handover(std::function<void(const Status&)> reached) { push({Command::kHandover, {}, {}, std::move(reached)}); }

void Stream::enqueue_clear_error() { push({Command::kClearError, {}, {}, {}}); }

void Stream::drain() {
  if (abandoned_) return;
  std::promise<void> done;
  enqueue_completion([&](const Status&) { done.set_value(); });
  done.get_future().wait();
}

void Stream::work() {
  std::deque<Command> batch;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      sleeping_ = true;
      wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      sleeping_ = false;
      if (abandoned_ || queue_.empty()) return;
      batch.swap(queue_);
    }
    for (Command& command : batch) {
      if (abandoned_) return;
      execute(command);
      command.task = nullptr;  // staging memory goes as soon as it was used
    }
    batch.clear();
  }
}

// Whether commands are to be skipped, for an error of either thread.
bool Stream::failed() {
  if (error_.ok() && backend_->record != nullptr) {
    std::lock_guard lock(waiting_mutex_);
    if (late_epoch_ == epoch_) error_ = late_error_;
  }
  return !error_.ok();
}

nb_status Stream::run(const nb_call& call) {
  if (!profile_.on()) return backend_->run(device_, &call);
  using Clock = std::chrono::steady_clock;
  const auto processor = [] {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  };
  const double cpu_start = processor();
  const auto start = Clock::now();
  nb_status code = backend_->run(device_, &call);
  if (code == NB_OK) code = backend_->synchronize(device_);
  profile_.add(call, std::chrono::duration<double>(Clock::now() - start).count(), processor() - cpu_start);
  return code;
}

void Stream::execute(Command& command) {
  switch (command.kind) {
    case Command::kCall: {
      if (failed()) return;
      const nb_status code = run(command.call);
      if (code != NB_OK) {
        const std::string name = op_name(command.call.op);
        const std::string text = backend_->last_error(device_);
        error_ = {code, text.rfind(name, 0) == 0 ? text : name + ": " + text};
      }
      return;
    }
    case Command::kTask:
      if (failed()) return;
      try {
        error_ = command.task();
      } catch (const std::bad_alloc&) {
        error_ = {NB_ERROR_OUT_OF_MEMORY, "out of host memory"};
      } catch (const std::exception& problem) {
        error_ = {NB_ERROR_INTERNAL, problem.what()};
      }
      return;
    case Command::kCompletion:
      complete(std::move(command.completion));
      return;
    case Command::kHandover:
      command.completion({});  // errors are told by whoever waits for results
      return;
    case Command::kClearError:
      error_ = {};
      ++epoch_;
      return;
  }
}

void Stream::complete(std::function<void(const Status&)> completion) {
  const bool has_marks = backend_->record != nullptr;
  uint64_t mark = 0;
  if (!failed()) {
    const nb_status code = has_marks ? backend_->record(device_, &mark) : backend_->synchronize(device_);
    if (code != NB_OK) error_ = {code, backend_->last_error(device_)};
  }
  if (!has_marks) return completion(error_);
  std::unique_lock lock(waiting_mutex_);
  waiting_changed_.wait(lock, [this] { return waiting_.size() < kMostMarks; });
  waiting_.push_back({error_, mark, epoch_, std::move(completion)});
  waiting_changed_.notify_all();
}

void Stream::wait_for_marks() {
  for (;;) {
    std::unique_lock lock(waiting_mutex_);
    waiting_changed_.wait(lock, [this] { return no_more_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Waiting& first = waiting_.front();  // stays in the queue until it is done: its mark is outstanding
    if (first.status.ok() && !late_error_.ok() && first.epoch == late_epoch_) first.status = late_error_;
    lock.unlock();
    if (first.status.ok()) {
      const nb_status code = backend_->wait(device_, first.mark);
      if (code != NB_OK) first.status = {code, backend_->last_error(device_)};
    }
    lock.lock();
    if (!first.status.ok()) {
      late_error_ = first.status;
      late_epoch_ = first.epoch;
    }
    const Waiting done = std::move(first);
    waiting_.pop_front();
    lock.unlock();
    waiting_changed_.notify_all();
    done.completion(done.status);
  }
}

}  // namespace nb
