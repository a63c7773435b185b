#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hinge_embedding_loss {

// Rounds to nearest and keeps subnormals, on this thread, for as long as it lives. The program may have set
// another mode, and a library linked with -Ofast flushes subnormals for all; the sums' proof is of IEEE 754's
// default.
class DefaultFloatEnvironment {
 public:
  DefaultFloatEnvironment() : saved_(read()) {
    if (saved_ != kDefault) write(kDefault);
  }
  ~DefaultFloatEnvironment() {
    if (saved_ != kDefault) write(saved_);
  }
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  using Control = uint32_t;
  static constexpr Control kDefault = 0x1f80;  // MXCSR: all exceptions masked
  static constexpr Control kFlags = 0x3f;      // exceptions that were raised
  static Control read() { return _mm_getcsr() & ~kFlags; }
  static void write(Control control) { _mm_setcsr(control); }
#elif defined(__aarch64__)
  using Control = uint64_t;
  static constexpr Control kDefault = 0;  // FPCR
  static Control read() {
    Control control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
  }
  static void write(Control control) { __asm__ volatile("msr fpcr, %0" : : "r"(control) : "memory"); }
#endif
  const Control saved_;
};

}  // namespace hinge_embedding_loss
