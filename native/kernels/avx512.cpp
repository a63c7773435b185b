#if defined(__x86_64__)

#include "cpu.h"
#include "includes.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
#endif

namespace hinge_embedding_loss::avx512 {
namespace {

inline __m512 max(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
inline __m512 min(__m512 a, __m512 b) { return _mm512_min_ps(a, b); }
inline __m512d max(__m512d a, __m512d b) { return _mm512_max_pd(a, b); }
inline __m512d min(__m512d a, __m512d b) { return _mm512_min_pd(a, b); }
inline __m512d multiply_add(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
inline __m512d widen_low(__m512 a) { return _mm512_cvtps_pd(_mm512_castps512_ps256(a)); }
inline __m512d widen_high(__m512 a) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)); }
inline void stream(float* to, __m512 a) { _mm512_stream_ps(to, a); }
inline void stream(double* to, __m512d a) { _mm512_stream_pd(to, a); }

template <size_t kBytes>
__m512i sign_extend(const int8_t* codes) {
  if constexpr (kBytes == 4) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  } else {
    return _mm512_cvtepi8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes)));
  }
}

}  // namespace
}  // namespace hinge_embedding_loss::avx512

#define KERNELS_NAMESPACE avx512
#define KERNELS_NAME "avx512"
#define KERNELS_VECTOR_BYTES 64
// Each line is read once, so it is kept out of the second-level cache; the hardware prefetches well by
// itself.
#define KERNELS_PREFETCH_BYTES 0
#define KERNELS_PREFETCH_LOCALITY 0
#define KERNELS_SUPPORTED has_avx512()
#include "kernels.inl"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif
