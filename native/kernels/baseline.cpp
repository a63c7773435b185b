// The vectors that every CPU of the architecture has: SSE2 on x86-64, NEON on arm64.
#include <cstring>

#include "includes.h"

namespace hinge_embedding_loss::baseline {
namespace {

#if defined(__x86_64__)

inline __m128 max(__m128 a, __m128 b) { return _mm_max_ps(a, b); }
inline __m128 min(__m128 a, __m128 b) { return _mm_min_ps(a, b); }
inline __m128d max(__m128d a, __m128d b) { return _mm_max_pd(a, b); }
inline __m128d min(__m128d a, __m128d b) { return _mm_min_pd(a, b); }
inline __m128d multiply_add(__m128d a, __m128d b, __m128d c) { return a * b + c; }
inline __m128d widen_low(__m128 a) { return _mm_cvtps_pd(a); }
inline __m128d widen_high(__m128 a) { return _mm_cvtps_pd(_mm_movehl_ps(a, a)); }
inline void stream(float* to, __m128 a) { _mm_stream_ps(to, a); }
inline void stream(double* to, __m128d a) { _mm_stream_pd(to, a); }

// Puts each code into the top byte of its integer.
template <size_t kBytes>
__m128i sign_extend(const int8_t* codes) {
  const __m128i zero = _mm_setzero_si128();
  int32_t low = 0;
  std::memcpy(&low, codes, 16 / kBytes);
  const __m128i bytes = _mm_cvtsi32_si128(low);
  const __m128i words = _mm_unpacklo_epi16(zero, _mm_unpacklo_epi8(zero, bytes));
  return kBytes == 4 ? words : _mm_unpacklo_epi32(zero, words);
}

#else

typedef float Floats __attribute__((vector_size(16)));
typedef double Doubles __attribute__((vector_size(16)));

inline Floats max(Floats a, Floats b) { return a > b ? a : b; }
inline Floats min(Floats a, Floats b) { return a < b ? a : b; }
inline Doubles max(Doubles a, Doubles b) { return a > b ? a : b; }
inline Doubles min(Doubles a, Doubles b) { return a < b ? a : b; }
inline Doubles multiply_add(Doubles a, Doubles b, Doubles c) { return a * b + c; }
inline Doubles widen_low(Floats a) { return Doubles{a[0], a[1]}; }
inline Doubles widen_high(Floats a) { return Doubles{a[2], a[3]}; }
inline void stream(float* to, Floats a) { __builtin_memcpy(to, &a, sizeof a); }
inline void stream(double* to, Doubles a) { __builtin_memcpy(to, &a, sizeof a); }

template <size_t kBytes>
auto sign_extend(const int8_t* codes) {
  if constexpr (kBytes == 4) {
    typedef int32_t Integers __attribute__((vector_size(16)));
    return Integers{codes[0], codes[1], codes[2], codes[3]};
  } else {
    typedef int64_t Integers __attribute__((vector_size(16)));
    return Integers{codes[0], codes[1]};
  }
}

#endif

}  // namespace
}  // namespace hinge_embedding_loss::baseline

#define KERNELS_NAMESPACE baseline
#if defined(__x86_64__)
#define KERNELS_NAME "baseline"
#else
#define KERNELS_NAME "neon"
#endif
#define KERNELS_VECTOR_BYTES 16
#define KERNELS_PREFETCH_BYTES 3072
#define KERNELS_PREFETCH_LOCALITY 0
#define KERNELS_SUPPORTED true
#include "kernels.inl"
