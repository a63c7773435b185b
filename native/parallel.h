#pragma once

#include <atomic>
#include <cstddef>

namespace hinge_embedding_loss {

// The threads a call may use, its own included: unless set, the processors this process may run on, by its
// affinity and by its control group's quota.
size_t num_threads();
void set_num_threads(size_t count);

// The parts of [0, n) that are still to be done, taken by whoever is free.
class Ranges {
 public:
  Ranges(size_t n, size_t step) : n_(n), step_(step) {}

  bool next(size_t& begin, size_t& end) {
    if (next_.load(std::memory_order_relaxed) >= n_) return false;  // cheaper than to take and find none
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

void run_parallel(size_t n, void (*call)(const void* body, Ranges& ranges), const void* body);

// Runs body(ranges) on this thread and, where n is large, on others at the same time; returns when all are
// done. Each takes ranges until there are none. All run with the default floating-point environment. One call
// at a time has the other threads; a second one meanwhile runs alone.
template <class Body>
void parallel_for(size_t n, const Body& body) {
  run_parallel(
      n, [](const void* body, Ranges& ranges) { (*static_cast<const Body*>(body))(ranges); }, &body);
}

}  // namespace hinge_embedding_loss
