#if defined(_WIN32)

#include <windows.h>

#include <algorithm>
#include <bit>
#include <system_error>
#include <thread>

#include "system.h"

namespace hinge_embedding_loss {

size_t count_processors() {
  DWORD_PTR process = 0, system = 0;
  GetProcessAffinityMask(GetCurrentProcess(), &process, &system);
  // A process with threads in several groups of processors has no mask.
  const size_t processors =
      process != 0 ? std::popcount(process) : GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
  return std::max(processors, size_t{1});
}

void keep_library_loaded() {
  HMODULE library;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<const wchar_t*>(&keep_library_loaded), &library);
}

bool start_thread(const std::function<void()>& run) {
  try {
    std::thread(run).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace hinge_embedding_loss

#endif
