#include "kernels.h"

#include <atomic>
#include <iterator>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hinge_embedding_loss {

#if defined(__x86_64__)
namespace avx512 {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
#endif
namespace baseline {
extern const Kernels kKernels;
}

namespace {

constexpr const Kernels* kPreferred[] = {
#if defined(__x86_64__)
    &avx512::kKernels,
    &avx2::kKernels,
#endif
    &baseline::kKernels,
};

struct Supported {
  const Kernels* list[std::size(kPreferred)];
  size_t count = 0;
  Supported() {
    for (const Kernels* each : kPreferred) {
      if (each->is_supported()) list[count++] = each;
    }
  }
};

std::atomic<const Kernels*>& selected() {
  static std::atomic<const Kernels*> kernels = supported_kernels().front();
  return kernels;
}

}  // namespace

std::span<const Kernels* const> supported_kernels() {
  static const Supported supported;
  return {supported.list, supported.count};
}

const Kernels& kernels() { return *selected().load(std::memory_order_relaxed); }

void finish_streams() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

bool select_kernels(std::string_view name) {
  for (const Kernels* each : supported_kernels()) {
    if (each->name == name) {
      selected().store(each, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

}  // namespace hinge_embedding_loss
