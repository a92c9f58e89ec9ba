// The pool and scratch memory of the host code: what is kept, what a full device does, what is said when it stays full.
#include "host/memory.h"

#include <unistd.h>

#include <cstdlib>
#include <initializer_list>
#include <string>

#include "emulator/emulator.h"
#include "host/failure.h"
#include "tests/numeric_check.h"

using namespace node_bert::cuda;
using namespace node_bert::cuda::test;
namespace emulator = node_bert::cuda::emulator;

namespace {

constexpr size_t MIB = size_t{1} << 20;

void expect(bool holds, const char* what) {
  if (!holds) fail(what);
}

size_t total_bytes() {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return total;
}

size_t free_bytes() {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return free;
}

// Runs what was released in stream order.
void settle() { cudaDeviceSynchronize(); }

void keeps_what_is_released() {
  begin_case("the pool keeps what is released, and gives it out again");
  Pool pool(0);
  const size_t before = free_bytes();
  void* first = pool.allocate(16 * MIB);
  pool.release(first);
  settle();
  expect(free_bytes() == before - 16 * MIB, "released memory went back to the device");
  void* second = pool.allocate(12 * MIB);
  expect(free_bytes() == before - 16 * MIB, "an allocation asked the device while the pool held enough");
  pool.release(second);
}

void waits_for_whoever_uses_it() {
  begin_case("memory is usable in every stream at once, and a release takes effect in stream order");
  Pool pool(0);
  cudaStream_t compute = nullptr;
  cudaStreamCreateWithFlags(&compute, cudaStreamNonBlocking);
  for (int round = 0; round < 20; ++round) {
    void* data = pool.allocate(4096);
    expect(cudaMemsetAsync(data, round, 4096, compute) == cudaSuccess, "memory cannot be written in another stream");
    expect(cudaStreamSynchronize(compute) == cudaSuccess, emulator::last_report().c_str());
    pool.release(data);
  }
  settle();
  cudaStreamDestroy(compute);
  expect(cudaGetLastError() == cudaSuccess, "an error was left behind");
}

void frees_its_cache() {
  begin_case("a full device: the cache is freed and the allocation tried once more");
  Pool pool(0);
  const size_t large = total_bytes() / 8 * 5;
  pool.release(pool.allocate(large));
  settle();
  const uint64_t waits = emulator::step_counters().synchronisations;
  void* other = pool.allocate(large + MIB);  // does not fit beside what is kept, nor into it
  expect(other != nullptr, "no memory");
  expect(emulator::step_counters().synchronisations == waits + 2, "expected a wait for what was released, and the one of each allocation");
  pool.release(other);
}

void retries_once() {
  begin_case("an allocation that fails once is made; the reason of the second failure is told");
  Pool pool(0);
  emulator::fail_call(emulator::FailingCall::allocation, 1);
  void* data = pool.allocate(MIB);
  expect(data != nullptr, "no memory");
  expect(cudaGetLastError() == cudaSuccess, "the first failure was left behind");
  void* used = pool.allocate(20 * MIB);
  try {
    pool.allocate(total_bytes());
    fail("more than the device has was given out");
  } catch (const Failure& failure) {
    const std::string total = mebibytes(total_bytes());
    const std::string expected = "the device is out of memory: " + total + " asked for, 21 MiB of " + total + " used, " +
                                 mebibytes(total_bytes() - 21 * MIB) + " free";
    expect(failure.status == NB_ERROR_OUT_OF_MEMORY, "another status than out of memory");
    expect(failure.message == expected, (failure.message + ", expected: " + expected).c_str());
  }
  expect(cudaGetLastError() == cudaSuccess, "the failure was left behind");
  void* after = pool.allocate(MIB);
  for (void* each : {data, used, after}) pool.release(each);
}

void gives_all_back() {
  begin_case("a pool that ends gives all of its memory back");
  settle();
  const size_t live = emulator::live_allocations();
  {
    Pool pool(0);
    Scratch scratch(pool);
    scratch.grow(3 * MIB);
    expect(scratch.holds(4 * MIB) && !scratch.holds(4 * MIB + 1), "scratch memory grows to the next power of two");
    pool.release(pool.allocate(5 * MIB));
  }
  expect(emulator::live_allocations() == live, "memory was left behind");
  expect(free_bytes() == total_bytes(), "the cache was left behind");
}

void scratch_survives_failing() {
  begin_case("scratch memory that cannot grow is none, and can grow again");
  Pool pool(0);
  Scratch scratch(pool);
  scratch.grow(MIB);
  try {
    scratch.grow(2 * total_bytes());
    fail("it grew beyond the device");
  } catch (const Failure& failure) {
    expect(failure.status == NB_ERROR_OUT_OF_MEMORY, "another status than out of memory");
  }
  expect(scratch.data() == nullptr && !scratch.holds(1), "the old buffer is still offered");
  scratch.grow(2 * MIB);
  expect(scratch.holds(2 * MIB), "it cannot grow again");
}

}  // namespace

int main(int, char** arguments) {
  // A device small enough to be filled; the emulator reads its size before main().
  if (std::getenv("NODE_BERT_EMULATED_MEMORY") == nullptr) {
    setenv("NODE_BERT_EMULATED_MEMORY", std::to_string(64 * MIB).c_str(), 1);
    return execv("/proc/self/exe", arguments);
  }
  keeps_what_is_released();
  waits_for_whoever_uses_it();
  frees_its_cache();
  retries_once();
  gives_all_back();
  scratch_survives_failing();
  return report();
}
