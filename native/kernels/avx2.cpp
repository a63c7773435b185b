#if defined(__x86_64__)

#include <cstring>

#include "cpu.h"
#include "includes.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

namespace hinge_embedding_loss::avx2 {
namespace {

inline __m256 max(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
inline __m256 min(__m256 a, __m256 b) { return _mm256_min_ps(a, b); }
inline __m256d max(__m256d a, __m256d b) { return _mm256_max_pd(a, b); }
inline __m256d min(__m256d a, __m256d b) { return _mm256_min_pd(a, b); }
inline __m256d multiply_add(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
inline __m256d widen_low(__m256 a) { return _mm256_cvtps_pd(_mm256_castps256_ps128(a)); }
inline __m256d widen_high(__m256 a) { return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)); }
inline void stream(float* to, __m256 a) { _mm256_stream_ps(to, a); }
inline void stream(double* to, __m256d a) { _mm256_stream_pd(to, a); }

template <size_t kBytes>
__m256i sign_extend(const int8_t* codes) {
  if constexpr (kBytes == 4) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes)));
  } else {
    int32_t bytes;
    std::memcpy(&bytes, codes, sizeof bytes);
    return _mm256_cvtepi8_epi64(_mm_cvtsi32_si128(bytes));
  }
}

}  // namespace
}  // namespace hinge_embedding_loss::avx2

#define KERNELS_NAMESPACE avx2
#define KERNELS_NAME "avx2"
#define KERNELS_VECTOR_BYTES 32
// On Zen 3, sums are as fast from 512 to 3,072 bytes ahead; streamed outputs are fastest at 512, by up to
// 13 %.
#define KERNELS_PREFETCH_BYTES 512
#define KERNELS_PREFETCH_LOCALITY 0
#define KERNELS_SUPPORTED has_avx2()
#include "kernels.inl"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif
