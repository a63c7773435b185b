#pragma once

// All headers that kernels.inl uses. They are included before an instruction set is targeted: the linker
// keeps one copy of an inline function for the whole library, and that copy must run on every CPU.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // false alarm of GCC 12 in _mm512_undefined_ps
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include "kernels.h"
