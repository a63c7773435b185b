#pragma once

// Everything kernels.inl uses from elsewhere, included before any instruction set is targeted: an inline
// function compiled for a newer one could be the copy that the linker keeps for all.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // of _mm512_undefined_ps, a false alarm of GCC 12
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include "kernels.h"
