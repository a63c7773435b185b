#pragma once

#include <atomic>
#include <cstddef>

namespace hinge_embedding_loss {

// How many threads a call may use, with the calling one. The default is the number of processors that the
// process's affinity and its control group's quota grant.
size_t num_threads();
void set_num_threads(size_t count);

// Hands out [0, n) in ranges of `step`; any thread may take the next one.
class Ranges {
 public:
  Ranges(size_t n, size_t step) : n_(n), step_(step) {}

  bool next(size_t& begin, size_t& end) {
    if (next_.load(std::memory_order_relaxed) >= n_) return false;  // cheaper than fetch_add
    begin = next_.fetch_add(step_, std::memory_order_relaxed);
    if (begin >= n_) return false;
    end = n_ - begin < step_ ? n_ : begin + step_;
    return true;
  }

 private:
  const size_t n_;
  const size_t step_;
  std::atomic<size_t> next_ = 0;
};

// Elements that a thread takes at a time: enough to make taking them cheap, few enough to end together.
constexpr size_t kRange = size_t{1} << 15;

void run_parallel(size_t n, size_t step, void (*call)(const void* body, Ranges& ranges), const void* body);

// Runs body(ranges) on the calling thread and, if n is large, on the pool's threads at the same time; returns
// when all are done. Each body takes ranges until none are left. The caller must have set the default
// floating-point environment; the pool's threads have it. One call at a time has the pool; a second one
// meanwhile runs on its own thread alone. A range of `step` should be as much work as kRange elements.
template <class Body>
void parallel_for(size_t n, const Body& body, size_t step = kRange) {
  run_parallel(
      n, step, [](const void* body, Ranges& ranges) { (*static_cast<const Body*>(body))(ranges); }, &body);
}

}  // namespace hinge_embedding_loss
