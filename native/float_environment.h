#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hinge_embedding_loss {

// While it lives, this thread rounds to nearest and keeps subnormals: IEEE 754's default, which the proof of
// exact sums needs. The program may have set another mode, and a library linked with -Ofast flushes
// subnormals for the whole thread that loads it.
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
  static constexpr Control kFlags = 0x3f;      // exceptions raised so far
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

// Compilers may move arithmetic across the change of the environment, but not out of a function that is not
// inlined.
template <class Body>
[[gnu::noinline]] auto call_not_inlined(const Body& body) {
  return body();
}

// Calls body() in the default environment, and restores the program's at its end.
template <class Body>
auto in_default_float_environment(const Body& body) {
  const DefaultFloatEnvironment environment;
  return call_not_inlined(body);
}

}  // namespace hinge_embedding_loss
