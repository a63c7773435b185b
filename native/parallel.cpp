#include "parallel.h"

#include <dlfcn.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#include "float_environment.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hinge_embedding_loss {

namespace {

// Elements that a thread takes at a time: enough to make taking them cheap, few enough to end together.
constexpr size_t kRange = size_t{1} << 15;

// For fewer elements, waking another thread costs more than it saves. Measured: for 128 K elements, one
// thread takes as long as two if the second must wake up, and 1.8 times as long if it still spins.
constexpr size_t kMinParallel = size_t{1} << 17;

// Pause instructions, 20 to 40 ns each.
constexpr int kSpins = 1000;

// The processors that the process's control group (version 2 or 1) and its parents grant: from 1 to `limit`.
size_t control_group_limit(size_t limit) {
  const auto apply = [&limit](double quota, double period) {
    if (quota > 0 && period > 0) limit = std::min(limit, static_cast<size_t>((quota + period - 1) / period));
  };
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers(1, ',');
    controllers.append(line, first + 1, second - first - 1).push_back(',');
    const bool is_version_2 = controllers == ",,";
    if (!is_version_2 && controllers.find(",cpu,") == std::string::npos) continue;
    for (std::string path = line.substr(second + 1);; path.resize(path.find_last_of('/'))) {
      if (path == "/") path.clear();
      double quota = 0, period = 0;
      if (is_version_2) {
        std::ifstream("/sys/fs/cgroup" + path + "/cpu.max") >> quota >> period;  // "max 100000" leaves both 0
      } else {
        std::ifstream("/sys/fs/cgroup/cpu" + path + "/cpu.cfs_quota_us") >> quota;
        std::ifstream("/sys/fs/cgroup/cpu" + path + "/cpu.cfs_period_us") >> period;
      }
      apply(quota, period);
      if (path.find('/') == std::string::npos) break;
    }
  }
  return std::max(limit, size_t{1});
}

size_t available_processors() {
#if defined(__linux__)
  cpu_set_t set;
  const bool has_affinity = sched_getaffinity(0, sizeof set, &set) == 0;
  const size_t processors = has_affinity ? CPU_COUNT(&set) : std::thread::hardware_concurrency();
#else
  const size_t processors = std::thread::hardware_concurrency();
#endif
  return control_group_limit(std::max(processors, size_t{1}));
}

std::atomic<size_t>& thread_count() {
  static std::atomic<size_t> count = available_processors();
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

// Node unloads an addon when the last worker thread that loaded it ends. The pool's threads still run its
// code.
void keep_library_loaded() {
  Dl_info library;
  if (dladdr(reinterpret_cast<void*>(&keep_library_loaded), &library) != 0) {
    dlopen(library.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

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
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);  // the host's threads take signals
    try {
      for (; size_ < helpers; size_++) std::thread(&Pool::work, this).detach();
    } catch (const std::system_error&) {
      // The system has no more threads: the existing ones do the work.
    }
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
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

void run_parallel(size_t n, Call call, const void* body) {
  const size_t threads = n < kMinParallel ? 1 : std::min(num_threads(), (n + kRange - 1) / kRange);
  Ranges ranges(n, threads == 1 ? n : kRange);
  if (threads == 1 || !pool().run(call, body, ranges, threads - 1)) call(body, ranges);
}

}  // namespace hinge_embedding_loss
