#if !defined(_WIN32)

#include <dlfcn.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>

#include "system.h"

namespace hinge_embedding_loss {

#if defined(__linux__)

namespace {

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

}  // namespace

size_t count_processors() {
  cpu_set_t set;
  const bool has_affinity = sched_getaffinity(0, sizeof set, &set) == 0;
  const size_t processors = has_affinity ? CPU_COUNT(&set) : std::thread::hardware_concurrency();
  return control_group_limit(std::max(processors, size_t{1}));
}

#else

size_t count_processors() { return std::max(std::thread::hardware_concurrency(), 1u); }

#endif

void keep_library_loaded() {
  Dl_info library;
  if (dladdr(reinterpret_cast<void*>(&keep_library_loaded), &library) != 0) {
    dlopen(library.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

bool start_thread(const std::function<void()>& run) {
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);  // which the new thread inherits
  bool is_started = true;
  try {
    std::thread(run).detach();
  } catch (const std::system_error&) {
    is_started = false;
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  return is_started;
}

}  // namespace hinge_embedding_loss

#endif
