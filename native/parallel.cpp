#include "parallel.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "float_environment.h"
#include "system.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hinge_embedding_loss {

namespace {

// For fewer ranges, waking another thread costs more than it saves. Measured: for 128 K elements, one
// thread takes as long as two if the second must wake up, and 1.8 times as long if it still spins.
constexpr size_t kMinRanges = 4;

// Pause instructions, 20 to 40 ns each.
constexpr int kSpins = 1000;

std::atomic<size_t>& thread_count() {
  static std::atomic<size_t> count = count_processors();
  return count;
}

// Waits for `condition`, for about the 20 microseconds that sleeping and waking would take.
template <class Condition>
void spin_until(const Condition& condition) {
  for (int i = 0; i < kSpins && !condition(); i++) {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
}

using Call = void (*)(const void* body, Ranges& ranges);

class Pool {
 public:
  Pool() { keep_library_loaded(); }

  // Returns false if another call has the threads.
  bool run(Call call, const void* body, Ranges& ranges, size_t helpers) {
    const std::unique_lock running(running_, std::try_to_lock);
    if (!running) return false;
    {
      const std::lock_guard lock(mutex_);
      grow(helpers);
      call_ = call;
      body_ = body;
      ranges_ = &ranges;
      wanted_ = helpers;
    }
    wake_.notify_all();
    call(body, ranges);
    {
      const std::lock_guard lock(mutex_);
      wanted_ = 0;  // a thread that wakes only now does nothing
    }
    const auto is_done = [this] { return busy_ == 0; };
    spin_until(is_done);
    std::unique_lock lock(mutex_);
    done_.wait(lock, is_done);
    return true;
  }

 private:
  void grow(size_t helpers) {
    // If the system has no more threads, the existing ones do the work.
    while (size_ < helpers && start_thread([this] { work(); })) size_++;
  }

  void work() {
    const DefaultFloatEnvironment environment;
    const auto is_wanted = [this] { return wanted_ > 0; };
    for (;;) {
      spin_until(is_wanted);
      std::unique_lock lock(mutex_);
      wake_.wait(lock, is_wanted);
      wanted_--;
      busy_++;
      lock.unlock();
      call_(body_, *ranges_);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::mutex running_;
  std::mutex mutex_;  // held to write any member below
  std::condition_variable wake_, done_;
  size_t size_ = 0;
  std::atomic<size_t> wanted_ = 0;
  std::atomic<size_t> busy_ = 0;
  Call call_ = nullptr;
  const void* body_ = nullptr;
  Ranges* ranges_ = nullptr;
};

// Never destroyed: its threads use it until the process ends.
Pool& pool() {
  static Pool& pool = *new Pool;
  return pool;
}

}  // namespace

size_t num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(size_t count) { thread_count().store(count, std::memory_order_relaxed); }

void run_parallel(size_t n, size_t step, Call call, const void* body) {
  const size_t whole_ranges = n / step;
  const size_t threads =
      whole_ranges < kMinRanges ? 1 : std::min(num_threads(), whole_ranges + (n % step > 0));
  Ranges ranges(n, threads == 1 ? n : step);
  if (threads == 1 || !pool().run(call, body, ranges, threads - 1)) call(body, ranges);
}

}  // namespace hinge_embedding_loss
