#pragma once

#include <cstddef>

// The distance of two vectors l and r of one width, the row of a batch, with d = (l − r) + ε in their dtype:
//
//     euclidean    √(Σ d²)            as paddle.nn.PairwiseDistance with p = 2
//     manhattan    Σ |d|              p = 1
//     chebyshev    max |d|            p = ∞
//     minkowski    (Σ |d|^p)^(1/p)    any other p > 0
//     cosine       1 − (Σ l·r) / max(√(Σ l² · Σ r²), ε), as paddle.nn.functional.cosine_similarity
//
// docs/numerics.md says in which order the sums are computed, and bounds the error. The result depends on
// nothing but the arguments: not on the instruction set, the platform or its C library.
namespace hinge_embedding_loss {

enum class DistanceKind { kEuclidean, kManhattan, kChebyshev, kMinkowski, kCosine };

struct Distance {
  DistanceKind kind = DistanceKind::kEuclidean;
  double p = 2;  // of minkowski
  double epsilon = 1e-6;

  // The distance for any p > 0, also 1, 2 and infinity.
  static Distance of_power(double p, double epsilon);
};

// Rounded to T once, from float64. NaN if an element is NaN. The caller has set the default floating-point
// environment.
template <class T>
T distance(const Distance& distance, const T* left, const T* right, size_t width);

}  // namespace hinge_embedding_loss
